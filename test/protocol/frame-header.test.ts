import t from 'tap'
import { createFrameHeader, frameHeaderLength, headerLengthAt, MAX_CONTROL_LENGTH, MAX_HEADER_LENGTH, payloadLengthAt, readFrameHeader, writeFrameHeader } from '../../lib/protocol/frame-header.ts'
import type { FrameHeader, HeaderContext } from '../../lib/protocol/frame-header.ts'
import { hex } from '../helpers/hex.ts'

/** Every length is right, unless a row says otherwise. */
const anyLength = (): void => {}
const client: HeaderContext = { role: 'client', allowedRsv: 0, inMessage: false, checkLength: anyLength }
const server: HeaderContext = { role: 'server', allowedRsv: 0, inMessage: false, checkLength: anyLength }
const digits = (byte: number): string => byte.toString(16).padStart(2, '0')
const inMessage: HeaderContext = { ...client, inMessage: true }
const deflating: HeaderContext = { ...client, allowedRsv: 0b100 }

const rows: ReadonlyArray<{ name: string, by: HeaderContext, wire: string, want: Partial<FrameHeader> }> = [
  { name: '§5.7 text', by: client, wire: '81 05', want: { fin: true, rsv: 0, opcode: 1, masked: false, maskingKey: 0, headerLength: 2, payloadLength: 5 } },
  { name: '§5.7 masked text', by: server, wire: '81 85 37fa213d', want: { masked: true, maskingKey: 0x37fa213d, headerLength: 6, payloadLength: 5 } },
  { name: '§5.3 a key with the top bit set', by: server, wire: '82 80 ff00ff01', want: { maskingKey: 0xff00ff01 | 0, payloadLength: 0 } },
  { name: '§5.7 256 bytes', by: client, wire: '82 7e 0100', want: { opcode: 2, headerLength: 4, payloadLength: 256 } },
  { name: '§5.7 65,536 bytes', by: client, wire: '82 7f 0000000000010000', want: { headerLength: 10, payloadLength: 65_536 } },
  { name: '§5.4 first fragment, shortest 16-bit length', by: client, wire: '02 7e 007e', want: { fin: false, payloadLength: 126 } },
  { name: '§5.2 longest 16-bit length, masked', by: server, wire: '82 fe ffff 01020304', want: { headerLength: 8, maskingKey: 0x01020304, payloadLength: 65_535 } },
  { name: '§5.4 continuation', by: inMessage, wire: '00 01', want: { fin: false, opcode: 0, payloadLength: 1 } },
  { name: '§5.4 last continuation', by: inMessage, wire: '80 00', want: { fin: true, opcode: 0, payloadLength: 0 } },
  { name: '§5.5 ping, longest 7-bit length', by: client, wire: '89 7d', want: { opcode: 9, payloadLength: 125 } },
  { name: '§5.4 pong between fragments', by: inMessage, wire: '8a 00', want: { opcode: 10 } },
  { name: '§5.5.1 close between fragments', by: inMessage, wire: '88 02', want: { opcode: 8, payloadLength: 2 } },
  { name: '§5.2 reserved bit that an extension defines', by: deflating, wire: 'c1 01', want: { rsv: 0b100 } },
  { name: '§5.2 first fragment with it', by: deflating, wire: '41 01', want: { fin: false, rsv: 0b100 } },
  { name: '§5.2 one of two bits that extensions define', by: { ...client, allowedRsv: 0b110 }, wire: 'a1 01', want: { rsv: 0b010 } },
  { name: '§5.2 both of them', by: { ...client, allowedRsv: 0b110 }, wire: 'e1 01', want: { rsv: 0b110 } },
  { name: 'T02 §5.2 length of 2^31', by: client, wire: '82 7f 0000000080000000', want: { payloadLength: 2 ** 31 } },
  { name: 'T02 §5.2 length of 2^32', by: client, wire: '82 7f 0000000100000000', want: { payloadLength: 2 ** 32 } },
  { name: 'T02 §5.2 length of 2^32 + 2^31 + 1, masked', by: server, wire: '82 ff 0000000180000001 80000000', want: { headerLength: 14, payloadLength: 2 ** 32 + 2 ** 31 + 1 } },
  { name: 'T02 §5.2 length of 2^53 - 1', by: client, wire: '82 7f 001fffffffffffff', want: { payloadLength: Number.MAX_SAFE_INTEGER } }
]

/** `at` is how many bytes prove it. */
const faults = [
  { name: 'T02 §5.2 length of 2^53', by: client, wire: '82 7f 0020000000000000', at: 4, want: 'FST_WS_TOO_BIG' },
  { name: 'T02 §5.2 length of 2^63 - 1', by: client, wire: '82 7f 7fffffffffffffff', at: 3, want: 'FST_WS_TOO_BIG' },
  { name: 'T02 §5.2 length of 2^63', by: client, wire: '82 7f 8000000000000000', at: 3, want: 'FST_WS_LENGTH_TOP_BIT' },
  { name: 'T02 §5.2 length of 2^64 - 1', by: client, wire: '82 7f ffffffffffffffff', at: 3, want: 'FST_WS_LENGTH_TOP_BIT' },
  { name: 'T02 §5.2 length of 2^64 - 1, masked', by: server, wire: '82 ff ffffffffffffffff', at: 3, want: 'FST_WS_LENGTH_TOP_BIT' },
  { name: 'T02 §5.2 125 in 16 bits', by: client, wire: '82 7e 007d', at: 4, want: 'FST_WS_LENGTH_NOT_MINIMAL' },
  { name: 'T02 §5.2 0 in 16 bits', by: server, wire: '82 fe 0000', at: 4, want: 'FST_WS_LENGTH_NOT_MINIMAL' },
  { name: 'T02 §5.2 0 in 64 bits', by: client, wire: '82 7f 0000000000000000', at: 8, want: 'FST_WS_LENGTH_NOT_MINIMAL' },
  { name: 'T02 §5.2 65,535 in 64 bits', by: server, wire: '82 ff 000000000000ffff', at: 8, want: 'FST_WS_LENGTH_NOT_MINIMAL' },
  { name: 'T07 §5.1 no mask from a client', by: server, wire: '81 05', at: 2, want: 'FST_WS_MASK_MISSING' },
  { name: 'T07 §5.1 mask from a server', by: client, wire: '81 85', at: 2, want: 'FST_WS_MASK_FORBIDDEN' },
  ...[0x91, 0xa1, 0xc1, 0xf1, 0xc2, 0x41].map(first => ({ name: `T07 §5.2 reserved bits, first byte ${digits(first)}`, by: client, wire: digits(first), at: 1, want: 'FST_WS_RESERVED_BITS' })),
  ...[0xc9, 0xca, 0xc8].map(first => ({ name: `RFC 7692 §6 the extension's bit in a control frame, ${digits(first)}`, by: deflating, wire: digits(first), at: 1, want: 'FST_WS_RESERVED_BITS' })),
  ...[0xd1, 0xe1, 0x91].map(first => ({ name: `T07 §5.2 another bit than the extension's, ${digits(first)}`, by: deflating, wire: digits(first), at: 1, want: 'FST_WS_RESERVED_BITS' })),
  { name: 'RFC 7692 §6.1 the extension\'s bit in a continuation', by: { ...deflating, inMessage: true }, wire: 'c0', at: 1, want: 'FST_WS_RESERVED_BITS' },
  ...[0x83, 0x84, 0x85, 0x86, 0x87, 0x03, 0x8b, 0x8c, 0x8d, 0x8e, 0x8f, 0x0b].flatMap(first => [client, inMessage].map(by => (
    { name: `T07 §5.2 reserved opcode ${first & 0xf}, first byte ${digits(first)}${by.inMessage ? ' in a message' : ''}`, by, wire: digits(first), at: 1, want: 'FST_WS_RESERVED_OPCODE' }
  ))),
  ...['08', '09', '0a'].map(wire => ({ name: `T07 §5.5 fragmented control frame ${wire}`, by: client, wire, at: 1, want: 'FST_WS_CONTROL_FRAGMENTED' })),
  ...['88 7e', '89 7e', '8a 7e', '89 7f'].map(wire => ({ name: `T07 §5.5 control frame over 125 bytes ${wire}`, by: client, wire, at: 2, want: 'FST_WS_CONTROL_TOO_LONG' })),
  { name: 'T07 §5.4 stray continuation', by: client, wire: '80', at: 1, want: 'FST_WS_UNEXPECTED_CONTINUATION' },
  { name: 'T07 §5.4 stray continuation, not the last', by: client, wire: '00', at: 1, want: 'FST_WS_UNEXPECTED_CONTINUATION' },
  { name: 'T07 §5.4 new text inside a message', by: inMessage, wire: '81', at: 1, want: 'FST_WS_EXPECTED_CONTINUATION' },
  { name: 'T07 §5.4 new fragments inside a message', by: inMessage, wire: '02', at: 1, want: 'FST_WS_EXPECTED_CONTINUATION' }
]

for (const { name, by, wire, want } of rows) {
  t.test(name, async t => {
    const bytes = hex(wire)
    const before = Buffer.from(bytes)
    for (const lead of [0, 3]) {
      const header = createFrameHeader()
      const shifted = Buffer.concat([Buffer.alloc(lead, 0xff), bytes])
      for (let cut = 0; cut < bytes.length; cut++) t.equal(readFrameHeader(shifted, lead, lead + cut, by, header), false, `not after ${cut} bytes`)
      t.strictSame(header, createFrameHeader(), 'and nothing is filled in by halves')
      t.equal(readFrameHeader(shifted, lead, shifted.length, by, header), true)
      t.match(header, want)
      t.equal(readFrameHeader(Buffer.concat([shifted, hex('ffffff')]), lead, shifted.length + 3, by, header), true)
      t.match(header, want, 'whatever is behind it')
    }
    t.same(bytes, before, 'the bytes stay as they are')
  })
}

t.test('T01 what a data frame announces is judged as soon as it is known, before the key', async t => {
  const judged: Array<[number, number, number]> = []
  const by: HeaderContext = { ...server, allowedRsv: 0b100, checkLength: (opcode, length, rsv) => { judged.push([opcode, length, rsv]) } }
  for (const [wire, want] of [['81 85', [1, 5, 0]], ['82 fe 0100', [2, 256, 0]], ['82 ff 0000000000010000', [2, 65_536, 0]], ['c1 85', [1, 5, 0b100]], ['42 fe 0100', [2, 256, 0b100]]] as const) {
    t.equal(readFrameHeader(hex(wire), 0, hex(wire).length, by, createFrameHeader()), false)
    t.same(judged.splice(0), [want])
  }
  readFrameHeader(hex('89 85 00000000'), 0, 6, by, createFrameHeader())
  t.same(judged, [], 'control frames have a limit of their own')
})

for (const { name, by, wire, at, want } of faults) {
  t.test(name, async t => {
    const bytes = Buffer.concat([hex(wire), Buffer.alloc(MAX_HEADER_LENGTH)])
    for (let length = 0; length < at; length++) t.equal(readFrameHeader(bytes, 0, length, by, createFrameHeader()), false, `not after ${length} bytes`)
    for (let length = at; length <= bytes.length; length++) {
      t.throws(() => readFrameHeader(bytes, 0, length, by, createFrameHeader()), { name: 'ProtocolError', code: want }, `after ${length} bytes`)
    }
  })
}

t.test('§5.2 what is written is read, in the shortest form', async t => {
  const lengths = [0, 1, 125, 126, 127, 255, 256, 65_535, 65_536, 65_537, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 2 ** 31, Number.MAX_SAFE_INTEGER]
  for (const length of lengths) {
    for (const masked of [false, true]) {
      const bytes = Buffer.alloc(20, 0xee)
      const end = writeFrameHeader(bytes, 3, 0x82, length, masked)
      const header = createFrameHeader()
      t.equal(readFrameHeader(bytes, 3, bytes.length, masked ? server : client, header), true)
      t.match(header, { fin: true, rsv: 0, opcode: 2, masked, payloadLength: length, headerLength: frameHeaderLength(length, masked) }, `${length} bytes`)
      t.equal(end, 3 + frameHeaderLength(length, masked) - (masked ? 4 : 0), 'the offset of the key')
      t.ok(bytes.subarray(0, 3).every(byte => byte === 0xee) && bytes.subarray(end).every(byte => byte === 0xee), 'nothing else is touched')
    }
  }
  t.strictSame([125, 126, 65_535, 65_536].map(length => frameHeaderLength(length, false)), [2, 4, 4, 10])
  t.equal(frameHeaderLength(65_536, true), MAX_HEADER_LENGTH)
  t.equal(MAX_CONTROL_LENGTH, 125)
})

t.test('§5.2 lengths at a glance are those that are read, and of any bytes some', async t => {
  for (const { by, wire } of rows) {
    const bytes = Buffer.concat([hex('ffff'), hex(wire)])
    const header = createFrameHeader()
    t.ok(readFrameHeader(bytes, 2, bytes.length, by, header))
    t.strictSame([headerLengthAt(bytes, 2), payloadLengthAt(bytes, 2)], [header.headerLength, header.payloadLength], wire)
  }
  t.equal(headerLengthAt(hex('82'), 0), 2, 'cut behind its first byte')
  t.equal(headerLengthAt(hex('82 ff'), 0), 14)
  t.ok(payloadLengthAt(hex('82 ff ffffffffffffffff 00000000'), 0) > Number.MAX_SAFE_INTEGER)
})
