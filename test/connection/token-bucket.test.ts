import fc from 'fast-check'
import t from 'tap'
import { TokenBucket } from '../../lib/connection/token-bucket.ts'
import { FakeClock } from '../helpers/fake-clock.ts'

type Step =
  | { readonly take: number, readonly want: boolean }
  | { readonly pass: number }
  | { readonly wait: number }

// 10 in a second unless the row says otherwise: a token each 100 ms.
const rows: ReadonlyArray<{ name: string, capacity?: number, perSeconds?: number, steps: readonly Step[] }> = [
  { name: 'it is full at the start, and no fuller', steps: [{ take: 10, want: true }, { take: 1, want: false }] },
  { name: 'one more than it holds is too many at once', steps: [{ take: 11, want: false }] },
  { name: 'nothing is always there, as long as nothing is owed', steps: [{ take: 10, want: true }, { take: 0, want: true }, { take: 1, want: false }, { take: 0, want: false }] },
  { name: 'it fills evenly', steps: [{ take: 10, want: true }, { pass: 99 }, { wait: 1 }, { pass: 1 }, { wait: 0 }, { take: 1, want: true }, { wait: 100 }] },
  { name: 'parts of a token add up', capacity: 1, perSeconds: 3, steps: [{ take: 1, want: true }, ...Array.from({ length: 2_999 }, () => ({ pass: 1 })), { wait: 1 }, { pass: 1 }, { take: 1, want: true }] },
  { name: 'it does not overflow', steps: [{ pass: 3_600_000 }, { take: 10, want: true }, { take: 1, want: false }] },
  { name: 'what was taken in vain is owed', steps: [{ take: 15, want: false }, { wait: 600 }, { pass: 500 }, { wait: 100 }, { pass: 100 }, { wait: 0 }, { take: 1, want: true }] },
  { name: 'a debt grows', steps: [{ take: 10, want: true }, { take: 10, want: false }, { take: 10, want: false }, { wait: 2_100 }] },
  { name: 'a debt is paid as slowly as it was allowed to pass', capacity: 1_000, perSeconds: 1, steps: [{ take: 65_536, want: false }, { wait: 64_537 }, { pass: 64_537 }, { wait: 0 }] },
  { name: 'a wait is whole milliseconds, long enough', capacity: 7, perSeconds: 1, steps: [{ take: 7, want: true }, { wait: 143 }, { pass: 143 }, { take: 1, want: true }] },
  { name: 'less than one in its time', capacity: 0.5, steps: [{ take: 0.5, want: true }, { wait: 1_000 }, { pass: 1_000 }, { wait: 0 }] },
  { name: 'an absurd amount ends in a wait that a timer takes', steps: [{ take: Infinity, want: false }, { wait: 2 ** 31 - 1 }, { take: Number.MAX_VALUE, want: false }, { wait: 2 ** 31 - 1 }] },
  { name: 'an absurd amount can be paid', steps: [{ take: Infinity, want: false }, { pass: 2e18 }, { wait: 0 }] },
  { name: 'a large capacity', capacity: Number.MAX_SAFE_INTEGER, steps: [{ take: Number.MAX_SAFE_INTEGER, want: true }, { wait: 1 }, { take: 1, want: false }, { pass: 1_000 }, { take: Number.MAX_SAFE_INTEGER - 10, want: true }] },
  { name: 'a clock that goes back gives nothing and takes nothing', steps: [{ take: 10, want: true }, { pass: -5_000 }, { wait: 100 }, { take: 0, want: true }, { pass: 100 }, { take: 1, want: true }, { take: 1, want: false }] }
]

for (const { name, capacity = 10, perSeconds = 1, steps } of rows) {
  t.test(`T57 ${name}`, async t => {
    const clock = new FakeClock(1_000_000)
    const bucket = new TokenBucket(capacity, perSeconds, clock.now)
    for (const [i, step] of steps.entries()) {
      if ('pass' in step) clock.set(clock.now() + step.pass)
      if ('take' in step) t.equal(bucket.take(step.take), step.want, `step ${i}: take ${step.take}`)
      if ('wait' in step) t.equal(bucket.wait, step.wait, `step ${i}: wait`)
    }
  })
}

t.test('T57 on the clock of the process', async t => {
  const bucket = new TokenBucket(5, 3_600)
  t.ok(bucket.take(5))
  t.notOk(bucket.take(1))
  t.ok(bucket.wait > 1_000_000)
})

const takes = fc.array(fc.record({ pass: fc.oneof(fc.constant(0), fc.double({ min: 0, max: 5_000, noNaN: true })), amount: fc.nat(12) }), { maxLength: 60 })

t.test('T57 in no stretch of time does more pass than the capacity and what comes meanwhile', async () => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 30 }), fc.double({ min: 0.1, max: 20, noNaN: true }), takes, (capacity, perSeconds, steps) => {
    const clock = new FakeClock()
    const bucket = new TokenBucket(capacity, perSeconds, clock.now)
    const passed: Array<{ at: number, amount: number }> = []
    for (const { pass, amount } of steps) {
      clock.set(clock.now() + pass)
      if (bucket.take(amount)) passed.push({ at: clock.now(), amount })
    }
    return passed.every(({ at: from }, i) => {
      let sum = 0
      return passed.slice(i).every(({ at, amount }) => {
        sum += amount
        return sum <= capacity + (at - from) / 1_000 * (capacity / perSeconds) + 2e-6
      })
    })
  }), { seed: 57, numRuns: 2_000 })
})

t.test('T57 whoever waits as long as it says gets a token, and never waits a millisecond too long', async () => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 30 }), fc.double({ min: 0.1, max: 20, noNaN: true }), takes, (capacity, perSeconds, steps) => {
    const clock = new FakeClock()
    const bucket = new TokenBucket(capacity, perSeconds, clock.now)
    return steps.every(({ pass, amount }) => {
      clock.set(clock.now() + pass)
      bucket.take(amount)
      const { wait } = bucket
      if (wait === 0) return true
      clock.set(clock.now() + wait - 1)
      const isEarly = bucket.wait === 0
      clock.set(clock.now() + 1)
      return !isEarly && bucket.wait === 0 && bucket.take(1)
    })
  }), { seed: 57, numRuns: 2_000 })
})

t.test('T57 with `pause`, which lets a take in vain pass and waits then, the same holds but for the last one', async () => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 30 }), fc.array(fc.integer({ min: 1, max: 100 }), { maxLength: 40 }), (capacity, amounts) => {
    const clock = new FakeClock()
    const bucket = new TokenBucket(capacity, 1, clock.now)
    let sum = 0
    return amounts.every((amount) => {
      const isWithin = sum <= capacity + clock.now() / 1_000 * capacity + 2e-6
      sum += amount
      bucket.take(amount)
      while (bucket.wait > 0) clock.set(clock.now() + bucket.wait)
      return isWithin
    })
  }), { seed: 57, numRuns: 1_000 })
})
