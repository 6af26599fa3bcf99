// Ways to do one thing, held against each other inside of one process: checked first, then timed in turns.
import { median } from '../results.ts'

export interface Variant {
  readonly name: string
  /** What became of it: used, or why not. */
  readonly word: string
  /** Does it so many times. Its own loop, so that each way is compiled for itself. */
  readonly batch: (count: number) => unknown
  /** Throws unless it does the right thing. */
  readonly check?: () => void
}

export interface Subject {
  readonly name: string
  readonly variants: readonly Variant[]
}

export interface Timing {
  readonly variant: Variant
  /** Nanoseconds of processor time each: the median of the rounds, the least and the most. */
  readonly median: number
  readonly least: number
  readonly most: number
}

/** Processor time of this thread and its helpers, in microseconds: what neighbours take does not count. */
function cpuTime (): number {
  const { user, system } = process.cpuUsage()
  return user + system
}

/** Finds how often it can be done in about `ms`, and has it compiled on the way. */
function calibrate (variant: Variant, ms: number): number {
  for (let count = 16; ; count *= 2) {
    const before = cpuTime()
    variant.batch(count)
    const took = (cpuTime() - before) / 1_000
    if (took > ms / 4) return Math.max(1, Math.round(count * ms / took))
  }
}

export function compare (subject: Subject, rounds: number, ms: number): Timing[] {
  for (const { check } of subject.variants) check?.()
  const counts = subject.variants.map((variant) => {
    calibrate(variant, ms)
    return calibrate(variant, ms)
  })
  const figures: number[][] = subject.variants.map(() => [])
  for (let round = 0; round < rounds; round++) {
    for (const [i, variant] of subject.variants.entries()) {
      const before = cpuTime()
      variant.batch(counts[i]!)
      figures[i]!.push((cpuTime() - before) * 1_000 / counts[i]!)
    }
  }
  return subject.variants.map((variant, i) => ({ variant, median: median(figures[i]!), least: Math.min(...figures[i]!), most: Math.max(...figures[i]!) }))
}
