import t from 'tap'
import { Type } from '@sinclair/typebox'
import { typebox } from '../../lib/client/typebox.ts'

const check = typebox()
const Message = Type.Union([Type.Object({ type: Type.Literal('a'), n: Type.Number() }), Type.Object({ type: Type.Literal('b') })])

const rows: Array<{ name: string, value: unknown, message: string }> = [
  { name: 'in the branch that was meant', value: { type: 'a', n: '1' }, message: 'invalid message: message/n Expected number' },
  { name: 'an unknown type', value: { type: 'c' }, message: "invalid message: message/type Expected one of 'a', 'b'" },
  { name: 'no object', value: 1, message: 'invalid message: message Expected union value' }
]

for (const { name, value, message } of rows) {
  t.test(`what does not fit: ${name}`, async (t) => {
    t.throws(() => check(Message, value, 'INVALID_MESSAGE'), { name: 'ClientError', code: 'FST_WS_CLIENT_INVALID_MESSAGE', message, validation: [{ instancePath: /^/ }] })
  })
}

t.test('what fits, and values that are nested too deeply', async (t) => {
  check(Message, { type: 'b', more: 1 }, 'INVALID_SEND')
  const Tree = Type.Recursive((This) => Type.Object({ next: Type.Optional(This) }))
  let deep = {}
  for (let n = 0; n < 100_000; n++) deep = { next: deep }
  t.throws(() => check(Tree, deep, 'INVALID_SEND'), { code: 'FST_WS_CLIENT_INVALID_SEND', message: /nested too deeply/ })
  t.throws(() => check({ nonsense: 1 }, 1, 'INVALID_SEND'), /./)
})
