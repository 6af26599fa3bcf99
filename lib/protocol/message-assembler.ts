// Fragments to messages (RFC 6455 §5.4): their order, the limit on a message's size, UTF-8 as it arrives (§8.1). Of a compressed
// message (RFC 7692 §6.1) it only collects the bytes: what they say shows when they are inflated.
import { constants } from 'node:buffer'
import { ProtocolError } from './errors.ts'
import type { FrameHeader } from './frame-header.ts'
import { Opcode } from './opcode.ts'
import { givePage, lendMemory, PayloadBuffer, takeBytes } from './payload-buffer.ts'
import { decodeText, decodeValidText, Utf8Validator } from './utf8.ts'

/** Fragments without a byte in them that may follow each other; then it is no message but a flood (§10.4). */
export const MAX_EMPTY_FRAGMENTS = 1000

/** A text message is a string, a binary one a Buffer that belongs to the receiver. */
export type MessageData = string | Buffer

export class MessageAssembler {
  readonly #maxPayload: number
  readonly #maxCompressed: number
  readonly #lends: boolean
  /** No string holds more, and none has more UTF-16 units than bytes. */
  readonly #maxText: number
  /** Made for the first message that comes in pieces, which on most connections never does. */
  #payload: PayloadBuffer | undefined
  #utf8: Utf8Validator | undefined
  #opcode: number = Opcode.Continuation
  /** The message is compressed (RFC 7692 §6). */
  #compressed = false
  /** All of the text so far is ASCII. */
  #ascii = true
  #emptyFragments = 0

  /**
   * @param maxPayload - most bytes of a message, all its fragments together
   * @param lends - binary messages are only lent: see `takeBack`
   */
  constructor (maxPayload: number, lends = false) {
    this.#lends = lends
    this.#maxPayload = Math.min(maxPayload, constants.MAX_LENGTH)
    this.#maxCompressed = Math.min(boundOfCompressed(this.#maxPayload), constants.MAX_LENGTH)
    this.#maxText = Math.min(maxPayload, constants.MAX_STRING_LENGTH)
  }

  /** True from the first fragment's header to the last one's end. */
  get inMessage (): boolean {
    return this.#opcode !== Opcode.Continuation
  }

  /** Opcode of the message whose last fragment has just ended, or that is being put together. */
  get opcode (): number {
    return this.#opcode
  }

  /** True when that message is compressed: `finish` returns its bytes as they came. */
  get compressed (): boolean {
    return this.#compressed
  }

  /**
   * Judges what the header of a data frame announces, before the rest of it has come: with what is there of the message
   * already, is it too much?
   *
   * @throws {ProtocolError} `FST_WS_TOO_BIG`
   */
  checkLength (opcode: number, payloadLength: number, rsv = 0): void {
    const isText = (opcode === Opcode.Continuation ? this.#opcode : opcode) === Opcode.Text
    const isCompressed = opcode === Opcode.Continuation ? this.#compressed : rsv !== 0
    const limit = isCompressed ? this.#maxCompressed : isText ? this.#maxText : this.#maxPayload
    const held = this.#payload === undefined ? 0 : this.#payload.length
    if (held + payloadLength > limit) throw new ProtocolError('FST_WS_TOO_BIG')
  }

  /**
   * Takes note of a data frame's header, whose length has been judged, before any of its payload.
   *
   * @throws {ProtocolError} `FST_WS_TOO_MANY_EMPTY_FRAGMENTS`
   */
  begin (header: FrameHeader): void {
    if (header.opcode !== Opcode.Continuation) {
      this.#opcode = header.opcode
      this.#compressed = header.rsv !== 0
      this.#ascii = true
    }
    if (header.payloadLength > 0 || header.fin) this.#emptyFragments = 0
    else if (++this.#emptyFragments > MAX_EMPTY_FRAGMENTS) throw new ProtocolError('FST_WS_TOO_MANY_EMPTY_FRAGMENTS')
  }

  /**
   * Adds unmasked payload of the current frame, which is copied.
   *
   * @param ascii - true when these bytes are known to be ASCII
   * @param due - bytes of the frame that come behind them
   * @throws {ProtocolError} `FST_WS_INVALID_UTF8` at the first byte that cannot be right
   */
  append (bytes: Buffer, start: number, end: number, ascii: boolean, due: number): void {
    if (this.#opcode === Opcode.Text && !this.#compressed) {
      if (!ascii) this.#ascii = false
      // ASCII behind whole characters is right as it is.
      if (!ascii || this.#utf8?.complete === false) (this.#utf8 ??= new Utf8Validator()).push(bytes, start, end)
    }
    this.#payload ??= new PayloadBuffer()
    this.#payload.append(bytes, start, end, due)
  }

  /**
   * Ends the message and returns it, or the bytes of a compressed one.
   *
   * @throws {ProtocolError} `FST_WS_INVALID_UTF8` for a text that ends inside a character
   */
  finish (): MessageData {
    const isText = this.#opcode === Opcode.Text && !this.#compressed
    if (isText) this.#utf8?.end()
    const payload = (this.#payload ??= new PayloadBuffer()).take()
    this.#opcode = Opcode.Continuation
    if (isText) return this.#ascii ? payload.toString('latin1') : decodeValidText(payload, 0, payload.length)
    if (this.#lends && !this.#compressed) lendMemory(payload)
    return payload
  }

  /**
   * Turns a message that is one frame, all there and judged by its length, into its data, without keeping anything.
   *
   * @param ascii - true when the payload is known to be ASCII
   * @param owned - true when `bytes` may be kept
   * @throws {ProtocolError} `FST_WS_INVALID_UTF8`
   */
  single (header: FrameHeader, bytes: Buffer, start: number, ascii: boolean, owned: boolean): MessageData {
    const end = start + header.payloadLength
    if (header.opcode === Opcode.Text) return decodeText(bytes, start, end, ascii)
    return this.#lends ? bytes.subarray(start, end) : takeBytes(bytes, start, end, owned)
  }

  /**
   * Turns what a compressed message was inflated to into its data, by the same rules.
   *
   * @param bytes - good until this returns
   * @throws {ProtocolError} `FST_WS_INVALID_UTF8`, `FST_WS_TOO_BIG`
   */
  inflated (opcode: number, bytes: Buffer, owned: boolean): MessageData {
    if (bytes.length > (opcode === Opcode.Text ? this.#maxText : this.#maxPayload)) throw new ProtocolError('FST_WS_TOO_BIG')
    return opcode === Opcode.Text ? decodeText(bytes, 0, bytes.length, false) : takeBytes(bytes, 0, bytes.length, owned)
  }

  /** Takes the memory of a finished message back for the next ones, whosever they are, if it was lent. */
  takeBack (data: MessageData): void {
    if (this.#lends && typeof data !== 'string') givePage(data)
  }

  /** Lets go of an unfinished message. */
  clear (): void {
    this.#payload?.clear()
    this.#utf8?.reset()
    this.#opcode = Opcode.Continuation
    this.#compressed = false
    this.#emptyFragments = 0
  }
}

/**
 * Tells how many bytes a message of `length` bytes may take when it is compressed: bytes that cannot be are stored in blocks, with
 * five more for each, and an encoder may make its blocks as small as 40 bytes.
 */
function boundOfCompressed (length: number): number {
  return length + Math.floor(length / 8) + 64
}
