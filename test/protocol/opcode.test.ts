import t from 'tap'
import { isControl, Opcode } from '../../lib/protocol/opcode.ts'

t.strictSame(Opcode, { Continuation: 0, Text: 1, Binary: 2, Close: 8, Ping: 9, Pong: 10 }, '§5.2 the numbers')

const rows = [
  { name: '§5.6 data frames, reserved ones included', opcodes: [0, 1, 2, 3, 4, 5, 6, 7], want: false },
  { name: '§5.5 control frames, reserved ones included', opcodes: [8, 9, 10, 11, 12, 13, 14, 15], want: true }
]

for (const { name, opcodes, want } of rows) {
  t.test(name, async t => {
    for (const opcode of opcodes) t.equal(isControl(opcode), want, `opcode ${opcode}`)
  })
}
