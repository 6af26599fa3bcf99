import { constants, isAscii } from 'node:buffer'
import t from 'tap'
import { createFrameHeader } from '../../lib/protocol/frame-header.ts'
import type { FrameHeader } from '../../lib/protocol/frame-header.ts'
import { MAX_EMPTY_FRAGMENTS, MessageAssembler } from '../../lib/protocol/message-assembler.ts'
import { isLent } from '../../lib/protocol/payload-buffer.ts'
import { hex } from '../helpers/hex.ts'

function headerOf (opcode: number, payloadLength: number, fin = false): FrameHeader {
  return { ...createFrameHeader(), opcode, payloadLength, fin }
}

/** Puts fragments together, each in pieces of at most `pieceLength` bytes. */
function assemble (assembler: MessageAssembler, opcode: number, fragments: readonly Buffer[], pieceLength: number): string | Buffer {
  for (const [index, fragment] of fragments.entries()) {
    assembler.begin(headerOf(index === 0 ? opcode : 0, fragment.length, index === fragments.length - 1))
    for (let at = 0; at < fragment.length; at += pieceLength) {
      const end = Math.min(at + pieceLength, fragment.length)
      assembler.append(fragment, at, end, isAscii(fragment.subarray(at, end)), fragment.length - end)
    }
  }
  return assembler.finish()
}

const rows = [
  { name: '§5.4 text in two fragments', opcode: 1, fragments: ['48656c', '6c6f'], want: 'Hello' },
  { name: '§5.4 binary in three', opcode: 2, fragments: ['00', '', 'ff80'], want: hex('00ff80') },
  { name: '§5.4 text of empty fragments', opcode: 1, fragments: ['', '', ''], want: '' },
  { name: '§5.4 empty binary', opcode: 2, fragments: ['', ''], want: Buffer.alloc(0) },
  { name: '§8.1 a character cut by fragments at every byte', opcode: 1, fragments: ['f0', '9f', '98', '80'], want: '😀' },
  { name: '§8.1 a byte order mark is kept', opcode: 1, fragments: ['efbb', 'bf61'], want: '\ufeffa' },
  { name: '§8.1 ASCII, then a character cut by fragments, then ASCII', opcode: 1, fragments: ['6161', 'c3', 'bc', '6161'], want: 'aaüaa' },
  { name: '§5.6 binary may be anything but text', opcode: 2, fragments: ['c0', 'ff'], want: hex('c0ff') }
]

for (const { name, opcode, fragments, want } of rows) {
  t.test(name, async t => {
    const assembler = new MessageAssembler(1000)
    for (const pieceLength of [1, 2, 3, 1000]) {
      t.same(assemble(assembler, opcode, fragments.map(hex), pieceLength), want, `pieces of ${pieceLength}`)
      t.equal(assembler.inMessage, false)
    }
    t.equal(assemble(assembler, 1, [Buffer.from('next')], 9), 'next', 'and the next message')
  })
}

const wrongTexts = [
  { name: 'T08 §8.1 a wrong byte in the second fragment', fragments: ['61', 'ff'] },
  { name: 'T08 §8.1 an overlong form cut by fragments', fragments: ['e0', '80'] },
  { name: 'T08 §8.1 a surrogate cut by fragments', fragments: ['ed', 'a0'] },
  { name: 'T08 §8.1 ASCII inside a character', fragments: ['e2', '61'] },
  { name: 'T08 §8.1 beyond U+10FFFF cut by fragments', fragments: ['f4', '90'] }
]

for (const { name, fragments } of wrongTexts) {
  t.test(name, async t => {
    const assembler = new MessageAssembler(1000)
    const [first, second] = fragments.map(hex)
    if (first === undefined || second === undefined) throw new Error('a row has two fragments')
    assembler.begin(headerOf(1, first.length))
    assembler.append(first, 0, first.length, isAscii(first), 0)
    assembler.begin(headerOf(0, 1000 - first.length))
    t.throws(() => assembler.append(second, 0, 1, false, 999 - first.length), { code: 'FST_WS_INVALID_UTF8', closeCode: 1007 }, 'long before the message ends')
    assembler.clear()
    t.equal(assemble(assembler, 1, [Buffer.from('a')], 1), 'a', 'nothing is left of it')
  })
}

t.test('T08 §8.1 text that ends inside a character', async t => {
  t.throws(() => assemble(new MessageAssembler(1000), 1, [hex('61e2'), hex('82')], 1), { code: 'FST_WS_INVALID_UTF8' })
  t.throws(() => new MessageAssembler(9).single(headerOf(1, 2, true), hex('61e2'), 0, false, true), { code: 'FST_WS_INVALID_UTF8' })
})

t.test('T01 the limit is judged on the header, fragments together', async t => {
  const assembler = new MessageAssembler(10)
  t.equal(assemble(assembler, 1, [Buffer.from('12345'), Buffer.from('67890')], 9), '1234567890', 'all of it')
  t.throws(() => assembler.checkLength(2, 11), { code: 'FST_WS_TOO_BIG', closeCode: 1009 }, 'one byte more in one frame')
  assembler.clear()
  assembler.begin(headerOf(2, 6))
  assembler.append(Buffer.alloc(6), 0, 6, false, 0)
  assembler.begin(headerOf(0, 4))
  assembler.append(Buffer.alloc(4), 0, 4, false, 0)
  t.doesNotThrow(() => assembler.begin(headerOf(0, 0)), 'empty ones fit')
  t.throws(() => assembler.checkLength(0, 1), { code: 'FST_WS_TOO_BIG' }, 'one byte more in all')
  t.throws(() => assembler.checkLength(1, 11), { code: 'FST_WS_TOO_BIG' }, 'in a single frame')
  t.equal(assembler.single(headerOf(1, 10, true), Buffer.from('x1234567890'), 1, true, true), '1234567890')
})

t.test('a text over the longest string is too big, whatever maxPayload says', async t => {
  const { MAX_LENGTH, MAX_STRING_LENGTH } = constants
  const assembler = new MessageAssembler(Number.MAX_SAFE_INTEGER)
  t.throws(() => assembler.checkLength(1, MAX_STRING_LENGTH + 1), { code: 'FST_WS_TOO_BIG' })
  assembler.clear()
  t.doesNotThrow(() => assembler.checkLength(1, MAX_STRING_LENGTH))
  assembler.begin(headerOf(1, 1))
  assembler.append(Buffer.from('a'), 0, 1, true, 0)
  t.throws(() => assembler.checkLength(0, MAX_STRING_LENGTH), { code: 'FST_WS_TOO_BIG' }, 'by a fragment')
  assembler.clear()
  t.throws(() => assembler.checkLength(1, MAX_STRING_LENGTH + 1), { code: 'FST_WS_TOO_BIG' })
  t.doesNotThrow(() => assembler.checkLength(2, Math.min(MAX_LENGTH, Number.MAX_SAFE_INTEGER)), 'bytes may be more')
  if (MAX_LENGTH < Number.MAX_SAFE_INTEGER) t.throws(() => assembler.checkLength(2, MAX_LENGTH + 1), { code: 'FST_WS_TOO_BIG' })
})

t.test('RFC 7692 §6.1 the bytes of a compressed message are collected as they are, whatever they say', async t => {
  const assembler = new MessageAssembler(100, true)
  const payload = hex('f248ff00c0')
  assembler.begin({ ...headerOf(1, 3), rsv: 0b100 })
  t.equal(assembler.compressed, true)
  assembler.append(payload, 0, 3, false, 0)
  assembler.begin(headerOf(0, 2, true))
  t.equal(assembler.compressed, true, 'by its first fragment')
  assembler.append(payload, 3, 5, false, 0)
  const bytes = assembler.finish()
  t.same(bytes, payload)
  t.equal(isLent(bytes as Buffer), false, 'whoever inflates it may keep it') // of a compressed message it is always bytes
  t.equal(assemble(assembler, 1, [hex('c3'), hex('bc')], 9), 'ü', 'the next one is a text again')
  t.throws(() => assemble(assembler, 1, [hex('ff')], 9), { code: 'FST_WS_INVALID_UTF8' })
})

t.test('T20 a compressed message may take an eighth more than the limit, and 64 bytes', async t => {
  for (const [limit, bound] of [[0, 64], [1000, 1189], [2 ** 20, 2 ** 20 + 2 ** 17 + 64], [2 ** 31, 2 ** 31 + 2 ** 28 + 64]] as const) {
    const assembler = new MessageAssembler(limit)
    t.doesNotThrow(() => assembler.checkLength(2, bound, 0b100))
    t.throws(() => assembler.checkLength(2, bound + 1, 0b100), { code: 'FST_WS_TOO_BIG' })
    t.throws(() => assembler.checkLength(2, limit + 1, 0), { code: 'FST_WS_TOO_BIG' }, 'a plain one may not')
    assembler.begin({ ...headerOf(1, 64), rsv: 0b100 })
    assembler.append(Buffer.alloc(64), 0, 64, false, 0)
    t.doesNotThrow(() => assembler.checkLength(0, bound - 64, 0))
    t.throws(() => assembler.checkLength(0, bound - 63, 0), { code: 'FST_WS_TOO_BIG' }, 'fragments together')
    assembler.clear()
    t.equal(assembler.compressed, false)
  }
})

t.test('RFC 7692 §7.2.2 what was inflated is judged by its own length, and its text as any other', async t => {
  const assembler = new MessageAssembler(10, true)
  t.equal(assembler.inflated(1, Buffer.from('é€'), false), 'é€')
  t.throws(() => assembler.inflated(1, hex('61e282'), false), { code: 'FST_WS_INVALID_UTF8' })
  for (const opcode of [1, 2]) {
    t.equal(assembler.inflated(opcode, Buffer.alloc(10, 'a'), true).length, 10)
    t.throws(() => assembler.inflated(opcode, Buffer.alloc(11, 'a'), true), { code: 'FST_WS_TOO_BIG' })
  }
  const own = Buffer.alloc(10, 1)
  const copy = assembler.inflated(2, own, false)
  own.fill(2)
  t.same(copy, Buffer.alloc(10, 1), 'a copy unless it is owned')
})

t.test('T03 §10.4 empty fragments in a row are bounded', async t => {
  const assembler = new MessageAssembler(10)
  t.equal(MAX_EMPTY_FRAGMENTS, 1000)
  for (let n = 0; n < 1000; n++) assembler.begin(headerOf(n === 0 ? 2 : 0, 0))
  assembler.begin(headerOf(0, 1))
  assembler.append(Buffer.alloc(1), 0, 1, false, 0)
  for (let n = 0; n < 1000; n++) assembler.begin(headerOf(0, 0))
  t.throws(() => assembler.begin(headerOf(0, 0)), { code: 'FST_WS_TOO_MANY_EMPTY_FRAGMENTS', closeCode: 1008 }, 'a byte between them starts anew, but only once')
  t.equal(assemble(new MessageAssembler(10), 1, [...Array.from({ length: 1000 }, () => Buffer.alloc(0)), Buffer.from('a')], 1), 'a')
  assembler.clear()
  for (let n = 0; n < 5000; n++) assembler.begin(headerOf(n === 0 ? 2 : 0, 0, n % 1000 === 999))
  t.pass('the last fragment of a message starts anew too')
})

t.test('§5.4 it knows whether it is inside a message, and of which kind', async t => {
  const assembler = new MessageAssembler(10)
  t.equal(assembler.inMessage, false)
  assembler.begin(headerOf(2, 0))
  t.match(assembler, { inMessage: true, opcode: 2 })
  assembler.begin(headerOf(0, 0, true))
  t.match(assembler, { inMessage: true, opcode: 2 })
  assembler.finish()
  t.equal(assembler.inMessage, false)
  assembler.begin(headerOf(1, 0))
  assembler.clear()
  t.equal(assembler.inMessage, false)
})

t.test('T06 a small binary message keeps no chunk alive', async t => {
  const chunk = Buffer.alloc(65_536, 1)
  const data = new MessageAssembler(10).single(headerOf(2, 10, true), chunk, 100, false, true)
  t.not((data as Buffer).buffer, chunk.buffer) // opcode 2 makes it a Buffer
  t.same(data, Buffer.alloc(10, 1))
})
