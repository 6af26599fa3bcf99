// @fastify/cookie with a WebSocket route: cookies are read from the handshake and set in its answer.
import cookie from '@fastify/cookie'
import t from 'tap'
import type { Test } from 'tap'
import { makeApp } from '../helpers/app.ts'
import type { TestApp } from '../helpers/app.ts'
import { openFrames } from '../helpers/frame-client.ts'
import { shake, text } from './shake.ts'

/** A route for both, which knows its visitor by a signed cookie and refuses strangers. */
async function build (t: Test): Promise<TestApp> {
  const made = await makeApp(t)
  const { app } = made
  await app.register(cookie, { secret: 'not a secret at all' })
  app.decorateRequest('nick', '')
  app.route({
    method: 'GET',
    url: '/nick',
    onRequest: async (request, reply) => {
      const { valid, value } = request.unsignCookie(request.cookies['nick'] ?? '')
      if (!valid || value === null) {
        return reply.code(401).clearCookie('nick').send({ error: 'who are you?' })
      }
      request.setDecorator('nick', value)
      reply.setCookie('seen', 'today', { path: '/' }).setCookie('nick', value, { path: '/', signed: true, httpOnly: true })
    },
    handler: async (request) => ({ nick: request.getDecorator('nick') }),
    wsHandler: (connection, request) => { connection.send(`${request.getDecorator('nick')} ${request.cookies['other']}`) }
  })
  return made
}

t.test('a signed cookie is read, and cookies are set in the 101 as in the answer of REST', async (t) => {
  const made = await build(t)
  const port = await made.listen()
  const signed = made.app.signCookie('ann')
  const field = `Cookie: other=5%20%3B; nick=${encodeURIComponent(signed)}`

  const answer = await shake(made, '/nick', [field])
  t.equal(answer.statusCode, 101)
  const nick = made.app.serializeCookie('nick', signed, { path: '/', httpOnly: true, sameSite: 'lax' })
  const expected = `seen=today; Path=/; SameSite=Lax, ${nick}`
  t.equal(answer.headers['set-cookie'], expected, 'two fields, one a cookie')

  const client = await openFrames({ port, path: '/nick', headers: [field] })
  t.equal(await text(client), 'ann 5 ;')
  client.destroy()

  const rest = await made.app.inject({ url: '/nick', cookies: { nick: signed } })
  t.strictSame(rest.json(), { nick: 'ann' })
  t.equal([rest.headers['set-cookie']].flat().join(', '), expected)
})

t.test('injectWS sends cookies', async (t) => {
  const { app } = await build(t)
  const client = await app.injectWS('/nick', { headers: { cookie: `nick=${app.signCookie('ben')}` } })
  for await (const message of client) {
    t.equal(message, 'ben undefined')
    client.terminate()
  }
})

t.test('what is not signed is refused before the 101, and the refusal sets cookies too', async (t) => {
  const made = await build(t)
  await made.listen()
  const signed = made.app.signCookie('ann')
  for (const value of ['', 'ann', signed.replace('ann', 'ben'), `${signed}x`]) {
    const cookie = value === '' ? 'none=of-it' : `nick=${encodeURIComponent(value)}`
    const answer = await shake(made, '/nick', [`Cookie: ${cookie}`])
    const rest = await made.app.inject({ url: '/nick', headers: { cookie } })
    for (const { statusCode, headers } of [answer, rest]) {
      t.equal(statusCode, 401, value)
      t.match(headers['set-cookie'], /^nick=; Max-Age=0; Path=\/; Expires=Thu, 01 Jan 1970/)
    }
    t.equal(answer.body, rest.body)
    t.notOk('sec-websocket-accept' in answer.headers)
  }
})

t.test('cookies that an onSend hook sets are in the 101', async (t) => {
  const made = await makeApp(t)
  const { app } = made
  await app.register(cookie)
  app.addHook('onSend', async (_request, reply) => { reply.setCookie('late', '1') })
  app.get('/', { websocket: true }, () => {})
  await made.listen()
  const { statusCode, headers } = await shake(made, '/')
  t.strictSame([statusCode, headers['set-cookie']], [101, 'late=1; SameSite=Lax'])
})
