// The payload of a Close frame (RFC 6455 §5.5.1, §7.4), both ways.
import { isUtf8 } from 'node:buffer'
import { CloseCode, isWireCloseCode, MAX_REASON_LENGTH } from './close-code.ts'
import { ProtocolError, UsageError } from './errors.ts'

/** `code` is 1005 where the frame had none (§7.1.5). */
export interface CloseStatus {
  readonly code: CloseCode
  readonly reason: string
}

/**
 * Reads a Close frame's payload, `bytes[start, end)`.
 *
 * @throws {ProtocolError} `FST_WS_CLOSE_PAYLOAD`, `FST_WS_CLOSE_CODE`, `FST_WS_INVALID_UTF8`
 */
export function decodeClose (bytes: Buffer, start: number, end: number): CloseStatus {
  if (end === start) return { code: CloseCode.NoStatus, reason: '' }
  // §5.5.1: if there is a body, its first two bytes MUST be a code.
  if (end - start === 1) throw new ProtocolError('FST_WS_CLOSE_PAYLOAD')
  const code = bytes.readUInt16BE(start)
  if (!isWireCloseCode(code)) throw new ProtocolError('FST_WS_CLOSE_CODE')
  // Most give none.
  if (end - start === 2) return { code, reason: '' }
  if (!isUtf8(bytes.subarray(start + 2, end))) throw new ProtocolError('FST_WS_INVALID_UTF8')
  return { code, reason: bytes.toString('utf8', start + 2, end) }
}

/**
 * Builds a Close frame's payload; without a code it is empty. A reason alone goes with 1000.
 *
 * @throws {UsageError} `FST_WS_INVALID_CLOSE_CODE`, `FST_WS_REASON_TOO_LONG`, `FST_WS_INVALID_ARGUMENT`
 */
export function encodeClose (code?: number, reason?: string): Buffer {
  if (reason !== undefined && typeof reason !== 'string') {
    throw new UsageError('FST_WS_INVALID_ARGUMENT', `reason must be a string, got ${typeof reason}`)
  }
  if (code === undefined && (reason === undefined || reason === '')) return Buffer.alloc(0)
  const wireCode = code === undefined ? CloseCode.Normal : code
  if (typeof wireCode !== 'number' || !Number.isInteger(wireCode) || !isWireCloseCode(wireCode)) {
    throw new UsageError('FST_WS_INVALID_CLOSE_CODE', `got ${typeof code === 'string' ? `'${code}'` : String(code)}, allowed are 1000 to 1014 but 1004, 1005 and 1006, and 3000 to 4999`)
  }
  const reasonLength = reason === undefined || reason === '' ? 0 : Buffer.byteLength(reason)
  if (reasonLength > MAX_REASON_LENGTH) throw new UsageError('FST_WS_REASON_TOO_LONG', `got ${reasonLength}`)
  const payload = Buffer.allocUnsafe(2 + reasonLength)
  payload.writeUInt16BE(wireCode)
  if (reasonLength > 0) payload.write(reason ?? '', 2, 'utf8')
  return payload
}

/** Cuts a text so that it fits into a Close frame, at the end of a character. */
export function cutReason (text: string): string {
  const bytes = Buffer.from(text, 'utf8')
  if (bytes.length <= MAX_REASON_LENGTH) return bytes.toString('utf8')
  let end = MAX_REASON_LENGTH
  // A byte 0b10xxxxxx goes on with a character: cut before the byte that starts it.
  while ((bytes[end]! & 0xc0) === 0x80) end--
  return bytes.toString('utf8', 0, end)
}
