import Fastify from 'fastify'
import t from 'tap'
import websocket, { websocket as named } from '../../lib/index.ts'
import { makeApp, until } from '../helpers/app.ts'

t.test('default and named export are the plugin, and it says who it is', async (t) => {
  t.equal(websocket, named)
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(websocket)
  t.ok(app.hasPlugin('fastify-typed-websocket'))
  t.equal(Reflect.get(websocket, Symbol.for('skip-override')), true)
})

t.test('as a module that was imported', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(import('../../lib/index.ts'))
  t.ok(app.hasDecorator('websocket'))
})

t.test('decorators', async (t) => {
  const { app } = await makeApp(t)
  let child: typeof app | undefined
  app.register(async (context) => { child = context })
  app.get('/ws', { websocket: true }, () => {})
  await app.ready()
  t.equal(child?.websocket, app.websocket)
  t.equal(app.hasRequestDecorator('ws'), true)
  t.equal(app.websocketServer.clients, app.websocket.connections)
  const client = await app.injectWS('/ws')
  t.equal(app.websocketServer.clients.size, 1)
  client.terminate()
  await until(() => app.websocket.connections.size === 0)
})

t.test('an HTTP request that was injected is no handshake', async (t) => {
  const { app } = await makeApp(t)
  app.get('/rest', async (request) => ({ ws: request.ws }))
  app.get('/ws', { websocket: true }, () => {})
  const headers = { connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13', 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==' }
  t.same((await app.inject({ url: '/rest', headers })).json(), { ws: false })
  t.equal((await app.inject({ url: '/ws', headers })).statusCode, 426)
})
