import t from 'tap'
import { UsageError } from '../../lib/protocol/errors.ts'
import { HANDSHAKE_ERRORS, HandshakeError, checkHeader } from '../../lib/protocol/handshake-errors.ts'
import type { HandshakeErrorCode } from '../../lib/protocol/handshake-errors.ts'

// The keys of the table are its codes: `Object.keys` only has no type for that.
const codes = Object.keys(HANDSHAKE_ERRORS) as HandshakeErrorCode[]

t.test('every row makes an error that Fastify can answer with', async t => {
  for (const code of codes) {
    const row = HANDSHAKE_ERRORS[code]
    const error = new HandshakeError(code)
    t.match(error, { name: 'HandshakeError', code, statusCode: row.statusCode }, code)
    t.equal(error.message, `${row.message} (${row.rule})`)
    t.match(code, /^FST_WS_[A-Z_]+$/)
    t.match(row.rule, /^RFC \d+ §[\d.]+$/)
    t.ok(row.statusCode >= 400 && row.statusCode < 600)
    for (const [name, value] of Object.entries(error.headers)) {
      t.equal(name, name.toLowerCase(), 'headers have lower case names')
      t.doesNotThrow(() => checkHeader(name, value))
    }
    t.notOk('connection' in error.headers)
  }
  const messages = codes.map(code => HANDSHAKE_ERRORS[code].message)
  t.equal(new Set(messages).size, messages.length, 'no two rows say the same')
})

t.test('a status says in its headers what it must', async t => {
  for (const code of codes) {
    const { statusCode, headers } = new HandshakeError(code)
    if (statusCode === 405) t.equal(headers.allow, 'GET', `RFC 9110 §15.5.6 ${code}`)
    if (statusCode === 426) t.match(headers, { upgrade: 'websocket', 'sec-websocket-version': '13' }, `RFC 9110 §15.5.22 ${code}`)
  }
})

t.test('headers and cause of its own, and no sharing between errors', async t => {
  const cause = new Error('why')
  const error = new HandshakeError('FST_WS_UNSUPPORTED_VERSION', { cause, headers: { 'Retry-After': '5', UPGRADE: 'other' } })
  t.equal(error.cause, cause)
  t.strictSame(error.headers, { upgrade: 'other', 'sec-websocket-version': '13', 'retry-after': '5' })
  error.headers.upgrade = 'changed'
  t.equal(new HandshakeError('FST_WS_UNSUPPORTED_VERSION').headers.upgrade, 'websocket')
  t.notOk('cause' in new HandshakeError('FST_WS_INVALID_KEY'))
})

t.test('a refusal has the status of the answer', async t => {
  const error = new HandshakeError('FST_WS_REFUSED', { answered: 401 })
  t.equal(error.statusCode, 401)
  t.match(error.message, 'but with 401')
})

t.test('T35 a refusal\'s header that would break out of its line is refused at the caller', async t => {
  for (const value of ['a\r\nb: c', 'a\rb', 'a\nb', 'a\0', '\x7f', '\u0100', '\u{1f600}', undefined, 1, null, ['a']]) {
    t.throws(() => {
      // @ts-expect-error: plain JavaScript passes what it likes
      return new HandshakeError('FST_WS_INVALID_KEY', { headers: { 'x-a': value } })
    }, { code: 'FST_WS_INVALID_ARGUMENT', name: 'UsageError' }, `value ${JSON.stringify(value)}`)
  }
  for (const name of ['', 'a b', 'a:', 'a\r\nb', '\u00e4']) {
    t.throws(() => new HandshakeError('FST_WS_INVALID_KEY', { headers: { [name]: 'x' } }), { code: 'FST_WS_INVALID_ARGUMENT' }, `name ${JSON.stringify(name)}`)
  }
  t.doesNotThrow(() => new HandshakeError('FST_WS_INVALID_KEY', { headers: { 'x-a': 'caf\u00e9\t1' } }))
})

t.test('T41 the value of a header is not told', async t => {
  try {
    checkHeader('authorization', 'Bearer secret\n')
    t.fail('accepted')
  } catch (error) {
    t.type(error, UsageError)
    t.notMatch(String(error), 'secret')
  }
})
