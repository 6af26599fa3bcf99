import t from 'tap'
import { ClientError, RefusedError, RequestError, ValidationError } from '../../lib/client/errors.ts'

t.test('ClientError says what and why', async (t) => {
  const cause = new Error('below')
  t.match(new ClientError('QUEUE_FULL', '3 messages', { sent: true, cause }), { name: 'ClientError', code: 'FST_WS_CLIENT_QUEUE_FULL', message: 'queue full: 3 messages', sent: true, cause })
  t.equal(new ClientError('CLOSED', '').sent, false)
  t.match(new ValidationError('INVALID_SEND', 'x', []), { name: 'ClientError', code: 'FST_WS_CLIENT_INVALID_SEND', validation: [] })
})

t.test('RequestError takes what there is', async (t) => {
  t.match(new RequestError({ code: 'A', message: 'b', statusCode: 400, validation: [1] }), { code: 'A', message: 'b', statusCode: 400, validation: [1] })
  for (const odd of [undefined, null, 'text', 1, {}]) t.match(new RequestError(odd), { message: 'undefined', code: undefined }, String(odd))
})

const bodies = [
  { body: '{"statusCode":401,"message":"token expired"}', message: 'token expired' },
  { body: '{"error":"no"}', message: 'the server refused the handshake with 401' },
  { body: 'null', message: 'the server refused the handshake with 401' },
  { body: '<html>', message: 'the server refused the handshake with 401' },
  { body: '', message: 'the server refused the handshake with 401' }
]

for (const { body, message } of bodies) {
  t.test(`RefusedError of ${body}`, async (t) => { t.match(new RefusedError(401, {}, body), { code: 'FST_WS_REFUSED', statusCode: 401, message, body }) })
}
