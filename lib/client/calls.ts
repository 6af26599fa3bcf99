// What was asked of the server and has no answer yet. Owns the numbers that answers come back with, and the deadlines.
import { ClientError } from './errors.ts'
import type { Outgoing } from './outgoing-queue.ts'
import { startTimer } from './timer.ts'
import type { RequestOptions } from './types.ts'

/** How long an answer may take, in ms, unless a call says otherwise. */
export const TIMEOUT = 30_000

/** Who waits: called at once, before anything else that has come with the answer is looked at. */
export interface Waiter {
  readonly resolve: (answer: never) => void
  readonly reject: (reason: unknown) => void
}

interface Call extends Waiter {
  readonly outgoing: Outgoing
  /** Nobody waits any more. */
  readonly end: () => void
}

/**
 * Waits for so long, without end by default, or until the signal is aborted.
 *
 * @param giveUp - gets why
 * @returns ends it before
 */
export function limit ({ timeout = Infinity, signal }: RequestOptions, isSent: () => boolean, giveUp: (reason: unknown) => void): () => void {
  const onOver = (): void => giveUp(signal?.aborted ? signal.reason : new ClientError('TIMEOUT', `${timeout} ms`, { sent: isSent() }))
  const timer = startTimer(onOver, timeout)
  signal?.addEventListener('abort', onOver)
  return () => {
    clearTimeout(timer)
    signal?.removeEventListener('abort', onOver)
  }
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
   * @param send - gets the call's number. What it throws is thrown here, and nothing was asked; so it is with the reason of a signal that
   *   is aborted already
   */
  open (send: (id: number) => Outgoing, waiter: Waiter, options: RequestOptions = {}): void {
    options.signal?.throwIfAborted()
    const id = ++this.#lastId
    const outgoing = send(id)
    const end = limit(options, () => outgoing.sent, (reason) => {
      outgoing.drop?.()
      this.settle(id, 'reject', reason)
    })
    this.#pending.set(id, { ...waiter, outgoing, end })
  }

  /**
   * Answers a call, if there still is one of that number.
   *
   * @param value - what it is, is between whoever asked and the server
   * @returns false if nobody waits for this answer
   */
  settle (id: unknown, how: keyof Waiter, value: unknown): boolean {
    const call = this.#pending.get(id)
    this.#pending.delete(id)
    call?.end()
    call?.[how](value as never) // see above
    return !!call
  }

  /**
   * No answer will come.
   *
   * @param makeReason - `false` leaves a call as it is
   */
  reject (makeReason: (sent: boolean) => Error | false): void {
    for (const [id, call] of this.#pending) {
      const reason = makeReason(call.outgoing.sent)
      if (reason) this.settle(id, 'reject', reason)
    }
  }
}
