// One frame out (RFC 6455 §5.2): into a buffer that the caller has, or as a Buffer of its own for many peers.
// Owns masks for the client role; knows nothing of state.
import { frameHeaderLength, MAX_HEADER_LENGTH, writeFrameHeader } from './frame-header.ts'
import { applyMask, takeMaskingKey } from './mask.ts'
import { Opcode } from './opcode.ts'
import type { Role } from './role.ts'

const FIN = 0x80

/** Up to this length a loop is quicker than a call into the engine (bench/micro). */
const SHORT = 32

/** Shape of a frame besides its payload. */
export interface FrameOptions {
  /** A client's frames are masked with a fresh key (§5.1, §5.3). */
  readonly role: Role
  readonly opcode: number
  /** False for a fragment that others follow (§5.4). Default true. */
  readonly fin?: boolean
  /** RSV1, RSV2, RSV3 as the bits 0b100, 0b010, 0b001. Default none. */
  readonly rsv?: number
}

/** Most bytes that a frame of `text` can take: three for a UTF-16 unit. */
export function textFrameBound (text: string): number {
  return MAX_HEADER_LENGTH + text.length * 3
}

/** Bytes that a frame of a payload takes. */
export function frameLength (payloadLength: number, role: Role): number {
  return frameHeaderLength(payloadLength, role === 'client') + payloadLength
}

/**
 * Writes an unfragmented frame of bytes at `offset`, where `frameLength` bytes must be free.
 *
 * @param payload - copied
 * @returns the offset behind the frame
 */
export function writeFrame (target: Buffer, offset: number, role: Role, opcode: number, payload: Buffer): number {
  const masked = role === 'client'
  const headerEnd = writeFrameHeader(target, offset, FIN | opcode, payload.length, masked)
  const payloadStart = masked ? headerEnd + 4 : headerEnd
  if (payload.length <= SHORT) for (let i = 0; i < payload.length; i++) target[payloadStart + i] = payload[i]!
  else payload.copy(target, payloadStart)
  const end = payloadStart + payload.length
  if (masked) maskPayload(target, headerEnd, end)
  return end
}

/**
 * Writes an unfragmented Text frame at `offset`, where `textFrameBound` bytes must be free.
 *
 * The text goes behind a header of the size that ASCII would take, and is moved when that was wrong.
 *
 * @returns the offset behind the frame
 */
export function writeTextFrame (target: Buffer, offset: number, role: Role, text: string): number {
  const masked = role === 'client'
  const guess = offset + frameHeaderLength(text.length, masked)
  const length = text.length <= SHORT ? writeShortText(target, guess, text) : target.write(text, guess, 'utf8')
  const payloadStart = offset + frameHeaderLength(length, masked)
  if (payloadStart !== guess) target.copyWithin(payloadStart, guess, guess + length)
  const headerEnd = writeFrameHeader(target, offset, FIN | Opcode.Text, length, masked)
  const end = payloadStart + length
  if (masked) maskPayload(target, headerEnd, end)
  return end
}

/** Writes UTF-8, one character after the other as long as they are ASCII. @returns the bytes that it takes */
function writeShortText (target: Buffer, offset: number, text: string): number {
  let seen = 0
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    seen |= unit
    target[offset + i] = unit
  }
  return seen < 0x80 ? text.length : target.write(text, offset, 'utf8')
}

/**
 * Writes the header alone of an unmasked, unfragmented frame, for a payload that is sent from where it is.
 *
 * @returns the offset behind the header
 */
export function writeHeaderOf (target: Buffer, offset: number, opcode: number, payloadLength: number): number {
  return writeFrameHeader(target, offset, FIN | opcode, payloadLength, false)
}

/** Builds a frame as a Buffer of its own, which may go to any number of peers if the role is `server`. */
export function encodeFrame (options: FrameOptions, payload: string | Uint8Array): Buffer {
  const masked = options.role === 'client'
  const length = typeof payload === 'string' ? Buffer.byteLength(payload) : payload.length
  const first = (options.fin === false ? 0 : FIN) | ((options.rsv ?? 0) << 4) | options.opcode
  const headerLength = frameHeaderLength(length, masked)
  const frame = Buffer.allocUnsafe(headerLength + length)
  const headerEnd = writeFrameHeader(frame, 0, first, length, masked)
  if (typeof payload === 'string') frame.write(payload, headerLength, 'utf8')
  else frame.set(payload, headerLength)
  if (masked) maskPayload(frame, headerEnd, frame.length)
  return frame
}

/** §5.3: a key from strong entropy, fresh for every frame, stands before the payload and is applied to it. */
function maskPayload (target: Buffer, keyStart: number, end: number): void {
  const key = takeMaskingKey()
  target.writeInt32BE(key, keyStart)
  applyMask(target, keyStart + 4, end, key)
}
