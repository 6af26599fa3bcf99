import t from 'tap'
import { startTimer } from '../../lib/client/timer.ts'

t.test('waits, and for ever where it is told to', async (t) => {
  const timers = [Infinity, Number.MAX_SAFE_INTEGER].map((delay) => startTimer(() => t.fail(`after ${delay} ms`), delay))
  const startedAt = performance.now()
  await new Promise<void>((resolve) => { startTimer(resolve, 10) })
  t.ok(performance.now() - startedAt > 8)
  for (const timer of timers) clearTimeout(timer)
})
