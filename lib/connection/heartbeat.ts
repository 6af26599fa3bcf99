// Finds out whether the peer of a connection is still there. Owns when to ping and the verdict; knows nothing of frames or sockets.
import { wheel } from './timer-wheel.ts'
import type { TimerWheel, WheelEntry } from './timer-wheel.ts'

/** In milliseconds; connections share it. */
export interface HeartbeatTimes {
  /** From ping to ping. */
  readonly interval: number
  /** How long nothing may come from the peer after a ping was written. */
  readonly timeout: number
  /** What time goes by; default: the wheel of this process. */
  readonly wheel?: TimerWheel
  /** Calls back when the sockets have been read once more. Default: `setImmediate`. */
  readonly defer?: (callback: () => void) => void
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

/** What there is to know of pings that have been sent, until the last one is answered and nothing is waited for. */
interface Pinging {
  /** Number of the ping that was answered last. */
  answered: number
  /** Number of the one that was written last. */
  written: number
  /** The ping whose round trip is measured, and since when. Later ones are not until it is answered or passed over. */
  timed: number
  timedFrom: number
  /** When the window closes; Infinity while there is none. */
  closesAt: number
  /** The window has opened for a written ping. */
  isForWritten: boolean
  /** Something came, or could not come, since the window opened. */
  isAlive: boolean
  /** `writeProgress` when the window opened. */
  progress: number
}

/**
 * Pings a peer at each interval, whatever else is sent or received, and gives it up when it stays silent.
 *
 * A window of `timeout` opens when a ping was written. The peer lives if any byte came in it, or if this side did not read all
 * the time; what is sent tells nothing, for a kernel takes bytes for a dead peer too. A ping that cannot be written yet opens a window
 * of another kind: there the peer also lives if bytes before the ping have left, and the window opens again and again until the
 * ping is written. No other ping joins one that waits.
 *
 * With an interval shorter than the timeout several pings fall into one window, which is that of the first one that no byte followed.
 * The answer to the last ping closes the window: then there is nothing to know of pings, and between them a heartbeat is small.
 *
 * Times are whole milliseconds, rounded up: V8 keeps small integers in an object and others beside it.
 */
export class Heartbeat implements WheelEntry {
  wheelNext: WheelEntry | undefined = undefined
  wheelPrevious: WheelEntry | undefined = undefined
  wheelDue = 0
  readonly #owner: HeartbeatOwner
  readonly #times: HeartbeatTimes
  #state: 'new' | 'running' | 'stopped' = 'new'
  #pingAt = 0
  /** Number of the ping that was sent last. */
  #sent = 0
  #pinging: Pinging | undefined

  constructor (owner: HeartbeatOwner, times: HeartbeatTimes) {
    this.#owner = owner
    this.#times = times
  }

  /** Starts, once; the first ping comes after nine tenths of the interval at the earliest, and after the interval at the latest. */
  start (): void {
    if (this.#state !== 'new') return
    this.#state = 'running'
    spread = (spread + GOLDEN) % 1
    const now = this.#wheel.now()
    this.#pingAt = Math.ceil(now + this.#times.interval * (1 - SPREAD * spread))
    this.#schedule(now)
  }

  /** Stops for good. */
  stop (): void {
    this.#state = 'stopped'
    this.#wheel.cancel(this)
  }

  /** Takes note that bytes came. To be called for each chunk, so it does next to nothing. */
  noteBytes (): void {
    if (this.#pinging !== undefined) this.#pinging.isAlive = true
  }

  /**
   * Looks at a pong's data.
   *
   * @returns true when it answers a ping of this heartbeat, which nothing has answered so far
   */
  takePong (data: Buffer): boolean {
    const pinging = this.#pinging
    if (this.#state !== 'running' || pinging === undefined || data.length !== 4) return false
    const number = data.readUInt32BE(0)
    if (!this.#awaits(pinging, number)) return false
    pinging.answered = number
    if (number === pinging.timed) this.#owner.onLatency(this.#wheel.now() - pinging.timedFrom)
    // Over some streams the answer comes before the news that the ping was written.
    if (number === this.#sent) this.#pinging = undefined
    return true
  }

  onDue (now: number): void {
    if (!this.#lives(now)) {
      // While the event loop was blocked bytes may have come, which wait to be read behind this timer.
      const { defer = setImmediate } = this.#times
      defer(() => this.#lookAgain())
      return
    }
    this.#goOn(now)
  }

  #lookAgain (): void {
    if (this.#state !== 'running') return
    const now = this.#wheel.now()
    if (this.#lives(now)) {
      this.#goOn(now)
      return
    }
    this.stop()
    this.#owner.onDead()
  }

  /** Closes the window if it is over, and pings if it is time; the peer lives. */
  #goOn (now: number): void {
    const pinging = this.#pinging
    if (pinging !== undefined && now >= pinging.closesAt) this.#closeWindow(pinging, now)
    if (now >= this.#pingAt) this.#ping(now)
    this.#schedule(now)
  }

  #closeWindow (pinging: Pinging, now: number): void {
    if (this.#waitsToWrite(pinging)) this.#openWindow(pinging, now, false)
    else pinging.closesAt = Infinity
  }

  #ping (now: number): void {
    const { interval } = this.#times
    // Pings that a blocked event loop has missed are not made up for, and those of many connections stay spread.
    this.#pingAt += Math.ceil(interval * (Math.floor((now - this.#pingAt) / interval) + 1))
    const pinging = (this.#pinging ??= this.#beginPinging())
    if (this.#waitsToWrite(pinging)) return
    const number = (this.#sent + 1) >>> 0
    if (!this.#awaits(pinging, pinging.timed)) {
      pinging.timed = number
      pinging.timedFrom = now
    }
    this.#sent = number
    if (pinging.closesAt === Infinity) this.#openWindow(pinging, now, false)
    this.#owner.sendPing(number, () => this.#onWritten(number))
  }

  #beginPinging (): Pinging {
    const last = this.#sent
    return { answered: last, written: last, timed: last, timedFrom: 0, closesAt: Infinity, isForWritten: false, isAlive: false, progress: 0 }
  }

  #onWritten (number: number): void {
    const pinging = this.#pinging
    // Of a ping that was answered already it tells nothing.
    if (pinging === undefined || number !== this.#sent || !this.#waitsToWrite(pinging)) return
    pinging.written = number
    const now = this.#wheel.now()
    if (number === pinging.timed) pinging.timedFrom = now
    // The wheel need not hear of it: it calls when the former window closes, which is before this one does.
    if (!pinging.isForWritten || pinging.isAlive) this.#openWindow(pinging, now, true)
  }

  #openWindow (pinging: Pinging, now: number, isForWritten: boolean): void {
    pinging.closesAt = Math.ceil(now + this.#times.timeout)
    pinging.isForWritten = isForWritten
    pinging.progress = this.#owner.writeProgress
    pinging.isAlive = this.#isExcused(pinging)
  }

  /** Silence tells nothing: this side does not read. Before the ping is written that excuses no peer that does not read itself. */
  #isExcused ({ isForWritten }: Pinging): boolean {
    return !this.#owner.isReading && (isForWritten || !this.#owner.waitsForPeer)
  }

  /** True while a ping has been sent and not been written. */
  #waitsToWrite ({ written }: Pinging): boolean {
    return written !== this.#sent
  }

  /** False when the window is over and nothing in it tells of life. */
  #lives (now: number): boolean {
    const pinging = this.#pinging
    if (pinging === undefined || now < pinging.closesAt || pinging.isAlive || this.#isExcused(pinging)) return true
    return !pinging.isForWritten && this.#owner.writeProgress !== pinging.progress
  }

  /** Tells a ping that was sent and neither answered itself nor passed over by the answer to a later one. Numbers wrap around. */
  #awaits ({ answered }: Pinging, number: number): boolean {
    const ahead = (number - answered) >>> 0
    return ahead > 0 && ahead <= ((this.#sent - answered) >>> 0)
  }

  get #wheel (): TimerWheel {
    return this.#times.wheel ?? wheel
  }

  #schedule (now: number): void {
    if (this.#state !== 'running') return
    this.#wheel.schedule(this, Math.min(this.#pingAt, this.#pinging?.closesAt ?? Infinity) - now)
  }
}
