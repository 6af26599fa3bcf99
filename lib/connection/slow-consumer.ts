// A peer that reads too slowly: what becomes of messages for which there is no room. Owns the counts of one connection and the
// application's say; made when the first message has no room.
import { channels } from './diagnostics.ts'
import type { Meter } from './meter.ts'

/** What the event `slow` tells: what was not sent since the connection opened, and what waits now. Sizes in bytes. */
export interface SlowDetails {
  readonly dropped: number
  readonly droppedBytes: number
  readonly bufferedAmount: number
}

/** A function is called with each message that is not sent. */
export type SlowConsumerPolicy<T> = 'close' | 'drop' | ((connection: T, message: unknown) => unknown)

export interface SlowConsumerOwner {
  readonly bufferedAmount: number
  onSlow (details: SlowDetails): void
  /** Fails the connection. */
  onTooSlow (): void
  onFault (reason: unknown): void
}

export class SlowConsumer<T extends object> {
  readonly #connection: T
  readonly #owner: SlowConsumerOwner
  readonly #meter: Meter | undefined
  #dropped = 0
  #droppedBytes = 0
  /** From the first message that had no room until all that waited has left. */
  #isSlow = false
  /** While the application is told: what it sends meanwhile and has no room either is counted and nothing more. */
  #isTelling = false

  constructor (connection: T, owner: SlowConsumerOwner, meter: Meter | undefined) {
    this.#connection = connection
    this.#owner = owner
    this.#meter = meter
  }

  /**
   * Takes a payload that is not sent.
   *
   * @param message - what the application wanted to send; undefined for a ping or pong, of which no function is asked
   */
  refuse (policy: SlowConsumerPolicy<T>, payload: string | Buffer, message?: unknown): void {
    this.#count(Buffer.byteLength(payload))
    if (this.#isTelling) return
    this.#isTelling = true
    if (policy === 'close') this.#owner.onTooSlow()
    const details = { dropped: this.#dropped, droppedBytes: this.#droppedBytes, bufferedAmount: this.#owner.bufferedAmount }
    if (channels.slow.hasSubscribers) channels.slow.publish({ connection: this.#connection, ...details })
    this.#owner.onSlow(details)
    if (typeof policy === 'function' && message !== undefined) this.#ask(policy, message)
    this.#isTelling = false
  }

  /** Takes note that all that waited has left. */
  noteDrain (): void {
    this.#isSlow = false
  }

  #count (bytes: number): void {
    this.#dropped++
    this.#droppedBytes += bytes
    if (this.#meter !== undefined) {
      this.#meter.dropped++
      this.#meter.droppedBytes += bytes
      if (!this.#isSlow) this.#meter.slow++
    }
    this.#isSlow = true
  }

  #ask (policy: (connection: T, message: unknown) => unknown, message: unknown): void {
    try {
      // An async function fits the type as well.
      Promise.resolve(policy(this.#connection, message)).catch((reason: unknown) => this.#owner.onFault(reason))
    } catch (reason) {
      this.#owner.onFault(reason)
    }
  }
}
