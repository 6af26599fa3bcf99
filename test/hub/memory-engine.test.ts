// The engine within one process: what every engine does, and what its own clock and its own memory make of it.
import t from 'tap'
import { MAX_HISTORIES, MemoryEngine } from '../../lib/hub/memory-engine.ts'
import type { TopicEngine, TopicHistory, TopicPosition, TopicRecord } from '../../types/topics.ts'
import { FakeClock } from '../helpers/fake-clock.ts'
import { testEngine } from './engine-suite.ts'

t.test('it is an engine', async (t) => {
  testEngine(t, { makeNodes: () => [new MemoryEngine()] })
})

interface Made {
  readonly engine: MemoryEngine
  readonly clock: FakeClock
  readonly records: TopicRecord[]
}

function make (): Made {
  const clock = new FakeClock(1_000)
  const engine = new MemoryEngine(clock.now)
  const records: TopicRecord[] = []
  engine.start({ deliver: (record) => { records.push(record) }, onJoin () {}, onLeave () {}, onState () {} })
  return { engine, clock, records }
}

function publish (engine: TopicEngine, topic: string, data: string, history?: TopicHistory): TopicPosition | undefined {
  return engine.publish({ topic, data, isJson: false, ...(history && { history }) }) as TopicPosition | undefined // it answers at once
}

/** What of a history comes behind an offset. */
function since (engine: MemoryEngine, topic: string, position: TopicPosition | undefined, offset: number): string[] | undefined {
  const { recovered, messages } = engine.history(topic, { epoch: position?.epoch ?? '', offset }, undefined)
  return recovered ? messages.map(({ data }) => String(data)) : undefined
}

t.test('it answers at once, and has delivered by then', async (t) => {
  const { engine, records } = make()
  t.equal(publish(engine, 'news', 'a'), undefined)
  t.strictSame(records, [{ topic: 'news', data: 'a', isJson: false }])
  t.match(publish(engine, 'room/a', 'b', { size: 1 }), { offset: 1, epoch: /^[0-9a-f-]{36}$/ })
})

t.test('a message is kept for ttl ms, to the millisecond', async (t) => {
  const { engine, clock } = make()
  const history = { size: 10, ttl: 100 }
  const first = publish(engine, 'room/a', '1', history)
  clock.advance(60)
  publish(engine, 'room/a', '2', history)
  clock.advance(39)
  t.strictSame(since(engine, 'room/a', first, 0), ['1', '2'])
  clock.advance(1)
  t.equal(since(engine, 'room/a', first, 0), undefined, 'the first is gone, so nothing of it')
  t.strictSame(since(engine, 'room/a', first, 1), ['2'])
  clock.advance(60)
  t.equal(since(engine, 'room/a', first, 1), undefined)
  t.strictSame(since(engine, 'room/a', first, 2), [], 'whoever has seen all has missed nothing')
  t.strictSame(publish(engine, 'room/a', '3', history), { epoch: first?.epoch, offset: 3 }, 'and offsets go on')
  t.strictSame(since(engine, 'room/a', first, 2), ['3'])
})

t.test('size is of the latest publisher, and a smaller one lets go at once', async (t) => {
  const { engine } = make()
  const first = publish(engine, 'room/a', '1', { size: 3 })
  for (const text of ['2', '3']) publish(engine, 'room/a', text, { size: 3 })
  t.strictSame(since(engine, 'room/a', first, 0), ['1', '2', '3'])
  publish(engine, 'room/a', '4', { size: 1 })
  t.equal(since(engine, 'room/a', first, 2), undefined)
  t.strictSame(since(engine, 'room/a', first, 3), ['4'])
  publish(engine, 'room/a', '5')
  t.equal(since(engine, 'room/a', first, 3), undefined, 'by name alone the limits stay')
  t.strictSame(since(engine, 'room/a', first, 4), ['5'])
})

t.test('what is there is the latest of it, however many have come and gone', async (t) => {
  const { engine, clock } = make()
  let position: TopicPosition | undefined
  for (let n = 1; n <= 200; n++) {
    const size = n % 50 < 25 ? 7 : 3
    position = publish(engine, 'room/a', String(n), { size, ttl: 50 })
    clock.advance(n % 40 === 0 ? 45 : 1)
    const kept = Array.from({ length: Math.min(size, n) }, (_, i) => String(n - i)).reverse()
    const isBehindPause = n % 40 === 0
    if (isBehindPause) t.strictSame(since(engine, 'room/a', position, n - 3), kept.slice(-3), 'not 50 ms old')
    else if (n % 40 > 7 && n % 25 > 7) t.strictSame(since(engine, 'room/a', position, n - kept.length), kept)
    t.equal(since(engine, 'room/a', position, n - kept.length - 1), undefined)
  }
  clock.advance(50)
  t.equal(since(engine, 'room/a', position, 199), undefined)
  t.strictSame(since(engine, 'room/a', position, 200), [])
})

t.test('a history that begins anew has another epoch', async (t) => {
  const { engine, clock } = make()
  const old = publish(engine, 'room/a', 'old', { size: 1, ttl: 10 })
  clock.advance(60_000)
  // Each message that is kept looks at two others.
  for (const text of ['1', '2']) publish(engine, 'room/b', text, { size: 1 })
  const next = publish(engine, 'room/a', 'new', { size: 1, ttl: 10 })
  t.equal(next?.offset, 1)
  t.not(next?.epoch, old?.epoch)
  t.equal(since(engine, 'room/a', old, 0), undefined, 'the same offset of another epoch')
})

t.test('what has run out is remembered for a minute, or as long as its ttl', async (t) => {
  const { engine, clock } = make()
  const short = publish(engine, 'short', '1', { size: 1, ttl: 10 })
  const long = publish(engine, 'long', '1', { size: 1, ttl: 100_000 })
  const tick = (): void => { for (let i = 0; i < 4; i++) publish(engine, 'other', '', { size: 1 }) }
  clock.advance(59_999)
  tick()
  t.strictSame(since(engine, 'short', short, 1), [])
  clock.advance(1)
  tick()
  t.equal(since(engine, 'short', short, 1), undefined)
  t.strictSame(since(engine, 'long', long, 0), ['1'])
  clock.advance(40_000)
  tick()
  t.equal(since(engine, 'long', long, 1), undefined)
})

/** Positions that are still known, of topics by number. */
function countKnown (engine: MemoryEngine, count: number): number {
  return Array.from({ length: count }, (_, n) => engine.history(`room/${n}`, undefined, undefined)).filter(({ position }) => position !== undefined).length
}

t.test('topics that come and go leave nothing behind', async (t) => {
  for (const how of ['published to', 'subscribed to']) {
    const { engine, clock } = make()
    const history = { size: 10, ttl: 1_000 }
    let most = 0
    for (let n = 0; n < 2_000; n++) {
      if (how === 'published to') publish(engine, `room/${n}`, 'text', history)
      else engine.history(`room/${n}`, undefined, history)
      clock.advance(600)
      if (n % 500 === 499) most = Math.max(most, countKnown(engine, n + 1))
    }
    t.ok(most <= 210, `${how}: ${most} are left of a hundred a minute`)
  }
})

t.test('members leave nothing behind', async (t) => {
  const { engine } = make()
  for (let n = 0; n < 100; n++) {
    engine.join(`room/${n}`, { id: 'ann', data: n })
    engine.leave(`room/${n}`, 'ann')
    t.strictSame(engine.presence(`room/${n}`), [])
  }
})

t.test('histories are bounded: the one that was begun first goes', async (t) => {
  const { engine } = make()
  const history = { size: 1 }
  for (let n = 0; n < MAX_HISTORIES; n++) engine.history(`room/${n}`, undefined, history)
  t.match(engine.history('room/0', undefined, undefined), { position: { offset: 0 } })
  publish(engine, 'one more', 'text', history)
  t.equal(engine.history('room/0', undefined, undefined).position, undefined)
  t.match(engine.history('room/1', undefined, undefined), { position: { offset: 0 } })
  t.match(engine.history('one more', undefined, undefined), { position: { offset: 1 } })
})

t.test('whoever only subscribes to topics without end takes no history away from those that have one', async (t) => {
  const { engine } = make()
  const history = { size: 1 }
  const first = publish(engine, 'room/a', 'text', history)
  engine.history('room/b', undefined, history)
  publish(engine, 'room/b', 'text', history)
  for (let n = 0; n <= MAX_HISTORIES; n++) engine.history(`room/${n}`, undefined, history)
  t.strictSame(since(engine, 'room/a', first, 0), ['text'])
  t.match(engine.history('room/b', undefined, undefined), { position: { offset: 1 } })
  t.equal(engine.history('room/0', undefined, undefined).position, undefined, 'the first that has had no message')
  t.match(engine.history(`room/${MAX_HISTORIES}`, undefined, undefined), { position: { offset: 0 } })
})

t.test('what is kept is what was published: neither its own record nor a later change of it', async (t) => {
  const { engine } = make()
  const first = publish(engine, 'room/a', '1', { size: 2 })
  const [kept] = engine.history('room/a', { epoch: first?.epoch ?? '', offset: 0 }, undefined).messages
  t.strictSame(kept, { topic: 'room/a', data: '1', isJson: false, history: { size: 2 }, position: first })
})

t.test('closed, it has nothing left and tells nothing', async (t) => {
  const { engine } = make()
  publish(engine, 'room/a', '1', { size: 2 })
  engine.join('room/a', { id: 'ann', data: 1 })
  engine.close()
  t.strictSame(engine.presence('room/a'), [])
  t.equal(engine.history('room/a', undefined, undefined).position, undefined)
})
