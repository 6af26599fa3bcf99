// Attacks and faults between a request and its 101, over real sockets: what stands behind a refusal (T33), odd headers (T34), clients
// that leave (T37), whoever takes too long (T38), and that nothing that holds on HTTP is missing (T40). Unknown paths (T31) and
// malformed handshakes (T32) have their rows in test/plugin.
import '../helpers/guard.ts'
import { once } from 'node:events'
import { connect } from 'node:net'
import { PassThrough, Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import rateLimit from '@fastify/rate-limit'
import { Type } from '@sinclair/typebox'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import t from 'tap'
import websocket from '../../lib/index.ts'
import { findRegistration } from '../../lib/plugin/registration.ts'
import { makeApp, until } from '../helpers/app.ts'
import type { LogLine, TestApp } from '../helpers/app.ts'
import { escaped, settleEscapes } from '../helpers/guard.ts'
import { RawClient, handshake, head } from '../helpers/raw-client.ts'

const ADMIN = head('GET /admin HTTP/1.1', ['Host: localhost'])
const never = (): Promise<never> => new Promise(() => {})

/** What an operator would look at. */
function complaints (logs: readonly LogLine[]): readonly LogLine[] {
  return logs.filter(({ level }) => level > 30)
}

/** Waits until the server has no socket any more. */
async function untilNoSockets ({ server }: FastifyInstance): Promise<void> {
  while (await new Promise<number>((resolve) => server.getConnections((_error, count) => resolve(count))) > 0) await sleep(2)
}

const T33_ROWS: ReadonlyArray<{ name: string, plugin?: object, path?: string, fields?: string[], taken?: boolean, statusCode: number, code: string }> = [
  { name: 'by its origin', fields: ['Origin: https://elsewhere.example'], statusCode: 403, code: 'FST_WS_FOREIGN_ORIGIN' },
  { name: 'by its origin, asynchronously', path: '/asks', fields: ['Origin: https://elsewhere.example'], statusCode: 403, code: 'FST_WS_FOREIGN_ORIGIN' },
  { name: 'by maxConnections', plugin: { maxConnections: 1 }, taken: true, statusCode: 503, code: 'FST_WS_TOO_MANY_CONNECTIONS' },
  { name: 'by maxConnectionsPerIp', plugin: { maxConnectionsPerIp: 1 }, taken: true, statusCode: 503, code: 'FST_WS_TOO_MANY_CONNECTIONS_PER_IP' },
  { name: 'by maxPendingHandshakes of the route', path: '/one', taken: true, statusCode: 503, code: 'FST_WS_TOO_MANY_HANDSHAKES' },
  { name: 'by maxPendingHandshakes of the plugin', plugin: { maxPendingHandshakes: 1 }, path: '/one', taken: true, statusCode: 503, code: 'FST_WS_TOO_MANY_HANDSHAKES' },
  { name: 'by handshakeTimeout', path: '/never', statusCode: 503, code: 'FST_WS_HANDSHAKE_TIMEOUT' }
]

for (const { name, plugin = {}, path = '/ws', fields = [], taken = false, statusCode, code } of T33_ROWS) {
  t.test(`T33 refused ${name}: one answer, then FIN`, async (t) => {
    const { app, listen, open } = await makeApp(t, { plugin })
    let reached = 0
    let held = 0
    app.get('/admin', async () => { reached++ })
    app.get('/ws', { websocket: true }, () => {})
    app.get('/asks', { websocket: { allowedOrigins: async () => false } }, () => { reached++ })
    app.get('/one', { websocket: { maxPendingHandshakes: 1 }, onRequest: () => { held++ } }, () => { reached++ })
    app.get('/never', { websocket: { handshakeTimeout: 50 }, onRequest: never }, () => { reached++ })
    await listen()
    if (taken) {
      const first = await open()
      first.write(handshake(path))
      if (path === '/one') await until(() => held === 1)
      else await first.untilAnswers(1)
    }

    const client = await open()
    client.write(handshake(path, fields) + ADMIN + ADMIN)
    t.equal(await client.untilEnd(), 'fin')
    t.equal(client.text.match(/^HTTP\//gm)?.length, 1)
    const [answer] = client.answers
    t.equal(answer?.statusCode, statusCode)
    t.equal(answer?.headers.connection, 'close')
    t.match(JSON.parse(answer?.body ?? ''), { code, statusCode })
    t.equal(statusCode === 503, /^\d+$/.test(answer?.headers['retry-after'] ?? ''))
    t.notOk(answer?.headers['sec-websocket-accept'])
    t.equal(reached, 0)
    await until(() => app.websocket.metrics().refused[code] === 1)
  })
}

const NAMES = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'prototype', 'x-a', 'Sec-WebSocket-Protocol', 'Sec-WebSocket-Extensions', 'Sec-WebSocket-Key', 'Origin', 'Cookie', 'Upgrade', 'Connection', 'Content-Length', 'Transfer-Encoding', 'Expect']
const VALUES = ['', ' ', '0', '__proto__', 'constructor', 'a, b', ',,,,', 'a\tb', 'caf\xe9', '\x7f', 'a\x01b', 'a\x00b', 'a\rb', '"', '"\\', 'permessage-deflate; __proto__=1', ';', '=', 'x'.repeat(500), 'chunked', '100-continue', 'null']

t.test('T34 any header fields: an answer or the end, and the server goes on', async (t) => {
  const { app, logs, listen, open } = await makeApp(t)
  app.get('/ws', { websocket: true }, (connection) => { connection.terminate() })
  await listen()
  let seed = 34
  /** Numbers below `limit` that look random and are the same each time (Park and Miller's). */
  const next = (limit: number): number => (seed = seed * 48_271 % 2_147_483_647) % limit
  const statuses = new Map<number, number>()
  for (let round = 0; round < 40; round++) {
    await Promise.all(Array.from({ length: 20 }, async () => {
      const fields = Array.from({ length: 1 + next(4) }, () => `${NAMES[next(NAMES.length)]}: ${VALUES[next(VALUES.length)]}`)
      const client = await open()
      client.write(handshake('/ws', fields))
      client.end()
      await client.untilEnd()
      const status = client.answers[0]?.statusCode ?? 0
      statuses.set(status, (statuses.get(status) ?? 0) + 1)
      client.destroy()
    }))
  }
  // 0: left before the answer, as it has half-closed. What Node's parser refuses is its 400.
  t.same([...statuses.keys()].filter((status) => status !== 0 && status !== 101 && (status < 400 || status > 499)), [], `${[...statuses].join(' ')}`)
  t.same(complaints(logs), [])
  await untilNoSockets(app)
  t.same(escaped, [])
})

t.test('T34 the same with the answer awaited', async (t) => {
  const { app, logs, listen, open } = await makeApp(t)
  app.get('/ws', { websocket: { protocols: ['__proto__', 'constructor', 'a'] } }, (connection) => { connection.terminate() })
  await listen()
  const wanted = new Set<number>()
  await Promise.all(NAMES.map(async (name) => {
    for (const value of VALUES) {
      const client = await open()
      client.write(handshake('/ws', [`${name}: ${value}`]))
      // Node waits for a body that it was told of.
      const timer = setTimeout(() => client.end(), 300)
      await client.untilEnd()
      clearTimeout(timer)
      const status = client.answers[0]?.statusCode
      if (status !== undefined) wanted.add(status)
      if (status !== 101 && status !== undefined) t.ok(status >= 400 && status < 500, `${name}: ${JSON.stringify(value)}: ${status}`)
      client.destroy()
    }
  }))
  t.ok(wanted.has(101) && wanted.has(400), [...wanted].join())
  t.same(complaints(logs), [])
  t.same(escaped, [])
})

t.test('T34 many fields and long values: 4xx, or they are nobody\'s business', async (t) => {
  const { app, logs, listen, open } = await makeApp(t, { server: { http: { maxHeaderSize: 1_048_576 } } })
  app.get('/ws', { websocket: true }, (connection) => { connection.close() })
  await listen()
  const many = (count: number, name = (n: number): string => `x-${n}`): string[] => Array.from({ length: count }, (_, n) => `${name(n)}: 1`)
  const long = 'x'.repeat(65_536)
  const rows: ReadonlyArray<[name: string, fields: readonly string[], statusCode: number]> = [
    ['990 fields', many(990), 101],
    ['as many as Node keeps', many(995), 431],
    ['5,000 fields', many(5_000), 431],
    ['990 fields __proto__', many(990, () => '__proto__'), 101],
    ['900 times the same key', many(900, () => 'Sec-WebSocket-Key'), 400],
    ['900 subprotocols in as many fields, all the same', many(900, () => 'Sec-WebSocket-Protocol'), 400],
    ['64 KiB in a field of no meaning', [`x-long: ${long}`], 101],
    ['64 KiB of a key', [`Sec-WebSocket-Key: ${long}`], 400],
    ['64 KiB of one subprotocol', [`Sec-WebSocket-Protocol: ${long}`], 101],
    ['64 KiB of an origin', [`Origin: https://${long}`], 403],
    ['64 KiB of commas as extensions', [`Sec-WebSocket-Extensions: ${','.repeat(65_536)}`], 101]
  ]
  for (const [name, fields, statusCode] of rows) {
    const client = await open()
    client.write(handshake('/ws', fields))
    await client.untilAnswers(1)
    t.equal(client.answers[0]?.statusCode, statusCode, name)
  }
  t.same(complaints(logs), [])
  t.same(escaped, [])
})

t.test('T34 a head that is too large is Node\'s 431', async (t) => {
  const { app, listen, open } = await makeApp(t)
  app.get('/ws', { websocket: true }, () => { t.fail('reached') })
  await listen()
  const client = await open()
  client.write(handshake('/ws', [`x-long: ${'x'.repeat(65_536)}`]))
  await client.untilEnd()
  t.equal(client.answers[0]?.statusCode, 431)
})

t.test('T34 time is linear in the length of a value', async (t) => {
  const { app, listen, open } = await makeApp(t, { server: { logger: false, http: { maxHeaderSize: 1_048_576 } } })
  app.get('/ws', { websocket: true }, (connection) => { connection.close() })
  await listen()
  const shapes: ReadonlyArray<[name: string, make: (size: number) => string]> = [
    ['Sec-WebSocket-Protocol', (size) => Array.from({ length: size / 8 }, (_, n) => `p${String(n).padStart(5, '0')}`).join(', ')],
    ['Sec-WebSocket-Extensions', (size) => 'a;b="\\c";'.repeat(size / 8) + 'd'],
    ['Sec-WebSocket-Extensions', (size) => '"'.repeat(size)],
    ['Sec-WebSocket-Protocol', (size) => ' ,\t'.repeat(size / 3) + 'a'],
    ['Origin', (size) => `http://${'a.'.repeat(size / 2)}:`],
    ['Connection', (size) => `${'a, '.repeat(size / 3)}upgrade`]
  ]
  /** The best of a few times, in ms; noise only adds. */
  const measure = async (name: string, value: string): Promise<number> => {
    let best = Infinity
    for (let n = 0; n < 5; n++) {
      const client = await open()
      const start = performance.now()
      client.write(handshake('/ws', [`${name}: ${value}`]))
      await client.untilAnswers(1)
      best = Math.min(best, performance.now() - start)
      client.destroy()
    }
    return best
  }
  for (const [name, make] of shapes) {
    await measure(name, make(1_024))
    const [short, long] = [await measure(name, make(1_024)), await measure(name, make(65_536))]
    // 64 times as long. Were it quadratic, it would be 4,096 times; 2 ms are for the connection itself.
    t.ok(long < 64 * 4 * Math.max(short, 2), `${name} ${JSON.stringify(make(16)).slice(0, 20)}: ${short.toFixed(1)} ms, ${long.toFixed(1)} ms`)
  }
})

/** Routes that a client may leave at any moment: what runs between the request and its answer. */
function addRoutes ({ app }: TestApp, onSocket: () => void): string[] {
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
  const turns = async (count: number): Promise<void> => { for (let n = 0; n < count; n++) await turn() }
  const handler = onSocket
  app.get('/plain', { websocket: true }, handler)
  app.get('/sync', {
    websocket: true,
    onRequest: (_request, _reply, done) => done(),
    preHandler: (_request, _reply, done) => { setImmediate(done) },
    onSend: (_request, _reply, payload, done) => done(null, payload)
  }, handler)
  app.get('/async', {
    websocket: { protocols: async () => { await turns(2); return undefined }, allowedOrigins: async () => { await turns(2); return true } },
    onRequest: async () => { await turns(4) },
    preValidation: async () => { await sleep(1) },
    onSend: async (_request, _reply, payload) => { await turns(2); return payload }
  }, handler)
  app.get('/refused', { websocket: true, preHandler: async (_request, reply) => { await turns(3); return reply.code(403).send('no') } }, handler)
  app.get('/thrown', { websocket: true, preHandler: async () => { await turns(3); throw Object.assign(new Error('no'), { statusCode: 401 }) } }, handler)
  app.get('/streamed', {
    websocket: true,
    onRequest: async (_request, reply) => {
      await turns(2)
      const chunks = async function * (): AsyncGenerator<Buffer> {
        for (let n = 0; n < 20; n++) {
          await turn()
          yield Buffer.alloc(1_024, 'x')
        }
      }
      return reply.code(403).send(Readable.from(chunks()))
    }
  }, handler)
  return ['/plain', '/sync', '/async', '/refused', '/thrown', '/streamed']
}

t.test('T37 reset, FIN or both at 1,000 moments between request and answer', async (t) => {
  const made = await makeApp(t, { plugin: { maxConnections: 100_000, maxConnectionsPerIp: 100_000 } })
  const { app, logs, listen, open } = made
  const paths = addRoutes(made, () => {})
  const port = await listen()
  let seed = 37
  const next = (limit: number): number => (seed = seed * 48_271 % 2_147_483_647) % limit
  for (let round = 0; round < 50; round++) {
    await Promise.all(Array.from({ length: 20 }, async (_, n) => {
      const path = paths[(round * 20 + n) % paths.length] ?? ''
      const fields = next(2) === 0 ? [] : ['Origin: http://localhost', 'Sec-WebSocket-Protocol: a']
      const client = await RawClient.connect(port)
      const bytes = handshake(path, fields)
      const cut = next(4) === 0 ? next(bytes.length) : bytes.length
      client.write(bytes.slice(0, cut))
      const delay = next(12)
      if (delay > 8) await sleep(delay - 8)
      else for (let turns = 0; turns < delay; turns++) await new Promise((resolve) => setImmediate(resolve))
      if (cut < bytes.length && next(2) === 0) client.write(bytes.slice(cut))
      const way = next(3)
      if (way === 0) client.reset()
      else if (way === 1) client.end()
      else client.destroy()
      await client.untilEnd()
      client.destroy()
    }))
  }
  await until(() => app.websocket.metrics().pending === 0)
  await until(() => app.websocket.connections.size === 0)
  await untilNoSockets(app)
  await settleEscapes()
  const counts = findRegistration(app)?.quota?.counts
  t.same(counts, { connections: 0, pending: 0, addresses: 0 })
  t.same(complaints(logs), [], 'nothing above info')
  t.same(logs.filter(({ level, msg }) => level === 30 && !/^(incoming request|request completed|stream closed prematurely|WebSocket connection failed by its peer|no|Server listening.*)$/.test(msg)), [])
  t.same(escaped, [])
  const { refused, opened } = app.websocket.metrics()
  t.ok((refused['gone'] ?? 0) > 50, `${refused['gone']} left before the answer`)
  t.ok(opened > 20, `${opened} had it`)
  t.match(logs.find(({ msg }) => /left before/.test(msg)), { level: 20 })

  const client = await open()
  client.write(handshake('/async', ['Origin: http://localhost']))
  t.equal((await client.untilAnswers(1))[0]?.statusCode, 101)
})

t.test('T37 what fails when the client has left is no error', async (t) => {
  let fail = (): void => {}
  const failure = (): Promise<never> => new Promise((_resolve, reject) => { fail = () => reject(new Error('the client has left')) })
  const rows: ReadonlyArray<[name: string, route: object, options?: object]> = [
    ['an onRequest hook', { onRequest: failure }],
    ['a preHandler hook', { preHandler: failure }],
    ['an onSend hook', { onSend: failure }],
    ['a hook that replies', { preHandler: (_request: FastifyRequest, reply: FastifyReply) => failure().catch((error: Error) => reply.send(error)) }],
    ['allowedOrigins', {}, { allowedOrigins: failure }],
    ['protocols', {}, { protocols: failure }]
  ]
  const { app, logs, listen, open } = await makeApp(t)
  for (const [n, [, route, options]] of rows.entries()) app.get(`/${n}`, { websocket: options ?? true, ...route }, () => { t.fail('reached') })
  await listen()
  for (const [n, [name]] of rows.entries()) {
    for (const way of ['reset', 'end'] as const) {
      logs.length = 0
      fail = () => {}
      const before = fail
      const client = await open()
      client.write(handshake(`/${n}`, ['Origin: http://localhost', 'Sec-WebSocket-Protocol: a']))
      await until(() => fail !== before)
      client[way]()
      await until(() => app.websocket.metrics().pending === 0)
      fail()
      await settleEscapes()
      t.same(complaints(logs), [], `${name}, ${way}`)
      t.match(logs.findLast(({ err }) => err !== undefined), { level: 20, err: { message: 'the client has left' } }, `${name}, ${way}`)
    }
  }
  t.same(escaped, [])
})

interface StuckRow {
  readonly name: string
  /** Options of the plugin or the route for which it is stuck. */
  readonly options?: object
  readonly route?: object
  readonly plugin?: object
  readonly errorHandler?: () => Promise<void>
  /** Who hears that the request has ended, where that is not all: what runs later has not asked, and of a hijacked reply Fastify lets go. */
  readonly aborts?: readonly string[]
}

const T38_ROWS: readonly StuckRow[] = [
  { name: 'an onRequest hook', route: { onRequest: never } },
  { name: 'a hook with a callback', route: { preParsing: (_request: unknown, _reply: unknown, _payload: unknown, _done: unknown) => {} } },
  { name: 'a preHandler hook', route: { preHandler: never } },
  { name: 'an onSend hook, when the 101 is agreed on', route: { onSend: never } },
  { name: 'an onSend hook of a refusal', route: { onSend: never, preHandler: async (_request: unknown, reply: FastifyReply) => reply.code(403).send(Readable.from(['no'])) } },
  { name: 'verifyClient', plugin: { options: { verifyClient: (_info: unknown, _done: unknown) => {} } } },
  { name: 'a function of protocols', options: { protocols: never } },
  { name: 'a function of allowedOrigins', options: { allowedOrigins: never }, aborts: ['hook'] },
  { name: 'the error handler', route: { preHandler: async () => { throw new Error('refused') } }, errorHandler: never },
  { name: 'a stream without a byte', route: { onRequest: (_request: unknown, reply: FastifyReply) => { reply.code(403).header('content-encoding', 'gzip').send(new PassThrough()) } } },
  { name: 'a reply that was hijacked and forgotten', route: { onRequest: (_request: unknown, reply: FastifyReply) => { reply.hijack() } }, aborts: ['hook'] }
]

for (const { name, options = {}, route = {}, plugin = {}, errorHandler, aborts: wanted = ['hook', 'signal'] } of T38_ROWS) {
  for (const isRoutes of [false, true]) {
    t.test(`T38 stuck: ${name}; handshakeTimeout of the ${isRoutes ? 'route' : 'plugin'}`, async (t) => {
      const { app, logs, listen, open } = await makeApp(t, { plugin: { ...plugin, ...(isRoutes ? { handshakeTimeout: 60_000 } : { ...options, handshakeTimeout: 60 }), maxConnections: 5 } })
      const aborts: string[] = []
      if (errorHandler !== undefined) app.setErrorHandler(errorHandler)
      app.addHook('onRequest', async (request) => {
        const { signal } = request
        signal.addEventListener('abort', () => { aborts.push('signal') })
      })
      app.addHook('onRequestAbort', async (_request) => { aborts.push('hook') })
      app.get('/ws', { websocket: isRoutes ? { ...options, handshakeTimeout: 60 } : true, ...route }, () => { t.fail('reached') })
      await listen()
      const client = await open()
      const start = performance.now()
      client.write(handshake('/ws', ['Origin: http://localhost', 'Sec-WebSocket-Protocol: a']) + ADMIN)
      t.equal(await client.untilEnd(), 'fin')
      t.ok(performance.now() - start > 50)
      const [answer, ...more] = client.answers
      t.same(more, [])
      t.match(answer, { statusCode: 503, headers: { connection: 'close', 'retry-after': '5' } })
      t.notOk(answer?.headers['content-encoding'])
      t.match(JSON.parse(answer?.body ?? ''), { statusCode: 503, code: 'FST_WS_HANDSHAKE_TIMEOUT', error: 'Service Unavailable' })
      await until(() => aborts.length >= wanted.length)
      t.same(aborts.toSorted(), wanted, 'as when the client has left')
      const { pending, refused } = app.websocket.metrics()
      t.equal(pending, 0)
      t.match(refused, { FST_WS_HANDSHAKE_TIMEOUT: 1 })
      t.equal(findRegistration(app)?.quota?.counts.connections, 0)
      t.match(logs.find(({ msg }) => /given up/.test(msg)), { level: 30 })
      t.same(complaints(logs).filter(({ msg }) => msg !== 'refused'), [])
      client.end()
      await untilNoSockets(app)
      t.same(escaped, [])
    })
  }
}

t.test('T38 what ends late finds its answer given', async (t) => {
  const later = (): Promise<void> => sleep(90)
  const rows: ReadonlyArray<[name: string, route: object, options?: object]> = [
    ['a hook that resolves', { onRequest: later }],
    ['a hook that throws', { preHandler: async () => { await later(); throw new Error('late') } }],
    ['a hook with a callback', { preValidation: (_request: unknown, _reply: unknown, done: () => void) => { setTimeout(done, 90) } }],
    ['a hook with a callback and an error', { preValidation: (_request: unknown, _reply: unknown, done: (error: Error) => void) => { setTimeout(() => done(new Error('late')), 90) } }],
    ['a hook that replies', { preHandler: async (_request: unknown, reply: FastifyReply) => { await later(); return reply.code(401).send({ late: true }) } }],
    ['a hook that replies with a stream', { preHandler: async (_request: unknown, reply: FastifyReply) => { await later(); return reply.code(401).send(Readable.from(['late'])) } }],
    ['a hook that replies with 101', { preHandler: async (_request: unknown, reply: FastifyReply) => { await later(); return reply.code(101).send() } }],
    ['a hook that writes', { preHandler: async (_request: unknown, reply: FastifyReply) => { await later(); reply.raw.setHeader('a', 'b').writeHead(200); reply.raw.write('late'); reply.raw.end('late') } }],
    ['an onSend hook of the 101', { onSend: async () => { await later() } }],
    ['an onSend hook with a callback', { onSend: (_request: unknown, _reply: unknown, payload: unknown, done: (error: null, payload: unknown) => void) => { setTimeout(() => done(null, payload), 90) } }],
    ['an onSend hook that throws', { onSend: async () => { await later(); throw new Error('late') } }],
    ['an onSend hook of a streamed refusal', { onSend: async () => { await later() }, onRequest: (_request: unknown, reply: FastifyReply) => { reply.code(403).send(Readable.from(['no'])) } }],
    ['protocols', {}, { protocols: async () => { await later(); return 'a' } }],
    ['protocols that reject', {}, { protocols: async () => { await later(); throw new Error('late') } }],
    ['allowedOrigins', {}, { allowedOrigins: async () => { await later(); return true } }],
    ['allowedOrigins that refuses', {}, { allowedOrigins: async () => { await later(); return false } }],
    ['allowedOrigins that rejects', {}, { allowedOrigins: async () => { await later(); throw new Error('late') } }]
  ]
  const { app, logs, listen, open } = await makeApp(t, { plugin: { handshakeTimeout: 40 } })
  for (const [n, [, route, options]] of rows.entries()) {
    app.get(`/${n}`, { websocket: options ?? true, ...route }, () => { t.fail('reached') })
  }
  await listen()
  await Promise.all(rows.map(async ([name], n) => {
    const client = await open()
    client.write(handshake(`/${n}`, ['Origin: http://localhost', 'Sec-WebSocket-Protocol: a']))
    await client.untilEnd()
    // The connection is kept open from here for a while, so that a second answer could be written.
    await sleep(150)
    t.equal(client.text.match(/HTTP\//g)?.length, 1, name)
    t.match(client.answers, [{ statusCode: 503, body: /FST_WS_HANDSHAKE_TIMEOUT/ }], name)
    client.end()
  }))
  await untilNoSockets(app)
  await settleEscapes()
  t.same(complaints(logs), [])
  t.same(escaped, [])
  t.equal(app.websocket.connections.size, 0)
})

t.test('T38 a refusal that is streamed for ever ends at the deadline', async (t) => {
  const { app, logs, listen, open } = await makeApp(t, { plugin: { handshakeTimeout: 80 } })
  const streams: PassThrough[] = []
  app.get('/ws', {
    websocket: true,
    onRequest: (_request, reply) => {
      const stream = new PassThrough()
      streams.push(stream)
      stream.write('a beginning')
      reply.code(403).send(stream)
    }
  }, () => { t.fail('reached') })
  await listen()
  const client = await open()
  client.write(handshake('/ws'))
  await client.until(() => client.text.includes('a beginning'))
  await client.untilEnd()
  t.equal(client.text.match(/HTTP\//g)?.length, 1)
  await until(() => streams[0]?.destroyed === true)
  t.match(app.websocket.metrics(), { pending: 0, refused: { FST_WS_HANDSHAKE_TIMEOUT: 1 } })
  await untilNoSockets(app)
  t.same(complaints(logs), [])
  t.same(escaped, [])
})

t.test('T38 a 101 that the peer does not read ends at the deadline', async (t) => {
  const { app, logs, listen } = await makeApp(t, { plugin: { handshakeTimeout: 300, maxConnections: 1 } })
  app.get('/ws', { websocket: true, onSend: async (_request, reply) => { reply.header('x-large', 'x'.repeat(2 ** 25)) } }, () => { t.fail('reached') })
  const port = await listen()
  const socket = connect(port, '127.0.0.1').on('error', () => {}).pause()
  t.teardown(() => socket.destroy())
  socket.write(handshake('/ws'))
  await until(() => app.websocket.metrics().pending === 1)
  await until(() => app.websocket.metrics().pending === 0)
  t.match(app.websocket.metrics().refused, { FST_WS_HANDSHAKE_TIMEOUT: 1 })
  await untilNoSockets(app)
  t.equal(findRegistration(app)?.quota?.counts.connections, 0)
  t.same(complaints(logs), [])
})

t.test('T38 whose deadline, and from when', async (t) => {
  const { app, listen, open } = await makeApp(t, { plugin: false })
  // In front of the plugin's own hook: the route is not known yet.
  app.addHook('onRequest', async (request) => { if (request.headers['x-early'] !== undefined) await sleep(Number(request.headers['x-early'])) })
  await app.register(websocket, { handshakeTimeout: 100 })
  const late = async (request: FastifyRequest): Promise<void> => { await sleep(Number(request.headers['x-late'] ?? 0)) }
  app.get('/long', { websocket: { handshakeTimeout: 20_000 }, preHandler: late }, () => {})
  app.get('/short', { websocket: { handshakeTimeout: 60 }, preHandler: late }, () => {})
  await listen()
  const rows: ReadonlyArray<[name: string, path: string, fields: string[], statusCode: number]> = [
    ['the route has longer', '/long', ['X-Late: 250'], 101],
    ['the plugin\'s holds until the route is known', '/long', ['X-Early: 2000'], 503],
    ['the route\'s counts from the request on', '/short', ['X-Early: 80', 'X-Late: 30'], 503],
    ['in time', '/short', [], 101]
  ]
  await Promise.all(rows.map(async ([name, path, fields, statusCode]) => {
    const client = await open()
    client.write(handshake(path, fields))
    t.equal((await client.untilAnswers(1))[0]?.statusCode, statusCode, name)
  }))
})

t.test('T38 a handshake behind a request whose answer does not end', async (t) => {
  const { app, logs, listen, open } = await makeApp(t, { plugin: { handshakeTimeout: 80 } })
  app.get('/endless', async () => {
    const stream = new PassThrough()
    stream.write('a beginning')
    return stream
  })
  app.get('/slow', async () => { await sleep(20); return 'slow' })
  app.get('/ws', { websocket: { handshakeTimeout: 20_000 }, preHandler: async () => { await sleep(150) } }, () => {})
  await listen()
  const [stuck, slow] = [await open(), await open()]
  stuck.write(head('GET /endless HTTP/1.1', ['Host: localhost']) + handshake('/ws'))
  slow.write(head('GET /slow HTTP/1.1', ['Host: localhost']) + handshake('/ws'))
  await stuck.untilEnd()
  t.equal(stuck.text.includes('101 Switching'), false)
  t.same((await slow.untilAnswers(2)).map(({ statusCode }) => statusCode), [200, 101])
  await sleep(120)
  t.equal(slow.ending, undefined, 'what was for the waiting is over with it')
  t.same(complaints(logs), [])
})

t.test('T38 a hook that serves the socket itself is left alone', async (t) => {
  const { app, listen, open } = await makeApp(t, { plugin: { handshakeTimeout: 50, maxConnections: 1 } })
  app.get('/ws', {
    websocket: true,
    onRequest: async (request, reply) => {
      reply.hijack()
      const { socket } = request.raw
      socket.write('HTTP/1.1 101 Mine\r\n\r\n')
      socket.on('data', (chunk: Buffer) => { socket.write(chunk) }).on('end', () => { socket.end() })
    }
  }, () => { t.fail('reached') })
  await listen()
  const client = await open()
  client.write(handshake('/ws'))
  await client.until(() => client.text.includes('101 Mine'))
  await until(() => app.websocket.metrics().pending === 0)
  client.write('still there')
  await client.until(() => client.text.endsWith('still there'))
  t.match(app.websocket.metrics(), { opened: 0, refused: { hijacked: 1 } })
})

t.test('T38 a client that stalls inside the request head is Node\'s headersTimeout', async (t) => {
  const { app, listen, open } = await makeApp(t, { server: { http: { headersTimeout: 100, connectionsCheckingInterval: 20 } } })
  app.get('/ws', { websocket: true }, () => { t.fail('reached') })
  await listen()
  const client = await open()
  client.write(handshake('/ws').slice(0, -2))
  await client.untilEnd()
  t.match(client.text, /^HTTP\/1\.1 408 /)
  await untilNoSockets(app)
})

t.test('T38 shutdown does not wait for hooks', async (t) => {
  const { app, listen, open } = await makeApp(t, { plugin: { shutdownTimeout: 50 } })
  app.get('/ws', { websocket: true, onRequest: never }, () => { t.fail('reached') })
  await listen()
  const client = await open()
  client.write(handshake('/ws'))
  await until(() => app.websocket.metrics().pending === 1)
  const start = performance.now()
  await app.close()
  t.ok(performance.now() - start < 5_000)
  await client.untilEnd()
  t.match(app.websocket.metrics(), { pending: 0, refused: { FST_WS_CLOSING: 1 } })
})

t.test('T40 @fastify/rate-limit: handshakes and requests count together, and are refused alike', async (t) => {
  const { app, listen, open } = await makeApp(t)
  await app.register(rateLimit, { max: 2, timeWindow: 60_000 })
  let sockets = 0
  app.get('/both', { handler: async () => 'http', wsHandler: () => { sockets++ } })
  await listen()
  const answers: unknown[] = []
  for (const request of [handshake('/both'), head('GET /both HTTP/1.1', ['Host: localhost']), handshake('/both'), head('GET /both HTTP/1.1', ['Host: localhost'])]) {
    const client = await open()
    client.write(request)
    const [answer] = await client.untilAnswers(1)
    answers.push([answer?.statusCode, answer?.headers['x-ratelimit-remaining'], answer?.statusCode === 429 ? answer.body : ''])
  }
  t.match(answers, [[101, '1'], [200, '0'], [429, '0', /Rate limit/], [429, '0', /Rate limit/]])
  t.same((answers[2] as unknown[])[2], (answers[3] as unknown[])[2])
  await until(() => sockets === 1)
})

for (const [name, reply] of [
  ['code(101).send()', (reply) => reply.code(101).send()],
  ['code(101).send(body)', (reply) => reply.code(101).send('body')],
  ['code(102).send()', (reply) => reply.code(102).send()],
  ['raw.writeHead(101)', (reply) => { reply.hijack().raw.writeHead(101, 'Mine', { upgrade: 'websocket', connection: 'Upgrade' }).end() }],
  ['raw.statusCode = 101', (reply) => { const { raw } = reply.hijack(); raw.statusCode = 101; raw.end() }]
] satisfies ReadonlyArray<[string, (reply: FastifyReply) => unknown]>) {
  t.test(`T40 a hook opens no connection by itself: ${name}`, async (t) => {
    const { app, logs, listen, open } = await makeApp(t)
    app.get('/ws', { websocket: true, preHandler: async (_request, reply_) => { reply(reply_) } }, () => { t.fail('reached') })
    await listen()
    const client = await open()
    client.write(handshake('/ws') + ADMIN)
    t.equal(await client.untilEnd(), 'fin')
    t.equal(client.text.match(/HTTP\//g)?.length, 1)
    t.match(client.answers, [{ statusCode: 500, headers: { connection: 'close' } }])
    t.notOk(client.answers[0]?.headers['upgrade'])
    t.match(app.websocket.metrics(), { opened: 0, pending: 0, refused: { 500: 1, 101: undefined, 102: undefined } })
    t.match(complaints(logs), [{ level: 50, msg: /^a WebSocket handshake was answered with 10[12] by a hook/ }])
  })
}

t.test('T40 nothing of a connection is there before all of it has passed', async (t) => {
  const { app, listen, open } = await makeApp(t)
  let goOn = (): void => {}
  let sockets = 0
  app.get('/both/:n', {
    bodyLimit: 1, // is for bodies: a handshake has none
    schema: { params: Type.Object({ n: Type.Integer() }), querystring: Type.Object({ q: Type.Optional(Type.Integer()) }), headers: Type.Object({ 'x-need': Type.String() }) },
    preHandler: async () => { await new Promise<void>((resolve) => { goOn = resolve }) },
    handler: async () => 'http',
    wsHandler: () => { sockets++ }
  })
  await listen()
  const rows: ReadonlyArray<[path: string, fields: string[]]> = [['/both/x', ['X-Need: 1']], ['/both/1?q=x', ['X-Need: 1']], ['/both/1', []]]
  for (const [path, fields] of rows) {
    const [plain, socket] = [await open(), await open()]
    plain.write(head(`GET ${path} HTTP/1.1`, ['Host: localhost', ...fields]))
    socket.write(handshake(path, fields))
    const [[http], [ws]] = [await plain.untilAnswers(1), await socket.untilAnswers(1)]
    t.same([ws?.statusCode, ws?.body], [http?.statusCode, http?.body], path)
    t.equal(ws?.statusCode, 400)
  }
  const client = await open()
  // A masked text message 'a', in the segment of the handshake.
  client.write(Buffer.concat([Buffer.from(handshake('/both/1', ['X-Need: 1'])), Buffer.from([0x81, 0x81, 0, 0, 0, 0, 0x61])]))
  await until(() => app.websocket.metrics().pending === 1)
  await sleep(30)
  t.equal(client.text, '')
  t.match(app.websocket.metrics(), { opened: 0, messagesReceived: 0 })
  t.equal(sockets, 0)
  goOn()
  await client.untilAnswers(1)
  await until(() => sockets === 1)
})

t.test('the socket of a connection is told of on the channel open, before its handler runs', async (t) => {
  const { subscribe, unsubscribe } = await import('node:diagnostics_channel')
  const order: string[] = []
  const listener = (message: unknown): void => { order.push(Object.keys(message as object).toSorted().join()) }
  subscribe('fastify-typed-websocket:open', listener)
  t.teardown(() => unsubscribe('fastify-typed-websocket:open', listener))
  const { app } = await makeApp(t)
  app.get('/ws', { websocket: true }, () => { order.push('handler') })
  const client = await app.injectWS('/ws')
  t.same(order, ['connection,request', 'handler'])
  client.close()
  await once(client, 'close')
})
