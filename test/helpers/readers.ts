// The ways in which a parser may come to its bytes: each has to read the same. The sizes from which they are chosen do not count here.
import { FASTEST, PORTABLE, Scanners } from '../../lib/protocol/scanners.ts'
import { INPUT_SIZE } from '../../lib/protocol/wasm-scanner.ts'

export interface Reader {
  readonly name: string
  readonly scanners: Scanners
  /** Where chunks are read in the scanner's memory, as from a socket that reads into it. */
  readonly input: Buffer | undefined
}

const { wasm } = FASTEST
if (wasm === undefined) throw new Error('this Node has no WebAssembly with vectors: its scanner cannot be tested')

export const READERS: readonly Reader[] = [
  { name: 'portable', scanners: PORTABLE, input: undefined },
  { name: 'WebAssembly, copied', scanners: new Scanners(wasm, 0), input: undefined },
  { name: 'WebAssembly, in its memory', scanners: new Scanners(wasm, 0), input: wasm.input },
  { name: 'WebAssembly, large frames where they are', scanners: new Scanners(wasm, 0, 1), input: undefined },
  { name: 'as it comes', scanners: FASTEST, input: undefined }
]

/** Hands a chunk on by the way of the reader. The chunk stays as it is. */
export function hand (reader: Reader, chunk: Uint8Array, push: (chunk: Buffer) => void, pushInput: (length: number) => void): void {
  const { input } = reader
  if (input === undefined) {
    push(Buffer.from(chunk))
    return
  }
  for (let at = 0; at < chunk.length; at += INPUT_SIZE) {
    const piece = chunk.subarray(at, at + INPUT_SIZE)
    input.set(piece)
    pushInput(piece.length)
    // The next socket reads there.
    input.fill(0xa5, 0, piece.length)
  }
}
