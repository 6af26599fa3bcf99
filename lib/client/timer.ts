// Timers that can wait for ever. Owns the longest that one of the platform's can.

/** 23 days; behind 25 of them there is no wait at all. */
const LONGEST = 2e9

export type Timer = ReturnType<typeof setTimeout>

/** @param delay - in ms, Infinity as well */
export function startTimer (callback: () => void, delay: number): Timer {
  return setTimeout(callback, Math.min(delay, LONGEST))
}
