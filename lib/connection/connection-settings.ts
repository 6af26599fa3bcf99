// What a connection is given: by its route, by its handshake, by whoever sends a message. Types alone.
import type { MessageCodec } from './codec.ts'
import type { Connection } from './connection.ts'
import type { SlowConsumerPolicy } from './slow-consumer.ts'
import type { ConnectionTopics } from './topic-methods.ts'
import type { TransportSettings } from './transport.ts'

/** What a connection needs of a logger. */
export interface ConnectionLogger {
  info (object: unknown, message?: string): void
  error (object: unknown, message?: string): void
}

/** What the connections of one route share; sizes in bytes, times in milliseconds. */
export interface ConnectionSettings extends TransportSettings {
  /** None on a raw route: messages are strings and Buffers. */
  readonly codec?: MessageCodec
  /** Takes messages that are not the application's. Default: all are. */
  readonly control?: ConnectionControl
  /** Whoever carries topics. Default: nobody. */
  readonly topics?: ConnectionTopics
  /** Those agreed on, as their header field has them. Default: none. */
  readonly extensions?: string
  /** What becomes of messages beyond `maxBufferedAmount`. Default: `close`. */
  readonly slowConsumer?: SlowConsumerPolicy<Connection>
  /**
   * Takes every fault of a connection, once each. Protocol and socket faults and limits have ended it already; after an
   * invalid message or a handler's throw it is open, and this decides.
   */
  onError (error: Error, connection: Connection): void
  /**
   * The connection has ended: `close` is about to be told. Or its socket is gone, and nobody has asked for anything of it: its
   * handler still runs and listens to nothing, so that `close` may come much later, or never. Called once.
   */
  onEnd? (connection: Connection): void
  /** Makes the logger at its first use. */
  createLog? (connection: Connection): ConnectionLogger
}

/** What the opening handshake has settled. */
export interface ConnectionOpening {
  readonly protocol?: string | undefined
  readonly request?: unknown
  readonly remoteAddress?: string | undefined
}

/** Takes what a peer says to the server, and not to the application. */
export interface ConnectionControl {
  /** @returns undefined for a message of the application; else when the next one may be delivered. Does not throw, nor reject */
  take (connection: Connection, text: string): Promise<void> | undefined
  /** True for one that the route describes. */
  hasRequest (name: string): boolean
}

/** How one message is sent. */
export interface SendOptions {
  /** False: as it is, though the connection has permessage-deflate. Default: true. */
  readonly compress?: boolean | undefined
}

/** Answers a request: what it returns, or resolves with, is the reply. */
export type RequestHandler = (payload: never) => unknown
