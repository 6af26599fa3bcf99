// Rows for the attacks on frames: lengths that lie (T02), headers that break a rule (T07), texts that are not UTF-8 (T08)
// and Close frames that may not be (T09).
import { closePayload, encodeFrame } from '../helpers/wire-frames.ts'
import { broken, close, closing, fragments, legal, more, ping, pong, text, wantPong, wantText } from './row.ts'
import type { Row } from './row.ts'
import { findImpossibleByte } from './utf8-reference.ts'

const opcodeNames = new Map([[0, 'continuation'], [1, 'text'], [2, 'binary'], [8, 'Close'], [9, 'ping'], [10, 'pong']])
const controlOpcodes = [8, 9, 10]

const hello = [text('before')]
const wantHello = [wantText('before')]
const behind = [text('behind')]

/** Two bytes, eight of length, four of masking key. */
const LONG_HEADER = 14

interface Length {
  readonly announced: bigint
  readonly lengthForm?: 7 | 16 | 64
  readonly code: number
  /** Bytes of the header that prove it. */
  readonly proof: number
}

const lengths: readonly Length[] = [
  ...[2n ** 31n - 1n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 32n, 2n ** 53n - 1n, 2n ** 53n, 2n ** 53n + 1n, 2n ** 63n - 1n]
    .map((announced) => ({ announced, code: 1009, proof: LONG_HEADER })),
  // the top bit stands in the first byte of the length
  ...[2n ** 63n, 2n ** 63n + 5n, 2n ** 64n - 1n].map((announced) => ({ announced, code: 1002, proof: 3 })),
  ...[0n, 1n, 125n].map((announced) => ({ announced, lengthForm: 16 as const, code: 1002, proof: 4 })),
  ...[0n, 125n, 126n, 65_535n].map((announced) => ({ announced, lengthForm: 64 as const, code: 1002, proof: 10 }))
]

/** Every length on a text, a binary frame and a continuation. */
export const lengthRows: readonly Row[] = lengths.flatMap(({ announced, code, proof, lengthForm }) => [0, 1, 2].map((opcode) => {
  const frame = { opcode, announced, ...(lengthForm !== undefined && { lengthForm }) }
  const first = opcode === 0 ? [text('a', { fin: false })] : []
  return broken('T02', `${opcodeNames.get(opcode)} of ${announced} bytes${lengthForm === undefined ? '' : ` in ${lengthForm} bits`}`,
    { before: [...hello, ...first], want: wantHello, bad: encodeFrame(frame), proof, behind, code })
}))

/** All that a header alone can break, each at the byte that shows it. */
export const headerRows: readonly Row[] = [
  ...[...opcodeNames].flatMap(([opcode, name]) => [
    rowT07(`${name} without a mask`, opcode, encodeFrame({ opcode, payload: 'abc', mask: null }), 2),
    ...[1, 2, 3, 4, 5, 6, 7].map((rsv) => rowT07(`${name} with reserved bits ${rsv}`, opcode, encodeFrame({ opcode, rsv, payload: 'abc' }), 1))
  ]),
  ...[3, 4, 5, 6, 7, 11, 12, 13, 14, 15].flatMap((opcode) => [true, false].map((fin) =>
    rowT07(`reserved opcode ${opcode}${fin ? '' : ' without FIN'}`, opcode, encodeFrame({ opcode, fin, payload: 'abc' }), 1))),
  ...controlOpcodes.flatMap((opcode) => [
    rowT07(`fragmented ${opcodeNames.get(opcode)}`, opcode, encodeFrame({ opcode, fin: false }), 1),
    ...[126, 127, 65_536].map((length) => rowT07(`${opcodeNames.get(opcode)} of ${length} bytes`, opcode, encodeFrame({ opcode, payload: Buffer.alloc(length) }), 2)),
    rowT07(`${opcodeNames.get(opcode)} of 1 byte in 16 bits`, opcode, encodeFrame({ opcode, payload: 'a', lengthForm: 16 }), 2),
    rowT07(`${opcodeNames.get(opcode)} of 1 byte in 64 bits`, opcode, encodeFrame({ opcode, payload: 'a', lengthForm: 64 }), 2)
  ]),
  ...[true, false].map((fin) => broken('T07', `continuation of nothing${fin ? '' : ' without FIN'}`,
    { before: hello, want: wantHello, bad: more('abc', fin), proof: 1, behind, code: 1002 })),
  ...([1, 2] as const).flatMap((first) => [1, 2].flatMap((opcode) => [true, false].map((fin) =>
    broken('T07', `${opcodeNames.get(opcode)}${fin ? '' : ' fragment'} inside of a ${opcodeNames.get(first)} message`, {
      before: [...hello, encodeFrame({ opcode: first, payload: 'start', fin: false }), ping('in'), more('and')],
      want: [...wantHello, wantPong('in')],
      bad: encodeFrame({ opcode, payload: 'abc', fin }),
      proof: 1,
      behind,
      code: 1002
    }))))
]

/** A continuation stands inside of a message, so that it breaks one rule and no other. */
function rowT07 (title: string, opcode: number, bad: Buffer, proof: number): Row {
  const before = opcode === 0 ? [...hello, text('start', { fin: false })] : hello
  return broken('T07', title, { before, want: wantHello, bad, proof, behind, code: 1002 })
}

/** Each goes wrong in its own way; one is only cut short. */
const badSequences = ['80', 'bf', 'c0af', 'c1bf', 'c241', 'e08080', 'e09fbf', 'e28241', 'eda080', 'edbfbf', 'f0808080', 'f08fbfbf',
  'f09f9841', 'f4908080', 'f5808080', 'f888808080', 'fe', 'ff']
const cutSequences = ['c2', 'e2', 'e282', 'f0', 'f09f', 'f09f98']
/** Right before a bad sequence: lengths around the sizes of words and chunks, and a character of each length. */
const prefixes = [
  ...[0, 1, 3, 7, 8, 15, 16, 31, 32, 63, 64, 127, 128, 1000, 70_000].map((length) => Buffer.alloc(length, 'x')),
  ...['é', '€', '😀', 'ascii é € 😀 '.repeat(9)].map((characters) => Buffer.from(characters))
]
const right = Buffer.from('é€😀')

/** A text with a bad sequence: whole, and in two fragments with a ping between, cut before, in and behind the sequence. */
function badTextRows (sequence: Buffer): Row[] {
  const whole = prefixes.map((prefix) => {
    const payload = Buffer.concat([prefix, sequence, Buffer.from('rest')])
    const bad = text(payload)
    const proof = bad.length - payload.length + (findImpossibleByte(payload) ?? payload.length) + 1
    return broken('T08', `${sequence.toString('hex')} behind ${prefix.length} bytes`, { before: hello, want: wantHello, bad, proof, behind, code: 1007 })
  })
  const payload = Buffer.concat([Buffer.from('in two '), sequence, Buffer.from('rest')])
  const at = findImpossibleByte(payload) ?? payload.length
  // the cut byte itself belongs to the second fragment, so that it is the second that proves
  const cut = Array.from({ length: at - 6 }, (_, i) => 7 + i).map((end) => {
    const [first = payload, second = payload] = fragments(1, [payload.subarray(0, end), payload.subarray(end)])
    return broken('T08', `${sequence.toString('hex')} in two fragments, the first of ${end} bytes`,
      { before: [first, ping('between')], want: [wantPong('between')], bad: second, proof: 6 + at - end + 1, behind, code: 1007 })
  })
  return [...whole, ...cut]
}

export const textRows: readonly Row[] = [
  ...badSequences.flatMap((hex) => badTextRows(Buffer.from(hex, 'hex'))),
  ...cutSequences.flatMap((hex) => prefixes.map((prefix) => broken('T08', `${hex} at the end, behind ${prefix.length} bytes`,
    { before: hello, want: wantHello, bad: text(Buffer.concat([prefix, Buffer.from(hex, 'hex')])), behind, code: 1007 }))),
  ...cutSequences.map((hex) => broken('T08', `${hex} at the end, and the last fragment is empty`,
    { before: [text(Buffer.from(hex, 'hex'), { fin: false })], bad: more('', true), behind, code: 1007 })),
  ...Array.from({ length: right.length - 1 }, (_, i) => right.subarray(0, i + 1)).map((first) =>
    legal('T08', `right characters, the first fragment of ${first.length} bytes`,
      [text(first, { fin: false }), pong('between'), more(right.subarray(first.length), true)], [wantText(right)])),
  ...prefixes.map((prefix) => legal('T08', `right characters behind ${prefix.length} bytes`, [text(Buffer.concat([prefix, right]))], [wantText(Buffer.concat([prefix, right]))]))
]

/** §7.4: 1000 to 1014 without the three that never stand on the wire, and the ranges of libraries and applications. */
function isLegalCode (code: number): boolean {
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999)
}

/** Every code that a Close may or may not have: a right one comes back, a wrong one gets 1002. */
export const closeCodeRows: readonly Row[] = [...Array.from({ length: 5001 }, (_, code) => code), 65_535].map((code) => isLegalCode(code)
  ? closing('T09', `Close with ${code}`, [...hello, close(code), ...behind], [code], wantHello)
  : broken('T09', `Close with ${code}`, { before: hello, want: wantHello, bad: close(code), behind, code: 1002 }))

/** Close payloads that are wrong besides their code, and reasons at the limits. */
export const closeRows: readonly Row[] = [
  ...['00', '03', 'ff'].map((hex) => broken('T09', `Close of one byte ${hex}`,
    { before: hello, want: wantHello, bad: encodeFrame({ opcode: 8, payload: Buffer.from(hex, 'hex') }), behind, code: 1002 })),
  ...[...badSequences, ...cutSequences].map((hex) => broken('T09', `Close with the reason ${hex}`,
    { before: hello, want: wantHello, bad: close(1000, Buffer.from(hex, 'hex')), behind, code: 1007 })),
  ...[...badSequences, ...cutSequences].map((hex) => broken('T09', `Close with the reason ${hex}, inside of a message`,
    { before: [text('start', { fin: false })], bad: close(4000, Buffer.from(hex, 'hex')), behind: [more('end', true)], code: 1007 })),
  ...['é', '€', '😀'].map((character) => closing('T09', `Close with the reason ${character}`, [close(3000, character)], [3000])),
  closing('T09', 'Close with a reason of 41 characters in 123 bytes', [close(3000, '€'.repeat(41))], [3000]),
  broken('T09', 'Close with a wrong code and a wrong reason',
    { bad: encodeFrame({ opcode: 8, payload: closePayload(1005, Buffer.from('ff', 'hex')) }), behind, code: 1002 })
]
