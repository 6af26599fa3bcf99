// Listeners by event, and messages on their way to them: one after the other, so that the listeners of one settle before the next
// one's are called. Owns who is called, what waits, and the loops that pull (`for await`); knows nothing of connections. What is not in
// the public types is for whoever fills it.

import { defer } from './deferred.ts'
import { typeOf } from './message.ts'

/** A listener of any event: its event says what it is called with. */
export type Listener = (...args: never[]) => unknown

/** Messages that wait for a first listener; more are thrown away. */
const MOST_UNHEARD = 1_000

/** What is called once stands for the listener that was given. */
type Entry = Listener & { of?: Listener }

export abstract class Inbox {
  /** Lists are never changed, only replaced: while one is gone through, others may come and go. */
  readonly #listeners = new Map<string, readonly Entry[]>()
  #waiting: Array<readonly [message: unknown, isBinary: boolean]> = []
  #isBusy = false
  #hasEnded = false
  /** Ends each loop. */
  readonly #loops = new Set<() => void>()

  /** Called with what a listener of `event` threw or rejected with. */
  abstract onFault (reason: unknown, event: string): void
  /** Called when a message is thrown away, as too many wait for a first listener. */
  abstract onUnheard (): void
  /** Called when more or fewer messages wait. */
  onChange (): void {}

  on (event: string, listener: Listener): this {
    this.#listeners.set(event, [...this.#of(event), listener])
    // In a moment, so that those that are added together hear the same.
    queueMicrotask(() => this.#deliver())
    return this
  }

  once (event: string, listener: Listener): this {
    const entry: Entry = (...args) => {
      this.off(event, entry)
      return listener(...args)
    }
    entry.of = listener
    return this.on(event, entry)
  }

  off (event: string, listener: Listener): this {
    this.#listeners.set(event, this.#of(event).filter((entry) => entry !== listener && entry.of !== listener))
    return this
  }

  /** Pulls messages; one counts as handled when the next one is asked for. */
  [Symbol.asyncIterator] (): AsyncGenerator<unknown, undefined, undefined> {
    // One at a time: the next message comes when this one is done.
    let next = defer<readonly [message: unknown] | undefined>()
    const onEnd = (): void => next.resolve(undefined)
    const pull = async function * (inbox: Inbox): AsyncGenerator<unknown, undefined, undefined> {
      let done = (): void => {}
      const listener = (message: unknown): Promise<void> => new Promise((resolve) => {
        done = resolve
        next.resolve([message])
      })
      inbox.#loops.add(onEnd)
      inbox.on('message', listener)
      try {
        while (true) {
          const taken = await next.promise
          if (taken === undefined) return
          next = defer()
          yield taken[0]
          done()
        }
      } finally {
        inbox.#loops.delete(onEnd)
        inbox.off('message', listener)
        done()
      }
    }
    const loop = pull(this)
    const leave = loop.return
    // By itself a generator that waits for a message is left when that has come.
    loop.return = (value) => {
      next.resolve(undefined)
      return leave.call(loop, value)
    }
    return loop
  }

  /** Messages that wait for their turn. */
  get waiting (): number {
    return this.#waiting.length
  }

  /** Tells whether there are listeners of `event`, or of `event:<type>`. */
  isHeard (event: string): boolean {
    return [...this.#listeners].some(([name, [first]]) => first && name.startsWith(event))
  }

  #of (event: string): readonly Entry[] {
    return this.#listeners.get(event) ?? []
  }

  /** @returns what to wait for: listeners that are async, until each has settled */
  emit (event: string, ...args: unknown[]): Array<Promise<unknown>> {
    const pending: Array<Promise<unknown>> = []
    const onFault = (reason: unknown): void => this.onFault(reason, event)
    for (const listener of this.#of(event)) {
      try {
        const result = listener(...args as never[]) // the event's name says which they are
        if (result instanceof Promise) pending.push(result.catch(onFault))
      } catch (reason) {
        onFault(reason)
      }
    }
    return pending
  }

  receive (message: unknown, isBinary = false): void {
    if (this.#waiting.length < MOST_UNHEARD || this.isHeard('message')) {
      this.#waiting.push([message, isBinary])
      this.#deliver()
    } else this.onUnheard()
  }

  /** No message will come any more: what waits is still delivered, then loops end. */
  end (): void {
    this.#hasEnded = true
    this.#deliver()
  }

  /** Throws away what waits. */
  clear (): void {
    this.#waiting = []
  }

  #deliver (): void {
    while (!this.#isBusy && this.#waiting.length > 0 && this.isHeard('message')) {
      const [message, isBinary] = this.#waiting.shift()!
      this.#isBusy = true
      const pending = [...this.emit('message', message, isBinary), ...this.emit(`message:${typeOf(message)}`, message)]
      this.#isBusy = pending.length > 0
      if (this.#isBusy) {
        Promise.all(pending).then(() => {
          this.#isBusy = false
          this.#deliver()
        })
      }
    }
    this.onChange()
    // Again and again: a loop that has a message looks behind it.
    if (this.#hasEnded && !this.#isBusy && this.#waiting.length === 0) for (const end of this.#loops) end()
  }
}
