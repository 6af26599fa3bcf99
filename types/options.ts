// Options of the plugin and of a route. Owns their names and types; defaults and checks are the plugin's.
import type { IncomingMessage, OutgoingHttpHeaders, Server } from 'node:http'
import type { ZlibOptions } from 'node:zlib'
import type {
  FastifyInstance,
  FastifyReply,
  FastifyRequest,
  FastifySchemaCompiler,
  FastifySerializerCompiler,
  HookHandlerDoneFunction
} from 'fastify'
import type { AnyWebSocketConnection } from './connection.ts'
import type { DeflateChoices } from './deflate.ts'
import type { Topic, TopicEngine, TopicGrant } from './topics.ts'

/**
 * Chooses the subprotocol among those that the client offered, in its order.
 *
 * @returns the chosen one; `undefined` or `false` for none, and the connection opens without
 */
export type WebSocketProtocolChooser = (offered: readonly string[], request: FastifyRequest) =>
  string | false | undefined | Promise<string | false | undefined>

/** Options of a route (`websocket: { ... }`); each may stand at the plugin too, for all routes. Sizes are bytes, times milliseconds. */
export interface WebSocketRouteOptions<Binary extends boolean = boolean> {
  /** Most bytes of one message, all its fragments together; beyond it 1009. Default: the `bodyLimit` of the route or the instance. */
  maxPayload?: number
  /** How long the peer may take to answer a Close frame before the socket is destroyed. Default: 5,000. */
  closeTimeout?: number
  /** Bytes that may wait for the socket before `send` returns false. Default: 65,536. */
  highWaterMark?: number
  /** How many messages of one connection may be in handlers at once. Default: 1, so one message's handlers settle before the next's start. */
  concurrency?: number
  /** How many messages may wait behind the handlers before reading stops; it stops also when `maxPayload` bytes of them, or 64 KiB, wait. Default: 16. */
  maxQueuedMessages?: number
  /**
   * Pings the peer every `interval`, and terminates the connection when no byte has come from it within `timeout` after a ping
   * was written (`close` with 1006). Fields that are missing are the default's. Default: 25,000 and 20,000; false for none.
   */
  heartbeat?: WebSocketHeartbeat | false
  /** From the request to the 101, hooks included; then the handshake is refused with 503. Default: 10,000. */
  handshakeTimeout?: number
  /** How long a connection may last before it is closed with 1001; up to a tenth less, so that not all end at once. Default: no limit. */
  maxLifetime?: number
  /** Bytes that may wait for a peer that does not read; what is sent beyond them is for `slowConsumer`. Default: 1,048,576. */
  maxBufferedAmount?: number
  /**
   * What becomes of a message beyond `maxBufferedAmount`. `close`: the connection fails with 1013. `drop`: the message is dropped.
   * A function is called with it in place of its sending. The event `slow` tells of each. Default: `close`.
   */
  slowConsumer?: 'close' | 'drop' | WebSocketSlowConsumer
  /** How much one peer may send. Default: no limit; false for none where the plugin has one. */
  rateLimit?: WebSocketRateLimit | false
  /** Which sites' scripts may connect; others get 403. A handshake without `Origin`, from no browser, may always. Default: `same-origin`. */
  allowedOrigins?: WebSocketAllowedOrigins
  /** Connections that may be open at once, those in the handshake included: of a route, or with the plugin's option of all its routes. Beyond it 503. Default: no limit. */
  maxConnections?: number
  /** The same for one address (`request.ip`; of IPv6 the first 64 bits). Default: no limit. */
  maxConnectionsPerIp?: number
  /** Handshakes that may wait for their answer at once: at a route, or at all routes of the plugin. Beyond it 503. Default: 1,000, and no limit of a route's own. */
  maxPendingHandshakes?: number
  /**
   * Faster ways that give the same answers, where Node has them. Fields that are missing are the default's. Default: true, all of
   * them; false for none.
   */
  fastPaths?: boolean | WebSocketFastPaths
  /**
   * Binary messages are not copied for the handler: the Buffer that it gets is lent until it returns, or to its first `await`, and is
   * written over then. Messages that wait in a queue are copied. Default: false.
   */
  lendPayloads?: boolean
  /**
   * Compression of messages (permessage-deflate, RFC 7692), where the client offers it. True: all defaults. Fields that are missing are
   * the plugin's, or the default's where it has none. Default: false.
   */
  perMessageDeflate?: boolean | WebSocketPerMessageDeflate
  /**
   * Topics that clients may subscribe to by themselves, by messages whose `type` begins with `ws:`; with `publish` they may publish to them
   * as well, with `presence` they are told who else is there. Default: clients speak to the application alone.
   */
  topics?: readonly Topic[] | WebSocketClientTopics
  /** Topics that a connection may be subscribed to at a time; for one more `subscribe` rejects with `FST_WS_TOO_MANY_TOPICS`. Default: 128. */
  maxTopicsPerConnection?: number
  /**
   * Asked before a connection subscribes to a topic or publishes to it; anything but true, or `{ data }`, refuses it with
   * `FST_WS_TOPIC_FORBIDDEN`. `params` are those of the topic's name, and empty where it was given as a name alone. `data` is what the
   * subscriber offers to show of itself, a client's own word with `topics`; that of the answer takes its place. Default: everything is allowed.
   */
  authorize? (
    connection: AnyWebSocketConnection, topic: string, params: Readonly<Record<string, string>>, action: 'subscribe' | 'publish', data: unknown
  ): boolean | TopicGrant | Promise<boolean | TopicGrant>
  /** On a route with message schemas: binary messages pass untouched, as Buffers, beside the JSON ones. Default: false. */
  binary?: Binary
  /** Subprotocols that the route speaks, the preferred one first, or a function that chooses. Without it none is agreed on. */
  protocols?: readonly string[] | WebSocketProtocolChooser
  /**
   * Gets every fault of a connection, once: an invalid message that no listener of `invalid` took, a handler that threw
   * or rejected, a protocol error, a socket error. Without it the fault is logged and the connection closed with `error.closeCode`.
   */
  errorHandler? (this: FastifyInstance, error: Error, connection: AnyWebSocketConnection, request: FastifyRequest, reply: FastifyReply): unknown
  /** Compiles the message schemas into checks, in place of TypeBox's compiler and the instance's. */
  validatorCompiler? (routeSchema: Parameters<FastifySchemaCompiler<object>>[0]): ReturnType<FastifySchemaCompiler<object>>
  /** Compiles the `send` schema into a serialiser, in place of the instance's. */
  serializerCompiler? (routeSchema: Parameters<FastifySerializerCompiler<object>>[0]): ReturnType<FastifySerializerCompiler<object>>
}

// The three functions above are methods, so that one annotated with narrower types may be given: `connection: WebSocketConnection<In, Out>`,
// or a compiler for the schemas of one library.
export type WebSocketErrorHandler = NonNullable<WebSocketRouteOptions['errorHandler']>

/** When to ping and how long to wait, in ms. */
export interface WebSocketHeartbeat {
  readonly interval?: number
  readonly timeout?: number
}

/** Ways to read that Node may have. */
export interface WebSocketFastPaths {
  /** Reads frames with vectors, in WebAssembly. Default: true. */
  readonly webAssembly?: boolean
  /** Lets all sockets read into one buffer, by internals of Node; it takes `webAssembly`. Default: true. */
  readonly sharedReadBuffer?: boolean
  /** Uses zlib's handles again for all messages, by internals of Node, with `perMessageDeflate`. Default: true. */
  readonly zlibHandles?: boolean
}

/** What clients may do with topics by themselves. */
export interface WebSocketClientTopics {
  readonly allow: readonly Topic[]
  /** Default: false. */
  readonly publish?: boolean
  /** Who has subscribed with `data` is told the others. Default: false. */
  readonly presence?: boolean
}

/** How messages are compressed, and what a connection agrees on for that (RFC 7692 §7.1). */
export interface WebSocketPerMessageDeflate extends DeflateChoices {
  /** Bytes that zlib may hold for all connections of the process together; beyond them new connections go uncompressed. Default: 67,108,864. */
  readonly maxMemory?: number
}

/** A token bucket: as much as `perSeconds` allow may come at once, and as fast as it is spent it fills up again. One of `messages` and `bytes` is needed. */
export interface WebSocketRateLimit {
  /** Messages, pings and pongs. */
  readonly messages?: number
  /** Bytes of frames, headers included. */
  readonly bytes?: number
  /** Default: 1. */
  readonly perSeconds?: number
  /** `close`: the connection fails with 1008. `pause`: the socket is not read until there are tokens again, and TCP pushes back. Default: `close`. */
  readonly onLimit?: 'close' | 'pause'
}

/** Gets each message that is not sent because the peer reads too slowly. What it sends to the same connection meanwhile is dropped. */
export type WebSocketSlowConsumer = (connection: AnyWebSocketConnection, message: unknown) => unknown

/**
 * `same-origin` compares with the scheme, host and port of the request (Fastify's `trustProxy` is heeded). A list has origins as browsers send
 * them (`https://example.org`), `same-origin`, `null` for pages without an origin, and regular expressions. `*` or true: any.
 */
export type WebSocketAllowedOrigins = true | string | RegExp | ReadonlyArray<string | RegExp> |
  ((origin: string, request: FastifyRequest) => boolean | Promise<boolean>)

/** Options of the plugin: those of a route, for all routes, and the instance's own. */
export interface WebSocketPluginOptions extends WebSocketRouteOptions {
  /** How long `fastify.close()` takes at most; what has not closed shortly before is destroyed. Default: 10,000. */
  shutdownTimeout?: number
  /** Time over which `fastify.close()` spreads the 1001s, so that clients do not come back all at once; at most `shutdownTimeout`. Default: 0. */
  shutdownStagger?: number
  /** Carries topics between servers; the first registration's is the server's. Default: one that keeps everything in this process. */
  topicEngine?: TopicEngine
  /** In place of the plugin's own `preClose` hook, which sends 1001 to every connection and waits: closing them is then this function's work. */
  preClose? (this: FastifyInstance, done: HookHandlerDoneFunction): void | Promise<unknown>
  /** As @fastify/websocket takes them. The same name outside of `options` goes before it. */
  options?: WebSocketCompatibleOptions
}

/** What `verifyClient` of @fastify/websocket is told. */
export interface WebSocketClientInfo {
  readonly origin: string
  readonly secure: boolean
  readonly req: IncomingMessage
}

/** The options of the `ws` package that @fastify/websocket hands through and that this plugin knows; any other fails at registration. */
export interface WebSocketCompatibleOptions {
  maxPayload?: number
  /** Refuses with 401 or with the given status; a hook of Fastify is the better place. */
  verifyClient?:
    | ((info: WebSocketClientInfo) => boolean)
    | ((info: WebSocketClientInfo, done: (verified: boolean, statusCode?: number, message?: string, headers?: OutgoingHttpHeaders) => void) => void)
  /** As `protocols` with a function. */
  handleProtocols? (offered: Set<string>, request: IncomingMessage): string | false
  /** Upgrades come from this server in place of the instance's own. */
  server?: Server
  /** Without effect: it warns, as there, that a route is the place for a path. */
  path?: string
  /** Without effect: `websocketServer.clients` is always there. */
  clientTracking?: boolean
  /** As the option outside; fields that are missing are the default's, not those of `ws`. */
  perMessageDeflate?: boolean | WebSocketCompatibleDeflate
}

/** `perMessageDeflate` as the `ws` package has it. */
export interface WebSocketCompatibleDeflate extends Pick<
  WebSocketPerMessageDeflate,
  'threshold' | 'serverNoContextTakeover' | 'clientNoContextTakeover' | 'serverMaxWindowBits' | 'clientMaxWindowBits'
> {
  /** `level`, of which -1 is 6 and 0 is refused, and `memLevel`; the rest has no effect. */
  readonly zlibDeflateOptions?: Omit<ZlibOptions, 'dictionary'>
  /** Without effect. */
  readonly zlibInflateOptions?: Omit<ZlibOptions, 'dictionary'>
  /** Without effect. */
  readonly concurrencyLimit?: number
}
