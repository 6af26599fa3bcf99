// Category 1: one message in one frame, with lengths around the borders of the three length forms (RFC 6455 §5.2).
import { binary, legal, text, wantBinary, wantText } from '../row.ts'
import type { Row } from '../row.ts'

/** The ids' last parts in order. The last two send the same, the second of them in chunks of 997 bytes. */
const lengths = [0, 125, 126, 127, 128, 65_535, 65_536, 65_536]

export const framing: readonly Row[] = [
  ...lengths.map((length, i) => {
    const payload = Buffer.alloc(length, '*')
    return legal(`1.1.${i + 1}`, `§5.2 text of ${length} bytes`, [text(payload)], [wantText(payload)], i === 7 ? 997 : undefined)
  }),
  ...lengths.map((length, i) => {
    const payload = Buffer.alloc(length, 0xfe)
    return legal(`1.2.${i + 1}`, `§5.2 binary of ${length} bytes`, [binary(payload)], [wantBinary(payload)], i === 7 ? 997 : undefined)
  })
]
