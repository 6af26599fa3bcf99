// zlib's own handles, kept and used again by all connections: what takes the most time for a small message is to set a compressor up.
//
// Node does not document them. So each is looked at before it is used, and proves itself on a sample first (`findHandles`); where
// something is not as it was, the documented functions do the same, at two or three times the price.
import { constants, createDeflateRaw, createInflateRaw } from 'node:zlib'

/** What is used of a stream of node:zlib. */
interface Internals {
  readonly _handle: {
    writeSync (flush: number, input: Buffer, inputStart: number, inputLength: number, output: Buffer, outputStart: number, outputLength: number): void
    reset (): void
    onerror: (message: string, errno: number, code: string) => void
  }
  /** Of the last write: bytes of the output that are free, and of the input that were not taken. */
  readonly _writeState: Uint32Array
}

/** What became of a write. */
export interface Outcome {
  /** zlib's, such as `Z_DATA_ERROR`; undefined when there was none. */
  readonly error: string | undefined
  /** Bytes written to the output. */
  readonly written: number
  /** Bytes of the input that were not taken. */
  readonly left: number
}

/** One compressor or decompressor, which starts anew with each write. */
export class Handle {
  readonly #handle: Internals['_handle']
  readonly #state: Uint32Array
  #error: string | undefined

  /** @throws TypeError where Node's stream has not got what is needed */
  constructor (stream: object) {
    const { _handle: handle, _writeState: state } = stream as Partial<Internals> // looked at next
    if (typeof handle?.writeSync !== 'function' || typeof handle.reset !== 'function' || !(state instanceof Uint32Array)) {
      throw new TypeError('zlib has no such handle')
    }
    this.#handle = handle
    this.#state = state
    // Else the stream would destroy itself.
    handle.onerror = (_message, _errno, code) => { this.#error = code }
  }

  run (flush: number, input: Buffer, length: number, output: Buffer, room: number): Outcome {
    this.#error = undefined
    this.#handle.reset()
    this.#handle.writeSync(flush, input, 0, length, output, 0, room)
    // Two entries, as Node makes it.
    return { error: this.#error, written: room - this.#state[0]!, left: this.#state[1]! }
  }
}

/** Compressors at the same time: one for each window and level that connections have agreed on, and no more than so many. */
export const MAX_DEFLATERS = 8

/** The handles of this process. */
export interface Handles {
  readonly inflater: Handle
  /** Undefined when there are as many as there may be: another one would take a quarter of a megabyte. */
  deflater (bits: number, level: number, memLevel: number): Handle | undefined
}

class KeptHandles implements Handles {
  readonly inflater: Handle = new Handle(createInflateRaw())
  readonly #deflaters = new Map<number, Handle>()

  deflater (bits: number, level: number, memLevel: number): Handle | undefined {
    const key = (bits * 10 + level) * 10 + memLevel
    let handle = this.#deflaters.get(key)
    if (handle !== undefined || this.#deflaters.size === MAX_DEFLATERS) return handle
    handle = new Handle(createDeflateRaw({ windowBits: bits, level, memLevel }))
    this.#deflaters.set(key, handle)
    return handle
  }
}

/** Makes handles and tries them out. @returns undefined where they do not do what is expected of them */
export function findHandles (): Handles | undefined {
  try {
    const handles = new KeptHandles()
    return isRight(handles) ? handles : undefined
  } catch {
    return undefined
  }
}

/** Compresses and inflates a sample twice, with a failure in between. */
function isRight (handles: Handles): boolean {
  const { Z_FINISH, Z_SYNC_FLUSH } = constants
  const sample = Buffer.from('a sample, a sample, a sample')
  const packed = Buffer.alloc(64)
  const unpacked = Buffer.alloc(64)
  for (let round = 0; round < 2; round++) {
    const deflated = handles.deflater(15, 1, 8)?.run(Z_SYNC_FLUSH, sample, sample.length, packed, packed.length)
    if (deflated === undefined || deflated.error !== undefined || deflated.left !== 0 || deflated.written >= sample.length) return false
    // An empty last block, so that zlib tells an end from a cut, and a byte too many.
    packed.set([3, 0, 7], deflated.written)
    const inflated = handles.inflater.run(Z_FINISH, packed, deflated.written + 3, unpacked, unpacked.length)
    if (inflated.error !== undefined || inflated.left !== 1 || !unpacked.subarray(0, inflated.written).equals(sample)) return false
    const cut = handles.inflater.run(Z_FINISH, packed, deflated.written, unpacked, unpacked.length)
    const wrong = handles.inflater.run(Z_FINISH, Buffer.from([7]), 1, unpacked, unpacked.length)
    const full = handles.inflater.run(Z_FINISH, packed, deflated.written + 2, unpacked, 4)
    if (cut.error !== 'Z_BUF_ERROR' || wrong.error !== 'Z_DATA_ERROR' || full.error !== undefined || full.written !== 4) return false
  }
  return true
}

let found: Handles | undefined
let isSought = false

/** The handles of this process, sought when they are needed first. */
export function sharedHandles (): Handles | undefined {
  if (!isSought) found = findHandles()
  isSought = true
  return found
}
