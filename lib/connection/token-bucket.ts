// How much of something may pass in some time. Owns the balance and nothing else: who is held to it, and how, is the caller's.

/** What one peer may send: so many messages, pings and pongs included, and bytes in so many seconds. */
export interface RateLimit {
  readonly messages?: number
  readonly bytes?: number
  readonly perSeconds: number
  /** Beyond it the connection is closed, or not read for a while. */
  readonly onLimit: 'close' | 'pause'
}

/** Longest delay of a Node timer; one beyond it would fire at once. */
const LONGEST_WAIT = 2 ** 31 - 1

/** Of an absurd amount no more than this is owed: a debt of Infinity would never be filled up, however long one waits. */
const DEEPEST_DEBT = Number.MAX_SAFE_INTEGER

/** Part of a token by which sums of fractions may miss. What is let pass for it is owed all the same, so it never adds up. */
const ROUNDING = 1e-6

/**
 * A bucket of tokens: full at the start, filled evenly, never more in it than `capacity`. So a burst of `capacity` may pass,
 * and `capacity` in `perSeconds` seconds in the long run.
 */
export class TokenBucket {
  readonly #capacity: number
  /** Tokens that come in a millisecond, mostly a small part of one. */
  readonly #rate: number
  readonly #clock: () => number
  #balance: number
  #filledAt: number

  /** @param clock - in ms; when it goes back, nothing is filled in or lost, and filling goes on from there */
  constructor (capacity: number, perSeconds: number, clock: () => number = now) {
    this.#capacity = capacity
    this.#rate = capacity / (perSeconds * 1_000)
    this.#clock = clock
    this.#balance = capacity
    this.#filledAt = clock()
  }

  /**
   * Takes that many tokens, whether they are there or not: what has come has come. What is missing becomes a debt, of any size,
   * that has to be filled up before `take` is true again.
   *
   * @returns false when there were not enough
   */
  take (amount: number): boolean {
    this.#fill()
    const isEnough = this.#balance >= amount - ROUNDING
    this.#balance = Math.max(this.#balance - amount, -DEEPEST_DEBT)
    return isEnough
  }

  /** Whole milliseconds until there is a token; 0 when there is one. Never more than a timer takes, which is 24 days: ask again behind it. */
  get wait (): number {
    this.#fill()
    const missing = Math.min(1, this.#capacity) - ROUNDING - this.#balance
    return missing <= 0 ? 0 : Math.min(Math.ceil(missing / this.#rate), LONGEST_WAIT)
  }

  #fill (): void {
    const time = this.#clock()
    const elapsed = Math.max(0, time - this.#filledAt)
    this.#filledAt = time
    this.#balance = Math.min(this.#capacity, this.#balance + elapsed * this.#rate)
  }
}

function now (): number {
  return performance.now()
}
