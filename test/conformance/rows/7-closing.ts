// Category 7: the closing handshake, and every code and reason that a Close may have (RFC 6455 §5.5.1, §7).
import { encodeFrame } from '../../helpers/wire-frames.ts'
import { broken, close, closing, fragments, ping, text, wantText } from '../row.ts'
import type { Row } from '../row.ts'

const hello = 'Hello, you'
const large = Buffer.alloc(256 * 1024, 'large but not endless ')
const [pieceOne, pieceTwo] = fragments(1, ['part one', 'part two']) as [Buffer, Buffer] // two payloads make two frames
const notUtf8 = Buffer.from('cebae1bdb9cf83cebcceb5eda080656469746564', 'hex')

const validCodes = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999]
const invalidCodes = [0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999]

export const closeHandling: readonly Row[] = [
  closing('7.1.1', '§5.5.1 text, then Close', [text(hello), close(1000)], [1000], [wantText(hello)]),
  closing('7.1.2', '§5.5.1 Close twice: one answer', [close(1000), close()], [1000]),
  closing('7.1.3', '§5.5.1 Close, then a ping: no pong', [close(1000), ping()], [1000]),
  closing('7.1.4', '§5.5.1 Close, then a text: not echoed', [close(1000), text(hello)], [1000]),
  closing('7.1.5', '§5.5.1 Close between two fragments: no message', [pieceOne, close(1000), pieceTwo], [1000]),
  closing('7.1.6', '§5.5.1 256 KiB of text, a text, Close and a ping: both are echoed before Close',
    [text(large), text(hello), close(1000), ping()], [1000], [wantText(large), wantText(hello)]),

  closing('7.3.1', '§7.1.5 Close without a code', [close()], [1000, 1005]),
  broken('7.3.2', '§5.5.1 Close with one byte', { bad: encodeFrame({ opcode: 8, payload: 'a' }), code: 1002 }),
  closing('7.3.3', '§5.5.1 Close with a code', [close(1000)], [1000]),
  closing('7.3.4', '§5.5.1 Close with a code and a reason', [close(1000, 'so long')], [1000]),
  closing('7.3.5', '§5.5 Close with the longest reason, 123 bytes', [close(1000, Buffer.alloc(123, '*'))], [1000]),
  broken('7.3.6', '§5.5 Close with a reason of 124 bytes', { bad: close(1000, Buffer.alloc(124, '*')), proof: 2, code: 1002 }),

  broken('7.5.1', '§5.5.1 Close with a reason that is not UTF-8', { bad: close(1000, notUtf8), code: 1007 }),

  ...validCodes.map((code, i) => closing(`7.7.${i + 1}`, `§7.4 Close with ${code}: the code comes back`, [close(code)], [code])),
  ...invalidCodes.map((code, i) => broken(`7.9.${i + 1}`, `§7.4 Close with ${code}`, { bad: close(code), code: 1002 })),
  ...[5000, 65_535].map((code, i) => broken(`7.13.${i + 1}`, `§7.4.2 Close with ${code}, in no range at all`, { bad: close(code), code: 1002 }))
]
