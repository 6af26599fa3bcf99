// `subscribe`, `publish` and the like as the application calls them: routes, hooks and jobs of a server, with clients that listen.
import '../helpers/guard.ts'
import { Type } from '@sinclair/typebox'
import t from 'tap'
import type { Test } from 'tap'
import type { FastifyInstance } from 'fastify'
import type { Connection } from '../../lib/connection/connection.ts'
import { defineTopic } from '../../lib/contract.ts'
import type { AnyWebSocketConnection, Topic, TopicMemberEvent, TopicPosition, WebSocketConnection, WebSocketPluginOptions } from '../../lib/index.ts'
import { makeApp, until } from '../helpers/app.ts'
import { turns } from '../helpers/connection-pair.ts'
import { settleEscapes } from '../helpers/guard.ts'
import { GatedEngine } from '../helpers/gated-engine.ts'

const Said = Type.Object({ text: Type.String({ maxLength: 10 }) })
const room = defineTopic({ name: 'room/:room', schema: Said })
const kept = defineTopic({ name: 'kept/:room', schema: Said, history: { size: 10 } })
const news = defineTopic({ name: 'news' })

interface Pair {
  readonly client: WebSocketConnection
  readonly server: AnyWebSocketConnection
  readonly got: unknown[]
}

interface Scene {
  readonly app: FastifyInstance
  readonly logs: ReadonlyArray<{ readonly msg: string }>
  open (perMessageDeflate?: boolean): Promise<Pair>
}

async function start (t: Test, plugin: WebSocketPluginOptions = {}): Promise<Scene> {
  const { app, logs } = await makeApp(t, { plugin })
  const servers: AnyWebSocketConnection[] = []
  app.get('/ws', { websocket: true }, (connection) => { servers.push(connection as unknown as AnyWebSocketConnection) })
  return {
    app,
    logs,
    async open (perMessageDeflate = false) {
      const client = await app.injectWS('/ws', { perMessageDeflate })
      await until(() => servers.length > 0)
      const got: unknown[] = []
      client.on('message', (message) => { got.push(typeof message === 'string' ? message : [...message]) })
      return { client, server: servers.pop()!, got } // waited for
    }
  }
}

t.test('by topic and by name, with and without parameters, from a connection and from the server', async (t) => {
  const { app, open } = await start(t)
  const [a, b] = [await open(), await open()]
  t.strictSame(await a.server.subscribe(room, { room: 'x' }), { topic: 'room/x' })
  t.strictSame(await b.server.subscribe('room/x'), { topic: 'room/x' })
  t.strictSame(await b.server.subscribe(news), { topic: 'news' })
  t.strictSame(await b.server.subscribe(news, { data: 1 }), { topic: 'news' })
  t.strictSame(b.server.topics, ['room/x', 'news'])
  await a.server.publish(room, { room: 'x' }, { text: 'not to me' })
  await app.websocket.publish(room, { room: 'x' }, { text: 'to all' })
  await app.websocket.publish('room/x', 'text')
  await app.websocket.publish('room/x', { any: ['json'] })
  await app.websocket.publish('room/x', new Uint8Array([1, 2]))
  await app.websocket.publish(news, 'a headline')
  await app.websocket.publish('room/y', 'to nobody')
  await until(() => b.got.length >= 6)
  t.strictSame(a.got, ['{"text":"to all"}', 'text', '{"any":["json"]}', [1, 2]])
  t.strictSame(b.got, ['{"text":"not to me"}', ...a.got, '"a headline"'])
  t.strictSame(await app.websocket.members(news), [{ id: b.server.id, data: 1 }])
  t.strictSame(await app.websocket.members('room/x'), [])
  t.equal(await b.server.unsubscribe(room, { room: 'x' }), true)
  t.equal(await b.server.unsubscribe(room, { room: 'x' }), false)
  // A colon within a segment makes no parameter.
  const lobby = defineTopic({ name: 'chat:lobby' })
  t.strictSame(await b.server.subscribe(lobby, { data: 2 }), { topic: 'chat:lobby' })
  await app.websocket.publish(lobby, 'hello')
  await until(() => b.got.length >= 7)
  t.equal(b.got[6], '"hello"')
  t.strictSame(await app.websocket.members(lobby), [{ id: b.server.id, data: 2 }])
  t.equal(await b.server.unsubscribe(lobby), true)
  t.equal(await b.server.unsubscribe('news'), true)
  t.strictSame(b.server.topics, [])
})

t.test('a topic whose name the compiler does not know: with its parameters, if it has any', async (t) => {
  const { app, open } = await start(t)
  const { server, got } = await open()
  for (const [topic, params] of [[room, { room: 'x' }], [news]] as ReadonlyArray<[topic: Topic, params?: Record<string, string>]>) {
    if (params === undefined) {
      await server.subscribe(topic)
      await app.websocket.publish(topic, { text: 'hi' })
    } else {
      await server.subscribe(topic, params, { data: 1 })
      await app.websocket.publish(topic, params, { text: 'hi' })
      t.equal((await app.websocket.members(topic, params)).length, 1)
      t.equal(await server.unsubscribe(topic, params), true)
    }
  }
  await until(() => got.length === 2)
})

t.test('from a REST route, from a hook and from a job, with and without anybody there', async (t) => {
  const { app, open } = await start(t)
  app.post('/say', async () => await app.websocket.publish(kept, { room: 'x' }, { text: 'REST' }) ?? null)
  app.addHook('onResponse', async () => { await app.websocket.publish('kept/x', 'hook') })
  const answer = await app.inject({ method: 'POST', url: '/say' })
  t.match(answer.json(), { offset: 1 })
  const a = await open()
  t.match(await a.server.subscribe(kept, { room: 'x' }, { since: { epoch: answer.json<TopicPosition>().epoch, offset: 0 } }), { recovered: true })
  setTimeout(() => { void app.websocket.publish('kept/x', 'job') }, 1)
  await app.inject({ method: 'POST', url: '/say' })
  await until(() => a.got.length >= 6)
  // A handshake has a response too.
  t.strictSame(a.got.toSorted(), ['hook', 'hook', 'hook', 'job', '{"text":"REST"}', '{"text":"REST"}'])
})

t.test('a message is checked and serialised once, also from a connection, and before anybody gets it', async (t) => {
  let checks = 0
  const validatorCompiler = (): (value: unknown) => boolean => (value) => { checks++; return value !== 'wrong' }
  const { app, open } = await start(t, { validatorCompiler, perMessageDeflate: { threshold: 0 } })
  let writes = 0
  const message = { toJSON () { writes++; return 'x'.repeat(100) } }
  const all = [await open(), await open(true), await open(true), await open()]
  for (const { server } of all) await server.subscribe(room, { room: 'x' })
  await app.websocket.publish(room, { room: 'x' }, message as never)
  await until(() => all.every(({ got }) => got.length === 1))
  t.strictSame([checks, writes], [1, 1])
  await t.rejects(app.websocket.publish(room, { room: 'x' }, 'wrong' as never), { code: 'FST_WS_INVALID_SEND' })
  await t.rejects(all[0]!.server.publish(room, { room: 'x' }, 'wrong' as never), { code: 'FST_WS_INVALID_SEND' })
  await turns(3)
  t.ok(all.every(({ got }) => got.length === 1))
})

t.test('what is published is taken at once: later changes are too late', async (t) => {
  const engine = new GatedEngine()
  const release = engine.hold('start')
  const { app, open } = await start(t, { topicEngine: engine })
  const a = await open()
  const subscribing = a.server.subscribe('news')
  const [bytes, object] = [Buffer.from('before'), { text: 'before' }]
  const publishing = [app.websocket.publish('news', bytes), app.websocket.publish('news', object)]
  bytes.write('AFTER!')
  object.text = 'after'
  release()
  await Promise.all([subscribing, ...publishing])
  await until(() => a.got.length === 2)
  t.strictSame(a.got, [[...Buffer.from('before')], '{"text":"before"}'])
})

t.test('exclude: one, some, and the publisher in any case; filter', async (t) => {
  const { app, open } = await start(t)
  const [a, b, c] = [await open(), await open(), await open()]
  for (const { server } of [a, b, c]) await server.subscribe('news')
  await app.websocket.publish('news', 'not a', { exclude: a.server })
  await app.websocket.publish('news', 'not a, b', { exclude: new Set([a.server, b.server]) })
  await a.server.publish('news', 'not a, c', { exclude: [c.server] })
  await app.websocket.publish('news', 'only b', { filter: (connection) => connection === b.server })
  await app.websocket.publish('news', 'none', { exclude: [b.server], filter: (connection) => connection === b.server })
  await app.websocket.publish('news', 'end')
  await until(() => c.got.length >= 3)
  t.strictSame(a.got, ['end'])
  t.strictSame(b.got, ['not a', 'not a, c', 'only b', 'end'])
  t.strictSame(c.got, ['not a', 'not a, b', 'end'])
})

t.test('whoever is left out is given an id, and nobody else for that', async (t) => {
  const { app, open } = await start(t)
  const all = [await open(), await open(), await open()]
  const [a, b, c] = all.map(({ server }) => server as unknown as Connection) as [Connection, Connection, Connection]
  for (const { server } of all) await server.subscribe(kept, { room: 'x' })
  const first = await all[0]!.server.publish(kept, { room: 'x' }, { text: 'not a' })
  await app.websocket.publish(kept, { room: 'x' }, { text: 'not b' }, { exclude: all[1]!.server })
  await until(() => all[2]!.got.length === 2)
  t.strictSame([a.knownId === undefined, b.knownId === undefined, c.knownId], [false, false, undefined])
  await all[2]!.server.subscribe(kept, { room: 'x' }, { since: { epoch: first?.epoch ?? '', offset: 0 } })
  await until(() => all[2]!.got.length === 4)
  t.equal(c.knownId, undefined, 'nor for what was missed')
})

t.test('maxTopicsPerConnection is of the plugin or the route, 128 without', async (t) => {
  const { app, open } = await start(t)
  const found: unknown[] = []
  app.get('/few', { websocket: { maxTopicsPerConnection: 1 } }, async (connection) => {
    await connection.subscribe('a')
    await connection.subscribe('b').catch((error: unknown) => { found.push(error) })
    found.push(connection.topics)
  })
  await app.injectWS('/few')
  await until(() => found.length === 2)
  t.match(found, [{ name: 'UsageError', code: 'FST_WS_TOO_MANY_TOPICS' }, ['a']])
  const { server } = await open()
  for (let n = 0; n < 128; n++) await server.subscribe(`room/${n}`)
  await t.rejects(server.subscribe('one/more'), { code: 'FST_WS_TOO_MANY_TOPICS' })
})

// ---- arguments

t.test('wrong arguments are the caller\'s fault, told by a rejection', async (t) => {
  const { app, open } = await start(t)
  const { server } = await open()
  const hub = app.websocket
  /** As JavaScript calls it. */
  const call = async (target: object, method: string, ...args: unknown[]): Promise<unknown> => {
    const promise: unknown = Reflect.get(target, method).apply(target, args)
    t.ok(promise instanceof Promise)
    return await promise
  }
  const TOPIC = { code: 'FST_WS_INVALID_TOPIC' }
  const ARGUMENT = { code: 'FST_WS_INVALID_ARGUMENT' }
  const rows: Array<{ args: unknown[], error: { code: string } }> = [
    ...[undefined, null, 1, {}, { name: 1 }, '', 'a//b', 'a'.repeat(256)].map((topic) => ({ args: [topic, {}], error: TOPIC })),
    { args: [room], error: TOPIC },
    { args: [room, { room: 'a/b' }], error: TOPIC },
    { args: [room, null], error: TOPIC },
    { args: [room, { room: '*' }], error: TOPIC },
    { args: [{ name: 'a//b' }], error: TOPIC },
    ...[null, {}, { size: NaN }, { size: -1 }, { size: 1, ttl: 0 }].map((history) => ({ args: [{ name: 'a', history }], error: TOPIC })),
    ...[':1', ':a/:a', ':a-b'].map((name) => ({ args: [{ name }, { a: 'x', 1: 'y' }], error: TOPIC }))
  ]
  for (const method of ['subscribe', 'unsubscribe', 'publish']) {
    for (const { args, error } of rows) await t.rejects(call(server, method, ...args), error, `${method} ${JSON.stringify(args)}`)
  }
  for (const { args, error } of rows) await t.rejects(call(hub, 'members', ...args), error)
  for (const topic of ['room/*', { name: 'room/*' }]) {
    for (const [target, method] of [[server, 'publish'], [hub, 'publish'], [hub, 'members']] as const) await t.rejects(call(target, method, topic, 'text'), TOPIC, 'a pattern is for subscribers')
  }
  for (const options of [null, 'text', 1]) {
    await t.rejects(call(server, 'subscribe', 'news', options), ARGUMENT)
    await t.rejects(call(server, 'publish', 'news', 'text', options), ARGUMENT)
  }
  for (const since of [null, 'a', {}, { epoch: 1, offset: 0 }, { epoch: 'a', offset: -1 }, { epoch: 'a', offset: 0.5 }, { epoch: 'a', offset: '1' }]) {
    await t.rejects(call(server, 'subscribe', 'news', { since }), ARGUMENT, JSON.stringify(since))
  }
  for (const data of [() => {}, Symbol('a'), 1n, { a: 1n }]) await t.rejects(call(server, 'subscribe', 'news', { data }), ARGUMENT, 'data that is no JSON')
  for (const exclude of [null, 'an id', 1, {}, [undefined], ['an id']]) await t.rejects(call(server, 'publish', 'news', 'text', { exclude }), ARGUMENT, JSON.stringify(exclude))
  for (const filter of [null, true, {}]) await t.rejects(call(hub, 'publish', 'news', 'text', { filter }), ARGUMENT)
  const circle: Record<string, unknown> = {}
  circle['circle'] = circle
  for (const message of [undefined, () => {}, 1n, circle]) await t.rejects(call(hub, 'publish', 'news', message), { code: 'FST_WS_UNSUPPORTED_DATA' })
  t.strictSame(server.topics, [])
})

t.test('a client has no topics of its own', async (t) => {
  const { open } = await start(t)
  const { client } = await open()
  t.strictSame(client.topics, [])
  for (const call of [client.subscribe('news'), client.unsubscribe('news'), client.publish('news', 'text')] as Array<Promise<unknown>>) await t.rejects(call, { code: 'FST_WS_INVALID_ARGUMENT' })
})

// ---- authorize

const refusals: Array<{ name: string, authorize: () => unknown, error: { code: string } | { message: string } }> = [
  { name: 'false', authorize: () => false, error: { code: 'FST_WS_TOPIC_FORBIDDEN' } },
  { name: 'false, later', authorize: async () => false, error: { code: 'FST_WS_TOPIC_FORBIDDEN' } },
  { name: 'nothing', authorize: () => undefined, error: { code: 'FST_WS_TOPIC_FORBIDDEN' } },
  { name: 'an object without data', authorize: () => ({}), error: { code: 'FST_WS_TOPIC_FORBIDDEN' } },
  { name: 'truthy', authorize: () => 1, error: { code: 'FST_WS_TOPIC_FORBIDDEN' } },
  { name: 'a throw', authorize: () => { throw new Error('no database') }, error: { message: 'no database' } },
  { name: 'a rejection', authorize: async () => { throw new Error('no database') }, error: { message: 'no database' } }
]

for (const { name, authorize, error } of refusals) {
  t.test(`authorize: ${name} refuses`, async (t) => {
    const { app, open } = await start(t, { authorize: authorize as () => boolean })
    const { server, got } = await open()
    await t.rejects(server.subscribe('news', { data: 1 }), error)
    await t.rejects(server.publish('news', 'text'), error)
    await settleEscapes()
    t.strictSame([server.topics, await app.websocket.members('news'), server.readyState], [[], [], 1])
    await app.websocket.publish('news', 'nobody asks here')
    await turns(3)
    t.strictSame(got, [])
  })
}

t.test('authorize: asked with the name, its parameters and what is to be done; the route\'s goes before', async (t) => {
  const asked: unknown[] = []
  const { app } = await start(t, { authorize: () => false })
  let server: AnyWebSocketConnection | undefined
  app.get('/own', {
    websocket: { authorize: async (connection, topic, params, action) => { asked.push([connection === server, topic, params, action]); return true } }
  }, (connection) => { server = connection as unknown as AnyWebSocketConnection })
  await app.injectWS('/own')
  await until(() => server !== undefined)
  await server?.subscribe(room, { room: 'x' })
  await server?.subscribe('room/*')
  await server?.publish(room, { room: 'y' }, { text: 'hi' })
  await server?.unsubscribe('room/*')
  t.strictSame(asked, [[true, 'room/x', { room: 'x' }, 'subscribe'], [true, 'room/*', {}, 'subscribe'], [true, 'room/y', { room: 'y' }, 'publish']])
})

for (const isLate of [false, true]) {
  t.test(`authorize: it sees the data that is offered, and says${isLate ? ', later,' : ''} which holds`, async (t) => {
    const asked: unknown[] = []
    let answer: boolean | { data: unknown } = true
    const { app, open } = await start(t, {
      authorize (_connection, topic, _params, action, data) {
        asked.push([action, topic, data])
        return isLate ? Promise.resolve(answer) : answer
      }
    })
    const { server } = await open()
    const members = async (): Promise<unknown[]> => (await app.websocket.members('news')).map(({ data }) => data)
    await server.subscribe('news', { data: 'offered' })
    t.strictSame(await members(), ['offered'])
    answer = { data: { name: 'Ann' } }
    await server.subscribe('news', { data: 'offered' })
    t.strictSame(await members(), [{ name: 'Ann' }])
    await server.unsubscribe('news')
    await server.subscribe('news')
    t.strictSame(await members(), [{ name: 'Ann' }], 'a member, though it has offered nothing')
    await server.subscribe('new/*')
    await server.publish('news', 'text')
    t.strictSame(server.topics, ['news', 'new/*'], 'a pattern has no members, and publishing makes none')
    await server.unsubscribe('news')
    answer = { data: undefined }
    await server.subscribe('news', { data: 'offered' })
    t.strictSame(await members(), [], 'no member')
    t.strictSame(asked, [
      ['subscribe', 'news', 'offered'], ['subscribe', 'news', 'offered'], ['subscribe', 'news', undefined], ['subscribe', 'new/*', undefined],
      ['publish', 'news', undefined], ['subscribe', 'news', 'offered']
    ])
  })
}

t.test('authorize: it is asked before a message is checked and written', async (t) => {
  let isAllowed: boolean | Promise<boolean> = false
  const { open } = await start(t, { authorize: () => isAllowed })
  const { server } = await open()
  const other = await open()
  isAllowed = true
  await other.server.subscribe(room, { room: 'x' })
  for (const answer of [false, Promise.resolve(false)]) {
    isAllowed = answer
    let writes = 0
    const message = { get text () { writes++; return 'hi' } }
    await t.rejects(server.publish(room, { room: 'x' }, message), { code: 'FST_WS_TOPIC_FORBIDDEN' })
    await t.rejects(server.publish(room, { room: 'x' }, 'wrong' as never), { code: 'FST_WS_TOPIC_FORBIDDEN' })
    t.equal(writes, 0)
  }
  isAllowed = true
  const message = { text: 'before' }
  const publishing = server.publish(room, { room: 'x' }, message)
  message.text = 'after'
  await publishing
  await until(() => other.got.length > 0)
  t.strictSame(other.got, ['{"text":"before"}'], 'taken at once where it is allowed at once')
})

t.test('authorize: unsubscribed while it thinks', async (t) => {
  const decide: Array<(answer: boolean) => void> = []
  const engine = new GatedEngine()
  const { open } = await start(t, { topicEngine: engine, authorize: () => new Promise((resolve) => { decide.push(resolve) }) })
  const { server } = await open()
  const subscribing = ['news', 'other'].map(async (name) => await server.subscribe(name))
  const refused = t.rejects(subscribing[0]!, { code: 'FST_WS_NOT_OPEN', message: /ended before it began/ })
  t.equal(await server.unsubscribe('news'), true)
  const again = server.subscribe('news')
  t.equal(decide.length, 3)
  for (const answer of decide) answer(true)
  await refused
  await Promise.all([subscribing[1], again])
  t.strictSame(server.topics.toSorted(), ['news', 'other'], 'what was asked for behind it stands')
  t.strictSame([await server.unsubscribe('news'), await server.unsubscribe('news')], [true, false])
})

t.test('authorize: the connection ends while it thinks', async (t) => {
  let decide = (_answer: boolean): void => {}
  const engine = new GatedEngine()
  const { app, open } = await start(t, { topicEngine: engine, authorize: () => new Promise((resolve) => { decide = resolve }) })
  for (const end of ['close', 'terminate'] as const) {
    const { client, server } = await open()
    const subscribing = server.subscribe('news', { data: 1 })
    subscribing.catch(() => {})
    server[end]()
    await until(() => client.readyState === client.CLOSED && server.readyState === server.CLOSED)
    decide(true)
    await t.rejects(subscribing, { code: 'FST_WS_NOT_OPEN' })
    t.strictSame(server.topics, [])
  }
  t.strictSame(engine.calls, ['start'])
  t.strictSame(await app.websocket.members('news'), [])
})

// ---- ends

for (const how of ['close', 'terminate', 'the client closes', 'the client terminates', 'unsubscribe'] as const) {
  t.test(`members come and go once: ${how}`, async (t) => {
    const { app, open } = await start(t)
    const events: string[] = []
    const note = (name: string) => ({ topic, member }: TopicMemberEvent): void => { events.push(`${name} ${topic} ${JSON.stringify(member.data)}`) }
    const [onJoin, onLeave] = [note('join'), note('leave')]
    t.equal(app.websocket.on('join', onJoin).on('leave', onLeave), app.websocket)
    const { client, server } = await open()
    await server.subscribe(room, { room: 'x' }, { data: { name: 'Ann' } })
    await server.subscribe(room, { room: 'x' }, { data: { name: 'Anna' } })
    t.strictSame(await app.websocket.members(room, { room: 'x' }), [{ id: server.id, data: { name: 'Anna' } }])
    let atClose: unknown
    server.on('close', () => { atClose = [server.topics, [...events]] })
    if (how === 'close' || how === 'terminate') server[how]()
    else if (how === 'unsubscribe') await server.unsubscribe('room/x')
    else client[how === 'the client closes' ? 'close' : 'terminate']()
    const want = ['join room/x {"name":"Ann"}', 'leave room/x {"name":"Anna"}']
    await until(() => events.length > 1)
    server.terminate()
    await until(() => atClose !== undefined)
    t.strictSame(events, want)
    t.strictSame(atClose, [[], want], 'over by the time that `close` tells')
    t.strictSame(await app.websocket.members('room/x'), [])
    app.websocket.off('join', onJoin).off('leave', onLeave)
    await (await open()).server.subscribe('room/x', { data: 1 })
    t.strictSame(events, want)
  })
}

t.test('the server closes: all leave, the engine last, and an engine that fails holds nothing up', async (t) => {
  const engine = new GatedEngine()
  engine.fail('close')
  const { app, logs, open } = await start(t, { topicEngine: engine })
  const { server } = await open()
  await server.subscribe('room/x', { data: 1 })
  engine.fail('leave')
  await app.close()
  t.strictSame(engine.calls.slice(-3), ['leave room/x', 'unsubscribe room/x', 'close'])
  t.strictSame(logs.filter(({ msg }) => msg === 'carrying topics failed').length, 2)
  t.equal(app.server.listenerCount('upgrade'), 0)
  await t.rejects(server.subscribe('news'), { code: 'FST_WS_NOT_OPEN' })
})

t.test('an engine that fails or is down: connections stay, and it is told', async (t) => {
  const engine = new GatedEngine()
  const { app, logs, open } = await start(t, { topicEngine: engine })
  const { client, server, got } = await open()
  await server.subscribe('news')
  engine.events?.onState('down', new Error('no broker'))
  t.equal(app.websocket.topicState, 'down')
  for (const method of ['publish', 'subscribe', 'presence'] as const) engine.fail(method)
  await t.rejects(app.websocket.publish('news', 'text'), { message: 'publish failed' })
  await t.rejects(server.publish('news', 'text'), { message: 'publish failed' })
  await t.rejects(server.subscribe('newer'), { message: 'subscribe failed' })
  await t.rejects(app.websocket.members('news'), { message: 'presence failed' })
  for (const method of ['publish', 'subscribe', 'presence'] as const) engine.mend(method)
  engine.events?.onState('up')
  t.equal(app.websocket.topicState, 'up')
  await app.websocket.publish('news', 'again')
  await until(() => got.length > 0)
  t.strictSame([got, client.readyState, server.topics], [['again'], 1, ['news']])
  t.match(logs.filter(({ msg }) => msg === 'carrying topics failed'), [{ err: { message: 'no broker' } }])
})

t.test('topicEngine: what is none is refused at registration', async (t) => {
  for (const topicEngine of [null, {}, 'redis', { publish () {} }]) {
    await t.rejects(start(t, { topicEngine } as unknown as WebSocketPluginOptions), { code: 'FST_WS_INVALID_OPTION' })
  }
})
