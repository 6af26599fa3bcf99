// @fastify/cors with WebSocket routes: it governs who may read answers of REST, and not who may open a connection. That
// is what `allowedOrigins` is for.
import cors from '@fastify/cors'
import type { FastifyCorsOptions } from '@fastify/cors'
import t from 'tap'
import type { Test } from 'tap'
import type { WebSocketPluginOptions } from '../../lib/index.ts'
import { makeApp } from '../helpers/app.ts'
import type { TestApp } from '../helpers/app.ts'
import { openFrames } from '../helpers/frame-client.ts'
import { shake, text } from './shake.ts'

const FRIEND = 'https://friend.example'
const STRANGER = 'https://stranger.example'

async function build (t: Test, options: FastifyCorsOptions, plugin: WebSocketPluginOptions): Promise<TestApp> {
  const made = await makeApp(t, { plugin })
  const { app } = made
  await app.register(cors, options)
  app.route({
    method: 'GET',
    url: '/feed',
    handler: async () => ({ ok: true }),
    wsHandler: (connection) => { connection.send('welcome') }
  })
  return made
}

/** What REST says to an origin, and what a handshake of it gets. */
async function ask (made: TestApp, origin: string): Promise<{ readable: unknown, status: number }> {
  const { statusCode, headers } = await made.app.inject({ url: '/feed', headers: { origin } })
  t.equal(statusCode, 200, 'REST answers whoever asks; the browser keeps the answer from the script')
  const answer = await shake(made, '/feed', [`Origin: ${origin}`])
  if (answer.statusCode === 101) t.equal(answer.headers['access-control-allow-origin'], headers['access-control-allow-origin'], 'in the 101, where nobody heeds it')
  return { readable: headers['access-control-allow-origin'], status: answer.statusCode }
}

t.test('cors does not keep a foreign origin from connecting', async (t) => {
  const made = await build(t, { origin: [FRIEND], credentials: true }, { allowedOrigins: '*' })
  await made.listen()
  t.strictSame(await ask(made, FRIEND), { readable: FRIEND, status: 101 })
  t.strictSame(await ask(made, STRANGER), { readable: undefined, status: 101 })
})

t.test('nor does it let one in: by default only the same origin connects', async (t) => {
  const made = await build(t, { origin: '*' }, {})
  const port = await made.listen()
  t.strictSame(await ask(made, FRIEND), { readable: '*', status: 403 })
  t.equal((await shake(made, '/feed', ['Origin: http://localhost'])).statusCode, 101)
  const client = await openFrames({ port, path: '/feed', headers: [`Origin: http://127.0.0.1:${port}`] })
  t.equal(await text(client), 'welcome')
  client.destroy()
})

t.test('allowedOrigins lets in whom it names', async (t) => {
  const made = await build(t, { origin: [FRIEND], credentials: true }, { allowedOrigins: ['same-origin', FRIEND] })
  await made.listen()
  t.strictSame(await ask(made, FRIEND), { readable: FRIEND, status: 101 })
  t.strictSame(await ask(made, STRANGER), { readable: undefined, status: 403 })
  const refused = await shake(made, '/feed', [`Origin: ${STRANGER}`])
  t.equal(JSON.parse(refused.body).code, 'FST_WS_FOREIGN_ORIGIN')
  await t.rejects(made.app.injectWS('/feed', { headers: { origin: STRANGER } }), { code: 'FST_WS_REFUSED', message: /403/ })
  const client = await made.app.injectWS('/feed', { headers: { origin: FRIEND } })
  client.terminate()
})

t.test('the same list may serve both, and a refusal is readable as REST\'s are', async (t) => {
  const made = await build(t, { origin: [FRIEND] }, {})
  const { app } = made
  app.get('/closed', { websocket: true, onRequest: async (_request, reply) => reply.code(401).send({}) }, () => {})
  await made.listen()
  const { statusCode, headers } = await shake(made, '/closed', ['Origin: http://localhost'])
  t.strictSame([statusCode, headers['vary']], [401, 'Origin'])
})

t.test('preflights are answered beside a WebSocket route', async (t) => {
  const { app } = await build(t, { origin: [FRIEND] }, {})
  const { statusCode, headers } = await app.inject({
    method: 'OPTIONS', url: '/feed', headers: { origin: FRIEND, 'access-control-request-method': 'GET' }
  })
  t.strictSame([statusCode, headers['access-control-allow-origin']], [204, FRIEND])
})
