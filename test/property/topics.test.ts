// Subscribers come, go and come back with the position that they have seen, while messages are published by two ways and the engine
// answers at once or late: what each has got is what a plain model says.
import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import t from 'tap'
import { MemoryEngine } from '../../lib/hub/memory-engine.ts'
import { Topics } from '../../lib/hub/topics.ts'
import type { TopicPosition, TopicRecord } from '../../types/topics.ts'
import { parameters, SEED } from '../helpers/arbitrary-frames.ts'
import { turns } from '../helpers/connection-pair.ts'
import { GatedEngine } from '../helpers/gated-engine.ts'
import { escaped } from '../helpers/guard.ts'
import { FakeSubscriber } from '../helpers/subscriber.ts'

t.comment(`seed ${SEED}`)

const SIZE = 3
const TOPICS = ['room/a', 'room/b', 'other/a'] as const
const NAMES = [...TOPICS, 'room/*'] as const

type Step =
  | { readonly do: 'publish', readonly topic: string, readonly byName: boolean, readonly not: number | undefined }
  | { readonly do: 'subscribe' | 'unsubscribe', readonly who: number, readonly name: string }
  | { readonly do: 'reconnect', readonly who: number, readonly back: number }

const who = fc.nat(2)
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('publish' as const), topic: fc.constantFrom(...TOPICS), byName: fc.boolean(), not: fc.option(who, { nil: undefined }) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('subscribe' as const), who, name: fc.constantFrom(...NAMES) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('unsubscribe' as const), who, name: fc.constantFrom(...NAMES) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('reconnect' as const), who, back: fc.nat(SIZE + 2) }) }
)

/** What it should be, told in the plainest way. */
class Model {
  /** All that was ever published, by topic. */
  readonly published = new Map<string, string[]>()
  readonly names: Array<Set<string>> = [new Set(), new Set(), new Set()]
  readonly got: string[][] = [[], [], []]

  publish (topic: string, text: string, not: number | undefined): void {
    this.published.set(topic, [...this.published.get(topic) ?? [], text])
    for (const [who, names] of this.names.entries()) {
      if (who === not) continue
      if (names.has(topic) || (names.has('room/*') && topic.startsWith('room/'))) this.got[who]?.push(text)
    }
  }

  /** @returns whether a subscriber that has seen so many gets the rest */
  recover (who: number, topic: string, seen: number): boolean {
    const all = this.published.get(topic) ?? []
    const isThere = seen <= all.length && all.length - seen <= SIZE
    if (isThere) this.got[who]?.push(...all.slice(seen))
    return isThere
  }
}

class World {
  readonly model = new Model()
  readonly topics: Topics
  readonly subscribers = [new FakeSubscriber(), new FakeSubscriber(), new FakeSubscriber()]
  readonly got: string[][] = [[], [], []]
  readonly errors: Error[] = []
  #epochs = new Map<string, string>()
  #count = 0

  constructor (engine: MemoryEngine | GatedEngine) {
    this.topics = new Topics(engine, (error) => { this.errors.push(error) })
  }

  async begin (): Promise<void> {
    // Every topic has a history from the start.
    for (const topic of TOPICS) {
      const helper = new FakeSubscriber()
      const { position } = await this.topics.subscribe(helper.asConnection, topic, { max: 1, history: { size: SIZE } })
      this.#epochs.set(topic, position?.epoch ?? '')
      helper.end(this.topics)
    }
  }

  async take (step: Step): Promise<boolean> {
    const { topics, model } = this
    if (step.do === 'publish') {
      const text = String(++this.#count)
      const exclude = step.not === undefined ? [] : [this.subscribers[step.not]!.id] // one of three
      const position = await topics.publish({ topic: step.topic, data: text, isJson: false, exclude, ...(!step.byName && { history: { size: SIZE } }) })
      model.publish(step.topic, text, step.not)
      return position?.offset === model.published.get(step.topic)?.length
    }
    const subscriber = this.subscribers[step.who]! // one of three
    const names = model.names[step.who]! // as well
    if (step.do === 'subscribe') {
      const { position } = await topics.subscribe(subscriber.asConnection, step.name, { max: 10 })
      names.add(step.name)
      return position?.offset === (step.name.endsWith('*') ? undefined : model.published.get(step.name)?.length ?? 0)
    }
    if (step.do !== 'reconnect') return await topics.unsubscribe(subscriber.asConnection, step.name) === names.delete(step.name)

    subscriber.end(topics)
    this.got[step.who]?.push(...subscriber.texts)
    const next = new FakeSubscriber()
    this.subscribers[step.who] = next
    const before = [...names]
    names.clear()
    for (const name of before) {
      const seen = Math.max(0, (model.published.get(name)?.length ?? 0) + 1 - step.back)
      const since: TopicPosition | undefined = name.endsWith('*') ? undefined : { epoch: this.#epochs.get(name) ?? '', offset: seen }
      const { recovered } = await topics.subscribe(next.asConnection, name, { max: 10, since })
      names.add(name)
      if (recovered !== (since && model.recover(step.who, name, seen))) return false
    }
    return true
  }

  get isAsModel (): boolean {
    const got = this.got.map((texts, who) => [...texts, ...this.subscribers[who]?.texts ?? []])
    const names = this.subscribers.map((subscriber) => this.topics.namesOf(subscriber.asConnection))
    return this.errors.length === 0 && isDeepStrictEqual(got, this.model.got) && isDeepStrictEqual(names, this.model.names.map((set) => [...set]))
  }
}

for (const [kind, makeEngine, runs] of [['at once', () => new MemoryEngine(), 300], ['late', () => new GatedEngine(), 200]] as const) {
  t.test(`what each has got is what the model says, with an engine that answers ${kind}`, async (t) => {
    await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const world = new World(makeEngine())
      await world.begin()
      for (const each of steps) {
        if (!await world.take(each)) return false
      }
      return world.isAsModel
    }), parameters(runs))
    t.strictSame(escaped, [])
  })
}

const METHODS = ['subscribe', 'history', 'join'] as const

t.test('coming back while others publish: all of it in order, whenever the engine answers and the peer reads', async (t) => {
  const races = fc.record({
    before: fc.nat(8),
    during: fc.array(fc.oneof(fc.constant('publish' as const), fc.constant('drain' as const), fc.constant('turn' as const), fc.constantFrom(...METHODS)), { maxLength: 30 }),
    seen: fc.nat(8),
    room: fc.integer({ min: 1, max: 4 })
  })
  await fc.assert(fc.asyncProperty(races, async ({ before, during, seen, room }) => {
    const engine = new GatedEngine()
    const topics = new Topics(engine, () => {})
    const history = { size: 100 }
    let count = 0
    const publish = async (): Promise<TopicPosition | undefined> => await topics.publish({ topic: 'a', data: String(++count), isJson: false, history })
    const { epoch = '' } = await publish() ?? {}
    for (let n = 0; n < before; n++) await publish()
    const offset = Math.min(seen, count)
    const gates = new Map(METHODS.map((method) => [method, engine.hold(method)]))
    const subscriber = new FakeSubscriber()
    subscriber.room = room
    const subscribing = topics.subscribe(subscriber.asConnection, 'a', { max: 1, since: { epoch, offset }, data: 1 })
    for (const act of during) {
      if (act === 'publish') await publish()
      else if (act === 'drain') subscriber.drain(room)
      else if (act === 'turn') await turns(1)
      else gates.get(act)?.()
    }
    for (const release of gates.values()) release()
    let isDone = false
    const done = subscribing.then(({ recovered }) => { isDone = true; return recovered })
    for (let n = 0; n < 100 && !isDone; n++) {
      await turns(1)
      if (!isDone) subscriber.drain(room)
    }
    const recovered = await done
    await publish()
    return recovered === true && isDeepStrictEqual(subscriber.texts, Array.from({ length: count - offset }, (_, n) => String(offset + 1 + n)))
  }), parameters(200))
  t.strictSame(escaped, [])
})

t.test('an engine that repeats, leaves out and is late: each gets all of it, once and in order', async (t) => {
  const deeds = fc.array(fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom('pass', 'twice', 'lose', 'keep', 'again') },
    { weight: 2, arbitrary: fc.constantFrom('let go', 'turn', 'hold', 'release') },
    { weight: 1, arbitrary: fc.record({ since: fc.nat(10), isWrapped: fc.boolean() }) }
  ), { maxLength: 40 })
  await fc.assert(fc.asyncProperty(deeds, async (all) => {
    const engine = new GatedEngine()
    const errors: Error[] = []
    const topics = new Topics(engine, (error) => { errors.push(error) })
    const history = { size: 1_000 }
    const kept: TopicRecord[] = []
    const delivered: TopicRecord[] = []
    let how = 'pass'
    engine.wire = (record) => {
      if (how === 'keep') kept.push(record)
      const now = how === 'pass' ? [record] : how === 'twice' ? [record, record] : how === 'again' ? [record, ...delivered.slice(-3)] : []
      delivered.push(record)
      return now
    }
    let count = 0
    const publish = async (): Promise<TopicPosition | undefined> => await topics.publish({ topic: 'a', data: String(++count), isJson: true, history })
    const { epoch = '' } = await publish() ?? {}
    const subscribed: Array<{ peer: FakeSubscriber, offset: number, isWrapped: boolean, done: Promise<unknown> }> = []
    const subscribe = (offset: number, isWrapped: boolean): void => {
      const peer = new FakeSubscriber()
      subscribed.push({ peer, offset, isWrapped, done: topics.subscribe(peer.asConnection, 'a', { max: 1, since: { epoch, offset }, isWrapped }) })
    }
    let release = (): void => {}
    const letGo = (): void => { for (const record of kept.splice(0)) engine.events?.deliver(record) }
    for (const deed of all) {
      if (typeof deed === 'object') subscribe(Math.min(deed.since, count), deed.isWrapped)
      else if (deed === 'let go') letGo()
      else if (deed === 'turn') await turns(1)
      else if (deed === 'release') release()
      else if (deed === 'hold') {
        release()
        release = engine.hold('history')
      } else {
        how = deed
        await publish()
      }
    }
    how = 'pass'
    release()
    await Promise.all(subscribed.map(({ done }) => done))
    letGo()
    await publish()
    await turns(2)
    return errors.length === 0 && subscribed.every(({ peer, offset, isWrapped }) => {
      const got = isWrapped ? peer.texts.map((text) => String((JSON.parse(text) as { message: number }).message)) : peer.texts
      return isDeepStrictEqual(got, Array.from({ length: count - offset }, (_, n) => String(offset + 1 + n)))
    })
  }), parameters(300))
  t.strictSame(escaped, [])
})
