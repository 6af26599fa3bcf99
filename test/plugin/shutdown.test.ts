import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'
import Fastify from 'fastify'
import t from 'tap'
import { WebSocket } from 'ws'
import websocket from '../../lib/index.ts'
import { makeApp, until } from '../helpers/app.ts'
import { GatedEngine } from '../helpers/gated-engine.ts'
import { RawClient, handshake, head } from '../helpers/raw-client.ts'

/** Close, unmasked, 1001 and the reason. */
const GOING_AWAY = '\x88\x17\x03\xe9the server is closing'

/** Opens a connection that never answers. */
async function openSocket (open: () => Promise<RawClient>, path = '/ws'): Promise<RawClient> {
  const client = await open()
  client.write(handshake(path))
  await client.untilAnswers(1)
  return client
}

/** Measures how long a closing takes. */
async function timeOf (closing: Promise<unknown>): Promise<number> {
  const start = performance.now()
  await closing
  return performance.now() - start
}

t.test('close tells every client 1001 and returns when they have gone', async (t) => {
  const { app, listen } = await makeApp(t)
  const ends: unknown[] = []
  app.get('/ws', { websocket: true }, (connection) => { connection.on('close', (...args) => { ends.push(args) }) })
  const port = await listen()
  const clients = Array.from({ length: 10 }, () => new WebSocket(`ws://127.0.0.1:${port}/ws`))
  await Promise.all(clients.map((client) => once(client, 'open')))
  const closes = clients.map((client) => once(client, 'close'))
  await app.close()
  for (const [code, reason] of await Promise.all(closes)) t.same([code, String(reason)], [1001, 'the server is closing'])
  t.equal(app.websocket.connections.size, 0)
  t.same(ends, clients.map(() => [1001, 'the server is closing', { wasClean: true, initiator: 'local' }]))
})

t.test('preClose hooks that were added before the plugin see connections, those behind it do not', async (t) => {
  const seen: unknown[] = []
  const app = Fastify()
  const look = (name: string) => async (): Promise<void> => { seen.push([name, app.websocket.connections.size]) }
  app.addHook('preClose', look('before'))
  await app.register(websocket, { allowedOrigins: '*' })
  app.addHook('preClose', look('behind'))
  await app.register(async (child) => { child.addHook('preClose', look('in a child')) })
  app.get('/', { websocket: true }, (connection) => { connection.on('close', (code) => { seen.push(code) }) })
  await app.injectWS('/')
  await app.close()
  t.strictSame(seen, [['before', 1], 1001, ['behind', 0], ['in a child', 0]])
})

t.test('a client that never answers is waited for until the deadline', async (t) => {
  const { app, listen, open } = await makeApp(t, { plugin: { shutdownTimeout: 200, closeTimeout: 60_000 } })
  const ends: unknown[] = []
  app.get('/ws', { websocket: true }, (connection) => { connection.on('close', (code) => { ends.push(code) }) })
  await listen()
  const client = await open()
  client.write(handshake('/ws'))
  await client.untilAnswers(1)
  const start = performance.now()
  const closed = app.close()
  await client.until(() => client.text.endsWith(GOING_AWAY))
  await closed
  const took = performance.now() - start
  t.ok(took >= 170 && took < 2_000, `${took} ms`)
  t.same(ends, [1006])
})

t.test('a timeout of 0: told and destroyed at once', async (t) => {
  const { app, listen, open } = await makeApp(t, { plugin: { shutdownTimeout: 0 } })
  const ends: unknown[] = []
  app.get('/ws', { websocket: true }, (connection) => { connection.on('close', (code) => { ends.push(code) }) })
  await listen()
  const client = await openSocket(open)
  await app.close()
  await client.untilEnd()
  t.ok(client.text.endsWith(GOING_AWAY))
  t.same(ends, [1006])
})

t.test('connections that had to be destroyed have closed for the application before onClose hooks', async (t) => {
  const { app, listen, open } = await makeApp(t, { plugin: { shutdownTimeout: 1_000, closeTimeout: 60_000 } })
  const order: string[] = []
  app.addHook('onClose', async () => { order.push('onClose') })
  app.get('/ws', { websocket: true }, (connection) => {
    connection.on('message', async () => {
      await once(connection.signal, 'abort')
      for (let n = 0; n < 10; n++) await new Promise((resolve) => setImmediate(resolve))
      order.push('settled')
    })
    connection.on('close', () => { order.push('close') })
  })
  await listen()
  const [quiet, busy] = [await open(), await open()]
  quiet.write(handshake('/ws'))
  await quiet.untilAnswers(1)
  busy.write(handshake('/ws'))
  await busy.untilAnswers(1)
  // A text frame with nothing in it, masked.
  busy.write(Buffer.from([0x81, 0x80, 0, 0, 0, 0]))
  ;(await app.injectWS('/ws')).pause()
  await app.close()
  t.equal(order.pop(), 'onClose')
  t.equal(order.filter((name) => name === 'close').length, 3)
})

t.test('a deadline beyond the time that Fastify gives a hook', async (t) => {
  const { app, listen, open } = await makeApp(t, { plugin: { shutdownTimeout: 400, closeTimeout: 60_000 }, server: { pluginTimeout: 150 } })
  const order: string[] = []
  app.addHook('preClose', async () => { order.push('preClose') })
  app.get('/ws', { websocket: true }, (connection) => { connection.on('close', () => { order.push('gone') }) })
  await listen()
  const client = await open()
  client.write(handshake('/ws'))
  await client.untilAnswers(1)
  const quiet = await app.injectWS('/ws')
  quiet.pause()
  await app.close()
  await until(() => order.length === 3)
  t.same(order, ['preClose', 'gone', 'gone'], 'the hook behind ours has run, and before the deadline')
})

t.test('such a deadline without any connection over TCP', async (t) => {
  const { app } = await makeApp(t, { plugin: { shutdownTimeout: 300, closeTimeout: 60_000 }, server: { pluginTimeout: 100 } })
  app.get('/ws', { websocket: true }, () => {})
  const quiet = await app.injectWS('/ws')
  quiet.pause()
  const [connection] = app.websocket.connections
  await app.close()
  t.equal(connection?.readyState, 3, 'no server knows of it')
})

t.test('clients of injectWS are waited for as well', async (t) => {
  const { app } = await makeApp(t)
  app.get('/ws', { websocket: true }, () => {})
  const client = await app.injectWS('/ws')
  const closed = once(client, 'close')
  await app.close()
  t.equal(app.websocket.connections.size, 0)
  t.same((await closed)[0], 1001)
})

for (const return503OnClosing of [true, false]) {
  t.test(`a handshake while closing gets 503, return503OnClosing: ${return503OnClosing}`, async (t) => {
    const { app, listen, open } = await makeApp(t, { server: { return503OnClosing } })
    let goOn = (): void => {}
    const mayGoOn = new Promise<void>((resolve) => { goOn = resolve })
    let isHooked = false
    app.addHook('onRequest', async (request) => {
      if (request.url !== '/slow') return
      isHooked = true
      await mayGoOn
    })
    app.get('/ws', { websocket: true }, (connection) => { connection.on('close', goOn) })
    app.get('/slow', { websocket: true }, () => { t.fail('accepted while closing') })
    await listen()
    const [first, late, slow] = [await open(), await open(), await open()]
    first.write(handshake('/ws'))
    await first.untilAnswers(1)
    slow.write(handshake('/slow'))
    await until(() => isHooked)
    const closed = app.close()
    await first.until(() => first.text.endsWith(GOING_AWAY))
    late.write(handshake('/ws'))
    t.match((await late.untilAnswers(1))[0], { statusCode: 503, headers: { connection: 'close' }, body: /FST_WS_CLOSING/ })
    // The masked answer to Close.
    first.write(Buffer.from([0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe9])).end()
    t.match((await slow.untilAnswers(1))[0], { statusCode: 503, body: /FST_WS_CLOSING/ })
    for (const client of [late, slow]) client.end()
    await closed
  })
}

t.test('a handshake whose hook never ends does not hold close up', async (t) => {
  const { app, listen, open } = await makeApp(t, { plugin: { shutdownTimeout: 100 } })
  let isHooked = false
  app.get('/ws', { websocket: true, onRequest: () => { isHooked = true; return new Promise(() => {}) } }, () => {})
  await listen()
  const client = await open()
  client.write(handshake('/ws'))
  await until(() => isHooked)
  await app.close()
  await client.untilEnd()
  t.equal(client.text, '')
})

t.test('with several registrations handshakes have the longest deadline', async (t) => {
  const { app, listen, open } = await makeApp(t, { plugin: { shutdownTimeout: 1_000 } })
  app.register(async (child) => { await child.register(websocket, { shutdownTimeout: 50 }) })
  let goOn: (() => void) | undefined
  app.get('/ws', { websocket: true, onRequest: () => new Promise<void>((resolve) => { goOn = resolve }) }, () => {})
  await listen()
  const client = await open()
  client.write(handshake('/ws'))
  await until(() => goOn !== undefined)
  const closed = app.close()
  await new Promise((resolve) => setTimeout(resolve, 150))
  goOn?.()
  t.equal((await client.untilAnswers(1))[0]?.statusCode, 503)
  client.end()
  await closed
})

t.test('a 101 on its way while closing', async (t) => {
  const { app, listen, open } = await makeApp(t)
  let goOn = (): void => {}
  let isSending = false
  app.addHook('onSend', async () => {
    isSending = true
    await new Promise<void>((resolve) => { goOn = resolve })
  })
  app.get('/ws', { websocket: true }, () => {})
  await listen()
  const client = await open()
  client.write(handshake('/ws'))
  await until(() => isSending)
  const closed = app.close()
  await new Promise((resolve) => setImmediate(resolve))
  goOn()
  const [answer] = await client.untilAnswers(1)
  t.equal(answer?.statusCode, 101)
  await client.until(() => client.text.endsWith(GOING_AWAY))
  client.end()
  await closed
})

t.test('a preClose of the application, in each form', async (t) => {
  const forms: Record<string, (calls: unknown[]) => object> = {
    callback: (calls) => ({
      preClose (this: FastifyInstance, done: () => void) {
        calls.push(this.websocket.connections.size)
        for (const client of this.websocketServer.clients) client.close(4000, 'mine')
        done()
      }
    }),
    async: (calls) => ({
      async preClose (this: FastifyInstance) {
        calls.push(this.websocket.connections.size)
        this.websocket.connections.forEach((client) => client.close(4000, 'mine'))
      }
    })
  }
  for (const [name, form] of Object.entries(forms)) {
    const calls: unknown[] = []
    const { app } = await makeApp(t, { plugin: form(calls) })
    app.get('/ws', { websocket: true }, () => {})
    const closed = once(await app.injectWS('/ws'), 'close')
    await app.close()
    t.same(calls, [1], name)
    t.same((await closed).slice(0, 2), [4000, 'mine'], name)
  }
})

t.test('a preClose that leaves connections open has them destroyed at the deadline', async (t) => {
  const { app } = await makeApp(t, { plugin: { preClose: async () => {}, shutdownTimeout: 100 } })
  app.get('/ws', { websocket: true }, () => {})
  const closed = once(await app.injectWS('/ws'), 'close')
  await app.close()
  t.equal((await closed)[0], 1006)
})

t.test('a preClose that fails leaves no connection behind', async (t) => {
  const { app } = await makeApp(t, { plugin: { preClose: async () => { throw new Error('mine') }, shutdownTimeout: 100 } })
  app.get('/ws', { websocket: true }, () => {})
  const closed = once(await app.injectWS('/ws'), 'close')
  await t.rejects(async () => await app.close(), { message: 'mine' })
  t.equal((await closed)[0], 1006)
})

t.test('each registration closes its own', async (t) => {
  const { app } = await makeApp(t, { plugin: false })
  app.register(async (child) => {
    await child.register(websocket, { preClose: async () => { for (const client of child.websocket.connections) if (client.protocol === 'b') client.close(4000) } })
    child.get('/b', { websocket: { protocols: ['b'] } }, () => {})
  })
  await app.register(websocket)
  app.get('/a', { websocket: true }, () => {})
  const [a, b] = [await app.injectWS('/a'), await app.injectWS('/b', { protocols: 'b' })]
  const ends = [once(a, 'close'), once(b, 'close')]
  await app.close()
  t.same((await Promise.all(ends)).map(([code]) => code), [1001, 4000])
})

t.test('several registrations end together, each in its own time', async (t) => {
  const { app, listen, open } = await makeApp(t, { plugin: { shutdownTimeout: 300, closeTimeout: 60_000 } })
  const ends: string[] = []
  const route = (instance: FastifyInstance, path: string): void => {
    instance.get(path, { websocket: true }, (connection) => { connection.on('close', () => { ends.push(path) }) })
  }
  route(app, '/root')
  app.register(async (sibling) => {
    await sibling.register(websocket, { shutdownTimeout: 400, closeTimeout: 60_000 })
    route(sibling, '/sibling')
    sibling.register(async (nested) => {
      await nested.register(websocket, { shutdownTimeout: 200, closeTimeout: 60_000, preClose: async () => {} })
      route(nested, '/nested')
    })
  })
  const other = createServer()
  t.teardown(() => other.close())
  app.register(async (elsewhere) => {
    await elsewhere.register(websocket, { shutdownTimeout: 500, closeTimeout: 60_000, options: { server: other } })
    route(elsewhere, '/elsewhere')
  })
  await listen()
  other.listen(0, '127.0.0.1')
  await once(other, 'listening')
  for (const path of ['/root', '/sibling', '/nested']) await openSocket(open, path)
  // The address of a TCP server is not a string, here and below.
  const far = await RawClient.connect((other.address() as AddressInfo).port)
  await openSocket(async () => far, '/elsewhere')
  const took = await timeOf(app.close())
  t.same(ends, ['/nested', '/root', '/sibling', '/elsewhere'])
  t.ok(took >= 440 && took < 1_300, `${took} ms: the longest, not the sum of 1,400`)
})

t.test('several registrations: topics end behind the last connection of all', async (t) => {
  const engine = new GatedEngine()
  // Hooks of Fastify's do not wait for the root's: its connections are still there when the nested one's have ended.
  const { app } = await makeApp(t, { server: { pluginTimeout: 50 }, plugin: { shutdownTimeout: 300, closeTimeout: 60_000, topicEngine: engine } })
  const ends: string[] = []
  const route = (instance: FastifyInstance, path: string): void => {
    instance.get(path, { websocket: true }, async (connection) => {
      connection.on('close', () => { ends.push(path) })
      await connection.subscribe('news', { data: path })
    })
  }
  route(app, '/root')
  app.register(async (nested) => {
    await nested.register(websocket, { shutdownTimeout: 20, closeTimeout: 60_000 })
    route(nested, '/nested')
  })
  for (const path of ['/root', '/nested']) (await app.injectWS(path)).pause()
  await until(() => engine.calls.filter((call) => call.startsWith('join')).length === 2)
  await app.close()
  t.same(ends, ['/nested', '/root'])
  t.same(engine.calls.slice(-4), ['leave news', 'leave news', 'unsubscribe news', 'close'])
  t.equal(app.server.listenerCount('upgrade'), 0)
})

for (const [shutdownTimeout, least] of [[1_500, 1_400], [0, 900]] as const) {
  t.test(`an engine of topics that never ends is not waited for beyond ${shutdownTimeout} ms, or a second`, async (t) => {
    const engine = new GatedEngine()
    engine.hold('close')
    const { app, logs } = await makeApp(t, { plugin: { shutdownTimeout, topicEngine: engine } })
    app.get('/', { websocket: true }, async (connection) => { await connection.subscribe('news', { data: 1 }) })
    await app.injectWS('/')
    await until(() => engine.calls.includes('join news 1'))
    const took = await timeOf(app.close())
    t.ok(took >= least && took < least + 700, `${took} ms`)
    t.ok(engine.calls.includes('close'))
    t.match(logs.filter(({ level }) => level >= 50), [{ msg: 'carrying topics failed', err: { message: /did not close within/ } }])
  })
}

t.test('the deadline of a registration with a preClose of its own runs from the common start', async (t) => {
  const { app, listen, open } = await makeApp(t, { plugin: { shutdownTimeout: 1_000, closeTimeout: 60_000 } })
  const order: string[] = []
  app.get('/ws', { websocket: true }, () => {})
  app.register(async (child) => {
    await child.register(websocket, { shutdownTimeout: 100, closeTimeout: 60_000, preClose: async () => { order.push('preClose') } })
    child.get('/child', { websocket: true }, (connection) => { connection.on('close', () => { order.push('gone') }) })
  })
  await listen()
  await openSocket(open)
  await openSocket(open, '/child')
  await app.close()
  t.same(order, ['gone', 'preClose'], 'its turn comes when the one before it is done')
})

t.test('a connection that opens behind its registration\'s last one is destroyed in time', async (t) => {
  const { app, listen, open } = await makeApp(t, { plugin: { shutdownTimeout: 400, closeTimeout: 60_000 } })
  let goOn = (): void => {}
  let isSending = false
  app.addHook('onSend', async () => {
    isSending = true
    await new Promise<void>((resolve) => { goOn = resolve })
  })
  app.get('/ws', { websocket: true }, () => {})
  await listen()
  const client = await open()
  client.write(handshake('/ws'))
  await until(() => isSending)
  const closed = timeOf(app.close())
  await until(() => !app.server.listening)
  goOn()
  await client.until(() => client.text.endsWith(GOING_AWAY))
  t.ok(await closed < 2_000)
  t.equal(await client.untilEnd(), 'fin')
})

t.test('clients that have asked for nothing, or half of it, do not hold close up', async (t) => {
  for (const tls of [false, true]) {
    const { app, listen, open } = await makeApp(t, { tls, plugin: { shutdownTimeout: 300 } })
    app.get('/ws', { websocket: true }, () => {})
    app.get('/rest', async () => 'rest')
    await listen()
    const [silent, half, refused, kept] = [await open(), await open(), await open(), await open()]
    half.write('GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgr')
    refused.write(handshake('/nowhere'))
    await refused.untilAnswers(1)
    kept.write(head('GET /rest HTTP/1.1', ['Host: localhost']))
    await kept.untilAnswers(1)
    kept.write('GET /ws')
    // Over TLS: not even that.
    await RawClient.connect((app.server.address() as AddressInfo).port).then(client => t.teardown(() => client.destroy()))
    const took = await timeOf(app.close())
    t.ok(took >= 250 && took < 2_000, `${took} ms`)
    for (const client of [silent, half, refused, kept]) await client.untilEnd()
  }
})

t.test('an HTTP request under way is not cut off', async (t) => {
  const { app, listen, open } = await makeApp(t, { plugin: { shutdownTimeout: 50 } })
  let answer: ((text: string) => void) | undefined
  app.get('/ws', { websocket: true }, () => {})
  app.get('/slow', () => new Promise<string>((resolve) => { answer = resolve }))
  await listen()
  const [socket, client] = [await openSocket(open), await open()]
  client.write(head('GET /slow HTTP/1.1', ['Host: localhost']))
  await until(() => answer !== undefined)
  const closed = app.close()
  await socket.untilEnd()
  await new Promise((resolve) => setTimeout(resolve, 100))
  answer?.('late')
  t.equal((await client.untilAnswers(1))[0]?.body, 'late')
  await closed
})

t.test('a preClose hook of the application that fails before ours', async (t) => {
  const { app, listen, open } = await makeApp(t, { plugin: false })
  app.addHook('preClose', async () => { throw new Error('theirs') })
  await app.register(websocket, { shutdownTimeout: 100, closeTimeout: 60_000 })
  app.get('/ws', { websocket: true }, () => {})
  await listen()
  const client = await openSocket(open)
  await t.rejects(app.close(), { message: 'theirs' })
  t.ok(client.text.endsWith(GOING_AWAY))
})

t.test('a preClose hook that fails, without a server', async (t) => {
  const { app } = await makeApp(t, { plugin: false })
  app.addHook('preClose', async () => { throw new Error('theirs') })
  await app.register(websocket)
  app.get('/ws', { websocket: true }, () => {})
  const closed = once(await app.injectWS('/ws'), 'close')
  await t.rejects(app.close(), { message: 'theirs' })
  t.equal((await closed)[0], 1001)
})

t.test('staggered goodbyes', async (t) => {
  const { app, listen, open } = await makeApp(t, { plugin: { shutdownTimeout: 2_000, shutdownStagger: 300 } })
  app.get('/ws', { websocket: true }, () => {})
  await listen()
  const start = performance.now()
  const told: number[] = []
  const clients: RawClient[] = []
  for (let n = 0; n < 4; n++) clients.push(await openSocket(open))
  const goodbyes = clients.map(async (client) => {
    await client.until(() => client.text.endsWith(GOING_AWAY))
    told.push(performance.now())
    client.end()
  })
  await Promise.all([app.close(), ...goodbyes])
  t.ok(told.length === 4 && told[3]! - told[0]! > 250, `${told.map(at => at - start)}`)
})

t.test('fastify.websocket.close: no new connection, HTTP goes on', async (t) => {
  const { app, listen, open } = await makeApp(t)
  app.get('/ws', { websocket: true }, () => {})
  app.get('/rest', async () => 'rest')
  await listen()
  const client = await app.injectWS('/ws')
  const closed = once(client, 'close')
  await app.websocket.close()
  t.equal((await closed)[0], 1001)
  const raw = await open()
  raw.write(handshake('/ws'))
  t.equal((await raw.untilAnswers(1))[0]?.statusCode, 503)
  const rest = await open()
  rest.write(head('GET /rest HTTP/1.1', ['Host: localhost']))
  t.equal((await rest.untilAnswers(1))[0]?.body, 'rest')
  await new Promise<void>((resolve, reject) => { app.websocketServer.close((error) => error === undefined ? resolve() : reject(error)) })
})

t.test('close before ready, without a connection, and twice', async (t) => {
  const { app } = await makeApp(t)
  app.get('/ws', { websocket: true }, () => {})
  await app.close()
  await app.close()
  await t.rejects(app.injectWS('/ws'))
})
