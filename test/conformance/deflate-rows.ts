// Rows for compressed messages (RFC 7692): how they may look on the wire, and every way to be wrong (T23). Ids are of our own: `D` and
// a letter for what they are about.
import { constants, deflateRawSync } from 'node:zlib'
import { deflated } from '../helpers/deflate-codec.ts'
import { hex } from '../helpers/hex.ts'
import { plainInflate } from '../helpers/plain-inflate.ts'
import { encodeFrame } from '../helpers/wire-frames.ts'
import type { FrameToSend } from '../helpers/wire-frames.ts'
import { SMALL } from './echo-server.ts'
import { binary, broken, close, closing, legal, more, ping, pong, text, wantBinary, wantPong, wantText } from './row.ts'
import type { Row } from './row.ts'

/** As browsers have it. */
const OFFER = 'permessage-deflate; client_max_window_bits'
const RSV1 = 4

const offering = (rows: readonly Row[]): Row[] => rows.map((row) => ({ ...row, offer: OFFER }))

/** A frame of a compressed message, of a payload as it stands on the wire. */
const packed = (payload: Uint8Array, rest: Partial<FrameToSend> = {}): Buffer => text(payload, { rsv: RSV1, ...rest })
const packedText = (message: Uint8Array | string): Buffer => packed(deflated(message))
const packedBinary = (message: Uint8Array | string): Buffer => packed(deflated(message), { opcode: 2 })

/** A compressed message in fragments that end at the given bytes of its payload. */
function packedFragments (payload: Buffer, ends: readonly number[], opcode = 1): Buffer[] {
  return [...ends, payload.length].map((end, i) => encodeFrame({
    opcode: i === 0 ? opcode : 0, rsv: i === 0 ? RSV1 : 0, payload: payload.subarray(ends[i - 1] ?? 0, end), fin: i === ends.length
  }))
}

const hello = 'Hello'
const before = [packedText('before')]
const want = [wantText('before')]
const behind = [packedText('behind')]
const words = 'compressed messages of several words, several words that say several times the same'
/** Bytes that zlib makes a block with codes of its own of. */
const dynamic = deflated(Buffer.from(Array.from({ length: 400 }, (_, i) => 97 + i * i % 17)), { level: 9 })
const dynamicText = plainInflate(dynamic).bytes.toString()
/** Bytes that get no smaller. */
const noise = Buffer.from(Array.from({ length: SMALL }, (_, i) => (i * 2654435761 >>> 13) & 0xff))
const stored = (payload: Uint8Array): Buffer => deflateRawSync(payload, { level: 0, finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4)

/** RFC 7692 §7.2.3, byte by byte as they are printed there. */
const examples: readonly Row[] = [
  legal('DE1', '§7.2.3.1 one block', [packed(hex('f248cdc9c90700'))], [wantText(hello)]),
  legal('DE2', '§7.2.3.1 in two fragments', [packed(hex('f248cd'), { fin: false }), more(hex('c9c90700'), true)], [wantText(hello)]),
  legal('DE3', '§7.2.3.3 a block without compression', [packed(hex('000500faff48656c6c6f00'))], [wantText(hello)]),
  legal('DE4', '§7.2.3.4 a block that says it is the last', [packed(hex('f348cdc9c9070000'))], [wantText(hello)]),
  legal('DE5', '§7.2.3.5 two blocks in one message', [packed(hex('f248050000 00ffffcac9c90700'))], [wantText(hello)]),
  legal('DE6', '§7.2.3.6 an empty message', [packed(hex('00'))], [wantText('')]),
  legal('DE7', '§7.2.3.2 the same twice, each with a window of its own', [packed(hex('f248cdc9c90700')), packed(hex('f248cdc9c90700'))], [wantText(hello), wantText(hello)])
]

const blocks: readonly Row[] = [
  legal('DB1', 'a dynamic block', [packed(dynamic)], [wantText(dynamicText)]),
  legal('DB2', 'fixed codes', [packed(deflated(words, { strategy: constants.Z_FIXED }))], [wantText(words)]),
  legal('DB3', 'stored, fixed and dynamic blocks in one message',
    [packed(Buffer.concat([stored(Buffer.from(hello)), hex('0000ffff'), deflated(words, { strategy: constants.Z_FIXED }), hex('0000ffff'), dynamic]))],
    [wantText(hello + words + dynamicText)]),
  legal('DB4', 'twenty last blocks', [packed(Buffer.concat([...Array.from({ length: 20 }, () => hex('f348cdc9c90700')), hex('00')]))], [wantText(hello.repeat(20))]),
  legal('DB5', 'a last block in the midst, and the next looks back to before it',
    [packed(Buffer.concat([hex('f348cdc9c90700'), hex('f200110000')]))], [wantText(hello + hello)]),
  legal('DB6', 'a hundred empty blocks', [packed(Buffer.concat([...Array.from({ length: 100 }, () => hex('000000ffff')), deflated(words)]))], [wantText(words)]),
  legal('DB7', 'bytes that end like the tail', [packed(stored(hex('61 0000ffff')), { opcode: 2 })], [wantBinary(hex('61 0000ffff'))]),
  legal('DB8', 'bytes that are the tail, twice', [packedBinary(hex('0000ffff 0000ffff'))], [wantBinary(hex('0000ffff 0000ffff'))]),
  legal('DB9', 'an empty binary message', [packed(hex('00'), { opcode: 2 }), packed(hex('0300 00'), { opcode: 2 })], [wantBinary(''), wantBinary('')])
]

const messages: readonly Row[] = [
  legal('DM1', 'compressed and plain in turns', [packedText(words), text(words), packedBinary(words), binary(words), packedText(words)],
    [wantText(words), wantText(words), wantBinary(words), wantBinary(words), wantText(words)]),
  legal('DM2', 'control frames between compressed fragments',
    packedFragments(deflated(words), [5, 9]).flatMap((frame, i) => [frame, ...(i < 2 ? [ping(`${i}`), pong()] : [])]), [wantPong('0'), wantPong('1'), wantText(words)]),
  legal('DM3', 'empty fragments before, between and behind', packedFragments(deflated(words), [0, 0, 7, 7, deflated(words).length]), [wantText(words)]),
  legal('DM4', 'a plain message in fragments', [text('plain ', { fin: false }), more('and ', false), more('long', true)], [wantText('plain and long')]),
  legal('DM5', 'characters cut by the fragments', packedFragments(stored(Buffer.from('é€😀')), [6, 8, 9, 11, 13]), [wantText('é€😀')]),
  legal('DM6', 'a fragment for each byte', packedFragments(deflated(words), Array.from({ length: deflated(words).length - 1 }, (_, i) => i + 1)), [wantText(words)]),
  legal('DM7', 'one too large for this thread, and small ones around it',
    [packedText(hello), packedBinary(Buffer.alloc(500_000, words)), packedText(words), text(hello)],
    [wantText(hello), wantBinary(Buffer.alloc(500_000, words)), wantText(words), wantText(hello)]),
  closing('DM8', 'a large one, and Close right behind it', [packedBinary(Buffer.alloc(500_000, words)), close(1000)], [1000], [wantBinary(Buffer.alloc(500_000, words))])
]

const inTwo: readonly Row[] = Array.from({ length: deflated(words).length - 1 }, (_, i) =>
  legal('DM9', `in two fragments, the first of ${i + 1} bytes`, packedFragments(deflated(words), [i + 1]), [wantText(words)]))

const opcodes = [[0, 'a continuation'], [1, 'text'], [2, 'binary'], [8, 'Close'], [9, 'ping'], [10, 'pong']] as const

/** RSV1 where it may not be, and the other bits (§6: only the first frame of a message has it). */
const reservedBits: readonly Row[] = [
  ...opcodes.slice(3).map(([opcode, name]) => broken('DR1', `RSV1 on ${name}`, { before, want, bad: encodeFrame({ opcode, rsv: RSV1 }), proof: 1, behind, code: 1002 })),
  ...opcodes.slice(3).map(([opcode, name]) => broken('DR2', `RSV1 on ${name} between fragments`,
    { before: [packed(hex('f248cd'), { fin: false })], bad: encodeFrame({ opcode, rsv: RSV1 }), proof: 1, behind: [more(hex('c9c90700'), true)], code: 1002 })),
  ...[true, false].flatMap((fin) => [
    broken('DR3', `RSV1 on a continuation of a compressed message${fin ? '' : ' that goes on'}`,
      { before: [...before, packed(hex('f248cd'), { fin: false })], want, bad: encodeFrame({ opcode: 0, rsv: RSV1, payload: hex('c9c90700'), fin }), proof: 1, behind, code: 1002 }),
    broken('DR4', `RSV1 on a continuation of a plain message${fin ? '' : ' that goes on'}`,
      { before: [...before, text('plain', { fin: false })], want, bad: encodeFrame({ opcode: 0, rsv: RSV1, payload: 'more', fin }), proof: 1, behind, code: 1002 }),
    broken('DR5', `RSV1 on a continuation of nothing${fin ? '' : ' that goes on'}`, { before, want, bad: encodeFrame({ opcode: 0, rsv: RSV1, fin }), proof: 1, behind, code: 1002 })
  ]),
  ...opcodes.flatMap(([opcode, name]) => [1, 2, 3, 5, 6, 7].map((rsv) => broken('DR6', `reserved bits ${rsv} on ${name}`, {
    before: opcode === 0 ? [...before, packed(hex('f248cd'), { fin: false })] : before, want, bad: encodeFrame({ opcode, rsv, payload: hex('00') }), proof: 1, behind, code: 1002
  }))),
  ...[3, 7, 11, 15].map((opcode) => broken('DR7', `RSV1 on reserved opcode ${opcode}`, { before, want, bad: encodeFrame({ opcode, rsv: RSV1 }), proof: 1, behind, code: 1002 })),
  broken('DR8', 'a compressed message inside of a compressed one', { before: [...before, packed(hex('f248cd'), { fin: false })], want, bad: packedText(hello), proof: 1, behind, code: 1002 })
]

/** Not agreed on: no bit has a meaning. */
export const unagreedRows: readonly Row[] = [undefined, 'permessage-bzip2', 'permessage-deflate; client_max_window_bits=16', 'permessage-deflate; unknown', 'x-webkit-deflate-frame']
  .map((offer) => ({ ...broken('DR9', `RSV1 behind the offer ${offer}`, { before: [text('before')], want, bad: packedText(hello), proof: 1, behind, code: 1002 }), ...(offer !== undefined && { offer }) }))

/** What is wrong in a payload: nothing of it is delivered, and nothing behind it. */
const bad = (id: string, title: string, payload: Uint8Array, opcode = 1): Row =>
  broken(id, title, { before, want, bad: packed(payload, { opcode }), behind, code: 1007 })

const garbage: readonly Row[] = [
  bad('T23', 'no payload at all', hex('')),
  bad('T23', 'a kind of block that there is not', hex('0700')),
  bad('T23', 'a length that is not confirmed', hex('0005000000 48656c6c6f 00')),
  // as the first message: with context takeover there would be something to look back to
  broken('T23', 'a distance beyond the start', { bad: packed(hex('02020000')), behind, code: 1007 }),
  broken('T23', 'a distance beyond what came', { bad: packed(hex('f248cdc9 0111 0000')), behind, code: 1007 }),
  bad('T23', 'codes that are too many', hex('fcffffffff00')),
  bad('T23', 'codes that are incomplete', hex('0500000000000000')),
  bad('T23', 'text that was not compressed', Buffer.from(words)),
  bad('T23', 'zlib\'s format, with its header', hex('789cf248cdc9c90700')),
  bad('T23', 'gzip\'s format', hex('1f8b0800000000000003f248cdc9c90700')),
  bad('T23', 'the tail was left on, and more of it', hex('f248cdc9c907000000ffffff')),
  bad('T23', 'a stored block that the tail would complete', hex('00 0800 f7ff 41414141'), 2),
  bad('T23', 'a last block that nothing follows', hex('f348cdc9c90700')),
  bad('T23', 'garbage behind a last block', hex('f348cdc9c90700 ff')),
  bad('T23', 'a thousand last blocks', Buffer.concat([...Array.from({ length: 1000 }, () => hex('0300')), hex('00')])),
  bad('T23', 'right for long, and wrong at its end', Buffer.concat([deflated(Buffer.alloc(400_000, words)), hex('ff')]), 2),
  bad('T23', 'noise', noise.subarray(0, 500), 2)
]

/** Cut behind every byte, and with each of some bytes behind it: wrong, unless a plain reader can make sense of it. */
const spoilt: readonly Row[] = [['fixed', deflated(words)], ['stored', stored(Buffer.from(words))], ['dynamic', dynamic], ['last', hex('f348cdc9c9070000')]].flatMap(([kind, whole]) => {
  const payload = whole as Buffer // both columns have one type for the compiler
  return [
    ...Array.from({ length: payload.length }, (_, length) => judged(`${String(kind)}, cut after ${length} bytes`, payload.subarray(0, length))),
    ...['00', '01', '03', '0300', '07', 'ff', '0000ffff', '000000ffff', 'cac9c90700'].map((rest) => judged(`${String(kind)}, and ${rest} behind it`, Buffer.concat([payload, hex(rest)])))
  ]
})

function judged (title: string, payload: Buffer): Row {
  try {
    const { bytes } = plainInflate(payload)
    return legal('T23', title, [...before, packed(payload, { opcode: 2 }), ...behind], [...want, wantBinary(bytes), wantText('behind')])
  } catch {
    return bad('T23', title, payload, 2)
  }
}

const notUtf8: readonly Row[] = ['80', 'c0af', 'eda080', 'f4908080', 'ff', 'c2', 'e282', 'f09f98'].flatMap((sequence) => {
  const message = Buffer.concat([Buffer.from('right, and then '), hex(sequence)])
  const [first = message, second = message] = packedFragments(deflated(message), [6])
  return [
    bad('DU1', `${sequence} in a compressed text`, deflated(message)),
    broken('DU2', `${sequence} in two fragments`, { before: [...before, first], want, bad: second, behind, code: 1007 }),
    legal('DU3', `${sequence} in a binary message`, [packedBinary(message)], [wantBinary(message)])
  ]
})

/** For `/small`. */
export const limitRows: readonly Row[] = offering([
  legal('DL1', 'exactly maxPayload', [packedBinary(Buffer.alloc(SMALL)), packedText('a'.repeat(SMALL))], [wantBinary(Buffer.alloc(SMALL)), wantText('a'.repeat(SMALL))]),
  legal('DL2', 'exactly maxPayload, and the payload is longer', [packed(stored(noise), { opcode: 2 })], [wantBinary(noise)]),
  legal('DL3', 'exactly maxPayload, in fragments', packedFragments(deflated(noise), [1, 5000, 9999], 2), [wantBinary(noise)]),
  ...[SMALL + 1, SMALL * 2, 262_144, 262_145, 10_000_000].map((length) =>
    broken('DL4', `${length} bytes`, { before, want, bad: packedBinary(Buffer.alloc(length)), behind, code: 1009 })),
  broken('DL5', 'a byte too much, of a text in fragments', fragmentsTooLong()),
  broken('DL6', 'a byte too much, in a second last block',
    { before, want, bad: packed(Buffer.concat([deflateRawSync(Buffer.alloc(SMALL)), deflateRawSync('a'), hex('00')]), { opcode: 2 }), behind, code: 1009 }),
  broken('DL7', 'far more payload than any message of maxPayload needs', { before, want, bad: packed(Buffer.alloc(SMALL * 2)), proof: 8, behind, code: 1009 })
])

function fragmentsTooLong (): { before: Buffer[], want: typeof want, bad: Buffer, code: number } {
  const frames = packedFragments(deflated('a'.repeat(SMALL + 1)), [4, 8])
  return { before: [...before, ...frames.slice(0, -1)], want, bad: frames.at(-1) ?? Buffer.alloc(0), code: 1009 }
}

/** For routes with any agreement. */
export const exampleRows: readonly Row[] = offering(examples)
export const deflateRows: readonly Row[] = offering([...blocks, ...messages, ...garbage])
/** There are many of them, and they differ little. */
export const similarRows: readonly Row[] = offering([...inTwo, ...reservedBits, ...notUtf8, ...spoilt])

/** For a route that lets the client look back. */
export const takeoverRows: readonly Row[] = offering([
  legal('DT1', '§7.2.3.2 the second looks back to the first', [packed(hex('f248cdc9c90700')), packed(hex('f200110000'))], [wantText(hello), wantText(hello)]),
  legal('DT2', 'a plain one between them does not count', [packed(hex('f248cdc9c90700')), text('plain'), packed(hex('f200110000'))], [wantText(hello), wantText('plain'), wantText(hello)]),
  legal('DT3', 'in fragments, a ping between', [packed(hex('f248cdc9c90700')), packed(hex('f200'), { fin: false }), ping(), more(hex('110000'), true)],
    [wantText(hello), wantPong(), wantText(hello)]),
  legal('DT4', 'an empty one between them', [packed(hex('f248cdc9c90700')), packed(hex('00')), packed(hex('f200110000'))], [wantText(hello), wantText(''), wantText(hello)]),
  legal('DT5', 'a last block between them', [packed(hex('f348cdc9c9070000')), packed(hex('f200110000'))], [wantText(hello), wantText(hello)]),
  legal('DT6', 'back through a large one', [packedBinary(Buffer.alloc(500_000, hello)), packed(hex('f200110000'))], [wantBinary(Buffer.alloc(500_000, hello)), wantText(hello)]),
  broken('DT7', 'further back than all that came', { before: [packedText('Hel')], want: [wantText('Hel')], bad: packed(hex('f200110000')), behind, code: 1007 })
])
