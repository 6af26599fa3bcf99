// One live connection as the application sees it. Owns the names and types of its events, methods and properties.
import type { Duplex, DuplexOptions } from 'node:stream'
import type { FastifyBaseLogger, FastifyRequest, FastifySchemaValidationError } from 'fastify'
import type { RawPayload } from './carried.ts'
import type {
  Topic, TopicNameArguments, TopicPosition, TopicPublishArguments, TopicPublishOptions, TopicSubscribeArguments, TopicSubscribeOptions, TopicSubscription
} from './topics.ts'
import type { MessageHandlers, MessageOf, MessageType, RawMessage } from './schema.ts'

/**
 * State that the application keeps with a connection, as `connection.data`. Declare its properties once for the program:
 *
 *     declare module 'fastify-typed-websocket' {
 *       interface WebSocketConnectionData { nick?: string }
 *     }
 *
 * or for one route by the generic `Data`. The object is empty when the route's handler starts.
 */
export interface WebSocketConnectionData {}

/** How a connection ended. */
export interface WebSocketCloseDetails {
  /** Both ends sent a Close frame before the socket ended (RFC 6455 §7.1.4). */
  readonly wasClean: boolean
  /** Whose Close frame, or whose end of the socket, came first. */
  readonly initiator: 'local' | 'remote'
}

/** How one message is sent. */
export interface WebSocketSendOptions {
  /** False: as it is, though the connection has permessage-deflate and the message is long enough. Default: true. */
  readonly compress?: boolean
}

/** What was not sent to a peer that reads too slowly. Sizes in bytes, of payloads. */
export interface WebSocketSlowDetails {
  /** Messages, since the connection opened. */
  readonly dropped: number
  readonly droppedBytes: number
  /** What waits now. */
  readonly bufferedAmount: number
}

/** Events of a connection with what their listeners get, beside `message` and `message:<type>`. */
export interface ConnectionEvents {
  /** The end, exactly once. 1005: the peer's Close frame had no code; 1006: there was none. */
  close: [code: number, reason: string, details: WebSocketCloseDetails]
  /** A fault of this connection; the route's `errorHandler` gets it too, and decides. */
  error: [error: Error]
  /** A message that does not fit the schema. With a listener the connection stays open and no error handler is called. */
  invalid: [error: WebSocketMessageError]
  ping: [data: Buffer]
  pong: [data: Buffer]
  /** `send` may go on: it returned false before, and the bytes that waited have left. */
  drain: []
  /** A message was not sent, as more than `maxBufferedAmount` bytes would have waited: once for each, whatever `slowConsumer` is. */
  slow: [details: WebSocketSlowDetails]
}

/** An incoming message was refused: it is not JSON, is binary where text is due, or does not fit the route's schema. */
export interface WebSocketMessageError extends Error {
  readonly code: string
  readonly statusCode: number
  /** What the connection is closed with unless a listener of `invalid` takes over: 1003, 1007 or 1008. */
  readonly closeCode: number
  readonly validation?: readonly FastifySchemaValidationError[]
  readonly validationContext: string
}

/** A listener of every message, text or binary. It may be async: what it rejects with goes to the route's `errorHandler`. */
type MessageListener<Receive> = (message: Receive, isBinary: boolean) => unknown

/** A listener of the messages of one type. `NoInfer`, because the event's name says which: a look for `T` in the message is wasted on a large union. */
type TypeListener<Receive, T extends string> = (message: NoInfer<MessageOf<Receive, T>>) => unknown

/** A listener of any other event. */
type Listener<E extends keyof ConnectionEvents> = (...args: ConnectionEvents[E]) => unknown

/** What is left of Node's EventEmitter beside the methods that take a listener: it makes `once(connection, 'pong')` of node:events possible. */
type Emitter = Omit<NodeJS.EventEmitter, 'on' | 'once' | 'off' | 'addListener' | 'removeListener' | 'prependListener' | 'prependOnceListener'>

/**
 * One live WebSocket connection. `Receive` and `Send` are the messages each way; a route's schemas or generics give them.
 *
 * Listeners of messages may be async: one message's listeners settle before the next message's start (`concurrency`).
 */
export interface WebSocketConnection<out Receive = RawMessage, in Send = RawPayload, out Data = WebSocketConnectionData, Requests = Record<never, never>> extends AsyncIterable<Receive>, Emitter {
  readonly CONNECTING: 0
  readonly OPEN: 1
  readonly CLOSING: 2
  readonly CLOSED: 3
  /** One of the four constants above. */
  readonly readyState: 0 | 1 | 2 | 3

  /** Unique; the same as `connId` in the log. */
  readonly id: string
  /** The subprotocol that was agreed on, or ''. */
  readonly protocol: string
  /** The extensions that were agreed on, as in `Sec-WebSocket-Extensions`, or ''. */
  readonly extensions: string
  /** Bytes that were sent and still wait in this process. */
  readonly bufferedAmount: number
  /** Milliseconds from the last answered ping, the heartbeat's or one of the application's, to its pong; `undefined` before the first. */
  readonly latency: number | undefined
  /** Aborted when the connection has closed. */
  readonly signal: AbortSignal
  /** State that the application keeps with the connection. */
  readonly data: Data
  /** A child of the request's logger, with `connId` and `reqId`. */
  readonly log: FastifyBaseLogger
  /** The request that opened the connection. */
  readonly request: FastifyRequest
  /** The peer's address; `undefined` where the socket has none. */
  readonly remoteAddress: string | undefined

  // Three overloads in place of one map of all events: a map of each route's own costs half as much again to check.
  on (event: 'message', listener: MessageListener<Receive>): this
  on<E extends keyof ConnectionEvents> (event: E, listener: Listener<E>): this
  on<T extends MessageType<Receive>> (event: `message:${T}`, listener: TypeListener<Receive, T>): this

  once (event: 'message', listener: MessageListener<Receive>): this
  once<E extends keyof ConnectionEvents> (event: E, listener: Listener<E>): this
  once<T extends MessageType<Receive>> (event: `message:${T}`, listener: TypeListener<Receive, T>): this

  off (event: 'message', listener: MessageListener<Receive>): this
  off<E extends keyof ConnectionEvents> (event: E, listener: Listener<E>): this
  off<T extends MessageType<Receive>> (event: `message:${T}`, listener: TypeListener<Receive, T>): this

  addListener (event: 'message', listener: MessageListener<Receive>): this
  addListener<E extends keyof ConnectionEvents> (event: E, listener: Listener<E>): this
  addListener<T extends MessageType<Receive>> (event: `message:${T}`, listener: TypeListener<Receive, T>): this

  removeListener (event: 'message', listener: MessageListener<Receive>): this
  removeListener<E extends keyof ConnectionEvents> (event: E, listener: Listener<E>): this
  removeListener<T extends MessageType<Receive>> (event: `message:${T}`, listener: TypeListener<Receive, T>): this

  prependListener (event: 'message', listener: MessageListener<Receive>): this
  prependListener<E extends keyof ConnectionEvents> (event: E, listener: Listener<E>): this
  prependListener<T extends MessageType<Receive>> (event: `message:${T}`, listener: TypeListener<Receive, T>): this

  prependOnceListener (event: 'message', listener: MessageListener<Receive>): this
  prependOnceListener<E extends keyof ConnectionEvents> (event: E, listener: Listener<E>): this
  prependOnceListener<T extends MessageType<Receive>> (event: `message:${T}`, listener: TypeListener<Receive, T>): this

  /** Listens by message type: every `type` of the union must have its handler, and no other. */
  handle (handlers: MessageHandlers<Receive>): this

  /** Answers what clients ask for: what a handler returns, or resolves with, is the reply; what it throws is told the client. */
  handleRequests (handlers: [keyof Requests] extends [never] ? never : Partial<Requests>): this

  /**
   * Queues one message and returns at once. Messages leave in call order.
   *
   * @returns false once more than `highWaterMark` bytes wait, and a `drain` event follows; false too when nothing is sent: beyond
   * `maxBufferedAmount`, with a `slow` event, and when the connection is closing or closed
   * @throws `FST_WS_INVALID_SEND` for a message that does not fit the `send` schema, `FST_WS_UNSUPPORTED_DATA` for what is neither text nor bytes
   */
  send (message: Send, options?: WebSocketSendOptions): boolean
  /** Sends one message; resolves when the socket has taken the bytes. Rejects where `send` throws, with `FST_WS_NOT_OPEN` when the connection closes or ends first, with `FST_WS_NOT_SENT` beyond `maxBufferedAmount`. */
  sendAndWait (message: Send, options?: WebSocketSendOptions): Promise<void>

  /** Names of the topics that it is subscribed to. */
  readonly topics: string[]
  // Overloads by name stand first: of a wrong call the compiler explains the last one, which should be that of a described topic.
  /** By name; one that ends with `/*` is a pattern: all topics with another segment in its place. */
  subscribe (topic: string, options?: TopicSubscribeOptions): Promise<TopicSubscription>
  /**
   * Subscribes to a topic; what is published comes as messages. It ends with the connection.
   *
   * Rejects with `FST_WS_INVALID_TOPIC`, `FST_WS_TOPIC_FORBIDDEN`, `FST_WS_TOO_MANY_TOPICS`, `FST_WS_NOT_OPEN`.
   */
  subscribe<const Name extends string> (topic: Topic<Name>, ...args: TopicSubscribeArguments<Name>): Promise<TopicSubscription>
  unsubscribe (topic: string): Promise<boolean>
  /** Ends a subscription; resolves with false if there is none. */
  unsubscribe<const Name extends string> (topic: Topic<Name>, ...args: TopicNameArguments<Name>): Promise<boolean>
  /** By name, without a schema: text and bytes go as they are, anything else as JSON. */
  publish (topic: string, message: unknown, options?: TopicPublishOptions): Promise<TopicPosition | undefined>
  /**
   * Publishes to all subscribers of a topic but this connection. Resolves when the engine has taken it.
   *
   * Rejects with `FST_WS_INVALID_SEND` for a message that does not fit the topic's schema, `FST_WS_INVALID_TOPIC`, `FST_WS_TOPIC_FORBIDDEN`.
   */
  publish<const Name extends string, Schema> (topic: Topic<Name, Schema>, ...args: TopicPublishArguments<Name, Schema, TopicPublishOptions>): Promise<TopicPosition | undefined>

  /** Sends a ping, with at most 125 bytes of data (RFC 6455 §5.5). */
  ping (data?: RawPayload): void
  /** Sends a pong that nobody asked for (RFC 6455 §5.5.3); pings are answered without it. */
  pong (data?: RawPayload): void
  /** Starts the closing handshake; the peer has `closeTimeout` to answer. The reason may have 123 bytes of UTF-8. */
  close (code?: number, reason?: string): void
  /** Destroys the socket at once, without a Close frame. */
  terminate (): void

  /** Stops reading from the socket, until `resume`; TCP holds the peer back. */
  pause (): void
  resume (): void
  /** The connection as a stream: what is written becomes messages, messages are what is read. */
  createStream (options?: DuplexOptions): Duplex
  /** What a log shows of it: nothing of the request, whose headers have credentials. */
  toJSON (): { id: string, protocol: string, readyState: number, remoteAddress: string | undefined }
  /** Takes messages one by one with backpressure; the loop ends when the connection closes. */
  [Symbol.asyncIterator] (): AsyncIterableIterator<Receive>
}

/**
 * A connection of some route, as error handlers and the hub see it: messages come as `unknown`, and what may be sent is
 * checked at run time only, by the schema of its route.
 */
export interface AnyWebSocketConnection extends WebSocketConnection<unknown, never> {
  send (message: unknown, options?: WebSocketSendOptions): boolean
  sendAndWait (message: unknown, options?: WebSocketSendOptions): Promise<void>
  /** Not here: which types there are is not known. */
  handle (handlers: never): this
}
