// One timer for all that connections wait for. Owns when which entry is due, to the slot; knows nothing of what is done then.

/**
 * Something that becomes due. The wheel links entries themselves, so that scheduling allocates nothing: `wheelNext`,
 * `wheelPrevious` and `wheelDue` are the wheel's, and nobody else's. A class with many objects declares them, set to undefined
 * and 0, so that its objects keep one shape.
 */
export interface WheelEntry {
  wheelNext?: WheelEntry | undefined
  wheelPrevious?: WheelEntry | undefined
  wheelDue?: number
  /** Called once for each scheduling; may schedule and cancel anything, itself included. */
  onDue (now: number): void
}

export interface WheelTimer {
  unref (): unknown
}

/** Times in milliseconds. */
export interface WheelClock {
  /** Never goes back. */
  now (): number
  setTimer (callback: () => void, delay: number): WheelTimer
  clearTimer (timer: WheelTimer): void
}

/** Milliseconds of a slot: how late an entry may be. */
export const SLOT = 25

/** A revolution takes 25.6 seconds, so that a heartbeat at its default interval is looked at when it is due and not before. */
const SLOTS = 1_024

/** 8,900 years: sums with it are still exact to the slot. */
const LONGEST_DELAY = 2 ** 48

/** Head of a ring of entries; an entry leaves its ring without knowing which one it is. */
class Ring implements WheelEntry {
  wheelNext: WheelEntry = this
  wheelPrevious: WheelEntry = this

  get isEmpty (): boolean {
    return this.wheelNext === this
  }

  append (entry: WheelEntry): void {
    entry.wheelPrevious = this.wheelPrevious
    entry.wheelNext = this
    this.wheelPrevious.wheelNext = entry
    this.wheelPrevious = entry
  }

  onDue (): void {}
}

/**
 * Calls entries when they are due: never early, and as long as the event loop turns at most `SLOT` ms late. It sleeps until the
 * next slot with something in it, and for good when there is nothing; it does not keep the process alive. An entry farther
 * away than a revolution stays in its slot and is passed over. A wakeup for an entry that was cancelled meanwhile finds nothing.
 *
 * All that is due at the same time, as after a blocked event loop, is called in the order of its due times. What an entry
 * schedules waits for a later turn, so that entries which come back at once starve nobody.
 *
 * An `onDue` that throws is a fault of this package. It must not cost the other entries their turn, nor the process its life,
 * for a peer may have found the way there; and it must not go unseen. So it is told as a warning of the process.
 */
export class TimerWheel {
  readonly #clock: WheelClock
  readonly #report: (error: unknown) => void
  readonly #slots: readonly Ring[] = Array.from({ length: SLOTS }, () => new Ring())
  /** Entries whose time has come and who have not been called yet. */
  readonly #due = new Ring()
  #size = 0
  /** The last slot that was looked at, counted from the clock's 0; entries are in later ones. */
  #slot = 0
  #isCalling = false
  #timer: WheelTimer | undefined
  /** The slot for which the timer is set. */
  #wakeSlot = Infinity

  constructor (clock: WheelClock, report: (error: unknown) => void = warn) {
    this.#clock = clock
    this.#report = report
  }

  /** Entries that wait. */
  get size (): number {
    return this.#size
  }

  now (): number {
    return this.#clock.now()
  }

  /** Calls the entry after that many ms; one that waits already is moved. */
  schedule (entry: WheelEntry, delay: number): void {
    this.cancel(entry)
    const now = this.#clock.now()
    // While nothing waited nobody looked.
    if (this.#size === 0) this.#slot = Math.floor(now / SLOT)
    // Whole milliseconds: V8 keeps a small integer in the entry itself, in the first 24 days of a process.
    const due = Math.ceil(now + (delay > 0 ? Math.min(delay, LONGEST_DELAY) : 0))
    const slot = Math.max(slotOf(due), this.#slot + 1)
    entry.wheelDue = due
    this.#ring(slot).append(entry)
    this.#size++
    if (!this.#isCalling && slot < this.#wakeSlot) this.#sleepUntil(Math.min(slot, this.#slot + SLOTS), now)
  }

  /** Takes the entry out; one that does not wait is left as it is. */
  cancel (entry: WheelEntry): void {
    const { wheelNext, wheelPrevious } = entry
    if (wheelNext === undefined || wheelPrevious === undefined) return
    wheelPrevious.wheelNext = wheelNext
    wheelNext.wheelPrevious = wheelPrevious
    entry.wheelNext = undefined
    entry.wheelPrevious = undefined
    this.#size--
    if (this.#size === 0) this.#stopTimer()
  }

  #ring (slot: number): Ring {
    // A remainder by SLOTS is an index of #slots.
    return this.#slots[slot % SLOTS]!
  }

  #onTimer (): void {
    this.#timer = undefined
    this.#wakeSlot = Infinity
    const now = this.#clock.now()
    this.#collectDue(Math.floor(now / SLOT))
    this.#isCalling = true
    while (!this.#due.isEmpty) this.#call(this.#due.wheelNext, now)
    this.#isCalling = false
    this.#sleep()
  }

  /** Moves what is due to `#due`. However far the clock has jumped, no slot is looked at twice. */
  #collectDue (lastSlot: number): void {
    const found: WheelEntry[] = []
    const end = Math.min(lastSlot, this.#slot + SLOTS)
    for (let slot = this.#slot + 1; slot <= end; slot++) {
      const ring = this.#ring(slot)
      for (let entry = ring.wheelNext; entry !== ring; entry = nextOf(entry)) {
        if (slotOf(dueOf(entry)) <= lastSlot) found.push(entry)
      }
    }
    this.#slot = lastSlot
    found.sort((a, b) => dueOf(a) - dueOf(b))
    for (const entry of found) {
      this.cancel(entry)
      this.#due.append(entry)
      this.#size++
    }
  }

  #call (entry: WheelEntry, now: number): void {
    this.cancel(entry)
    try {
      entry.onDue(now)
    } catch (error) {
      this.#report(error)
    }
  }

  /** Sets the timer for the next slot that has an entry, be it one to pass over. */
  #sleep (): void {
    if (this.#size === 0) return
    let slot = this.#slot + 1
    while (this.#ring(slot).isEmpty) slot++
    this.#sleepUntil(slot, this.#clock.now())
  }

  #sleepUntil (slot: number, now: number): void {
    this.#stopTimer()
    this.#wakeSlot = slot
    // A timer of Node may be early by a part of a millisecond; then it is set again.
    this.#timer = this.#clock.setTimer(() => this.#onTimer(), Math.max(1, Math.ceil(slot * SLOT - now)))
    this.#timer.unref()
  }

  #stopTimer (): void {
    if (this.#timer === undefined) return
    this.#clock.clearTimer(this.#timer)
    this.#timer = undefined
    this.#wakeSlot = Infinity
  }
}

/** The first slot that begins when `due` has come. */
function slotOf (due: number): number {
  return Math.ceil(due / SLOT)
}

function dueOf (entry: WheelEntry): number {
  return entry.wheelDue ?? 0
}

function nextOf (entry: WheelEntry): WheelEntry {
  // In a ring everything has a next.
  return entry.wheelNext!
}

function warn (error: unknown): void {
  const detail = error instanceof Error ? error.stack ?? error.message : String(error)
  process.emitWarning('a timer of a connection has failed', { type: 'FastifyTypedWebsocketWarning', code: 'FST_WS_TIMER', detail })
}

/** The one of this process. */
export const wheel: TimerWheel = new TimerWheel({
  now: () => performance.now(),
  setTimer: (callback, delay) => setTimeout(callback, delay),
  // Made by `setTimer`.
  clearTimer: (timer) => clearTimeout(timer as NodeJS.Timeout)
})
