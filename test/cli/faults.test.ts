// What went wrong in words, and exit codes.
import t from 'tap'
import { ClientError, RequestError } from '../../lib/client/errors.ts'
import { describeEnd, describeError, ExitCode, exitCodeOf, Failure, isUsage, UsageFault } from '../../lib/cli/faults.ts'

function systemError (code: string, message = code): Error {
  return Object.assign(new Error(message), { code })
}

function refusal (statusCode: number, body: string, message?: string): Error {
  return Object.assign(new ClientError('REFUSED', message ?? statusCode), { statusCode, headers: {}, body })
}

const rows: ReadonlyArray<{ name: string, error: unknown, want: string | RegExp }> = [
  { name: 'refused', error: systemError('ECONNREFUSED'), want: 'connection refused: nothing listens on h:1 (ECONNREFUSED)' },
  { name: 'refused by all addresses', error: new AggregateError([systemError('ECONNREFUSED')]), want: /^connection refused/ },
  { name: 'no host', error: systemError('ENOTFOUND'), want: 'no such host: h:1 (ENOTFOUND)' },
  { name: 'self-signed', error: systemError('DEPTH_ZERO_SELF_SIGNED_CERT', 'self-signed certificate'), want: /^the certificate of h:1 is not trusted: self-signed certificate .*--insecure/ },
  { name: 'of another host', error: systemError('ERR_TLS_CERT_ALTNAME_INVALID'), want: /is not trusted/ },
  { name: 'no TLS', error: systemError('EPROTO'), want: /speaks no TLS/ },
  { name: 'no HTTP', error: systemError('HPE_INVALID_CONSTANT', 'Parse Error'), want: /not HTTP: Parse Error/ },
  { name: 'hung up', error: new Error('socket hang up'), want: 'h:1 hung up during the handshake' },
  { name: '401 with a message', error: refusal(401, '{"message":"who are you?"}', 'who are you?'), want: 'h:1 refused the handshake: 401 Unauthorized: who are you?' },
  { name: '403 with text', error: refusal(403, 'go away\nnow'), want: 'h:1 refused the handshake: 403 Forbidden: go away' },
  { name: '502 with a page', error: refusal(502, '<html>'), want: 'h:1 refused the handshake: 502 Bad Gateway' },
  { name: '200', error: refusal(200, 'rest'), want: 'h:1 refused the handshake: 200 OK: is there a WebSocket route at this path?' },
  { name: 'no answer', error: new ClientError('UNREACHABLE', 'in 10000 ms'), want: 'h:1 does not answer in 10000 ms' },
  { name: 'a topic', error: new RequestError({ code: 'X', message: 'not for you' }), want: 'the server refuses: not for you (X)' },
  { name: 'another', error: new Error('oops'), want: 'oops' },
  { name: 'no error', error: 'oops', want: 'oops' }
]

for (const { name, error, want } of rows) t.test(name, async (t) => { t.match(describeError(error, 'h:1'), want) })

t.test('ends', async (t) => {
  t.equal(describeEnd({ code: 1011, reason: 'oops' }, 'h:1'), 'closed by the server: 1011 oops')
  t.equal(describeEnd({ code: 1005, reason: '' }, 'h:1'), 'closed by the server: 1005')
  t.equal(describeEnd({ code: 1000, reason: '', initiator: 'local' }, 'h:1'), 'closed by this side: 1000')
  t.equal(describeEnd({ code: 1006, reason: '' }, 'h:1'), 'the connection to h:1 was lost (1006)')
  t.equal(describeEnd({ code: 1006, reason: '', error: new Error('oops') }, 'h:1'), 'oops')
})

t.test('exit codes', async (t) => {
  for (const code of [1000, 1001, 1005]) t.equal(exitCodeOf({ code, reason: '' }), 0)
  for (const code of [1002, 1006, 1008, 1011, 4000]) t.equal(exitCodeOf({ code, reason: '' }), 1)
  const option = new ClientError('OPTION', 'a header')
  t.equal(exitCodeOf({ code: 1006, reason: '', error: option }), 2)
  t.ok(isUsage(option))
  t.ok(isUsage(new UsageFault('x')))
  t.notOk(isUsage(new ClientError('CLOSED', 'x')))
  t.equal(new Failure('x').exitCode, ExitCode.Failed)
})
