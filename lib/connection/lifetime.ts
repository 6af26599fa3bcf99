// A connection's longest life. Owns when its end is due.
import { Deadline } from './deadline.ts'
import type { TimerWheel } from './timer-wheel.ts'

/** Connections that opened together must not end together, and come back together: up to this part of the time is taken off. */
const SPREAD = 0.1

export class Lifetime extends Deadline {
  /** Starts at once. @param most - in ms; the end comes after nine tenths of it at the earliest */
  constructor (most: number, onEnd: () => void, timerWheel?: TimerWheel) {
    super(most * (1 - SPREAD * Math.random()), onEnd, timerWheel)
  }
}
