// What every server of the benchmarks tells its parent: where it listens, and on request what it has used.
import type { AddressInfo } from 'node:net'

export interface Usage {
  /** Processor time of the whole process so far, in microseconds. */
  readonly user: number
  readonly system: number
  /** Resident memory in bytes. */
  readonly rss: number
}

/** Sizes in bytes after garbage collection; it takes `--expose-gc`. */
export type Memory = Pick<NodeJS.MemoryUsage, 'heapUsed' | 'external' | 'rss'>

/** Tells the parent the port, and answers each of its messages with the usage so far, or 'memory' with that. Ends with the parent. */
export function report (address: AddressInfo | string | null): void {
  if (address === null || typeof address === 'string') throw new Error('the server has no port')
  process.on('message', (question) => {
    if (question === 'memory') {
      globalThis.gc?.()
      process.send?.(process.memoryUsage() satisfies Memory)
      return
    }
    process.send?.({ ...process.cpuUsage(), rss: process.memoryUsage.rss() } satisfies Usage)
  })
  process.on('disconnect', () => process.exit())
  process.send?.({ port: address.port })
}
