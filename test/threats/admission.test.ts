// T39: floods of handshakes, and many connections from one address, over real sockets. Each cap holds, says when to come again, and
// its counts return to zero whatever ends a connection.
import '../helpers/guard.ts'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import type { Test } from 'tap'
import websocket from '../../lib/index.ts'
import type { WebSocketPluginOptions, WebSocketRouteOptions } from '../../lib/index.ts'
import { findRegistration } from '../../lib/plugin/registration.ts'
import { makeApp, until } from '../helpers/app.ts'
import type { TestApp } from '../helpers/app.ts'
import { escaped, settleEscapes } from '../helpers/guard.ts'
import { RawClient, handshake } from '../helpers/raw-client.ts'
import type { RawAnswer } from '../helpers/raw-client.ts'

const NOTHING = { connections: 0, pending: 0, addresses: 0 }

interface Shaken {
  readonly client: RawClient
  readonly answer: RawAnswer
}

async function shake ({ open }: TestApp, path = '/ws', fields: readonly string[] = []): Promise<Shaken> {
  const client = await open()
  const [answer] = await client.write(handshake(path, fields)).untilAnswers(1)
  if (answer === undefined) throw new Error('no answer') // untilAnswers has waited for it
  return { client, answer }
}

/** What a refusal says: status, code, Retry-After, Connection. */
function terms ({ answer: { statusCode, headers, body } }: Shaken): unknown[] {
  return [statusCode, (JSON.parse(body) as { code: string }).code, headers['retry-after'], headers['connection']]
}

interface CapRow {
  readonly name: 'maxConnections' | 'maxConnectionsPerIp' | 'maxPendingHandshakes'
  readonly refusal: readonly unknown[]
}

const CAP_ROWS: readonly CapRow[] = [
  { name: 'maxConnections', refusal: [503, 'FST_WS_TOO_MANY_CONNECTIONS', '10', 'close'] },
  { name: 'maxConnectionsPerIp', refusal: [503, 'FST_WS_TOO_MANY_CONNECTIONS_PER_IP', '10', 'close'] },
  { name: 'maxPendingHandshakes', refusal: [503, 'FST_WS_TOO_MANY_HANDSHAKES', '1', 'close'] }
]

for (const { name, refusal } of CAP_ROWS) {
  for (const isRoutes of [false, true]) {
    t.test(`T39 over ${name} of the ${isRoutes ? 'route' : 'plugin'}`, async (t) => {
      const heard: unknown[] = []
      const listener = (message: unknown): void => { heard.push((message as { limit: string }).limit) }
      subscribe('fastify-typed-websocket:limit', listener)
      t.teardown(() => unsubscribe('fastify-typed-websocket:limit', listener))
      const made = await makeApp(t, { plugin: isRoutes ? {} : { [name]: 3 } })
      const { app, logs, listen, open } = made
      const isPending = name === 'maxPendingHandshakes'
      const goOn: Array<() => void> = []
      const onRequest = async (): Promise<void> => { if (isPending) await new Promise<void>((resolve) => { goOn.push(resolve) }) }
      const options = isRoutes ? { [name]: 3 } : true
      app.get('/ws', { websocket: options, onRequest }, () => {})
      app.get('/other', { websocket: options, onRequest }, () => {})
      await listen()

      const clients = [await open(), await open(), await open()]
      for (const [n, client] of clients.entries()) {
        client.write(handshake('/ws'))
        if (isPending) await until(() => goOn.length === n + 1)
        else t.equal((await client.untilAnswers(1))[0]?.statusCode, 101)
      }
      t.same(terms(await shake(made)), refusal)
      t.same(terms(await shake(made)), refusal, 'a refused one holds no place, and takes none away')
      if (!isRoutes) t.same(terms(await shake(made, '/other')), refusal, 'all routes of the plugin together')

      const next = await open()
      if (isRoutes) {
        next.write(handshake('/other'))
        if (isPending) await until(() => goOn.length === 4)
        else t.equal((await next.untilAnswers(1))[0]?.statusCode, 101, 'another route has its own')
      }
      const freed = app.websocket.connections.size
      if (isPending) goOn[0]?.()
      else clients[0]?.reset()
      await until(() => isPending ? app.websocket.connections.size > freed : app.websocket.connections.size < freed)
      const again = await open()
      again.write(handshake('/ws'))
      if (isPending) await until(() => goOn.length === (isRoutes ? 5 : 4))
      else t.equal((await again.untilAnswers(1))[0]?.statusCode, 101, 'there is room again')
      t.same(terms(await shake(made)), refusal)

      const code = String(refusal[1])
      await until(() => app.websocket.metrics().refused[code] === heard.length)
      t.same(new Set(heard), new Set([name]))
      // Before a route is known the cheapest way out says nothing: metrics and the channel do.
      t.equal(logs.some(({ err }) => (err as { code?: string } | undefined)?.code === code), isRoutes || !isPending, 'what the log tells')
      t.same(logs.filter(({ level }) => level > 30), [], 'but of no error: it is the peers\' doing')
      for (const client of [...clients, next, again]) client.destroy()
      for (const go of goOn) go()
      await until(() => app.websocket.connections.size === 0 && app.websocket.metrics().pending === 0)
    })
  }
}

t.test('T39 the caps of plugin and route hold together', async (t) => {
  const made = await makeApp(t, { plugin: { maxConnections: 2 } })
  made.app.get('/one', { websocket: { maxConnections: 1 } }, () => {})
  made.app.get('/many', { websocket: { maxConnections: 5 } }, () => {})
  await made.listen()
  const statuses: number[] = []
  for (const path of ['/one', '/one', '/many', '/many']) statuses.push((await shake(made, path)).answer.statusCode)
  t.same(statuses, [101, 503, 101, 503])
  t.same(findRegistration(made.app)?.quota?.counts.connections, 2, 'what the route has refused holds no place of the plugin')
})

t.test('T39 two registrations count apart; of maxPendingHandshakes the larger holds for the server', async (t) => {
  const made = await makeApp(t, { plugin: false })
  const { app } = made
  const stuck = { onRequest: () => {} }
  const register = async (prefix: string, options: WebSocketPluginOptions): Promise<void> => {
    await app.register(async (child) => {
      await child.register(websocket, options)
      child.get('/ws', { websocket: true }, () => {})
      child.get('/stuck', { websocket: true, ...stuck }, () => {})
    }, { prefix })
  }
  await register('/a', { maxConnections: 1, maxPendingHandshakes: 1 })
  await register('/b', { maxConnections: 2, maxPendingHandshakes: 3 })
  await made.listen()
  const statuses: number[] = []
  for (const path of ['/a/ws', '/a/ws', '/b/ws', '/b/ws', '/b/ws']) statuses.push((await shake(made, path)).answer.statusCode)
  t.same(statuses, [101, 503, 101, 101, 503])

  const third = await makeApp(t, { plugin: false })
  for (const [prefix, maxPendingHandshakes] of [['/b', 3], ['/a', 1]] as const) {
    await third.app.register(async (child) => {
      await child.register(websocket, { maxPendingHandshakes })
      child.get('/stuck', { websocket: true, ...stuck }, () => {})
    }, { prefix })
  }
  await third.listen()
  for (let n = 0; n < 3; n++) {
    const client = await third.open()
    client.write(handshake('/a/stuck'))
    await until(() => pendingOf(third) === n + 1)
  }
  t.equal((await shake(third, '/a/stuck')).answer.statusCode, 503)
})

/** Handshakes under way, of a server whose plugin is registered in children only. */
function pendingOf ({ logs }: TestApp): number {
  return logs.filter(({ msg }) => msg === 'incoming request').length
}

t.test('T39 a slow hook cannot overbook', async (t) => {
  const made = await makeApp(t, { plugin: { maxConnections: 5 } })
  made.app.get('/ws', { websocket: true, onRequest: async () => { await sleep(50) }, preHandler: async () => { await sleep(20) } }, () => {})
  await made.listen()
  const shaken = await Promise.all(Array.from({ length: 40 }, () => shake(made)))
  t.equal(shaken.filter(({ answer }) => answer.statusCode === 101).length, 5)
  t.equal(shaken.filter(({ answer }) => answer.statusCode === 503).length, 35)
})

t.test('T39 per address, behind a proxy that is trusted', async (t) => {
  const rows: ReadonlyArray<[name: string, forwarded: readonly string[], statuses: readonly number[]]> = [
    ['IPv4', ['192.0.2.1', '192.0.2.1', '192.0.2.2', '192.0.2.1'], [101, 101, 101, 503]],
    ['IPv4-mapped', ['192.0.2.3', '::ffff:192.0.2.3', '::ffff:c000:203'], [101, 101, 503]],
    ['IPv6 of one network', ['2001:db8::1', '2001:db8::2', '2001:db8::3', '2001:db8:0:1::1'], [101, 101, 503, 101]],
    ['what is no address', ['unknown', 'x', 'y'], [101, 101, 503]],
    ['a list: the nearest that is not trusted', ['203.0.113.1, 192.0.2.9', '203.0.113.2, 192.0.2.9', '203.0.113.3, 192.0.2.9'], [101, 101, 503]]
  ]
  const made = await makeApp(t, { server: { trustProxy: '127.0.0.1' }, plugin: { maxConnectionsPerIp: 2 } })
  made.app.get('/ws', { websocket: true }, () => {})
  await made.listen()
  for (const [name, forwarded, statuses] of rows) {
    const got: number[] = []
    for (const address of forwarded) got.push((await shake(made, '/ws', [`X-Forwarded-For: ${address}`])).answer.statusCode)
    t.same(got, statuses, name)
  }
  const untrusting = await makeApp(t, { plugin: { maxConnectionsPerIp: 2 } })
  untrusting.app.get('/ws', { websocket: true }, () => {})
  await untrusting.listen()
  const got: number[] = []
  for (const n of [1, 2, 3]) got.push((await shake(untrusting, '/ws', [`X-Forwarded-For: 192.0.2.${n}`])).answer.statusCode)
  t.same(got, [101, 101, 503], 'not trusted, all are the proxy\'s')
})

t.test('T39 injectWS counts, by its address', async (t) => {
  const { app } = await makeApp(t, { plugin: { maxConnectionsPerIp: 1 } })
  app.get('/ws', { websocket: true }, () => {})
  const first = await app.injectWS('/ws', { remoteAddress: '192.0.2.1' })
  await t.rejects(app.injectWS('/ws', { remoteAddress: '192.0.2.1' }), /503/)
  await app.injectWS('/ws', { remoteAddress: '192.0.2.2' })
  first.terminate()
  await until(() => findRegistration(app)?.quota?.counts.connections === 1)
  await app.injectWS('/ws', { remoteAddress: '192.0.2.1' })
})

/** Endings by either side and by what stands between; each is told at which path and what the client does. */
const ENDINGS: ReadonlyArray<[path: string, act: (client: RawClient) => Promise<void>]> = [
  ['/ws', async (client) => { await client.untilAnswers(1); client.reset() }],
  ['/ws', async (client) => { await client.untilAnswers(1); client.end(); await client.untilEnd() }],
  // A masked Close frame with 1000; then the server ends.
  ['/ws', async (client) => { await client.untilAnswers(1); client.write(Buffer.from([0x88, 0x82, 0, 0, 0, 0, 3, 0xe8])); await client.untilEnd() }],
  // An unmasked frame breaks a rule.
  ['/ws', async (client) => { await client.untilAnswers(1); client.write(Buffer.from([0x81, 0])); await client.untilEnd() }],
  ['/ws', async (client) => { client.reset() }],
  ['/ws', async (client) => { client.destroy() }],
  ['/closes', async (client) => { await client.untilAnswers(1); await client.untilEnd() }],
  ['/terminates', async (client) => { await client.untilEnd() }],
  ['/throws', async (client) => { await client.untilAnswers(1); await client.untilEnd() }],
  ['/slow', async (client) => { await sleep(Math.random() * 20); client.reset() }],
  ['/slow', async (client) => { await client.untilAnswers(1); client.destroy() }],
  ['/refuses', async (client) => { await client.untilEnd() }],
  ['/refuses', async (client) => { client.reset() }],
  ['/fails', async (client) => { await client.untilEnd() }],
  ['/foreign', async (client) => { await client.untilEnd() }],
  ['/late', async (client) => { await client.untilEnd() }],
  ['/late', async (client) => { await sleep(Math.random() * 60); client.destroy() }]
]

function addEndings (t: Test, { app }: TestApp, websocket: WebSocketRouteOptions): void {
  const closing = { ...websocket, closeTimeout: 50 }
  app.get('/ws', { websocket: closing }, (connection) => { connection.on('message', () => {}) })
  app.get('/closes', { websocket: closing }, (connection) => { connection.close(1000) })
  app.get('/terminates', { websocket: closing }, (connection) => { connection.terminate() })
  app.get('/throws', { websocket: { ...closing, errorHandler: (_error, connection) => { connection.close(1011) } } }, () => { throw new Error('mine') })
  app.get('/slow', { websocket: closing, onRequest: async () => { await sleep(5) }, preHandler: async () => { await sleep(5) } }, () => {})
  app.get('/refuses', { websocket: closing, preValidation: async (_request, reply) => reply.code(403).send('no') }, () => { t.fail('reached') })
  app.get('/fails', { websocket: closing, preHandler: async () => { throw Object.assign(new Error('no'), { statusCode: 400 }) } }, () => { t.fail('reached') })
  app.get('/foreign', { websocket: { ...closing, allowedOrigins: async () => false } }, () => { t.fail('reached') })
  app.get('/late', { websocket: { ...closing, handshakeTimeout: 30 }, onRequest: () => {} }, () => { t.fail('reached') })
}

t.test('T39 counts return to zero after endings of every kind', async (t) => {
  const caps = { maxConnections: 10_000, maxConnectionsPerIp: 10_000 }
  const made = await makeApp(t, { plugin: { ...caps, shutdownTimeout: 100 } })
  const { app, logs } = made
  const own = { ...caps, maxPendingHandshakes: 10_000 }
  addEndings(t, made, own)
  const port = await made.listen()
  let seed = 39
  const next = (limit: number): number => (seed = seed * 48_271 % 2_147_483_647) % limit
  for (let round = 0; round < 25; round++) {
    await Promise.all(Array.from({ length: 40 }, async () => {
      const [path, act] = ENDINGS[next(ENDINGS.length)] ?? ['', async () => {}]
      const client = await RawClient.connect(port)
      client.write(handshake(path, path === '/foreign' ? ['Origin: http://a.example'] : []))
      // The server may have ended it before: that is one more ending.
      await act(client).catch(() => {})
      client.destroy()
    }))
  }
  const quota = findRegistration(app)?.quota
  await until(() => quota?.counts.connections === 0)
  await until(() => app.websocket.connections.size === 0 && app.websocket.metrics().pending === 0)
  await settleEscapes()
  t.same(quota?.counts, NOTHING)
  t.same(logs.filter(({ level }) => level > 30), [])
  t.same(escaped, [])
  const { refused } = app.websocket.metrics()
  for (const reason of ['gone', '400', '403', 'FST_WS_FOREIGN_ORIGIN', 'FST_WS_HANDSHAKE_TIMEOUT']) t.ok((refused[reason] ?? 0) > 0, reason)
})

t.test('T39 the route\'s own counts return to zero as well', async (t) => {
  const made = await makeApp(t)
  const { app, open } = made
  addEndings(t, made, { maxConnections: 4, maxConnectionsPerIp: 4, maxPendingHandshakes: 4 })
  await made.listen()
  for (const [path, act] of [...ENDINGS, ...ENDINGS]) {
    const client = await open()
    client.write(handshake(path, path === '/foreign' ? ['Origin: http://a.example'] : []))
    await act(client).catch(() => {})
    client.destroy()
  }
  await until(() => app.websocket.connections.size === 0 && app.websocket.metrics().pending === 0)
  for (let n = 0; n < 4; n++) t.equal((await shake(made)).answer.statusCode, 101)
  t.equal((await shake(made)).answer.statusCode, 503)
})

t.test('T39 a flood of 5,000 handshakes', async (t) => {
  const made = await makeApp(t, { server: { logger: false }, plugin: { maxPendingHandshakes: 50, maxConnections: 100 } })
  const { app } = made
  let most = 0
  app.get('/ws', { websocket: true, onRequest: async () => { most = Math.max(most, app.websocket.metrics().pending); await sleep(25) } }, () => {})
  app.get('/rest', async () => 'rest')
  const port = await made.listen()
  const statuses = new Map<number, number>()
  const one = async (): Promise<void> => {
    const client = await RawClient.connect(port)
    const [answer] = await client.write(handshake('/ws')).untilAnswers(1)
    const status = answer?.statusCode ?? 0
    statuses.set(status, (statuses.get(status) ?? 0) + 1)
    if (status === 503 && !/^\d+$/.test(answer?.headers['retry-after'] ?? '')) t.fail('no Retry-After')
    client.destroy()
  }
  let left = 5_000
  await Promise.all(Array.from({ length: 300 }, async () => { while (left-- > 0) await one() }))
  t.equal([...statuses.values()].reduce((sum, count) => sum + count, 0), 5_000)
  t.same([...statuses.keys()].toSorted(), [101, 503])
  t.ok(most <= 50, `at most ${most} at once`)
  t.equal((await app.inject('/rest')).body, 'rest')
  await until(() => app.websocket.connections.size === 0 && app.websocket.metrics().pending === 0)
  t.same(findRegistration(app)?.quota?.counts, NOTHING)
  const { opened, refused } = app.websocket.metrics()
  t.equal(opened, statuses.get(101))
  t.equal((refused['FST_WS_TOO_MANY_HANDSHAKES'] ?? 0) + (refused['FST_WS_TOO_MANY_CONNECTIONS'] ?? 0), statuses.get(503))
  t.same(escaped, [])
})
