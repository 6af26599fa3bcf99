// Bytes of a socket to messages in order, and back. The only place that touches the socket, its flow and its timers;
// knows nothing of listeners, schemas or HTTP.
import type { Duplex } from 'node:stream'
import { CloseCode } from '../protocol/close-code.ts'
import type { MessageData } from '../protocol/message-assembler.ts'
import { Opcode } from '../protocol/opcode.ts'
import { Protocol } from '../protocol/protocol.ts'
import type { Closure, FailureCause, ProtocolSink } from '../protocol/protocol.ts'
import type { Role } from '../protocol/role.ts'
import type { State } from '../protocol/state.ts'
import { HeldInbox } from './held-inbox.ts'
import type { HeldInboxOwner } from './held-inbox.ts'
import { LimitError } from './limit-error.ts'
import type { Meter } from './meter.ts'
import { Outbox } from './outbox.ts'
import type { OutboxOwner } from './outbox.ts'
import { Watch } from './watch.ts'
import type { WatchOwner, WatchSettings } from './watch.ts'

/** Sizes in bytes, times in milliseconds. */
export interface TransportSettings extends WatchSettings {
  readonly role: Role
  readonly maxPayload: number
  /** How long the peer may take to answer a Close frame and to end the connection; then the socket is destroyed. */
  readonly closeTimeout: number
  readonly highWaterMark: number
  readonly concurrency: number
  readonly maxQueuedMessages: number
  /** Bytes that may wait for the peer. Absent: no limit. */
  readonly maxBufferedAmount?: number
  /** Counts what comes and goes. */
  readonly meter?: Meter
}

/** What a transport tells; one object serves all connections, `target` says which one it is. Nothing here may throw. */
export interface TransportEvents<T> {
  /** One message, in order. A promise tells when the application has done with it. */
  deliver (target: T, data: MessageData): Promise<unknown> | undefined
  /** Looks at a message that nobody may ever listen for; false when it is invalid, and was dealt with as such. */
  isWanted (target: T, data: MessageData): boolean
  onPing (target: T, data: Buffer): void
  onPong (target: T, data: Buffer): void
  onDrain (target: T): void
  /** A ping of the heartbeat was answered after so many ms. */
  onLatency (target: T, latency: number): void
  /** The peer broke a rule or went beyond a limit, the socket failed, or a promise of `deliver` was rejected. */
  onError (target: T, error: unknown): void
  /** The socket is gone. Messages that came before may still wait. */
  onClosed (target: T): void
  /** No message waits any more. */
  onEmpty (target: T): void
}

/** How long, in ms, an end by the peer waits for handlers that still deal with what came before it. */
const END_GRACE = 1_000

export class Transport<T> implements ProtocolSink, HeldInboxOwner, OutboxOwner, WatchOwner {
  readonly outbox: Outbox
  readonly inbox: HeldInbox
  readonly #target: T
  readonly #events: TransportEvents<T>
  readonly #socket: Duplex
  readonly #settings: TransportSettings
  readonly #protocol: Protocol
  #begun = false
  #flowing = false
  /** Messages are thrown away: this side has closed. */
  #discards = false
  /** The peer has ended its side, but bytes before that wait to be read. */
  #ended = false
  /** Data of the pong that the application awaits: reading goes on past a full queue, up to `maxPayload` bytes. */
  #awaitedPong: Buffer | undefined
  /** The heartbeat awaits a sign of life: the same, until anything comes. */
  #isProbing = false
  readonly #watch: Watch
  #closeTimer: NodeJS.Timeout | undefined
  #endTimer: NodeJS.Timeout | undefined
  /** The end has been put off for a second time. */
  #endPutOffAgain = false

  /** Takes over the socket. Nothing is read before `begin`, and no message delivered before `inbox.admit`. */
  constructor (target: T, events: TransportEvents<T>, socket: Duplex, settings: TransportSettings) {
    this.#target = target
    this.#events = events
    this.#socket = socket
    this.#settings = settings
    this.#protocol = new Protocol(this, settings)
    this.inbox = new HeldInbox(this, settings)
    this.outbox = new Outbox(socket, settings, this)
    this.#watch = new Watch(this, socket, this.outbox, settings)
    socket.on('error', (error) => this.#onSocketError(error))
    // A socket that has closed already tells nobody any more.
    if (socket.closed) process.nextTick(() => this.#onSocketClose())
    else socket.on('close', () => this.#onSocketClose())
  }

  get state (): State {
    return this.#protocol.state
  }

  /** True as long as messages may go out: until this side has sent its Close frame, also while the answer to the peer's waits. */
  get maySend (): boolean {
    return this.#protocol.state === 'open' || this.#protocol.state === 'closeReceived'
  }

  get closure (): Closure {
    return this.#protocol.closure
  }

  /** Starts to watch the peer. */
  startWatch (): void {
    if (this.#protocol.state === 'open') this.#watch.start()
  }

  /** Starts reading; `head` are bytes that came before. */
  begin (head: Buffer): void {
    if (this.#begun) return
    this.#begun = true
    this.#flowing = true
    const socket = this.#socket
    socket.on('data', (chunk: Buffer) => this.#onData(chunk))
    socket.on('end', () => this.#onEnd())
    this.#updateFlow()
    if (head.length > 0) this.#onData(head)
    // The HTTP server may have read to the end already; then there is no 'end' to come.
    if (socket.readableEnded) this.#onEnd()
    else if (this.#flowing) socket.resume()
  }

  /**
   * Sends a ping; until its pong a full queue does not stop the reading, so that it can come. Of several pings the last
   * one counts: it is the one that a peer must answer (RFC 6455 §5.5.3).
   *
   * @param data - kept
   */
  ping (data: Buffer): void {
    this.outbox.sendBytes(Opcode.Ping, data)
    this.#awaitedPong = data
    this.#updateFlow()
  }

  /** Starts the closing handshake. Messages that have not been delivered are thrown away. @throws {UsageError} */
  close (code?: number, reason?: string): void {
    this.#protocol.close(code, reason)
    if (this.#protocol.state === 'closeSent') this.#discard()
  }

  /** Starts the closing handshake, and delivers what the peer has sent before it heard of it. @throws {UsageError} */
  closeAfterDelivery (code?: number, reason?: string): void {
    this.#protocol.close(code, reason)
  }

  /** Drops the socket at once, without a closing handshake. */
  terminate (): void {
    this.#protocol.abort()
    this.#watch.stop()
    this.#discard()
    this.#socket.destroy()
  }

  /** Fails the connection at once, for a limit that the peer went beyond (RFC 6455 §7.1.7). Messages that came before are delivered. */
  fail (error: LimitError): void {
    if (this.#protocol.state !== 'open') return
    this.#protocol.fail(error.closeCode, error.message)
    this.onError(error)
  }

  onMessage (_opcode: number, data: MessageData): void {
    const { meter } = this.#settings
    if (meter !== undefined) meter.messagesReceived++
    if (this.#discards || !this.#watch.takeMessage()) return
    this.inbox.take(data)
    if (this.#awaitedPong !== undefined) this.#updateFlow()
  }

  onPing (data: Buffer): void {
    if (!this.#watch.takeMessage()) return
    this.#events.onPing(this.#target, data)
  }

  onPong (data: Buffer): void {
    if (this.#watch.takePong(data)) return
    if (!this.#watch.takeMessage()) return
    if (this.#awaitedPong?.equals(data) === true) {
      this.#awaitedPong = undefined
      this.#updateFlow()
    }
    this.#events.onPong(this.#target, data)
  }

  onReply (opcode: typeof Opcode.Pong | typeof Opcode.Close, payload: Buffer): void {
    if (opcode === Opcode.Pong) {
      this.outbox.sendPong(payload)
      return
    }
    this.outbox.sendBytes(Opcode.Close, payload)
    this.#watch.stop()
    this.#startCloseTimer()
  }

  onClose (): void {
    // A client waits for the server to end the TCP connection (RFC 6455 §7.1.1); a server ends it now.
    if (this.#settings.role === 'server') this.#endSocket()
    else this.#startCloseTimer()
    this.#updateFlow()
  }

  onHoldChanged (): void {
    this.#updateFlow()
  }

  onDrain (): void {
    this.#events.onDrain(this.#target)
  }

  onRoom (): void {
    this.inbox.goOn()
  }

  onPinged (): void {
    this.#isProbing = true
    this.#updateFlow()
  }

  onPausing (): void {
    this.#updateFlow()
  }

  onLifetimeOver (): void {
    this.closeAfterDelivery(CloseCode.GoingAway, 'the connection has reached its maxLifetime')
  }

  onLimit (error: LimitError): void {
    this.#protocol.failBy(error)
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
    clearTimeout(this.#endTimer)
    if (this.#protocol.isEnding) this.#endNow()
  }

  /** Lets handlers of messages that came before answer them, before the connection ends; they have `END_GRACE` for it. */
  putsOffEnd (): boolean {
    this.inbox.end()
    // Without a handler that could answer there is nothing to wait for: a client that nobody listens to.
    if (this.inbox.isIdle || (!this.inbox.isReleased && this.#settings.role === 'client')) return false
    this.#endTimer = setTimeout(() => this.#onEndOverdue(), Math.min(END_GRACE, this.#settings.closeTimeout))
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
    return this.#flowing
  }

  onLatency (latency: number): void {
    this.#settings.meter?.noteLatency(latency)
    this.#events.onLatency(this.#target, latency)
  }

  /** What the peer sent before is delivered. */
  onDead (): void {
    if (this.#protocol.state !== 'open') return
    this.#protocol.abort()
    this.#watch.stop()
    this.#socket.destroy()
    this.#events.onError(this.#target, new LimitError('FST_WS_HEARTBEAT_TIMEOUT'))
  }

  #onData (chunk: Buffer): void {
    const { meter } = this.#settings
    if (meter !== undefined) meter.bytesReceived += chunk.length
    this.#isProbing = false
    this.outbox.cork()
    try {
      if (this.#watch.takeBytes(chunk.length)) this.#protocol.receiveData(chunk)
    } finally {
      this.outbox.uncork()
    }
    // A probe has read past a full queue: one chunk is sign enough.
    if (this.inbox.isFull) this.#updateFlow()
  }

  /** The peer has ended its side. Bytes that wait in the parser come first, and answers to messages before its Close frame. */
  #onEnd (): void {
    this.#ended = true
    if (this.#protocol.hasUnread || this.#protocol.isEnding) return
    this.#protocol.receiveEof()
    this.#endSocket()
  }

  /** Messages that are held, for a listener or for a peer that reads slowly, are no handler's fault: they have all of `closeTimeout`. */
  #onEndOverdue (): void {
    const isHeld = this.inbox.waitsForPeer || !this.inbox.isReleased
    if (!isHeld || this.#endPutOffAgain) {
      this.#endNow()
      return
    }
    this.#endPutOffAgain = true
    this.#endTimer = setTimeout(() => this.#endNow(), Math.max(0, this.#settings.closeTimeout - END_GRACE))
  }

  #endNow (): void {
    this.#protocol.end()
    if (this.#ended && this.#protocol.state !== 'closed') this.#onEnd()
  }

  #onSocketError (error: Error): void {
    const { state } = this.#protocol
    // Once the peer has said goodbye, or the bytes have ended, a reset tells nothing new.
    if (state !== 'open' && state !== 'closeSent') return
    this.#protocol.receiveEof()
    this.#watch.stop()
    this.#events.onError(this.#target, error)
  }

  #onSocketClose (): void {
    clearTimeout(this.#closeTimer)
    clearTimeout(this.#endTimer)
    if (this.#protocol.state !== 'closed') this.#protocol.receiveEof()
    this.#watch.stop()
    this.outbox.end()
    this.inbox.goOn()
    this.inbox.end()
    this.#events.onClosed(this.#target)
  }

  /** Hands on no more messages. What the peer still sends is read to find its Close frame. */
  #discard (): void {
    this.#discards = true
    this.inbox.clear()
    this.#updateFlow()
  }

  /** Writes what waits and ends this side; the peer's end is awaited until `closeTimeout`. */
  #endSocket (): void {
    this.#watch.stop()
    this.outbox.flush()
    this.#socket.end()
    this.#startCloseTimer()
  }

  #startCloseTimer (): void {
    if (this.#socket.destroyed) return
    this.#closeTimer ??= setTimeout(() => this.#socket.destroy(), this.#settings.closeTimeout)
  }

  /** Starts or stops the parser and the socket, as everything that has a say in it wants. */
  #updateFlow (): void {
    if (!this.#begun) return
    const flowing = this.#mayRead()
    if (flowing === this.#flowing) return
    this.#flowing = flowing
    if (!flowing) {
      this.#protocol.pause()
      this.#socket.pause()
      return
    }
    this.#readOn()
  }

  #mayRead (): boolean {
    const { state } = this.#protocol
    if (this.#discards || (state !== 'open' && state !== 'closeSent')) return true
    return this.inbox.mayTakeMore(this.#awaitedPong !== undefined || this.#isProbing) && !this.#watch.isPausing
  }

  #readOn (): void {
    this.#watch.noteReading()
    this.#protocol.resume()
    if (!this.#flowing) return
    this.#socket.resume()
    if (this.#ended && this.#protocol.state !== 'closed') this.#onEnd()
  }
}
