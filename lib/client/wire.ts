// One connection as a client sees it, whoever makes it: a browser's WebSocket or this package's own engine.
import type { ConnectSettings } from './option-types.ts'
import type { Payload } from './outgoing-queue.ts'

/** Where to connect to, and with what. */
export interface WireTarget {
  readonly url: URL
  readonly protocols: readonly string[]
  readonly headers: Readonly<Record<string, string | readonly string[]>> | undefined
  readonly token: string | undefined
}

/** How a connection, or an attempt to make one, came to its end. */
export interface Loss {
  /** 1006 where there was no Close frame. */
  readonly code: number
  readonly reason: string
  readonly wasClean: boolean
  /** What went wrong, where that is known. */
  readonly error?: Error | undefined
}

/** What a wire tells; never while it is made or something is asked of it. */
export interface WireEvents {
  onOpen (): void
  onMessage (data: string | ArrayBuffer): void
  /** Once, also when it has never been open. Nothing comes after it. */
  onClose (loss: Loss): void
}

/** As much of the WHATWG interface as a client needs: a browser's WebSocket is one. */
export interface Wire {
  /** The subprotocol that was agreed on, or ''. */
  readonly protocol: string
  /** 1 when it is open; not any more when it has begun to close and has not told so yet. */
  readonly readyState: number
  /** Bytes that were sent and still wait in this process. */
  readonly bufferedAmount: number
  send (data: Payload): void
  /** Starts the closing handshake: with 1000, or 3000 to 4999. */
  close (code?: number, reason?: string): void
  /** Lets go of it at once. Where that cannot be had, it is closed; what it still tells is for nobody. */
  terminate? (): void
  /** Told how many messages wait for slow handlers, to let the server wait; there where that can be had. */
  onWaiting? (count: number): void
}

/** What a client has of the world around it. */
export interface Platform {
  /** Where a client without a `baseUrl` connects to. */
  readonly origin: string | undefined
  /**
   * Looks at what only this platform has, or has not.
   *
   * @throws {ClientError} `FST_WS_CLIENT_OPTION`
   */
  check (options: ConnectSettings): void
  /** Tells an error that another attempt would end in as well, where errors say that much. */
  isRefusal? (error: unknown): boolean
  /** Begins to connect. @throws {ClientError} `FST_WS_CLIENT_OPTION` when no attempt can succeed */
  open (target: WireTarget, events: WireEvents, options: ConnectSettings): Wire
}
