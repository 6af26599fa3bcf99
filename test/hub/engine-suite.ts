// What any engine of topics has to do, whatever it carries them over. An engine's test runs it with a function that makes the nodes of
// one system; what is asked of several nodes falls together where there can be only one.
import { setTimeout as delay } from 'node:timers/promises'
import type { Test } from 'tap'
import type { TopicEngine, TopicEngineEvents, TopicMember, TopicPosition, TopicRecord } from '../../types/topics.ts'

export interface EngineSystem {
  /** Nodes of one system, or the only one there can be. Not started; whatever else they need ends with the test. */
  makeNodes (t: Test, count: number): Promise<readonly TopicEngine[]> | readonly TopicEngine[]
}

/** One node, and what it has told so far. */
class Node implements TopicEngineEvents {
  readonly engine: TopicEngine
  readonly records: TopicRecord[] = []
  readonly presence: string[] = []

  constructor (engine: TopicEngine) {
    this.engine = engine
  }

  deliver (record: TopicRecord): void { this.records.push(record) }
  onJoin (topic: string, { id }: TopicMember): void { this.presence.push(`${id} joins ${topic}`) }
  onLeave (topic: string, { id }: TopicMember): void { this.presence.push(`${id} leaves ${topic}`) }
  onState (): void {}

  get texts (): string[] {
    return this.records.map(({ data }) => String(data))
  }

  async publish (topic: string, data: string | Uint8Array, more: Partial<TopicRecord> = {}): Promise<TopicPosition | undefined> {
    return await this.engine.publish({ topic, data, isJson: false, ...more })
  }
}

/** Waits for what comes from elsewhere; a check behind it tells what is missing. */
async function until (isTrue: () => boolean): Promise<void> {
  for (const end = performance.now() + 2_000; !isTrue() && performance.now() < end;) await delay(1)
}

/** Gives time to what must not come. */
async function quiet (nodes: readonly Node[]): Promise<void> {
  const marker = `marker-${performance.now()}`
  for (const { engine } of nodes) await engine.subscribe(marker)
  const [first] = nodes
  await first?.publish(marker, 'marker')
  await until(() => nodes.every((node) => node.records.some(({ topic }) => topic === marker)))
  for (const { records } of nodes) records.splice(0, records.length, ...records.filter(({ topic }) => topic !== marker))
}

const HISTORY = { size: 5 }

export function testEngine (t: Test, { makeNodes }: EngineSystem): void {
  /** Two nodes that have started, or twice the same. */
  async function start (t: Test, count = 2): Promise<{ a: Node, b: Node, nodes: readonly Node[] }> {
    const nodes = (await makeNodes(t, count)).map((engine) => new Node(engine))
    for (const node of nodes) {
      await node.engine.start(node)
      t.teardown(() => node.engine.close())
    }
    const [a] = nodes
    if (a === undefined) throw new Error('no node')
    return { a, b: nodes.at(-1) ?? a, nodes }
  }

  t.test('a message comes to every node that is subscribed, once and in order', async (t) => {
    const { a, b, nodes } = await start(t)
    for (const { engine } of nodes) await engine.subscribe('news')
    const sent = Array.from({ length: 20 }, (_, n) => String(n))
    await Promise.all(sent.map((text) => b.publish('news', text)))
    await until(() => nodes.every(({ records }) => records.length >= sent.length))
    await quiet(nodes)
    for (const { texts } of nodes) t.strictSame(texts, sent)
    t.ok(a.records.every(({ topic, position }) => topic === 'news' && position === undefined), 'without history no position')
  })

  t.test('text, JSON and bytes come as they were, with whom they are not for', async (t) => {
    const { a, b, nodes } = await start(t)
    for (const { engine } of nodes) await engine.subscribe('news')
    await a.publish('news', 'ü "text" \u2028')
    await a.publish('news', '{"a":1}', { isJson: true, exclude: ['one', 'two'] })
    await a.publish('news', Buffer.from([0, 255, 128, 10]))
    await a.publish('news', '')
    await until(() => b.records.length >= 4)
    t.match(b.records.slice(0, 2), [{ data: 'ü "text" \u2028', isJson: false }, { data: '{"a":1}', isJson: true, exclude: ['one', 'two'] }])
    t.ok(Buffer.from([0, 255, 128, 10]).equals(b.records[2]?.data as Uint8Array), 'bytes')
    t.equal(b.records[3]?.data, '')
  })

  t.test('`local` comes to the node that has published, the same object, and nowhere else', async (t) => {
    const { a, b, nodes } = await start(t)
    for (const { engine } of nodes) await engine.subscribe('room/a')
    const local = {}
    await a.publish('room/a', 'text', { local, history: HISTORY })
    await until(() => nodes.every(({ records }) => records.length > 0))
    t.equal(a.records[0]?.local, local)
    if (a !== b) t.equal(b.records[0]?.local, undefined)
    const { messages } = await b.engine.history('room/a', { epoch: a.records[0]?.position?.epoch ?? '', offset: 0 }, HISTORY)
    t.equal(messages[0]?.local, undefined, 'and history has none')
  })

  t.test('a pattern stands for one segment, and a message comes once all the same', async (t) => {
    const { a, b, nodes } = await start(t)
    for (const { engine } of nodes) {
      await engine.subscribe('room/*')
      await engine.subscribe('room/a')
    }
    for (const topic of ['room/a', 'room/b', 'room/*'.replace('*', 'ü')]) await a.publish(topic, topic)
    await until(() => b.records.length >= 3)
    await quiet(nodes)
    t.strictSame(b.texts, ['room/a', 'room/b', 'room/ü'])
  })

  t.test('whoever unsubscribes and subscribes again at once is subscribed', async (t) => {
    const { a, b } = await start(t)
    await Promise.all([b.engine.subscribe('news'), b.engine.unsubscribe('news'), b.engine.subscribe('news')])
    await a.publish('news', 'here')
    await until(() => b.records.length > 0)
    t.strictSame(b.texts, ['here'])
  })

  t.test('offsets count from 1 without a gap, whoever publishes, and each node gets them in that order', async (t) => {
    const { a, b, nodes } = await start(t)
    for (const { engine } of nodes) await engine.subscribe('room/a')
    const positions = await Promise.all(Array.from({ length: 20 }, (_, n) => (n % 3 === 0 ? a : b).publish('room/a', String(n), { history: HISTORY })))
    t.strictSame(positions.map((position) => position?.offset).toSorted((x = 0, y = 0) => x - y), Array.from({ length: 20 }, (_, n) => n + 1))
    t.equal(new Set(positions.map((position) => position?.epoch)).size, 1)
    await until(() => nodes.every(({ records }) => records.length >= 20))
    for (const { records } of nodes) {
      t.strictSame(records.map(({ position }) => position?.offset), Array.from({ length: 20 }, (_, n) => n + 1))
      t.ok(records.every(({ data, position }) => positions[Number(data)]?.offset === position?.offset), 'the position that its publisher was told')
    }
  })

  t.test('history has all that came behind a position, or nothing', async (t) => {
    const { a, b } = await start(t)
    t.strictSame(await b.engine.history('room/a', undefined, undefined), { recovered: false, messages: [] }, 'there is none')
    for (let n = 1; n <= 8; n++) await a.publish('room/a', String(n), { history: HISTORY })
    const { position, ...rest } = await b.engine.history('room/a', undefined, HISTORY)
    t.strictSame(rest, { recovered: false, messages: [] }, 'nobody asked for any')
    t.equal(position?.offset, 8)
    const epoch = position?.epoch ?? ''
    for (let offset = 0; offset <= 10; offset++) {
      const found = await b.engine.history('room/a', { epoch, offset }, HISTORY)
      const want = offset < 3 || offset > 8 ? undefined : Array.from({ length: 8 - offset }, (_, n) => String(offset + 1 + n))
      t.equal(found.recovered, want !== undefined, `recovered from ${offset}`)
      t.strictSame(found.messages.map(({ data }) => data), want ?? [])
      t.strictSame(found.messages.map(({ position }) => position), (want ?? []).map((text) => ({ epoch, offset: Number(text) })))
      t.strictSame(found.position, { epoch, offset: 8 })
    }
    t.match(await b.engine.history('room/a', { epoch: 'another', offset: 8 }, HISTORY), { recovered: false, messages: [], position })
    t.match(await b.engine.history('room/b', { epoch, offset: 0 }, undefined), { recovered: false, messages: [] }, 'of another topic')
  })

  t.test('history keeps bytes and JSON as they were', async (t) => {
    const { a, b } = await start(t)
    const first = await a.publish('room/a', Buffer.from([0, 255]), { history: HISTORY, exclude: ['one'] })
    await a.publish('room/a', '{"a":1}', { history: HISTORY, isJson: true })
    const { messages } = await b.engine.history('room/a', { epoch: first?.epoch ?? '', offset: 0 }, HISTORY)
    t.ok(Buffer.from([0, 255]).equals(messages[0]?.data as Uint8Array))
    t.strictSame(messages[0]?.exclude, ['one'])
    t.match(messages[1], { data: '{"a":1}', isJson: true, topic: 'room/a' })
  })

  t.test('history begins with the first subscriber that knows of it', async (t) => {
    const { a, b } = await start(t)
    const { position } = await a.engine.history('room/a', undefined, HISTORY)
    t.equal(position?.offset, 0)
    t.strictSame(await b.engine.history('room/a', position, HISTORY), { position, recovered: true, messages: [] }, 'nothing was missed')
    t.strictSame(await b.publish('room/a', 'text', { history: HISTORY }), { epoch: position?.epoch, offset: 1 })
    const found = await a.engine.history('room/a', position, HISTORY)
    t.strictSame(found.messages.map(({ data }) => data), ['text'])
  })

  t.test('what is published by name alone has its place in the history that there is', async (t) => {
    const { a, b } = await start(t)
    const { position } = await a.engine.history('room/a', undefined, HISTORY)
    t.strictSame(await b.publish('room/a', 'by name'), { epoch: position?.epoch, offset: 1 })
    const { recovered, messages } = await a.engine.history('room/a', position, HISTORY)
    t.strictSame([recovered, messages.map(({ data }) => data)], [true, ['by name']])
    t.equal(await b.publish('room/b', 'by name'), undefined, 'and none of its own')
  })

  t.test('subscribed, then looked up: between history and what is delivered nothing is missing', async (t) => {
    const { a, b } = await start(t)
    const history = { size: 1_000 }
    const begin = await a.publish('room/a', '0', { history })
    let isOver = false
    const publishing = (async () => {
      for (let n = 1; n <= 50; n++) {
        await a.publish('room/a', String(n), { history })
        if (n % 10 === 0) await delay(1)
      }
      isOver = true
    })()
    await delay(1)
    await b.engine.subscribe('room/a')
    const { position, recovered, messages } = await b.engine.history('room/a', begin, history)
    t.ok(recovered)
    await publishing
    await until(() => b.records.at(-1)?.data === '50')
    t.ok(isOver)
    const behind = b.records.filter((record) => (record.position?.offset ?? 0) > (position?.offset ?? 0))
    t.strictSame([...messages, ...behind].map(({ data }) => Number(data)), Array.from({ length: 50 }, (_, n) => n + 1))
  })

  t.test('members are the same everywhere, and come and go once', async (t) => {
    const { a, b, nodes } = await start(t)
    t.strictSame(await a.engine.presence('room/a'), [])
    await a.engine.join('room/a', { id: 'ann', data: { name: 'Ann' } })
    await b.engine.join('room/a', { id: 'bo', data: null })
    await a.engine.join('room/b', { id: 'ann', data: 1 })
    const membersOf = async (node: Node): Promise<TopicMember[]> => [...await node.engine.presence('room/a')].toSorted((x, y) => x.id.localeCompare(y.id))
    for (const node of nodes) t.strictSame(await membersOf(node), [{ id: 'ann', data: { name: 'Ann' } }, { id: 'bo', data: null }])

    await a.engine.join('room/a', { id: 'ann', data: { name: 'Anna' } })
    for (const node of nodes) t.strictSame((await membersOf(node))[0], { id: 'ann', data: { name: 'Anna' } }, 'other data takes its place')

    await a.engine.leave('room/a', 'ann')
    await a.engine.leave('room/a', 'ann')
    await a.engine.leave('room/c', 'nobody')
    for (const node of nodes) {
      t.strictSame(await membersOf(node), [{ id: 'bo', data: null }])
      t.strictSame(await node.engine.presence('room/b'), [{ id: 'ann', data: 1 }], 'she is still in the other')
    }
    await b.engine.leave('room/a', 'bo')
    await until(() => nodes.every(({ presence }) => presence.length >= 5))
    await quiet(nodes)
    for (const { presence } of nodes) {
      t.strictSame(presence.toSorted(), ['ann joins room/a', 'ann joins room/b', 'ann leaves room/a', 'bo joins room/a', 'bo leaves room/a'])
      t.ok(presence.indexOf('ann joins room/a') < presence.indexOf('ann leaves room/a'))
    }
  })

  t.test('who has been told to have come is in the list, and who has been told to have gone is not', async (t) => {
    const { a, b } = await start(t)
    const membersOf = async (node: Node): Promise<string[]> => (await node.engine.presence('room/a')).map(({ id }) => id)
    for (let n = 0; n < 5; n++) {
      const told = b.presence.length
      await a.engine.join('room/a', { id: `ann-${n}`, data: n })
      await until(() => b.presence.length > told)
      t.strictSame(await membersOf(b), [`ann-${n}`])
      await a.engine.leave('room/a', `ann-${n}`)
      await until(() => b.presence.length > told + 1)
      t.strictSame(await membersOf(b), [])
    }
  })

  t.test('whoever leaves before the answer to join has come is no member', async (t) => {
    const { a, b } = await start(t)
    await Promise.all([a.engine.join('room/a', { id: 'ann', data: 1 }), a.engine.leave('room/a', 'ann')])
    t.strictSame(await b.engine.presence('room/a'), [])
    await Promise.all([a.engine.leave('room/a', 'ann'), a.engine.join('room/a', { id: 'ann', data: 2 })])
    t.strictSame(await b.engine.presence('room/a'), [{ id: 'ann', data: 2 }])
  })

  t.test('members of a node leave with it', async (t) => {
    const { a, b, nodes } = await start(t)
    await b.engine.join('room/a', { id: 'bo', data: 1 })
    await b.engine.close()
    if (nodes.length === 1) return t.strictSame(await a.engine.presence('room/a'), [])
    await until(() => a.presence.length >= 2)
    t.strictSame(a.presence, ['bo joins room/a', 'bo leaves room/a'])
    t.strictSame(await a.engine.presence('room/a'), [])
  })
}
