// A connection for a command, or with --reconnect one after the other: raw messages, none of them taken for the client itself. Owns its
// end; what is printed is the command's.
import { defer } from '../client/deferred.ts'
import { ClientError } from '../client/errors.ts'
import { Link } from '../client/link.ts'
import type { LinkEvents } from '../client/link.ts'
import { checkNode, isRefusal, NodeWire } from '../client/node-wire.ts'
import { readOptions } from '../client/options.ts'
import type { ClientClose, ClientRetry } from '../client/types.ts'
import type { Target } from './target.ts'

export type SessionEnd = Omit<ClientClose, 'unsent'>

export interface SessionEvents {
  onOpen? (): void
  onMessage (data: string | ArrayBuffer): void
  onRetry? (retry: ClientRetry): void
  onClosed? (end: SessionEnd): void
}

export class Session {
  readonly #link: Link
  readonly #closed = defer<SessionEnd>()
  #opened = defer()
  #wire: NodeWire | undefined
  #isClosing = false

  /** Begins to connect. @throws {ClientError} `FST_WS_CLIENT_OPTION` */
  constructor (target: Target, events: SessionEvents) {
    const { contract, options } = target
    const settings = readOptions(contract, { ...options, reconnect: options.reconnect === true && { isTerminal: () => this.#isClosing ? true : undefined } }, {
      origin: undefined,
      check: checkNode,
      isRefusal,
      open: (wireTarget, wireEvents) => (this.#wire = new NodeWire(wireTarget, wireEvents, options))
    })
    const linkEvents: LinkEvents = {
      onConnecting: () => {},
      onOpen: () => {
        this.#opened.resolve()
        events.onOpen?.()
      },
      onMessage: (data) => events.onMessage(data),
      onLost: () => { this.#opened = defer() },
      onRetry: (retry) => events.onRetry?.(retry),
      onClosed: (loss) => {
        // The link knows nothing of it.
        const end = { ...loss, initiator: this.#isClosing ? 'local' as const : loss.initiator }
        this.#opened.reject(end.error ?? new ClientError('CLOSED', end.code))
        events.onClosed?.(end)
        this.#closed.resolve(end)
      }
    }
    this.#link = new Link(settings, linkEvents)
    this.#link.start()
  }

  get isOpen (): boolean {
    return this.#link.isOpen
  }

  /** The subprotocol that was agreed on, or ''. */
  get protocol (): string {
    return this.#wire?.protocol ?? ''
  }

  /** Bytes that wait in this process. */
  get bufferedAmount (): number {
    return this.#wire?.bufferedAmount ?? 0
  }

  /** Resolves with the end, however it comes. */
  get closed (): Promise<SessionEnd> {
    return this.#closed.promise
  }

  /** Resolves with the next connection, or at once if there is one; rejects when there will be none. */
  get opened (): Promise<void> {
    return this.#opened.promise
  }

  /** Sends; resolves when the socket has taken it. Rejects if it never will, also where there is no connection. */
  async send (data: string | Uint8Array): Promise<void> {
    if (!this.isOpen || this.#wire === undefined) throw new ClientError('CLOSED', 'no connection')
    await this.#wire.sendAndWait(data)
  }

  /** @param onPong - gets the time until the answer, in ms */
  ping (onPong: (latency: number) => void): void {
    if (this.isOpen) this.#wire?.ping(onPong)
  }

  /** Closes for good; what the server has sent before it hears of it still comes, and is not held back: that the server waits for. */
  close (): void {
    if (this.#isClosing) return
    this.#isClosing = true
    this.resume()
    if (this.isOpen) this.#wire?.closeAfterDelivery(1000)
    else this.#link.close(1000, '')
  }

  /** Ends it without waiting for the server. */
  abort (): void {
    this.#link.abort(undefined)
  }

  /** Holds the server back, as long as it does not close. */
  pause (): void {
    if (!this.#isClosing) this.#wire?.pause()
  }

  resume (): void {
    this.#wire?.resume()
  }
}
