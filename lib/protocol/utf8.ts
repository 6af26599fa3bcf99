// UTF-8 as RFC 6455 §8.1 wants it: strict (RFC 3629), and judged as the bytes arrive.
import { isUtf8, transcode } from 'node:buffer'
import { ProtocolError } from './errors.ts'

/** Up to this many bytes are judged one by one: a native call costs more. */
const BULK_FROM = 24
const REPLACEMENT = '\ufffd'

/**
 * From this many bytes on two passes, to UTF-16 and from there to a string, are quicker than V8's decoder (bench/micro): always
 * before Node 24, never since. A Node that was built without ICU cannot transcode.
 */
const TRANSCODE_FROM = typeof transcode === 'function' && Number.parseInt(process.versions.node, 10) < 24 ? 640 : Infinity

/**
 * Decodes a whole text payload.
 *
 * @param ascii - true when the bytes are known to be ASCII (`applyMask` tells)
 * @throws {ProtocolError} `FST_WS_INVALID_UTF8`
 */
export function decodeText (bytes: Buffer, start: number, end: number, ascii: boolean): string {
  if (ascii) return bytes.toString('latin1', start, end)
  if (end - start >= TRANSCODE_FROM) {
    if (!isUtf8(bytes.subarray(start, end))) throw new ProtocolError('FST_WS_INVALID_UTF8')
    return decodeValidText(bytes, start, end)
  }
  const text = bytes.toString('utf8', start, end)
  // A replacement character is either in the text itself or stands for an impossible byte; without one there was none.
  if (text.includes(REPLACEMENT) && !isUtf8(bytes.subarray(start, end))) throw new ProtocolError('FST_WS_INVALID_UTF8')
  return text
}

/** Decodes bytes that are known to be UTF-8. */
export function decodeValidText (bytes: Buffer, start: number, end: number): string {
  if (end - start < TRANSCODE_FROM) return bytes.toString('utf8', start, end)
  return transcode(bytes.subarray(start, end), 'utf8', 'utf16le').toString('utf16le')
}

/**
 * Judges UTF-8 that arrives in pieces, however it is cut, and fails on the first byte that cannot be right.
 *
 * Between pieces it keeps how many bytes of a character are due and the range of the next one (RFC 3629 §4).
 */
export class Utf8Validator {
  #due = 0
  #lowest = 0x80
  #highest = 0xbf

  /** True when no character is cut off. */
  get complete (): boolean {
    return this.#due === 0
  }

  reset (): void {
    this.#due = 0
    this.#lowest = 0x80
    this.#highest = 0xbf
  }

  /** @throws {ProtocolError} `FST_WS_INVALID_UTF8` */
  push (bytes: Buffer, start: number, end: number): void {
    let at = start
    while (at < end && this.#due > 0) this.#step(bytes[at++]!)
    if (end - at > BULK_FROM) {
      const bulkEnd = startOfCutCharacter(bytes, end)
      if (!isUtf8(bytes.subarray(at, bulkEnd))) throw new ProtocolError('FST_WS_INVALID_UTF8')
      at = bulkEnd
    }
    while (at < end) this.#step(bytes[at++]!)
  }

  /** @throws {ProtocolError} `FST_WS_INVALID_UTF8` when the text ends inside a character */
  end (): void {
    if (!this.complete) throw new ProtocolError('FST_WS_INVALID_UTF8')
  }

  #step (byte: number): void {
    if (this.#due > 0) {
      if (byte < this.#lowest || byte > this.#highest) throw new ProtocolError('FST_WS_INVALID_UTF8')
      this.#due--
      this.#lowest = 0x80
      this.#highest = 0xbf
      return
    }
    if (byte < 0x80) return
    // 0x80 to 0xc1 start nothing; above 0xf4 lies beyond U+10FFFF.
    if (byte < 0xc2 || byte > 0xf4) throw new ProtocolError('FST_WS_INVALID_UTF8')
    this.#due = byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3
    // Overlong forms, surrogates, and characters beyond U+10FFFF show in the second byte.
    if (byte === 0xe0) this.#lowest = 0xa0
    if (byte === 0xf0) this.#lowest = 0x90
    if (byte === 0xed) this.#highest = 0x9f
    if (byte === 0xf4) this.#highest = 0x8f
  }
}

/** Finds where the last character starts if `end` cuts it, else `end`. */
function startOfCutCharacter (bytes: Buffer, end: number): number {
  for (let back = 1; back <= 3; back++) {
    const byte = bytes[end - back]!
    if (byte < 0x80) return end
    if (byte < 0xc0) continue
    const length = byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4
    return length > back ? end - back : end
  }
  return end
}
