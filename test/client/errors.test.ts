import t from 'tap'
import { ClientError, RequestError, toError } from '../../lib/client/errors.ts'

t.test('ClientError says what and why', async (t) => {
  const cause = new Error('below')
  t.match(new ClientError('QUEUE_FULL', '3 messages', { sent: true, cause }), { name: 'ClientError', code: 'FST_WS_CLIENT_QUEUE_FULL', message: 'queue full: 3 messages', sent: true, cause })
  t.equal(new ClientError('CLOSED', '').sent, false)
  t.strictSame(Object.keys(new ClientError('CLOSED', '')), ['name', 'code', 'sent'])
})

t.test('RequestError takes what there is', async (t) => {
  t.match(new RequestError({ code: 'A', message: 'b', statusCode: 400, validation: [1] }), { code: 'A', message: 'b', statusCode: 400, validation: [1] })
  for (const odd of [undefined, null, 'text', 1, {}]) t.match(new RequestError(odd), { message: '', code: undefined }, String(odd))
})

t.test('an error of whatever is thrown', async (t) => {
  const error = new Error('one')
  t.equal(toError(error), error)
  for (const reason of ['text', Symbol('text'), { toString: () => 'text' }]) t.match(toError(reason), { message: /text/, cause: reason })
  for (const reason of [Object.create(null), { toString: 1 }, undefined]) t.ok(toError(reason) instanceof Error)
})
