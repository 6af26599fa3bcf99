// Looks whether the server is still there, by messages that it answers. Owns when to ask and the verdict.
import { startTimer } from './timer.ts'
import type { Timer } from './timer.ts'

/** In ms. */
export interface PingTimes {
  readonly interval: number
  readonly timeout: number
}

export interface Pinger {
  /**
   * A connection begins, or may have come to its end.
   *
   * @param delay - until the first ping; default: an interval
   */
  start (delay?: number): void
  /** Anything came. */
  receive (): void
  stop (): void
}

/**
 * Makes one, as a closure: for a browser that is less to download than a class.
 *
 * @param send - asks for a sign of life
 * @param onSilent - none came in time; it has stopped
 */
export function makePinger ({ interval, timeout }: PingTimes, send: () => void, onSilent: () => void): Pinger {
  let isHeard = false
  let timer: Timer | undefined
  const stop = (): void => clearTimeout(timer)
  const start = (delay = interval): void => {
    stop()
    timer = startTimer(() => {
      isHeard = false
      timer = startTimer(() => isHeard ? start(interval - timeout) : onSilent(), timeout)
      send()
    }, delay)
  }
  return { start, stop, receive: () => { isHeard = true } }
}
