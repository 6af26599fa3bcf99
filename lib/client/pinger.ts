// Looks whether the server is still there, by messages that it answers. Owns when to ask and the verdict.

/** In ms. */
export interface PingTimes {
  readonly interval: number
  readonly timeout: number
}

export class Pinger {
  readonly #times: PingTimes
  readonly #send: () => void
  readonly #onSilent: () => void
  #isHeard = false
  #timer: ReturnType<typeof setTimeout> | undefined

  /**
   * @param send - asks for a sign of life
   * @param onSilent - none came in time; it has stopped
   */
  constructor (times: PingTimes, send: () => void, onSilent: () => void) {
    this.#times = times
    this.#send = send
    this.#onSilent = onSilent
  }

  /** A connection begins. */
  start (): void {
    this.#wait(this.#times.interval)
  }

  /** Anything came. */
  noteLife (): void {
    this.#isHeard = true
  }

  stop (): void {
    clearTimeout(this.#timer)
  }

  #wait (delay: number): void {
    const { interval, timeout } = this.#times
    this.stop()
    this.#timer = setTimeout(() => {
      this.#isHeard = false
      this.#timer = setTimeout(() => {
        if (this.#isHeard) this.#wait(Math.max(0, interval - timeout))
        else this.#onSilent()
      }, timeout)
      this.#send()
    }, delay)
  }
}
