// Latencies, counted in buckets that are 2 % wide: a figure for each message would cost the load more than the message does.

/** The first bucket, in ms. */
const FLOOR = 0.001
const STEP = Math.log(1.02)
const BUCKETS = 1_024

export class Histogram {
  readonly #counts = new Float64Array(BUCKETS)
  #total = 0

  /** Counts messages that took `ms` each. */
  record (ms: number, messages = 1): void {
    const bucket = Math.round(Math.log(Math.max(ms, FLOOR) / FLOOR) / STEP)
    this.#counts[Math.min(bucket, BUCKETS - 1)]! += messages
    this.#total += messages
  }

  add (other: Histogram): void {
    for (let i = 0; i < BUCKETS; i++) this.#counts[i]! += other.#counts[i]!
    this.#total += other.#total
  }

  /** Tells what `share` of the messages took at most, in ms; NaN where there were none. */
  percentile (share: number): number {
    let left = this.#total * share
    for (let i = 0; i < BUCKETS; i++) {
      left -= this.#counts[i]!
      if (left <= 0 && this.#total > 0) return FLOOR * Math.exp(i * STEP)
    }
    return NaN
  }
}
