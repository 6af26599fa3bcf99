// The last bytes of the messages one way, to which a later one may refer (RFC 7692 §7.2: context takeover). zlib takes them as a
// preset dictionary, so that no compressor has to live as long as its connection.

const SMALLEST = 256

/** Bytes of earlier messages that this end looks back to: more of them make a message little smaller, and cost more than compressing it. */
const MAX_SEND_HISTORY = 8192

/** Bytes of the messages that this end has sent which are worth keeping, where it may look back `2 ** bits`. */
export function sendHistorySize (bits: number): number {
  return Math.min(2 ** bits, MAX_SEND_HISTORY)
}

export class History {
  readonly #size: number
  #bytes: Buffer = Buffer.alloc(0)
  #used = 0

  /** @param size - bytes that are kept at most */
  constructor (size: number) {
    this.#size = size
  }

  /** What is kept, oldest first; good until the next `add`. Undefined while there is nothing. */
  get bytes (): Buffer | undefined {
    return this.#used === 0 ? undefined : this.#bytes.subarray(0, this.#used)
  }

  /** Adds a message's bytes. */
  add (message: Buffer): void {
    const added = Math.min(message.length, this.#size)
    const kept = Math.min(this.#used, this.#size - added)
    if (kept + added > this.#bytes.length) this.#grow(kept + added)
    this.#bytes.copyWithin(0, this.#used - kept, this.#used)
    message.copy(this.#bytes, kept, message.length - added)
    this.#used = kept + added
  }

  #grow (length: number): void {
    const size = Math.min(this.#size, Math.max(length, this.#bytes.length * 2, SMALLEST))
    const bytes = Buffer.allocUnsafeSlow(size)
    this.#bytes.copy(bytes, 0, 0, this.#used)
    this.#bytes = bytes
  }
}
