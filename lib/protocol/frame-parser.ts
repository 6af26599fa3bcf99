// Chunks in, frames out (RFC 6455 §5.2), however the bytes are cut. Owns the unread bytes between chunks;
// knows nothing of messages, whose rules the receiver holds.
import { createFrameHeader, MAX_CONTROL_LENGTH, MAX_HEADER_LENGTH, readFrameHeader } from './frame-header.ts'
import type { FrameHeader, HeaderContext } from './frame-header.ts'
import { applyMask, rotateMaskingKey } from './mask.ts'
import { isControl } from './opcode.ts'

/** What a parser calls, frame by frame. `header` is the parser's own and changes after the call. */
export interface FrameReceiver extends HeaderContext {
  /** A frame whose payload is all in `bytes`, unmasked, from `start`; every control frame comes this way. */
  onFrame (header: FrameHeader, bytes: Buffer, start: number, ascii: boolean): void
  /** The header of a data frame whose payload comes in pieces. */
  onFrameStart (header: FrameHeader): void
  /** A piece of that payload, unmasked: `bytes[start, end)`. */
  onFramePiece (bytes: Buffer, start: number, end: number): void
  /** All of that payload has come. */
  onFrameEnd (header: FrameHeader): void
}

const EMPTY: Buffer = Buffer.alloc(0)

/**
 * Reads frames out of a byte stream.
 *
 * Chunks belong to the parser once pushed: payloads are unmasked in place, and what it hands on are places in them.
 * Between chunks it keeps a cut header or control frame as a copy of its own, at most 139 bytes.
 */
export class FrameParser {
  readonly #receiver: FrameReceiver
  readonly #header: FrameHeader = createFrameHeader()
  /** Payload bytes still to come of the data frame that is read in pieces; 0 between frames. */
  #due = 0
  #stopped = false
  #ended = false
  #reading = false
  /** Bytes not read yet: a cut header or control frame, or what a pause left over. */
  #rest: Buffer = EMPTY

  constructor (receiver: FrameReceiver) {
    this.#receiver = receiver
  }

  /** True while bytes wait that `resume` would read. */
  get hasUnread (): boolean {
    return this.#stopped && this.#rest.length > 0
  }

  /**
   * Reads one chunk, calling the receiver for all that is in it.
   *
   * @throws {ProtocolError} as `readFrameHeader` and the receiver do; read no further then
   */
  push (chunk: Buffer): void {
    if (this.#ended) return
    if (this.#stopped || this.#reading) {
      this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
      return
    }
    this.#read(this.#rest.length === 0 ? chunk : this.#joinRest(chunk))
  }

  /** Stops after the frame that is being handed on; the rest of its chunk waits. */
  pause (): void {
    this.#stopped = true
  }

  /** Goes on where `pause` stopped. @throws {ProtocolError} as `push` */
  resume (): void {
    if (this.#ended) return
    this.#stopped = false
    if (this.#reading || this.#rest.length === 0) return
    const rest = this.#rest
    this.#rest = EMPTY
    this.#read(rest)
  }

  /** Stops for good and lets go of everything that waits. */
  end (): void {
    this.#ended = true
    this.#stopped = true
    this.#rest = EMPTY
  }

  /** Puts a cut header or control frame, a few bytes, in front of the next chunk. */
  #joinRest (chunk: Buffer): Buffer {
    const joined = Buffer.concat([this.#rest, chunk])
    this.#rest = EMPTY
    return joined
  }

  /** Reads a chunk, then those that a callback pushed while it was read. */
  #read (chunk: Buffer): void {
    let bytes = chunk
    while (true) {
      const at = this.#readFrames(bytes)
      if (this.#ended) return
      const hasPushed = this.#rest.length > 0
      if (at < bytes.length) this.#keepRest(bytes, at)
      if (!hasPushed || this.#stopped) return
      bytes = this.#rest
      this.#rest = EMPTY
    }
  }

  /** Reads what can be read now; returns where it stopped. */
  #readFrames (bytes: Buffer): number {
    this.#reading = true
    let at = 0
    try {
      if (this.#due > 0) at = this.#readPiece(bytes, at)
      while (at < bytes.length && !this.#stopped) {
        const next = this.#readFrame(bytes, at)
        if (next === at) break
        at = next
      }
    } finally {
      this.#reading = false
    }
    return at
  }

  /** Reads one frame, or what there is of it; returns where the next one starts, `at` itself when bytes are missing. */
  #readFrame (bytes: Buffer, at: number): number {
    const header = this.#header
    if (!readFrameHeader(bytes, at, this.#receiver, header)) return at
    const start = at + header.headerLength
    const end = start + header.payloadLength
    if (end <= bytes.length) {
      const ascii = header.masked && applyMask(bytes, start, end, header.maskingKey)
      this.#receiver.onFrame(header, bytes, start, ascii)
      return end
    }
    // A control frame is small: wait until it is whole.
    if (isControl(header.opcode)) return at
    this.#receiver.onFrameStart(header)
    this.#due = header.payloadLength
    return this.#readPiece(bytes, start)
  }

  /** Reads on in a payload that comes in pieces; returns where it, or the bytes, end. */
  #readPiece (bytes: Buffer, start: number): number {
    const header = this.#header
    const end = Math.min(bytes.length, start + this.#due)
    if (header.masked) {
      applyMask(bytes, start, end, rotateMaskingKey(header.maskingKey, header.payloadLength - this.#due))
    }
    this.#due -= end - start
    if (end > start) this.#receiver.onFramePiece(bytes, start, end)
    if (this.#due === 0) this.#receiver.onFrameEnd(header)
    return end
  }

  /** Keeps `bytes` from `at` on, in front of chunks that a callback pushed while they were read. */
  #keepRest (bytes: Buffer, at: number): void {
    const rest = bytes.subarray(at)
    const kept = rest.length < MAX_HEADER_LENGTH + MAX_CONTROL_LENGTH ? copyOf(rest) : rest
    this.#rest = this.#rest.length === 0 ? kept : Buffer.concat([kept, this.#rest])
  }
}

/** Copies a few bytes that may have to wait long; not into Node's pool, of which they would keep a slab alive. */
function copyOf (bytes: Buffer): Buffer {
  const copy = Buffer.allocUnsafeSlow(bytes.length)
  copy.set(bytes)
  return copy
}
