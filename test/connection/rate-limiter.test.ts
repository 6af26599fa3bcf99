// What a peer may send in some time; the wire's side of it is in test/threats/rate-limit.test.ts.
import { once, EventEmitter } from 'node:events'
import t from 'tap'
import { RateLimiter } from '../../lib/connection/rate-limiter.ts'
import type { RateLimit } from '../../lib/connection/token-bucket.ts'

const HOUR = 3_600

/** A limiter, with what it told: `limit`, `pausing` and `reading`. */
function make (limit: RateLimit): { limiter: RateLimiter, told: string[], events: EventEmitter } {
  const told: string[] = []
  const events = new EventEmitter()
  const limiter: RateLimiter = new RateLimiter({
    onLimit: ({ code }) => { told.push(code) },
    onPausing () {
      told.push(limiter.isPausing ? 'pausing' : 'reading')
      events.emit(limiter.isPausing ? 'pausing' : 'reading')
    }
  }, limit)
  return { limiter, told, events }
}

t.test('close: what is within the limit passes, the first beyond it does not', async t => {
  const { limiter, told } = make({ messages: 2, bytes: 10, perSeconds: HOUR, onLimit: 'close' })
  t.equal(limiter.takeMessage(), true)
  t.equal(limiter.takeMessage(), true)
  t.equal(limiter.takeBytes(10), true)
  t.strictSame(told, [])
  t.equal(limiter.takeMessage(), false)
  t.equal(limiter.takeBytes(1), false)
  t.strictSame(told, ['FST_WS_RATE_LIMIT', 'FST_WS_RATE_LIMIT'])
  t.equal(limiter.isPausing, false)
})

t.test('what has no limit of its own passes', async t => {
  const messages = make({ messages: 1, perSeconds: HOUR, onLimit: 'close' })
  t.equal(messages.limiter.takeBytes(1e9), true)
  const bytes = make({ bytes: 1, perSeconds: HOUR, onLimit: 'close' })
  for (let i = 0; i < 1000; i++) t.equal(bytes.limiter.takeMessage(), true)
})

for (const [name, limit, take] of [
  ['messages', { messages: 2, perSeconds: 0.1 }, (limiter: RateLimiter) => limiter.takeMessage()],
  ['bytes', { bytes: 2, perSeconds: 0.1 }, (limiter: RateLimiter) => limiter.takeBytes(1)],
  ['the slower of both', { messages: 1000, bytes: 2, perSeconds: 0.1 }, (limiter: RateLimiter) => limiter.takeMessage() && limiter.takeBytes(1)]
] as const) {
  t.test(`pause: ${name} beyond the limit pass, and reading waits for credit`, async t => {
    const { limiter, told, events } = make({ ...limit, onLimit: 'pause' })
    const start = performance.now()
    for (let i = 0; i < 5; i++) t.equal(take(limiter), true)
    t.strictSame(told, ['pausing'], 'told once')
    t.equal(limiter.isPausing, true)
    await once(events, 'reading')
    // Three more than there were at first, at 20 a second.
    t.ok(performance.now() - start > 90)
    t.equal(limiter.isPausing, false)
    t.strictSame(told, ['pausing', 'reading'])
  })
}

t.test('stopped, it lets everything through: the end has to be read', async t => {
  for (const onLimit of ['close', 'pause'] as const) {
    const { limiter, told } = make({ messages: 1, bytes: 1, perSeconds: HOUR, onLimit })
    limiter.stop()
    for (let i = 0; i < 3; i++) t.equal(limiter.takeMessage() && limiter.takeBytes(100), true)
    t.strictSame(told, [])
    t.equal(limiter.isPausing, false)
  }
})

t.test('stop lets reading go on, and leaves no timer', async t => {
  const { limiter, told } = make({ messages: 1, perSeconds: HOUR, onLimit: 'pause' })
  limiter.takeMessage()
  limiter.takeMessage()
  t.strictSame(told, ['pausing'])
  limiter.stop()
  t.strictSame(told, ['pausing', 'reading'])
  limiter.stop()
  t.equal(told.length, 2)
  t.notOk(process.getActiveResourcesInfo().includes('Timeout'))
})
