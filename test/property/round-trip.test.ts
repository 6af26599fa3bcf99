// What one role builds the other reads; and what is masked, decoded and judged is as the platform and the naive way have it.
import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import t from 'tap'
import { cutReason, decodeClose, encodeClose } from '../../lib/protocol/close-frame.ts'
import { isWireCloseCode, MAX_REASON_LENGTH } from '../../lib/protocol/close-code.ts'
import { encodeFrame, frameLength, textFrameBound, writeFrame, writeTextFrame } from '../../lib/protocol/frame-builder.ts'
import { applyMask, rotateMaskingKey } from '../../lib/protocol/mask.ts'
import type { Role } from '../../lib/protocol/role.ts'
import { decodeText, Utf8Validator } from '../../lib/protocol/utf8.ts'
import { findImpossibleByte } from '../conformance/utf8-reference.ts'
import { bytes, parameters, SEED, sizes, text } from '../helpers/arbitrary-frames.ts'
import { canBecomeText } from '../helpers/plain-reader.ts'
import { readChunks, split } from '../helpers/recorder.ts'

t.comment(`seed ${SEED}`)

const role: fc.Arbitrary<Role> = fc.constantFrom('server', 'client')
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const other = (of: Role): Role => of === 'server' ? 'client' : 'server'
/** As a text arrives: without halves of surrogate pairs. */
const wellFormed = (value: string): string => Buffer.from(value).toString()

/** Any UTF-16, halves of pairs too. */
const anyText = fc.oneof(text, fc.string({ unit: fc.nat(0xffff).map(unit => String.fromCharCode(unit)), maxLength: 60 }))

t.test('messages and control frames go round', async () => {
  const item = fc.oneof(
    anyText.map(value => ({ opcode: 1, payload: value as string | Buffer, want: [`text:${wellFormed(value)}`] })),
    bytes.map(value => ({ opcode: 2, payload: value, want: [`binary:${value.toString('hex')}`] })),
    bytes.map(value => ({ opcode: 10, payload: value.subarray(0, 125), want: [`pong:${value.subarray(0, 125).toString('hex')}`] }))
  )
  fc.assert(fc.property(role, fc.array(fc.tuple(item, fc.boolean()), { maxLength: 8 }), sizes, (from, items, pieces) => {
    const target = Buffer.alloc(20_000)
    let end = 0
    for (const [{ opcode, payload }, isEncoded] of items) {
      if (isEncoded) end += encodeFrame({ role: from, opcode }, payload).copy(target, end)
      else if (typeof payload === 'string') end = writeTextFrame(target, end, from, payload)
      else end = writeFrame(target, end, from, opcode, payload)
    }
    const want = items.flatMap(([entry]) => entry.want)
    return isDeepStrictEqual(readChunks(other(from), split(target.subarray(0, end), pieces)), want)
  }), parameters(1500))
})

t.test('fragments go round, however the message is cut', async () => {
  fc.assert(fc.property(role, fc.boolean(), text, fc.array(fc.nat(9), { maxLength: 9 }), sizes, (from, isText, value, lengths, pieces) => {
    const fragments = split(Buffer.from(value), lengths)
    const wire = Buffer.concat(fragments.map((payload, index) => (
      encodeFrame({ role: from, opcode: index > 0 ? 0 : isText ? 1 : 2, fin: index === fragments.length - 1 }, payload)
    )))
    const want = isText ? `text:${value}` : `binary:${Buffer.from(value).toString('hex')}`
    return isDeepStrictEqual(readChunks(other(from), split(wire, pieces)), [want])
  }), parameters(800))
})

t.test('a frame is as long as it was said to be', async () => {
  fc.assert(fc.property(role, anyText, (from, value) => {
    const frame = encodeFrame({ role: from, opcode: 1 }, value)
    const target = Buffer.alloc(textFrameBound(value))
    return frame.length === frameLength(Buffer.byteLength(value), from) && writeTextFrame(target, 0, from, value) === frame.length
  }), parameters(500))
})

t.test('close codes and reasons go round, or are refused', async () => {
  fc.assert(fc.property(fc.oneof(fc.integer({ min: 990, max: 1020 }), fc.nat(70_000)), anyText, (code, reason) => {
    const fits = Buffer.byteLength(reason) <= MAX_REASON_LENGTH
    try {
      const payload = encodeClose(code, reason)
      return isWireCloseCode(code) && fits && isDeepStrictEqual(decodeClose(payload, 0, payload.length), { code, reason: wellFormed(reason) })
    } catch (error) {
      if (!(error instanceof Error) || error.name !== 'UsageError') throw error
      return !isWireCloseCode(code) || !fits
    }
  }), parameters(1000))
})

t.test('a cut reason fits, is the beginning of the text and misses no more than one character\'s bytes', async () => {
  fc.assert(fc.property(fc.array(anyText, { maxLength: 12 }).map(parts => parts.join('')), reason => {
    const cut = cutReason(reason)
    const [length, whole] = [Buffer.byteLength(cut), wellFormed(reason)]
    return whole.startsWith(cut) && length <= MAX_REASON_LENGTH && (cut === whole || length > MAX_REASON_LENGTH - 4)
  }), parameters(1000))
})

t.test('a mask in any pieces is the naive one', async () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), fc.integer(), fc.nat(9), fc.nat(9), fc.array(fc.nat(150), { maxLength: 5 }), (array, key, start, lead, lengths) => {
    const memory = Buffer.alloc(lead + start + array.length)
    const view = memory.subarray(lead)
    view.set(array, start)
    let at = start
    let isAscii = true
    for (const length of [...lengths, array.length]) {
      const end = Math.min(at + length, view.length)
      isAscii = applyMask(view, at, end, rotateMaskingKey(key, at - start)) && isAscii
      at = end
    }
    const keyBytes = Buffer.alloc(4)
    keyBytes.writeInt32BE(key)
    const want = Buffer.from(array.map((byte, index) => byte ^ keyBytes.readUInt8(index % 4)))
    return view.subarray(start).equals(want) && isAscii === want.every(byte => byte < 0x80)
  }), parameters(1500))
})

/** Text with a few bytes changed, or bytes that are likely to stand in one. */
const almostText = fc.oneof(
  fc.array(fc.constantFrom(0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff), { maxLength: 8 })
    .map(array => Buffer.from(array)),
  fc.tuple(fc.array(anyText, { maxLength: 4 }), fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 2 })).map(([parts, changes]) => {
    const buffer = Buffer.from(parts.join(''))
    for (const [at, byte] of changes) if (buffer.length > 0) buffer[at % buffer.length] = byte
    return buffer
  })
)

function decodeByPlatform (array: Buffer): string | undefined {
  try {
    return decoder.decode(array)
  } catch {
    // that is how a decoder says no
    return undefined
  }
}

/** How many bytes are taken before one is refused; all and `Infinity` for the end. */
function countTaken (pieces: readonly Buffer[]): number {
  const validator = new Utf8Validator()
  let taken = 0
  try {
    for (const piece of pieces) {
      validator.push(piece, 0, piece.length)
      taken += piece.length
    }
    validator.end()
    return Infinity
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'FST_WS_INVALID_UTF8') throw error // whatever it is
    return taken
  }
}

t.test('T08 text is text for the platform too, whole and in pieces', async t => {
  const count = { right: 0, wrong: 0 }
  fc.assert(fc.property(almostText, sizes, (array, pieces) => {
    const want = decodeByPlatform(array)
    count[want === undefined ? 'wrong' : 'right']++
    if ((countTaken(split(array, pieces)) === Infinity) !== (want !== undefined)) return false
    try {
      return decodeText(array, 0, array.length, false) === want
    } catch (error) {
      return want === undefined && (error as { code?: unknown }).code === 'FST_WS_INVALID_UTF8' // whatever it is
    }
  }), parameters(3000))
  t.ok(Math.min(count.right, count.wrong) > (count.right + count.wrong) / 10, `${count.right} right, ${count.wrong} wrong`)
})

t.test('T08 the first byte after which no text can begin so is the one that is refused', async () => {
  fc.assert(fc.property(almostText, array => {
    const taken = countTaken(Array.from(array, byte => Buffer.of(byte)))
    // by trying all continuations, and by Unicode's table
    const first = array.findIndex((_, index) => !canBecomeText(array.subarray(0, index + 1)))
    const want = first >= 0 ? first : decodeByPlatform(array) === undefined ? array.length : Infinity
    return taken === want && (findImpossibleByte(array) ?? Infinity) === want
  }), parameters(1500))
})

t.test('T08 in a frame too: the text is refused while its other bytes are still to come', async () => {
  fc.assert(fc.property(role, almostText, fc.boolean(), (from, array, isFragmented) => {
    const first = array.findIndex((_, index) => !canBecomeText(array.subarray(0, index + 1)))
    if (first < 0) return true
    const payload = Buffer.concat([array, Buffer.alloc(60, 0x61)])
    const wire = isFragmented
      ? Buffer.concat([...payload.subarray(0, first)].map((byte, index) => encodeFrame({ role: from, opcode: index === 0 ? 1 : 0, fin: false }, Buffer.of(byte))))
      : Buffer.alloc(0)
    const rest = payload.subarray(isFragmented ? first : 0)
    const last = encodeFrame({ role: from, opcode: isFragmented && first > 0 ? 0 : 1 }, rest)
    const header = last.length - rest.length
    const proof = header + (isFragmented ? 1 : first + 1)
    const early = readChunks(other(from), [wire, last.subarray(0, proof - 1)])
    const late = readChunks(other(from), [wire, last.subarray(0, proof)])
    return early.length === 0 && late.at(-1) === 'error:FST_WS_INVALID_UTF8'
  }), parameters(500))
})
