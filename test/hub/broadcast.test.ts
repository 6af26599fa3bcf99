// One message to all connections of a server.
import { Type } from '@sinclair/typebox'
import Fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import type { Test } from 'tap'
import websocket from '../../lib/index.ts'
import type { WebSocketConnection } from '../../lib/index.ts'

async function start (t: Test): Promise<FastifyInstance> {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(websocket, { perMessageDeflate: { threshold: 0 } })
  app.get('/raw', { websocket: true }, () => {})
  const Said = Type.Object({ said: Type.String({ maxLength: 20 }) })
  app.get('/typed', { websocket: true, schema: { websocket: { send: Said } } }, () => {})
  app.get('/shout', async () => app.websocket.broadcast('from a REST route', ({ request }) => request.url === '/raw'))
  return app
}

function next (client: WebSocketConnection): Promise<unknown> {
  return new Promise((resolve) => { client.once('message', resolve) })
}

t.test('it goes to all, from any REST route, or to those that are meant', async (t) => {
  const app = await start(t)
  const clients = [await app.injectWS('/raw'), await app.injectWS('/raw', { perMessageDeflate: true })]
  const typed = await app.injectWS('/typed')
  const strays: unknown[] = []
  typed.on('message', (message) => { strays.push(message) })
  const got = Promise.all(clients.map(next))
  t.equal((await app.inject('/shout')).body, '2')
  t.same(await got, ['from a REST route', 'from a REST route'])
  const answers = Promise.all(clients.map(next))
  t.equal(app.websocket.broadcast(Buffer.from('bytes'), ({ request }) => request.url === '/raw'), 2)
  t.same((await answers).map(String), ['bytes', 'bytes'])
  t.same(strays, [])
})

t.test('each route checks and serialises it once, and what one refuses goes to nobody', async (t) => {
  const app = await start(t)
  const typed = [await app.injectWS('/typed'), await app.injectWS('/typed')]
  const got = Promise.all(typed.map(next))
  t.equal(app.websocket.broadcast({ said: 'hi' }), 2)
  t.same(await got, ['{"said":"hi"}', '{"said":"hi"}'])
  t.throws(() => app.websocket.broadcast({ said: 1 }), { code: 'FST_WS_INVALID_SEND' })
  const raw = await app.injectWS('/raw')
  const strays: unknown[] = []
  for (const client of [raw, ...typed]) client.on('message', (message) => { strays.push(message) })
  t.throws(() => app.websocket.broadcast({ said: 'hi' }), { code: 'FST_WS_UNSUPPORTED_DATA' }, 'a raw route has no way to say it')
  const { messagesSent } = app.websocket.metrics()
  t.equal(messagesSent, 2)
  t.same(strays, [])
})

t.test('not to those that are closing', async (t) => {
  const app = await start(t)
  await app.injectWS('/raw')
  t.equal(app.websocket.broadcast('all'), 1)
  for (const connection of app.websocket.connections) connection.close()
  t.equal(app.websocket.broadcast('none'), 0)
})
