// Fragments to messages (RFC 6455 §5.4): their order, the limit on a message's size, UTF-8 as it arrives (§8.1).
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
  readonly #lends: boolean
  /** No string holds more, and none has more UTF-16 units than bytes. */
  readonly #maxText: number
  /** Made for the first message that comes in pieces, which on most connections never does. */
  #payload: PayloadBuffer | undefined
  #utf8: Utf8Validator | undefined
  #opcode: number = Opcode.Continuation
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

  /**
   * Judges what the header of a data frame announces, before the rest of it has come: with what is there of the message
   * already, is it too much?
   *
   * @throws {ProtocolError} `FST_WS_TOO_BIG`
   */
  checkLength (opcode: number, payloadLength: number): void {
    const isText = (opcode === Opcode.Continuation ? this.#opcode : opcode) === Opcode.Text
    const limit = isText ? this.#maxText : this.#maxPayload
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
    if (this.#opcode === Opcode.Text) {
      if (!ascii) this.#ascii = false
      // ASCII behind whole characters is right as it is.
      if (!ascii || this.#utf8?.complete === false) (this.#utf8 ??= new Utf8Validator()).push(bytes, start, end)
    }
    this.#payload ??= new PayloadBuffer()
    this.#payload.append(bytes, start, end, due)
  }

  /**
   * Ends the message and returns it.
   *
   * @throws {ProtocolError} `FST_WS_INVALID_UTF8` for a text that ends inside a character
   */
  finish (): MessageData {
    const isText = this.#opcode === Opcode.Text
    if (isText) this.#utf8?.end()
    const payload = (this.#payload ??= new PayloadBuffer()).take()
    this.#opcode = Opcode.Continuation
    if (!isText) {
      if (this.#lends) lendMemory(payload)
      return payload
    }
    return this.#ascii ? payload.toString('latin1') : decodeValidText(payload, 0, payload.length)
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

  /** Takes the memory of a finished message back for the next ones, whosever they are, if it was lent. */
  takeBack (data: MessageData): void {
    if (this.#lends && typeof data !== 'string') givePage(data)
  }

  /** Lets go of an unfinished message. */
  clear (): void {
    this.#payload?.clear()
    this.#utf8?.reset()
    this.#opcode = Opcode.Continuation
    this.#emptyFragments = 0
  }
}
