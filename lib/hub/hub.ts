// All open connections of a server, and their end. Owns who is connected; knows nothing of routes or Fastify.
import type { Connection } from '../connection/connection.ts'
import { CloseCode } from '../protocol/close-code.ts'
import type { AnyWebSocketConnection, WebSocketConnections, WebSocketHub } from '../../types/index.ts'

/** How long, in ms, the `close` events of connections that had to be destroyed are waited for. */
const CLOSE_GRACE = 1_000

export class Hub implements WebSocketHub {
  readonly connections: WebSocketConnections
  /** Each open connection with whom it belongs to: a group that can be shut down by itself. */
  readonly #open = new Map<Connection, object>()
  readonly #shutdownTimeout: number
  #isClosing = false
  /** One listener for all connections: `this` tells which one it is. */
  readonly #onClose: (this: Connection) => void

  /** @param shutdownTimeout - ms that `close` waits for connections to end by themselves */
  constructor (shutdownTimeout: number) {
    this.#shutdownTimeout = shutdownTimeout
    this.connections = new ConnectionsView(this.#open)
    const open = this.#open
    this.#onClose = function () { open.delete(this) }
  }

  /** True as soon as no new connection is wanted. */
  get isClosing (): boolean {
    return this.#isClosing
  }

  /** Takes no new connection from now on. */
  stopAccepting (): void {
    this.#isClosing = true
  }

  /** Takes in a connection that has just opened. One that comes too late is told to go. */
  add (connection: Connection, group: object): void {
    this.#open.set(connection, group)
    connection.once('close', this.#onClose)
    if (this.#isClosing) goAway(connection)
  }

  async close (): Promise<void> {
    this.stopAccepting()
    await this.shutDown(this.#shutdownTimeout)
  }

  /**
   * Tells connections to go, and destroys what is left after `timeout` ms.
   *
   * @param group - the only one that goes; without it all do
   * @returns as `terminateAfter`
   */
  async shutDown (timeout: number, group?: object): Promise<void> {
    const leaving = this.#membersOf(group)
    for (const connection of leaving) goAway(connection)
    await this.terminateAfter(timeout, group)
  }

  /**
   * Lets connections go on until they end, for `timeout` ms at most; then destroys what is left.
   *
   * @returns when none is left. A connection that had to be destroyed emits `close` when its handlers have settled; that is
   * waited for too, but not for long
   */
  async terminateAfter (timeout: number, group?: object): Promise<void> {
    const leaving = this.#membersOf(group)
    if (leaving.length === 0) return
    const allClosed = Promise.all(leaving.map(untilClosed))
    await waitAtMost(timeout, allClosed)
    const left = leaving.filter(connection => this.#open.has(connection))
    if (left.length === 0) return
    for (const connection of left) connection.terminate()
    await waitAtMost(CLOSE_GRACE, allClosed)
  }

  #membersOf (group: object | undefined): Connection[] {
    const all = [...this.#open]
    return all.filter(([, owner]) => group === undefined || owner === group).map(([connection]) => connection)
  }
}

function goAway (connection: Connection): void {
  if (connection.readyState === connection.OPEN) connection.closeAfterDelivery(CloseCode.GoingAway, 'the server is closing')
}

/** @param timeout - in ms */
async function waitAtMost (timeout: number, event: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const deadline = new Promise<void>((resolve) => { timer = setTimeout(resolve, timeout) })
  await Promise.race([event, deadline])
  clearTimeout(timer)
}

function untilClosed (connection: Connection): Promise<void> {
  return new Promise((resolve) => { connection.once('close', () => resolve()) })
}

/** What the application may do with the set of connections: look. */
class ConnectionsView implements WebSocketConnections {
  readonly #open: ReadonlyMap<Connection, object>

  constructor (open: ReadonlyMap<Connection, object>) {
    this.#open = open
  }

  get size (): number {
    return this.#open.size
  }

  has (connection: unknown): boolean {
    // Whatever is not a connection is not in the map.
    return this.#open.has(connection as Connection)
  }

  forEach (callback: (connection: AnyWebSocketConnection) => unknown): void {
    for (const connection of this) callback(connection)
  }

  values (): IterableIterator<AnyWebSocketConnection> {
    // The core is written without the types of messages; for the application it is the same object with them.
    return this.#open.keys() as IterableIterator<unknown> as IterableIterator<AnyWebSocketConnection>
  }

  [Symbol.iterator] (): IterableIterator<AnyWebSocketConnection> {
    return this.values()
  }
}
