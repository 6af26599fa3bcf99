// Finds out whether the peer of a connection is still there. Owns when to ping and the verdict; knows nothing of frames or sockets.
import { wheel } from './timer-wheel.ts'
import type { TimerWheel, WheelEntry } from './timer-wheel.ts'

/** In milliseconds. */
export interface HeartbeatTimes {
  /** From ping to ping. */
  readonly interval: number
  /** How long nothing may come from the peer after a ping was written. */
  readonly timeout: number
}

export interface HeartbeatOwner {
  /**
   * Sends a ping with this number as its 4 bytes of data (big endian), and calls back when the socket has really taken it; never
   * if the socket is gone.
   */
  sendPing (number: number, onWritten: () => void): void
  /** False while this side itself does not read: then silence tells nothing. When it becomes true again, call `noteBytes`. */
  readonly isReading: boolean
  /** True when that is because the peer does not read either: then a ping that cannot be written is judged all the same. */
  readonly waitsForPeer: boolean
  /** A number that changes whenever bytes leave this process for the peer. */
  readonly writeProgress: number
  /** Called once for an answered ping at most. */
  onLatency (ms: number): void
  /** Called once; the heartbeat has stopped. */
  onDead (): void
}

/** Part of the interval by which the first ping may come sooner: connections that open together must not ping together for ever. */
const SPREAD = 0.1

/** Multiples of the golden ratio, less their whole part, are spread evenly, however many there are. */
const GOLDEN = 0.618_033_988_749_895
let spread = 0

/**
 * Pings a peer at each interval, whatever else is sent or received, and gives it up when it stays silent.
 *
 * A window of `timeout` opens when a ping was written. The peer lives if any byte came in it, or if this side did not read all
 * the time; what is sent tells nothing, for a kernel takes bytes for a dead peer too. A ping that cannot be written yet opens a window
 * of another kind: there the peer also lives if bytes before the ping have left, and the window opens again and again until the
 * ping is written. No other ping joins one that waits.
 *
 * With an interval shorter than the timeout several pings fall into one window, which is that of the first one that no byte followed.
 */
export class Heartbeat implements WheelEntry {
  wheelNext: WheelEntry | undefined = undefined
  wheelPrevious: WheelEntry | undefined = undefined
  wheelDue = 0
  readonly #owner: HeartbeatOwner
  readonly #times: HeartbeatTimes
  readonly #wheel: TimerWheel
  readonly #defer: (callback: () => void) => void
  #state: 'new' | 'running' | 'stopped' = 'new'
  /** Something came, or could not come, since the window opened. */
  #isAlive = false
  #pingAt = 0
  /** When the window closes; Infinity while there is none. */
  #closesAt = Infinity
  /** The window has opened for a written ping. */
  #isForWritten = false
  /** `writeProgress` when the window opened. */
  #progress = 0
  /** Numbers of the pings that were sent, written and answered last. */
  #sent = 0
  #written = 0
  #answered = 0
  /** The ping whose round trip is measured, and since when. Later ones are not until it is answered or passed over. */
  #timed = 0
  #timedFrom = 0

  /** @param defer - calls back when the sockets have been read once more, as `setImmediate` does */
  constructor (owner: HeartbeatOwner, times: HeartbeatTimes, timerWheel: TimerWheel = wheel, defer: (callback: () => void) => void = setImmediate) {
    this.#owner = owner
    this.#times = times
    this.#wheel = timerWheel
    this.#defer = defer
  }

  /** Starts, once; the first ping comes after nine tenths of the interval at the earliest, and after the interval at the latest. */
  start (): void {
    if (this.#state !== 'new') return
    this.#state = 'running'
    spread = (spread + GOLDEN) % 1
    const now = this.#wheel.now()
    this.#pingAt = now + this.#times.interval * (1 - SPREAD * spread)
    this.#schedule(now)
  }

  /** Stops for good. */
  stop (): void {
    this.#state = 'stopped'
    this.#wheel.cancel(this)
  }

  /** Takes note that bytes came. To be called for each chunk, so it does next to nothing. */
  noteBytes (): void {
    this.#isAlive = true
  }

  /**
   * Looks at a pong's data.
   *
   * @returns true when it answers a ping of this heartbeat, which nothing has answered so far
   */
  takePong (data: Buffer): boolean {
    if (this.#state !== 'running' || data.length !== 4) return false
    const number = data.readUInt32BE(0)
    if (!this.#awaits(number)) return false
    this.#answered = number
    // Over some streams the answer comes before the news that the ping was written.
    if (number === this.#sent) this.#written = number
    if (number === this.#timed) this.#owner.onLatency(this.#wheel.now() - this.#timedFrom)
    return true
  }

  onDue (now: number): void {
    if (now >= this.#closesAt && !this.#lives()) {
      // While the event loop was blocked bytes may have come, which wait to be read behind this timer.
      this.#defer(() => this.#lookAgain())
      return
    }
    this.#goOn(now)
  }

  #lookAgain (): void {
    if (this.#state !== 'running') return
    const now = this.#wheel.now()
    if (now < this.#closesAt || this.#lives()) {
      this.#goOn(now)
      return
    }
    this.stop()
    this.#owner.onDead()
  }

  /** Closes the window if it is over, and pings if it is time; the peer lives. */
  #goOn (now: number): void {
    if (now >= this.#closesAt) this.#closeWindow(now)
    if (now >= this.#pingAt) this.#ping(now)
    this.#schedule(now)
  }

  #closeWindow (now: number): void {
    if (this.#isWaiting) this.#openWindow(now, false)
    else this.#closesAt = Infinity
  }

  #ping (now: number): void {
    const { interval } = this.#times
    // Pings that a blocked event loop has missed are not made up for, and those of many connections stay spread.
    this.#pingAt += interval * (Math.floor((now - this.#pingAt) / interval) + 1)
    if (this.#isWaiting) return
    const number = (this.#sent + 1) >>> 0
    if (!this.#awaits(this.#timed)) {
      this.#timed = number
      this.#timedFrom = now
    }
    this.#sent = number
    if (this.#closesAt === Infinity) this.#openWindow(now, false)
    this.#owner.sendPing(number, () => this.#onWritten(number))
  }

  #onWritten (number: number): void {
    // Of a ping that was answered already it tells nothing.
    if (number !== this.#sent || !this.#isWaiting) return
    this.#written = number
    const now = this.#wheel.now()
    if (number === this.#timed) this.#timedFrom = now
    // The wheel need not hear of it: it calls when the former window closes, which is before this one does.
    if (!this.#isForWritten || this.#isAlive) this.#openWindow(now, true)
  }

  #openWindow (now: number, isForWritten: boolean): void {
    this.#closesAt = now + this.#times.timeout
    this.#isForWritten = isForWritten
    this.#isAlive = this.#isExcused
    this.#progress = this.#owner.writeProgress
  }

  /** Silence tells nothing: this side does not read. Before the ping is written that excuses no peer that does not read itself. */
  get #isExcused (): boolean {
    return !this.#owner.isReading && (this.#isForWritten || !this.#owner.waitsForPeer)
  }

  /** True while a ping has been sent and not been written. */
  get #isWaiting (): boolean {
    return this.#written !== this.#sent
  }

  #lives (): boolean {
    if (this.#isAlive || this.#isExcused) return true
    return !this.#isForWritten && this.#owner.writeProgress !== this.#progress
  }

  /** Tells a ping that was sent and neither answered itself nor passed over by the answer to a later one. Numbers wrap around. */
  #awaits (number: number): boolean {
    const ahead = (number - this.#answered) >>> 0
    return ahead > 0 && ahead <= ((this.#sent - this.#answered) >>> 0)
  }

  #schedule (now: number): void {
    if (this.#state !== 'running') return
    this.#wheel.schedule(this, Math.min(this.#pingAt, this.#closesAt) - now)
  }
}
