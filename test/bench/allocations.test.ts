// What a message makes the engine allocate stays what it is, and nothing of a message is left behind. Counted, not timed.
import { once } from 'node:events'
import t from 'tap'
import { forkPlain } from '../helpers/fork-plain.ts'
import type { Report } from './count-allocations.ts'

/** A young generation so large, in MiB, that it is not collected during a count. */
const FLAGS = ['--expose-gc', '--min-semi-space-size=64', '--max-semi-space-size=64']

/**
 * Bytes a message at most: what it takes on Node 20, and a third more for what other versions' objects need. What arrives is on no
 * socket that gives slabs back, so that answers are copied once in `external`. Whoever makes it less lowers the bound.
 */
const BOUNDS: Readonly<Record<string, { readonly heap: number, readonly external: number }>> = {
  'text of 20 bytes': { heap: 101, external: 30 },
  '20 bytes': { heap: 297, external: 60 },
  'text of 1 KiB': { heap: 1_530, external: 1_340 },
  '1 KiB': { heap: 459, external: 2_670 },
  'typed message': { heap: 504, external: 43 }
}

/** Bytes by which the heap may grow for any reason but messages; 450,000 of them come between. */
const NOISE = 512 * 1024

const child = forkPlain(new URL('./count-allocations.js', import.meta.url), [], { execArgv: FLAGS })
const died = once(child, 'exit').then(() => undefined)
const message = await Promise.race([once(child, 'message'), died])
if (message === undefined) throw new Error('the process that counts has ended')
const [report] = message as [Report] // it sends nothing else

t.same(report.allocations.map(({ name }) => name), Object.keys(BOUNDS), 'all are counted')

for (const { name, heap, external } of report.allocations) {
  t.test(`an echo of ${name} allocates no more than it did`, async (t) => {
    const bound = BOUNDS[name] ?? { heap: 0, external: 0 }
    t.ok(heap <= bound.heap, `${heap.toFixed(1)} of ${bound.heap} bytes of the heap`)
    t.ok(external <= bound.external, `${external.toFixed(1)} of ${bound.external} bytes of Buffers`)
  })
}

t.test('the heap stays flat', async (t) => {
  t.ok(report.late - report.early < NOISE, `${report.late - report.early} bytes more after ${report.messages} messages`)
})
