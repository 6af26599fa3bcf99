// What a process holds on to, and what has escaped to it.
import { memoryUsed } from '../helpers/connection-pair.ts'
import '../helpers/guard.ts'

/** Sizes in bytes, after collections. */
export interface Level {
  readonly heap: number
  /** Buffers, and what else is outside of V8's heap. */
  readonly external: number
  readonly rss: number
}

export async function measure (): Promise<Level> {
  // What finalizers let go of is garbage of the next collection.
  for (let n = 0; n < 3; n++) await memoryUsed()
  const { heapUsed: heap, external, rss } = process.memoryUsage()
  return { heap, external, rss }
}

/** Counts what keeps the event loop alive, by kind. Timers that do not are not among it. */
export function countResources (): Map<string, number> {
  const counts = new Map<string, number>()
  for (const name of process.getActiveResourcesInfo()) counts.set(name, (counts.get(name) ?? 0) + 1)
  return counts
}

/** Tells which resources there are more of than at the beginning. */
export function findLeft (base: ReadonlyMap<string, number>): string[] {
  return [...countResources()].filter(([name, count]) => count > (base.get(name) ?? 0)).map(([name, count]) => `${count} ${name}, ${base.get(name) ?? 0} before`)
}

/** Every warning of the process: of listeners that pile up, of promises, of timers that overflow. */
export const warnings: string[] = []
process.on('warning', ({ name, message }) => { warnings.push(`${name}: ${message}`) })

/** Looks every few ms until it is so. @returns the ms that it took, `Infinity` after the deadline */
export async function timeUntil (isTrue: () => boolean, deadline: number): Promise<number> {
  const start = performance.now()
  while (!isTrue()) {
    if (performance.now() - start > deadline) return Infinity
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  return performance.now() - start
}
