import { spawnSync } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import t from 'tap'
import { SLOT, TimerWheel, wheel as processWheel } from '../../lib/connection/timer-wheel.ts'
import type { WheelEntry } from '../../lib/connection/timer-wheel.ts'
import { FakeClock } from '../helpers/fake-clock.ts'

const REVOLUTION = 1_024 * SLOT

/** An entry that remembers its calls, and does more if it is told to. */
class Entry implements WheelEntry {
  readonly calls: number[] = []
  readonly #then: ((entry: Entry, now: number) => void) | undefined

  constructor (then?: (entry: Entry, now: number) => void) {
    this.#then = then
  }

  onDue (now: number): void {
    this.calls.push(now)
    this.#then?.(this, now)
  }
}

function make (time = 0): { clock: FakeClock, wheel: TimerWheel, errors: unknown[] } {
  const clock = new FakeClock(time)
  const errors: unknown[] = []
  return { clock, errors, wheel: new TimerWheel(clock, (error) => { errors.push(error) }) }
}

const delays: ReadonlyArray<{ name: string, delay: number }> = [
  { name: 'nothing', delay: 0 },
  { name: 'less than nothing', delay: -1_000 },
  { name: 'a part of a millisecond', delay: 0.1 },
  { name: 'a slot', delay: SLOT },
  { name: 'a little more than a slot', delay: SLOT + 0.1 },
  { name: 'a slot less than a revolution', delay: REVOLUTION - SLOT },
  { name: 'a revolution', delay: REVOLUTION },
  { name: 'a slot more than a revolution', delay: REVOLUTION + SLOT },
  { name: 'many revolutions', delay: 10 * REVOLUTION + 3 },
  { name: 'a day', delay: 86_400_000 }
]

for (const start of [0, 7, SLOT, 1_234_567.891, 1_700_000_000_000]) {
  for (const { name, delay } of delays) {
    t.test(`due after ${name}, from ${start} on`, async t => {
      const { clock, wheel } = make(start)
      const entry = new Entry()
      wheel.schedule(entry, delay)
      t.equal(wheel.size, 1)
      const due = start + Math.max(0, delay)
      clock.advance(Math.max(0, due - start - 0.01))
      if (delay > 0) t.strictSame(entry.calls, [], 'not before')
      clock.advance(due - clock.now() + SLOT + 1)
      t.equal(entry.calls.length, 1, 'once')
      const late = (entry.calls[0] ?? 0) - due
      t.ok(late >= 0 && late <= SLOT + 1, `${late} late`)
      t.equal(wheel.size, 0)
      clock.advance(3 * REVOLUTION)
      t.equal(entry.calls.length, 1)
    })
  }
}

t.test('delays that are no delay at all: NaN is none, Infinity never comes', async t => {
  const { clock, wheel } = make()
  const never = new Entry()
  wheel.schedule(never, Infinity)
  const soon = new Entry()
  wheel.schedule(soon, NaN)
  clock.advance(REVOLUTION * 5)
  t.equal(soon.calls.length, 1)
  t.equal(never.calls.length, 0)
  wheel.cancel(never)
  t.equal(wheel.size, 0)
})

t.test('it sleeps until something is due, and has no timer when there is nothing', async t => {
  const { clock, wheel } = make(3.5)
  t.equal(clock.timers.length, 0)
  const entries = [20_000, 10_000, 15_000, 10_001].map((delay) => {
    const entry = new Entry()
    wheel.schedule(entry, delay)
    return entry
  })
  t.equal(clock.timers.length, 1)
  t.ok(clock.timers.every(({ hasUnref }) => hasUnref), 'a process may end')
  t.equal(clock.timers[0]?.at, 10_025.5, 'at the end of the slot')
  clock.advance(30_000)
  t.strictSame(entries.map(({ calls }) => calls.length), [1, 1, 1, 1])
  t.equal(clock.wakeups, 3, 'one for two in a slot')
  t.equal(clock.timers.length, 0)
})

t.test('an earlier entry moves the timer, and the last to be cancelled takes it', async t => {
  const { clock, wheel } = make()
  const late = new Entry()
  const early = new Entry()
  wheel.schedule(late, 1_000)
  wheel.schedule(early, 500)
  t.strictSame(clock.timers.map(({ at }) => at), [500])
  wheel.cancel(early)
  t.equal(wheel.size, 1)
  wheel.cancel(late)
  wheel.cancel(late)
  t.equal(wheel.size, 0)
  t.equal(clock.timers.length, 0)
  clock.advance(2_000)
  t.strictSame([late.calls, early.calls], [[], []])
  wheel.schedule(early, 100)
  clock.advance(200)
  t.strictSame(early.calls, [2_100], 'it starts again')
})

t.test('an entry that nobody ever scheduled can be cancelled', async t => {
  const { wheel } = make()
  wheel.cancel(new Entry())
  t.equal(wheel.size, 0)
})

t.test('to schedule again is to move: sooner, later, into the same slot', async t => {
  const { clock, wheel } = make()
  const entry = new Entry()
  for (const delay of [500, 100, 100, 900, 40_000, 300]) wheel.schedule(entry, delay)
  t.equal(wheel.size, 1)
  clock.advance(100_000)
  t.strictSame(entry.calls, [300])
})

t.test('a heartbeat\'s worth of wakeups: entries far away cost one look a revolution', async t => {
  const { clock, wheel } = make()
  const entry = new Entry()
  wheel.schedule(entry, 100 * REVOLUTION)
  clock.advance(101 * REVOLUTION)
  t.equal(entry.calls.length, 1)
  t.ok(clock.wakeups <= 101, `${clock.wakeups} wakeups`)
})

t.test('from inside: an entry schedules itself', async t => {
  const { clock, wheel } = make()
  const entry = new Entry((self) => { if (self.calls.length < 4) wheel.schedule(self, 100) })
  wheel.schedule(entry, 100)
  clock.advance(1_000)
  t.strictSame(entry.calls, [100, 200, 300, 400])
  t.equal(wheel.size, 0)
  t.equal(clock.timers.length, 0)
})

t.test('from inside: at once means the next slot, so that others have their turn', async t => {
  const { clock, wheel } = make()
  const entry = new Entry((self) => wheel.schedule(self, 0))
  wheel.schedule(entry, 0)
  clock.advance(10 * SLOT)
  t.equal(entry.calls.length, 10)
  wheel.cancel(entry)
  t.equal(clock.timers.length, 0)
})

t.test('from inside: cancelled, moved and added while all are due at once', async t => {
  const { clock, wheel } = make()
  const order: string[] = []
  const named = (name: string, then?: () => void): Entry => new Entry(() => {
    order.push(name)
    then?.()
  })
  const cancelled = named('cancelled')
  const moved = named('moved')
  const added = named('added')
  const first = named('first', () => {
    wheel.cancel(first)
    wheel.cancel(cancelled)
    wheel.schedule(moved, 1_000)
    wheel.schedule(added, 0)
    wheel.cancel(last)
    wheel.schedule(last, 0)
  })
  const last = named('last')
  for (const entry of [first, cancelled, moved, named('untouched'), last]) wheel.schedule(entry, 100)
  t.equal(wheel.size, 5)
  clock.advance(100)
  t.strictSame(order, ['first', 'untouched'])
  t.equal(wheel.size, 3)
  clock.advance(SLOT)
  t.strictSame(order, ['first', 'untouched', 'added', 'last'])
  clock.advance(1_000)
  t.strictSame(order, ['first', 'untouched', 'added', 'last', 'moved'])
  t.equal(wheel.size, 0)
})

t.test('from inside: the first of many cancels all others', async t => {
  const { clock, wheel } = make()
  const others = Array.from({ length: 50 }, () => new Entry())
  const first = new Entry(() => { for (const other of others) wheel.cancel(other) })
  wheel.schedule(first, 10)
  for (const other of others) wheel.schedule(other, 11)
  clock.advance(1_000)
  t.equal(wheel.size, 0)
  t.equal(clock.timers.length, 0)
  t.ok(others.every(({ calls }) => calls.length === 0))
  t.equal(first.calls.length, 1)
})

t.test('a clock that jumps far ahead: everything once, in order, in one wakeup', async t => {
  const { clock, wheel } = make()
  const order: number[] = []
  const delays = [REVOLUTION + 5 * SLOT, 10 * SLOT, 3 * REVOLUTION, 7, REVOLUTION - 1, 8, 2 * REVOLUTION + 7]
  for (const delay of delays) wheel.schedule(new Entry(() => { order.push(delay) }), delay)
  const later = new Entry()
  wheel.schedule(later, 1_000 * REVOLUTION + 500)
  const start = process.hrtime.bigint()
  clock.jump(1_000 * REVOLUTION)
  t.strictSame(order, delays.toSorted((a, b) => a - b))
  t.equal(clock.wakeups, 1)
  t.strictSame(later.calls, [])
  clock.advance(500)
  t.equal(later.calls.length, 1)

  // A century of empty revolutions: to walk through them would take minutes.
  wheel.schedule(new Entry(), 10)
  clock.jump(3_155_760_000_000)
  t.equal(wheel.size, 0)
  t.ok(process.hrtime.bigint() - start < 2_000_000_000n)
})

t.test('a wheel that stood empty for long does not catch up', async t => {
  const { clock, wheel } = make()
  wheel.schedule(new Entry(), 10)
  clock.advance(100)
  clock.advance(500 * REVOLUTION)
  const { wakeups } = clock
  const entry = new Entry()
  wheel.schedule(entry, 100)
  clock.advance(99)
  t.strictSame([entry.calls.length, clock.wakeups - wakeups], [0, 0])
  clock.advance(SLOT + 1)
  t.strictSame([entry.calls.length, clock.wakeups - wakeups], [1, 1])
})

t.test('a timer that fires a little too early is set again', async t => {
  const { clock, wheel } = make()
  const entry = new Entry()
  wheel.schedule(entry, 100)
  clock.timers[0]?.callback()
  t.strictSame(entry.calls, [])
  clock.set(99.4)
  clock.timers.at(-1)?.callback()
  t.strictSame(entry.calls, [])
  clock.advance(2)
  t.equal(entry.calls.length, 1)
})

t.test('a clock that goes back makes nothing early and loses nothing', async t => {
  const { clock, wheel } = make(10_000)
  const before = new Entry()
  wheel.schedule(before, 100)
  clock.set(5_000)
  const after = new Entry()
  wheel.schedule(after, 100)
  clock.advance(20_000)
  t.strictSame([before.calls.length, after.calls.length], [1, 1])
  t.ok((before.calls[0] ?? 0) >= 10_100)

  const next = make(10_000)
  const entry = new Entry()
  next.wheel.schedule(entry, 10)
  next.clock.advance(100)
  next.clock.set(5_000)
  next.wheel.schedule(entry, 100)
  next.clock.advance(200)
  t.equal(entry.calls.length, 2, 'a wheel that was empty goes by the new time')
})

t.test('T59 an entry that throws costs the others nothing, and is told', async t => {
  const { clock, wheel, errors } = make()
  const fault = new Error('a fault of ours')
  const before = new Entry()
  const behind = new Entry()
  const later = new Entry()
  const own = new Entry(() => { throw fault })
  for (const entry of [before, own, behind]) wheel.schedule(entry, 100)
  wheel.schedule(later, 200)
  clock.advance(1_000)
  t.strictSame([before, own, behind, later].map(({ calls }) => calls.length), [1, 1, 1, 1])
  t.strictSame(errors, [fault])
  t.equal(wheel.size, 0)
})

t.test('T59 what throws is a warning of the process, which goes on', async t => {
  const warnings: Array<Error & { code?: string, detail?: string }> = []
  const listener = (warning: Error): void => { warnings.push(warning) }
  process.on('warning', listener)
  t.teardown(() => process.off('warning', listener))
  processWheel.schedule(new Entry(() => { throw new Error('a fault of ours') }), 0)
  // eslint-disable-next-line no-throw-literal -- anything can be thrown
  processWheel.schedule(new Entry(() => { throw 'no error at all' }), 60)
  while (warnings.length < 2) await sleep(5)
  t.match(warnings, [
    { code: 'FST_WS_TIMER', detail: /^Error: a fault of ours\n {4}at / },
    { code: 'FST_WS_TIMER', detail: 'no error at all' }
  ])
  t.equal(processWheel.size, 0)
})

t.test('T59 the process\'s wheel: never early, and it does not keep the process alive', async t => {
  const keepAlive = setInterval(() => {}, 1_000)
  t.teardown(() => clearInterval(keepAlive))
  for (const delay of [1, 30, 77.7]) {
    const start = performance.now()
    const now = await new Promise<number>((resolve) => { processWheel.schedule({ onDue: resolve }, delay) })
    t.ok(now - start >= delay, `${now - start} ms for ${delay}`)
  }
  const url = new URL('../../lib/connection/timer-wheel.js', import.meta.url)
  const code = `import { wheel } from ${JSON.stringify(url.href)}; wheel.schedule({ onDue () { process.exitCode = 3 } }, 3_600_000); console.log(wheel.size)`
  const { status, stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', code], { encoding: 'utf8', timeout: 60_000 })
  t.strictSame({ status, stdout }, { status: 0, stdout: '1\n' })
})

type Action =
  | { readonly do: 'schedule', readonly entry: number, readonly delay: number }
  | { readonly do: 'cancel', readonly entry: number }
  | { readonly do: 'advance' | 'jump', readonly ms: number }

const ENTRIES = 12
const someEntry = fc.nat(ENTRIES - 1)
const someTime = fc.oneof(fc.nat(60), fc.double({ min: 0, max: 500, noNaN: true }), fc.nat(3 * REVOLUTION), fc.constantFrom(SLOT, REVOLUTION, REVOLUTION - SLOT))
const someScheduling = fc.record({ do: fc.constant('schedule' as const), entry: someEntry, delay: someTime })
const someCancelling = fc.record({ do: fc.constant('cancel' as const), entry: someEntry })
const someAction: fc.Arbitrary<Action> = fc.oneof(
  { weight: 5, arbitrary: someScheduling },
  { weight: 1, arbitrary: someCancelling },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('advance' as const, 'jump' as const), ms: someTime }) }
)
/** What an entry does when it is called, in turn. */
const someReactions = fc.array(fc.array(fc.oneof(someScheduling, someCancelling), { maxLength: 3 }), { minLength: 1, maxLength: 5 })

t.test('as a plain list says it: never early, never later than a slot, each once, cancelled ones never, in order', async () => {
  fc.assert(fc.property(fc.nat(100_000), fc.array(someAction, { maxLength: 60 }), someReactions, (start, actions, reactions) => {
    const { clock, wheel, errors } = make(start)
    /** When each entry is due: the model. */
    const due = new Map<number, number>()
    let calls = 0
    let isJumping = false
    let lastCall = { now: -1, due: -1 }
    const wrong: string[] = []

    const entries = Array.from({ length: ENTRIES }, (_, i) => new Entry((_self, now) => {
      const dueAt = due.get(i)
      due.delete(i)
      if (dueAt === undefined) wrong.push(`${i} was not scheduled`)
      else if (now < dueAt) wrong.push(`${i} is early by ${dueAt - now}`)
      // Whole milliseconds of a timer, on a clock that counts parts of them.
      else if (!isJumping && now > dueAt + SLOT + 1) wrong.push(`${i} is late by ${now - dueAt}`)
      else if (now === lastCall.now && dueAt < lastCall.due) wrong.push(`${i} is out of order`)
      lastCall = { now, due: dueAt ?? 0 }
      const reaction = calls < 100 ? reactions[calls % reactions.length] ?? [] : []
      calls++
      for (const action of reaction) act(action)
    }))

    function act (action: Action): void {
      if (action.do === 'schedule') {
        due.set(action.entry, Math.ceil(clock.now() + action.delay)) // whole milliseconds
        wheel.schedule(entries[action.entry]!, action.delay)
      } else if (action.do === 'cancel') {
        due.delete(action.entry)
        wheel.cancel(entries[action.entry]!)
      } else {
        isJumping = action.do === 'jump'
        clock[action.do](action.ms)
        isJumping = false
      }
    }

    for (const action of actions) {
      act(action)
      if (wheel.size !== due.size) wrong.push(`size ${wheel.size} for ${due.size}`)
      for (const [entry, dueAt] of due) if (clock.now() > dueAt + SLOT + 1) wrong.push(`${entry} was not called`)
      if (clock.timers.length > 1 || (wheel.size === 0 && clock.timers.length > 0)) wrong.push(`${clock.timers.length} timers`)
      if (wheel.size > 0 && clock.timers.length === 0) wrong.push('asleep for ever')
    }
    clock.advance(400 * REVOLUTION)
    if (wheel.size > 0) wrong.push('something is left')
    if (errors.length > 0) wrong.push(String(errors[0]))
    if (wrong.length > 0) throw new Error(wrong[0])
  }), { seed: 54, numRuns: 3_000 })
})
