// Category 5: fragmented messages, with control frames between the fragments, and every order that is none (RFC 6455 §5.4).
import { broken, fragments, legal, more, ping, pong, text, wantPong, wantText } from '../row.ts'
import type { Row } from '../row.ts'

const halves = fragments(1, ['fragment one,', 'fragment two'])
const message = [wantText('fragment one,fragment two')]
const [one = '', two = '', three = '', four = '', five = ''] = ['a1', 'b22', 'c333', 'd4444', 'e55555']
const [pieceOne, pieceTwo] = halves as [Buffer, Buffer] // two payloads make two frames
const between = [pieceOne, ping('between'), pieceTwo]
const betweenWant = [wantPong('between'), ...message]
const stray = 'continues nothing'
const behind = [text('Hello, you')]
const code = 1002
// a control frame without FIN, a continuation of nothing and a second start each show in their first byte
const proof = 1

/** Three ways to send the same: at once, frame by frame, byte by byte. */
const chops = [undefined, 'piece', 1] as const
const howChopped = ['', ', frame by frame', ', byte by byte'] as const

export const fragmentation: readonly Row[] = [
  broken('5.1', '§5.5 fragmented ping', { bad: ping('part one', { fin: false }), proof, behind: [more('part two', true)], code }),
  broken('5.2', '§5.5 fragmented pong', { bad: pong('part one', { fin: false }), proof, behind: [more('part two', true)], code }),
  ...chops.map((chop, i) => legal(`5.${3 + i}`, `§5.4 text in two fragments${howChopped[i]}`, halves, message, chop)),
  ...chops.map((chop, i) => legal(`5.${6 + i}`, `§5.4 a ping between two fragments${howChopped[i]}`, between, betweenWant, chop)),
  ...chops.map((chop, i) => broken(`5.${9 + i}`, `§5.4 last continuation of nothing, then a text${howChopped[i]}`,
    { bad: more(stray, true), proof, behind, code, ...(chop !== undefined && { chop }) })),
  ...chops.map((chop, i) => broken(`5.${12 + i}`, `§5.4 continuation of nothing, then a text${howChopped[i]}`,
    { bad: more(stray), proof, behind, code, ...(chop !== undefined && { chop }) })),
  broken('5.15', '§5.4 text in two fragments, then a continuation of nothing and a text',
    { before: halves, want: message, bad: more(stray), proof, behind, code }),
  broken('5.16', '§5.4 twice: continuation of nothing, then a text in two fragments',
    { bad: more(stray), proof, behind: [...halves, more(stray), ...halves], code }),
  broken('5.17', '§5.4 twice: last continuation of nothing, then a text in two fragments',
    { bad: more(stray, true), proof, behind: [...halves, more(stray, true), ...halves], code }),
  broken('5.18', '§5.4 the second fragment starts a text itself', { before: [text(one, { fin: false })], bad: text(two), proof, code }),
  ...([undefined, 'piece'] as const).map((chop, i): Row => ({
    id: `5.${19 + i}`,
    title: `§5.4 five fragments and two pings; the first pong comes before the rest is sent${howChopped[i]}`,
    stages: [
      { pieces: [text(one, { fin: false }), more(two), ping('first')], want: [wantPong('first')], ...(chop !== undefined && { chop }) },
      {
        pieces: [more(three), more(four), ping('second'), more(five, true)],
        want: [wantPong('second'), wantText([one, two, three, four, five].join(''))],
        ...(chop !== undefined && { chop })
      }
    ]
  }))
]
