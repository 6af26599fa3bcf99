// Ready-made messages of a load, to be sent one after the other, round and round, however many at a time.

export class Requests {
  readonly #count: number
  /** All of them twice, so that any run of them is in one piece. */
  readonly #bytes: Buffer
  /** Where each begins, and the last one ends. */
  readonly #offsets: number[]

  constructor (messages: readonly Buffer[]) {
    this.#count = messages.length
    const twice = [...messages, ...messages]
    this.#bytes = Buffer.concat(twice)
    let at = 0
    this.#offsets = [0, ...twice.map((message) => (at += message.length))]
  }

  /** Hands the bytes of the messages from the `next`-th on to `write`, in as few pieces as can be. @returns the next one after them */
  send (next: number, count: number, write: (bytes: Buffer) => void): number {
    let at = next
    for (let left = count; left > 0;) {
      const some = Math.min(left, this.#count)
      // Not beyond the second round: `at` is in the first.
      write(this.#bytes.subarray(this.#offsets[at]!, this.#offsets[at + some]!))
      at = (at + some) % this.#count
      left -= some
    }
    return at
  }
}
