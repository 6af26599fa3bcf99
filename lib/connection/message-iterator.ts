// Messages pulled one by one (`for await`). Owns the hand-over: a message counts as handled when the next one is asked for.

/** What a delivered message waits for: the consumer has done with it. */
type Done = () => void

type Result = IteratorResult<unknown, undefined>

const END: Result = { done: true, value: undefined }

export class MessageIterator implements AsyncIterableIterator<unknown> {
  readonly #onReturn: () => void
  /** Delivered and not yet pulled; as many as the connection's `concurrency` lets through. */
  readonly #ready: Array<{ message: unknown, done: Done }> = []
  /** Calls of `next` that wait for a message. */
  readonly #asked: Array<(result: Result) => void> = []
  /** Pulled, and in the consumer's hands. */
  #handedOver: Done | undefined
  #ended = false

  /** @param onReturn - called once when the consumer stops: deliver nothing more */
  constructor (onReturn: () => void) {
    this.#onReturn = onReturn
  }

  /** Takes one message in; the promise tells when the consumer has done with it. */
  deliver (message: unknown): Promise<void> {
    // Another listener of the same message may have ended it a moment ago.
    if (this.#ended) return Promise.resolve()
    return new Promise((resolve) => {
      const ask = this.#asked.shift()
      if (ask === undefined) {
        this.#ready.push({ message, done: resolve })
        return
      }
      ask({ done: false, value: message })
      // It may be that the next one has been asked for already.
      if (this.#asked.length > 0) resolve()
      else this.#handedOver = resolve
    })
  }

  /** No message will come any more: what was delivered is still pulled, then the loop ends. */
  end (): void {
    this.#ended = true
    for (const ask of this.#asked.splice(0)) ask(END)
  }

  next (): Promise<Result> {
    this.#settle()
    const first = this.#ready.shift()
    if (first !== undefined) {
      this.#handedOver = first.done
      return Promise.resolve({ done: false, value: first.message })
    }
    if (this.#ended) return Promise.resolve(END)
    return new Promise((resolve) => { this.#asked.push(resolve) })
  }

  /** The consumer leaves the loop; the connection stays as it is. */
  return (): Promise<Result> {
    this.#onReturn()
    this.#settle()
    for (const { done } of this.#ready.splice(0)) done()
    this.end()
    return Promise.resolve(END)
  }

  [Symbol.asyncIterator] (): this {
    return this
  }

  #settle (): void {
    this.#handedOver?.()
    this.#handedOver = undefined
  }
}
