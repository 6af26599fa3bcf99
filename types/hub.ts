// All open connections of an instance. Owns the types of `fastify.websocket`, `fastify.websocketServer` and `fastify.injectWS`.
import type { AnyWebSocketConnection, WebSocketConnection } from './connection.ts'
import type { WebSocketMetrics } from './metrics.ts'
import type { WebSocketPerMessageDeflate } from './options.ts'

/** A live view of connections: iterable, with a count; a set that cannot be written. */
export interface WebSocketConnections extends Iterable<AnyWebSocketConnection> {
  readonly size: number
  has (connection: unknown): boolean
  forEach (callback: (connection: AnyWebSocketConnection) => unknown): void
  values (): IterableIterator<AnyWebSocketConnection>
}

/** `fastify.websocket`: what concerns all connections of the instance. */
export interface WebSocketHub {
  /** The connections that are open now. */
  readonly connections: WebSocketConnections
  /**
   * Sends a message to all open connections of the server, or to those for which `filter` returns true: checked by the `send` schema of
   * each route and serialised once, made a frame once, compressed once for all that have agreed on the same.
   *
   * @returns to how many it goes
   * @throws as `send` of any of them; then it goes to nobody
   */
  broadcast (message: unknown, filter?: (connection: AnyWebSocketConnection) => boolean): number
  /** What happened so far on all of them, and what is now. */
  metrics (): WebSocketMetrics
  /** Takes no new connection, closes the open ones with 1001 and destroys in time what is left. Resolves within `shutdownTimeout`. */
  close (): Promise<void>
}

/** `fastify.websocketServer`, for users of @fastify/websocket. */
export interface WebSocketServerView {
  readonly clients: WebSocketConnections
  /** As `fastify.websocket.close()`. */
  close (callback?: (error?: Error) => void): void
}

/** What `fastify.injectWS` sends with the request. */
export interface InjectWebSocketOptions {
  readonly headers?: Readonly<Record<string, string | number | readonly string[] | undefined>>
  /** Appended to the path. */
  readonly query?: string | Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>
  /** Subprotocols to offer. */
  readonly protocols?: string | readonly string[]
  /** Offers permessage-deflate; what an object leaves out is as the default of the route option. Default: false. */
  readonly perMessageDeflate?: boolean | Omit<WebSocketPerMessageDeflate, 'maxMemory'>
  /** The address that the server sees. Default: 127.0.0.1. */
  readonly remoteAddress?: string
}

/** Called with the client's end behind a 101, before and after it begins to read: both in time for the very first message. */
export interface InjectWebSocketHooks {
  onInit? (connection: WebSocketConnection): unknown
  onOpen? (connection: WebSocketConnection): unknown
}
