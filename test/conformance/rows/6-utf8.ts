// Category 6: texts that are UTF-8 and texts that are not (RFC 6455 §8.1); the first impossible byte ends the connection.
import { findImpossibleByte } from '../utf8-reference.ts'
import { broken, fragments, legal, more, split, text, wantText } from '../row.ts'
import type { Row } from '../row.ts'
import { sequenceGroups } from './6-utf8-sequences.ts'

const code = 1007
/** Bytes of a masked frame's header with a 7-bit length. */
const HEADER = 6

const mixed = Buffer.from('Hello-µ@ßöäüàá-UTF-8!!')
const greek = Buffer.from('cebae1bdb9cf83cebcceb5', 'hex')
const ascii = Buffer.from('edited')
const surrogate = Buffer.concat([greek, Buffer.from('eda080', 'hex'), ascii])
// beyond U+10FFFF: the second byte proves it
const tooHigh = Buffer.concat([greek, Buffer.from('f4908080', 'hex'), ascii])
const impossible = greek.length + 1

/** One text frame: the row of 6.5 to 6.23, and of the single ones before. */
function single (id: string, title: string, payload: Buffer): Row {
  const at = findImpossibleByte(payload)
  if (at === undefined) return legal(id, title, [text(payload)], [wantText(payload)])
  const length = Math.min(at + 1, payload.length)
  const header = text(payload).length - payload.length
  return broken(id, title, { bad: text(payload), proof: header + length, code })
}

/** A text in fragments of one byte each. */
function byFragments (id: string, title: string, payload: Buffer): Row {
  const frames = fragments(1, split(payload, 1))
  const at = findImpossibleByte(payload)
  if (at === undefined) return legal(id, title, frames, [wantText(payload)])
  return broken(id, title, { before: frames.slice(0, at), bad: frames[at] ?? Buffer.alloc(0), behind: frames.slice(at + 1), code })
}

/** The impossible bytes come in the second of three fragments; the third is never sent. */
function failFastByFragment (id: string, title: string, from: number, to: number): Row {
  return {
    id,
    title,
    stages: [{ pieces: [text(tooHigh.subarray(0, from), { fin: false })], want: [] }, { pieces: [more(tooHigh.subarray(from, to))], want: [] }],
    closeCodes: [code],
    unsent: [more(tooHigh.subarray(to), true)],
    proof: HEADER + HEADER + impossible + 1
  }
}

/** The impossible bytes come in the second of three pieces of one frame; the third is never sent. */
function failFastByPiece (id: string, title: string, from: number, to: number): Row {
  const wire = text(tooHigh)
  return {
    id,
    title,
    stages: [{ pieces: [wire.subarray(0, HEADER + from)], want: [] }, { pieces: [wire.subarray(HEADER + from, HEADER + to)], want: [] }],
    closeCodes: [code],
    unsent: [wire.subarray(HEADER + to)],
    proof: HEADER + impossible + 1
  }
}

export const utf8: readonly Row[] = [
  legal('6.1.1', '§8.1 empty text', [text('')], [wantText('')]),
  legal('6.1.2', '§5.4 three empty fragments', fragments(1, ['', '', '']), [wantText('')]),
  legal('6.1.3', '§5.4 an empty fragment on either side', fragments(1, ['', 'only the middle', '']), [wantText('only the middle')]),
  single('6.2.1', '§8.1 text with characters of two bytes', mixed),
  legal('6.2.2', '§8.1 the same, cut between two characters', fragments(1, [mixed.subarray(0, 15), mixed.subarray(15)]), [wantText(mixed)]),
  byFragments('6.2.3', '§8.1 the same in fragments of one byte, cut inside of characters', mixed),
  byFragments('6.2.4', '§8.1 Greek with a character of three bytes, in fragments of one byte', greek),
  single('6.3.1', '§8.1 a surrogate inside a text', surrogate),
  byFragments('6.3.2', '§8.1 the same in fragments of one byte', surrogate),
  failFastByFragment('6.4.1', '§8.1 the second fragment has a character beyond U+10FFFF: no third is needed', greek.length, greek.length + 4),
  failFastByFragment('6.4.2', '§8.1 the second fragment is the impossible byte', impossible, impossible + 1),
  failFastByPiece('6.4.3', '§8.1 the second piece of a frame has a character beyond U+10FFFF: no third is needed', greek.length, greek.length + 4),
  failFastByPiece('6.4.4', '§8.1 the second piece of a frame is the impossible byte', impossible, impossible + 1),
  ...sequenceGroups.flatMap(({ id, title, sequences }) =>
    sequences.map((hex, i) => single(`${id}.${i + 1}`, `§8.1 ${title}: ${hex}`, Buffer.from(hex, 'hex'))))
]
