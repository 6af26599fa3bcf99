// What is to be sent and has no connection to go by. Owns order and limits; a message leaves it once, to one connection.
import { ClientError } from './errors.ts'

/** What goes to a connection: a string as text, bytes as binary. */
export type Payload = string | Uint8Array

export interface QueueLimits {
  readonly messages: number
  readonly bytes: number
}

/** What has become of a message. */
export interface Outgoing {
  /** It was handed to a connection. */
  readonly sent: boolean
  /** Takes it out of the queue, if it still waits. */
  readonly drop?: () => void
}

interface Entry {
  readonly data: Payload
  sent: boolean
  readonly drop: () => void
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
   * @throws {ClientError} `FST_WS_CLIENT_QUEUE_FULL`
   */
  push (data: Payload): Outgoing {
    const { messages, bytes } = this.limits
    const size = (typeof data === 'string' ? new TextEncoder().encode(data) : data).length
    if (this.#entries.size >= messages || this.#bytes + size > bytes) {
      throw new ClientError('QUEUE_FULL', `${this.#entries.size} messages`)
    }
    const entry: Entry = {
      data: data.slice(), sent: false, drop: () => { if (this.#entries.delete(entry)) this.#bytes -= size }
    }
    this.#entries.add(entry)
    this.#bytes += size
    return entry
  }

  /** Hands all messages over in order; each is gone before it is handed over, so that none goes twice. */
  flush (send: (data: Payload) => void): void {
    for (const entry of this.#entries) {
      entry.drop()
      entry.sent = true
      send(entry.data)
    }
  }
}
