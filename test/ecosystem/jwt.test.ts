// @fastify/jwt with a WebSocket route: the token comes by header, cookie or subprotocol, and what is wrong with it is
// answered as over REST. The types of its payload are those of example/auth-jwt.ts.
import cookie from '@fastify/cookie'
import jwt from '@fastify/jwt'
import t from 'tap'
import type { Test } from 'tap'
import { WebSocket } from 'ws'
import type { JwtUser } from '../../example/auth-jwt.ts'
import { bearerToken } from '../../lib/index.ts'
import type { WebSocketPluginOptions } from '../../lib/index.ts'
import { makeApp } from '../helpers/app.ts'
import type { TestApp } from '../helpers/app.ts'
import { openFrames } from '../helpers/frame-client.ts'
import { encodeFrame } from '../helpers/wire-frames.ts'
import { shake, text } from './shake.ts'

const SECRET = 'the secret of these tests'

async function build (t: Test, plugin: WebSocketPluginOptions = { protocols: ['chat', 'bearer'] }): Promise<TestApp> {
  const made = await makeApp(t, { plugin })
  const { app } = made
  await app.register(cookie)
  await app.register(jwt, { secret: SECRET, cookie: { cookieName: 'token', signed: false } })
  app.route({
    method: 'GET',
    url: '/me',
    onRequest: async (request) => {
      const token = bearerToken(request)
      if (token !== undefined) request.headers.authorization = `Bearer ${token}`
      await request.jwtVerify()
    },
    handler: async (request) => ({ name: request.user.name }),
    wsHandler: (connection, { user }) => {
      connection.on('message', (message) => { connection.send(`${user.name}: ${String(message)}`) })
      connection.send(`hello ${user.name}`)
    }
  })
  return made
}

/** Ways of a token to the server: as fields of a handshake, and of a request. */
const carriers = {
  header: (token: string) => `Authorization: Bearer ${token}`,
  cookie: (token: string) => `Cookie: token=${token}`,
  subprotocol: (token: string) => `Sec-WebSocket-Protocol: bearer, ${token}`
}

function fieldToHeader (field: string): Record<string, string> {
  const colon = field.indexOf(':')
  return { [field.slice(0, colon).toLowerCase()]: field.slice(colon + 2) }
}

for (const [name, carry] of Object.entries(carriers)) {
  t.test(`by ${name}: the decoded user is there in the handler`, async (t) => {
    const made = await build(t)
    const { app } = made
    const port = await made.listen()
    const token = app.jwt.sign({ name: 'ann' })

    const client = await openFrames({ port, path: '/me', headers: [carry(token)] })
    t.equal(await text(client), 'hello ann')
    await client.write(encodeFrame({ opcode: 1, payload: 'hi' }))
    t.equal(await text(client, 1), 'ann: hi')
    client.destroy()

    const answer = await shake(made, '/me', [carry(token)])
    t.equal(answer.headers['sec-websocket-protocol'], name === 'subprotocol' ? 'bearer' : undefined)
    t.notMatch(JSON.stringify(answer.headers), token, 'never echoed')

    const injected = await app.injectWS('/me', name === 'subprotocol' ? { protocols: ['bearer', token] } : { headers: fieldToHeader(carry(token)) })
    for await (const message of injected) {
      t.equal(message, 'hello ann')
      injected.terminate()
    }
    if (name === 'subprotocol') return
    t.strictSame((await app.inject({ url: '/me', headers: fieldToHeader(carry(token)) })).json(), { name: 'ann' })
  })
}

t.test('what is wrong with a token is told as over REST, before the 101', async (t) => {
  const made = await build(t)
  const { app } = made
  await made.listen()
  const good = app.jwt.sign({ name: 'ann' })
  const tokens = [
    { name: 'expired', token: app.jwt.sign({ name: 'ann' }, { expiresIn: 1, clockTimestamp: 1_000 }), code: 'FST_JWT_AUTHORIZATION_TOKEN_EXPIRED' },
    { name: 'of another secret', token: app.jwt.sign({ name: 'ann' }, { key: 'another secret' }), code: 'FST_JWT_AUTHORIZATION_TOKEN_INVALID' },
    { name: 'cut', token: good.slice(0, -2), code: 'FST_JWT_AUTHORIZATION_TOKEN_INVALID' },
    { name: 'no token at all', token: 'nonsense', code: 'FST_JWT_AUTHORIZATION_TOKEN_INVALID' }
  ]
  for (const { name, token, code } of tokens) {
    const rest = await app.inject({ url: '/me', headers: { authorization: `Bearer ${token}` } })
    t.match({ statusCode: rest.statusCode, ...rest.json() }, { statusCode: 401, code }, name)
    for (const [way, carry] of Object.entries(carriers)) {
      const answer = await shake(made, '/me', [carry(token)])
      t.equal(answer.statusCode, 401, `${name}, by ${way}`)
      t.equal(answer.body, rest.body)
      t.strictSame([answer.headers['sec-websocket-accept'], answer.headers['sec-websocket-protocol'], answer.headers['connection']], [undefined, undefined, 'close'])
    }
    await t.rejects(app.injectWS('/me', { protocols: ['bearer', token] }), { code: 'FST_WS_REFUSED', message: /401/ })
  }
  t.equal(app.websocket.connections.size, 0)
})

t.test('no token', async (t) => {
  const made = await build(t)
  await made.listen()
  const rest = await made.app.inject('/me')
  t.equal(rest.statusCode, 401)
  for (const fields of [[], ['Sec-WebSocket-Protocol: bearer'], ['Sec-WebSocket-Protocol: chat'], ['Cookie: other=1']]) {
    const answer = await shake(made, '/me', fields)
    t.strictSame([answer.statusCode, answer.body], [401, rest.body], String(fields[0]))
  }
})

t.test('the ws client, like a browser, wants one of the subprotocols that it offered', async (t) => {
  const rows = [
    { protocols: ['bearer'], offered: ['bearer'], chosen: 'bearer' },
    { protocols: ['chat', 'bearer'], offered: ['bearer', 'chat'], chosen: 'chat' },
    { protocols: ['chat'], offered: ['bearer'], chosen: 'Server sent no subprotocol' }
  ]
  for (const { protocols, offered, chosen } of rows) {
    const made = await build(t, { protocols })
    const port = await made.listen()
    // The token stands behind `bearer`, whatever follows.
    const [first = '', ...others] = offered
    const socket = new WebSocket(`ws://127.0.0.1:${port}/me`, [first, made.app.jwt.sign({ name: 'ann' }), ...others])
    t.teardown(() => socket.terminate())
    const result = await new Promise((resolve) => {
      socket.once('open', () => resolve(socket.protocol)).once('error', ({ message }) => resolve(message))
    })
    t.equal(result, chosen)
  }
})

t.test('tokens in a header field are not in the log', async (t) => {
  const made = await build(t)
  const { app, logs } = made
  await made.listen()
  const token = app.jwt.sign({ name: 'ann' })
  for (const sent of [token, `${token}x`]) {
    for (const carry of Object.values(carriers)) await shake(made, '/me', [carry(sent)])
  }
  t.ok(logs.length > 0)
  t.notMatch(JSON.stringify(logs), token.slice(-20))
})

t.test('a user that a token names is whom the hook says, with formatUser and trusted', async (t) => {
  const made = await makeApp(t)
  const { app } = made
  const banned = new Set(['ben'])
  await app.register(jwt, {
    secret: SECRET,
    formatUser: (payload) => ({ ...payload as JwtUser, name: (payload as JwtUser).name.toUpperCase() }), // as it was signed
    trusted: async (_request, payload) => !banned.has((payload as JwtUser).name) // likewise
  })
  app.addHook('onRequest', async (request) => { await request.jwtVerify() })
  app.get('/me', { websocket: true }, (connection, { user }) => { connection.send(user.name) })
  const port = await made.listen()
  const client = await openFrames({ port, path: '/me', headers: [carriers.header(app.jwt.sign({ name: 'ann' }))] })
  t.equal(await text(client), 'ANN')
  client.destroy()
  const { statusCode, body } = await shake(made, '/me', [carriers.header(app.jwt.sign({ name: 'ben' }))])
  t.strictSame([statusCode, JSON.parse(body).code], [401, 'FST_JWT_AUTHORIZATION_TOKEN_UNTRUSTED'])
})
