// What an operator sees of attacks and faults, end to end: numbers that add up, channels that tell each thing once, log lines that
// say who and why and nothing that is secret.
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { Type } from '@sinclair/typebox'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import type { Test } from 'tap'
import type { AnyWebSocketConnection, WebSocketDiagnostics, WebSocketMetrics, WebSocketPluginOptions } from '../../lib/index.ts'
import { makeApp, until } from '../helpers/app.ts'
import type { TestApp } from '../helpers/app.ts'
import { openFrames } from '../helpers/frame-client.ts'
import type { FrameClient } from '../helpers/frame-client.ts'
import '../helpers/guard.ts'
import { handshake, head } from '../helpers/raw-client.ts'
import { closePayload, encodeFrame } from '../helpers/wire-frames.ts'

/** What is looked for in logs is the beginning alone: errors quote no more than some characters. */
const NEEDLE = 'hunter2'
const SECRET = `${NEEDLE}-Tk9UIEZPUiBMT0dT`

interface Server extends TestApp {
  readonly port: number
  readonly metrics: () => WebSocketMetrics
  /** Opens a client, destroyed with the test. */
  client (path: string, headers?: readonly string[]): Promise<FrameClient>
  /** Connections of a path in the order of their opening. */
  readonly opened: AnyWebSocketConnection[]
}

/** A route for each way that a connection may go. */
async function serve (t: Test, plugin: WebSocketPluginOptions = {}): Promise<Server> {
  const test = await makeApp(t, { plugin: { closeTimeout: 300, ...plugin } })
  const { app } = test
  const opened: AnyWebSocketConnection[] = []
  // The same object, for messages of any kind.
  const note = (connection: unknown): void => { opened.push(connection as AnyWebSocketConnection) }
  app.get('/echo', { websocket: true }, (connection) => {
    note(connection)
    connection.on('message', (message) => { connection.send(message) })
  })
  const receive = Type.Object({ n: Type.Number(), password: Type.Optional(Type.Literal('x')) })
  app.get('/typed', { websocket: true, schema: { websocket: { receive } } }, (connection) => {
    note(connection)
    connection.on('message', () => {})
  })
  app.get('/tolerant', { websocket: true, schema: { websocket: { receive } } }, (connection) => {
    note(connection)
    connection.on('invalid', () => {})
    connection.on('message', () => {})
  })
  app.get('/throws', { websocket: true }, (connection) => {
    note(connection)
    connection.on('message', () => { throw new Error('the handler\'s own') })
  })
  app.get('/rejects', { websocket: true }, async (connection) => {
    note(connection)
    await new Promise((resolve) => setImmediate(resolve))
    throw new Error('the handler\'s own')
  })
  app.get('/goodbye', { websocket: true }, (connection) => { connection.close(4321, 'bye') })
  app.get('/slow-hook', { websocket: true, onRequest: async () => await new Promise(() => {}) }, () => {})
  app.get('/forbidden', { websocket: true, onRequest: async (_request, reply) => await reply.code(401).send('no') }, () => {})
  app.get('/busted', { websocket: true, onRequest: async () => { throw Object.assign(new Error('no'), { statusCode: 418, code: SECRET }) } }, () => {})
  app.get('/one', { websocket: { maxConnections: 1 } }, () => {})
  app.get('/http', async () => 'http')
  const port = await test.listen()
  return {
    ...test,
    port,
    opened,
    metrics: () => app.websocket.metrics(),
    async client (path, headers = []) {
      const client = await openFrames({ port, path, headers })
      t.teardown(() => client.destroy())
      return client
    }
  }
}

function totalOf (table: Readonly<Record<string, number>>): number {
  return Object.values(table).reduce((sum, count) => sum + count, 0)
}

const text = (payload: string): Buffer => encodeFrame({ opcode: 1, payload })
const close = (code?: number): Buffer => encodeFrame({ opcode: 8, payload: code === undefined ? '' : closePayload(code) })

// Metrics

const endings: ReadonlyArray<{ name: string, path: string, write?: Buffer, reset?: true, answers?: true, code: number, errors?: number, invalid?: number }> = [
  { name: 'the peer closes', path: '/echo', write: close(1000), code: 1000 },
  { name: 'the peer closes without a code', path: '/echo', write: close(), code: 1005 },
  { name: 'the peer closes with a code of its own', path: '/echo', write: close(4999), code: 4999 },
  { name: 'the peer resets', path: '/echo', reset: true, code: 1006, errors: 1 },
  { name: 'the peer breaks a rule', path: '/echo', write: encodeFrame({ opcode: 3 }), code: 1002, errors: 1 },
  { name: 'text that is not UTF-8', path: '/echo', write: encodeFrame({ opcode: 1, payload: Buffer.from([0xff]) }), code: 1007, errors: 1 },
  { name: 'an invalid message', path: '/typed', write: text('{}'), answers: true, code: 1008, errors: 1, invalid: 1 },
  { name: 'T50 a listener that throws', path: '/throws', write: text('x'), answers: true, code: 1011, errors: 1 },
  { name: 'T50 a handler that rejects', path: '/rejects', answers: true, code: 1011, errors: 1 },
  { name: 'this side closes', path: '/goodbye', answers: true, code: 4321 },
  { name: 'this side closes and the peer does not answer', path: '/goodbye', code: 1006 }
]

for (const { name, path, write, reset, answers, code, errors = 0, invalid = 0 } of endings) {
  t.test(`T56 at every moment opened is active and all closes together: ${name}`, async (t) => {
    const { app, metrics, client } = await serve(t)
    const moments: string[] = []
    const watch = (): void => {
      const { opened, active, closes } = metrics()
      const sum = active + totalOf(closes)
      moments.push(`${opened} opened, ${active} active`)
      if (opened !== sum) t.fail(`${opened} opened, ${active} active, closed ${JSON.stringify(closes)}`)
      if (opened < 2 || sum - active < 1) setImmediate(watch)
    }
    watch()
    await client('/echo')
    const one = await client(path)
    if (write !== undefined) await one.write(write)
    if (reset) one.reset()
    else await until(() => one.isOver)
    if (answers) await one.write(encodeFrame({ opcode: 8, payload: one.closeFrame?.payload ?? '' }))
    if (!reset) await one.untilEnd()
    await until(() => app.websocket.connections.size === 1)
    t.match(metrics(), { opened: 2, active: 1, pending: 0, errors, invalid, slow: 0, dropped: 0 })
    t.strictSame({ ...metrics().closes }, { [code]: 1 })
    t.strictSame({ ...metrics().refused }, {})
    t.ok(new Set(moments).size >= 3, 'it was looked at in between')
  })
}

t.test('a connection whose handlers are still busy is counted as closed once its socket is gone', async (t) => {
  const { app, metrics, client } = await serve(t)
  let release = (): void => {}
  const busy = new Promise<void>((resolve) => { release = resolve })
  subscribe('fastify-typed-websocket:open', onOpen)
  t.teardown(() => unsubscribe('fastify-typed-websocket:open', onOpen))
  function onOpen (message: unknown): void {
    const { connection } = message as WebSocketDiagnostics['fastify-typed-websocket:open']
    connection.on('message', async () => await busy)
  }
  const one = await client('/echo')
  await one.write(Buffer.concat([text('a'), text('b')]))
  await until(() => metrics().messagesReceived === 2)
  one.reset()
  await until(() => metrics().active === 0)
  t.equal(app.websocket.connections.size, 1, 'its close event waits for the messages')
  t.match(metrics(), { opened: 1, active: 0, buffered: 0 })
  t.strictSame({ ...metrics().closes }, { 1006: 1 })
  release()
  await until(() => app.websocket.connections.size === 0)
  t.match(metrics(), { opened: 1, active: 0 })
  t.strictSame({ ...metrics().closes }, { 1006: 1 }, 'and once only')
})

t.test('bytes and messages each way are those that the client has counted', async (t) => {
  const { metrics, client } = await serve(t)
  const payloads = ['', 'a', 'ü'.repeat(100), 'x'.repeat(200), 'y'.repeat(70_000)]
  const frames = [
    ...payloads.map(text),
    encodeFrame({ opcode: 2, payload: Buffer.alloc(1_000) }),
    encodeFrame({ opcode: 1, payload: 'frag', fin: false }), encodeFrame({ opcode: 9, payload: 'in between' }), encodeFrame({ opcode: 0, payload: 'ment' })
  ]
  const clients = await Promise.all([1, 2, 3].map(async () => await client('/echo')))
  let written = 0
  for (const one of clients) {
    for (const frame of frames) {
      await one.write(frame)
      written += frame.length
    }
  }
  // Each answers seven messages and a ping.
  await Promise.all(clients.map(async (one) => await one.untilFrames(8)))
  const read = (): number => clients.reduce((sum, { raw }) => sum + raw.length, 0)
  t.match(metrics(), { bytesReceived: written, bytesSent: read(), messagesReceived: 21, messagesSent: 21 })

  for (const one of clients) {
    await one.write(close(1000))
    written += close(1000).length
    await one.untilEnd()
  }
  await until(() => metrics().active === 0)
  t.match(metrics(), { bytesReceived: written, bytesSent: read(), messagesReceived: 21, messagesSent: 21, buffered: 0 }, 'Close frames are counted')
})

t.test('bytes that came with the handshake count from the first behind it', async (t) => {
  const { metrics, open, opened } = await serve(t)
  const one = await open()
  one.write(Buffer.concat([Buffer.from(handshake('/echo', ['Origin: http://localhost'])), text('early')]))
  await one.until(({ text }) => text.endsWith('early'))
  t.equal(opened.length, 1)
  t.match(metrics(), { bytesReceived: text('early').length, bytesSent: 7, messagesReceived: 1, messagesSent: 1 })
})

const refusals: ReadonlyArray<{ name: string, request: string, status: number, reason: string }> = [
  { name: 'T31 an unknown path', request: handshake('/nowhere'), status: 404, reason: '404' },
  { name: 'T31 a path for HTTP', request: handshake('/http'), status: 404, reason: 'FST_WS_NO_SOCKET_ROUTE' },
  { name: 'T32 another version', request: handshake('/echo').replace('Version: 13', 'Version: 12'), status: 426, reason: 'FST_WS_UNSUPPORTED_VERSION' },
  { name: 'T32 another method', request: handshake('/echo').replace('GET', 'POST'), status: 405, reason: 'FST_WS_METHOD_NOT_ALLOWED' },
  { name: 'T36 a foreign origin', request: handshake('/echo', ['Origin: https://evil.example']), status: 403, reason: 'FST_WS_FOREIGN_ORIGIN' },
  { name: 'T39 too many', request: handshake('/one'), status: 503, reason: 'FST_WS_TOO_MANY_CONNECTIONS' },
  { name: 'T40 a hook\'s own answer', request: handshake('/forbidden'), status: 401, reason: '401' },
  { name: 'T40 a hook\'s own error: its code is nobody\'s business here', request: handshake('/busted'), status: 418, reason: '418' },
  { name: 'T38 a hook that never ends', request: handshake('/slow-hook'), status: 503, reason: 'FST_WS_HANDSHAKE_TIMEOUT' }
]

for (const { name, request, status, reason } of refusals) {
  t.test(`${name} is counted once, by its reason`, async (t) => {
    const { metrics, open, client } = await serve(t, { handshakeTimeout: 100 })
    if (reason === 'FST_WS_TOO_MANY_CONNECTIONS') await client('/one')
    const before = metrics().opened
    const one = await open()
    one.write(request)
    const [answer] = await one.untilAnswers(1)
    t.equal(answer?.statusCode, status)
    await one.untilEnd()
    t.strictSame({ ...metrics().refused }, { [reason]: 1 })
    t.match(metrics(), { opened: before, pending: 0 })
  })
}

t.test('T37 a client that leaves before its answer is counted as gone, and pending while it waits', async (t) => {
  const { metrics, open } = await serve(t)
  const clients = await Promise.all([open(), open()])
  for (const one of clients) one.write(handshake('/slow-hook'))
  await until(() => metrics().pending === 2)
  clients[0]?.reset()
  await until(() => metrics().pending === 1)
  clients[1]?.end()
  await until(() => metrics().pending === 0)
  t.strictSame({ ...metrics().refused }, { gone: 2 })
  t.match(metrics(), { opened: 0, active: 0 })
})

t.test('HTTP requests are none of all this', async (t) => {
  const { metrics, open } = await serve(t)
  const before = JSON.stringify(metrics())
  const one = await open()
  one.write(head('GET /http HTTP/1.1', ['Host: localhost', 'Connection: close']))
  t.equal((await one.untilAnswers(1))[0]?.statusCode, 200)
  const two = await open()
  two.write(head('GET /echo HTTP/1.1', ['Host: localhost', 'Connection: close']))
  t.equal((await two.untilAnswers(1))[0]?.statusCode, 426)
  t.equal(JSON.stringify(metrics()), before)
})

t.test('T53 a peer that does not read: buffered, then slow, dropped, and gone', async (t) => {
  const { app, metrics, client, opened } = await serve(t, { maxBufferedAmount: 65_536, slowConsumer: 'drop' })
  const one = await client('/echo')
  one.pause()
  await until(() => opened.length === 1)
  const [connection] = opened
  // The kernels' buffers come first.
  while (connection!.bufferedAmount <= 32_768) { // it is there
    connection!.send(Buffer.alloc(32_000))
    await new Promise((resolve) => setImmediate(resolve))
  }
  while (metrics().dropped < 3) connection!.send(Buffer.alloc(32_000))
  const { bufferedAmount } = connection!
  t.match(metrics(), { active: 1, buffered: bufferedAmount, slow: 1, dropped: 3, droppedBytes: 96_000, errors: 0 })
  const { messagesSent } = metrics()
  connection!.send(Buffer.alloc(32_000))
  t.match(metrics(), { messagesSent, dropped: 4, slow: 1 }, 'what is dropped was not sent')
  one.resume()
  await until(() => metrics().buffered === 0)
  t.match(metrics(), { slow: 1, dropped: 4 })
  one.destroy()
  await until(() => app.websocket.connections.size === 0)
})

t.test('T54 heartbeat round trips are measured, in ms', async (t) => {
  const { metrics, client } = await serve(t, { heartbeat: { interval: 30, timeout: 5_000 } })
  const one = await client('/echo')
  // Each as it comes: an answer that a newer ping has overtaken need not count.
  for (let answered = 0; metrics().latency.count < 3; answered++) {
    await one.untilFrames(answered + 1)
    const ping = one.frames[answered]
    t.equal(ping?.opcode, 9)
    if (ping === undefined) return
    await one.write(encodeFrame({ opcode: 10, payload: ping.payload }))
  }
  const { count, sum, min, max, buckets } = metrics().latency
  t.ok(min > 0 && min <= sum / count && sum / count <= max, `${min} ${sum / count} ${max}`)
  t.equal(buckets.at(-1)?.count, count)
  t.equal(metrics().messagesReceived, 0, 'pings and pongs are no messages')
})

t.test('each server counts for itself', async (t) => {
  const [one, other] = [await serve(t), await serve(t)]
  await one.client('/echo')
  t.match([one.metrics(), other.metrics()], [{ opened: 1, active: 1 }, { opened: 0, active: 0 }])
})

// Channels

type Told = Array<[name: string, message: Record<string, unknown>]>

/** Collects what is told about connections and requests of an instance, while the test runs. */
function listen (t: Test, app: FastifyInstance): Told {
  const told: Told = []
  for (const name of ['open', 'close', 'message', 'invalid', 'error', 'slow', 'limit']) {
    const listener = (message: unknown): void => {
      // All have one of the two; other tests' connections may still end.
      const { connection, request } = message as { connection?: AnyWebSocketConnection, request?: AnyWebSocketConnection['request'] }
      if ((request ?? connection?.request)?.server === app) told.push([name, message as Record<string, unknown>])
    }
    subscribe(`fastify-typed-websocket:${name}`, listener)
    t.teardown(() => unsubscribe(`fastify-typed-websocket:${name}`, listener))
  }
  return told
}

const tellings: ReadonlyArray<{ name: string, path: string, plugin?: WebSocketPluginOptions, write?: Buffer, want: Told }> = [
  {
    name: 'a message and a goodbye',
    path: '/echo',
    write: Buffer.concat([text('hi'), encodeFrame({ opcode: 2, payload: 'bin' }), close(1000)]),
    want: [['open', {}], ['message', { data: 'hi' }], ['message', { data: Buffer.from('bin') }], ['close', { code: 1000, reason: '', wasClean: true, initiator: 'remote' }]]
  },
  {
    name: 'an invalid message',
    path: '/typed',
    write: text('{"n":"x"}'),
    want: [
      ['open', {}], ['message', { data: '{"n":"x"}' }],
      ['invalid', { error: { code: 'FST_ERR_VALIDATION', closeCode: 1008 } }], ['error', { error: { code: 'FST_ERR_VALIDATION' } }],
      ['close', { code: 1006, wasClean: false, initiator: 'local' }]
    ]
  },
  {
    name: 'an invalid message that the application takes care of',
    path: '/tolerant',
    write: Buffer.concat([text('x'), close(1000)]),
    want: [['open', {}], ['message', { data: 'x' }], ['invalid', { error: { closeCode: 1007 } }], ['close', { code: 1000 }]]
  },
  {
    name: 'T50 a listener that throws',
    path: '/throws',
    write: text('x'),
    want: [['open', {}], ['message', { data: 'x' }], ['error', { error: { message: 'the handler\'s own' } }], ['close', { code: 1006, initiator: 'local' }]]
  },
  {
    name: 'T07 a broken rule',
    path: '/echo',
    write: encodeFrame({ opcode: 3 }),
    want: [['open', {}], ['error', { error: { name: 'ProtocolError', closeCode: 1002 } }], ['close', { code: 1002, initiator: 'local' }]]
  },
  {
    name: 'T57 a flood',
    path: '/echo',
    plugin: { rateLimit: { messages: 2, perSeconds: 60 } },
    write: Buffer.concat(['1', '2', '3', '4'].map(text)),
    want: [
      ['open', {}], ['message', { data: '1' }], ['message', { data: '2' }],
      ['error', { error: { code: 'FST_WS_RATE_LIMIT' } }], ['limit', { limit: 'rateLimit', error: { code: 'FST_WS_RATE_LIMIT' } }],
      ['close', { code: 1008, initiator: 'local' }]
    ]
  },
  {
    name: 'T54 a dead peer',
    path: '/echo',
    plugin: { heartbeat: { interval: 30, timeout: 30 } },
    want: [
      ['open', {}],
      ['error', { error: { code: 'FST_WS_HEARTBEAT_TIMEOUT' } }], ['limit', { limit: 'heartbeat', error: { code: 'FST_WS_HEARTBEAT_TIMEOUT' } }],
      ['close', { code: 1006, wasClean: false, initiator: 'local' }]
    ]
  }
]

for (const { name, path, plugin, write, want } of tellings) {
  t.test(`${name} is told on the channels, each thing once`, async (t) => {
    const { app, client, opened } = await serve(t, plugin)
    const told = listen(t, app)
    const one = await client(path)
    if (write !== undefined) await one.write(write)
    await one.untilEnd()
    await until(() => app.websocket.connections.size === 0)
    t.strictSame(told.map(([name]) => name), want.map(([name]) => name))
    for (const [index, [name, shape]] of want.entries()) t.match(told[index]?.[1], shape, name)
    for (const [name, message] of told) t.equal(message['connection'], opened[0], name)
    t.equal(told[0]?.[1]['request'], opened[0]?.request)
  })
}

t.test('T53 a peer that does not read is told, with counts, and the limit behind it', async (t) => {
  const { app, client, opened } = await serve(t, { maxBufferedAmount: 65_536 })
  const told = listen(t, app)
  const one = await client('/echo')
  one.pause()
  await until(() => opened.length === 1)
  const [connection] = opened
  while (connection!.readyState === connection!.OPEN) { // it is there
    connection!.send(Buffer.alloc(32_000))
    await new Promise((resolve) => setImmediate(resolve))
  }
  one.resume()
  await until(() => app.websocket.connections.size === 0)
  t.strictSame(told.map(([name]) => name).toSorted(), ['close', 'error', 'limit', 'open', 'slow'])
  const messages = Object.fromEntries(told)
  t.match(messages['slow'], { connection, dropped: 1, droppedBytes: 32_000 })
  t.ok((messages['slow']?.['bufferedAmount'] as number) > 65_536 - 32_000 - 16)
  t.match(messages['limit'], { connection, limit: 'maxBufferedAmount', error: { code: 'FST_WS_SLOW_CONSUMER' } })
})

const caps: ReadonlyArray<{ name: string, path: string, headers?: readonly string[], plugin: WebSocketPluginOptions, before?: string, limit: string, code: string }> = [
  { name: 'T36 a foreign origin', path: '/echo', headers: ['Origin: https://evil.example'], plugin: {}, limit: 'allowedOrigins', code: 'FST_WS_FOREIGN_ORIGIN' },
  { name: 'T38 a hook that never ends', path: '/slow-hook', plugin: { handshakeTimeout: 50 }, limit: 'handshakeTimeout', code: 'FST_WS_HANDSHAKE_TIMEOUT' },
  { name: 'T39 too many', path: '/echo', plugin: { maxConnections: 1 }, before: '/echo', limit: 'maxConnections', code: 'FST_WS_TOO_MANY_CONNECTIONS' },
  { name: 'T39 too many from one address', path: '/echo', plugin: { maxConnectionsPerIp: 1 }, before: '/echo', limit: 'maxConnectionsPerIp', code: 'FST_WS_TOO_MANY_CONNECTIONS_PER_IP' }
]

for (const { name, path, headers, plugin, before, limit, code } of caps) {
  t.test(`${name} is told as a limit, with the request`, async (t) => {
    const { app, client, open } = await serve(t, plugin)
    if (before !== undefined) await client(before)
    const told = listen(t, app)
    const one = await open()
    one.write(handshake(path, headers))
    await one.untilEnd()
    t.strictSame(told.map(([name]) => name), ['limit'])
    t.match(told[0]?.[1], { limit, error: { code }, request: { url: path } })
    t.notOk(Object.hasOwn(told[0]?.[1] ?? {}, 'connection'))
  })
}

t.test('T39 a flood of handshakes is told before there is a request of Fastify\'s', async (t) => {
  const { open, metrics } = await serve(t, { maxPendingHandshakes: 1, handshakeTimeout: 5_000 })
  const told: unknown[] = []
  const listener = (message: unknown): void => { told.push(message) }
  subscribe('fastify-typed-websocket:limit', listener)
  t.teardown(() => unsubscribe('fastify-typed-websocket:limit', listener))
  const [first, second] = [await open(), await open()]
  first.write(handshake('/slow-hook'))
  await until(() => metrics().pending === 1)
  second.write(handshake('/slow-hook'))
  await second.untilEnd()
  t.match(told, [{ limit: 'maxPendingHandshakes', error: { code: 'FST_WS_TOO_MANY_HANDSHAKES' } }])
  t.equal(told.length, 1)
})

// Logs

const faults: ReadonlyArray<{ name: string, path: string, plugin?: WebSocketPluginOptions, write?: Buffer, reset?: true, level: number, code?: string }> = [
  { name: 'T58 text that is not JSON', path: '/typed', write: text(SECRET), level: 30, code: 'FST_ERR_VALIDATION' },
  { name: 'T58 nearly JSON', path: '/typed', write: text(`{"n":1,"password":${SECRET}}`), level: 30, code: 'FST_ERR_VALIDATION' },
  { name: 'T58 a key that poisons', path: '/typed', write: text(`{"__proto__":"${SECRET}"}`), level: 30, code: 'FST_ERR_VALIDATION' },
  { name: 'a value that does not fit', path: '/typed', write: text(`{"n":1,"password":"${SECRET}"}`), level: 30, code: 'FST_ERR_VALIDATION' },
  { name: 'bytes where text is due', path: '/typed', write: encodeFrame({ opcode: 2, payload: SECRET }), level: 30, code: 'FST_ERR_VALIDATION' },
  { name: 'T07 a broken rule', path: '/echo', write: encodeFrame({ opcode: 3, payload: SECRET }), level: 30, code: 'FST_WS_RESERVED_OPCODE' },
  { name: 'T08 text that is not UTF-8', path: '/echo', write: encodeFrame({ opcode: 1, payload: Buffer.from(`${SECRET}\xff`, 'latin1') }), level: 30, code: 'FST_WS_INVALID_UTF8' },
  { name: 'T01 a message too large', path: '/echo', plugin: { maxPayload: 10 }, write: text(SECRET), level: 30, code: 'FST_WS_TOO_BIG' },
  { name: 'T57 a flood', path: '/echo', plugin: { rateLimit: { messages: 1, perSeconds: 60 } }, write: Buffer.concat([text(SECRET), text(SECRET)]), level: 30, code: 'FST_WS_RATE_LIMIT' },
  { name: 'T54 a dead peer', path: '/echo', plugin: { heartbeat: { interval: 30, timeout: 30 } }, write: text(SECRET), level: 30, code: 'FST_WS_HEARTBEAT_TIMEOUT' },
  { name: 'a reset', path: '/echo', write: text(SECRET), reset: true, level: 30, code: 'ECONNRESET' },
  { name: 'T50 a listener that throws', path: '/throws', write: text(SECRET), level: 50 },
  { name: 'T50 a handler that rejects', path: '/rejects', level: 50 }
]

for (const { name, path, plugin, write, reset, level, code } of faults) {
  t.test(`${name} is one line of the connection's own log, without a word of the peer's`, async (t) => {
    const { app, client, logs, opened } = await serve(t, plugin)
    const headers = [`Authorization: Bearer ${SECRET}`, `Cookie: session=${SECRET}`, `Sec-WebSocket-Protocol: bearer, ${SECRET}`]
    const one = await client(path, headers)
    if (write !== undefined) await one.write(write)
    if (reset) {
      // The echo is read by then: nothing else is under way.
      await one.untilFrames(1)
      one.reset()
    } else await one.untilEnd()
    await until(() => app.websocket.connections.size === 0)
    const lines = logs.filter((line) => 'connId' in line)
    t.match(lines, [{ level, connId: opened[0]?.id, reqId: opened[0]?.request.id, msg: /WebSocket/, err: code === undefined ? { message: 'the handler\'s own' } : { code } }])
    t.equal(lines.length, 1)
    t.strictSame(logs.filter((line) => line.level >= 40 && !lines.includes(line)), [], 'nobody else complains')
    t.notMatch(JSON.stringify(logs), NEEDLE)
  })
}

t.test('a healthy connection writes no line of ours', async (t) => {
  const { app, client, logs } = await serve(t)
  const one = await client('/echo')
  await one.write(Buffer.concat([text(SECRET), close(1000)]))
  await one.untilEnd()
  await until(() => app.websocket.connections.size === 0)
  t.strictSame(logs.filter(({ msg }) => !/Server listening|incoming request|request completed/.test(msg)), [])
  t.notMatch(JSON.stringify(logs), NEEDLE)
})

t.test('the connection\'s logger is made when it is needed, and once', async (t) => {
  const { app, client } = await serve(t)
  const made: unknown[] = []
  const onOpen = (message: unknown): void => {
    const { request: { log } } = message as WebSocketDiagnostics['fastify-typed-websocket:open']
    const child = log.child.bind(log)
    log.child = (bindings, options) => {
      made.push(bindings)
      return child(bindings, options)
    }
  }
  subscribe('fastify-typed-websocket:open', onOpen)
  t.teardown(() => unsubscribe('fastify-typed-websocket:open', onOpen))
  const healthy = await client('/echo')
  await healthy.write(Buffer.concat([text('x'), close(1000)]))
  await healthy.untilEnd()
  t.strictSame(made, [])
  const faulty = await client('/throws')
  await faulty.write(Buffer.concat([text('x'), text('y')]))
  await faulty.untilEnd()
  await until(() => app.websocket.connections.size === 0)
  t.match(made, [{ connId: String }])
  t.equal(made.length, 1)
})

const tokens: ReadonlyArray<{ name: string, plugin?: WebSocketPluginOptions, leaves?: true }> = [
  { name: 'T37 a client that leaves while hooks run', leaves: true },
  { name: 'T38 a hook that never ends', plugin: { handshakeTimeout: 50 } }
]

for (const { name, plugin, leaves } of tokens) {
  t.test(`${name}: a token in the query is in no line of ours`, async (t) => {
    const { open, metrics, logs } = await serve(t, plugin)
    const one = await open()
    one.write(handshake(`/slow-hook?token=${SECRET}`))
    if (leaves) {
      await until(() => metrics().pending === 1)
      one.reset()
    }
    await until(() => totalOf(metrics().refused) === 1)
    const lines = logs.filter(({ msg }) => /WebSocket handshake/.test(msg))
    t.match(lines, [{ url: '/slow-hook' }])
    t.equal(lines.length, 1)
    t.notMatch(JSON.stringify(lines), NEEDLE)
  })
}
