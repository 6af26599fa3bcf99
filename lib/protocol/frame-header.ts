// Frame headers, bytes to fields and back (RFC 6455 §5.2). Owns the bit layout and the rules that a header alone can break.
import { ProtocolError } from './errors.ts'
import { isControl, Opcode } from './opcode.ts'
import type { Role } from './role.ts'

/** Longest payload of a control frame (§5.5). */
export const MAX_CONTROL_LENGTH = 125
/** Longest header: two bytes, eight of length, four of masking key. */
export const MAX_HEADER_LENGTH = 14

/** A record that the parser fills anew for every frame, so that reading one costs no object. */
export interface FrameHeader {
  fin: boolean
  /** RSV1, RSV2, RSV3 as the bits 0b100, 0b010, 0b001. */
  rsv: number
  opcode: number
  masked: boolean
  /** As a big-endian number; 0 in a frame without a mask. */
  maskingKey: number
  /** Bytes of the header itself, masking key included: 2 to 14. */
  headerLength: number
  payloadLength: number
}

/** What a header is judged by, besides itself. */
export interface HeaderContext {
  /** Role of the reader: a server wants masks, a client refuses them (§5.1). */
  readonly role: Role
  /** Reserved bits that a negotiated extension defines, as in `FrameHeader.rsv` (§9). */
  readonly allowedRsv: number
  /** True between the first and the last fragment of a message (§5.4). */
  readonly inMessage: boolean
  /**
   * Judges what a data frame announces (§10.4), as soon as its length is known.
   *
   * @param rsv - as in `FrameHeader`, and allowed
   * @throws {ProtocolError} `FST_WS_TOO_BIG`
   */
  checkLength (opcode: number, payloadLength: number, rsv: number): void
}

export function createFrameHeader (): FrameHeader {
  return { fin: false, rsv: 0, opcode: 0, masked: false, maskingKey: 0, headerLength: 0, payloadLength: 0 }
}

/**
 * Reads the frame header that starts at `offset` into `header`, and judges it as early as its bytes allow.
 *
 * Consumes nothing: false means that the header is not all there, so ask again with more bytes.
 *
 * @param bytes - unread input up to `end`; neither changed nor kept
 * @throws {ProtocolError} by `checkFirstByte` and `checkSecondByte`; `FST_WS_LENGTH_TOP_BIT` and
 *   `FST_WS_LENGTH_NOT_MINIMAL`; `FST_WS_TOO_BIG` for a length over 2^53 - 1 bytes, and by `context.checkLength`
 */
export function readFrameHeader (bytes: Buffer, offset: number, end: number, context: HeaderContext, header: FrameHeader): boolean {
  const available = end - offset
  if (available < 1) return false
  const first = bytes[offset]!
  checkFirstByte(first, context)
  if (available < 2) return false
  const second = bytes[offset + 1]!
  checkSecondByte(first, second, context)

  const masked = (second & 0x80) !== 0
  const length7 = second & 0x7f
  let payloadLength = length7
  let headerLength = 2
  if (length7 === 126) {
    if (available < 4) return false
    payloadLength = (bytes[offset + 2]! << 8) | bytes[offset + 3]!
    if (payloadLength < 126) throw new ProtocolError('FST_WS_LENGTH_NOT_MINIMAL')
    headerLength = 4
  } else if (length7 === 127) {
    if (available < 10) {
      checkStartOfLength64(bytes, offset + 2, end)
      return false
    }
    payloadLength = readLength64(bytes, offset + 2)
    headerLength = 10
  }
  if (!isControl(first & 0x0f)) context.checkLength(first & 0x0f, payloadLength, (first >> 4) & 0b111)
  if (masked) {
    if (available < headerLength + 4) return false
    header.maskingKey = readInt32(bytes, offset + headerLength)
    headerLength += 4
  } else {
    header.maskingKey = 0
  }
  header.fin = (first & 0x80) !== 0
  header.rsv = (first >> 4) & 0b111
  header.opcode = first & 0x0f
  header.masked = masked
  header.headerLength = headerLength
  header.payloadLength = payloadLength
  return true
}

/** Tells how long the header is that starts at `offset`, as far as its first bytes say; judges nothing. */
export function headerLengthAt (bytes: Buffer, offset: number): number {
  const second = bytes[offset + 1] ?? 0
  const length7 = second & 0x7f
  return (length7 < 126 ? 2 : length7 === 126 ? 4 : 10) + (second >= 0x80 ? 4 : 0)
}

/** Tells what payload a header announces that is all there; judges nothing. */
export function payloadLengthAt (bytes: Buffer, offset: number): number {
  const length7 = bytes[offset + 1]! & 0x7f
  if (length7 < 126) return length7
  if (length7 === 126) return bytes.readUInt16BE(offset + 2)
  return bytes.readUInt32BE(offset + 2) * 0x1_0000_0000 + bytes.readUInt32BE(offset + 6)
}

/** §5.2, §5.4 and §5.5: reserved bits and opcodes, fragments in order, control frames whole. @throws {ProtocolError} */
export function checkFirstByte (first: number, context: HeaderContext): void {
  const opcode = first & 0x0f
  const rsv = (first >> 4) & 0b111
  // §5.2: MUST be 0 unless an extension defines it; and only data frames carry extension data here (RFC 7692 §6).
  if (rsv !== 0 && ((rsv & ~context.allowedRsv) !== 0 || isControl(opcode))) throw new ProtocolError('FST_WS_RESERVED_BITS')
  if (isControl(opcode)) {
    if (opcode > Opcode.Pong) throw new ProtocolError('FST_WS_RESERVED_OPCODE')
    // §5.5: control frames MUST NOT be fragmented.
    if ((first & 0x80) === 0) throw new ProtocolError('FST_WS_CONTROL_FRAGMENTED')
    return
  }
  if (opcode > Opcode.Binary) throw new ProtocolError('FST_WS_RESERVED_OPCODE')
  // §5.4: a message's fragments MUST NOT be interleaved with another's.
  if (opcode === Opcode.Continuation) {
    if (!context.inMessage) throw new ProtocolError('FST_WS_UNEXPECTED_CONTINUATION')
    // RFC 7692 §6.1: the bit marks a message, on its first fragment only.
    if (rsv !== 0) throw new ProtocolError('FST_WS_RESERVED_BITS')
  } else if (context.inMessage) {
    throw new ProtocolError('FST_WS_EXPECTED_CONTINUATION')
  }
}

/** §5.1: masks by role. §5.5: a control frame's payload MUST be 125 bytes or less. @throws {ProtocolError} */
export function checkSecondByte (first: number, second: number, context: HeaderContext): void {
  const masked = (second & 0x80) !== 0
  if (context.role === 'server') {
    if (!masked) throw new ProtocolError('FST_WS_MASK_MISSING')
  } else if (masked) {
    throw new ProtocolError('FST_WS_MASK_FORBIDDEN')
  }
  if (!isControl(first & 0x0f)) return
  if ((second & 0x7f) > MAX_CONTROL_LENGTH) throw new ProtocolError('FST_WS_CONTROL_TOO_LONG')
  // §5.5.1: a Close frame's body, if there is one, has at least a code of two bytes.
  if ((first & 0x0f) === Opcode.Close && (second & 0x7f) === 1) throw new ProtocolError('FST_WS_CLOSE_PAYLOAD')
}

/** Judges the first bytes of a 64-bit length, from `offset` to `end`, by the rules of `readLength64`. */
function checkStartOfLength64 (bytes: Buffer, offset: number, end: number): void {
  const available = end - offset
  if (available >= 1 && (bytes[offset]! & 0x80) !== 0) throw new ProtocolError('FST_WS_LENGTH_TOP_BIT')
  // 2^53 and more: over what a number can count, whatever the limit.
  if (available >= 1 && bytes[offset]! !== 0) throw new ProtocolError('FST_WS_TOO_BIG')
  if (available >= 2 && bytes[offset + 1]! >= 0x20) throw new ProtocolError('FST_WS_TOO_BIG')
  if (available >= 6 && bytes.subarray(offset, offset + 6).every((byte) => byte === 0)) throw new ProtocolError('FST_WS_LENGTH_NOT_MINIMAL')
}

function readLength64 (bytes: Buffer, offset: number): number {
  const high = readInt32(bytes, offset) >>> 0
  const low = readInt32(bytes, offset + 4) >>> 0
  // §5.2: the most significant bit MUST be 0.
  if (high >= 0x8000_0000) throw new ProtocolError('FST_WS_LENGTH_TOP_BIT')
  const length = high * 0x1_0000_0000 + low
  // §5.2: the minimal number of bytes MUST be used.
  if (length < 0x1_0000) throw new ProtocolError('FST_WS_LENGTH_NOT_MINIMAL')
  if (!Number.isSafeInteger(length)) throw new ProtocolError('FST_WS_TOO_BIG')
  return length
}

function readInt32 (bytes: Buffer, offset: number): number {
  return (bytes[offset]! << 24) | (bytes[offset + 1]! << 16) | (bytes[offset + 2]! << 8) | bytes[offset + 3]!
}

/** Tells how many bytes the header of a payload takes, with the shortest form of its length (§5.2). */
export function frameHeaderLength (payloadLength: number, masked: boolean): number {
  const lengthBytes = payloadLength < 126 ? 0 : payloadLength < 0x1_0000 ? 2 : 8
  return 2 + lengthBytes + (masked ? 4 : 0)
}

/**
 * Writes a header at `offset`, its length in the shortest form (§5.2). The key of a masked one
 * is the caller's to write behind it.
 *
 * @param first - FIN, RSV and opcode, as they stand on the wire
 * @returns the offset behind the header, and before the key
 */
export function writeFrameHeader (target: Buffer, offset: number, first: number, payloadLength: number, masked: boolean): number {
  const maskBit = masked ? 0x80 : 0
  target[offset] = first
  if (payloadLength < 126) {
    target[offset + 1] = maskBit | payloadLength
    return offset + 2
  }
  if (payloadLength < 0x1_0000) {
    target[offset + 1] = maskBit | 126
    target[offset + 2] = payloadLength >> 8
    target[offset + 3] = payloadLength & 0xff
    return offset + 4
  }
  target[offset + 1] = maskBit | 127
  target.writeUInt32BE(Math.floor(payloadLength / 0x1_0000_0000), offset + 2)
  target.writeUInt32BE(payloadLength % 0x1_0000_0000, offset + 6)
  return offset + 10
}
