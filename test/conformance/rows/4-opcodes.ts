// Category 4: reserved opcodes, 3 to 7 of the data frames and 11 to 15 of the control frames (RFC 6455 §5.2).
import { encodeFrame } from '../../helpers/wire-frames.ts'
import { broken, ping, text, wantText } from '../row.ts'
import type { Row } from '../row.ts'

const hello = 'Hello, you'

/** Five rows for five opcodes: alone, alone with a payload, then each behind a text and before a ping, the last by bytes. */
function rowsFor (group: string, first: number): Row[] {
  return [0, 1, 2, 3, 4].map((i) => {
    const payload = i % 2 === 1 ? hello : ''
    const alone = i < 2
    return broken(`${group}.${i + 1}`, `§5.2 opcode ${first + i}${payload === '' ? '' : ' with a payload'}${alone ? '' : ' behind a text and before a ping'}`, {
      before: alone ? [] : [text(hello)],
      want: alone ? [] : [wantText(hello)],
      bad: encodeFrame({ opcode: first + i, payload }),
      proof: 1,
      behind: alone ? [] : [ping()],
      code: 1002,
      ...(i === 4 && { chop: 1 })
    })
  })
}

export const opcodes: readonly Row[] = [...rowsFor('4.1', 3), ...rowsFor('4.2', 11)]
