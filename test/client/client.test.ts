// The client by the engine of this package, against a real server; what is of one platform alone is in the tests of its wire.
import { once } from 'node:events'
import t from 'tap'
import type { Test } from 'tap'
import { Type } from '@sinclair/typebox'
import { connect } from '../../lib/client/node.ts'
import type { ClientClose, ClientError, ClientRetry, ClientSocket, ConnectOptions } from '../../lib/client/node.ts'
import { typebox } from '../../lib/client/typebox.ts'
import { defineTopic, defineWebSocket } from '../../lib/contract.ts'
import { until } from '../helpers/app.ts'
import { ControlServer } from '../helpers/control-server.ts'
import type { ControlServerOptions } from '../helpers/control-server.ts'
import { takeEscaped } from '../helpers/guard.ts'

const Said = Type.Object({ type: Type.Literal('said'), text: Type.String() })
const Left = Type.Object({ type: Type.Literal('left'), who: Type.String() })
const chat = defineWebSocket({
  url: '/chat/:room',
  schema: {
    params: Type.Object({ room: Type.String() }),
    websocket: {
      receive: Said,
      send: Type.Union([Said, Left]),
      requests: { add: { request: Type.Object({ a: Type.Number(), b: Type.Number() }), reply: Type.Number() }, wait: {} }
    }
  }
})
const raw = defineWebSocket({ url: '/raw' })
const room = defineTopic({ name: 'room/:room', schema: Said })

const QUICK = { minDelay: 1, maxDelay: 20 }

interface Setup {
  readonly server: ControlServer
  readonly socket: ClientSocket<typeof chat>
}

async function setUp (t: Test, options: Partial<ConnectOptions<typeof chat>> = {}, serverOptions: ControlServerOptions = {}): Promise<Setup> {
  const server = await ControlServer.start(t, serverOptions)
  return { server, socket: open(t, server, options) }
}

function open (t: Test, server: ControlServer, options: Partial<ConnectOptions<typeof chat>> = {}): ClientSocket<typeof chat> {
  const socket = connect(chat, { baseUrl: server.url, params: { room: 'a' }, reconnect: QUICK, ...options })
  t.teardown(async () => {
    socket.close()
    await socket.closed
  })
  return socket
}

function next<T = unknown> (socket: ClientSocket<typeof chat>, event: 'message' | 'open' | 'reconnecting' | 'error' | 'close'): Promise<T> {
  // The events' types differ; what is wanted says the caller.
  return new Promise((resolve) => { socket.once(event as 'error', resolve as () => void) })
}

const said = (text: string): { type: 'said', text: string } => ({ type: 'said', text })

t.test('messages both ways, by all that listen', async (t) => {
  const { server, socket } = await setUp(t)
  server.onMessage = (message) => server.send(message)
  t.equal(socket.state, 'connecting')
  await socket.opened
  t.equal(socket.state, 'open')
  const heard: unknown[] = []
  const off = (): void => { heard.push('off') }
  socket.on('message', (message, isBinary) => { heard.push([message, isBinary]) }).on('message:said', ({ text }) => { heard.push(text) })
  socket.handle({ said: ({ text }) => heard.push(`handle ${text}`), left () {} })
  socket.once('message', () => heard.push('once')).on('message', off).off('message', off).once('message', off).off('message', off)
  t.equal(socket.send(said('hi')), true, 'handed over')
  await until(() => heard.length === 4)
  t.strictSame(heard, [[said('hi'), false], 'handle hi', 'once', 'hi'])
  socket.send(said('ho'))
  await until(() => heard.length === 7)
  t.strictSame(server.received, [said('hi'), said('ho')])
})

t.test('close: code and reason, both promises, and nothing goes on', async (t) => {
  const { server, socket } = await setUp(t)
  await socket.opened
  const closed = new Promise<unknown[]>((resolve) => { socket.on('close', (...args) => resolve(args)) })
  socket.close(4000, 'enough')
  t.equal(socket.state, 'closing')
  t.throws(() => socket.send(said('late')), { code: 'FST_WS_CLIENT_CLOSED' })
  const end = { code: 4000, reason: 'enough', wasClean: true, initiator: 'local', unsent: 0 }
  t.match(await closed, [4000, 'enough', end])
  t.match(await socket.closed, end)
  t.equal(socket.state, 'closed')
  await t.rejects(socket.opened, { code: 'FST_WS_CLIENT_CLOSED' })
  await t.rejects(socket.request('wait'), { code: 'FST_WS_CLIENT_CLOSED', sent: false })
  await t.rejects(socket.subscribe('a'), { code: 'FST_WS_CLIENT_CLOSED' })
  t.throws(() => socket.send(said('later')), { code: 'FST_WS_CLIENT_CLOSED' })
  socket.close()
  await until(() => server.connections.size === 0)
  t.throws(() => connect(raw, { baseUrl: server.url, signal: AbortSignal.abort() }).send('x'), { code: 'FST_WS_CLIENT_CLOSED' })
})

t.test('close with what no close frame can have throws, and closes nothing', async (t) => {
  const { socket } = await setUp(t)
  await socket.opened
  t.throws(() => socket.close(1006), { code: 'FST_WS_INVALID_CLOSE_CODE' })
  t.throws(() => socket.close(4000, 'x'.repeat(124)), { code: 'FST_WS_REASON_TOO_LONG' })
  t.equal(socket.state, 'open')
})

t.test('nothing is lost before the first listener, and messages keep their order behind slow handlers', async (t) => {
  const { server, socket } = await setUp(t)
  server.onConnection = (connection) => { for (const text of ['1', '2', '3']) connection.send(JSON.stringify(said(text))) }
  await socket.opened
  await new Promise((resolve) => setTimeout(resolve, 20))
  const heard: string[] = []
  let running = 0
  socket.on('message:said', async ({ text }) => {
    running++
    t.equal(running, 1)
    await new Promise((resolve) => setTimeout(resolve, 3 - Number(text)))
    running--
    heard.push(text)
  })
  await until(() => heard.length === 3)
  t.strictSame(heard, ['1', '2', '3'])
})

t.test('for await pulls over all connections, and ends with the client', async (t) => {
  const { server, socket } = await setUp(t)
  const heard: unknown[] = []
  server.onConnection = (connection) => { connection.send(JSON.stringify(said(String(server.requests.length)))) }
  for await (const message of socket) {
    heard.push(message)
    if (heard.length === 1) server.cut()
    if (heard.length === 2) break
  }
  t.strictSame(heard, [said('1'), said('2')])
  t.equal(socket.state, 'open', 'leaving the loop leaves it open')
  const rest: unknown[] = []
  const loop = (async () => { for await (const message of socket) rest.push(message) })()
  server.send(said('3'))
  for (const connection of server.connections) connection.close(1000, 'done')
  await loop
  t.strictSame(rest, [said('3')], 'what came before the end is pulled')
  t.match(await socket.closed, { code: 1000, reason: 'done', initiator: 'remote', wasClean: true })
})

t.test('the queue: order, no duplicates, limits', async (t) => {
  const { server, socket } = await setUp(t, { queue: { messages: 3, bytes: 200 } })
  t.equal(socket.send(said('1')), false, 'it waits')
  socket.send(said('2'))
  const reply = socket.request('add', { a: 1, b: 2 })
  server.methods['add'] = ({ a, b }: { a: number, b: number }) => { server.received.push('add'); return a + b }
  t.equal(socket.queued, 3)
  t.throws(() => socket.send(said('4')), { code: 'FST_WS_CLIENT_QUEUE_FULL', message: /^queue full: 3 messages/ })
  await t.rejects(socket.request('wait'), { code: 'FST_WS_CLIENT_QUEUE_FULL', sent: false })
  await socket.opened
  t.equal(socket.send(said('5')), true)
  t.equal(await reply, 3)
  await until(() => server.received.length === 4)
  t.strictSame(server.received, [said('1'), said('2'), 'add', said('5')])
  server.cut()
  await next(socket, 'reconnecting')
  t.throws(() => socket.send(said('x'.repeat(200))), { code: 'FST_WS_CLIENT_QUEUE_FULL' }, 'bytes count as well')
  socket.send(said('6'))
  await until(() => server.received.length === 5)
  t.strictSame(server.received.at(-1), said('6'))
})

t.test('what was never sent is counted at the end', async (t) => {
  const { socket } = await setUp(t)
  socket.send(said('1'))
  const reply = socket.request('wait')
  socket.close()
  await t.rejects(reply, { code: 'FST_WS_CLIENT_CLOSED', sent: false })
  t.match(await socket.closed, { code: 1000, wasClean: false, initiator: 'local', unsent: 2 })
})

t.test('an open connection takes no more than queue.bytes ahead of its server', async (t) => {
  const { server, socket } = await setUp(t, { queue: { bytes: 1_000_000 }, closeTimeout: 50 })
  server.onConnection = (connection) => connection.pause()
  await socket.opened
  await until(() => server.connections.size === 1)
  let taken = 0
  t.throws(() => { for (;;) { socket.send(said('x'.repeat(500_000))); taken++ } }, { code: 'FST_WS_CLIENT_QUEUE_FULL' })
  t.ok(taken >= 2, `${taken} messages`)
})

t.test('requests: replies, errors as they are, timeouts, signals', async (t) => {
  const { server, socket } = await setUp(t)
  server.methods['add'] = ({ a, b }: { a: number, b: number }) => {
    if (b === 0) throw { code: 'NO_ZERO', message: 'not with zero', statusCode: 400, validation: [{ instancePath: '/b' }] } // eslint-disable-line no-throw-literal
    return new Promise((resolve) => setTimeout(() => resolve(a + b), 10 - a))
  }
  server.methods['wait'] = () => new Promise(() => {})
  t.strictSame(await Promise.all([socket.request('add', { a: 1, b: 2 }), socket.request('add', { a: 5, b: 2 })]), [3, 7], 'each its own, in whatever order they come')
  await t.rejects(socket.request('add', { a: 1, b: 0 }), { name: 'RequestError', code: 'NO_ZERO', message: 'not with zero', statusCode: 400, validation: [{ instancePath: '/b' }] })
  await t.rejects(socket.request('wait', undefined, { timeout: 10 }), { name: 'ClientError', code: 'FST_WS_CLIENT_TIMEOUT', sent: true })
  const reason = new Error('changed my mind')
  const aborter = new AbortController()
  const aborted = t.rejects(socket.request('wait', undefined, { signal: aborter.signal }), reason)
  aborter.abort(reason)
  await aborted
  await t.rejects(socket.request('wait', undefined, { signal: aborter.signal }), reason)
  server.send({ type: 'ws:reply', id: 12_345, payload: 'nobody asked' })
  server.send({ type: 'ws:error', error: { code: 'ODD', message: 'by the way' } })
  t.match(await next(socket, 'error'), { name: 'RequestError', code: 'ODD', message: 'by the way' })
})

t.test('a server that sends back what it gets has answered nothing', async (t) => {
  const { server, socket } = await setUp(t)
  server.methods['wait'] = () => new Promise(() => {})
  const question = t.rejects(socket.request('wait', undefined, { timeout: 50 }), { code: 'FST_WS_CLIENT_TIMEOUT', sent: true })
  await until(() => server.controls.length > 0)
  for (const control of server.controls) server.send(control)
  await question
})

t.test('a request that timed out before it was sent is not sent', async (t) => {
  const server = await ControlServer.start(t)
  await server.close()
  const socket = open(t, server)
  const failed = t.rejects(socket.request('wait', undefined, { timeout: 20 }), { code: 'FST_WS_CLIENT_TIMEOUT', sent: false })
  socket.send(said('after'))
  await failed
  t.equal(socket.queued, 1)
  await server.open()
  await until(() => server.received.length === 1)
  t.strictSame(server.controls, [])
})

t.test('requests and a connection that breaks: what was sent is told so, what was not goes by the next one', async (t) => {
  const { server, socket } = await setUp(t)
  server.methods['wait'] = () => new Promise(() => {})
  server.methods['add'] = () => 0
  await socket.opened
  const sent = t.rejects(socket.request('wait'), { code: 'FST_WS_CLIENT_LOST', sent: true })
  await until(() => server.controls.length === 1)
  server.cut()
  await sent
  t.equal(await socket.request('add', { a: 1, b: 1 }), 0)
  t.equal(server.controls.length, 2)
})

t.test('a handler may await a request: the reply does not wait behind other messages', async (t) => {
  const { server, socket } = await setUp(t)
  server.methods['add'] = ({ a, b }: { a: number, b: number }) => a + b
  const sums: number[] = []
  socket.on('message:said', async ({ text }) => { sums.push(await socket.request('add', { a: Number(text), b: 1 })) })
  await socket.opened
  // More than the client takes in before it lets its server wait.
  for (let n = 0; n < 300; n++) server.send(said(String(n)))
  await until(() => sums.length === 300)
  t.strictSame(sums, Array.from({ length: 300 }, (_, n) => n + 1))
})

t.test('slow handlers let the server wait', async (t) => {
  const { server, socket } = await setUp(t)
  let release = (): void => {}
  let count = 0
  socket.on('message', () => {
    count++
    return count === 1 ? new Promise<void>((resolve) => { release = resolve }) : undefined
  })
  await socket.opened
  const text = 'x'.repeat(100_000)
  const [connection] = server.connections
  let sent = 0
  for (; sent < 500 && connection!.bufferedAmount < 900_000; sent++) {
    server.send(said(text))
    await new Promise((resolve) => setImmediate(resolve))
  }
  t.ok(connection!.bufferedAmount > 0, `${connection!.bufferedAmount} bytes wait at the server after ${sent} messages`)
  release()
  await until(() => count === sent)
})

t.test('subscriptions: confirmed, typed parameters, shared, left', async (t) => {
  const { server, socket } = await setUp(t)
  const heard: unknown[] = []
  const first = await socket.subscribe(room, { room: 'a' }, (message) => { heard.push(message.text) }, { data: { nick: 'ann' } })
  t.equal(first.topic, 'room/a')
  t.match(server.controls, [{ type: 'ws:subscribe', topic: 'room/a', data: { nick: 'ann' } }])
  const second = await socket.subscribe(room, { room: 'a' })
  server.publish('room/a', said('early'))
  await until(() => heard.length === 1)
  second.on('message', ({ text }) => { heard.push(`second ${text}`) })
  await until(() => heard.length === 2)
  t.strictSame(heard, ['early', 'second early'], 'what came before the first listener is kept')
  t.equal(server.controls.length, 1, 'the server is asked once')
  second.on('join', ({ id }) => { heard.push(`join ${id}`) }).on('leave', ({ id }) => { heard.push(`leave ${id}`) })
  server.send({ type: 'ws:join', topic: 'room/a', member: { id: 'x', data: 1 } })
  await until(() => heard.length === 3)
  t.strictSame(first.members, [{ id: 'x', data: 1 }])
  server.send({ type: 'ws:leave', topic: 'room/a', member: { id: 'x' } })
  await until(() => heard.length === 4)
  t.strictSame(second.members, [])
  await first.unsubscribe()
  t.equal(server.controls.length, 1, 'another still listens')
  await second.unsubscribe()
  await second.unsubscribe()
  t.match(server.controls[1], { type: 'ws:unsubscribe', topic: 'room/a' })
  await t.rejects(socket.subscribe(room, { room: 'a/b' }), { code: 'FST_WS_CLIENT_OPTION', message: 'option: params.room is "a/b"' })
  await t.rejects(socket.subscribe('secret'), { name: 'RequestError', code: 'FORBIDDEN', statusCode: 403 })
  const plain = await socket.subscribe('news', (message) => { heard.push(message) })
  server.publish('news', 1)
  await until(() => heard.length === 5)
  await plain.unsubscribe()
  const loop = await socket.subscribe('news')
  server.publish('news', 2)
  for await (const message of loop) {
    t.equal(message, 2)
    await loop.unsubscribe()
  }
})

t.test('publish: acknowledged, with its place, or refused', async (t) => {
  const { server, socket } = await setUp(t, {}, { history: ['room/a'] })
  const other = open(t, server)
  const heard = new Promise((resolve) => { void other.subscribe(room, { room: 'a' }, resolve) })
  await until(() => server.controls.length === 1)
  t.match(await socket.publish(room, { room: 'a' }, said('hi')), { epoch: /^e/, offset: 1 })
  t.strictSame(await heard, said('hi'))
  t.strictSame(await socket.publish('news', 1), { epoch: undefined, offset: undefined })
})

t.test('topic messages do not wait behind a busy handler', async (t) => {
  const { server, socket } = await setUp(t)
  socket.on('message', () => new Promise(() => {}))
  await socket.opened
  server.send(said('never done'))
  const heard = new Promise((resolve) => { void socket.subscribe('news', resolve) })
  await until(() => server.controls.length === 1)
  server.publish('news', 'through')
  t.equal(await heard, 'through')
})

t.test('subscriptions are renewed from where they were', async (t) => {
  const { server, socket } = await setUp(t, {}, { history: ['kept', 'forgotten'] })
  const heard: unknown[] = []
  const events: unknown[] = []
  socket.on('recovered', (topic) => { events.push(`recovered ${topic}`) }).on('lost', (topic) => { events.push(`lost ${topic}`) })
  const kept = await socket.subscribe('kept', (message) => { heard.push(message) })
  const forgotten = await socket.subscribe('forgotten', (message) => { heard.push(message) })
  await socket.subscribe('unkept', (message) => { heard.push(message) })
  kept.on('recovered', () => events.push('own recovered'))
  forgotten.on('lost', () => events.push('own lost'))
  server.publish('kept', 1)
  server.publish('forgotten', 'a')
  await until(() => heard.length === 2)
  server.cut()
  await next(socket, 'reconnecting')
  server.publish('kept', 2)
  server.publish('kept', 3)
  server.forget('forgotten')
  await until(() => events.length === 5 && heard.length === 4)
  t.strictSame(events, ['own recovered', 'recovered kept', 'own lost', 'lost forgotten', 'lost unkept'])
  t.strictSame(heard, [1, 'a', 2, 3])
  const asked = server.controls.slice(-3)
  t.match(asked[0]?.['since'], { epoch: /^e/, offset: 1 })
  t.strictSame(asked[2]?.['since'], undefined)
  server.publish('forgotten', 'b')
  await until(() => heard.length === 5)
})

t.test('a subscription that is refused when it is renewed ends, and is told', async (t) => {
  const { server, socket } = await setUp(t)
  const subscription = await socket.subscribe('news')
  const error = new Promise((resolve) => { subscription.on('error', resolve) })
  const told = next(socket, 'error')
  server.answers = false
  server.cut()
  await until(() => server.controls.length === 2)
  server.send({ type: 'ws:error', id: server.controls[1]?.id, error: { code: 'FORBIDDEN', message: 'no more' } })
  t.match(await error, { name: 'RequestError', code: 'FORBIDDEN' })
  t.equal(await told, await error)
  for await (const message of subscription) t.fail(String(message))
})

t.test('a subscription that the server ends is over, and is not asked for again', async (t) => {
  const { server, socket } = await setUp(t)
  const subscription = await socket.subscribe('news')
  const error = new Promise((resolve) => { subscription.on('error', resolve) })
  const told = next(socket, 'error')
  server.send({ type: 'ws:error', topic: 'news', error: { code: 'FST_WS_TOPIC_FORBIDDEN', message: 'out' } })
  t.match(await error, { name: 'RequestError', code: 'FST_WS_TOPIC_FORBIDDEN', message: 'out' })
  t.equal(await told, await error)
  for await (const message of subscription) t.fail(String(message))
  const opened = next(socket, 'open')
  server.cut()
  await opened
  await socket.subscribe('other')
  t.strictSame(server.controls.map(({ topic }) => topic), ['news', 'other'])
})

t.test('a subscription that was asked for while there was no connection, and one that was under way when it broke', async (t) => {
  const { server, socket } = await setUp(t)
  server.answers = false
  const subscribed = Promise.all([socket.subscribe('a'), socket.subscribe('b')])
  await until(() => server.controls.length === 2)
  server.answers = true
  server.cut()
  await subscribed
  t.strictSame(server.controls.map(({ topic }) => topic), ['a', 'b', 'a', 'b'])
})

t.test('subscriptions that wait when the client closes are rejected', async (t) => {
  const { server, socket } = await setUp(t)
  server.answers = false
  const subscribed = t.rejects(socket.subscribe('a'), { code: 'FST_WS_CLIENT_CLOSED' })
  await until(() => server.controls.length === 1)
  socket.close()
  await subscribed
})

t.test('a raw contract: texts and bytes as they are, controls apart', async (t) => {
  const server = await ControlServer.start(t)
  const socket = connect(raw, { baseUrl: server.url, reconnect: false })
  t.teardown(() => socket.close())
  const heard: unknown[] = []
  socket.on('message', (message, isBinary) => { heard.push([message, isBinary]) })
  await socket.opened
  server.methods['any'] = () => 1
  for (const text of ['plain', '{"a":1}', 'not "ws: json', '"ws:x"']) for (const connection of server.connections) connection.send(text)
  for (const connection of server.connections) connection.send(Buffer.from([1, 2]))
  await until(() => heard.length === 5)
  t.strictSame(heard, [['plain', false], ['{"a":1}', false], ['not "ws: json', false], ['"ws:x"', false], [new Uint8Array([1, 2]).buffer, true]])
  socket.send('"text"')
  socket.send(new Uint8Array([0, 1, 2]).subarray(1))
  socket.send(new Uint8Array([3]).buffer)
  await until(() => server.received.length === 3)
  t.strictSame(server.received, ['text', Buffer.from([1, 2]), Buffer.from([3])])
  t.throws(() => socket.send({} as string), { code: 'FST_WS_CLIENT_INVALID_SEND' })
  const news = await socket.subscribe('news', (message) => { heard.push(message) })
  server.publish('news', 'n')
  await until(() => heard.length === 6)
  t.equal(heard[5], 'n')
  await news.unsubscribe()
})

t.test('binary: true lets bytes through beside the messages, also from the queue', async (t) => {
  const server = await ControlServer.start(t)
  const both = defineWebSocket({ url: '/both', schema: { websocket: { receive: Said, send: Said } }, websocket: { binary: true } })
  const socket = connect(both, { baseUrl: server.url })
  t.teardown(() => socket.close())
  const bytes = new Uint8Array([1, 2])
  socket.send(bytes)
  bytes.fill(9)
  socket.send(said('x'))
  const heard: unknown[] = []
  socket.handle({ said: (message) => { heard.push(message) } }).on('message', (message) => { if (message instanceof ArrayBuffer) heard.push(message) })
  await until(() => server.received.length === 2)
  t.strictSame(server.received, [Buffer.from([1, 2]), said('x')], 'what waits was copied')
  server.send(Buffer.from([7]))
  server.send(said('y'))
  await until(() => heard.length === 2)
  t.strictSame(heard, [new Uint8Array([7]).buffer, said('y')])
})

const invalid = [
  { name: 'not JSON', data: 'nonsense', code: 4007, message: /not JSON/ },
  { name: 'binary', data: Buffer.from([1]), code: 4003, message: /binary/ },
  { name: 'not in the schema', data: '{"type":"said","text":1}', code: 4008, message: /message\/text Expected string/ },
  { name: 'null', data: 'null', code: 4008, message: /message/ }
]

for (const { name, data, code, message } of invalid) {
  t.test(`an invalid message (${name}) ends the client, unless somebody takes over`, async (t) => {
    const { server, socket } = await setUp(t, { validate: typebox() })
    await socket.opened
    await until(() => server.connections.size === 1)
    const ended = new Promise((resolve) => { for (const connection of server.connections) connection.on('close', resolve) })
    for (const connection of server.connections) connection.send(data)
    const error = await next<ClientError>(socket, 'error')
    t.match(error, { code: 'FST_WS_CLIENT_INVALID_MESSAGE', message })
    t.match(await socket.closed, { initiator: 'local', error, code })
    t.equal(await ended, code)
    const patient = open(t, server, { validate: typebox() })
    const heard: unknown[] = []
    patient.on('invalid', (error) => { heard.push(error.message) }).on('message', (message) => { heard.push(message) })
    await patient.opened
    await until(() => server.connections.size === 1)
    for (const connection of server.connections) connection.send(data)
    server.send(said('fine'))
    await until(() => heard.length === 2)
    t.match(heard, [message, said('fine')])
  })
}

t.test('with validate nothing leaves that does not fit', async (t) => {
  const { server, socket } = await setUp(t, { validate: typebox() })
  server.methods['add'] = () => 'three'
  t.throws(() => socket.send({ type: 'said', text: 1 } as never), { code: 'FST_WS_CLIENT_INVALID_SEND', message: 'invalid send: message/text Expected string', validation: [{ keyword: 'type' }] })
  await t.rejects(socket.request('add', { a: 1 } as never), { code: 'FST_WS_CLIENT_INVALID_SEND' })
  await t.rejects(socket.publish(room, { room: 'a' }, { type: 'left' } as never), { code: 'FST_WS_CLIENT_INVALID_SEND' })
  await t.rejects(socket.request('add', { a: 1, b: 2 }), { code: 'FST_WS_CLIENT_INVALID_MESSAGE', message: /Expected number/ })
  socket.on('invalid', ({ message }) => { heard.push(message) })
  const heard: unknown[] = []
  await socket.subscribe(room, { room: 'a' }, ({ text }) => { heard.push(text) })
  server.publish('room/a', { type: 'left' })
  server.publish('room/a', said('fine'))
  await until(() => heard.length === 2)
  t.match(heard, [/message/, 'fine'])
})

t.test('what listeners throw goes to error, and without one to the process', async (t) => {
  const { server, socket } = await setUp(t)
  await socket.opened
  const errors: unknown[] = []
  const listen = (error: Error): void => { errors.push(error.message) }
  socket.on('error', listen)
  socket.on('message:said', () => { throw new Error('thrown') }).on('message:said', async () => { throw 'rejected' }) // eslint-disable-line no-throw-literal
  socket.handle({ said () {} } as never)
  server.send(said('x'))
  server.send({ type: 'other' })
  await until(() => errors.length === 3)
  t.strictSame(errors, ['thrown', 'rejected', 'no handler: other'])
  await socket.subscribe('news', () => { throw new Error('of a topic') })
  server.publish('news', 1)
  await until(() => errors.length === 4)
  socket.off('error', listen)
  t.strictSame(await takeEscaped(), [])
  const caught = once(process, 'uncaughtException')
  server.send({ type: 'other' })
  t.match(await caught, [{ message: 'no handler: other' }])
  t.equal((await takeEscaped()).length, 1)
  socket.on('error', () => { throw new Error('of error itself') })
  const again = once(process, 'uncaughtException')
  server.send({ type: 'other' })
  t.match(await again, [{ message: 'of error itself' }])
  t.equal((await takeEscaped()).length, 1)
})

t.test('messages that nobody listens for are kept up to a thousand', async (t) => {
  const { server, socket } = await setUp(t)
  await socket.opened
  const errors: string[] = []
  socket.on('error', (error) => { errors.push(error.message) })
  for (let n = 0; n < 1_002; n++) server.send(said(String(n)))
  await until(() => errors.length === 2)
  t.strictSame(errors, ['unheard: message', 'unheard: message'])
  let count = 0
  socket.on('message', () => { count++ })
  await until(() => count === 1_000)
})

t.test('options per attempt: each is asked anew', async (t) => {
  let attempts = 0
  const { server, socket } = await setUp(t, {
    params: async () => ({ room: `room ${++attempts}` }),
    query: () => ({ nick: `n${attempts}`, tag: ['a', 'b'] }),
    headers: async () => ({ 'x-attempt': String(attempts) }),
    auth: async () => `token-${attempts}`
  })
  await socket.opened
  await until(() => server.requests.length === 1)
  server.cut()
  await until(() => server.requests.length === 2)
  t.match(server.requests[1], { url: '/chat/room%202?nick=n2&tag=a&tag=b', headers: { 'x-attempt': '2', authorization: 'Bearer token-2' } })
})

t.test('a function of the options that throws is a failed attempt', async (t) => {
  let calls = 0
  const socket = open(t, await ControlServer.start(t), { auth: () => { if (++calls < 3) throw new Error('token endpoint is down'); return 'x' } })
  t.match(await next<ClientRetry>(socket, 'reconnecting'), { attempt: 1, code: 1006, error: { message: 'token endpoint is down' } })
  await socket.opened
  t.equal(calls, 3)
})

t.test('pings by messages: answered, and a silent server is given up', async (t) => {
  const { server, socket } = await setUp(t, { ping: { application: true, interval: 15, timeout: 500 } })
  await socket.opened
  await until(() => server.controls.filter(({ type }) => type === 'ws:ping').length === 3)
  t.equal(server.requests.length, 1)
  server.answers = false
  const retry = await next<ClientRetry>(socket, 'reconnecting')
  t.match(retry, { code: 1006, error: { code: 'FST_WS_CLIENT_SILENT' } })
})

t.test('an aborted signal ends it in every state', async (t) => {
  const server = await ControlServer.start(t)
  const reason = new Error('page left')
  const states: Array<(socket: ClientSocket<typeof chat>) => unknown> = [
    () => {},
    (socket) => socket.opened,
    async (socket) => {
      await socket.opened
      socket.close()
    },
    (socket) => socket.opened.then(() => { server.cut(); return next(socket, 'reconnecting') })
  ]
  const names: string[] = []
  for (const reach of states) {
    const aborter = new AbortController()
    const socket = open(t, server, { signal: aborter.signal, reconnect: { minDelay: 60_000, maxDelay: 60_000 } })
    const pending = t.rejects(socket.opened.then(() => socket.request('wait')))
    await reach(socket)
    names.push(socket.state)
    const told = next<number>(socket, 'close')
    aborter.abort(reason)
    t.equal(socket.state, 'closed')
    t.equal(await told, 1006)
    t.match(await socket.closed, { code: 1006, initiator: 'local', error: reason })
    await t.rejects(socket.opened, reason)
    await pending
  }
  t.strictSame(names, ['connecting', 'open', 'closing', 'waiting'])
  await until(() => server.connections.size === 0)
  const aborted = open(t, server, { signal: AbortSignal.abort(reason) })
  t.equal(aborted.state, 'closed')
  await t.rejects(aborted.opened, reason)
})

t.test('terminal ends, and their options', async (t) => {
  const rows: Array<{ code: number, options?: Partial<ConnectOptions<typeof chat>>, isTerminal: boolean }> = [
    { code: 1008, isTerminal: true },
    { code: 1000, isTerminal: true },
    { code: 1001, isTerminal: false },
    { code: 1011, isTerminal: false },
    { code: 4000, isTerminal: false },
    { code: 4000, options: { reconnect: { ...QUICK, isTerminal: (code) => code >= 4000 } }, isTerminal: true },
    { code: 1008, options: { reconnect: { ...QUICK, isTerminal: () => false } }, isTerminal: false },
    { code: 1008, options: { reconnect: { ...QUICK, isTerminal: () => undefined } }, isTerminal: true },
    { code: 1001, options: { reconnect: false }, isTerminal: true }
  ]
  const server = await ControlServer.start(t)
  for (const { code, options = {}, isTerminal } of rows) {
    const socket = open(t, server, options)
    await socket.opened
    await until(() => server.connections.size === 1)
    const first = Promise.race([next(socket, 'reconnecting').then(() => false), next<number>(socket, 'close').then((seen) => seen === code)])
    for (const connection of server.connections) connection.close(code, 'why')
    t.equal(await first, isTerminal, `${code} ${JSON.stringify(options)}`)
    socket.close()
    await socket.closed
    await until(() => server.connections.size === 0)
  }
})

t.test('opened is the next connection, and open tells which', async (t) => {
  const { server, socket } = await setUp(t)
  const opens: boolean[] = []
  socket.on('open', ({ reconnected }) => { opens.push(reconnected) })
  const first = socket.opened
  await first
  server.cut()
  await next(socket, 'reconnecting')
  t.not(socket.opened, first)
  await socket.opened
  t.strictSame(opens, [false, true])
})

t.test('maxAttempts', async (t) => {
  const server = await ControlServer.start(t)
  await server.close()
  const socket = open(t, server, { reconnect: { ...QUICK, maxAttempts: 2 } })
  const attempts: number[] = []
  socket.on('reconnecting', ({ attempt }) => { attempts.push(attempt) })
  const end: ClientClose = await socket.closed
  t.match(end, { code: 1006, initiator: 'remote', error: { code: 'ECONNREFUSED' } })
  t.strictSame(attempts, [1, 2])
  await t.rejects(socket.opened, { code: 'ECONNREFUSED' })
})

t.test('the events of a connection that comes and goes', async (t) => {
  const server = await ControlServer.start(t)
  const socket = open(t, server)
  const events: unknown[] = []
  socket.on('connecting', ({ attempt }) => { events.push(`connecting ${attempt}`) })
  socket.on('open', () => { events.push('open') })
  socket.on('reconnecting', ({ attempt, delay }) => { events.push(`reconnecting ${attempt} ${delay <= 20}`) })
  socket.on('close', () => { events.push('close') })
  await socket.opened
  await until(() => server.connections.size === 1)
  server.cut()
  await next(socket, 'open')
  socket.close()
  await socket.closed
  t.strictSame(events, ['connecting 0', 'open', 'reconnecting 1 true', 'connecting 1', 'open', 'close'])
})

t.test('nothing is told behind close', async (t) => {
  const server = await ControlServer.start(t, { refuse: () => 503 })
  const socket = open(t, server)
  const events: string[] = []
  socket.on('error', () => { events.push('error'); socket.close() })
  for (const event of ['reconnecting', 'close'] as const) socket.on(event, () => { events.push(event) })
  await socket.closed
  t.strictSame(events, ['error', 'close'])
})

t.test('subscribe has a timeout, and leaves no subscription behind', async (t) => {
  const { server, socket } = await setUp(t)
  await socket.opened
  server.answers = false
  await t.rejects(socket.subscribe(room, { room: 'a' }, () => t.fail(), { timeout: 10 }), { name: 'ClientError', code: 'FST_WS_CLIENT_TIMEOUT', sent: true })
  await until(() => server.controls.length === 2)
  t.match(server.controls, [{ type: 'ws:subscribe', topic: 'room/a' }, { type: 'ws:unsubscribe', topic: 'room/a' }])
  server.answers = true
  server.cut()
  await next(socket, 'open')
  t.equal(server.controls.length, 2, 'it is not renewed')
  const aborter = new AbortController()
  server.answers = false
  const aborted = t.rejects(socket.subscribe('news', undefined, undefined, { signal: aborter.signal }), { message: 'left' })
  aborter.abort(new Error('left'))
  await aborted
})

t.test('a subscription that cannot be asked for harms no other', async (t) => {
  const { server, socket } = await setUp(t)
  const data: { self?: unknown } = {}
  data.self = data
  const early = t.rejects(socket.subscribe('odd', undefined, undefined, { data }), TypeError)
  const heard: unknown[] = []
  await socket.subscribe('news', (message) => { heard.push(message) })
  await early
  await t.rejects(socket.subscribe('odd', undefined, undefined, { data }), TypeError)
  server.cut()
  await next(socket, 'open')
  await until(() => server.controls.length === 2)
  server.publish('news', 1)
  await until(() => heard.length === 1)
  t.equal(server.requests.length, 2)
})

t.test('a full connection keeps no subscription from being renewed or left', async (t) => {
  const { server, socket } = await setUp(t, { queue: { messages: 0, bytes: 0 } })
  await socket.opened
  const told: unknown[] = []
  const heard: unknown[] = []
  const topics = ['a', 'b', 'c']
  const subscriptions = []
  for (const topic of topics) subscriptions.push((await socket.subscribe(topic, (message) => { heard.push(message) })).on('error', ({ message }) => { told.push(message) }))
  server.cut()
  await next(socket, 'open')
  await until(() => server.controls.length === 6)
  for (const topic of topics) server.publish(topic, topic)
  await until(() => heard.length === 3)
  await Promise.all(subscriptions.map((subscription) => subscription.unsubscribe()))
  t.strictSame(server.controls.slice(6).map(({ type, topic }) => [type, topic]), topics.map((topic) => ['ws:unsubscribe', topic]))
  t.strictSame(told, [])
})

t.test('a topic with a colon within a segment has no parameters', async (t) => {
  const { server, socket } = await setUp(t)
  await socket.publish(defineTopic({ name: 'ns:news' }), 'hello')
  t.match(server.controls, [{ type: 'ws:publish', topic: 'ns:news', message: 'hello' }])
})

t.test('messages of odd types, and what is thrown and is no error, hang nothing', async (t) => {
  const { server, socket } = await setUp(t)
  const odd = { type: { toString: 1 } }
  const heard: unknown[] = []
  const errors: unknown[] = []
  const thrown = [Symbol('x'), Object.create(null)]
  socket.on('error', (error) => { errors.push(error instanceof Error) })
  socket.on('message', async (message) => { heard.push(message); throw thrown.pop() })
  await socket.subscribe('any', (message) => { heard.push(message); throw thrown.pop() })
  server.send(odd)
  server.send(said('a'))
  server.publish('any', odd)
  server.publish('any', 'b')
  await until(() => heard.length === 4 && errors.length === 4)
  t.strictSame(heard.map((message) => JSON.stringify(message)).toSorted(), [odd, odd, 'b', said('a')].map((message) => JSON.stringify(message)).toSorted())
  t.strictSame(errors, Array(4).fill(true))
  t.strictSame(await takeEscaped(), [])
  t.equal(socket.state, 'open')
  const broken = open(t, server, { auth: async () => { throw Symbol('token') }, reconnect: false }) // eslint-disable-line no-throw-literal
  t.match(await broken.closed, { error: { message: 'Symbol(token)' } })
})

const malformed = [
  { type: 'ws:join', topic: 'news', member: null },
  { type: 'ws:message' },
  { type: 'ws:leave', topic: 'news' },
  { type: 'ws:other' },
  { type: 'ws:reply', id: {} },
  { type: 'ws:error', id: 1, error: null }
]

t.test('what a server says that is no control message it should be, escapes nobody', async (t) => {
  const { server, socket } = await setUp(t)
  const invalid: unknown[] = []
  socket.on('invalid', ({ name }) => { invalid.push(name) })
  server.methods['add'] = () => 1
  await socket.subscribe('news', () => {})
  for (const control of malformed) server.send(control)
  t.equal(await socket.request('add', { a: 0, b: 1 }), 1)
  t.strictSame(invalid, ['TypeError'])
  t.strictSame(await takeEscaped(), [])
  server.answers = false
  const opening = t.rejects(socket.subscribe('more'), { code: 'FST_WS_CLIENT_CLOSED' })
  await until(() => server.controls.length === 3)
  server.send({ type: 'ws:ack', id: server.controls[2]?.id, members: {} })
  await until(() => invalid.length === 2)
  socket.close()
  await opening
})

t.test('nothing keeps the process alive behind close', async (t) => {
  const server = await ControlServer.start(t)
  const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
  const before = timers()
  const clients = Array.from({ length: 3 }, () => connect(chat, { baseUrl: server.url, params: { room: 'a' }, ping: 'application', reconnect: { minDelay: 60_000, maxDelay: 60_000 } }))
  await Promise.all(clients.map(({ opened }) => opened))
  server.answers = false
  const codes: unknown[] = []
  const note = ({ code }: ClientError): void => { codes.push(code) }
  for (const socket of clients) for (const asked of [socket.request('wait'), socket.subscribe('news')]) asked.catch(note)
  t.ok(timers() > before)
  server.cut()
  await Promise.all(clients.map((socket) => next(socket, 'reconnecting')))
  for (const socket of clients) socket.request('wait').catch(note)
  for (const socket of clients) socket.close()
  await until(() => codes.length === 9)
  t.strictSame(codes.toSorted(), [...Array(6).fill('FST_WS_CLIENT_CLOSED'), ...Array(3).fill('FST_WS_CLIENT_LOST')])
  t.equal(timers(), before)
})
