// A reader of frames for the tests: all bytes at hand, one rule after the other, no thought of speed. Shares with lib/
// the names of the errors and what they say, and no logic.
import { isUtf8 } from 'node:buffer'
import { ProtocolError } from '../../lib/protocol/errors.ts'
import type { PROTOCOL_ERRORS } from '../../lib/protocol/errors.ts'
import type { Role } from '../../lib/protocol/role.ts'
import type { Events } from './recorder.ts'

const KINDS = ['continuation', 'text', 'binary', '', '', '', '', '', 'close', 'ping', 'pong', '', '', '', '', '']
/** One byte out of each range that the second byte of a character may be limited to (RFC 3629 §4). */
const CONTINUATIONS = [0x80, 0x90, 0xa0]

/** Tells by trial whether some text begins with these bytes. */
export function canBecomeText (bytes: Uint8Array, tries = 3): boolean {
  return isUtf8(bytes) || (tries > 0 && CONTINUATIONS.some(byte => canBecomeText(Buffer.concat([bytes, Buffer.of(byte)]), tries - 1)))
}

/** Reads the bytes that a peer has sent so far and tells what happens, as `readChunks` does. */
export function readPlainly (wire: Buffer, role: Role, maxPayload = 2 ** 20): Events {
  const events: Events = []
  let message: { isText: boolean, payload: Buffer } | undefined
  let emptyFragments = 0
  let at = 0
  const fail = (code: keyof typeof PROTOCOL_ERRORS): Events => {
    const { closeCode, message } = new ProtocolError(code)
    return [...events, `>close:${closeCode}:${message}`, `error:${code}`]
  }

  while (at < wire.length) {
    // the first byte
    const first = wire.readUInt8(at)
    const fin = first >= 128
    const kind = KINDS[first % 16]
    const isControl = first % 16 >= 8
    if (Math.floor(first / 16) % 8 !== 0) return fail('FST_WS_RESERVED_BITS')
    if (kind === '') return fail('FST_WS_RESERVED_OPCODE')
    if (isControl && !fin) return fail('FST_WS_CONTROL_FRAGMENTED')
    if (kind === 'continuation' && message === undefined) return fail('FST_WS_UNEXPECTED_CONTINUATION')
    if ((kind === 'text' || kind === 'binary') && message !== undefined) return fail('FST_WS_EXPECTED_CONTINUATION')

    // the second
    if (at + 2 > wire.length) return events
    const second = wire.readUInt8(at + 1)
    const masked = second >= 128
    if (role === 'server' && !masked) return fail('FST_WS_MASK_MISSING')
    if (role === 'client' && masked) return fail('FST_WS_MASK_FORBIDDEN')
    if (isControl && second % 128 > 125) return fail('FST_WS_CONTROL_TOO_LONG')
    if (kind === 'close' && second % 128 === 1) return fail('FST_WS_CLOSE_PAYLOAD')

    // the length
    let length = BigInt(second % 128)
    let start = at + 2
    if (length === 126n) {
      if (start + 2 > wire.length) return events
      length = BigInt(wire.readUInt16BE(start))
      if (length < 126n) return fail('FST_WS_LENGTH_NOT_MINIMAL')
      start += 2
    } else if (length === 127n) {
      const known = wire.subarray(start, start + 8)
      const least = BigInt(`0x${known.toString('hex').padEnd(16, '0')}`)
      const most = BigInt(`0x${known.toString('hex').padEnd(16, 'f')}`)
      if (least >= 2n ** 63n) return fail('FST_WS_LENGTH_TOP_BIT')
      if (least >= 2n ** 53n) return fail('FST_WS_TOO_BIG')
      if (most < 65_536n) return fail('FST_WS_LENGTH_NOT_MINIMAL')
      if (start + 8 > wire.length) return events
      length = wire.readBigUInt64BE(start)
      start += 8
    }
    // the limit, before the key
    if (!isControl && BigInt(message?.payload.length ?? 0) + length > BigInt(maxPayload)) return fail('FST_WS_TOO_BIG')
    if (masked && start + 4 > wire.length) return events
    const key = masked ? wire.subarray(start, start + 4) : Buffer.alloc(4)
    if (masked) start += 4

    if (!isControl) {
      emptyFragments = length > 0n || fin ? 0 : emptyFragments + 1
      if (emptyFragments > 1000) return fail('FST_WS_TOO_MANY_EMPTY_FRAGMENTS')
    }

    // the payload, or what there is of it
    const isWhole = BigInt(wire.length - start) >= length
    const payload = Buffer.from(wire.subarray(start, isWhole ? start + Number(length) : wire.length))
    for (const [index, byte] of payload.entries()) payload[index] = byte ^ key.readUInt8(index % 4)
    at = start + Number(length)
    if (isControl) {
      if (!isWhole) return events
      if (kind === 'ping') events.push(`>pong:${payload.toString('hex')}`)
      if (kind !== 'close') {
        events.push(`${kind}:${payload.toString('hex')}`)
        continue
      }
      if (payload.length === 0) return [...events, '>close:', 'close:1005:']
      const code = payload.readUInt16BE()
      const isLegal = (code >= 3000 && code < 5000) || (code >= 1000 && code < 1015 && ![1004, 1005, 1006].includes(code))
      if (!isLegal) return fail('FST_WS_CLOSE_CODE')
      const reason = payload.subarray(2)
      if (!isUtf8(reason)) return fail('FST_WS_INVALID_UTF8')
      return [...events, `>close:${code}:${reason.toString()}`, `close:${code}:${reason.toString()}`]
    }

    message = { isText: message?.isText ?? kind === 'text', payload: Buffer.concat([message?.payload ?? Buffer.alloc(0), payload]) }
    if (message.isText && !canBecomeText(message.payload)) return fail('FST_WS_INVALID_UTF8')
    if (!isWhole) return events
    if (!fin) continue
    if (message.isText && !isUtf8(message.payload)) return fail('FST_WS_INVALID_UTF8')
    events.push(message.isText ? `text:${message.payload.toString()}` : `binary:${message.payload.toString('hex')}`)
    message = undefined
  }
  return events
}
