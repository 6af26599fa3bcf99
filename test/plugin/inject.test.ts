import { once } from 'node:events'
import { createRequire } from 'node:module'
import type { FastifyInstance, FastifyPluginAsync } from 'fastify'
import t from 'tap'
import websocket from '../../lib/index.ts'
import { makeApp, until } from '../helpers/app.ts'

// Without its types, which would be in force for the whole program.
const peer = createRequire(import.meta.url)('@fastify/websocket') as FastifyPluginAsync

t.test('messages both ways, text and binary', async (t) => {
  const { app } = await makeApp(t)
  app.get('/echo', { websocket: true }, (connection) => { connection.on('message', (message) => { connection.send(message) }) })
  const client = await app.injectWS('/echo')
  t.equal(client.readyState, client.OPEN)
  for (const message of ['text', '', 'ünïcödé', Buffer.from([0, 255]), Buffer.alloc(200_000, 'x')]) {
    client.send(message)
    const [answer, isBinary] = await once(client, 'message')
    t.same(answer, message)
    t.equal(isBinary, typeof message !== 'string')
  }
  client.close(3000, 'done')
  t.same((await once(client, 'close')).slice(0, 2), [3000, 'done'])
})

t.test('works before ready, and on the default path', async (t) => {
  const { app } = await makeApp(t)
  let isReady = false
  app.addHook('onReady', async () => { isReady = true })
  app.get('/', { websocket: true }, (connection) => { connection.send(String(isReady)) })
  const client = await app.injectWS()
  t.equal((await once(client, 'message'))[0], 'true')
})

t.test('works before the plugin has loaded', async (t) => {
  const { app } = await makeApp(t, { plugin: false })
  app.register(websocket)
  app.get('/ws', { websocket: true }, (connection) => { connection.send('hi') })
  const early = app.injectWS
  const client = await app.injectWS('/ws', {}, { onInit: (connection) => { connection.once('message', (message) => { t.equal(message, 'hi') }) } })
  await once(client, 'message')
  t.not(app.injectWS, early, 'the plugin has brought its own')
})

t.test('works before the plugin has loaded, in a context', async (t) => {
  const { app } = await makeApp(t, { plugin: false })
  let context = app
  app.register(async (child) => {
    context = child
    child.register(websocket)
    child.get('/ws', { websocket: true }, (connection) => { connection.send('hi') })
  })
  let without = app
  app.register(async (child) => { without = child })
  await app.after()
  const client = await context.injectWS('/ws')
  t.same((await once(client, 'message'))[0], 'hi')
  for (const instance of [app, without]) {
    await t.rejects(instance.injectWS('/ws'), { code: 'FST_WS_UNREACHABLE_ROUTE', message: /^injectWS: .*not registered/ })
  }
})

t.test('without the plugin it says so, and leaves its name to others', async (t) => {
  const { app } = await makeApp(t, { plugin: false })
  await t.rejects(app.injectWS('/ws'), { code: 'FST_WS_UNREACHABLE_ROUTE' })

  const { app: theirs } = await makeApp(t, { plugin: false })
  theirs.register(peer)
  theirs.after(() => { theirs.get('/ws', { websocket: true }, (socket) => { socket.on('message', () => { socket.send('theirs') }) }) })
  const client = await theirs.injectWS('/ws')
  client.send('')
  t.equal(String((await once(client, 'message'))[0]), 'theirs')
  client.terminate()

  const { app: own } = await makeApp(t, { plugin: false })
  const injectWS = async (): Promise<never> => { throw new Error('mine') }
  own.decorate('injectWS', injectWS as FastifyInstance['injectWS'])
  t.equal(own.injectWS, injectWS)
})

t.test('no message is lost, however late the listener', async (t) => {
  const { app } = await makeApp(t)
  app.get('/ws', { websocket: true }, (connection) => { for (let n = 0; n < 100; n++) connection.send(String(n)) })
  const client = await app.injectWS('/ws')
  for (let n = 0; n < 50; n++) await new Promise((resolve) => setImmediate(resolve))
  const got: unknown[] = []
  client.on('message', (message) => { got.push(message) })
  await until(() => got.length === 100)
  t.same(got, Array.from({ length: 100 }, (_, n) => String(n)))
})

t.test('hooks: onInit, then onOpen, both in time for the first message', async (t) => {
  const { app } = await makeApp(t)
  app.get('/ws', { websocket: true }, (connection) => { connection.send('first') })
  const calls: unknown[] = []
  await app.injectWS('/ws', {}, {
    onInit (connection) {
      calls.push('init')
      connection.on('message', (message) => { calls.push(message) })
    },
    onOpen (connection) { calls.push('open', connection.readyState) }
  })
  await until(() => calls.length === 4)
  t.same(calls, ['init', 'open', 1, 'first'])
  await t.rejects(app.injectWS('/ws', {}, { onOpen () { throw new Error('mine') } }), { message: 'mine' })
})

t.test('what the request says', async (t) => {
  const { app } = await makeApp(t)
  app.get('/ws', { websocket: { protocols: ['b', 'a'] } }, (connection, { headers, query, ip, host, url }) => {
    connection.send(JSON.stringify({ headers, query, ip, host, url, protocol: connection.protocol, remoteAddress: connection.remoteAddress }))
  })
  const rows: ReadonlyArray<[options: Parameters<typeof app.injectWS>[1], want: object]> = [
    [{}, { ip: '127.0.0.1', remoteAddress: '127.0.0.1', host: 'localhost:80', url: '/ws', protocol: '' }],
    [{ headers: { 'X-Key': 'k', 'x-list': ['1', '2'], 'x-number': 5, 'x-none': undefined } }, { headers: { 'x-key': 'k', 'x-list': '1, 2', 'x-number': '5', 'x-none': undefined } }],
    [{ headers: { host: 'a.example', origin: 'http://a.example', cookie: 'a=1' } }, { host: 'a.example', headers: { origin: 'http://a.example', cookie: 'a=1' } }],
    [{ headers: { upgrade: 'h2c', connection: 'close', 'sec-websocket-key': 'x', 'sec-websocket-version': '8' } }, { headers: { upgrade: 'websocket', 'sec-websocket-version': '13' } }],
    [{ query: { a: '1', b: ['2', '3'], c: true, d: undefined } }, { url: '/ws?a=1&b=2&b=3&c=true', query: { a: '1', b: ['2', '3'], c: 'true' } }],
    [{ query: '?a=%20' }, { query: { a: ' ' } }],
    [{ protocols: ['a', 'b'] }, { protocol: 'b' }],
    [{ protocols: 'a' }, { protocol: 'a' }],
    [{ headers: { 'sec-websocket-protocol': 'x, a' } }, { protocol: 'a' }],
    [{ remoteAddress: '203.0.113.7' }, { ip: '203.0.113.7', remoteAddress: '203.0.113.7' }]
  ]
  for (const [options, want] of rows) {
    const client = await app.injectWS('/ws', options)
    const [message] = await once(client, 'message')
    const got: Record<string, unknown> = JSON.parse(message)
    t.match(got, want, JSON.stringify(options))
    t.equal(client.protocol, got.protocol)
    client.terminate()
  }
  const client = await app.injectWS('/ws?z=1', { query: { a: '1' } })
  t.match(JSON.parse((await once(client, 'message'))[0]), { url: '/ws?z=1&a=1' })
})

t.test('refusals', async (t) => {
  const { app } = await makeApp(t)
  app.get('/ws', { websocket: true, onRequest: (_request, reply) => { reply.code(401).header('x-why', 'token').send({ error: 'no token' }) } }, () => {})
  app.get('/empty', { websocket: true, onRequest: (_request, reply) => { reply.code(403).send() } }, () => {})
  app.get('/gone', { websocket: true, onRequest: async (request) => { request.raw.destroy() } }, () => {})
  const error = await app.injectWS('/ws').catch((error: unknown) => error)
  t.match(error, new Error('Unexpected server response: 401'))
  t.match(error, {
    code: 'FST_WS_REFUSED',
    statusCode: 401,
    response: { statusCode: 401, statusMessage: 'Unauthorized', headers: { 'x-why': 'token', connection: 'close' }, body: '{"error":"no token"}', payload: '{"error":"no token"}' }
  })
  t.same((error as { response: { json (): unknown } }).response.json(), { error: 'no token' })
  await t.rejects(app.injectWS('/empty'), { message: 'Unexpected server response: 403', response: { body: '' } })
  await t.rejects(app.injectWS('/nope'), { message: 'Unexpected server response: 404' })
  await t.rejects(app.injectWS('/gone'), { code: 'ECONNRESET' })
})

t.test('what could not be sent is refused at once', async (t) => {
  const { app } = await makeApp(t)
  app.get('/ws', { websocket: true }, () => {})
  for (const [path, options] of [
    ['/ü', {}],
    ['ws', {}],
    ['/ws', { headers: { 'x-a': 'a\r\nX-B: b' } }],
    ['/ws', { headers: { 'content-length': '5' } }],
    ['/ws', { protocols: ['a b'] }],
    ['/ws', { protocols: ['a', 'a'] }]
  ] as const) {
    await t.rejects(app.injectWS(path, options), { code: 'FST_WS_INVALID_ARGUMENT' }, JSON.stringify([path, options]))
  }
  await t.rejects(app.injectWS('/ws', { protocols: 'a' }).then((client) => { if (client.protocol === '') throw new Error('none') }), { message: 'none' })
})

t.test('ends in every way', async (t) => {
  const { app } = await makeApp(t)
  const ends: unknown[] = []
  app.get('/ws', { websocket: true }, (connection) => { connection.on('close', (code) => { ends.push(code) }) })
  app.get('/terminate', { websocket: true }, (connection) => { connection.terminate() })
  app.get('/close', { websocket: true }, (connection) => { connection.close(4001, 'bye') })
  const client = await app.injectWS('/ws')
  const closed = once(client, 'close')
  client.terminate()
  t.equal((await closed)[0], 1006)
  await until(() => ends.length === 1)
  t.same(ends, [1006])
  t.equal((await once(await app.injectWS('/terminate'), 'close'))[0], 1006)
  t.same((await once(await app.injectWS('/close'), 'close')).slice(0, 2), [4001, 'bye'])
})

t.test('a client that listens to nothing does not hold up close', async (t) => {
  const { app } = await makeApp(t)
  app.get('/ws', { websocket: true }, () => {})
  await app.injectWS('/ws')
  const start = performance.now()
  await app.close()
  t.ok(performance.now() - start < 2_000)
})

t.test('an end that came before anybody listened is heard of all the same', async (t) => {
  const { app } = await makeApp(t)
  app.get('/ws', { websocket: true }, (connection) => { connection.close(4000, 'early') })
  const client = await app.injectWS('/ws')
  await until(() => client.readyState === client.CLOSED)
  t.same((await once(client, 'close')).slice(0, 2), [4000, 'early'])
})

t.test('an error without a listener is thrown, as an EventEmitter does', async (t) => {
  const { app } = await makeApp(t)
  app.get('/ws', { websocket: true }, (connection) => { connection.send('hi') })
  const client = await app.injectWS('/ws')
  const thrown = new Promise((resolve) => { process.once('uncaughtException', resolve) })
  // tap's own listeners would fail the test.
  const others = process.listeners('uncaughtException').slice(0, -1)
  for (const listener of others) process.off('uncaughtException', listener)
  t.teardown(() => { for (const listener of others) process.on('uncaughtException', listener) })
  client.on('message', () => { throw new Error('assertion failed') })
  t.match(await thrown, { message: 'assertion failed' })

  const other = await app.injectWS('/ws')
  const heard = once(other, 'error')
  other.on('message', () => { throw new Error('heard') })
  await t.rejects(heard.then(([error]) => { throw error }), { message: 'heard' })
})
