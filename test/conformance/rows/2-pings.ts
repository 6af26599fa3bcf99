// Category 2: pings are answered with their own payload, pongs with nothing (RFC 6455 §5.5.2, §5.5.3).
import { broken, legal, ping, pong, wantPong } from '../row.ts'
import type { Row } from '../row.ts'

const bytes = Buffer.from('00fffefdfcfb00ff', 'hex')
const longest = Buffer.alloc(125, 0xfe)
const ten = Array.from({ length: 10 }, (_, i) => `ping number ${i}`)

export const pings: readonly Row[] = [
  legal('2.1', '§5.5.2 ping without a payload', [ping()], [wantPong()]),
  legal('2.2', '§5.5.2 ping with a text', [ping('Are you there?')], [wantPong('Are you there?')]),
  legal('2.3', '§5.5.2 ping with bytes that are no text', [ping(bytes)], [wantPong(bytes)]),
  legal('2.4', '§5.5 ping of 125 bytes, the longest', [ping(longest)], [wantPong(longest)]),
  broken('2.5', '§5.5 ping of 126 bytes', { bad: ping(Buffer.alloc(126, 0xfe)), proof: 2, code: 1002 }),
  legal('2.6', '§5.5 ping of 125 bytes, byte by byte', [ping(longest)], [wantPong(longest)], 1),
  legal('2.7', '§5.5.3 pong that nobody asked for', [pong()], []),
  legal('2.8', '§5.5.3 pong with a payload that nobody asked for', [pong('here I am')], []),
  legal('2.9', '§5.5.3 pong that nobody asked for, then a ping', [pong('here I am'), ping('and you?')], [wantPong('and you?')]),
  legal('2.10', '§5.5.2 ten pings in a row', ten.map((payload) => ping(payload)), ten.map((payload) => wantPong(payload))),
  legal('2.11', '§5.5.2 ten pings, byte by byte', ten.map((payload) => ping(payload)), ten.map((payload) => wantPong(payload)), 1)
]
