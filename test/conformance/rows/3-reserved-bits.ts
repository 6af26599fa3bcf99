// Category 3: reserved bits without an extension that gives them a meaning (RFC 6455 §5.2).
import { binary, broken, ping, text, wantText } from '../row.ts'
import type { Row } from '../row.ts'
import { encodeFrame } from '../../helpers/wire-frames.ts'

const hello = 'Hello, you'
const before = [text(hello)]
const want = [wantText(hello)]
const behind = [ping()]
const byBytes = 1
// the bits stand in the first byte, so that is all that the server needs
const proof = 1
const code = 1002

export const reservedBits: readonly Row[] = [
  broken('3.1', '§5.2 text with RSV3', { bad: text(hello, { rsv: 1 }), proof, code }),
  broken('3.2', '§5.2 text, text with RSV2, ping', { before, want, bad: text(hello, { rsv: 2 }), proof, behind, code }),
  broken('3.3', '§5.2 text, text with RSV2 and RSV3, ping, frame by frame', { before, want, bad: text(hello, { rsv: 3 }), proof, behind, code, chop: 'piece' }),
  broken('3.4', '§5.2 text, text with RSV1, ping, byte by byte', { before, want, bad: text(hello, { rsv: 4 }), proof, behind, code, chop: byBytes }),
  broken('3.5', '§5.2 binary with RSV1 and RSV3', { bad: binary(Buffer.from('00fffefdfcfb00ff', 'hex'), { rsv: 5 }), proof, code }),
  broken('3.6', '§5.2 ping with RSV1 and RSV2', { bad: ping(hello, { rsv: 6 }), proof, code }),
  broken('3.7', '§5.2 Close with all three', { bad: encodeFrame({ opcode: 8, rsv: 7 }), proof, code })
]
