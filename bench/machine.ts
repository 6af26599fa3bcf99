// Where figures come from, for whoever compares them.
import { cpus, release, type } from 'node:os'
import type { Results } from './results.ts'

export const machine: Results['machine'] = {
  node: process.version,
  processor: cpus()[0]?.model ?? 'unknown processor',
  processors: cpus().length,
  system: `${type()} ${release()}`
}

/** In one line. */
export function machineOf ({ node, processor, processors } = machine): string {
  return `Node ${node}, ${processor} x ${processors}`
}
