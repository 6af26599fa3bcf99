// The control protocol, as a client sees it: what it may say, what it is answered, and what it cannot do.
import { Type } from '@sinclair/typebox'
import Fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import type { Test } from 'tap'
import { matchTopic } from '../../lib/hub/control.ts'
import websocket, { defineTopic } from '../../lib/index.ts'
import type { WebSocketConnection, WebSocketRouteOptions } from '../../lib/index.ts'

const room = defineTopic({ name: 'room/:room', schema: Type.Object({ text: Type.String() }), history: { size: 3 } })
const news = defineTopic({ name: 'news' })
const Say = Type.Object({ type: Type.Literal('say'), text: Type.String() })

interface Server {
  readonly app: FastifyInstance
  /** What came to the application. */
  readonly said: unknown[]
  /** Lines of the log that are errors. */
  readonly logged: string[]
}

async function start (t: Test, options: WebSocketRouteOptions = { topics: [room, news] }): Promise<Server> {
  const logged: string[] = []
  const app = Fastify({ logger: { level: 'error', stream: { write: (line: string) => { logged.push(line) } } } })
  t.teardown(() => app.close())
  await app.register(websocket)
  const said: unknown[] = []
  const requests = {
    add: { request: Type.Object({ a: Type.Number(), b: Type.Number() }), reply: Type.Number() },
    wait: { request: Type.Number() },
    fail: {},
    forgotten: {}
  }
  app.get('/', { websocket: options, schema: { websocket: { receive: Say, requests } } }, (connection) => {
    connection.on('message', (message) => { said.push(message) })
    connection.handleRequests({
      add: ({ a, b }) => a === 0 ? 'no number' as never : a + b,
      wait: async (ms) => await new Promise((resolve) => { setTimeout(() => resolve(ms), ms) })
    })
    connection.handleRequests({ fail: () => { throw Object.assign(new Error('not today'), { code: 'NOT_TODAY', statusCode: 418 }) } })
  })
  return { app, said, logged }
}

class Client {
  readonly connection: WebSocketConnection
  readonly got: unknown[] = []
  #wake = (): void => {}

  constructor (connection: WebSocketConnection) {
    this.connection = connection
    connection.on('message', (message) => {
      this.got.push(JSON.parse(String(message)))
      this.#wake()
    })
  }

  static async open (app: FastifyInstance): Promise<Client> {
    return new Client(await app.injectWS('/'))
  }

  say (...messages: unknown[]): void {
    for (const message of messages) this.connection.send(typeof message === 'string' ? message : JSON.stringify(message))
  }

  /** Takes out as many answers as that, in the order in which they came. */
  async take (count: number): Promise<unknown[]> {
    while (this.got.length < count) await new Promise<void>((resolve) => { this.#wake = resolve })
    return this.got.splice(0, count)
  }

  async ask (message: unknown): Promise<unknown> {
    this.say(message)
    return (await this.take(1))[0]
  }
}

t.test('ping, and messages of the application beside', async (t) => {
  const { app, said } = await start(t)
  const client = await Client.open(app)
  client.say({ type: 'say', text: 'a "ws: in a text' }, { type: 'ws:ping', id: 7 }, { type: 'say', text: 'two' })
  t.same(await client.take(1), [{ type: 'ws:pong', id: 7 }])
  while (said.length < 2) await new Promise((resolve) => { setImmediate(resolve) })
  t.same(said, [{ type: 'say', text: 'a "ws: in a text' }, { type: 'say', text: 'two' }])
})

t.test('subscribe, messages with their positions, unsubscribe', async (t) => {
  const { app } = await start(t)
  const client = await Client.open(app)
  t.match(await client.ask({ type: 'ws:subscribe', id: 1, topic: 'room/a' }), { type: 'ws:ack', id: 1, topic: 'room/a', epoch: String, offset: 0 })
  t.same(await client.ask({ type: 'ws:subscribe', id: 2, topic: 'news' }), { type: 'ws:ack', id: 2, topic: 'news' })
  const position = await app.websocket.publish(room, { room: 'a' }, { text: 'hi' })
  await app.websocket.publish(news, ['any', 'json'])
  t.same(await client.take(2), [
    { type: 'ws:message', topic: 'room/a', ...position, message: { text: 'hi' } },
    { type: 'ws:message', topic: 'news', message: ['any', 'json'] }
  ])
  t.same(await client.ask({ type: 'ws:unsubscribe', id: 3, topic: 'room/a' }), { type: 'ws:ack', id: 3 })
  await app.websocket.publish(room, { room: 'a' }, { text: 'unheard' })
  t.same(await client.ask({ type: 'ws:ping', id: 4 }), { type: 'ws:pong', id: 4 })
})

t.test('whoever comes back gets all that was missed behind the answer, or nothing of it', async (t) => {
  const { app } = await start(t)
  const positions = []
  for (let i = 1; i <= 5; i++) positions.push(await app.websocket.publish(room, { room: 'a' }, { text: `${i}` }))
  const [first, second] = positions
  const client = await Client.open(app)
  client.say({ type: 'ws:subscribe', id: 1, topic: 'room/a', since: second })
  const [ack, ...missed] = await client.take(4)
  t.match(ack, { type: 'ws:ack', id: 1, offset: 5, recovered: true })
  t.match(missed, ['3', '4', '5'].map((text) => ({ type: 'ws:message', message: { text } })))
  const late = await Client.open(app)
  t.match(await late.ask({ type: 'ws:subscribe', id: 1, topic: 'room/a', since: first }), { recovered: false, offset: 5 })
  t.same(await late.ask({ type: 'ws:ping', id: 2 }), { type: 'ws:pong', id: 2 })
})

t.test('publish where it is allowed, to all others', async (t) => {
  const { app } = await start(t, { topics: { allow: [room, news], publish: true } })
  const [one, other] = [await Client.open(app), await Client.open(app)]
  for (const client of [one, other]) await client.ask({ type: 'ws:subscribe', id: 1, topic: 'room/a' })
  t.match(await one.ask({ type: 'ws:publish', id: 2, topic: 'room/a', message: { text: 'hi' } }), { type: 'ws:ack', id: 2, epoch: String, offset: 1 })
  t.same(await one.ask({ type: 'ws:publish', id: 3, topic: 'news', message: 1 }), { type: 'ws:ack', id: 3 })
  t.match(await other.take(1), [{ type: 'ws:message', topic: 'room/a', offset: 1, message: { text: 'hi' } }])
  t.match(await one.ask({ type: 'ws:publish', id: 4, topic: 'room/a', message: { text: 1 } }), {
    type: 'ws:error', id: 4, error: { code: 'FST_ERR_VALIDATION', statusCode: 400, message: 'message/text Expected string', validation: [{ instancePath: '/text' }] }
  })
})

t.test('a topic with a colon in its name, and no parameter', async (t) => {
  const lobby = defineTopic({ name: 'chat:lobby' })
  const { app } = await start(t, { topics: { allow: [lobby], publish: true } })
  const [one, other] = [await Client.open(app), await Client.open(app)]
  await other.ask({ type: 'ws:subscribe', id: 1, topic: 'chat:lobby' })
  t.same(await one.ask({ type: 'ws:publish', id: 2, topic: 'chat:lobby', message: 'hi' }), { type: 'ws:ack', id: 2 })
  t.same(await other.take(1), [{ type: 'ws:message', topic: 'chat:lobby', message: 'hi' }])
})

t.test('who else is there', async (t) => {
  const { app } = await start(t, { topics: { allow: [room], presence: true } })
  const [one, other] = [await Client.open(app), await Client.open(app)]
  t.match(await one.ask({ type: 'ws:subscribe', id: 1, topic: 'room/a', data: { nick: 'one' } }), { members: [{ data: { nick: 'one' } }] })
  t.match(await other.ask({ type: 'ws:subscribe', id: 1, topic: 'room/a', data: { nick: 'other' } }), { members: [{}, { data: { nick: 'other' } }] })
  t.match(await one.take(1), [{ type: 'ws:join', topic: 'room/a', member: { data: { nick: 'other' } } }])
  other.connection.terminate()
  t.match(await one.take(1), [{ type: 'ws:leave', topic: 'room/a', member: { data: { nick: 'other' } } }])
  t.match(await one.ask({ type: 'ws:subscribe', id: 2, topic: 'room/b', data: 'x'.repeat(5_000) }), { type: 'ws:error', error: { code: 'FST_WS_INVALID_CONTROL' } })
})

t.test('who is there the server says, where authorize does', async (t) => {
  const { app } = await start(t, {
    topics: { allow: [room], presence: true },
    authorize: ({ id }, _topic, _params, _action, data) => ({ data: { nick: id.length, said: data } })
  })
  const [one, other] = [await Client.open(app), await Client.open(app)]
  t.match(await one.ask({ type: 'ws:subscribe', id: 1, topic: 'room/a', data: { nick: 'admin' } }), { members: [{ data: { nick: 36, said: { nick: 'admin' } } }] })
  t.match(await other.ask({ type: 'ws:subscribe', id: 1, topic: 'room/a' }), { members: [{}, { data: { nick: 36 } }] })
  t.match(await one.take(1), [{ type: 'ws:join', topic: 'room/a', member: { data: { nick: 36 } } }])
})

t.test('a topic that the handler has subscribed the client to as well', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(websocket)
  let end = async (): Promise<boolean> => false
  app.get('/', { websocket: { topics: [news] } }, async (connection) => {
    end = async () => await connection.unsubscribe(news)
    await connection.subscribe(news)
  })
  const client = await Client.open(app)
  await client.ask({ type: 'ws:subscribe', id: 1, topic: 'news' })
  await app.websocket.publish(news, 'both')
  t.same(await client.take(2), ['both', { type: 'ws:message', topic: 'news', message: 'both' }])
  await client.ask({ type: 'ws:unsubscribe', id: 2, topic: 'news' })
  await app.websocket.publish(news, 'the handler\'s')
  t.same(await client.take(1), ['the handler\'s'])
  await client.ask({ type: 'ws:subscribe', id: 3, topic: 'news' })
  t.equal(await end(), true)
  const error = { code: 'FST_WS_TOPIC_FORBIDDEN', message: 'the server has ended the subscription', statusCode: 403 }
  t.same(await client.take(1), [{ type: 'ws:error', topic: 'news', error }])
  await app.websocket.publish(news, 'nobody\'s')
  t.same(await client.ask({ type: 'ws:ping', id: 4 }), { type: 'ws:pong', id: 4 })
})

t.test('a client that unsubscribes while authorize thinks is not subscribed, and the handler\'s subscription is', async (t) => {
  const decide: Array<(answer: boolean) => void> = []
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(websocket)
  let subscribing: Promise<unknown> = Promise.resolve()
  app.get('/', {
    websocket: { topics: [news], concurrency: 2, authorize: () => new Promise((resolve) => { decide.push(resolve) }) }
  }, (connection) => { subscribing = connection.subscribe(news) })
  const client = await Client.open(app)
  client.say({ type: 'ws:subscribe', id: 1, topic: 'news' }, { type: 'ws:unsubscribe', id: 2, topic: 'news' })
  t.same(await client.take(1), [{ type: 'ws:ack', id: 2 }])
  for (const answer of decide) answer(true)
  t.match(await client.take(1), [{ type: 'ws:error', id: 1, error: { code: 'FST_WS_NOT_OPEN' } }])
  t.match(await subscribing, { topic: 'news' })
  await app.websocket.publish(news, 'the handler\'s')
  t.same(await client.take(1), ['the handler\'s'])
})

t.test('a client that unsubscribes while it is sent what it has missed gets one answer', async (t) => {
  const kept = defineTopic({ name: 'kept', history: { size: 100 } })
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(websocket)
  app.get('/', { websocket: { topics: [kept], concurrency: 2, highWaterMark: 1_024 } }, () => {})
  const since = await app.websocket.publish(kept, 0)
  for (let n = 1; n <= 100; n++) await app.websocket.publish(kept, 'x'.repeat(100_000))
  const client = await Client.open(app)
  const got = [await client.ask({ type: 'ws:subscribe', id: 1, topic: 'kept', since })]
  client.say({ type: 'ws:unsubscribe', id: 2, topic: 'kept' }, { type: 'ws:ping', id: 3 })
  while (!JSON.stringify(got.at(-1)).includes('pong')) got.push(...await client.take(1))
  const answers = (got as Array<{ type: string, id?: number }>).filter(({ type }) => type !== 'ws:message')
  t.match(answers, [{ type: 'ws:ack', id: 1 }, { type: 'ws:ack', id: 2 }, { type: 'ws:pong', id: 3 }])
  t.equal(answers.length, 3)
  t.ok(got.length < 103, `${got.length - 3} of 100 were sent`)
})

t.test('a handler of a request that the route does not describe is refused', async (t) => {
  const rows: Array<[options: object, name: string]> = [
    [{ schema: { websocket: { requests: { add: {} } } } }, 'ad'],
    [{ schema: { websocket: { requests: { add: {} } } } }, 'toString'],
    [{}, 'add']
  ]
  for (const [options, name] of rows) {
    const app = Fastify()
    t.teardown(() => app.close())
    await app.register(websocket)
    const failed = new Promise((resolve) => {
      app.get('/', { websocket: { errorHandler: resolve }, ...options }, (connection) => {
        connection.handleRequests({ [name]: () => 1 } as never)
      })
    })
    await app.injectWS('/')
    t.match(await failed, { code: 'FST_WS_INVALID_ARGUMENT', message: new RegExp(`no request '${name}'`) })
  }
})

t.test('requests and their replies', async (t) => {
  const { app, logged } = await start(t)
  const client = await Client.open(app)
  t.same(await client.ask({ type: 'ws:request', id: 1, method: 'add', payload: { a: 1, b: 2 } }), { type: 'ws:reply', id: 1, payload: 3 })
  t.same(await client.ask({ type: 'ws:request', id: 2, method: 'wait', payload: 5 }), { type: 'ws:reply', id: 2, payload: 5 })
  t.match(await client.ask({ type: 'ws:request', id: 3, method: 'add', payload: { a: '1', b: 2 } }), {
    type: 'ws:error', id: 3, error: { code: 'FST_ERR_VALIDATION', statusCode: 400, validation: [{ instancePath: '/a' }] }
  })
  t.same(await client.ask({ type: 'ws:request', id: 4, method: 'fail' }), { type: 'ws:error', id: 4, error: { code: 'NOT_TODAY', message: 'not today', statusCode: 418 } })
  t.same(logged, [], 'what the client is to blame for is no error of the server')
  t.match(await client.ask({ type: 'ws:request', id: 5, method: 'add', payload: { a: 0, b: 0 } }), { type: 'ws:error', id: 5, error: { statusCode: 500 } })
  t.equal(logged.length, 1, 'a reply that does not fit is one')
  t.match(await client.ask({ type: 'ws:request', id: 6, method: 'toString' }), { type: 'ws:error', id: 6, error: { code: 'FST_WS_NO_HANDLER', message: 'there is no request "toString"', statusCode: 404 } })
  t.match(await client.ask({ type: 'ws:request', id: 7, method: 'forgotten' }), { type: 'ws:error', id: 7, error: { code: 'FST_WS_NO_HANDLER', message: 'nothing handles the request "forgotten"', statusCode: 404 } })
})

const wrong: ReadonlyArray<{ name: string, message: object, code: string, statusCode: number }> = [
  { name: 'no such thing', message: { type: 'ws:nonsense', id: 1 }, code: 'FST_WS_INVALID_CONTROL', statusCode: 400 },
  { name: 'no id', message: { type: 'ws:ping' }, code: 'FST_WS_INVALID_CONTROL', statusCode: 400 },
  { name: 'an id that is no integer', message: { type: 'ws:ping', id: '1' }, code: 'FST_WS_INVALID_CONTROL', statusCode: 400 },
  { name: 'no topic', message: { type: 'ws:subscribe', id: 1 }, code: 'FST_WS_INVALID_TOPIC', statusCode: 400 },
  { name: 'a topic that is not for clients', message: { type: 'ws:subscribe', id: 1, topic: 'secret' }, code: 'FST_WS_TOPIC_FORBIDDEN', statusCode: 403 },
  { name: 'a pattern', message: { type: 'ws:subscribe', id: 1, topic: 'room/*' }, code: 'FST_WS_INVALID_TOPIC', statusCode: 400 },
  { name: 'a name that is too long', message: { type: 'ws:subscribe', id: 1, topic: `room/${'x'.repeat(251)}` }, code: 'FST_WS_INVALID_TOPIC', statusCode: 400 },
  { name: 'a topic that authorize refuses', message: { type: 'ws:subscribe', id: 1, topic: 'room/private' }, code: 'FST_WS_TOPIC_FORBIDDEN', statusCode: 403 },
  { name: 'one topic too many', message: { type: 'ws:subscribe', id: 1, topic: 'room/c' }, code: 'FST_WS_TOO_MANY_TOPICS', statusCode: 429 },
  { name: 'a position that is none', message: { type: 'ws:subscribe', id: 1, topic: 'room/a', since: { epoch: 1 } }, code: 'FST_WS_INVALID_ARGUMENT', statusCode: 400 },
  { name: 'publishing where that is not allowed', message: { type: 'ws:publish', id: 1, topic: 'room/a', message: {} }, code: 'FST_WS_TOPIC_FORBIDDEN', statusCode: 403 }
]

t.test('what is refused is answered, and the connection goes on', async (t) => {
  const { app } = await start(t, { topics: [room], maxTopicsPerConnection: 2, authorize: (_connection, topic, params) => topic !== 'room/private' && params['room'] !== 'private' })
  const client = await Client.open(app)
  await client.ask({ type: 'ws:subscribe', id: 1, topic: 'room/a' })
  await client.ask({ type: 'ws:subscribe', id: 1, topic: 'room/b' })
  for (const { name, message, code, statusCode } of wrong) t.match(await client.ask(message), { type: 'ws:error', error: { code, statusCode } }, name)
  t.same(await client.ask({ type: 'ws:ping', id: 2 }), { type: 'ws:pong', id: 2 })
})

/** JSON that can be read and not be written: there is no stack for it. */
const DEEP = `${'['.repeat(100_000)}${']'.repeat(100_000)}`

t.test('what cannot be written as JSON is the client\'s fault, and not for the log', async (t) => {
  const { app, logged } = await start(t, { topics: { allow: [news], publish: true } })
  const client = await Client.open(app)
  const rows: ReadonlyArray<[message: string, code: string]> = [
    ['{"type":"ws:publish","id":1,"topic":"news"}', 'FST_WS_INVALID_CONTROL'],
    [`{"type":"ws:publish","id":1,"topic":"news","message":${DEEP}}`, 'FST_ERR_VALIDATION'],
    [`{"type":"ws:subscribe","id":1,"topic":"news","data":${DEEP}}`, 'FST_WS_INVALID_CONTROL'],
    [`{"type":"ws:subscribe","id":1,"topic":${DEEP}}`, 'FST_WS_INVALID_TOPIC']
  ]
  for (const [message, code] of rows) t.match(await client.ask(message), { type: 'ws:error', id: 1, error: { code, statusCode: 400 } })
  t.strictSame(logged, [])
})

t.test('a request waits for the one before, as any message does', async (t) => {
  const { app } = await start(t)
  const client = await Client.open(app)
  client.say({ type: 'ws:request', id: 1, method: 'wait', payload: 30 }, { type: 'ws:request', id: 2, method: 'wait', payload: 0 })
  t.same(await client.take(2), [{ type: 'ws:reply', id: 1, payload: 30 }, { type: 'ws:reply', id: 2, payload: 0 }])
})

t.test('replies are made as fast as the client reads them', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(websocket, { maxBufferedAmount: 65_536 })
  app.get('/', { websocket: true, schema: { websocket: { requests: { text: {} } } } }, (connection) => {
    connection.handleRequests({ text: async (length) => 'x'.repeat(Number(length)) })
  })
  const client = await Client.open(app)
  const count = 1_000
  client.say(...Array.from({ length: count }, (_, id) => ({ type: 'ws:request', id, method: 'text', payload: 1_000 })))
  let closed: unknown
  client.connection.once('close', (code) => { closed = code })
  while (client.got.length < count && closed === undefined) await new Promise((resolve) => { setTimeout(resolve, 1) })
  t.equal(closed, undefined)
  t.equal(client.got.length, count)
})

t.test('text that only looks like it goes where all others go', async (t) => {
  const { app } = await start(t)
  const client = await Client.open(app)
  const closed = new Promise((resolve) => { client.connection.once('close', resolve) })
  client.say('{"type":"ws:ping"')
  t.equal(await closed, 1007)
})

t.test('names are matched segment by segment', async (t) => {
  t.same(matchTopic('room/:room', 'room/a'), { room: 'a' })
  t.same(matchTopic(':team/x/:channel', 'a/x/b'), { team: 'a', channel: 'b' })
  t.same(matchTopic('news', 'news'), {})
  for (const name of ['room', 'room/a/b', 'rooms/a', '']) t.equal(matchTopic('room/:room', name), undefined, name)
})

t.test('a route without topics and requests knows nothing of it', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(websocket)
  app.get('/', { websocket: true }, (connection) => { connection.on('message', (message) => { connection.send(message) }) })
  const client = await Client.open(app)
  t.same(await client.ask({ type: 'ws:ping', id: 1 }), { type: 'ws:ping', id: 1 })
})
