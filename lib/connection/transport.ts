// Bytes of a socket to messages in order, and back. The only place that touches the socket, its flow and its timers;
// knows nothing of listeners, schemas or HTTP.
import type { Duplex } from 'node:stream'
import { CloseCode } from '../protocol/close-code.ts'
import type { MessageData } from '../protocol/message-assembler.ts'
import { Opcode } from '../protocol/opcode.ts'
import { Protocol } from '../protocol/protocol.ts'
import type { Closure, FailureCause, ProtocolSink } from '../protocol/protocol.ts'
import { FASTEST } from '../protocol/scanners.ts'
import type { State } from '../protocol/state.ts'
import { ProtocolError } from '../protocol/errors.ts'
import { DeflatingOutbox } from './deflate/deflating-outbox.ts'
import type { DeflatingOutboxOwner } from './deflate/deflating-outbox.ts'
import { History, sendHistorySize } from './deflate/history.ts'
import { Inflater } from './deflate/inflater.ts'
import type { InflaterOwner } from './deflate/inflater.ts'
import type { DeflateSettings } from './deflate/settings.ts'
import { Heartbeat } from './heartbeat.ts'
import type { HeartbeatOwner } from './heartbeat.ts'
import { Deadline } from './deadline.ts'
import { HeldInbox } from './held-inbox.ts'
import type { HeldFor, HeldInboxOwner } from './held-inbox.ts'
import { Lifetime } from './lifetime.ts'
import { LimitError } from './limit-error.ts'
import { Outbox } from './outbox.ts'
import { RateLimiter } from './rate-limiter.ts'
import type { RateLimiterOwner } from './rate-limiter.ts'
import { rest } from './rest.ts'
import type { Sleeper } from './rest.ts'
import { readSocket, useSocket } from './socket-listeners.ts'
import type { SocketUser } from './socket-listeners.ts'
import type { TransportEvents, TransportSettings } from './transport-settings.ts'
import { readWriteProgress } from './write-progress.ts'

export type { TransportEvents, TransportSettings } from './transport-settings.ts'

/** How long, in ms, an end by the peer waits for handlers that still deal with what came before it. */
const END_GRACE = 1_000

/** What has become of a connection, and what is going on; a transport has one field for all of it. */
const Flag = {
  /** Bytes may be read. */
  Begun: 1,
  /** What is read is parsed. */
  Flowing: 2,
  /** The socket does not read. */
  SocketPaused: 4,
  /** The peer has ended its side, but bytes before that wait to be read. */
  Ended: 8,
  /** Messages are thrown away: this side has closed. */
  Discards: 16,
  /** The heartbeat awaits a sign of life: reading goes on past a full queue, until anything comes. */
  Probing: 32,
  /** The end has been put off for a second time. */
  EndPutOffAgain: 64,
  /** `rest` will ask. */
  Awake: 128,
  /** Something has come since it asked last. */
  Busy: 256,
  /** The application awaits a pong: reading goes on past a full queue, up to `maxPayload` bytes. */
  AwaitsPong: 512,
  /** There is a rate limit. */
  Limited: 1024,
  /** What the inbox is told of what held messages wait for, should they be held again. */
  HeldForEnd: 2048,
  /** A message is inflated on another thread: what is behind it waits. */
  Inflating: 4096,
  /** The socket has closed meanwhile. */
  ClosedMeanwhile: 8192,
  /** The socket is to be ended when all messages have been made frames. */
  EndsLater: 16384
} as const

type Flag = (typeof Flag)[keyof typeof Flag]

/** With one of these a message is not simply handed on. */
const SPECIAL = Flag.Discards | Flag.AwaitsPong | Flag.Limited

/** What most connections do not have, for most of their life. */
class Extras {
  rateLimiter: RateLimiter | undefined
  lifetime: Lifetime | undefined
  /** Data of the pong that the application awaits. */
  awaitedPong: Buffer | undefined
  closeDeadline: Deadline | undefined
  endTimer: NodeJS.Timeout | undefined
  inflater: Inflater | undefined
  /** What this end has sent, where it keeps its context. */
  sendHistory: History | undefined
}

/**
 * At rest an open connection has no Protocol, no inbox and no outbox: new ones are made when bytes come or go. So what
 * thousands of silent connections hold here is this object and the heartbeat.
 */
export class Transport<T> implements ProtocolSink, HeldInboxOwner, DeflatingOutboxOwner, InflaterOwner, HeartbeatOwner, RateLimiterOwner, SocketUser, Sleeper {
  readonly #target: T
  readonly #events: TransportEvents<T>
  readonly #socket: Duplex
  readonly #settings: TransportSettings
  /** Undefined at rest, which only an open connection is. */
  #protocol: Protocol | undefined
  /** Undefined at rest: messages are delivered as they come, and none waits. */
  #inbox: HeldInbox | undefined
  /** Undefined at rest: nothing waits to be written. */
  #outbox: Outbox | undefined
  #heartbeat: Heartbeat | undefined
  /** Sum of what is true of `Flag`. */
  #flags = 0
  #extras: Extras | undefined

  /** Takes over the socket. Nothing is read before `begin`, and no message delivered before `inbox.admit`. */
  constructor (target: T, events: TransportEvents<T>, socket: Duplex, settings: TransportSettings) {
    this.#target = target
    this.#events = events
    this.#socket = socket
    this.#settings = settings
    this.#inbox = new HeldInbox(this, settings)
    this.#stayAwake()
    if (settings.rateLimit !== undefined) {
      this.#allExtras.rateLimiter = new RateLimiter(this, settings.rateLimit)
      this.#set(Flag.Limited)
    }
    useSocket(socket, this)
  }

  get state (): State {
    return this.#protocol === undefined ? 'open' : this.#protocol.state
  }

  /** True as long as messages may go out: until this side has sent its Close frame, also while the answer to the peer's waits. */
  get maySend (): boolean {
    const { state } = this
    return state === 'open' || state === 'closeReceived'
  }

  get closure (): Closure {
    return this.#core.closure
  }

  get inbox (): HeldInbox {
    return this.#inbox ?? this.#makeInbox()
  }

  get outbox (): Outbox {
    return this.#outbox ?? this.#makeOutbox()
  }

  /** Bytes that were sent and wait in this process. */
  get bufferedAmount (): number {
    return this.#outbox === undefined ? this.#socket.writableLength : this.#outbox.bufferedAmount
  }

  /** Says what messages wait for that are held, or will be. */
  holdFor (what: HeldFor): void {
    // For nobody they wait only once: when the handler has settled nothing is withheld any more.
    if (what === 'end') this.#set(Flag.HeldForEnd)
    this.inbox.holdFor(what)
  }

  /** Starts to watch the peer: heartbeat and longest life, until the end begins. */
  startWatch (): void {
    if (this.state !== 'open') return
    const { heartbeat, maxLifetime } = this.#settings
    if (heartbeat !== undefined) {
      this.#heartbeat = new Heartbeat(this, heartbeat)
      this.#heartbeat.start()
    }
    if (maxLifetime !== undefined) this.#allExtras.lifetime = new Lifetime(maxLifetime, () => this.#onLifetimeOver())
  }

  /** Starts reading; `head` are bytes that came before. */
  begin (head: Buffer): void {
    if (this.#is(Flag.Begun)) return
    this.#set(Flag.Begun)
    this.#set(Flag.Flowing)
    const socket = this.#socket
    const { scanners = FASTEST, sharesReads = true } = this.#settings
    const isShared = readSocket(socket, sharesReads ? scanners.wasm?.input : undefined)
    this.#updateFlow()
    if (head.length > 0) this.onSocketData(head)
    // What Node has read before.
    for (let chunk: unknown = isShared ? socket.read() : null; Buffer.isBuffer(chunk); chunk = socket.read()) this.onSocketData(chunk)
    // The HTTP server may have read to the end already; then there is no 'end' to come.
    if (socket.readableEnded) this.onSocketEnd()
    else if (!this.#is(Flag.Flowing)) this.#pauseSocket()
    // Where its bytes do not go through the stream, the last `read` has set it going, and its end comes by itself.
    else if (!isShared || socket.isPaused()) socket.resume()
  }

  /**
   * Sends a ping; until its pong a full queue does not stop the reading, so that it can come. Of several pings the last
   * one counts: it is the one that a peer must answer (RFC 6455 §5.5.3).
   *
   * @param data - kept
   */
  ping (data: Buffer): void {
    this.outbox.sendBytes(Opcode.Ping, data)
    this.#allExtras.awaitedPong = data
    this.#set(Flag.AwaitsPong)
    this.#updateFlow()
  }

  /** Starts the closing handshake. Messages that have not been delivered are thrown away. @throws {UsageError} */
  close (code?: number, reason?: string): void {
    this.#core.close(code, reason)
    if (this.state === 'closeSent') this.#discard()
  }

  /** Starts the closing handshake, and delivers what the peer has sent before it heard of it. @throws {UsageError} */
  closeAfterDelivery (code?: number, reason?: string): void {
    this.#core.close(code, reason)
  }

  /** Drops the socket at once, without a closing handshake. */
  terminate (): void {
    this.#core.abort()
    this.#stopWatch()
    this.#discard()
    this.#socket.destroy()
  }

  /** Fails the connection at once, for a limit that the peer went beyond (RFC 6455 §7.1.7). Messages that came before are delivered. */
  fail (error: LimitError): void {
    if (this.state !== 'open') return
    this.#core.fail(error.closeCode, error.message)
    this.onError(error)
  }

  onMessage (_opcode: number, data: MessageData): void {
    const { meter } = this.#settings
    if (meter !== undefined) meter.messagesReceived++
    if ((this.#flags & SPECIAL) === 0) {
      this.inbox.take(data)
      return
    }
    if (this.#is(Flag.Discards) || !this.#takeMessage()) return
    this.inbox.take(data)
    if (this.#is(Flag.AwaitsPong)) this.#updateFlow()
  }

  onCompressed (opcode: number, bytes: Buffer, owned: boolean): void {
    const { deflate, maxPayload } = this.#settings
    // Without it no message is taken for a compressed one.
    if (this.#is(Flag.Discards) || deflate === undefined) return
    const extras = this.#allExtras
    extras.inflater ??= new Inflater(this, deflate, maxPayload)
    extras.inflater.take(opcode, bytes, owned)
  }

  onInflated (opcode: number, bytes: Buffer, owned: boolean): void {
    this.#core.receiveInflated(opcode, bytes, owned)
  }

  onInflateError (error: unknown): void {
    if (error instanceof ProtocolError) {
      this.#core.failBy(error)
      return
    }
    // No later message could be inflated, as what this one said is not known.
    this.#core.fail(CloseCode.InternalError, 'the message could not be inflated')
    this.#endSocket()
    this.#events.onError(this.#target, error)
  }

  onInflating (): void {
    this.#set(Flag.Inflating)
    this.#updateFlow()
  }

  onInflatingEnd (): void {
    this.#clear(Flag.Inflating)
    if (this.#is(Flag.ClosedMeanwhile)) this.#onClosed()
    else this.#updateFlow()
  }

  onNoneHeld (): void {
    if (this.#is(Flag.EndsLater)) this.#endSocket()
  }

  onPing (data: Buffer): void {
    if (!this.#takeMessage()) return
    this.#events.onPing(this.#target, data)
  }

  onPong (data: Buffer): void {
    // An answer to the heartbeat is for nobody else.
    if (this.#heartbeat?.takePong(data) === true || !this.#takeMessage()) return
    const extras = this.#extras
    if (extras?.awaitedPong?.equals(data) === true) {
      extras.awaitedPong = undefined
      this.#clear(Flag.AwaitsPong)
      this.#updateFlow()
    }
    this.#events.onPong(this.#target, data)
  }

  onReply (opcode: typeof Opcode.Pong | typeof Opcode.Close, payload: Buffer): void {
    if (opcode === Opcode.Pong) {
      this.outbox.sendPong(payload)
      return
    }
    this.outbox.sendClose(payload)
    this.#stopWatch()
    this.#startCloseDeadline()
  }

  onClose (): void {
    // A client waits for the server to end the TCP connection (RFC 6455 §7.1.1); a server ends it now.
    if (this.#settings.role === 'server') this.#endSocket()
    else this.#startCloseDeadline()
    this.#updateFlow()
  }

  onHoldChanged (): void {
    this.#updateFlow()
  }

  onDrain (): void {
    this.#events.onDrain(this.#target)
  }

  onRoom (): void {
    this.#stayAwake()
    this.inbox.goOn()
  }

  onPausing (): void {
    this.#updateFlow()
  }

  onLimit (error: LimitError): void {
    this.#core.failBy(error)
  }

  isWanted (data: MessageData): boolean {
    return this.#events.isWanted(this.#target, data)
  }

  deliver (data: MessageData): Promise<unknown> | undefined {
    return this.#events.deliver(this.#target, data)
  }

  onRejected (reason: unknown): void {
    this.#events.onError(this.#target, reason)
  }

  onFull (): void {
    this.#updateFlow()
  }

  onSpace (): void {
    this.#updateFlow()
  }

  onEmpty (): void {
    this.#events.onEmpty(this.#target)
    if (this.inbox.isIdle) this.onIdle()
  }

  onIdle (): void {
    this.#stayAwake()
    if (this.#extras !== undefined) clearTimeout(this.#extras.endTimer)
    if (this.#protocol?.isEnding === true) this.#endNow()
  }

  /** Lets handlers of messages that came before answer them, before the connection ends; they have `END_GRACE` for it. */
  putsOffEnd (): boolean {
    this.inbox.end()
    // Without a handler that could answer there is nothing to wait for: a client that nobody listens to.
    if (this.inbox.isIdle || (!this.inbox.isReleased && this.#settings.role === 'client')) return false
    this.#allExtras.endTimer = setTimeout(() => this.#onEndOverdue(), Math.min(END_GRACE, this.#settings.closeTimeout))
    return true
  }

  onError (error: FailureCause): void {
    this.#endSocket()
    this.#updateFlow()
    this.#events.onError(this.#target, error)
  }

  get waitsForPeer (): boolean {
    return this.inbox.waitsForPeer
  }

  get isReading (): boolean {
    return this.#is(Flag.Flowing)
  }

  get writeProgress (): number {
    return readWriteProgress(this.#socket)
  }

  sendPing (number: number, onWritten: () => void): void {
    const data = Buffer.allocUnsafe(4)
    data.writeUInt32BE(number)
    const { outbox } = this
    outbox.sendBytes(Opcode.Ping, data)
    outbox.onTaken((error) => { if (error == null) onWritten() })
    this.#set(Flag.Probing)
    this.#updateFlow()
  }

  onLatency (latency: number): void {
    this.#settings.meter?.noteLatency(latency)
    this.#events.onLatency(this.#target, latency)
  }

  /** What the peer sent before is delivered. */
  onDead (): void {
    if (this.state !== 'open') return
    this.#core.abort()
    this.#stopWatch()
    this.#socket.destroy()
    this.#events.onError(this.#target, new LimitError('FST_WS_HEARTBEAT_TIMEOUT'))
  }

  onSocketData (chunk: Buffer): void {
    this.#receive(chunk.length, chunk)
  }

  onSocketInput (length: number): void {
    this.#receive(length, undefined)
  }

  /**
   * The peer has ended its side. Bytes that wait in the parser come first, and answers to messages before its Close frame; and
   * while this side does not read, as if it had not seen it.
   */
  onSocketEnd (): void {
    this.#set(Flag.Ended)
    if (!this.#is(Flag.Flowing) || this.#core.hasUnread || this.#core.isEnding) return
    this.#core.receiveEof()
    this.#endSocket()
  }

  onSocketError (error: Error): void {
    const { state } = this
    // Once the peer has said goodbye, or the bytes have ended, a reset tells nothing new.
    if (state !== 'open' && state !== 'closeSent') return
    this.#core.receiveEof()
    this.#stopWatch()
    this.#events.onError(this.#target, error)
  }

  onSocketClose (): void {
    this.#extras?.closeDeadline?.stop()
    clearTimeout(this.#extras?.endTimer)
    if (this.state !== 'closed') this.#core.receiveEof()
    this.#stopWatch()
    this.#outbox?.end()
    // What came before is delivered first.
    if (this.#is(Flag.Inflating)) this.#set(Flag.ClosedMeanwhile)
    else this.#onClosed()
  }

  #onClosed (): void {
    this.inbox.goOn()
    this.inbox.end()
    this.#events.onClosed(this.#target)
  }

  rest (): boolean {
    if (this.#is(Flag.Busy)) {
      this.#clear(Flag.Busy)
      return false
    }
    this.#clear(Flag.Awake)
    if (this.#is(Flag.Flowing) && this.#protocol?.isAsNew() === true) this.#protocol = undefined
    if (this.#inbox?.isAtRest === true) this.#inbox = undefined
    if (this.#extras?.inflater?.isAsNew === true) this.#extras.inflater = undefined
    // Of a socket that is gone it has to tell those who wait.
    if (this.#outbox?.bufferedAmount === 0 && !this.#outbox.isHolding && !this.#socket.destroyed) this.#outbox = undefined
    return true
  }

  /** Takes note that there was something to do: what is not in use any more may go, a little later. */
  #stayAwake (): void {
    this.#set(Flag.Busy)
    if (this.#is(Flag.Awake)) return
    this.#set(Flag.Awake)
    rest.add(this)
  }

  /** The protocol, made if there is none. */
  get #core (): Protocol {
    if (this.#protocol !== undefined) return this.#protocol
    this.#stayAwake()
    const protocol = new Protocol(this, this.#settings)
    if (this.#is(Flag.Begun) && !this.#is(Flag.Flowing)) protocol.pause()
    this.#protocol = protocol
    return protocol
  }

  /** Whoever asks for the inbox may be in the midst of anything: nothing is called back here. */
  #makeInbox (): HeldInbox {
    this.#stayAwake()
    const inbox = new HeldInbox(this, this.#settings, this.#is(Flag.HeldForEnd) ? 'end' : 'handler')
    inbox.admit()
    this.#inbox = inbox
    return inbox
  }

  #makeOutbox (): Outbox {
    this.#stayAwake()
    const { deflate } = this.#settings
    this.#outbox = deflate === undefined
      ? new Outbox(this.#socket, this.#settings, this)
      : new DeflatingOutbox(this.#socket, this.#settings, this, deflate, this.#sendHistory(deflate))
    return this.#outbox
  }

  #sendHistory ({ sendsContext, sendBits }: DeflateSettings): History | undefined {
    return sendsContext ? (this.#allExtras.sendHistory ??= new History(sendHistorySize(sendBits))) : undefined
  }

  get #allExtras (): Extras {
    return (this.#extras ??= new Extras())
  }

  #is (flag: Flag): boolean {
    return (this.#flags & flag) !== 0
  }

  #set (flag: Flag): void {
    this.#flags |= flag
  }

  #clear (flag: Flag): void {
    this.#flags &= ~flag
  }

  /** To be called as soon as the end has begun: from then on `closeTimeout` bounds it. */
  #stopWatch (): void {
    this.#heartbeat?.stop()
    this.#extras?.rateLimiter?.stop()
    this.#extras?.lifetime?.stop()
  }

  #onLifetimeOver (): void {
    this.closeAfterDelivery(CloseCode.GoingAway, 'the connection has reached its maxLifetime')
  }

  /** Takes note of a message, ping or pong. @returns false when it is one too many, and the connection ends */
  #takeMessage (): boolean {
    return this.#extras?.rateLimiter === undefined || this.#extras.rateLimiter.takeMessage()
  }

  /** Takes note of bytes. @returns as `takeMessage` */
  #takeBytes (count: number): boolean {
    return this.#extras?.rateLimiter === undefined || this.#extras.rateLimiter.takeBytes(count)
  }

  /** @param chunk - absent where they are in the memory of the scanner */
  #receive (length: number, chunk: Buffer | undefined): void {
    const { meter } = this.#settings
    if (meter !== undefined) meter.bytesReceived += length
    if (!this.#is(Flag.Busy)) this.#stayAwake()
    this.#clear(Flag.Probing)
    this.#heartbeat?.noteBytes()
    const { outbox } = this
    const wasFlowing = this.#is(Flag.Flowing)
    this.#extras?.inflater?.startRead()
    outbox.cork()
    try {
      if (this.#takeBytes(length)) {
        if (chunk === undefined) this.#core.receiveInput(length)
        else this.#core.receiveData(chunk)
      }
    } finally {
      outbox.uncork()
    }
    // A probe has read past a full queue: one chunk is sign enough.
    if (this.inbox.isFull) this.#updateFlow()
    // While messages are only parsed a little later the socket reads on; a second chunk is one that TCP has to hold back.
    if (!wasFlowing && !this.#is(Flag.Flowing)) this.#pauseSocket()
  }

  /** Messages that are held, for a listener or for a peer that reads slowly, are no handler's fault: they have all of `closeTimeout`. */
  #onEndOverdue (): void {
    const isHeld = this.inbox.waitsForPeer || !this.inbox.isReleased
    if (!isHeld || this.#is(Flag.EndPutOffAgain)) {
      this.#endNow()
      return
    }
    this.#set(Flag.EndPutOffAgain)
    this.#allExtras.endTimer = setTimeout(() => this.#endNow(), Math.max(0, this.#settings.closeTimeout - END_GRACE))
  }

  #endNow (): void {
    this.#core.end()
    if (this.#is(Flag.Ended) && this.state !== 'closed') this.onSocketEnd()
  }

  /** Hands on no more messages. What the peer still sends is read to find its Close frame. */
  #discard (): void {
    this.#set(Flag.Discards)
    this.inbox.clear()
    this.#updateFlow()
  }

  /** Writes what waits and ends this side; the peer's end is awaited until `closeTimeout`. */
  #endSocket (): void {
    this.#stopWatch()
    if (this.#outbox?.isHolding === true) {
      this.#set(Flag.EndsLater)
      this.#startCloseDeadline()
      return
    }
    this.#outbox?.flush()
    // A second end is an error with a stack, which costs more than all the rest of a close.
    if (!this.#socket.writableEnded) this.#socket.end()
    this.#startCloseDeadline()
  }

  #startCloseDeadline (): void {
    if (this.#socket.destroyed) return
    this.#allExtras.closeDeadline ??= new Deadline(this.#settings.closeTimeout, () => this.#socket.destroy())
  }

  /**
   * Starts or stops the parser, as everything that has a say in it wants. The socket reads on: mostly the parser goes on before
   * another chunk has come, and two calls of the system are spared.
   */
  #updateFlow (): void {
    if (!this.#is(Flag.Begun)) return
    const flowing = this.#mayRead()
    if (flowing === this.#is(Flag.Flowing)) return
    if (flowing) {
      this.#set(Flag.Flowing)
      this.#readOn()
      return
    }
    this.#clear(Flag.Flowing)
    this.#protocol?.pause()
  }

  #mayRead (): boolean {
    const { state } = this
    if (this.#is(Flag.Discards) || (state !== 'open' && state !== 'closeSent')) return true
    if (this.#is(Flag.Inflating)) return false
    const isPausing = this.#extras?.rateLimiter?.isPausing === true
    return this.inbox.mayTakeMore((this.#flags & (Flag.AwaitsPong | Flag.Probing)) !== 0) && !isPausing
  }

  #readOn (): void {
    // While this side did not read nothing could come: the peer's time begins anew.
    this.#heartbeat?.noteBytes()
    this.#extras?.inflater?.startRead()
    this.#protocol?.resume()
    if (!this.#is(Flag.Flowing)) return
    if (this.#is(Flag.SocketPaused)) {
      this.#clear(Flag.SocketPaused)
      this.#socket.resume()
    }
    if (this.#is(Flag.Ended) && this.state !== 'closed') this.onSocketEnd()
  }

  #pauseSocket (): void {
    this.#set(Flag.SocketPaused)
    this.#socket.pause()
  }
}
