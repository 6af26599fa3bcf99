// What a transport is given, and what it tells. Types alone.
import type { MessageData } from '../protocol/message-assembler.ts'
import type { Role } from '../protocol/role.ts'
import type { Scanners } from '../protocol/scanners.ts'
import type { DeflateSettings } from './deflate/settings.ts'
import type { HeartbeatTimes } from './heartbeat.ts'
import type { Meter } from './meter.ts'
import type { RateLimit } from './token-bucket.ts'

/** Sizes in bytes, times in milliseconds; a limit that is absent is none. */
export interface TransportSettings {
  readonly role: Role
  readonly maxPayload: number
  /** How long the peer may take to answer a Close frame and to end the connection; then the socket is destroyed. */
  readonly closeTimeout: number
  readonly highWaterMark: number
  readonly concurrency: number
  readonly maxQueuedMessages: number
  /** Bytes that may wait for the peer. */
  readonly maxBufferedAmount?: number
  /** When to ping, and how long the peer may then be silent. */
  readonly heartbeat?: HeartbeatTimes
  readonly rateLimit?: RateLimit
  readonly maxLifetime?: number
  /** Binary messages are lent to the application, until its handlers return. Default: false. */
  readonly lendsPayloads?: boolean
  /** What reads the frames. Default: the quickest that there is in this process. */
  readonly scanners?: Scanners
  /** Sockets read into the memory of `scanners`, where Node allows it, and not each into buffers of its own. Default: true. */
  readonly sharesReads?: boolean
  /** How messages are compressed, where that was agreed on. */
  readonly deflate?: DeflateSettings
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
