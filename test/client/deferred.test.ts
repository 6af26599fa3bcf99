import '../helpers/guard.ts'
import t from 'tap'
import { defer } from '../../lib/client/deferred.ts'

t.test('is settled from elsewhere, and a rejection that nobody asked for is none', async (t) => {
  const good = defer<number>()
  good.resolve(1)
  t.equal(await good.promise, 1)
  const bad = defer()
  bad.reject(new Error('no'))
  await new Promise((resolve) => setImmediate(resolve))
  await t.rejects(bad.promise, { message: 'no' })
})
