// One connection after the other: when to connect, when to give up, when it is over. Owns the state and its timers; what goes over a
// connection is not its business.
import { drawDelay } from './backoff.ts'
import type { BackoffTimes } from './backoff.ts'
import { ClientError, toError } from './errors.ts'
import { startTimer } from './timer.ts'
import type { Timer } from './timer.ts'
import type { ClientClose, ClientRetry, ClientState } from './types.ts'
import type { Loss, Wire, WireEvents, WireTarget } from './wire.ts'

/** Times in ms. */
export interface LinkSettings extends BackoffTimes {
  /** Attempts in a row that may fail; 0: the first connection is the last one. */
  readonly maxAttempts: number
  /** How long a connection must have been open for the next wait to be a first one again. */
  readonly resetAfter: number
  readonly handshakeTimeout: number
  readonly closeTimeout: number
  isTerminal (loss: Loss): boolean | undefined
  /** Says where to connect to, anew for each attempt. */
  describe (): Promise<WireTarget>
  open (target: WireTarget, events: WireEvents): Wire
}

export interface LinkEvents {
  /** @param attempt - as in `ClientRetry`; 0 for one that is no other's repetition */
  onConnecting (attempt: number): void
  onOpen (): void
  onMessage (data: string | ArrayBuffer): void
  /** It was open. Called before `onRetry` and `onClosed`. */
  onLost (): void
  onRetry (retry: ClientRetry): void
  onClosed (end: Omit<ClientClose, 'unsent'>): void
}

const ABNORMAL = { code: 1006, reason: '', wasClean: false } as const

export class Link {
  readonly #settings: LinkSettings
  readonly #events: LinkEvents
  #state: ClientState = 'connecting'
  #wire: Wire | undefined
  /** What an attempt of another number still tells is for nobody. */
  #attempt = 0
  /** Attempts in a row that have led to no lasting connection. */
  #failures = 0
  #openedAt = 0
  /** Of the state: the attempt's deadline, the wait for the next one, the deadline of closing. */
  #timer: Timer | undefined
  /** Why this side closes. */
  #fault: Error | undefined

  constructor (settings: LinkSettings, events: LinkEvents) {
    this.#settings = settings
    this.#events = events
  }

  get state (): ClientState {
    return this.#state
  }

  /** True when what is sent goes to a connection. */
  get isOpen (): boolean {
    return this.#state === 'open' && this.#wire?.readyState === 1
  }

  /** True when it is, or has, closed for good. */
  get isClosing (): boolean {
    return this.#state.startsWith('clos')
  }

  /** The connection, or the one that may become one; the last one when there is none. */
  get wire (): Wire | undefined {
    return this.#wire
  }

  /**
   * Closes for good.
   *
   * @param fault - what the server did wrong, if it is that
   */
  close (code: number, reason: string, fault?: Error): void {
    if (this.isClosing) return
    this.#fault = fault
    if (this.#state !== 'open') return this.#finish({ code, reason, wasClean: false }, fault)
    // It may throw, and then nothing has happened.
    this.#wire?.close(code, reason)
    this.#state = 'closing'
    this.#setTimer(this.#settings.closeTimeout, () => this.drop())
  }

  /** Waits no longer for the next attempt. */
  retry (): void {
    if (this.#state !== 'waiting') return
    this.#failures = 0
    this.start()
  }

  /** Gives up an attempt, or a connection that is dead. */
  drop (error?: Error): void {
    this.#onLoss({ ...ABNORMAL, error })
  }

  /** Closes for good, without waiting for anybody. */
  abort (reason: unknown): void {
    if (this.#state === 'closed') return
    // Told, but not waited for.
    const wire = this.#wire
    if (this.#state === 'open') {
      this.#wire = undefined
      wire?.close(1000)
    }
    this.#finish(ABNORMAL, reason)
  }

  /** Begins an attempt: the first one, for its caller. Never rejects. */
  async start (): Promise<void> {
    this.#state = 'connecting'
    const attempt = ++this.#attempt
    const isCurrent = (): boolean => attempt === this.#attempt
    const { handshakeTimeout, describe, open } = this.#settings
    this.#setTimer(handshakeTimeout, () => this.drop(new ClientError('UNREACHABLE', `in ${handshakeTimeout} ms`)))
    try {
      // Listeners are added behind the first call.
      await undefined
      if (isCurrent()) this.#events.onConnecting(this.#failures)
      if (!isCurrent()) return
      const target = await describe()
      if (!isCurrent()) return
      this.#wire = open(target, {
        onOpen: () => isCurrent() && this.#onOpen(),
        onMessage: (data) => isCurrent() && this.#events.onMessage(data),
        onClose: (loss) => isCurrent() && this.#onLoss(loss)
      })
    } catch (reason) {
      if (isCurrent()) this.drop(toError(reason))
    }
  }

  #onOpen (): void {
    clearTimeout(this.#timer)
    this.#state = 'open'
    this.#openedAt = Date.now()
    this.#events.onOpen()
  }

  #onLoss (loss: Loss): void {
    const state = this.#state
    const settings = this.#settings
    this.#leave('waiting')
    // Whoever was told may have closed it.
    if (this.#state !== 'waiting') return
    if (state === 'closing') return this.#finish(loss, this.#fault ?? loss.error)
    if (state === 'open' && Date.now() - this.#openedAt >= settings.resetAfter) this.#failures = 0
    let { error } = loss
    let isOver: boolean | undefined = true
    try {
      isOver = this.#failures >= settings.maxAttempts || settings.isTerminal(loss)
    } catch (reason) {
      error = toError(reason)
    }
    // So may whoever was asked.
    if (this.#state !== 'waiting') return
    if (isOver) return this.#finish(loss, error, 'remote')
    const delay = drawDelay(this.#failures, settings)
    this.#failures++
    this.#setTimer(delay, () => this.start())
    this.#events.onRetry({ ...loss, attempt: this.#failures, delay })
  }

  #finish (loss: Loss, error: unknown, initiator: ClientClose['initiator'] = 'local'): void {
    this.#leave('closed')
    this.#events.onClosed({ ...loss, initiator, error })
  }

  /** Lets go of what there is: from here on it is not heard. */
  #leave (next: ClientState): void {
    this.#attempt++
    clearTimeout(this.#timer)
    const wire = this.#wire
    void (wire?.terminate ?? wire?.close)?.call(wire)
    const wasOpen = /open|closing/.test(this.#state)
    // Not open for those who ask while they are told.
    this.#state = next
    if (wasOpen) this.#events.onLost()
  }

  #setTimer (delay: number, callback: () => void): void {
    clearTimeout(this.#timer)
    this.#timer = startTimer(callback, delay)
  }
}
