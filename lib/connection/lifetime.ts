// A connection's longest life. Owns when its end is due.
import { wheel } from './timer-wheel.ts'
import type { TimerWheel, WheelEntry } from './timer-wheel.ts'

/** Connections that opened together must not end together, and come back together: up to this part of the time is taken off. */
const SPREAD = 0.1

export class Lifetime implements WheelEntry {
  wheelNext: WheelEntry | undefined = undefined
  wheelPrevious: WheelEntry | undefined = undefined
  wheelDue = 0
  readonly #onEnd: () => void
  readonly #wheel: TimerWheel

  /** Starts at once. @param most - in ms; the end comes after nine tenths of it at the earliest */
  constructor (most: number, onEnd: () => void, timerWheel: TimerWheel = wheel) {
    this.#onEnd = onEnd
    this.#wheel = timerWheel
    timerWheel.schedule(this, most * (1 - SPREAD * Math.random()))
  }

  onDue (): void {
    this.#onEnd()
  }

  stop (): void {
    this.#wheel.cancel(this)
  }
}
