// One time limit, on the wheel that all connections share: begun and stopped for every one of them, it has to cost next to nothing.
import { wheel } from './timer-wheel.ts'
import type { TimerWheel, WheelEntry } from './timer-wheel.ts'

export class Deadline implements WheelEntry {
  wheelNext: WheelEntry | undefined = undefined
  wheelPrevious: WheelEntry | undefined = undefined
  wheelDue = 0
  readonly #onOver: () => void
  readonly #wheel: TimerWheel

  /** Begins at once. @param time - in ms; `onOver` is called that much later, or a slot of the wheel after that, unless it was stopped */
  constructor (time: number, onOver: () => void, timerWheel: TimerWheel = wheel) {
    this.#onOver = onOver
    this.#wheel = timerWheel
    timerWheel.schedule(this, time)
  }

  onDue (): void {
    this.#onOver()
  }

  stop (): void {
    this.#wheel.cancel(this)
  }
}
