import { EventEmitter } from 'node:events'
import t from 'tap'
import type { Connection } from '../../lib/connection/connection.ts'
import { Ending, destroyTime } from '../../lib/hub/ending.ts'
import type { EndingClock } from '../../lib/hub/ending.ts'

/** As much of a Connection as an ending looks at; notes when it was called. */
class FakeConnection extends EventEmitter {
  readonly OPEN = 1
  readyState = 1
  readonly calls: Array<[name: string, at: number]> = []
  readonly #clock: FakeClock

  constructor (clock: FakeClock) {
    super()
    this.#clock = clock
  }

  closeAfterDelivery (): void {
    this.calls.push(['1001', this.#clock.now()])
    this.readyState = 2
  }

  terminate (): void {
    this.calls.push(['terminate', this.#clock.now()])
    this.readyState = 3
  }

  /** When it was told; undefined before. */
  get toldAt (): number | undefined {
    return this.calls.find(([name]) => name === '1001')?.[1]
  }
}

/** Stands still until it is told the time. */
class FakeClock implements EndingClock {
  #now = 0
  readonly #timers = new Map<object, { readonly callback: () => void, readonly at: number }>()

  get timers (): number {
    return this.#timers.size
  }

  now (): number {
    return this.#now
  }

  setTimer (callback: () => void, delay: number): object {
    const timer = {}
    this.#timers.set(timer, { callback, at: this.#now + delay })
    return timer
  }

  clearTimer (timer: unknown): void {
    this.#timers.delete(timer as object) // what was returned above, or nothing
  }

  /** Calls what is due up to a time, in order, with all its turns of the event loop behind each. */
  async goTo (time: number): Promise<void> {
    for (;;) {
      const next = [...this.#timers].filter(([, { at }]) => at <= time).sort(([, a], [, b]) => a.at - b.at)[0]
      if (next === undefined) break
      const [timer, { callback, at }] = next
      this.#timers.delete(timer)
      this.#now = Math.max(this.#now, at)
      callback()
      await turns(10)
    }
    this.#now = time
  }

  /** Time passes while the event loop is blocked. */
  block (time: number): void {
    this.#now += time
  }
}

async function turns (count: number): Promise<void> {
  for (let n = 0; n < count; n++) await new Promise((resolve) => setImmediate(resolve))
}

function begin (count: number, times: { timeout?: number, stagger?: number, tells?: boolean } = {}) {
  const clock = new FakeClock()
  const connections = Array.from({ length: count }, () => new FakeConnection(clock))
  const lost: unknown[] = []
  const members = connections as unknown[] as Connection[] // as above
  const ending = new Ending(members, { timeout: 10_000, stagger: 0, tells: true, ...times }, (connection) => { lost.push(connection) }, clock)
  let isOver = false
  const over = ending.whenOver().then(() => { isOver = true })
  return { clock, connections, members, ending, lost, over, isOver: () => isOver }
}

t.test('times', async (t) => {
  t.same([0, 100, 5_000, 10_000, 60_000].map(destroyTime), [0, 90, 4_500, 9_000, 59_000])
})

t.test('all are told at once, and it is over when the last has closed', async (t) => {
  const { clock, connections, members, ending, over, isOver } = begin(3)
  t.same(connections.map(({ calls }) => calls), [[['1001', 0]], [['1001', 0]], [['1001', 0]]])
  ending.delete(members[0]!)
  ending.delete(members[1]!)
  await turns(1)
  t.equal(isOver(), false)
  ending.delete(members[2]!)
  await over
  t.equal(clock.timers, 0)
  await ending.whenOver()
})

t.test('who is left is destroyed at the deadline, and given up behind it', async (t) => {
  const { clock, connections, members, ending, lost, over, isOver } = begin(3)
  await clock.goTo(8_999)
  ending.delete(members[1]!)
  await clock.goTo(9_000)
  t.same(connections.map(({ calls }) => calls.slice(1)), [[['terminate', 9_000]], [], [['terminate', 9_000]]])
  ending.delete(members[0]!)
  await clock.goTo(9_499)
  t.equal(isOver(), false)
  t.same(lost, [])
  await clock.goTo(9_500)
  await over
  t.same(lost, [connections[2]])
  t.equal(clock.timers, 0)
})

t.test('a timeout of 0', async (t) => {
  const { clock, connections, over } = begin(2, { timeout: 0 })
  await clock.goTo(0)
  await over
  for (const { calls } of connections) t.same(calls, [['1001', 0], ['terminate', 0]])
})

t.test('many are told and destroyed some at a time, each told a turn before it is destroyed', async (t) => {
  const { clock, connections } = begin(1_000)
  const told = (): number => connections.filter(({ toldAt }) => toldAt !== undefined).length
  t.equal(told(), 250)
  await turns(1)
  t.equal(told(), 500)
  await turns(5)
  t.equal(told(), 1_000)
  await clock.goTo(9_000)
  for (const { calls } of connections) t.same(calls.map(([name]) => name), ['1001', 'terminate'])
})

t.test('staggered: a few, evenly from the first moment to the last', async (t) => {
  const { clock, connections } = begin(5, { stagger: 1_000 })
  await clock.goTo(1_000)
  t.same(connections.map(({ toldAt }) => toldAt), [0, 250, 500, 750, 1_000])
})

t.test('staggered: many, in small steps', async (t) => {
  const { clock, connections } = begin(10_000, { stagger: 1_000 })
  await clock.goTo(1_000)
  const perTenth = Array.from({ length: 10 }, (_, n) => connections.filter(({ toldAt = -1 }) => toldAt > n * 100 && toldAt <= (n + 1) * 100).length)
  for (const count of perTenth) t.ok(Math.abs(count - 1_000) <= 110, String(perTenth))
  const times = new Set(connections.map(({ toldAt }) => toldAt))
  t.ok(times.size > 80 && !times.has(undefined), `${times.size} steps`)
})

t.test('staggered: who closes before is skipped, and the others have the whole time', async (t) => {
  const { clock, connections, members, ending } = begin(101, { stagger: 1_000 })
  await clock.goTo(500)
  for (let n = 60; n < 90; n++) ending.delete(members[n]!)
  connections[95]!.readyState = 2
  await clock.goTo(1_000)
  t.same(connections.slice(60, 90).map(({ calls }) => calls.length), Array.from({ length: 30 }, () => 0))
  t.same(connections[95]?.calls, [])
  t.equal(connections[100]?.toldAt, 1_000)
  t.equal(connections.filter(({ calls }) => calls.length > 0).length, 70)
})

t.test('staggered: all that fell due while the event loop was blocked are told then', async (t) => {
  const { clock, connections } = begin(1_001, { stagger: 1_000 })
  clock.block(500)
  await clock.goTo(500)
  const told = connections.filter(({ toldAt }) => toldAt !== undefined).length
  t.ok(told > 480 && told < 520, String(told))
})

t.test('staggered up to the deadline and beyond: the last are told in time to answer', async (t) => {
  const { clock, connections, over } = begin(101, { timeout: 1_000, stagger: 2_000 })
  await clock.goTo(400)
  const half = connections.filter(({ toldAt }) => toldAt !== undefined).length
  t.ok(half > 40 && half < 60, `${half} after half of the time that there is`)
  await clock.goTo(811)
  t.equal(connections.filter(({ toldAt }) => toldAt !== undefined).length, 101)
  await clock.goTo(900)
  for (const { calls } of connections) t.same(calls.map(([name]) => name), ['1001', 'terminate'])
  await clock.goTo(1_000)
  await over
  t.equal(clock.timers, 0)
})

t.test('none are told by somebody who does not', async (t) => {
  const { clock, connections, over } = begin(2, { tells: false, stagger: 100 })
  await clock.goTo(10_000)
  await over
  for (const { calls } of connections) t.same(calls, [['terminate', 9_000]])
})

t.test('one that comes late shares the deadline', async (t) => {
  const { clock, ending, lost } = begin(0)
  await ending.whenOver()
  t.equal(clock.timers, 0, 'nothing to wait for')
  await clock.goTo(5_000)
  const late = new FakeConnection(clock)
  ending.add(late as unknown as Connection)
  await clock.goTo(9_000)
  t.same(late.calls, [['terminate', 9_000]])
  const tooLate = new FakeConnection(clock)
  ending.add(tooLate as unknown as Connection)
  t.same(tooLate.calls, [['terminate', 9_000]])
  const over = ending.whenOver()
  await clock.goTo(9_500)
  await over
  t.same(lost, [late, tooLate])
  const last = new FakeConnection(clock)
  await clock.goTo(20_000)
  ending.add(last as unknown as Connection)
  t.same(last.calls, [['terminate', 20_000]])
  await clock.goTo(20_000)
  await ending.whenOver()
})
