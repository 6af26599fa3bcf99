import t from 'tap'
import { drawDelay } from '../../lib/client/backoff.ts'

const TIMES = { minDelay: 500, maxDelay: 30_000 }

t.test('twice the most of the one before, up to maxDelay', async (t) => {
  const most = [0, 1, 2, 3, 4, 5, 6, 7, 100, 2_000].map((failures) => drawDelay(failures, TIMES, () => 1))
  t.strictSame(most, [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000, 30_000])
})

t.test('full jitter: evenly from nothing on', async (t) => {
  t.equal(drawDelay(3, TIMES, () => 0), 0)
  t.equal(drawDelay(3, TIMES, () => 0.25), 1_000)
  const drawn = Array.from({ length: 1_000 }, () => drawDelay(10, TIMES))
  t.ok(drawn.every((delay) => Number.isInteger(delay) && delay >= 0 && delay <= 30_000))
  const mean = drawn.reduce((sum, delay) => sum + delay) / drawn.length
  t.ok(mean > 13_000 && mean < 17_000, `${mean}`)
})
