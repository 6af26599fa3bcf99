// As much of a Connection as topics look at: it keeps what it is sent, reads when it is told to, and ends.
import type { Connection } from '../../lib/connection/connection.ts'
import type { SharedMessage } from '../../lib/connection/shared-message.ts'
import type { Topics } from '../../lib/hub/topics.ts'

let count = 0

export class FakeSubscriber {
  readonly CONNECTING = 0
  readonly OPEN = 1
  readonly CLOSING = 2
  readonly CLOSED = 3
  readyState = 1
  readonly id = `connection-${++count}`
  readonly messages: SharedMessage[] = []
  /** Messages that it takes before it has to be read from: then it is over its high-water mark. */
  room = Infinity
  readonly #drained = new Set<() => void>()

  get knownId (): string {
    return this.id
  }

  get asConnection (): Connection {
    return this as unknown as Connection // topics take it for a real one
  }

  get texts (): string[] {
    return this.messages.map(({ data }) => data.toString())
  }

  get isOverHighWaterMark (): boolean {
    return this.room <= 0
  }

  /** Those who wait for it to be read from. */
  get waiting (): number {
    return this.#drained.size
  }

  sendShared (message: SharedMessage): boolean {
    if (this.readyState !== this.OPEN) return false
    this.room--
    this.messages.push(message)
    return this.room > 0
  }

  on (_event: 'drain', listener: () => void): this {
    this.#drained.add(listener)
    return this
  }

  off (_event: 'drain', listener: () => void): this {
    this.#drained.delete(listener)
    return this
  }

  /** It has been read from: there is room for so many more. */
  drain (room: number): void {
    this.room = room
    for (const listener of this.#drained) listener()
  }

  /** It has ended. */
  end (topics: Topics): void {
    this.readyState = 3
    topics.removeConnection(this.asConnection)
  }
}
