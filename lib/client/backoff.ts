// How long to wait before the next attempt. Owns the formula; the timer is its caller's.

/** Times in ms. */
export interface BackoffTimes {
  /** What the first wait is at most. */
  readonly minDelay: number
  /** What any wait is at most. */
  readonly maxDelay: number
}

/**
 * Draws a wait: twice as long at most as the one before, and evenly between nothing and that ("full jitter"), so that the clients of
 * a server that restarts do not come back together.
 *
 * @param failures - attempts that failed before, in a row
 * @param random - from 0 up to 1
 * @returns whole milliseconds
 */
export function drawDelay (failures: number, { minDelay, maxDelay }: BackoffTimes, random: () => number = Math.random): number {
  return Math.round(random() * Math.min(maxDelay, minDelay * 2 ** failures))
}
