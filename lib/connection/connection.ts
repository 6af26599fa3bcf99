// One live connection as the application sees it: its events, methods and properties. Owns listeners and what becomes of
// their faults; bytes, order and flow are the transport's.
import { randomUUID } from 'node:crypto'
import type { Duplex, DuplexOptions } from 'node:stream'
import type { MessageData } from '../protocol/message-assembler.ts'
import type { TopicPosition, TopicSubscription } from '../../types/topics.ts'
import { UsageError } from '../protocol/errors.ts'
import { Opcode } from '../protocol/opcode.ts'
import { ReadyState, readyStateOf } from '../protocol/state.ts'
import type { MessageCodec } from './codec.ts'
import type { ConnectionLogger, ConnectionOpening, ConnectionSettings, RequestHandler, SendOptions } from './connection-settings.ts'
import { copyControlData, toBytes, unsupportedData } from './data.ts'
import { channels } from './diagnostics.ts'
import { isMessageEvent, isThenable, Listeners, toError } from './listeners.ts'
import { MessageIterator } from './message-iterator.ts'
import { createMessageStream } from './message-stream.ts'
import { LIMIT_ERRORS, LimitError } from './limit-error.ts'
import type { Outbox } from './outbox.ts'
import type { SharedMessage } from './shared-message.ts'
import { SlowConsumer } from './slow-consumer.ts'
import type { SlowConsumerOwner, SlowDetails } from './slow-consumer.ts'
import type { ConnectionTopics } from './topic-methods.ts'
import { Transport } from './transport.ts'
import type { TransportEvents } from './transport.ts'
import { checkHandlers, listenByType } from './type-handlers.ts'

export type { ConnectionControl, ConnectionLogger, ConnectionOpening, ConnectionSettings, RequestHandler, SendOptions } from './connection-settings.ts'

/** How long, in ms, `close` waits behind messages that nobody listens for. */
const UNHEARD_GRACE = 1_000

/** How long, in ms, nothing is read while a handler runs that has not asked for anything yet. */
const READ_GRACE = 1_000

const SILENT: ConnectionLogger = { info () {}, error () {} }
const NO_BYTES: Buffer = Buffer.alloc(0)

/** What has become of a connection; it has one field for all of it. */
const Flag = {
  /** `start` was called. */
  Started: 1,
  BeginScheduled: 2,
  /** Bytes are read. */
  Reading: 4,
  /** Somebody has asked for what comes, or the handler has settled: from now on the end may be told. */
  Begun: 8,
  /** A handler knows of the connection from its start; without one, whoever has it may listen late. */
  HasHandler: 16,
  Settled: 32,
  HasStream: 64,
  /** Somebody has listened for messages. */
  Heard: 128,
  /** The socket has closed. */
  Gone: 256,
  CloseEmitted: 512,
  EndTold: 1024,
  /** The handler is being called, and has not returned. */
  InHandler: 2048,
  /** Meanwhile somebody has asked for something. */
  AskedInHandler: 4096
} as const

type Flag = (typeof Flag)[keyof typeof Flag]

/** What few connections have. */
class Extras {
  id: string | undefined
  log: ConnectionLogger | undefined
  data: object | undefined
  aborter: AbortController | undefined
  /** Bytes that came with the handshake, until reading begins. */
  head: Buffer | undefined
  ping: { readonly data: Buffer, readonly sentAt: number } | undefined
  slowConsumer: SlowConsumer<Connection> | undefined
  iterators: MessageIterator[] | undefined
  requestHandlers: Map<string, RequestHandler> | undefined
}

export class Connection extends Listeners {
  static readonly CONNECTING: typeof ReadyState.CONNECTING = ReadyState.CONNECTING
  static readonly OPEN: typeof ReadyState.OPEN = ReadyState.OPEN
  static readonly CLOSING: typeof ReadyState.CLOSING = ReadyState.CLOSING
  static readonly CLOSED: typeof ReadyState.CLOSED = ReadyState.CLOSED
  declare readonly CONNECTING: typeof ReadyState.CONNECTING
  declare readonly OPEN: typeof ReadyState.OPEN
  declare readonly CLOSING: typeof ReadyState.CLOSING
  declare readonly CLOSED: typeof ReadyState.CLOSED

  readonly protocol: string
  readonly request: unknown
  readonly remoteAddress: string | undefined
  readonly #settings: ConnectionSettings
  readonly #transport: Transport<Connection>
  /** Sum of what is true of `Flag`. */
  #flags = 0
  #latency: number | undefined
  /** The one that is due next: until reading begins, or behind the end. */
  #timer: NodeJS.Timeout | undefined
  #extras: Extras | undefined

  /** What the transport calls; one object for all connections. */
  static readonly #EVENTS: TransportEvents<Connection> = {
    deliver: (connection, data) => connection.#deliver(data),
    isWanted: (connection, data) => connection.#isWanted(data),
    onPing: (connection, data) => { connection.dispatch('ping', [data]) },
    onPong: (connection, data) => connection.#onPong(data),
    onDrain: (connection) => connection.#onDrain(),
    onLatency: (connection, latency) => { connection.#latency = latency },
    onError: (connection, error) => connection.onFault(error),
    onClosed: (connection) => connection.#onClosed(),
    onEmpty: (connection) => connection.#finish()
  }

  static {
    for (const [name, value] of Object.entries(ReadyState)) Object.defineProperty(Connection.prototype, name, { value })
  }

  /** Takes over a socket behind the opening handshake. Nothing is read before `start`. */
  constructor (socket: Duplex, settings: ConnectionSettings, opening: ConnectionOpening = {}) {
    super()
    this.#settings = settings
    this.protocol = opening.protocol ?? ''
    this.request = opening.request
    this.remoteAddress = opening.remoteAddress
    this.#transport = new Transport<Connection>(this, Connection.#EVENTS, socket, settings)
  }

  /** Those agreed on, as their header field has them. */
  get extensions (): string {
    return this.#settings.extensions ?? ''
  }

  /** What checks and serialises messages: the same for all connections of a route. */
  get codec (): MessageCodec | undefined {
    return this.#settings.codec
  }

  /** Unique among all connections of all processes. */
  get id (): string {
    return (this.#allExtras.id ??= randomUUID())
  }

  /** The same, if anybody has asked for it; whoever is named somewhere has been. */
  get knownId (): string | undefined {
    return this.#extras?.id
  }

  /** Where it stands, as in the WHATWG interface: CONNECTING 0, OPEN 1, CLOSING 2, CLOSED 3. */
  get readyState (): 0 | 1 | 2 | 3 {
    if (this.#is(Flag.Gone)) return ReadyState.CLOSED
    const readyState = readyStateOf(this.#transport.state)
    // The bytes have ended, but the socket has not closed yet.
    return readyState === ReadyState.CLOSED ? ReadyState.CLOSING : readyState
  }

  /** Bytes that were sent and wait in this process. */
  get bufferedAmount (): number {
    return this.#transport.bufferedAmount
  }

  /** True while more than `highWaterMark` bytes wait; then `drain` follows. */
  get isOverHighWaterMark (): boolean {
    return this.#transport.outbox.isOverHighWaterMark()
  }

  /** Milliseconds between the last answered ping and its pong; undefined before the first. */
  get latency (): number | undefined {
    return this.#latency
  }

  /** Aborts when the socket has closed. */
  get signal (): AbortSignal {
    const extras = this.#allExtras
    if (extras.aborter === undefined) {
      extras.aborter = new AbortController()
      if (this.#is(Flag.Gone)) extras.aborter.abort()
      this.#waitsForEnd()
      this.#scheduleBegin(false)
    }
    return extras.aborter.signal
  }

  /** Whatever the application keeps with a connection; empty at first. */
  get data (): object {
    return (this.#allExtras.data ??= {})
  }

  /** The request's logger with `connId`. */
  get log (): ConnectionLogger {
    return (this.#allExtras.log ??= this.#settings.createLog?.(this) ?? SILENT)
  }

  /**
   * Runs the application's handler, and begins to read when there is somebody to hear: as soon as a listener is attached, or when
   * the handler has settled; or a second later, for the peer's end and signs of its life wait for nobody. Messages wait until one
   * listens for them or the handler has settled, `close` until one listens for anything or it has settled.
   *
   * @param head - bytes that came with the handshake; they belong to the connection now
   * @param handler - without one reading begins at once; messages wait for their first listener, and `close` for its own
   */
  start (head: Buffer, handler?: () => unknown): void {
    this.#set(Flag.Started)
    if (head.length > 0) this.#allExtras.head = head
    this.#transport.startWatch()
    if (handler === undefined) {
      this.#scheduleBegin(this.eventNames().some(isMessageEvent))
      return
    }
    this.#set(Flag.HasHandler | Flag.InHandler)
    try {
      const result = handler()
      this.#clear(Flag.InHandler)
      if (isThenable(result)) {
        if (this.#is(Flag.AskedInHandler)) this.#beginSoon(this.#is(Flag.BeginScheduled))
        result.then(() => this.#onSettled(), (reason) => {
          this.onFault(reason)
          this.#onSettled()
        })
        if (!this.#is(Flag.Reading)) this.#timer = setTimeout(() => this.#read(), READ_GRACE)
        return
      }
    } catch (reason) {
      this.#clear(Flag.InHandler)
      this.onFault(reason)
    }
    this.#onSettled()
  }

  /**
   * Listens by message type: `handlers[message.type](message)`. Binary messages, which have no type, pass by.
   *
   * @throws {UsageError} `FST_WS_INVALID_ARGUMENT` for a handler that is not a function
   */
  handle (handlers: Readonly<Record<string, (message: never) => unknown>>): this {
    return this.on('message', listenByType(handlers))
  }

  /**
   * Answers requests of the peer: `handlers[method](payload)`, whose result is the reply; what it throws is told the peer. A later one
   * of the same name takes the place of the first.
   *
   * @throws {UsageError} `FST_WS_INVALID_ARGUMENT` for a handler that is not a function, and for a request that the route does not describe
   */
  handleRequests (handlers: Readonly<Record<string, RequestHandler>>): this {
    checkHandlers(handlers)
    const unknown = Object.keys(handlers).find((name) => this.#settings.control?.hasRequest(name) !== true)
    if (unknown !== undefined) throw new UsageError('FST_WS_INVALID_ARGUMENT', `the route has no request '${unknown}': schema.websocket.requests describes them`)
    const extras = this.#allExtras
    extras.requestHandlers ??= new Map()
    for (const [method, handler] of Object.entries(handlers)) extras.requestHandlers.set(method, handler)
    this.#scheduleBegin(true)
    return this
  }

  /** Finds the handler for a request. */
  requestHandler (method: string): RequestHandler | undefined {
    return this.#extras?.requestHandlers?.get(method)
  }

  /** Sends a text that is no message of the application: nothing checks it. @returns as `send` */
  sendEncoded (text: string): boolean {
    const transport = this.#transport
    if (!transport.maySend || !this.#queue(transport.outbox, text, undefined, undefined)) return false
    return this.#keepPace()
  }

  /**
   * Queues one message and returns without waiting. Messages leave in call order, each as one unfragmented frame
   * (RFC 6455 §6.1); all that is sent while one read is handled, or in one tick, leaves in one write.
   *
   * Bytes from 64 KiB on are not copied: leave them unchanged until they have left (`sendAndWait`, `drain`).
   *
   * @returns false once more than `highWaterMark` bytes wait; `drain` follows. False too, and nothing is sent, beyond
   *   `maxBufferedAmount`, where `slow` tells of it, and once this side has sent its Close frame, or the socket has ended
   * @throws {UsageError} `FST_WS_UNSUPPORTED_DATA`; and what the route's codec throws for a message that does not fit
   */
  send (message: unknown, options?: SendOptions): boolean {
    const transport = this.#transport
    const data = this.encode(message)
    if (!transport.maySend) return false
    const { outbox } = transport
    if (!this.#queue(outbox, data, message, options)) return false
    return this.#keepPace()
  }

  /**
   * Sends what others get too, as `send` does; it has been checked and serialised.
   *
   * @returns as `send`
   */
  sendShared (message: SharedMessage): boolean {
    const transport = this.#transport
    if (!transport.maySend) return false
    const { outbox } = transport
    if (!outbox.hasRoomFor(message.data)) {
      this.#refuse(message.data, message.data)
      return false
    }
    outbox.sendShared(message)
    const { meter } = this.#settings
    if (meter !== undefined) meter.messagesSent++
    return !outbox.isOverHighWaterMark()
  }

  /**
   * Sends one message; resolves when the socket has taken its bytes.
   *
   * Rejects with `FST_WS_NOT_OPEN` where `send` would send nothing as the connection ends, with `FST_WS_NOT_SENT` where there
   * is no room, with the socket's error when it fails before, and with what `send` throws.
   */
  async sendAndWait (message: unknown, options?: SendOptions): Promise<void> {
    const data = this.encode(message)
    if (!this.#transport.maySend) throw new UsageError('FST_WS_NOT_OPEN')
    const { outbox } = this.#transport
    if (!this.#queue(outbox, data, message, options)) throw new UsageError('FST_WS_NOT_SENT')
    await outbox.whenTaken()
  }

  /** Names of the topics that it is subscribed to. */
  get topics (): string[] {
    return this.#settings.topics?.namesOf(this) ?? []
  }

  /**
   * Subscribes to a topic: `(topic, params?, options?)`. Ends with the connection.
   *
   * Rejects with `FST_WS_INVALID_TOPIC`, `FST_WS_TOPIC_FORBIDDEN`, `FST_WS_TOO_MANY_TOPICS`, `FST_WS_NOT_OPEN`, `FST_WS_INVALID_ARGUMENT`.
   */
  async subscribe (topic: unknown, ...args: unknown[]): Promise<TopicSubscription> {
    return await this.#carrier.subscribe(this, topic, args)
  }

  /** Ends a subscription: `(topic, params?)`. Resolves with false if there is none. */
  async unsubscribe (topic: unknown, ...args: unknown[]): Promise<boolean> {
    return await this.#carrier.unsubscribe(this, topic, args)
  }

  /**
   * Publishes to all subscribers of a topic but this connection: `(topic, params?, message, options?)`.
   *
   * Rejects with `FST_WS_INVALID_TOPIC`, `FST_WS_TOPIC_FORBIDDEN`, and what the topic's schema refuses.
   */
  async publish (topic: unknown, ...args: unknown[]): Promise<TopicPosition | undefined> {
    return await this.#carrier.publish(this, topic, args)
  }

  /**
   * Sends a ping (RFC 6455 §5.5.2). Its pong is read even while messages fill the queue. Beyond `maxBufferedAmount` it is
   * treated as a message.
   *
   * @throws {UsageError} `FST_WS_CONTROL_DATA_TOO_LONG` over 125 bytes, `FST_WS_UNSUPPORTED_DATA`
   */
  ping (data?: unknown): void {
    const bytes = copyControlData(data)
    if (this.#transport.state !== 'open' || !this.#hasRoomFor(bytes)) return
    this.#allExtras.ping = { data: bytes, sentAt: performance.now() }
    this.#transport.ping(bytes)
  }

  /** Sends a pong that nobody asked for (§5.5.3). @throws {UsageError} as `ping` */
  pong (data?: unknown): void {
    const bytes = copyControlData(data)
    if (this.#transport.state !== 'open' || !this.#hasRoomFor(bytes)) return
    this.#transport.outbox.sendBytes(Opcode.Pong, bytes)
  }

  /**
   * Starts the closing handshake (RFC 6455 §7.1.2); messages that have not been delivered are thrown away. When the peer
   * does not answer within `closeTimeout`, the socket is destroyed. Does nothing when it closes already.
   *
   * @param code - 1000 to 1014 but 1004, 1005 and 1006, or 3000 to 4999; none at all goes as an empty Close frame
   * @param reason - at most 123 bytes of UTF-8
   * @throws {UsageError} `FST_WS_INVALID_CLOSE_CODE`, `FST_WS_REASON_TOO_LONG`, `FST_WS_INVALID_ARGUMENT`
   */
  close (code?: number, reason?: string): void {
    this.#transport.close(code, reason)
    this.#scheduleBegin(false)
  }

  /**
   * Starts the closing handshake as `close` does, for a server that shuts down or a stream whose writing side has ended:
   * messages that the peer has sent before it heard of it are still delivered.
   */
  closeAfterDelivery (code?: number, reason?: string): void {
    this.#transport.closeAfterDelivery(code, reason)
    this.#scheduleBegin(false)
  }

  /** Destroys the socket at once; `close` follows with 1006. */
  terminate (): void {
    this.#transport.terminate()
  }

  /** Stops delivering messages and reading from the socket until `resume`; TCP holds the peer back. */
  pause (): void {
    this.#transport.inbox.pause()
  }

  resume (): void {
    this.#transport.inbox.resume()
  }

  /**
   * Wraps the connection in a stream; see docs for what it does with text and binary.
   *
   * @throws {UsageError} `FST_WS_INVALID_ARGUMENT` for a second one: each message is read by one stream
   */
  createStream (options: DuplexOptions = {}): Duplex {
    if (this.#is(Flag.HasStream)) throw new UsageError('FST_WS_INVALID_ARGUMENT', 'the connection has a stream already; one stream is both sides of it')
    this.#set(Flag.HasStream)
    const objectMode = this.#settings.codec === undefined ? {} : { objectMode: true }
    return createMessageStream(this, (message) => this.#own(message), { ...objectMode, ...options }, (reason) => this.onFault(reason))
  }

  /** Pulls messages one by one; the loop ends when the connection has closed. Leaving it early leaves the connection open. */
  [Symbol.asyncIterator] (): AsyncIterableIterator<unknown> {
    const extras = this.#allExtras
    // What is pulled is looked at later.
    const listener = (message: unknown): Promise<void> => iterator.deliver(this.#own(message))
    const iterator: MessageIterator = new MessageIterator(() => {
      this.off('message', listener)
      extras.iterators = extras.iterators?.filter((other) => other !== iterator)
    })
    extras.iterators = [...extras.iterators ?? [], iterator]
    this.on('message', listener)
    this.#finish()
    return iterator
  }

  /** What a log shows of it: a request has credentials in its headers, and loggers go into everything that they are given. */
  toJSON (): { id: string, protocol: string, readyState: number, remoteAddress: string | undefined } {
    const { id, protocol, readyState, remoteAddress } = this
    return { id, protocol, readyState, remoteAddress }
  }

  protected override onAttach (event: string | symbol): void {
    // These two tell nothing that has to be read first.
    if (event !== 'error' && event !== 'drain') this.#scheduleBegin(isMessageEvent(event))
    if (isMessageEvent(event)) this.#set(Flag.Heard)
    if (event !== 'close') return
    this.#waitsForEnd()
    if (this.#is(Flag.Gone)) process.nextTick(() => this.#finish())
  }

  /** While the handler runs, messages wait again when nobody listens for them: behind a `once` or a loop another may follow. */
  protected override onUnheard (): void {
    if (this.#is(Flag.Settled)) return
    this.#clear(Flag.BeginScheduled)
    this.#transport.inbox.withhold()
  }

  /** Everything that goes wrong comes here: listeners of `error` hear of it, `onError` decides. */
  protected override onFault (reason: unknown): void {
    const error = toError(reason)
    const { meter } = this.#settings
    if (meter !== undefined) meter.errors++
    if (channels.error.hasSubscribers && this.#isServer) channels.error.publish({ connection: this, error })
    if (error instanceof LimitError && channels.limit.hasSubscribers && this.#isServer) {
      channels.limit.publish({ limit: LIMIT_ERRORS[error.code].option, error, connection: this })
    }
    this.dispatch('error', [error], (second) => this.#settle(toError(second)))
    this.#settle(error)
  }

  #settle (error: Error): void {
    const onSecond = (second: unknown): void => {
      this.log.error({ err: second }, 'the error handler of a connection threw')
      this.terminate()
    }
    try {
      // An async function fits the type as well.
      const result: unknown = this.#settings.onError(error, this)
      if (isThenable(result)) result.then(undefined, onSecond)
    } catch (second) {
      onSecond(second)
    }
  }

  /**
   * Checks and serialises a message as `send` does, which all connections of the route do alike.
   *
   * @throws as `send`
   */
  encode (message: unknown): string | Buffer {
    const { codec } = this.#settings
    const data = codec === undefined ? message : codec.encode(message)
    if (typeof data === 'string') return data
    const bytes = toBytes(data)
    if (bytes === undefined) throw unsupportedData(data)
    return bytes
  }

  /** @returns false when there is no room for it */
  #queue (outbox: Outbox, data: string | Buffer, message: unknown, options: SendOptions | undefined): boolean {
    if (!outbox.hasRoomFor(data)) {
      this.#refuse(data, message)
      return false
    }
    if (typeof data === 'string') outbox.sendText(data, options?.compress)
    else outbox.sendBinary(data, options?.compress)
    const { meter } = this.#settings
    if (meter !== undefined) meter.messagesSent++
    return true
  }

  /** Looks, behind what was queued, whether the sender should stop for a while. @returns false if so */
  #keepPace (): boolean {
    const { outbox, inbox } = this.#transport
    if (!outbox.isOverHighWaterMark()) return true
    // Where the alternative is to close: what the peer asks for waits until it has read what it asked for before.
    if ((this.#settings.slowConsumer ?? 'close') === 'close' && inbox.isBusy && outbox.isHeldUp()) inbox.waitForPeer()
    return false
  }

  /** Looks whether the peer's backlog allows a ping or pong. */
  #hasRoomFor (data: Buffer): boolean {
    if (this.#transport.outbox.hasRoomFor(data)) return true
    this.#refuse(data)
    return false
  }

  /** What the peer's backlog does not allow: the policy decides. */
  #refuse (data: string | Buffer, message?: unknown): void {
    const extras = this.#allExtras
    extras.slowConsumer ??= new SlowConsumer<Connection>(this, this.#slowConsumerOwner(), this.#settings.meter)
    extras.slowConsumer.refuse(this.#settings.slowConsumer ?? 'close', data, message)
  }

  #slowConsumerOwner (): SlowConsumerOwner {
    const transport = this.#transport
    return {
      get bufferedAmount () { return transport.bufferedAmount },
      onSlow: (details: SlowDetails) => { this.dispatch('slow', [details]) },
      onTooSlow: () => transport.fail(new LimitError('FST_WS_SLOW_CONSUMER')),
      onFault: (reason) => this.onFault(reason)
    }
  }

  /** Copies a message that is lent, for whoever looks at it when its listeners have returned. */
  #own (message: unknown): unknown {
    return this.#settings.lendsPayloads === true && Buffer.isBuffer(message) ? Buffer.from(message) : message
  }

  get #carrier (): ConnectionTopics {
    const { topics } = this.#settings
    if (topics === undefined) throw new UsageError('FST_WS_INVALID_ARGUMENT', 'this connection has no topics: they are the server\'s')
    return topics
  }

  #onDrain (): void {
    this.#extras?.slowConsumer?.noteDrain()
    this.dispatch('drain', [])
  }

  #deliver (data: MessageData): Promise<unknown> | undefined {
    const { codec } = this.#settings
    const isBinary = typeof data !== 'string'
    if (channels.message.hasSubscribers && this.#isServer) channels.message.publish({ connection: this, data })
    const controlled = isBinary ? undefined : this.#settings.control?.take(this, data)
    if (controlled !== undefined) return controlled
    if (codec === undefined) return this.dispatchMessage(data, isBinary)
    let message: unknown
    try {
      message = codec.decode(data)
    } catch (reason) {
      return this.#onInvalid(toError(reason))
    }
    try {
      return this.dispatchMessage(message, isBinary)
    } catch (reason) {
      // A validator of the application may make any object of a message, with a `type` that throws when it is read.
      this.onFault(reason)
      return undefined
    }
  }

  #onSettled (): void {
    this.#set(Flag.Settled)
    // What is said to the server needs no listener.
    const wasHeard = this.#is(Flag.Heard) || this.#settings.control !== undefined
    if (!wasHeard) this.#transport.holdFor('nobody')
    this.#begin(wasHeard)
  }

  /** Somebody listens for the end: messages that nobody listens for must not keep it from being read. */
  #waitsForEnd (): void {
    if (this.#is(Flag.Started)) this.#transport.holdFor('end')
  }

  /** Nobody listens for messages, and perhaps nobody will: an invalid one is dealt with all the same. */
  #isWanted (data: MessageData): boolean {
    try {
      this.#settings.codec?.decode(data)
      return true
    } catch (reason) {
      this.#onInvalid(toError(reason))
      return false
    }
  }

  /** A listener of `invalid` takes over; without one it is a fault. An error without a close code is no judgement: the validator itself failed. */
  #onInvalid (error: Error): Promise<unknown> | undefined {
    const isJudgement = 'closeCode' in error
    if (isJudgement) this.#noteInvalid(error)
    if (isJudgement && this.listenerCount('invalid') > 0) return this.dispatch('invalid', [error])
    this.onFault(error)
    return undefined
  }

  /** Channels tell of a server's connections. A client's end has no request, and with `injectWS` it is in the same process. */
  get #isServer (): boolean {
    return this.#settings.role === 'server'
  }

  #noteInvalid (error: Error): void {
    const { meter } = this.#settings
    if (meter !== undefined) meter.invalid++
    if (channels.invalid.hasSubscribers && this.#isServer) channels.invalid.publish({ connection: this, error })
  }

  #onPong (data: Buffer): void {
    const extras = this.#extras
    if (extras?.ping?.data.equals(data) === true) {
      this.#latency = performance.now() - extras.ping.sentAt
      extras.ping = undefined
    }
    this.dispatch('pong', [data])
  }

  /** Begins at the end of this tick, so that listeners that are attached together hear the same. */
  #scheduleBegin (forMessages: boolean): void {
    if (!this.#is(Flag.Started) || this.#is(Flag.BeginScheduled)) return
    // Messages may be released once, reading begun once; after both there is nothing left to schedule.
    if (!forMessages && this.#is(Flag.Begun)) return
    if (forMessages) this.#set(Flag.BeginScheduled)
    // Most handlers have settled when they return, and then it begins at once.
    if (this.#is(Flag.InHandler)) this.#set(Flag.AskedInHandler)
    else this.#beginSoon(forMessages)
  }

  #beginSoon (forMessages: boolean): void {
    process.nextTick(() => this.#begin(forMessages))
  }

  #begin (forMessages: boolean): void {
    this.#set(Flag.Begun)
    this.#read()
    if (forMessages && (this.#is(Flag.Settled) || this.hasMessageListeners() || this.#extras?.requestHandlers !== undefined)) {
      this.#set(Flag.BeginScheduled)
      this.#transport.inbox.admit()
    }
    this.#finish()
    this.#limitEnd()
  }

  #read (): void {
    if (this.#is(Flag.Reading)) return
    this.#set(Flag.Reading)
    this.#stopTimer()
    const head = this.#extras?.head ?? NO_BYTES
    if (this.#extras !== undefined) this.#extras.head = undefined
    this.#transport.begin(head)
  }

  #onClosed (): void {
    this.#set(Flag.Gone)
    const { closure } = this.#transport
    this.#settings.meter?.noteClose(closure.code)
    if (channels.close.hasSubscribers && this.#isServer) channels.close.publish({ connection: this, ...closure })
    this.#extras?.aborter?.abort()
    this.#stopTimer()
    // Where messages wait for the handler it is to be waited for.
    if (!this.#is(Flag.Begun) && this.#transport.inbox.length === 0) this.#tellEnd()
    this.#finish()
    this.#limitEnd()
  }

  /** Messages that came before the end are delivered first, unless that takes too long. */
  #limitEnd (): void {
    if (!this.#mayEnd() || this.#is(Flag.CloseEmitted) || this.#timer !== undefined || this.#transport.inbox.length === 0) return
    const { closeTimeout } = this.#settings
    this.#timer = setTimeout(() => this.#onOverdue(), this.#transport.inbox.isReleased ? closeTimeout : Math.min(closeTimeout, UNHEARD_GRACE))
  }

  /**
   * Nothing comes behind `close`: messages whose turn has not come in time are dropped. But where nobody has listened yet,
   * or they are pulled, they wait for whoever asks.
   */
  #onOverdue (): void {
    const { inbox } = this.#transport
    if (!inbox.isReleased || this.#extras?.iterators?.length) {
      this.#emitClose()
      return
    }
    this.log.info({ dropped: inbox.length }, 'handlers were still busy long after the WebSocket connection had closed: messages are dropped')
    inbox.clear()
  }

  #mayEnd (): boolean {
    return this.#is(Flag.Gone) && this.#is(Flag.Begun)
  }

  /** Ends it, when the socket is gone and no message waits. */
  #finish (): void {
    if (!this.#mayEnd() || this.#transport.inbox.length > 0) return
    this.#emitClose()
    for (const iterator of this.#extras?.iterators ?? []) iterator.end()
  }

  #emitClose (): void {
    this.#stopTimer()
    if (this.#is(Flag.CloseEmitted) || (!this.#is(Flag.HasHandler) && this.listenerCount('close') === 0)) return
    this.#set(Flag.CloseEmitted)
    this.#tellEnd()
    const { code, reason, wasClean, initiator } = this.#transport.closure
    this.dispatch('close', [code, reason, { wasClean, initiator }])
  }

  #tellEnd (): void {
    if (this.#is(Flag.EndTold)) return
    this.#set(Flag.EndTold)
    this.#settings.onEnd?.(this)
  }

  #stopTimer (): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  get #allExtras (): Extras {
    return (this.#extras ??= new Extras())
  }

  #is (flag: Flag): boolean {
    return (this.#flags & flag) !== 0
  }

  #set (flag: number): void {
    this.#flags |= flag
  }

  #clear (flag: Flag): void {
    this.#flags &= ~flag
  }
}
