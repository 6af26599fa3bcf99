import { once } from 'node:events'
import t from 'tap'
import websocket from '../../lib/index.ts'
import { findRegistration } from '../../lib/plugin/registration.ts'
import { makeApp, until } from '../helpers/app.ts'
import { handshake, head } from '../helpers/raw-client.ts'

/** Fields of the error that `injectWS` rejects with; tap's types want a whole error. */
const error = (fields: object): Error => fields as Error

const FOREIGN = { origin: 'https://elsewhere.example' }

t.test('before the hooks of the application, and for handshakes only', async (t) => {
  const { app } = await makeApp(t, { plugin: { maxConnections: 1 } })
  const calls: string[] = []
  app.addHook('onRequest', async (request) => { calls.push(`${request.ws} ${request.url}`) })
  app.get('/both', { handler: async () => 'http', wsHandler: () => {} })
  await t.rejects(app.injectWS('/both', { headers: FOREIGN }), error({ statusCode: 403, response: { headers: { connection: 'close' } } }))
  t.same(calls, [])
  const client = await app.injectWS('/both')
  await t.rejects(app.injectWS('/both', { headers: FOREIGN }), error({ statusCode: 503 }), 'caps come first')
  t.same(calls, ['true /both'])
  t.equal((await app.inject({ url: '/both', headers: FOREIGN })).body, 'http')
  client.terminate()
})

t.test('a refusal goes through Fastify: error handler, onSend hooks, log; Retry-After stays', async (t) => {
  const { app, logs } = await makeApp(t, { plugin: { maxConnections: 1 } })
  app.setErrorHandler((reason: Error & { code: string }, _request, reply) => { reply.code(429).send({ mine: reason.code }) })
  app.addHook('onSend', async (_request, reply) => { reply.header('x-on-send', '1') })
  app.get('/ws', { websocket: true }, () => {})
  await app.injectWS('/ws')
  await t.rejects(app.injectWS('/ws'), error({
    statusCode: 429,
    response: { headers: { 'retry-after': '10', connection: 'close', 'x-on-send': '1' }, body: '{"mine":"FST_WS_TOO_MANY_CONNECTIONS"}' }
  }))
  await until(() => logs.some(({ msg, res }) => msg === 'request completed' && (res as { statusCode: number }).statusCode === 429))
})

t.test('a context that was made before the plugin had loaded', async (t) => {
  const { app } = await makeApp(t, { plugin: false })
  app.register(async (child) => { child.get('/ws', { websocket: { allowedOrigins: async (origin) => origin === 'https://a.example' } }, () => {}) })
  app.register(websocket, { maxConnections: 1 })
  await app.ready()
  await t.rejects(app.injectWS('/ws', { headers: FOREIGN }), error({ statusCode: 403 }))
  await app.injectWS('/ws', { headers: { origin: 'https://a.example' } })
  await t.rejects(app.injectWS('/ws'), error({ statusCode: 503 }))
})

t.test('a context that has the hook twice counts once', async (t) => {
  const { app } = await makeApp(t, { plugin: false })
  app.register(async (child) => {
    await child.register(websocket)
    child.get('/ws', { websocket: { maxConnections: 2 } }, () => {})
  })
  app.register(websocket)
  await app.ready()
  await app.injectWS('/ws')
  await app.injectWS('/ws')
  await t.rejects(app.injectWS('/ws'), error({ statusCode: 503 }))
})

t.test('what an origin function does', async (t) => {
  const { app, logs } = await makeApp(t)
  const rows: ReadonlyArray<[name: string, allowedOrigins: () => boolean | Promise<boolean>, statusCode: number]> = [
    ['yes', () => true, 101],
    ['later yes', async () => true, 101],
    ['no', () => false, 403],
    ['later-no', async () => false, 403],
    ['throws', () => { throw new Error('mine') }, 500],
    ['rejects', async () => { throw Object.assign(new Error('mine'), { statusCode: 418 }) }, 418],
    ['throws-nothing', () => { throw undefined }, 500],
    ['rejects-nothing', () => Promise.reject(undefined), 500]
  ]
  for (const [name, allowedOrigins] of rows) app.get(`/${name.replace(' ', '')}`, { websocket: { allowedOrigins } }, () => {})
  for (const [name, , statusCode] of rows) {
    const opened = app.injectWS(`/${name.replace(' ', '')}`, { headers: FOREIGN })
    if (statusCode === 101) await opened
    else await t.rejects(opened, error({ statusCode }), name)
  }
  await until(() => app.websocket.metrics().refused['500'] === 3)
  t.match(app.websocket.metrics().refused, { FST_WS_FOREIGN_ORIGIN: 2, 418: 1 })
  t.notOk(logs.some(({ msg }) => /uncaught/i.test(msg)))
})

t.test('a client that leaves while its origin is asked for holds no place', async (t) => {
  const { app, listen, open } = await makeApp(t, { plugin: { maxConnections: 1 } })
  let answer = (_allowed: boolean): void => {}
  app.get('/ws', { websocket: { allowedOrigins: () => new Promise<boolean>((resolve) => { answer = resolve }) } }, () => { t.fail('reached') })
  await listen()
  const client = await open()
  client.write(handshake('/ws', ['Origin: https://a.example']))
  const quota = findRegistration(app)?.quota
  await until(() => quota?.counts.connections === 1)
  client.reset()
  await until(() => quota?.counts.connections === 0)
  answer(true)
  await new Promise((resolve) => setImmediate(resolve))
  t.same(quota?.counts, { connections: 0, pending: 0, addresses: 0 })
})

t.test('the place of a connection is free when its socket is gone, though handlers are busy', async (t) => {
  const { app, listen, open } = await makeApp(t, { plugin: { maxConnections: 1 } })
  let closes = 0
  let finish = (): void => {}
  app.get('/ws', { websocket: true }, (connection) => {
    connection.on('message', () => new Promise<void>((resolve) => { finish = resolve }))
    connection.on('close', () => { closes++ })
  })
  await listen()
  const client = await open()
  client.write(handshake('/ws'))
  await client.untilAnswers(1)
  const connected = [...app.websocket.connections][0]
  // Two messages of one masked byte each: the second waits for the first.
  client.write(Buffer.from([0x81, 0x81, 0, 0, 0, 0, 0x61, 0x81, 0x81, 0, 0, 0, 0, 0x62]))
  await new Promise((resolve) => setTimeout(resolve, 50))
  client.reset()
  const quota = findRegistration(app)?.quota
  await until(() => quota?.counts.connections === 0)
  t.equal(closes, 0)
  t.equal(app.websocket.connections.has(connected), true)
  const again = await open()
  again.write(handshake('/ws'))
  t.equal((await again.untilAnswers(1))[0]?.statusCode, 101)
  const timer = setInterval(() => finish(), 5)
  await until(() => closes === 1)
  clearInterval(timer)
})

t.test('an HTTP request counts for nothing', async (t) => {
  const { app, listen, open } = await makeApp(t, { plugin: { maxConnections: 1, maxConnectionsPerIp: 1 } })
  app.get('/both', { handler: async () => 'http', wsHandler: () => {} })
  await listen()
  const client = await open()
  client.write(head('GET /both HTTP/1.1', ['Host: localhost']).repeat(3))
  t.same((await client.untilAnswers(3)).map(({ statusCode }) => statusCode), [200, 200, 200])
  t.equal(findRegistration(app)?.quota?.counts.connections, 0)
  const opened = await app.injectWS('/both')
  opened.close()
  await once(opened, 'close')
})
