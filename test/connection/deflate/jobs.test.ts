import t from 'tap'
import { MAX_JOBS, runJob } from '../../../lib/connection/deflate/jobs.ts'
import { turns } from '../../helpers/connection-pair.ts'

/** Jobs that end when they are told to. */
function makeJobs (count: number): { started: number[], ends: Array<(error?: Error) => void>, results: Array<Promise<number>> } {
  const started: number[] = []
  const ends: Array<(error?: Error) => void> = []
  const results = Array.from({ length: count }, (_, n) => runJob(() => {
    started.push(n)
    return new Promise<number>((resolve, reject) => { ends[n] = (error) => error === undefined ? resolve(n) : reject(error) })
  }))
  return { started, ends, results }
}

t.test('as many run as may, the others in the order in which they came', async t => {
  const { started, ends, results } = makeJobs(MAX_JOBS + 3)
  t.strictSame(started, [0, 1, 2, 3])
  ends[2]?.()
  await turns(1)
  t.strictSame(started, [0, 1, 2, 3, 4])
  ends[4]?.()
  ends[0]?.()
  await turns(1)
  t.strictSame(started, [0, 1, 2, 3, 4, 5, 6])
  for (const end of ends) end()
  t.strictSame(await Promise.all(results), [0, 1, 2, 3, 4, 5, 6])
})

t.test('one that fails, at once or later, makes room as well', async t => {
  await t.rejects(runJob(() => { throw new Error('at once') }), { message: 'at once' })
  const { started, ends, results } = makeJobs(MAX_JOBS + 1)
  const first = t.rejects(async () => await results[0], { message: 'later' })
  ends[0]?.(new Error('later'))
  await first
  await turns(1)
  t.equal(started.length, MAX_JOBS + 1)
  for (const end of ends) end()
  await Promise.allSettled(results)
  const again = makeJobs(MAX_JOBS)
  t.equal(again.started.length, MAX_JOBS, 'no place is lost')
  for (const end of again.ends) end()
})
