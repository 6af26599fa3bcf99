// Which scanner reads a chunk. Owns the few there are: one in WebAssembly, and portable ones for parsers that are called while
// another one reads, as between two ends of a connection in one process.
import { PortableScanner } from './frame-scanner.ts'
import type { FrameScanner } from './frame-scanner.ts'
import { mayKeep } from './payload-buffer.ts'
import { WasmScanner } from './wasm-scanner.ts'

/** Below this many bytes to copy a chunk into WebAssembly's memory costs more than it saves. */
const WASM_FROM = 256
/** Below this many bytes of a payload nothing is gained by reading it where it is. */
const LARGE_FROM = 4096

export class Scanners {
  /** In WebAssembly; one chunk at a time is in its memory. */
  readonly wasm: WasmScanner | undefined
  readonly #wasmFrom: number
  readonly #largeFrom: number
  /** By depth: a scanner's table is in use while its frames are handed on. */
  readonly #portable: PortableScanner[] = []
  #depth = 0

  /**
   * @param wasmFrom - bytes of a chunk elsewhere from which WebAssembly pays
   * @param largeFrom - bytes of a payload from which it may be read where it is
   */
  constructor (wasm: WasmScanner | undefined, wasmFrom: number = WASM_FROM, largeFrom: number = LARGE_FROM) {
    this.wasm = wasm
    this.#wasmFrom = wasmFrom
    this.#largeFrom = largeFrom
  }

  /** True while a parser reads: what is in `wasm`'s memory is its own. */
  get isBusy (): boolean {
    return this.#depth > 0
  }

  /** Tells whether a chunk is to be copied into the memory of the one in WebAssembly. */
  copies (length: number): boolean {
    return this.wasm !== undefined && length >= this.#wasmFrom && this.#depth === 0
  }

  /** Tells whether so much of a payload is better read in its chunk: when it may be kept there (`mayKeep`), what is copied is copied in vain. */
  isLarge (chunk: Buffer, length: number): boolean {
    return length >= this.#largeFrom && mayKeep(chunk, length)
  }

  /** Gives a scanner for `bytes`, until `release`. */
  claim (bytes: Buffer): FrameScanner {
    const depth = this.#depth++
    if (bytes === this.wasm?.memory) return this.wasm
    return (this.#portable[depth] ??= new PortableScanner(this.wasm))
  }

  release (): void {
    this.#depth--
  }
}

/** In TypeScript alone. */
export const PORTABLE: Scanners = new Scanners(undefined)

/** The quickest that this process can have. */
export const FASTEST: Scanners = new Scanners(WasmScanner.create())
