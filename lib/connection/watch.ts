// What watches the peer of one connection: heartbeat, rate limit, longest life. Owns that they run from the opening of the
// connection to the beginning of its end; what follows from their verdicts is the transport's.
import type { Duplex } from 'node:stream'
import { Opcode } from '../protocol/opcode.ts'
import { Heartbeat } from './heartbeat.ts'
import type { HeartbeatOwner } from './heartbeat.ts'
import { Lifetime } from './lifetime.ts'
import type { LimitError } from './limit-error.ts'
import type { Outbox } from './outbox.ts'
import { RateLimiter } from './rate-limiter.ts'
import type { RateLimit } from './token-bucket.ts'

/** Times in milliseconds; what is absent is not watched. */
export interface WatchSettings {
  /** When to ping, and how long the peer may then be silent. */
  readonly heartbeat?: { readonly interval: number, readonly timeout: number }
  readonly rateLimit?: RateLimit
  readonly maxLifetime?: number
}

export interface WatchOwner {
  /** False while this side holds the peer back: then silence tells nothing. */
  readonly isReading: boolean
  /** True while the peer has to read before more is done for it. */
  readonly waitsForPeer: boolean
  /** A ping of the heartbeat is on its way: a sign of life has to get through whatever holds the peer back. */
  onPinged (): void
  /** A ping of the heartbeat was answered after so many ms. */
  onLatency (latency: number): void
  /** The peer is gone without a word. */
  onDead (): void
  /** The peer has sent more than it may. */
  onLimit (error: LimitError): void
  /** `isPausing` has changed. */
  onPausing (): void
  onLifetimeOver (): void
}

/** Bytes of the write under way that the kernel has not taken; Node tells a slow write from a stuck one by it. Undocumented, so it may be missing. */
interface SocketInternals {
  readonly bytesWritten?: number
  /** `_parent`: under TLS, the handle of the connection that the encrypted bytes go to. */
  readonly _handle?: { readonly writeQueueSize?: number, readonly _parent?: { readonly writeQueueSize?: number } } | null
}

export class Watch implements HeartbeatOwner {
  readonly #owner: WatchOwner
  readonly #socket: Duplex
  readonly #outbox: Outbox
  readonly #heartbeat: Heartbeat | undefined
  readonly #rateLimiter: RateLimiter | undefined
  readonly #maxLifetime: number | undefined
  #lifetime: Lifetime | undefined

  constructor (owner: WatchOwner, socket: Duplex, outbox: Outbox, { heartbeat, rateLimit, maxLifetime }: WatchSettings) {
    this.#owner = owner
    this.#socket = socket
    this.#outbox = outbox
    this.#maxLifetime = maxLifetime
    if (heartbeat !== undefined) this.#heartbeat = new Heartbeat(this, heartbeat)
    if (rateLimit !== undefined) this.#rateLimiter = new RateLimiter(owner, rateLimit)
  }

  /** True while the peer's credit is used up and nothing is to be read. */
  get isPausing (): boolean {
    return this.#rateLimiter?.isPausing === true
  }

  start (): void {
    this.#heartbeat?.start()
    if (this.#maxLifetime !== undefined) this.#lifetime = new Lifetime(this.#maxLifetime, () => this.#owner.onLifetimeOver())
  }

  /** To be called as soon as the end has begun: from then on `closeTimeout` bounds it. */
  stop (): void {
    this.#heartbeat?.stop()
    this.#rateLimiter?.stop()
    this.#lifetime?.stop()
  }

  /** Takes note that this side reads again: while it did not, nothing could come, and the peer's time begins anew. */
  noteReading (): void {
    this.#heartbeat?.noteBytes()
  }

  /** Takes note of bytes from the socket. @returns false when they are too many, and the connection ends */
  takeBytes (count: number): boolean {
    this.#heartbeat?.noteBytes()
    return this.#rateLimiter === undefined || this.#rateLimiter.takeBytes(count)
  }

  /** Takes note of a message, ping or pong. @returns false when it is one too many, and the connection ends */
  takeMessage (): boolean {
    return this.#rateLimiter === undefined || this.#rateLimiter.takeMessage()
  }

  /** Looks at a pong. @returns true when it answers the heartbeat, and is for nobody else */
  takePong (data: Buffer): boolean {
    return this.#heartbeat?.takePong(data) === true
  }

  get waitsForPeer (): boolean {
    return this.#owner.waitsForPeer
  }

  get isReading (): boolean {
    return this.#owner.isReading
  }

  get writeProgress (): number {
    // A stream that is no socket has neither.
    const { bytesWritten = 0, _handle } = this.#socket as SocketInternals
    return bytesWritten - this.#socket.writableLength - (_handle?._parent?.writeQueueSize ?? _handle?.writeQueueSize ?? 0)
  }

  sendPing (number: number, onWritten: () => void): void {
    const data = Buffer.allocUnsafe(4)
    data.writeUInt32BE(number)
    this.#outbox.sendBytes(Opcode.Ping, data)
    this.#outbox.onTaken((error) => { if (error == null) onWritten() })
    this.#owner.onPinged()
  }

  onLatency (latency: number): void {
    this.#owner.onLatency(latency)
  }

  onDead (): void {
    this.#owner.onDead()
  }
}
