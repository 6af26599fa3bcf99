// What is to be sent and has no connection to go by. Owns order and limits; a message leaves it once, to one connection.
import { ClientError } from './errors.ts'

/** What goes to a connection: a string as text, bytes as binary. */
export type Payload = string | Uint8Array

export interface QueueLimits {
  readonly messages: number
  readonly bytes: number
}

interface Entry {
  readonly data: Payload
  readonly size: number
  readonly onSend: (() => void) | undefined
}

export class OutgoingQueue {
  readonly limits: QueueLimits
  readonly #entries = new Set<Entry>()
  #bytes = 0

  constructor (limits: QueueLimits) {
    this.limits = limits
  }

  get length (): number {
    return this.#entries.size
  }

  /**
   * Takes a message in; bytes are copied.
   *
   * @param onSend - called when it goes to a connection
   * @returns takes it out again, if it still waits
   * @throws {ClientError} `FST_WS_CLIENT_QUEUE_FULL`
   */
  push (data: Payload, onSend?: () => void): () => void {
    const { messages, bytes } = this.limits
    const size = typeof data === 'string' ? new TextEncoder().encode(data).length : data.length
    if (this.#entries.size >= messages || this.#bytes + size > bytes) {
      throw new ClientError('QUEUE_FULL', `${this.#entries.size} messages, ${this.#bytes} bytes and ${size} more`)
    }
    const entry = { data: typeof data === 'string' ? data : data.slice(), size, onSend }
    this.#entries.add(entry)
    this.#bytes += size
    return () => this.#remove(entry)
  }

  /** Hands all messages over in order; each is gone before it is handed over, so that none goes twice. */
  flush (send: (data: Payload) => void): void {
    for (const entry of this.#entries) {
      this.#remove(entry)
      entry.onSend?.()
      send(entry.data)
    }
  }

  /** Throws all away. */
  clear (): void {
    this.#entries.clear()
    this.#bytes = 0
  }

  #remove (entry: Entry): void {
    if (this.#entries.delete(entry)) this.#bytes -= entry.size
  }
}
