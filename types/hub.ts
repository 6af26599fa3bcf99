// All open connections of an instance. Owns the types of `fastify.websocket`, `fastify.websocketServer` and `fastify.injectWS`.
import type { AnyWebSocketConnection, WebSocketConnection } from './connection.ts'
import type { WebSocketMetrics } from './metrics.ts'
import type { DeflateChoices } from './deflate.ts'
import type { Topic, TopicEvents, TopicMember, TopicNameArguments, TopicPosition, TopicPublishArguments, TopicPublishOptions } from './topics.ts'

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
  // Overloads by name stand first: of a wrong call the compiler explains the last one, which should be that of a described topic.
  /** By name, without a schema: text and bytes go as they are, anything else as JSON. */
  publish (topic: string, message: unknown, options?: TopicPublishOptions): Promise<TopicPosition | undefined>
  /**
   * Publishes to all subscribers of a topic: checked, serialised, framed and compressed once. Resolves when the engine has taken it, with
   * the message's position where the topic has history.
   *
   * Rejects with `FST_WS_INVALID_SEND` for a message that does not fit the topic's schema, and with `FST_WS_INVALID_TOPIC`.
   */
  publish<const Name extends string, Schema> (topic: Topic<Name, Schema>, ...args: TopicPublishArguments<Name, Schema, TopicPublishOptions>): Promise<TopicPosition | undefined>
  members (topic: string): Promise<readonly TopicMember[]>
  /** The connections, of all servers, that have subscribed to a topic with `data`. */
  members<const Name extends string> (topic: Topic<Name>, ...args: TopicNameArguments<Name>): Promise<readonly TopicMember[]>
  /** `up` as long as the engine of topics reaches the other servers. */
  readonly topicState: 'up' | 'down'
  /** Listens for members that come and go, of all topics. */
  on<E extends keyof TopicEvents> (event: E, listener: (...args: TopicEvents[E]) => void): this
  off<E extends keyof TopicEvents> (event: E, listener: (...args: TopicEvents[E]) => void): this
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
  readonly perMessageDeflate?: boolean | DeflateChoices
  /** The address that the server sees. Default: 127.0.0.1. */
  readonly remoteAddress?: string
}

/** Called with the client's end behind a 101, before and after it begins to read: both in time for the very first message. */
export interface InjectWebSocketHooks {
  onInit? (connection: WebSocketConnection): unknown
  onOpen? (connection: WebSocketConnection): unknown
}
