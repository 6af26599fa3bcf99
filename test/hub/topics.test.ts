// Who gets what, when subscriptions begin and end, and what becomes of them when the engine is late or fails.
import '../helpers/guard.ts'
import t from 'tap'
import type { Test } from 'tap'
import { MemoryEngine } from '../../lib/hub/memory-engine.ts'
import { MAX_BACKLOG, MAX_BACKLOG_SIZE } from '../../lib/hub/subscriber.ts'
import { Topics } from '../../lib/hub/topics.ts'
import type { Audience, Joining } from '../../lib/hub/topics.ts'
import type { TopicEngine, TopicMemberEvent, TopicPosition, TopicRecord, TopicSubscription } from '../../types/topics.ts'
import { settleEscapes } from '../helpers/guard.ts'
import { memoryUsed, turns } from '../helpers/connection-pair.ts'
import { GatedEngine } from '../helpers/gated-engine.ts'
import { FakeSubscriber } from '../helpers/subscriber.ts'

const HISTORY = { size: 100 }
const NOT_OPEN = { code: 'FST_WS_NOT_OPEN' }

class Scene<E extends TopicEngine> {
  readonly errors: Error[] = []
  readonly events: string[] = []
  readonly engine: E
  readonly topics: Topics

  constructor (engine: E) {
    this.engine = engine
    this.topics = new Topics(engine, (error) => { this.errors.push(error) })
    for (const event of ['join', 'leave'] as const) {
      this.topics.on(event, ({ topic, member }) => { this.events.push(`${event} ${topic} ${JSON.stringify(member.data)}`) })
    }
  }

  async subscribe (subscriber: FakeSubscriber, name: string, joining: Partial<Joining> = {}): Promise<TopicSubscription> {
    return await this.topics.subscribe(subscriber.asConnection, name, { max: 128, ...joining })
  }

  async publish (topic: string, data: string, more: Partial<TopicRecord> = {}, audience?: Audience): Promise<TopicPosition | undefined> {
    return await this.topics.publish({ topic, data, isJson: false, ...more }, audience)
  }

  /** Publishes to a topic with history. */
  async keep (topic: string, ...texts: string[]): Promise<TopicPosition> {
    let position: TopicPosition | undefined
    for (const data of texts) position = await this.publish(topic, data, { history: HISTORY })
    return position ?? { epoch: '', offset: 0 }
  }

  namesOf (subscriber: FakeSubscriber): string[] {
    return this.topics.namesOf(subscriber.asConnection)
  }
}

const simple = (): Scene<MemoryEngine> => new Scene(new MemoryEngine())
const gated = (): Scene<GatedEngine> => new Scene(new GatedEngine())

/** A promise that a test looks at later: its rejection is nobody's surprise. */
function later<T> (promise: Promise<T>): Promise<T> {
  promise.catch(() => {})
  return promise
}

// ---- who gets what

t.test('all subscribers get it once, in order, as one and the same message', async (t) => {
  const scene = simple()
  const all = Array.from({ length: 3 }, () => new FakeSubscriber())
  const [a, b] = all as [FakeSubscriber, FakeSubscriber, FakeSubscriber]
  for (const subscriber of all) t.strictSame(await scene.subscribe(subscriber, 'news'), { topic: 'news' })
  const other = new FakeSubscriber()
  await scene.subscribe(other, 'newer')
  for (const text of ['1', '2', '3']) await scene.publish('news', text)
  for (const subscriber of all) t.strictSame(subscriber.texts, ['1', '2', '3'])
  t.strictSame(other.texts, [])
  for (const [n, message] of a.messages.entries()) {
    t.equal(b.messages[n], message)
    t.equal(b.messages[n]?.frame, message.frame, 'one frame')
  }
  t.not(a.messages[0]?.frame.bytes, a.messages[1]?.frame.bytes)
})

t.test('bytes go as bytes', async (t) => {
  const scene = simple()
  const a = new FakeSubscriber()
  await scene.subscribe(a, 'news')
  await scene.topics.publish({ topic: 'news', data: new Uint8Array([0, 255]), isJson: false })
  t.ok(Buffer.from([0, 255]).equals(a.messages[0]?.data as Buffer))
})

t.test('a pattern is one segment, and nobody gets a message twice', async (t) => {
  const scene = simple()
  const [both, pattern, all] = [new FakeSubscriber(), new FakeSubscriber(), new FakeSubscriber()]
  await scene.subscribe(both, 'room/*')
  await scene.subscribe(both, 'room/a')
  await scene.subscribe(pattern, 'room/*')
  await scene.subscribe(all, '*')
  for (const topic of ['room/a', 'room/b', 'room', 'room/a/b', 'rooms/a']) await scene.publish(topic, topic)
  t.strictSame(both.texts, ['room/a', 'room/b'])
  t.strictSame(pattern.texts, ['room/a', 'room/b'])
  t.strictSame(all.texts, ['room'])
  t.ok(await scene.topics.unsubscribe(both.asConnection, 'room/a'))
  await scene.publish('room/a', 'still by the pattern')
  t.equal(both.texts.at(-1), 'still by the pattern')
  t.ok(await scene.topics.unsubscribe(both.asConnection, 'room/*'))
  await scene.publish('room/a', 'gone')
  t.equal(both.messages.length, 3)
})

for (const end of ['fails', 'ends'] as const) {
  t.test(`whoever gets a topic by a pattern misses nothing when a subscription by name ${end} before it has begun`, async (t) => {
    const scene = gated()
    const { topics, engine } = scene
    const a = new FakeSubscriber()
    await scene.subscribe(a, 'room/*')
    await scene.keep('room/a', '1')
    const release = engine.hold('history')
    if (end === 'fails') engine.fail('history')
    const subscribing = later(scene.subscribe(a, 'room/a'))
    await turns(1)
    await scene.keep('room/a', '2')
    t.strictSame(a.texts, ['1'], 'it waits')
    if (end === 'ends') await topics.unsubscribe(a.asConnection, 'room/a')
    else release()
    await turns(1)
    await scene.keep('room/a', '3')
    t.strictSame(a.texts, ['1', '2', '3'])
    release()
    await t.rejects(subscribing)
    t.strictSame(a.texts, ['1', '2', '3'])
  })
}

t.test('whoever gets a topic by a pattern and subscribes by name gets what is still on its way', async (t) => {
  const scene = gated()
  const a = new FakeSubscriber()
  await scene.subscribe(a, 'room/*')
  await scene.keep('room/a', '1')
  const late: TopicRecord[] = []
  scene.engine.wire = (record) => {
    late.push(record)
    return []
  }
  await scene.keep('room/a', '2', '3')
  const release = scene.engine.hold('history')
  const subscribing = scene.subscribe(a, 'room/a', { history: HISTORY })
  await turns(1)
  scene.engine.events?.deliver(late[0]!) // there are two
  release()
  t.equal((await subscribing).position?.offset, 2)
  scene.engine.events?.deliver(late[1]!)
  scene.engine.wire = (record) => [record]
  await scene.keep('room/a', '4')
  t.strictSame(a.texts, ['1', '2', '3', '4'])
})

t.test('by a pattern, and by name with what was missed: the end of that, while it is sent, loses nothing and repeats nothing', async (t) => {
  const scene = simple()
  const a = new FakeSubscriber()
  const { epoch } = await scene.keep('room/a', '1', '2', '3')
  await scene.subscribe(a, 'room/*')
  a.room = 2
  const subscribing = later(scene.subscribe(a, 'room/a', { since: { epoch, offset: 0 } }))
  await turns(1)
  await scene.keep('room/a', '4', '5')
  t.strictSame(a.texts, ['1', '2'])
  await scene.topics.unsubscribe(a.asConnection, 'room/a')
  await t.rejects(subscribing, NOT_OPEN)
  await scene.keep('room/a', '6')
  t.strictSame(a.texts, ['1', '2', '4', '5', '6'], 'the third was from before the pattern')
})

t.test('exclude and filter', async (t) => {
  const scene = simple()
  const all = Array.from({ length: 4 }, () => new FakeSubscriber())
  const [a, b, c, d] = all as [FakeSubscriber, FakeSubscriber, FakeSubscriber, FakeSubscriber]
  for (const subscriber of all) await scene.subscribe(subscriber, 'news')
  await scene.publish('news', 'not a, b', { exclude: [a.id, b.id] })
  await scene.publish('news', 'only c', {}, { filter: (connection) => connection === c.asConnection })
  await scene.publish('news', 'truthy is not true', {}, { filter: () => 1 })
  t.strictSame(all.map(({ texts }) => texts), [[], [], ['not a, b', 'only c'], ['not a, b']])
  t.strictSame(d.texts, ['not a, b'])
})

t.test('a filter that throws is about one subscriber, and nobody else misses anything', async (t) => {
  const scene = simple()
  const [a, b] = [new FakeSubscriber(), new FakeSubscriber()]
  for (const subscriber of [a, b]) await scene.subscribe(subscriber, 'news')
  await scene.publish('news', 'text', {}, { filter: ({ id }) => { if (id === a.id) throw new Error('about a'); return true } })
  t.strictSame([a.texts, b.texts], [[], ['text']])
  t.match(scene.errors, [{ message: 'about a' }])
})

t.test('what is published while a message is handed out comes behind it, for all', async (t) => {
  for (const history of [undefined, HISTORY]) {
    const scene = simple()
    const all = Array.from({ length: 3 }, () => new FakeSubscriber())
    for (const subscriber of all) await scene.subscribe(subscriber, 'room/a')
    const publish = async (data: string, audience?: Audience): Promise<void> => { await scene.publish('room/a', data, { ...(history && { history }) }, audience) }
    let isNested = false
    const filter = (): boolean => {
      if (!isNested) {
        isNested = true
        void publish('2')
        void publish('3')
      }
      return true
    }
    await publish('1', { filter })
    await publish('4')
    for (const { texts } of all) t.strictSame(texts, ['1', '2', '3', '4'])
  }
})

t.test('it ends when the subscription does, and what never was ends with false', async (t) => {
  const scene = gated()
  const a = new FakeSubscriber()
  await scene.subscribe(a, 'news')
  t.strictSame(scene.namesOf(a), ['news'])
  t.equal(await scene.topics.unsubscribe(a.asConnection, 'news'), true)
  t.equal(await scene.topics.unsubscribe(a.asConnection, 'news'), false)
  t.strictSame(scene.namesOf(a), [])
  await scene.publish('news', 'late')
  t.strictSame(a.texts, [])
})

t.test('what the application has subscribed and what the client has are two, each in its form', async (t) => {
  const scene = gated()
  const a = new FakeSubscriber()
  const wrapped = (text: string): string => `{"type":"ws:message","topic":"room/a","message":"${text}"}`
  await scene.subscribe(a, 'room/a', { isWrapped: true, data: 'client' })
  await scene.subscribe(a, 'room/a', { data: 'server' })
  await scene.subscribe(a, 'room/a', { isWrapped: true, data: 'client again' })
  t.strictSame(await scene.topics.members('room/a'), [{ id: a.id, data: 'server' }], 'one member, as the application says')
  await scene.subscribe(a, 'room/*')
  t.strictSame(scene.namesOf(a), ['room/a', 'room/*'])
  await scene.publish('room/a', '1')
  t.strictSame(a.texts, ['1', wrapped('1')])
  t.equal(await scene.topics.unsubscribe(a.asConnection, 'room/a', true), true)
  t.equal(await scene.topics.unsubscribe(a.asConnection, 'room/a', true), false, 'the client ends its own alone')
  await scene.publish('room/a', '2')
  t.strictSame(a.texts.slice(2), ['2'])
  t.strictSame(scene.events, ['join room/a "client"'], 'still a member')
  t.strictSame(await scene.topics.members('room/a'), [{ id: a.id, data: 'server' }])
  await scene.subscribe(a, 'room/a', { isWrapped: true })
  t.equal(await scene.topics.unsubscribe(a.asConnection, 'room/a'), true)
  t.equal(await scene.topics.unsubscribe(a.asConnection, 'room/a'), false, 'the application ends both')
  t.match(a.texts.slice(3).map((text) => JSON.parse(text)), [{ type: 'ws:error', topic: 'room/a', error: { code: 'FST_WS_TOPIC_FORBIDDEN' } }], 'and the client is told')
  await scene.publish('room/a', '3')
  t.strictSame(a.texts.slice(4), ['3'], 'by the pattern')
  t.strictSame(scene.events, ['join room/a "client"', 'leave room/a "server"'])
  t.strictSame(scene.engine.calls.filter((call) => call.endsWith('subscribe room/a')), ['subscribe room/a', 'unsubscribe room/a'])
  await scene.subscribe(a, 'room/a', { isWrapped: true, data: 'client' })
  await scene.subscribe(a, 'room/a', { data: 'server' })
  a.end(scene.topics)
  await turns(1)
  t.strictSame(scene.events.slice(2), ['join room/a "client"', 'leave room/a "server"'], 'it leaves once')
  t.strictSame(scene.namesOf(a), [])
})

// ---- limits

t.test('as many topics as max, patterns too; one that is known is no other', async (t) => {
  const scene = simple()
  const a = new FakeSubscriber()
  for (let n = 0; n < 127; n++) await scene.subscribe(a, `room/${n}`)
  await scene.subscribe(a, 'room/*')
  await t.rejects(scene.subscribe(a, 'one/more'), { code: 'FST_WS_TOO_MANY_TOPICS', message: /128/ })
  await t.rejects(scene.subscribe(a, 'more/*'), { code: 'FST_WS_TOO_MANY_TOPICS' })
  await scene.subscribe(a, 'room/7')
  t.equal(scene.namesOf(a).length, 128)
  await scene.topics.unsubscribe(a.asConnection, 'room/7')
  await scene.subscribe(a, 'one/more')
})

t.test('those of the application and of the client count together', async (t) => {
  const scene = simple()
  const a = new FakeSubscriber()
  await scene.subscribe(a, 'room/a', { max: 2 })
  await scene.subscribe(a, 'room/a', { max: 2, isWrapped: true })
  for (const isWrapped of [false, true]) await t.rejects(scene.subscribe(a, 'room/b', { max: 2, isWrapped }), { code: 'FST_WS_TOO_MANY_TOPICS' })
})

t.test('those that have not begun yet count', async (t) => {
  const scene = gated()
  const release = scene.engine.hold('subscribe')
  const a = new FakeSubscriber()
  const first = scene.subscribe(a, 'room/1', { max: 1 })
  await t.rejects(scene.subscribe(a, 'room/2', { max: 1 }), { code: 'FST_WS_TOO_MANY_TOPICS' })
  release()
  t.strictSame(await first, { topic: 'room/1' })
})

t.test('names are checked, and a pattern has neither since nor data', async (t) => {
  const scene = simple()
  const a = new FakeSubscriber()
  for (const name of ['', 'a//b', 'a*', '*/a', 'a'.repeat(256), 'a\n']) await t.rejects(scene.subscribe(a, name), { code: 'FST_WS_INVALID_TOPIC' }, name)
  await scene.subscribe(a, 'a'.repeat(255))
  await t.rejects(scene.subscribe(a, 'room/*', { data: null }), { code: 'FST_WS_INVALID_ARGUMENT' })
  await t.rejects(scene.subscribe(a, 'room/*', { since: { epoch: '', offset: 0 } }), { code: 'FST_WS_INVALID_ARGUMENT' })
  await t.rejects(scene.topics.members('room/*'), { code: 'FST_WS_INVALID_TOPIC' })
})

t.test('not on a connection that closes or has closed', async (t) => {
  const scene = simple()
  for (const readyState of [0, 2, 3]) {
    const a = new FakeSubscriber()
    a.readyState = readyState
    await t.rejects(scene.subscribe(a, 'news'), NOT_OPEN)
    t.strictSame(scene.namesOf(a), [])
  }
})

// ---- the engine is asked once

t.test('the engine is asked by the first subscriber and told by the last', async (t) => {
  const scene = gated()
  const release = scene.engine.hold('subscribe')
  const all = Array.from({ length: 5 }, () => new FakeSubscriber())
  const subscribing = all.map((subscriber) => scene.subscribe(subscriber, 'news'))
  await turns(1)
  release()
  await Promise.all(subscribing)
  for (const [n, subscriber] of all.entries()) {
    t.strictSame(scene.engine.calls.filter((call) => call.endsWith('subscribe news')), ['subscribe news'], `${n} have gone`)
    if (n % 2 === 0) await scene.topics.unsubscribe(subscriber.asConnection, 'news')
    else subscriber.end(scene.topics)
  }
  t.strictSame(scene.engine.calls.filter((call) => call.endsWith('subscribe news')), ['subscribe news', 'unsubscribe news'])
})

// ---- history

t.test('since: all of it in order and before anything new, or nothing', async (t) => {
  const scene = simple()
  const { epoch } = await scene.keep('room/a', '1', '2', '3')
  const rows = [
    { since: { epoch, offset: 0 }, recovered: true, want: ['1', '2', '3'] },
    { since: { epoch, offset: 2 }, recovered: true, want: ['3'] },
    { since: { epoch, offset: 3 }, recovered: true, want: [] },
    { since: { epoch, offset: 4 }, recovered: false, want: [] },
    { since: { epoch: 'old', offset: 2 }, recovered: false, want: [] }
  ]
  for (const { since, recovered, want } of rows) {
    const a = new FakeSubscriber()
    t.strictSame(await scene.subscribe(a, 'room/a', { since }), { topic: 'room/a', position: { epoch, offset: 3 }, recovered })
    t.strictSame(a.texts, want)
    a.end(scene.topics)
  }
  const a = new FakeSubscriber()
  t.strictSame(await scene.subscribe(a, 'room/a'), { topic: 'room/a', position: { epoch, offset: 3 } })
  t.strictSame(a.texts, [])
  t.strictSame(await scene.subscribe(new FakeSubscriber(), 'none', { since: { epoch, offset: 0 } }), { topic: 'none', recovered: false })
})

for (const when of ['before', 'after'] as const) {
  t.test(`messages that are published while history is looked up, ${when} the engine looks`, async (t) => {
    const scene = gated()
    const since = await scene.keep('room/a', '1')
    await scene.keep('room/a', '2', '3')
    const release = scene.engine.hold(when === 'before' ? 'subscribe' : 'history')
    const a = new FakeSubscriber()
    const b = new FakeSubscriber()
    const told: unknown[] = []
    const subscribing = scene.subscribe(a, 'room/a', { since, onSubscribed: (subscription) => { told.push([subscription, a.texts]) } })
    const without = scene.subscribe(b, 'room/a')
    await turns(1)
    await scene.keep('room/a', '4', '5')
    t.strictSame(a.texts, [], 'none overtakes')
    release()
    const subscription = await subscribing
    await without
    await scene.keep('room/a', '6')
    t.strictSame(a.texts, ['2', '3', '4', '5', '6'])
    const offset = when === 'before' ? 5 : 3
    t.match(subscription, { recovered: true, position: { epoch: since.epoch, offset } })
    t.strictSame(told, [[subscription, []]], 'told before the first')
    t.strictSame(b.texts, ['4', '5', '6'].slice(offset - 3), 'behind where the topic stood')
  })
}

t.test('not recovered is nothing of it, also with messages in between', async (t) => {
  const scene = gated()
  await scene.keep('room/a', '1', '2')
  const release = scene.engine.hold('history')
  const a = new FakeSubscriber()
  const subscribing = scene.subscribe(a, 'room/a', { since: { epoch: 'old', offset: 1 } })
  await turns(1)
  await scene.keep('room/a', '3')
  release()
  t.match(await subscribing, { recovered: false, position: { offset: 2 } })
  t.strictSame(a.texts, ['3'])
})

t.test('again, it is looked up anew: nothing that comes meanwhile is lost or comes twice', async (t) => {
  for (const method of ['subscribe', 'history', 'join'] as const) {
    for (const isAskedFor of [false, true]) {
      const scene = gated()
      const since = await scene.keep('room/a', '0')
      const a = new FakeSubscriber()
      await scene.subscribe(a, 'room/a')
      await scene.keep('room/a', '1')
      const release = scene.engine.hold(method)
      const again = scene.subscribe(a, 'room/a', { data: 1, ...(isAskedFor && { since }) })
      await scene.keep('room/a', '2')
      await turns(1)
      await scene.keep('room/a', '3')
      release()
      await again
      await scene.keep('room/a', '4')
      t.strictSame(a.texts, isAskedFor ? ['1', '1', '2', '3', '4'] : ['1', '2', '3', '4'], `${method} is late`)
    }
  }
})

t.test('again, but what it has missed is not there: what it gets as a subscriber goes on', async (t) => {
  const scene = gated()
  const a = new FakeSubscriber()
  await scene.subscribe(a, 'room/a', { history: HISTORY })
  const release = scene.engine.hold('history')
  const told: unknown[] = []
  const again = scene.subscribe(a, 'room/a', { since: { epoch: 'old', offset: 3 }, onSubscribed: ({ position }) => { told.push([a.texts, position?.offset]) } })
  await scene.keep('room/a', '1')
  await scene.keep('room/a', '2')
  release()
  t.match(await again, { recovered: false })
  await scene.keep('room/a', '3')
  t.strictSame(a.texts, ['1', '2', '3'])
  t.strictSame(told, [[['1'], 1]], 'a position is behind what came before it')
})

t.test('history sends nothing back to whom it was not for', async (t) => {
  const scene = simple()
  const a = new FakeSubscriber()
  const { position } = await scene.subscribe(a, 'room/a', { history: HISTORY })
  await scene.publish('room/a', 'its own', { history: HISTORY, exclude: [a.id] })
  await scene.publish('room/a', 'for all', { history: HISTORY })
  await scene.subscribe(a, 'room/a', { since: position })
  t.strictSame(a.texts, ['for all', 'for all'])
})

// ---- an engine that repeats, leaves out, or is late

/** Messages of `room/a` on their way. */
class Wire {
  readonly #kept: TopicRecord[] = []
  readonly #engine: GatedEngine

  constructor (engine: GatedEngine) {
    this.#engine = engine
  }

  /** Lets what comes next pass, come twice, never, or when it is let go. */
  set (how: 'pass' | 'twice' | 'lose' | 'keep'): void {
    this.#engine.wire = (record) => {
      if (how === 'keep') this.#kept.push(record)
      return how === 'pass' ? [record] : how === 'twice' ? [record, record] : []
    }
  }

  letGo (): void {
    for (const record of this.#kept.splice(0)) this.#engine.events?.deliver(record)
  }
}

t.test('a message that the engine repeats comes once, one that it leaves out comes in its place', async (t) => {
  const scene = gated()
  const wire = new Wire(scene.engine)
  const [plain, wrapped, pattern] = [new FakeSubscriber(), new FakeSubscriber(), new FakeSubscriber()]
  await scene.subscribe(plain, 'room/a', { history: HISTORY })
  await scene.subscribe(wrapped, 'room/a', { isWrapped: true })
  await scene.subscribe(pattern, 'room/*')
  wire.set('twice')
  await scene.keep('room/a', '1', '2')
  wire.set('lose')
  await scene.keep('room/a', '3')
  await scene.publish('room/a', 'not for plain', { history: HISTORY, exclude: [plain.id] })
  wire.set('twice')
  await scene.keep('room/a', '5')
  await turns(1)
  wire.set('pass')
  await scene.keep('room/a', '6')
  t.strictSame(plain.texts, ['1', '2', '3', '5', '6'])
  t.strictSame(pattern.texts, ['1', '2', '3', 'not for plain', '5', '6'])
  t.strictSame(wrapped.texts.map((text) => (JSON.parse(text) as TopicPosition).offset), [1, 2, 3, 4, 5, 6])
  t.strictSame(scene.errors, [])
})

t.test('messages that are nowhere any more: it is told, and it goes on behind them', async (t) => {
  const scene = gated()
  const wire = new Wire(scene.engine)
  const [plain, wrapped] = [new FakeSubscriber(), new FakeSubscriber()]
  const history = { size: 2 }
  const publish = async (...texts: string[]): Promise<void> => { for (const text of texts) await scene.publish('room/a', text, { history }) }
  const { position } = await scene.subscribe(plain, 'room/a', { history })
  await scene.subscribe(wrapped, 'room/a', { isWrapped: true })
  await publish('1')
  wire.set('lose')
  await publish('2', '3')
  wire.set('pass')
  await publish('4', '5')
  await turns(1)
  t.strictSame(plain.texts, ['1', '4', '5'])
  t.match(wrapped.texts.map((text) => JSON.parse(text) as object), [
    { type: 'ws:message', offset: 1 }, { type: 'ws:lost', topic: 'room/a', epoch: position?.epoch, offset: 3 }, { type: 'ws:message', offset: 4 }, { type: 'ws:message', offset: 5 }
  ])
  t.match(scene.errors, [{ message: /messages of room\/a are lost/ }])
})

t.test('whoever comes back is sent what is still on its way, and it does not come twice', async (t) => {
  for (const isPattern of [false, true]) {
    const scene = gated()
    const wire = new Wire(scene.engine)
    const [a, b] = [new FakeSubscriber(), new FakeSubscriber()]
    const since = await scene.keep('room/a', '1')
    if (isPattern) await scene.subscribe(b, 'room/*')
    else await scene.subscribe(b, 'room/a')
    wire.set('keep')
    await scene.keep('room/a', '2', '3')
    t.match(await scene.subscribe(a, 'room/a', { since }), { recovered: true, position: { offset: 3 } })
    wire.letGo()
    wire.set('pass')
    await scene.keep('room/a', '4', '5')
    t.strictSame(a.texts, ['2', '3', '4', '5'])
    t.strictSame(b.texts, ['2', '3', '4', '5'])
  }
})

t.test('who is subscribed already gets what is still on its way: its position is before that', async (t) => {
  const scene = gated()
  const wire = new Wire(scene.engine)
  const a = new FakeSubscriber()
  await scene.subscribe(a, 'room/a', { history: HISTORY })
  await scene.keep('room/a', '1')
  wire.set('keep')
  await scene.keep('room/a', '2', '3')
  t.match(await scene.subscribe(a, 'room/a'), { position: { offset: 1 } })
  wire.letGo()
  t.strictSame(a.texts, ['1', '2', '3'])
})

t.test('whoever has come back and subscribes once more gets nothing twice that is still on its way', async (t) => {
  for (const [again, want] of [['without', ['2', '3', '4']], ['with', ['2', '3', '3', '4']]] as const) {
    const scene = gated()
    const wire = new Wire(scene.engine)
    const [a, b] = [new FakeSubscriber(), new FakeSubscriber()]
    const since = await scene.keep('room/a', '1')
    await scene.subscribe(b, 'room/a')
    wire.set('keep')
    await scene.keep('room/a', '2', '3')
    await scene.subscribe(a, 'room/a', { since })
    t.match(await scene.subscribe(a, 'room/a', again === 'with' ? { since: { ...since, offset: 2 } } : {}), { position: { offset: 3 } }, `${again} since`)
    wire.letGo()
    wire.set('pass')
    await scene.keep('room/a', '4')
    t.strictSame(a.texts, want)
    t.strictSame(b.texts, ['2', '3', '4'])
  }
})

t.test('subscribed once more before anything of the topic has come, while somebody gets it by a pattern', async (t) => {
  for (const first of ['by name', 'by pattern'] as const) {
    const scene = gated()
    const wire = new Wire(scene.engine)
    const [a, b] = [new FakeSubscriber(), new FakeSubscriber()]
    await scene.subscribe(b, 'room/*')
    await scene.keep('room/b', '0')
    if (first === 'by name') t.match(await scene.subscribe(a, 'room/a', { history: HISTORY }), { position: { offset: 0 } })
    else await scene.subscribe(a, 'room/*')
    wire.set('keep')
    await scene.keep('room/a', '1', '2')
    const { position } = await scene.subscribe(a, 'room/a', { history: HISTORY })
    if (first === 'by name') t.match(position, { offset: 0 }, 'where it stood')
    wire.letGo()
    wire.set('pass')
    await scene.keep('room/a', '3')
    t.strictSame(a.texts.slice(-3), ['1', '2', '3'], first)
    t.strictSame(b.texts, ['0', '1', '2', '3'])
  }
})

t.test('the first that comes is not the next, while somebody gets the topic by a pattern: what is missing is looked up', async (t) => {
  const scene = gated()
  const wire = new Wire(scene.engine)
  const [a, b] = [new FakeSubscriber(), new FakeSubscriber()]
  await scene.keep('room/a', '1')
  await scene.subscribe(b, 'room/*')
  t.match(await scene.subscribe(a, 'room/a', { history: HISTORY }), { position: { offset: 1 } })
  wire.set('lose')
  await scene.keep('room/a', '2')
  wire.set('pass')
  await scene.keep('room/a', '3')
  await turns(1)
  t.strictSame([a.texts, b.texts], [['2', '3'], ['2', '3']])
  // The engine does not say where it stands: what comes then is not held against where anybody was.
  scene.engine.fail('history')
  scene.engine.events?.onState('down')
  scene.engine.events?.onState('up')
  await turns(1)
  scene.engine.mend('history')
  wire.set('lose')
  await scene.keep('room/a', '4')
  wire.set('pass')
  await scene.keep('room/a', '5')
  await turns(1)
  t.strictSame([a.texts, b.texts], [['2', '3', '5'], ['2', '3', '5']])
})

t.test('whoever comes while a gap is looked up', async (t) => {
  const scene = gated()
  const wire = new Wire(scene.engine)
  const [a, b] = [new FakeSubscriber(), new FakeSubscriber()]
  const history = { size: 1 }
  await scene.subscribe(a, 'room/a', { history, isWrapped: true })
  const since = await scene.publish('room/a', '1', { history })
  wire.set('lose')
  await scene.publish('room/a', '2', { history })
  wire.set('pass')
  const release = scene.engine.hold('history')
  await scene.publish('room/a', '3', { history })
  const subscribing = scene.subscribe(b, 'room/a', { isWrapped: true, since: { epoch: since?.epoch ?? '', offset: 2 } })
  await turns(1)
  release()
  t.match(await subscribing, { recovered: true, position: { offset: 3 } })
  await scene.publish('room/a', '4', { history })
  const offsets = ({ texts }: FakeSubscriber): unknown[] => texts.map((text) => JSON.parse(text) as { type: string, offset: number }).map(({ type, offset }) => `${type} ${offset}`)
  t.strictSame(offsets(a), ['ws:message 1', 'ws:lost 2', 'ws:message 3', 'ws:message 4'])
  t.strictSame(offsets(b), ['ws:message 3', 'ws:message 4'], 'it has missed nothing')
})

t.test('what is delivered does not go on where history ends: it is looked up again', async (t) => {
  for (const isLate of [true, false]) {
    const scene = gated()
    const wire = new Wire(scene.engine)
    const a = new FakeSubscriber()
    const since = await scene.keep('room/a', '1')
    const release = scene.engine.hold('history')
    const subscribing = later(scene.subscribe(a, 'room/a', { since }))
    await turns(1)
    // Behind the answer, and lost: the next one is all that comes.
    wire.set('lose')
    await scene.keep('room/a', '2')
    wire.set('pass')
    await scene.keep('room/a', '3')
    if (isLate) {
      release()
      t.match(await subscribing, { recovered: true, position: { offset: 3 } })
      await scene.keep('room/a', '4')
      t.strictSame(a.texts, ['2', '3', '4'])
    } else {
      scene.engine.events?.deliver({ topic: 'room/a', data: 'from nowhere', isJson: false, position: { epoch: since.epoch, offset: 99 } })
      a.end(scene.topics)
      release()
      await t.rejects(subscribing, NOT_OPEN)
    }
  }
})

t.test('an engine whose history stays behind what it delivers: there is no subscription', async (t) => {
  const scene = gated()
  const a = new FakeSubscriber()
  const { epoch } = await scene.keep('room/a', '1')
  const release = scene.engine.hold('subscribe')
  const subscribing = later(scene.subscribe(a, 'room/a'))
  await turns(1)
  scene.engine.events?.deliver({ topic: 'room/a', data: 'from nowhere', isJson: false, position: { epoch, offset: 99 } })
  release()
  await t.rejects(subscribing, { message: /does not go on where its history ends/ })
  t.strictSame(scene.namesOf(a), [])
})

t.test('an engine that is back: what it has not delivered meanwhile is looked up', async (t) => {
  const scene = gated()
  const wire = new Wire(scene.engine)
  const a = new FakeSubscriber()
  await scene.subscribe(a, 'room/a', { history: HISTORY })
  await scene.keep('room/a', '1')
  scene.engine.events?.onState('down')
  wire.set('lose')
  await scene.keep('room/a', '2', '3')
  t.strictSame(a.texts, ['1'])
  scene.engine.events?.onState('up')
  await turns(1)
  t.strictSame(a.texts, ['1', '2', '3'])
  scene.engine.events?.onState('up')
  await turns(1)
  t.equal(scene.engine.calls.filter((call) => call === 'history room/a').length, 2, 'once each time that it comes back')
})

t.test('closed while a gap is looked up: nothing is told any more', async (t) => {
  const scene = gated()
  const wire = new Wire(scene.engine)
  await scene.subscribe(new FakeSubscriber(), 'room/a')
  await scene.keep('room/a', '1')
  wire.set('lose')
  await scene.keep('room/a', '2')
  wire.set('pass')
  const release = scene.engine.hold('history')
  scene.engine.fail('history')
  await scene.keep('room/a', '3')
  await turns(1)
  await scene.topics.close()
  release()
  await turns(1)
  t.strictSame(scene.errors.map(({ message }) => message), ['history failed'])
})

t.test('the place of a topic goes with its last subscriber', async (t) => {
  for (const name of ['room/a', 'room/*']) {
    const scene = gated()
    const wire = new Wire(scene.engine)
    const a = new FakeSubscriber()
    await scene.subscribe(a, name)
    await scene.keep('room/a', '1')
    await scene.topics.unsubscribe(a.asConnection, name)
    wire.set('lose')
    await scene.keep('room/a', '2')
    wire.set('pass')
    await scene.subscribe(a, name)
    await scene.keep('room/a', '3')
    await turns(1)
    t.strictSame(a.texts, ['1', '3'])
    t.equal(scene.engine.calls.filter((call) => call === 'history room/a').length, name === 'room/a' ? 2 : 0, 'nothing was missing')
  }
})

t.test('what was missed is sent as fast as it is read, and what comes meanwhile waits behind it', async (t) => {
  const scene = simple()
  const texts = Array.from({ length: 20 }, (_, n) => String(n))
  const { epoch } = await scene.keep('room/a', ...texts)
  const [a, b] = [new FakeSubscriber(), new FakeSubscriber()]
  await scene.subscribe(b, 'room/a')
  a.room = 3
  let isDone = false
  const subscribing = scene.subscribe(a, 'room/a', { since: { epoch, offset: 0 } }).then((subscription) => { isDone = true; return subscription })
  await turns(1)
  t.strictSame(a.texts, texts.slice(0, 3))
  await scene.keep('room/a', 'new')
  t.strictSame(b.texts, ['new'], 'nobody else waits')
  for (let i = 0; i < 10; i++) {
    a.drain(3)
    await turns(1)
    t.ok(a.messages.length <= 6 + 3 * i, 'no more than it has room for')
  }
  t.ok(isDone)
  t.match(await subscribing, { recovered: true })
  t.strictSame(a.texts, [...texts, 'new'])
  t.equal(a.waiting, 0, 'no listener is left')
})

for (const what of ['messages', 'bytes'] as const) {
  t.test(`one that does not read what it has missed: of what comes meanwhile only so many ${what} wait, then its own limit holds`, async (t) => {
    const scene = simple()
    const { epoch } = await scene.keep('room/a', '1', '2', '3')
    const a = new FakeSubscriber()
    a.room = 1
    const subscribing = scene.subscribe(a, 'room/a', { since: { epoch, offset: 0 } })
    await turns(1)
    const text = what === 'messages' ? '' : 'x'.repeat(1_048_576)
    const most = what === 'messages' ? MAX_BACKLOG : MAX_BACKLOG_SIZE / text.length
    for (let n = 0; n < most; n++) await scene.publish('room/a', text)
    await turns(1)
    t.equal(a.messages.length, 1, 'they wait')
    await scene.publish('room/a', text)
    await scene.publish('room/a', 'last')
    await subscribing
    t.equal(a.messages.length, 3 + most + 2, 'all is handed to the connection, which closes, or drops and says so')
    t.equal(a.texts.at(-1), 'last')
    await scene.publish('room/a', 'and on')
    t.equal(a.texts.at(-1), 'and on')
  })
}

for (const method of ['history', 'join', 'presence'] as const) {
  t.test(`too much for an answer to ${method} that does not come: the subscription fails and is gone`, async (t) => {
    const scene = gated()
    const release = scene.engine.hold(method)
    const a = new FakeSubscriber()
    const subscribing = later(scene.subscribe(a, 'room/a', { data: 1, seesMembers: true }))
    await turns(1)
    t.equal(scene.engine.calls.at(-1)?.split(' ')[0], method, 'it is what is awaited')
    for (let n = 0; n <= MAX_BACKLOG + 5; n++) scene.engine.events?.deliver({ topic: 'room/a', data: '', isJson: false })
    release()
    await t.rejects(subscribing, { message: /more than may wait/ })
    t.strictSame(a.texts.length, 0)
    t.strictSame(scene.namesOf(a), [])
    t.equal(scene.engine.calls.at(-1), 'unsubscribe room/a')
  })
}

t.test('one that ends while it catches up', async (t) => {
  for (const how of ['end', 'unsubscribe'] as const) {
    const scene = simple()
    const { epoch } = await scene.keep('room/a', '1', '2', '3')
    const a = new FakeSubscriber()
    a.room = 1
    const subscribing = later(scene.subscribe(a, 'room/a', { since: { epoch, offset: 0 } }))
    await turns(1)
    if (how === 'end') a.end(scene.topics)
    else t.equal(await scene.topics.unsubscribe(a.asConnection, 'room/a'), true)
    await t.rejects(subscribing, NOT_OPEN)
    t.strictSame(a.texts, ['1'])
    t.equal(a.waiting, 0, 'no listener is left')
    t.strictSame(scene.namesOf(a), [])
  }
})

// ---- ends

for (const method of ['start', 'subscribe', 'history', 'join'] as const) {
  for (const how of ['end', 'unsubscribe'] as const) {
    t.test(`${how} while the engine's answer to ${method} is awaited leaves nothing behind`, async (t) => {
      const engine = new GatedEngine()
      const release = engine.hold(method)
      const scene = new Scene(engine)
      const a = new FakeSubscriber()
      const subscribing = later(scene.subscribe(a, 'room/a', { data: 1 }))
      await turns(1)
      if (how === 'end') a.end(scene.topics)
      else await scene.topics.unsubscribe(a.asConnection, 'room/a')
      t.strictSame(scene.namesOf(a), [])
      release()
      await t.rejects(subscribing, NOT_OPEN)
      await turns(1)
      const asked = engine.calls.filter((call) => call.endsWith('subscribe room/a'))
      t.strictSame(asked, method === 'start' ? [] : ['subscribe room/a', 'unsubscribe room/a'])
      t.strictSame(await scene.topics.members('room/a'), [])
      t.strictSame(scene.events, method === 'join' ? ['join room/a 1', 'leave room/a 1'] : [])
      t.strictSame(engine.calls.filter((call) => call === 'leave room/a').length, method === 'join' ? 1 : 0)
      t.strictSame(scene.errors, [])
    })

    t.test(`${how} and subscribed anew while the answer to ${method} is awaited`, async (t) => {
      const engine = new GatedEngine()
      const release = engine.hold(method)
      const scene = new Scene(engine)
      const a = new FakeSubscriber()
      const first = later(scene.subscribe(a, 'room/a', { data: 1 }))
      await turns(1)
      if (how === 'end') a.end(scene.topics)
      else void scene.topics.unsubscribe(a.asConnection, 'room/a')
      a.readyState = 1
      const second = scene.subscribe(a, 'room/a', { data: 2 })
      await turns(1)
      release()
      await t.rejects(first, NOT_OPEN)
      await second
      await turns(1)
      t.strictSame(await scene.topics.members('room/a'), [{ id: a.id, data: 2 }])
      await scene.publish('room/a', 'here')
      t.strictSame(a.texts, ['here'])
      t.equal(engine.calls.findLast((call) => call.endsWith('subscribe room/a')), 'subscribe room/a', 'the engine is still to carry it')
    })
  }
}

t.test('a second call for the same waits for the first, and begins anew where that has failed', async (t) => {
  const scene = gated()
  const release = scene.engine.hold('history')
  scene.engine.fail('history')
  const a = new FakeSubscriber()
  const first = later(scene.subscribe(a, 'room/a'))
  const second = scene.subscribe(a, 'room/a')
  await turns(1)
  scene.engine.mend('history')
  release()
  await t.rejects(first, { message: 'history failed' })
  t.strictSame(await second, { topic: 'room/a' })
  await scene.publish('room/a', 'here')
  t.strictSame(a.texts, ['here'])
  t.strictSame(scene.engine.calls.filter((call) => call.endsWith('subscribe room/a')), ['subscribe room/a', 'unsubscribe room/a', 'subscribe room/a'])
  a.end(scene.topics)
  await turns(1)
  t.equal(scene.engine.calls.at(-1), 'unsubscribe room/a')
})

t.test('nothing keeps a connection that has ended', async (t) => {
  const scene = simple()
  await scene.keep('room/a', '1')
  const gone = await (async () => {
    const a = new FakeSubscriber()
    for (const name of ['room/a', 'room/*', 'news']) await scene.subscribe(a, name)
    await scene.subscribe(a, 'with/data', { data: 1 })
    await scene.publish('room/a', 'text', { history: HISTORY }, { filter: () => true })
    a.end(scene.topics)
    return new WeakRef(a)
  })()
  for (let i = 0; i < 10 && gone.deref() !== undefined; i++) await memoryUsed()
  t.equal(gone.deref(), undefined)
  t.strictSame(scene.events, ['join with/data 1', 'leave with/data 1'])
})

// ---- members

t.test('members come and go once', async (t) => {
  const scene = simple()
  const [a, b] = [new FakeSubscriber(), new FakeSubscriber()]
  await scene.subscribe(a, 'room/a', { data: { name: 'Ann' } })
  await scene.subscribe(b, 'room/a')
  t.strictSame(await scene.topics.members('room/a'), [{ id: a.id, data: { name: 'Ann' } }], 'without data it is no member')
  await scene.subscribe(a, 'room/a', { data: null })
  t.strictSame(await scene.topics.members('room/a'), [{ id: a.id, data: null }])
  await scene.subscribe(a, 'room/a')
  t.strictSame(await scene.topics.members('room/a'), [{ id: a.id, data: null }], 'and without data it stays what it is')
  await scene.topics.unsubscribe(a.asConnection, 'room/a')
  a.end(scene.topics)
  b.end(scene.topics)
  t.strictSame(scene.events, ['join room/a {"name":"Ann"}', 'leave room/a null'])
  t.strictSame(await scene.topics.members('room/a'), [])
})

t.test('members that come and go while a subscriber is told who is there', async (t) => {
  const scene = gated()
  const [a, b, c] = [new FakeSubscriber(), new FakeSubscriber(), new FakeSubscriber()]
  const told: string[] = []
  const watch = { isWrapped: true, seesMembers: true, onSubscribed: ({ members }: TopicSubscription) => { told.push(String(members?.map(({ data }) => data))) } }
  await scene.subscribe(b, 'room/a', { data: 'b' })
  const release = scene.engine.hold('presence')
  const subscribing = scene.subscribe(a, 'room/a', { ...watch, data: 'a' })
  await turns(1)
  await scene.subscribe(c, 'room/a', { data: 'c' })
  b.end(scene.topics)
  scene.engine.events?.onJoin('room/b', { id: 'd', data: 'of another topic' })
  t.strictSame([told, a.texts], [[], []])
  release()
  await subscribing
  t.strictSame(told, ['a,c'])
  c.end(scene.topics)
  await turns(1)
  const left = `{"type":"ws:leave","topic":"room/a","member":{"id":"${c.id}","data":"c"}}`
  t.strictSame(a.texts, [left])
  scene.engine.events?.onLeave('room/a', { id: c.id, data: 'c' })
  scene.engine.events?.onJoin('room/a', { id: a.id, data: 'a' })
  t.strictSame(a.texts, [left], 'told late, it is no news')
  await scene.topics.unsubscribe(a.asConnection, 'room/a', true)
  await scene.subscribe(b, 'room/a', { data: 'not told' }).catch(() => {})
  scene.engine.events?.onJoin('room/a', { id: 'd', data: 'd' })
  t.strictSame(a.texts, [left])
})

t.test('nobody is told of itself', async (t) => {
  const scene = gated()
  const [a, b] = [new FakeSubscriber(), new FakeSubscriber()]
  for (const subscriber of [a, b]) await scene.subscribe(subscriber, 'room/a', { isWrapped: true, seesMembers: true })
  await scene.subscribe(a, 'room/a', { isWrapped: true, seesMembers: true, data: 'a' })
  t.strictSame([a.texts.length, b.texts.length], [0, 1])
})

t.test('a subscriber whose question after members fails is told nothing more', async (t) => {
  const scene = gated()
  const [a, b] = [new FakeSubscriber(), new FakeSubscriber()]
  await scene.subscribe(a, 'room/a', { isWrapped: true, seesMembers: true })
  scene.engine.fail('presence')
  await t.rejects(scene.subscribe(a, 'room/a', { isWrapped: true, seesMembers: true }), { message: 'presence failed' })
  await scene.subscribe(b, 'room/a', { data: 'b' })
  t.strictSame([a.texts, scene.namesOf(a)], [[], []])
})

t.test('a listener that throws or rejects is alone with it', async (t) => {
  const scene = simple()
  const events: TopicMemberEvent[] = []
  const wrong = (): void => { throw new Error('thrown by a listener') }
  const late = async (): Promise<void> => { throw new Error('rejected by a listener') }
  const last = (event: TopicMemberEvent): void => { events.push(event) }
  for (const listener of [wrong, late, last]) scene.topics.on('join', listener)
  const a = new FakeSubscriber()
  await scene.subscribe(a, 'room/a', { data: 1 })
  await settleEscapes()
  t.strictSame(events, [{ topic: 'room/a', member: { id: a.id, data: 1 } }])
  t.strictSame(scene.errors.map(({ message }) => message), ['thrown by a listener', 'rejected by a listener'])
  for (const listener of [wrong, late, last]) scene.topics.off('join', listener)
  await scene.subscribe(new FakeSubscriber(), 'room/a', { data: 2 })
  t.equal(events.length, 1)
})

// ---- an engine that fails

for (const method of ['subscribe', 'history', 'join'] as const) {
  t.test(`an engine that rejects ${method} leaves no half of a subscription`, async (t) => {
    const scene = gated()
    scene.engine.fail(method)
    const a = new FakeSubscriber()
    await t.rejects(scene.subscribe(a, 'room/a', { data: 1 }), { message: `${method} failed` })
    t.strictSame(scene.namesOf(a), [])
    t.strictSame(await scene.topics.members('room/a'), [])
    t.strictSame(scene.engine.calls.filter((call) => call.startsWith('unsubscribe')), ['unsubscribe room/a'])
    await scene.publish('room/a', 'text')
    t.strictSame(a.texts, [])
    scene.engine.mend(method)
    await scene.subscribe(a, 'room/a', { data: 1 })
    await scene.publish('room/a', 'text')
    t.strictSame(a.texts, ['text'])
  })
}

t.test('what the application could not subscribe ends nothing of the client\'s', async (t) => {
  const scene = gated()
  const a = new FakeSubscriber()
  await scene.subscribe(a, 'room/a', { isWrapped: true, data: 1 })
  scene.engine.fail('history')
  await t.rejects(scene.subscribe(a, 'room/a', { data: 2 }), { message: 'history failed' })
  await scene.publish('room/a', 'text')
  t.equal(a.messages.length, 1)
  t.strictSame(scene.engine.calls.filter((call) => call.startsWith('unsubscribe') || call.startsWith('leave')), [])
})

t.test('an engine that rejects subscribe fails all who wait for it, and takes the next', async (t) => {
  const scene = gated()
  const release = scene.engine.hold('subscribe')
  scene.engine.fail('subscribe')
  const waiting = [1, 2, 3].map(() => later(scene.subscribe(new FakeSubscriber(), 'room/a')))
  await turns(1)
  scene.engine.mend('subscribe')
  release()
  for (const each of waiting) await t.rejects(each, { message: 'subscribe failed' })
  t.strictSame(await scene.subscribe(new FakeSubscriber(), 'room/a'), { topic: 'room/a' })
  t.strictSame(scene.engine.calls.filter((call) => call.endsWith('subscribe room/a')), ['subscribe room/a', 'unsubscribe room/a', 'subscribe room/a'])
})

t.test('an engine that rejects what nobody waits for: it is told, and nothing else happens', async (t) => {
  const scene = gated()
  const a = new FakeSubscriber()
  await scene.subscribe(a, 'room/a', { data: 1 })
  scene.engine.fail('leave')
  scene.engine.fail('unsubscribe', Object.create(null))
  a.end(scene.topics)
  await settleEscapes()
  t.match(scene.errors.map(({ message }) => message), ['leave failed', 'not an Error was thrown'], 'even where no string can be made of it')
  t.equal(scene.engine.calls.at(-1), 'unsubscribe room/a', 'it is told, though leave has failed')
  t.strictSame(scene.namesOf(a), [])
})

t.test('an engine that rejects publish: the publisher hears of it', async (t) => {
  const scene = gated()
  scene.engine.fail('publish')
  await t.rejects(scene.publish('room/a', 'text'), { message: 'publish failed' })
  t.strictSame(scene.errors, [])
})

t.test('an engine that rejects start: it is told once, whatever is asked rejects, and ends go on', async (t) => {
  const engine = new GatedEngine()
  engine.fail('start')
  const scene = new Scene(engine)
  const a = new FakeSubscriber()
  await t.rejects(scene.subscribe(a, 'room/a', { data: 1 }), { message: 'start failed' })
  await t.rejects(scene.publish('room/a', 'text'), { message: 'start failed' })
  await t.rejects(scene.topics.members('room/a'), { message: 'start failed' })
  a.end(scene.topics)
  await settleEscapes()
  t.strictSame(scene.errors.map(({ message }) => message), ['start failed'])
  t.equal(scene.topics.state, 'down')
  t.strictSame(engine.calls, ['start'], 'it is asked for nothing')
  await scene.topics.close()
})

t.test('nothing is asked of an engine that has not started', async (t) => {
  const engine = new GatedEngine()
  const release = engine.hold('start')
  const scene = new Scene(engine)
  const a = new FakeSubscriber()
  const all = [scene.subscribe(a, 'room/a'), scene.publish('room/a', 'text'), scene.topics.members('room/a')]
  await turns(1)
  t.strictSame(engine.calls, ['start'])
  release()
  await Promise.all(all)
  t.equal(engine.calls.length, 5)
})

t.test('its state is told', async (t) => {
  const scene = gated()
  t.equal(scene.topics.state, 'up')
  scene.engine.events?.onState('down', new Error('no connection'))
  t.equal(scene.topics.state, 'down')
  t.match(scene.errors, [{ message: 'no connection' }])
  const a = new FakeSubscriber()
  await scene.subscribe(a, 'room/a')
  await scene.publish('room/a', 'text')
  t.strictSame(a.texts, ['text'], 'it is the engine that says what goes and what not')
  scene.engine.events?.onState('up')
  t.equal(scene.topics.state, 'up')
  t.equal(scene.errors.length, 1)
})

t.test('closed once, whatever the engine makes of it', async (t: Test) => {
  const engine = new GatedEngine()
  engine.fail('close')
  const scene = new Scene(engine)
  const a = new FakeSubscriber()
  const { epoch } = await scene.keep('room/a', '1', '2')
  a.room = 1
  const subscribing = later(scene.subscribe(a, 'room/a', { since: { epoch, offset: 0 } }))
  await turns(1)
  await Promise.all([scene.topics.close(), scene.topics.close()])
  await t.rejects(subscribing, NOT_OPEN)
  t.strictSame(engine.calls.filter((call) => call === 'close'), ['close'])
  t.match(scene.errors, [{ message: 'close failed' }])
  t.strictSame(scene.namesOf(a), [])
  engine.events?.deliver({ topic: 'room/a', data: 'late', isJson: false })
  t.strictSame(a.texts, ['1'])
})

t.test('an engine that never closes is waited for as long as that', async (t) => {
  const scene = gated()
  const release = scene.engine.hold('close')
  await scene.topics.close(1)
  t.match(scene.errors, [{ message: 'the engine of topics did not close within 1 ms' }])
  release()
  await settleEscapes()
  t.equal(scene.errors.length, 1)
})
