import t from 'tap'
import { encodeFrame, frameLength, textFrameBound, writeFrame, writeHeaderOf, writeTextFrame } from '../../lib/protocol/frame-builder.ts'
import type { Role } from '../../lib/protocol/role.ts'
import { hex } from '../helpers/hex.ts'
import { encodeFrame as encodePlainly, maskBytes } from '../helpers/wire-frames.ts'

/** The bytes of a client's frame with its own key, as the plain encoder writes them; the key is the client's choice. */
function keyOf (frame: Buffer): Buffer {
  const length7 = frame.readUInt8(1) & 0x7f
  const start = length7 === 127 ? 10 : length7 === 126 ? 4 : 2
  return frame.subarray(start, start + 4)
}

const wires = [
  { name: '§5.7 text', frame: encodeFrame({ role: 'server', opcode: 1 }, 'Hello'), want: '81 05 48656c6c6f' },
  { name: '§5.7 first fragment', frame: encodeFrame({ role: 'server', opcode: 1, fin: false }, 'Hel'), want: '01 03 48656c' },
  { name: '§5.7 last fragment', frame: encodeFrame({ role: 'server', opcode: 0 }, 'lo'), want: '80 02 6c6f' },
  { name: '§5.7 ping', frame: encodeFrame({ role: 'server', opcode: 9 }, 'Hello'), want: '89 05 48656c6c6f' },
  { name: '§5.2 reserved bits', frame: encodeFrame({ role: 'server', opcode: 2, rsv: 0b101 }, hex('00')), want: 'd2 01 00' },
  { name: '§5.5.1 empty close', frame: encodeFrame({ role: 'server', opcode: 8 }, ''), want: '88 00' },
  { name: '§5.6 text of two bytes a character', frame: encodeFrame({ role: 'server', opcode: 1 }, 'é'), want: '81 02 c3a9' },
  { name: '§8.1 half a surrogate pair goes as the replacement character', frame: encodeFrame({ role: 'server', opcode: 1 }, 'a\udc00'), want: '81 04 61efbfbd' },
  { name: 'a view of a larger buffer', frame: encodeFrame({ role: 'server', opcode: 2 }, new Uint8Array(hex('00010203').buffer.slice(0), 0, 0)), want: '82 00' }
]

for (const { name, frame, want } of wires) t.test(name, async t => { t.same(frame, hex(want)) })

const texts = [
  ...[0, 1, 125, 126, 127, 65_535, 65_536].map(length => ({ name: `§5.2 ${length} ASCII characters`, text: 'a'.repeat(length) })),
  // the header that ASCII would take is too short for these
  ...[41, 42, 62, 63, 125, 126].map(length => ({ name: `§5.2 ${length} characters of three bytes`, text: '€'.repeat(length) })),
  ...[21_844, 21_845, 21_846, 32_767, 32_768, 65_535].map(length => ({ name: `§5.2 ${length} characters of three bytes`, text: '€'.repeat(length) })),
  { name: '§5.2 surrogate pairs', text: '😀'.repeat(40) },
  { name: '§8.1 half surrogate pairs', text: 'a\ud800b\udc00'.repeat(20) }
]

for (const { name, text } of texts) {
  t.test(`text: ${name}`, async t => {
    for (const role of ['server', 'client'] as const) {
      const built = encodeFrame({ role, opcode: 1 }, text)
      const want = (frame: Buffer): Buffer => encodePlainly({ opcode: 1, payload: text, mask: role === 'client' ? keyOf(frame) : null })
      t.ok(built.equals(want(built)), `encodeFrame, ${role}`)
      t.equal(built.length, frameLength(Buffer.byteLength(text), role))

      // a target of just the bound, and a margin that shows what else is written
      const bound = textFrameBound(text)
      const target = Buffer.alloc(7 + bound + 5, 0xee)
      const end = writeTextFrame(target, 7, role, text)
      t.ok(end - 7 <= bound, 'within the bound')
      t.ok(target.subarray(7, end).equals(want(target.subarray(7))), `writeTextFrame, ${role}`)
      t.ok(target.subarray(0, 7).every(byte => byte === 0xee) && target.subarray(7 + bound).every(byte => byte === 0xee), 'nothing outside is touched')
    }
  })
}

for (const length of [0, 1, 125, 126, 65_535, 65_536, 100_000]) {
  t.test(`§5.2 ${length} bytes`, async t => {
    const payload = Buffer.from(Array.from({ length }, (_, n) => n & 0xff))
    const before = Buffer.from(payload)
    for (const role of ['server', 'client'] as const) {
      const want = (frame: Buffer): Buffer => encodePlainly({ opcode: 2, payload, mask: role === 'client' ? keyOf(frame) : null })
      const built = encodeFrame({ role, opcode: 2 }, payload)
      t.ok(built.equals(want(built)), `encodeFrame, ${role}`)
      const target = Buffer.alloc(3 + frameLength(length, role) + 3, 0xee)
      const end = writeFrame(target, 3, role, 2, payload)
      t.equal(end, 3 + frameLength(length, role))
      t.ok(target.subarray(3, end).equals(want(target.subarray(3))), `writeFrame, ${role}`)
      t.ok(target.subarray(0, 3).every(byte => byte === 0xee) && target.subarray(end).every(byte => byte === 0xee), 'nothing outside is touched')
    }
    t.ok(payload.equals(before), '§5.3 the caller\'s bytes stay unmasked')
    const header = Buffer.alloc(16, 0xee)
    const end = writeHeaderOf(header, 2, 2, length)
    t.ok(Buffer.concat([header.subarray(2, end), payload]).equals(encodePlainly({ opcode: 2, payload, mask: null })), 'a header alone')
  })
}

t.test('a frame for many peers is not masked and its own', async t => {
  const payload = Buffer.from('abc')
  const frame = encodeFrame({ role: 'server', opcode: 2 }, payload)
  payload.fill(0)
  t.same(frame, hex('82 03 616263'))
})

const builders: ReadonlyArray<{ name: string, build: (role: Role) => Buffer }> = [
  { name: 'encodeFrame', build: role => encodeFrame({ role, opcode: 2 }, 'data') },
  { name: 'writeFrame', build: role => { const target = Buffer.alloc(10); writeFrame(target, 0, role, 2, Buffer.from('data')); return target } },
  { name: 'writeTextFrame', build: role => { const target = Buffer.alloc(32); return target.subarray(0, writeTextFrame(target, 0, role, 'data')) } }
]

for (const { name, build } of builders) {
  t.test(`T12 §5.3 ${name}: a fresh masking key for every frame`, async t => {
    const COUNT = 10_000
    const keys = new Set<number>()
    let wrong = 0
    for (let n = 0; n < COUNT; n++) {
      const frame = build('client')
      keys.add(frame.readUInt32BE(2))
      if (!maskBytes(frame.subarray(6), frame.subarray(2, 6)).equals(Buffer.from('data'))) wrong++
    }
    t.equal(wrong, 0)
    // 0.01 are to be expected
    t.ok(COUNT - keys.size <= 3, `${COUNT - keys.size} repeats`)
  })
}
