// Chunks in, frames out (RFC 6455 §5.2), however the bytes are cut. Owns the unread bytes between chunks; knows nothing of
// messages, whose rules the receiver holds.
//
// A byte's way: a chunk is scanned for the whole frames in it, which the scanner unmasks all at once (`#readFrames`), and these
// are judged and handed on one by one (`#handOn`). What the scanner leaves, a frame that is cut or unusual, is read by the rules
// of `readFrameHeader`, its payload in pieces if need be (`#readFrame`, `#readPiece`).
import { checkFirstByte, checkSecondByte, createFrameHeader, headerLengthAt, MAX_CONTROL_LENGTH, MAX_HEADER_LENGTH, payloadLengthAt, readFrameHeader } from './frame-header.ts'
import type { FrameHeader, HeaderContext } from './frame-header.ts'
import { BITS, FIELDS, IS_ASCII, MAX_FRAMES } from './frame-scanner.ts'
import type { FrameScanner } from './frame-scanner.ts'
import { rotateMaskingKey } from './mask.ts'
import { isControl, Opcode } from './opcode.ts'
import { FASTEST } from './scanners.ts'
import type { Scanners } from './scanners.ts'
import { INPUT_HEADROOM, INPUT_SIZE, INPUT_START } from './wasm-scanner.ts'
import type { WasmScanner } from './wasm-scanner.ts'

/** What a parser calls, frame by frame. `header` and `bytes` are the parser's own: they change after the call. */
export interface FrameReceiver extends HeaderContext {
  /** A message in one frame that needs no second look, as most do: a text that is all ASCII, or bytes. */
  onSimpleMessage (opcode: number, data: string | Buffer): void
  /**
   * Any other frame whose payload is all in `bytes`, unmasked, from `start`; every control frame comes this way.
   *
   * @param ascii - true when the payload is known to be ASCII
   * @param owned - true when `bytes` may be kept
   */
  onFrame (header: FrameHeader, bytes: Buffer, start: number, ascii: boolean, owned: boolean): void
  /** The header of a data frame whose payload comes in pieces. */
  onFrameStart (header: FrameHeader): void
  /**
   * A piece of that payload, unmasked: `bytes[start, end)`.
   *
   * @param due - bytes of the payload that come after it
   */
  onFramePiece (bytes: Buffer, start: number, end: number, ascii: boolean, due: number): void
  /** All of that payload has come. */
  onFrameEnd (header: FrameHeader): void
}

/** Of a frame's bits: FIN, the reserved bits, the opcode and whether there is a mask. */
const MESSAGE_BITS = 0xff | 0x8000

/** Frames of the first scan behind a pause, and then twice as many each time: few may be wanted before the next one. */
const FRAMES_AFTER_PAUSE = 1

/** Filled anew for each whole frame, whosever it is: receivers look at it before they call anybody. */
const sharedHeader: FrameHeader = createFrameHeader()

/**
 * Reads frames out of a byte stream.
 *
 * Chunks belong to the parser once pushed. Between chunks it keeps a cut header or control frame as a copy of its own, at most
 * 139 bytes.
 */
export class FrameParser {
  readonly #receiver: FrameReceiver
  readonly #scanners: Scanners
  readonly #lends: boolean
  /** What `MESSAGE_BITS` are in a message of one frame: a text, all ASCII, and bytes. */
  readonly #asciiText: number
  readonly #binary: number
  /** The frame that is read in pieces, and how many bytes of its payload are still to come. */
  #cut: FrameHeader | undefined
  #due = 0
  #stopped = false
  #ended = false
  #reading = false
  /** Bytes not read yet: a cut header or control frame, or what a pause left over. */
  #rest: Buffer | undefined

  /** @param lends - payloads of simple messages are only lent to the receiver, until it returns */
  constructor (receiver: FrameReceiver, scanners: Scanners = FASTEST, lends = false) {
    this.#receiver = receiver
    this.#scanners = scanners
    this.#lends = lends
    const mask = receiver.role === 'server' ? 0x8000 : 0
    this.#asciiText = 0x80 | Opcode.Text | mask | IS_ASCII
    this.#binary = 0x80 | Opcode.Binary | mask
  }

  /** True while bytes wait that `resume` would read. */
  get hasUnread (): boolean {
    return this.#stopped && this.#rest !== undefined
  }

  /** True when it keeps no byte, be it of a header that is not all there, and is inside no payload. */
  get isEmpty (): boolean {
    return this.#rest === undefined && this.#cut === undefined
  }

  /**
   * Reads one chunk, calling the receiver for all that is in it.
   *
   * @throws {ProtocolError} as `readFrameHeader` and the receiver do; read no further then
   */
  push (chunk: Buffer): void {
    if (this.#ended) return
    const bytes = this.#rest === undefined ? chunk : Buffer.concat([this.#rest, chunk])
    if (this.#stopped || this.#reading) {
      this.#rest = bytes
      return
    }
    this.#rest = undefined
    this.#read(bytes, MAX_FRAMES)
  }

  /**
   * Reads the first `length` bytes of the `input` of the scanner in WebAssembly. They are written over after the call.
   *
   * @throws {ProtocolError} as `push`
   */
  pushInput (length: number): void {
    // Whoever has bytes there has seen the scanner.
    const { memory } = this.#scanners.wasm!
    const rest = this.#rest
    const restLength = rest === undefined ? 0 : rest.length
    const end = INPUT_START + length
    if (this.#stopped || this.#reading || this.#scanners.isBusy || restLength > INPUT_HEADROOM) {
      this.push(copyOf(memory.subarray(INPUT_START, end)))
      return
    }
    if (rest !== undefined) memory.set(rest, INPUT_START - restLength)
    this.#rest = undefined
    const at = this.#readInPlace(memory, INPUT_START - restLength, end, MAX_FRAMES, false)
    if (this.#ended) return
    const next = this.#keep(at < end ? copyOf(memory.subarray(at, end)) : undefined)
    if (next !== undefined) this.#read(next, MAX_FRAMES)
  }

  /** Stops after the frame that is being handed on; the rest of its chunk waits. */
  pause (): void {
    this.#stopped = true
  }

  /** Goes on where `pause` stopped. @throws {ProtocolError} as `push` */
  resume (): void {
    if (this.#ended) return
    this.#stopped = false
    if (this.#reading) return
    const rest = this.#takeRest()
    if (rest !== undefined) this.#read(rest, FRAMES_AFTER_PAUSE)
  }

  /** Stops for good and lets go of everything that waits. */
  end (): void {
    this.#ended = true
    this.#stopped = true
    this.#rest = undefined
    this.#cut = undefined
  }

  #takeRest (): Buffer | undefined {
    const rest = this.#rest
    this.#rest = undefined
    return rest
  }

  /** Reads a chunk that may be kept, then what a callback has pushed while it was read. */
  #read (chunk: Buffer, most: number): void {
    let bytes: Buffer | undefined = chunk
    while (bytes !== undefined) {
      const { wasm } = this.#scanners
      // Behind a pause another one may come soon, and all would be copied again.
      const at = wasm !== undefined && most === MAX_FRAMES && this.#scanners.copies(bytes.length)
        ? this.#readCopied(bytes, wasm, most)
        : this.#readInPlace(bytes, 0, bytes.length, most, true)
      if (this.#ended) return
      bytes = this.#keep(at < bytes.length ? restOf(bytes, at) : undefined)
    }
  }

  /** Keeps what is left of a chunk. Returns what is to be read now: that, and what a callback has pushed behind it. */
  #keep (rest: Buffer | undefined): Buffer | undefined {
    const pushed = this.#rest
    this.#rest = rest === undefined || pushed === undefined ? rest ?? pushed : Buffer.concat([rest, pushed])
    return pushed === undefined || this.#stopped ? undefined : this.#takeRest()
  }

  /**
   * Reads a chunk, stretch by stretch, in the memory of the scanner in WebAssembly, but for large frames, which are read, and handed
   * out, where they are. Returns how much of it has been read.
   */
  #readCopied (chunk: Buffer, { memory }: WasmScanner, most: number): number {
    let read = 0
    while (read < chunk.length && !this.#stopped) {
      // Behind the rest of a frame that is cut.
      const frame = this.#cut === undefined ? read : read + this.#due
      const largeEnd = this.#endOfLarge(chunk, frame)
      const at = largeEnd > frame ? this.#readInPlace(chunk, read, largeEnd, most, true) : this.#readCopyOf(chunk, read, memory, most)
      if (at === read) break
      read = at
    }
    return read
  }

  #readCopyOf (chunk: Buffer, start: number, memory: Buffer, most: number): number {
    const length = chunk.copy(memory, INPUT_START, start, Math.min(start + INPUT_SIZE, chunk.length))
    return start + this.#readInPlace(memory, INPUT_START, INPUT_START + length, most, false) - INPUT_START
  }

  /** Finds where the large binary frames end, all of them whole, that begin at `start`. What is lent needs no memory of its own. */
  #endOfLarge (chunk: Buffer, start: number): number {
    let at = start
    if (this.#lends) return at
    while (at < chunk.length && (chunk[at]! & 0x0f) === Opcode.Binary) {
      const payload = at + headerLengthAt(chunk, at)
      if (payload > chunk.length) break
      const length = payloadLengthAt(chunk, at)
      if (length > chunk.length - payload || !this.#scanners.isLarge(chunk, length)) break
      at = payload + length
    }
    return at
  }

  /** Reads what can be read now of `bytes[start, end)`; returns where it stopped. */
  #readInPlace (bytes: Buffer, start: number, end: number, most: number, owned: boolean): number {
    const scanner = this.#scanners.claim(bytes)
    this.#reading = true
    try {
      return this.#readFrames(scanner, bytes, start, end, most, owned)
    } finally {
      this.#reading = false
      this.#scanners.release()
    }
  }

  #readFrames (scanner: FrameScanner, bytes: Buffer, start: number, end: number, firstMost: number, owned: boolean): number {
    let most = firstMost
    let at = this.#cut === undefined ? start : this.#readPiece(scanner, this.#cut, bytes, start, end)
    while (at < end && !this.#stopped) {
      const count = scanner.scan(bytes, at, end, most)
      if (count > 0) at = this.#handOn(scanner, count, bytes, owned)
      most = Math.min(most * 2, MAX_FRAMES)
      if (at === end || this.#stopped) break
      const next = this.#readFrame(scanner, bytes, at, end, owned)
      if (next === at) break
      at = next
    }
    return at
  }

  /** Judges the frames that were scanned and hands them on, one by one; returns where the next one starts. */
  #handOn (scanner: FrameScanner, count: number, bytes: Buffer, owned: boolean): number {
    const receiver = this.#receiver
    const { table } = scanner
    let end = 0
    for (let frame = 0; frame < count; frame++) {
      // The table has so many entries: `!` only tells the compiler so.
      const entry = frame * FIELDS
      const start = table[entry]!
      const length = table[entry + 1]!
      const bits = table[entry + BITS]!
      end = start + length
      if ((bits & (MESSAGE_BITS | IS_ASCII)) === this.#asciiText && !receiver.inMessage) {
        receiver.checkLength(Opcode.Text, length, 0)
        receiver.onSimpleMessage(Opcode.Text, scanner.readAscii(start, end))
      } else if ((bits & MESSAGE_BITS) === this.#binary && !receiver.inMessage) {
        receiver.checkLength(Opcode.Binary, length, 0)
        receiver.onSimpleMessage(Opcode.Binary, this.#lends ? bytes.subarray(start, end) : scanner.takeBinary(start, end, owned))
      } else {
        this.#judge(bits, length)
        receiver.onFrame(sharedHeader, bytes, start, (bits & IS_ASCII) !== 0, owned)
      }
      if (!this.#stopped) continue
      // What comes behind it is read again.
      scanner.undo(bytes, frame + 1, count)
      return end
    }
    return end
  }

  /** Judges a whole frame by the rules of `readFrameHeader`, and writes to `sharedHeader` what receivers look at. */
  #judge (bits: number, payloadLength: number): void {
    const first = bits & 0xff
    const opcode = first & 0x0f
    checkFirstByte(first, this.#receiver)
    checkSecondByte(first, (bits >> 8) & 0xff, this.#receiver)
    if (!isControl(opcode)) this.#receiver.checkLength(opcode, payloadLength, (first >> 4) & 0b111)
    sharedHeader.fin = first >= 0x80
    sharedHeader.rsv = (first >> 4) & 0b111
    sharedHeader.opcode = opcode
    sharedHeader.payloadLength = payloadLength
  }

  /** Reads a frame that no scan takes, or what there is of it; returns where the next one starts, `at` itself when bytes are missing. */
  #readFrame (scanner: FrameScanner, bytes: Buffer, at: number, end: number, owned: boolean): number {
    const header = sharedHeader
    if (!readFrameHeader(bytes, at, end, this.#receiver, header)) return at
    const start = at + header.headerLength
    if (header.payloadLength <= end - start) {
      const payloadEnd = start + header.payloadLength
      const ascii = header.masked && scanner.unmask(bytes, start, payloadEnd, header.maskingKey)
      this.#receiver.onFrame(header, bytes, start, ascii, owned)
      return payloadEnd
    }
    // A control frame is small: wait until it is whole.
    if (isControl(header.opcode)) return at
    this.#cut = { ...header }
    this.#due = header.payloadLength
    this.#receiver.onFrameStart(this.#cut)
    return this.#readPiece(scanner, this.#cut, bytes, start, end)
  }

  /** Reads on in a payload that comes in pieces; returns where it, or the bytes, end. */
  #readPiece (scanner: FrameScanner, header: FrameHeader, bytes: Buffer, start: number, end: number): number {
    const pieceEnd = Math.min(end, start + this.#due)
    const key = rotateMaskingKey(header.maskingKey, header.payloadLength - this.#due)
    this.#due -= pieceEnd - start
    if (pieceEnd > start) {
      const ascii = header.masked && scanner.unmask(bytes, start, pieceEnd, key)
      this.#receiver.onFramePiece(bytes, start, pieceEnd, ascii, this.#due)
    }
    if (this.#due === 0) {
      this.#cut = undefined
      this.#receiver.onFrameEnd(header)
    }
    return pieceEnd
  }
}

/** The rest of a chunk; a few bytes, which may have to wait long, as a copy. */
function restOf (chunk: Buffer, at: number): Buffer {
  const rest = chunk.subarray(at)
  return rest.length < MAX_HEADER_LENGTH + MAX_CONTROL_LENGTH ? copyOf(rest) : rest
}

/** Copies bytes that may have to wait long; not into Node's pool, of which they would keep a slab alive. */
function copyOf (bytes: Buffer): Buffer {
  const copy = Buffer.allocUnsafeSlow(bytes.length)
  copy.set(bytes)
  return copy
}
