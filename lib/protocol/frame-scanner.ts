// Whole frames in a stretch of bytes, many at a time: where their payloads are, unmasked in place, ASCII or not (RFC 6455 §5.2,
// §5.3). Owns the table that says so, and taking short messages out of what was scanned; judges nothing.
import { applyMask } from './mask.ts'
import { takeBytes } from './payload-buffer.ts'

/** Numbers of a frame in the table: where its payload starts, the payload's length, its `bits`, and its masking key. */
export const FIELDS = 4
/** The first two bytes of the header as bits 0-7 and 8-15; bit 16 is set when the whole payload is ASCII. */
export const BITS = 2
export const IS_ASCII: number = 1 << 16
/** Frames of one scan. */
export const MAX_FRAMES = 256

/** Texts shorter than this are read together: a call into the engine costs more than they do. */
const SHORT_TEXT = 128
/** Bytes that are read together at most: a text that the application keeps may keep all of them alive. */
const TEXT_WINDOW = 1024

/** Payloads shorter than this are copied together, into as many bytes as Node's own pool has, of which a small Buffer keeps as many alive. */
const SHORT_BYTES = 2048
const BYTES_WINDOW = 8192

/** From this many bytes on two copies, to vectors and back, take less time than to unmask them in TypeScript: 6 us and not 14 for 64 KiB. */
const ELSEWHERE_FROM = 1024

export abstract class FrameScanner {
  /** `FIELDS` numbers for each frame that the last scan found. */
  readonly table: Int32Array
  /** The bytes of the last scan, and the first one behind its frames. */
  #bytes: Buffer | undefined
  #end = 0
  /** Text of a stretch of those bytes, each as the character of its number. */
  #text = ''
  #textStart = 0
  #textEnd = 0
  /** A copy of a stretch of them. */
  #copy: Buffer | undefined
  #copyStart = 0
  #copyEnd = 0

  constructor (table: Int32Array) {
    this.table = table
  }

  /**
   * Finds the whole frames at the front of `bytes[start, end)` and unmasks them. The scan ends at a frame that is cut, or whose
   * length takes 64 bits or is not in its shortest form.
   *
   * @param most - frames to stop after, `MAX_FRAMES` at most
   * @returns how many there are
   */
  scan (bytes: Buffer, start: number, end: number, most: number): number {
    const count = this.find(bytes, start, end, most)
    this.#bytes = bytes
    this.#end = count === 0 ? start : this.table[(count - 1) * FIELDS]! + this.table[(count - 1) * FIELDS + 1]!
    this.#textEnd = 0
    this.#copyEnd = 0
    return count
  }

  /** Masks the payloads of the frames from `index` on again, as if they had not been scanned. */
  undo (bytes: Buffer, index: number, count: number): void {
    const { table } = this
    for (let at = index * FIELDS; at < count * FIELDS; at += FIELDS) {
      this.mask(bytes, table[at]!, table[at]! + table[at + 1]!, table[at + 3]!)
    }
  }

  /** Reads the payload `[start, end)` of a frame that the last scan found, whose bytes are known to be ASCII. */
  readAscii (start: number, end: number): string {
    // A scan has been there, or there was no frame.
    const bytes = this.#bytes!
    if (end - start >= SHORT_TEXT) return bytes.toString('latin1', start, end)
    if (end > this.#textEnd || start < this.#textStart) {
      this.#textStart = start
      this.#textEnd = Math.min(start + TEXT_WINDOW, this.#end)
      this.#text = bytes.toString('latin1', start, this.#textEnd)
    }
    return this.#text.substring(start - this.#textStart, end - this.#textStart)
  }

  /**
   * Takes the payload `[start, end)` of a frame that the last scan found, for a receiver that may keep it.
   *
   * @param owned - as in `takeBytes`
   */
  takeBinary (start: number, end: number, owned: boolean): Buffer {
    const bytes = this.#bytes! // as above
    if (end - start >= SHORT_BYTES || end === this.#end) return takeBytes(bytes, start, end, owned)
    if (end > this.#copyEnd || start < this.#copyStart) this.#copyFrom(bytes, start)
    return this.#copy!.subarray(start - this.#copyStart, end - this.#copyStart)
  }

  #copyFrom (bytes: Buffer, start: number): void {
    this.#copyStart = start
    this.#copyEnd = Math.min(start + BYTES_WINDOW, this.#end)
    this.#copy = Buffer.allocUnsafeSlow(this.#copyEnd - start)
    bytes.copy(this.#copy, 0, start, this.#copyEnd)
  }

  /** Unmasks `bytes[start, end)`, a piece of a frame, by `key` as a big-endian number. @returns true when all that comes out is ASCII */
  abstract unmask (bytes: Buffer, start: number, end: number, key: number): boolean

  protected abstract find (bytes: Buffer, start: number, end: number, most: number): number

  /** Masks or unmasks `bytes[start, end)` with a key as it stands in the table. @returns true when all that comes out is ASCII */
  protected abstract mask (bytes: Buffer, start: number, end: number, key: number): boolean
}

/** Unmasks bytes that lie anywhere, at some cost for each call. */
export interface Unmasker {
  /** As `unmask` of a scanner. */
  unmaskElsewhere (bytes: Buffer, start: number, end: number, key: number): boolean
}

/** On any bytes, in TypeScript, which is the quickest there is for short stretches; long ones are unmasked by another, if there is one. */
export class PortableScanner extends FrameScanner {
  readonly #unmasker: Unmasker | undefined
  readonly #elsewhereFrom: number

  /** @param elsewhereFrom - bytes from which `unmasker` is quicker */
  constructor (unmasker?: Unmasker, elsewhereFrom: number = ELSEWHERE_FROM) {
    super(new Int32Array(MAX_FRAMES * FIELDS))
    this.#unmasker = unmasker
    this.#elsewhereFrom = unmasker === undefined ? Infinity : elsewhereFrom
  }

  protected override find (bytes: Buffer, start: number, end: number, most: number): number {
    const { table } = this
    let at = start
    let count = 0
    // All indexes are below `end`: `!` only tells the compiler so, and costs nothing.
    while (count < most && end - at >= 2) {
      const first = bytes[at]!
      const second = bytes[at + 1]!
      let length = second & 0x7f
      let payload = at + 2
      if (length === 127) break
      if (length === 126) {
        if (end - at < 4) break
        length = (bytes[at + 2]! << 8) | bytes[at + 3]!
        if (length < 126) break
        payload = at + 4
      }
      let key = 0
      if (second >= 0x80) {
        if (end - payload < 4) break
        key = (bytes[payload]! << 24) | (bytes[payload + 1]! << 16) | (bytes[payload + 2]! << 8) | bytes[payload + 3]!
        payload += 4
      }
      if (end - payload < length) break
      const ascii = this.unmask(bytes, payload, payload + length, key)
      const entry = count * FIELDS
      table[entry] = payload
      table[entry + 1] = length
      table[entry + BITS] = first | (second << 8) | (ascii ? IS_ASCII : 0)
      table[entry + 3] = key
      count++
      at = payload + length
    }
    return count
  }

  override unmask (bytes: Buffer, start: number, end: number, key: number): boolean {
    if (end - start < this.#elsewhereFrom) return applyMask(bytes, start, end, key)
    // There is one, or no length would do.
    return this.#unmasker!.unmaskElsewhere(bytes, start, end, key)
  }

  protected override mask (bytes: Buffer, start: number, end: number, key: number): boolean {
    return this.unmask(bytes, start, end, key)
  }
}
