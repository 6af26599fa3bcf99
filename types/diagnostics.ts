// What is published on the channels of node:diagnostics_channel. Owns their names and the shapes of their messages.
import type { FastifyRequest } from 'fastify'
import type { AnyWebSocketConnection, WebSocketMessageError } from './connection.ts'

/** The options whose excess is told on `fastify-typed-websocket:limit`: those of handshakes, and those of open connections. */
export type WebSocketLimitName =
  | 'allowedOrigins' | 'handshakeTimeout' | 'maxConnections' | 'maxConnectionsPerIp' | 'maxPendingHandshakes'
  | 'heartbeat' | 'maxBufferedAmount' | 'rateLimit'

/**
 * Channel name to message. A subscriber gets `unknown` from Node and says which it is:
 *
 *     subscribe('fastify-typed-websocket:close', (message) => {
 *       const { connection, code } = message as WebSocketDiagnostics['fastify-typed-websocket:close']
 *     })
 */
export interface WebSocketDiagnostics {
  /** The 101 has left, and the route's handler is about to run. */
  readonly 'fastify-typed-websocket:open': {
    readonly connection: AnyWebSocketConnection
    readonly request: FastifyRequest
  }
  /** The socket is gone. Comes before the event `close`, which waits for handlers of messages that came before. */
  readonly 'fastify-typed-websocket:close': {
    readonly connection: AnyWebSocketConnection
    readonly code: number
    readonly reason: string
    readonly wasClean: boolean
    readonly initiator: 'local' | 'remote'
  }
  /** A message is handed to the route, not parsed and not checked yet. */
  readonly 'fastify-typed-websocket:message': {
    readonly connection: AnyWebSocketConnection
    /** Text or bytes as they came. Bytes are not copied: the application gets the same. */
    readonly data: string | Buffer
  }
  /** A message does not fit the route's schema. */
  readonly 'fastify-typed-websocket:invalid': {
    readonly connection: AnyWebSocketConnection
    readonly error: WebSocketMessageError
  }
  /** A fault of a connection, before listeners of `error` and the error handler get it. */
  readonly 'fastify-typed-websocket:error': {
    readonly connection: AnyWebSocketConnection
    readonly error: Error
  }
  /** A message was not sent, as its peer reads too slowly. The counts are those of the connection so far. */
  readonly 'fastify-typed-websocket:slow': {
    readonly connection: AnyWebSocketConnection
    readonly dropped: number
    readonly droppedBytes: number
    readonly bufferedAmount: number
  }
  /** A peer went beyond a limit: with a `connection` it is closed, with a `request` alone the handshake was refused. */
  readonly 'fastify-typed-websocket:limit': {
    readonly limit: WebSocketLimitName
    readonly error: Error
    readonly connection?: AnyWebSocketConnection
    readonly request?: FastifyRequest
  }
}
