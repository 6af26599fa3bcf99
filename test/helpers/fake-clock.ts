// A clock that stands still until it is told to go, for what takes a WheelClock or a function that tells milliseconds.
import type { WheelClock, WheelTimer } from '../../lib/connection/timer-wheel.ts'

interface FakeTimer extends WheelTimer {
  readonly at: number
  readonly callback: () => void
  hasUnref: boolean
}

export class FakeClock implements WheelClock {
  /** Timers that have fired so far. */
  wakeups = 0
  #time: number
  #timers: FakeTimer[] = []

  constructor (time = 0) {
    this.#time = time
  }

  /** Timers that are set. */
  get timers (): readonly FakeTimer[] {
    return this.#timers
  }

  readonly now = (): number => this.#time

  setTimer (callback: () => void, delay: number): WheelTimer {
    // Node takes whole numbers from 1 on, and turns any other into one.
    if (!Number.isInteger(delay) || delay < 1 || delay > 2 ** 31 - 1) throw new RangeError(`delay ${delay}`)
    const timer: FakeTimer = { at: this.#time + delay, callback, hasUnref: false, unref () { this.hasUnref = true } }
    this.#timers.push(timer)
    return timer
  }

  clearTimer (timer: WheelTimer): void {
    this.#timers = this.#timers.filter((other) => other !== timer)
  }

  /** Lets time pass; each timer fires at its time. */
  advance (ms: number): void {
    const end = this.#time + ms
    for (;;) {
      const [next] = this.#timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)
      if (next === undefined) break
      this.#time = Math.max(this.#time, next.at)
      this.#fire(next)
    }
    this.#time = end
  }

  /** Lets time pass with the event loop blocked: what should have fired meanwhile fires at the end, once. */
  jump (ms: number): void {
    this.#time += ms
    for (const timer of this.#timers.filter(({ at }) => at <= this.#time).sort((a, b) => a.at - b.at)) this.#fire(timer)
  }

  /** Sets the time, be it back, and fires nothing. */
  set (time: number): void {
    this.#time = time
  }

  #fire (timer: FakeTimer): void {
    // One that fired before it may have cleared it.
    if (!this.#timers.includes(timer)) return
    this.clearTimer(timer)
    this.wakeups++
    timer.callback()
  }
}
