// What was asked of the server and has no answer yet. Owns the numbers that answers come back with, and the deadlines.
import { ClientError } from './errors.ts'
import type { RequestOptions } from './types.ts'

/** How long an answer may take unless a call says otherwise. */
const TIMEOUT = 30_000

/** The longest that a timer can wait: 25 days. */
const LONGEST = 2 ** 31 - 1

/** Who waits: called at once, before anything else that has come with the answer is looked at. */
export interface Waiter {
  readonly resolve: (answer: never) => void
  readonly reject: (reason: unknown) => void
}

interface Call extends Waiter {
  /** True if it may have reached the server. */
  readonly isSent: () => boolean
  /** Nobody waits any more. */
  readonly end: () => void
}

export class Calls {
  #lastId = 0
  readonly #pending = new Map<unknown, Call>()

  get size (): number {
    return this.#pending.size
  }

  /**
   * Asks.
   *
   * @param send - gets the call's number and what to call when it has been handed to a connection; gives what takes it back before.
   *   What it throws is thrown here, and nothing was asked
   */
  open (send: (id: number, onSend: () => void) => (() => void) | undefined, { resolve, reject }: Waiter, { timeout = TIMEOUT, signal }: RequestOptions = {}): void {
    if (signal?.aborted) return reject(signal.reason)
    const id = ++this.#lastId
    let sent = false
    const withdraw = send(id, () => { sent = true })
    const giveUp = (): void => {
      withdraw?.()
      this.reject(id, signal?.aborted ? signal.reason : new ClientError('TIMEOUT', `${timeout} ms`, { sent }))
    }
    const timer = setTimeout(giveUp, Math.min(timeout, LONGEST))
    signal?.addEventListener('abort', giveUp)
    this.#pending.set(id, {
      resolve,
      reject,
      isSent: () => sent,
      end: () => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', giveUp)
      }
    })
  }

  /** Answers a call, if there still is one of that number. */
  resolve (id: unknown, answer: unknown): void {
    this.#take(id)?.resolve(answer as never) // what it is, is between whoever asked and the server
  }

  /** @returns false if nobody waits for this answer */
  reject (id: unknown, reason: unknown): boolean {
    const call = this.#take(id)
    call?.reject(reason)
    return call !== undefined
  }

  /**
   * No answer will come.
   *
   * @param makeReason - `undefined` leaves a call as it is
   */
  rejectAll (makeReason: (sent: boolean) => unknown): void {
    for (const [id, call] of this.#pending) {
      const reason = makeReason(call.isSent())
      if (reason !== undefined) this.reject(id, reason)
    }
  }

  #take (id: unknown): Call | undefined {
    const call = this.#pending.get(id)
    this.#pending.delete(id)
    call?.end()
    return call
  }
}
