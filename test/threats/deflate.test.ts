// T20 and T24: what compressed messages may make a process hold. It is one of its own, with connections alone, no
// server: tap keeps track of what happens in this one.
import { once } from 'node:events'
import t from 'tap'
import type { BombFigures, LivesFigures } from '../helpers/deflate-memory-main.ts'
import { forkPlain } from '../helpers/fork-plain.ts'
import '../helpers/guard.ts'

const MiB = 1_048_576

t.setTimeout(170_000)

async function run (kind: 'bombs' | 'lives'): Promise<unknown> {
  const child = forkPlain(new URL('../helpers/deflate-memory-main.js', import.meta.url), [kind])
  const exited = once(child, 'exit')
  const [figures] = await Promise.race([once(child, 'message'), exited.then(([code]) => { throw new Error(`it has ended with ${code}`) })]) as [unknown]
  await exited
  return figures
}

t.test('T20 a payload of 1 MiB that stands for 1 GiB of zeros, against a limit of 1 MiB', async t => {
  const figures = await run('bombs') as BombFigures[] // as that process sends them
  t.equal(figures.length, 4)
  for (const { name, size, closeCodes, messages, peak, rss, held } of figures) {
    t.comment(`${name}: a payload of ${size} bytes, peak +${(peak / MiB).toFixed(1)} MiB with garbage, RSS +${(rss / MiB).toFixed(1)} MiB, held +${(held / MiB).toFixed(1)} MiB`)
    t.strictSame(closeCodes, [1009, 1009, 1009, 1009, 1009, 1009])
    t.equal(messages, name.startsWith('with context') ? 6 : 0, 'only the one before it')
    t.ok(peak > MiB / 2, `${name}: the measure sees something`)
    t.ok(peak < 8 * MiB, `${name}: ${peak} bytes at the height`)
    t.ok(held < 3 * MiB, `${name}: ${held} bytes are held behind six`)
  }
})

t.test('T24 4,000 connections end while they inflate and compress: no callback behind close, nothing is left', async t => {
  const { count, held, faults, resources } = await run('lives') as LivesFigures // as above
  t.comment(`${held} bytes are held behind ${count}`)
  t.strictSame(faults, [])
  t.strictSame(resources, [])
  t.ok(held < 2 * MiB, `${held} bytes`)
})
