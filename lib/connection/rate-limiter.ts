// What one peer may send in some time. Owns the buckets of a connection and the timer of a pause; knows nothing of frames.
import { LimitError } from './limit-error.ts'
import { TokenBucket } from './token-bucket.ts'
import type { RateLimit } from './token-bucket.ts'

export interface RateLimiterOwner {
  /** The peer has sent more than it may, and that is to end the connection. */
  onLimit (error: LimitError): void
  /** Reading is to stop, or may go on: `isPausing` has changed. */
  onPausing (): void
}

export class RateLimiter {
  readonly #owner: RateLimiterOwner
  readonly #limit: RateLimit
  readonly #messages: TokenBucket | undefined
  readonly #bytes: TokenBucket | undefined
  #timer: NodeJS.Timeout | undefined
  #stopped = false

  constructor (owner: RateLimiterOwner, limit: RateLimit) {
    const { messages, bytes, perSeconds } = limit
    this.#owner = owner
    this.#limit = limit
    if (messages !== undefined) this.#messages = new TokenBucket(messages, perSeconds)
    if (bytes !== undefined) this.#bytes = new TokenBucket(bytes, perSeconds)
  }

  /** True while the peer's credit is used up and nothing is to be read. */
  get isPausing (): boolean {
    return this.#timer !== undefined
  }

  /** Takes note of bytes from the socket. @returns false when they are too many, and the connection ends */
  takeBytes (count: number): boolean {
    return this.#bytes === undefined || this.#stopped || this.#take(this.#bytes, count)
  }

  /** Takes note of a message, ping or pong. @returns false when it is one too many, and the connection ends */
  takeMessage (): boolean {
    return this.#messages === undefined || this.#stopped || this.#take(this.#messages, 1)
  }

  /** Lets everything through from now on: the connection ends, and its end has to be read. */
  stop (): void {
    this.#stopped = true
    if (this.#timer === undefined) return
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#owner.onPausing()
  }

  #take (bucket: TokenBucket, count: number): boolean {
    const isWithin = bucket.take(count)
    if (this.#limit.onLimit === 'pause') {
      this.#pauseFor(bucket)
      return true
    }
    if (!isWithin) this.#owner.onLimit(new LimitError('FST_WS_RATE_LIMIT'))
    return isWithin
  }

  /** Has been read: it counts, and what comes next waits until there is credit for it. */
  #pauseFor (bucket: TokenBucket): void {
    if (this.#timer !== undefined) return
    const { wait } = bucket
    if (wait === 0) return
    this.#timer = setTimeout(() => this.#goOn(), wait)
    this.#owner.onPausing()
  }

  #goOn (): void {
    this.#timer = undefined
    const wait = Math.max(this.#messages?.wait ?? 0, this.#bytes?.wait ?? 0)
    if (wait > 0) this.#timer = setTimeout(() => this.#goOn(), wait)
    else this.#owner.onPausing()
  }
}
