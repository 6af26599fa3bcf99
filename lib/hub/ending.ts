// The end of many connections at once: told to go, waited for, destroyed in time. Owns the times and the order; who is
// connected is the hub's.
import type { Connection } from '../connection/connection.ts'
import { CloseCode } from '../protocol/close-code.ts'

/** Most connections that are told or destroyed in one turn of the event loop: each costs a call of the system. */
const SLICE = 250

/** Shortest time, in ms, between two steps of a staggered goodbye. */
const STEP = 10

/** Times in ms. */
export interface EndingTimes {
  /** All is over after this time, the `close` listeners of destroyed connections included. */
  readonly timeout: number
  /** Over how much time the goodbyes are spread. */
  readonly stagger: number
  /** False if somebody else says goodbye: then nobody is told here. */
  readonly tells: boolean
}

/** A clock, and timers that run by it. */
export interface EndingClock {
  now (): number
  setTimer (callback: () => void, delay: number): unknown
  clearTimer (timer: unknown): void
}

const CLOCK: EndingClock = {
  now: () => performance.now(),
  setTimer: (callback, delay) => setTimeout(callback, delay),
  clearTimer: (timer) => clearTimeout(timer as NodeJS.Timeout) // made above
}

/**
 * Tells when, in ms from the start, what is left is destroyed, so that all is over after `timeout` ms.
 *
 * The time behind it is for `close` events, and half of that for whatever else has to end: the server, other hooks.
 */
export function destroyTime (timeout: number): number {
  return timeout - graceOf(timeout)
}

function graceOf (timeout: number): number {
  return Math.min(1_000, timeout / 10)
}

/** Sends 1001. Messages that came before are still delivered. */
export function goAway (connection: Connection): void {
  if (connection.readyState === connection.OPEN) connection.closeAfterDelivery(CloseCode.GoingAway, 'the server is closing')
}

export class Ending {
  readonly #clock: EndingClock
  readonly #onLost: (connection: Connection) => void
  /** All that have not closed yet. */
  readonly #left: Set<Connection>
  /** Those of them that nobody has told. */
  readonly #untold: Set<Connection>
  readonly #destroyAt: number
  readonly #giveUpAt: number
  /** When the last one is to be told. */
  readonly #toldBy: number
  /** Up to when those who were due have been counted. */
  #countedTo: number
  /** How many of the untold are due. */
  #due = 0
  #tellTimer: unknown
  #deadlineTimer: unknown
  #isPastDeadline = false
  #over: Promise<void> | undefined
  #resolve: () => void = () => {}

  /**
   * Begins: the first are told before this returns.
   *
   * @param onLost - called at the very end with each connection that was destroyed and has not closed for the application:
   *   something of the application keeps it
   */
  constructor (members: Iterable<Connection>, times: EndingTimes, onLost: (connection: Connection) => void, clock: EndingClock = CLOCK) {
    const { timeout, stagger, tells } = times
    this.#clock = clock
    this.#onLost = onLost
    this.#left = new Set(members)
    this.#untold = new Set(tells ? this.#left : [])
    const start = clock.now()
    const grace = graceOf(timeout)
    this.#destroyAt = start + timeout - grace
    this.#giveUpAt = start + timeout - grace / 2
    // The last ones need time to answer.
    this.#toldBy = start + Math.min(stagger, 0.9 * (timeout - grace))
    this.#countedTo = start
    if (this.#left.size === 0) return
    this.#waitFor(this.#destroyAt, this.#onDeadline)
    this.#tell()
  }

  /** Takes in a connection that has opened meanwhile, and has been told. */
  add (connection: Connection): void {
    this.#left.add(connection)
    if (this.#isPastDeadline) connection.terminate()
    if (this.#left.size > 1) return
    if (this.#isPastDeadline) this.#waitFor(this.#giveUpAt, this.#giveUp)
    else this.#waitFor(this.#destroyAt, this.#onDeadline)
  }

  /** Takes note that a connection has closed. */
  delete (connection: Connection): void {
    this.#untold.delete(connection)
    if (this.#left.delete(connection) && this.#left.size === 0) this.#end()
  }

  /** Resolves when none is left, or none is waited for any more. May be asked again: late ones may have come. */
  whenOver (): Promise<void> {
    if (this.#left.size === 0) return Promise.resolve()
    return (this.#over ??= new Promise((resolve) => { this.#resolve = resolve }))
  }

  /** Tells those who are due, a slice of them; comes back for the others. */
  readonly #tell = (): void => {
    this.#countDue()
    const slice = Math.min(this.#due, SLICE)
    let told = 0
    for (const connection of this.#untold) {
      if (told++ === slice) break
      this.#untold.delete(connection)
      goAway(connection)
    }
    this.#due -= slice
    if (this.#untold.size === 0) return
    if (this.#due > 0) {
      setImmediate(this.#tell)
      return
    }
    const wait = (this.#toldBy - this.#countedTo) / this.#untold.size
    this.#tellTimer = this.#clock.setTimer(this.#tell, Math.max(STEP, wait))
  }

  /** Spreads those who are untold evenly over the time that is left; the first is due at once. */
  #countDue (): void {
    if (this.#due > 0) return
    const now = this.#clock.now()
    const share = (now - this.#countedTo) / (this.#toldBy - this.#countedTo)
    const isLast = this.#isPastDeadline || now >= this.#toldBy
    this.#due = isLast ? this.#untold.size : Math.max(1, Math.round(this.#untold.size * share))
    this.#countedTo = now
  }

  readonly #onDeadline = (): void => {
    this.#isPastDeadline = true
    this.#clock.clearTimer(this.#tellTimer)
    this.#due = 0
    this.#tell()
    setImmediate(() => this.#destroy(this.#left.values()))
  }

  /** Destroys a slice of those that are left, those who were not told last; comes back for the others. */
  #destroy (left: Iterator<Connection>): void {
    if (this.#left.size === 0) return
    for (let count = 0; count < SLICE; count++) {
      const { done, value } = left.next()
      if (done === true) {
        this.#waitFor(this.#giveUpAt, this.#giveUp)
        return
      }
      value.terminate()
    }
    setImmediate(() => this.#destroy(left))
  }

  readonly #giveUp = (): void => {
    const lost = [...this.#left]
    this.#left.clear()
    for (const connection of lost) this.#onLost(connection)
    this.#end()
  }

  #end (): void {
    this.#clock.clearTimer(this.#tellTimer)
    this.#clock.clearTimer(this.#deadlineTimer)
    this.#resolve()
    this.#over = undefined
  }

  #waitFor (time: number, callback: () => void): void {
    this.#clock.clearTimer(this.#deadlineTimer)
    this.#deadlineTimer = this.#clock.setTimer(callback, Math.max(0, time - this.#clock.now()))
  }
}
