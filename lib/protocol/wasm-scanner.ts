// The scanner in WebAssembly with vectors of 16 bytes (wasm/scanner.wat), where there is such a thing. Owns its memory: the table
// and the bytes that are scanned lie in it, so bytes are copied there, or read into it from a socket.
import { FIELDS, FrameScanner, MAX_FRAMES } from './frame-scanner.ts'
import type { Unmasker } from './frame-scanner.ts'
import { swapBytes } from './mask.ts'
import { lendMemory } from './payload-buffer.ts'
import { SCANNER_MODULE } from './wasm/scanner-module.ts'

/** Where the table lies, behind constants of the module's own. */
const TABLE = 256
/** Where the input may begin: the last bytes of the chunk before can be put in front of it. */
export const INPUT_START = 16_384
export const INPUT_HEADROOM = 256
/** Most bytes of one input, without the headroom. */
export const INPUT_SIZE = 65_536
/** Where bytes from elsewhere are unmasked, behind the input and the vector that is read behind it; few enough to stay in the processor's cache. */
const ELSEWHERE_START = 98_304
const ELSEWHERE_SIZE = 16_384

interface ScannerExports {
  readonly memory: { readonly buffer: ArrayBuffer }
  scan (at: number, end: number, most: number, entry: number): number
  mask (at: number, length: number, key: number): number
}

/** What this file needs of the global `WebAssembly`, of which the compiler's library for Node knows nothing. */
interface WebAssemblyGlobal {
  readonly Module: new (bytes: Uint8Array) => object
  readonly Instance: new (module: object) => { readonly exports: unknown }
}

export class WasmScanner extends FrameScanner implements Unmasker {
  /** All of the module's memory; inputs are places in it. Its size never changes, so views of it stay. */
  readonly memory: Buffer
  /** Where bytes may be put, or read from a socket, for a parser's `pushInput`; it is in use until that returns. */
  readonly input: Buffer
  readonly #exports: ScannerExports

  private constructor (exports: ScannerExports) {
    super(new Int32Array(exports.memory.buffer, TABLE, MAX_FRAMES * FIELDS))
    this.#exports = exports
    this.memory = Buffer.from(exports.memory.buffer)
    this.input = this.memory.subarray(INPUT_START, INPUT_START + INPUT_SIZE)
    lendMemory(this.memory)
  }

  /** Makes one; `undefined` where the engine has no WebAssembly, no vectors, or counts its bytes the other way round. */
  static create (): WasmScanner | undefined {
    const { WebAssembly } = globalThis as { WebAssembly?: WebAssemblyGlobal }
    if (WebAssembly === undefined || new Uint8Array(new Uint32Array([1]).buffer)[0] !== 1) return undefined
    try {
      const module = new WebAssembly.Module(Buffer.from(SCANNER_MODULE, 'base64'))
      // The source says what it exports.
      return new WasmScanner(new WebAssembly.Instance(module).exports as ScannerExports)
    } catch {
      // An engine without vectors refuses the module, and one that may not make code at run time all modules.
      return undefined
    }
  }

  override unmask (bytes: Buffer, start: number, end: number, key: number): boolean {
    return this.mask(bytes, start, end, swapBytes(key))
  }

  /** Unmasks bytes that are not in this memory: they are brought here and back. What is scanned here meanwhile is left alone. */
  unmaskElsewhere (bytes: Buffer, start: number, end: number, key: number): boolean {
    // The key is the same for each part: their size is a multiple of its own.
    const word = swapBytes(key)
    let isAscii = true
    for (let at = start; at < end; at += ELSEWHERE_SIZE) {
      const length = bytes.copy(this.memory, ELSEWHERE_START, at, Math.min(at + ELSEWHERE_SIZE, end))
      if (!this.mask(this.memory, ELSEWHERE_START, ELSEWHERE_START + length, word)) isAscii = false
      this.memory.copy(bytes, at, ELSEWHERE_START, ELSEWHERE_START + length)
    }
    return isAscii
  }

  protected override find (_bytes: Buffer, start: number, end: number, most: number): number {
    return this.#exports.scan(start, end, most, TABLE)
  }

  protected override mask (_bytes: Buffer, start: number, end: number, key: number): boolean {
    return this.#exports.mask(start, end - start, key) !== 0
  }
}
