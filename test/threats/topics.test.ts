// T60: a broker that dies, answers late or not at all, and a thousand subscribers of whom one does not read.
import '../helpers/guard.ts'
import { once } from 'node:events'
import t from 'tap'
import { defineTopic } from '../../lib/contract.ts'
import type { AnyWebSocketConnection, TopicMemberEvent, WebSocketConnection } from '../../lib/index.ts'
import { makeApp, until } from '../helpers/app.ts'
import { memoryUsed } from '../helpers/connection-pair.ts'
import { settleEscapes } from '../helpers/guard.ts'
import { GatedEngine } from '../helpers/gated-engine.ts'

t.setTimeout(60_000)

const room = defineTopic({ name: 'room/:room', history: { size: 5 } })

t.test('T60 an engine dies under load and comes back: connections stay, subscriptions too, members are those that are there', async (t) => {
  const engine = new GatedEngine()
  const { app } = await makeApp(t, { plugin: { topicEngine: engine } })
  const servers: AnyWebSocketConnection[] = []
  app.get('/ws', { websocket: true }, async (connection) => {
    servers.push(connection as unknown as AnyWebSocketConnection)
    await connection.subscribe(room, { room: 'a' }, { data: servers.length }).catch(() => {})
  })
  const events: string[] = []
  app.websocket.on('join', ({ member }: TopicMemberEvent) => { events.push(`join ${String(member.data)}`) })
  app.websocket.on('leave', ({ member }: TopicMemberEvent) => { events.push(`leave ${String(member.data)}`) })
  const clients = [await app.injectWS('/ws'), await app.injectWS('/ws')]
  await until(() => events.length === 2)

  engine.events?.onState('down', new Error('gone'))
  for (const method of ['publish', 'subscribe', 'unsubscribe', 'history', 'join', 'leave', 'presence'] as const) engine.fail(method)
  const publishing = Array.from({ length: 50 }, async () => await app.websocket.publish(room, { room: 'a' }, 'lost'))
  t.ok((await Promise.allSettled(publishing)).every(({ status }) => status === 'rejected'), 'each publisher hears of it')
  clients.push(await app.injectWS('/ws'))
  await until(() => servers.length === 3)
  await settleEscapes()
  t.equal(app.websocket.topicState, 'down')
  t.strictSame(clients.map(({ readyState }) => readyState), [1, 1, 1])
  t.strictSame(servers.map(({ topics }) => topics), [['room/a'], ['room/a'], []], 'no half of a subscription')

  for (const method of ['publish', 'subscribe', 'unsubscribe', 'history', 'join', 'leave', 'presence'] as const) engine.mend(method)
  engine.events?.onState('up')
  await servers[2]?.subscribe(room, { room: 'a' }, { data: 3 })
  const got = Promise.all(clients.map(async (client) => (await once(client, 'message'))[0] as unknown))
  await app.websocket.publish(room, { room: 'a' }, 'back')
  t.strictSame(await got, ['"back"', '"back"', '"back"'])
  servers[0]?.terminate()
  await until(() => events.length === 4)
  t.strictSame(events, ['join 1', 'join 2', 'join 3', 'leave 1'])
  t.strictSame((await app.websocket.members(room, { room: 'a' })).map(({ data }) => data), [2, 3])
})

t.test('T60 an engine that never answers: clients that come and go leave nothing behind', async (t) => {
  const engine = new GatedEngine()
  const { app } = await makeApp(t, { plugin: { topicEngine: engine } })
  const subscriptions: Array<Promise<unknown>> = []
  app.get('/ws', { websocket: true }, (connection) => {
    subscriptions.push(connection.subscribe(`room/${subscriptions.length}`, { data: 1 }))
  })
  engine.hold('history')
  for (let n = 0; n < 20; n++) (await app.injectWS('/ws')).terminate()
  await until(() => app.websocket.connections.size === 0)
  await until(() => engine.calls.filter((call) => call.startsWith('unsubscribe')).length === 20)
  t.strictSame(engine.calls.filter((call) => call.startsWith('join')), [], 'nobody has become a member')
})

t.test('T60 a thousand subscribers and one that does not read: nobody waits for it, and it holds what it may and no more', async (t) => {
  const COUNT = 1_000
  const MESSAGES = 30
  const text = 'x'.repeat(32_768)
  const { app } = await makeApp(t, { server: { logger: false }, plugin: { maxBufferedAmount: 262_144, slowConsumer: 'drop' } })
  const servers: AnyWebSocketConnection[] = []
  app.get('/ws', { websocket: true }, async (connection) => {
    servers.push(connection as unknown as AnyWebSocketConnection)
    await connection.subscribe('news')
  })
  app.post('/publish', async () => { await app.websocket.publish('news', text) })
  let received = 0
  const clients: WebSocketConnection[] = []
  for (let n = 0; n < COUNT; n++) {
    const client = await app.injectWS('/ws')
    client.on('message', () => { received++ })
    clients.push(client)
  }
  await until(() => servers.length === COUNT && servers.every(({ topics }) => topics.length === 1))
  clients[0]?.pause()
  const stalled = servers[0]! // there are a thousand
  let dropped = 0
  stalled.on('slow', (details) => { dropped = details.dropped })

  const before = await memoryUsed()
  for (let n = 1; n <= MESSAGES; n++) {
    await app.inject({ method: 'POST', url: '/publish' })
    const want = n * (COUNT - 1)
    await until(() => received >= want)
  }
  t.ok(received >= MESSAGES * (COUNT - 1), 'all others have got all, each message before the next was published')
  t.ok(stalled.bufferedAmount <= 262_144, `${stalled.bufferedAmount} bytes wait`)
  t.ok(dropped > 0 && dropped < MESSAGES, `${dropped} of ${MESSAGES} were dropped, and told`)
  const grown = await memoryUsed() - before
  t.ok(grown < 16 * 1_048_576, `${grown} bytes more, ${MESSAGES * text.length} were sent to each`)
  clients[0]?.resume()
  await until(() => stalled.bufferedAmount === 0)
  const kept = received
  await app.websocket.publish('news', 'last')
  await until(() => received === kept + COUNT)
  for (const client of clients) client.terminate()
  await until(() => app.websocket.connections.size === 0)
})

t.test('T60 a subscriber with the default policy that does not read is closed, and the others stay', async (t) => {
  const { app } = await makeApp(t, { plugin: { maxBufferedAmount: 65_536, highWaterMark: 16_384, closeTimeout: 100 } })
  const servers: AnyWebSocketConnection[] = []
  app.get('/ws', { websocket: true }, async (connection) => {
    servers.push(connection as unknown as AnyWebSocketConnection)
    await connection.subscribe('news', { data: 1 })
  })
  const [slow, quick] = [await app.injectWS('/ws'), await app.injectWS('/ws')]
  let received = 0
  quick.on('message', () => { received++ })
  await until(() => servers.every(({ topics }) => topics.length === 1) && servers.length === 2)
  slow.pause()
  let code: number | undefined
  servers[0]?.on('close', (closeCode) => { code = closeCode })
  for (let n = 1; n <= 40; n++) {
    await app.websocket.publish('news', 'x'.repeat(8_192))
    await until(() => received === n)
  }
  await until(() => code !== undefined)
  t.equal(code, 1013)
  t.equal(app.websocket.metrics().slow, 1)
  t.equal((await app.websocket.members('news')).length, 1)
  t.equal(quick.readyState, 1)
})

t.test('T60 more history than a connection may buffer comes whole, to a peer that reads', async (t) => {
  const kept = defineTopic({ name: 'kept', history: { size: 100 } })
  const { app } = await makeApp(t, { plugin: { maxBufferedAmount: 65_536, highWaterMark: 16_384 } })
  let recovered: unknown
  const first = await app.websocket.publish(kept, 0)
  for (let n = 1; n <= 50; n++) await app.websocket.publish(kept, [n, 'x'.repeat(10_000)])
  app.get('/ws', { websocket: true }, async (connection) => { recovered = await connection.subscribe(kept, { since: first }) })
  const client = await app.injectWS('/ws')
  const got: unknown[] = []
  client.on('message', (message) => { got.push((JSON.parse(String(message)) as unknown[])[0]) })
  await until(() => got.length === 50 || client.readyState !== 1)
  t.strictSame(got, Array.from({ length: 50 }, (_, n) => n + 1))
  await until(() => recovered !== undefined)
  t.match(recovered, { recovered: true })
})
