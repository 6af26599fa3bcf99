// The inbox of a connection: messages wait in it until there is somebody to hear them. Owns who they wait for, and how many
// of them while nobody listens; knows nothing of the socket.
import type { MessageData } from '../protocol/message-assembler.ts'
import { Inbox, LEAST_BYTES } from './inbox.ts'
import type { InboxOptions, InboxOwner } from './inbox.ts'

/**
 * What messages that are held wait for.
 *
 * - `handler`: a running handler, which may listen any moment. A full queue stops the reading.
 * - `end`: the same, but the application also waits for the end, which must be read to be seen: reading goes on past a full
 *   queue, up to `maxPayload` bytes.
 * - `nobody`: a first listener, though the handler has settled. What is invalid is not kept for one. Beyond `maxPayload` bytes, or at the end, they are dropped.
 */
export type HeldFor = 'handler' | 'end' | 'nobody'

export interface HeldInboxOwner extends InboxOwner {
  /** Looks at a message that nobody may ever listen for; false when it is invalid, and was dealt with as such. */
  isWanted (data: MessageData): boolean
  /** `mayTakeMore` may have another answer now. */
  onHoldChanged (): void
}

export class HeldInbox extends Inbox {
  readonly #owner: HeldInboxOwner
  readonly #options: InboxOptions
  /** Messages may go to the application: there is somebody to hear them. */
  #released = false
  #heldFor: HeldFor
  #paused = false
  /** The peer has to read first. */
  #isAhead = false

  /** Holds all messages until `admit`; the owner hears nothing of it. @param heldFor - as `holdFor` has been told, of a former inbox */
  constructor (owner: HeldInboxOwner, options: InboxOptions, heldFor: HeldFor = 'handler') {
    super(owner, options)
    this.#heldFor = heldFor
    this.#owner = owner
    this.#options = options
    this.hold()
  }

  /** True once messages may go to the application. */
  get isReleased (): boolean {
    return this.#released
  }

  /** True while messages wait for the peer to read what handlers have answered. */
  get waitsForPeer (): boolean {
    return this.#isAhead
  }

  /** True when nothing waits, and messages are delivered as they come: a new one that is admitted does as well. */
  get isAtRest (): boolean {
    return this.#released && !this.#paused && !this.#isAhead && this.isIdle && !this.isFull
  }

  /** Takes one message, to be delivered or held. */
  take (data: MessageData): void {
    if (this.#released) {
      this.push(data)
      return
    }
    if (this.#isForNobody() && !this.#owner.isWanted(data)) return
    this.push(data)
    if (this.#mayOverflow()) this.#onOverflow()
  }

  /** Starts to deliver messages. */
  admit (): void {
    this.#released = true
    this.#update()
  }

  /** Lets messages wait until `admit`; reading goes on until the queue is full. */
  withhold (): void {
    this.#released = false
    this.#update()
  }

  /** Says what held messages wait for, which only becomes less: a handler, the end, nobody. */
  holdFor (what: HeldFor): void {
    if (this.#heldFor === 'nobody') return
    this.#heldFor = what
    if (what === 'nobody') this.keep((data) => this.#owner.isWanted(data))
    this.#owner.onHoldChanged()
  }

  /** Stops delivering until `resume`. */
  pause (): void {
    this.#paused = true
    this.#update()
    this.#owner.onHoldChanged()
  }

  resume (): void {
    this.#paused = false
    this.#update()
    this.#owner.onHoldChanged()
  }

  /**
   * Lets messages wait until `goOn`: what handlers answer comes faster than the peer reads it. Reading goes on until the queue
   * is full, then TCP holds the peer back. What is sent outside of handlers is none of the peer's doing: then nothing happens.
   */
  waitForPeer (): void {
    if (this.#isAhead || !this.isBusy) return
    this.#isAhead = true
    this.#update()
  }

  /** The peer has read enough, or is gone. */
  goOn (): void {
    if (!this.#isAhead) return
    this.#isAhead = false
    this.#update()
  }

  /** Takes note that no more messages come: those that nobody has listened for in time are dropped. */
  end (): void {
    if (this.#isForNobody()) this.#drop()
  }

  /**
   * Tells whether more messages may be read.
   *
   * @param pastFull - something behind them is awaited: not only as many as may wait, but up to `maxPayload` bytes
   */
  mayTakeMore (pastFull: boolean): boolean {
    if (this.#paused) return false
    return !this.isFull || ((pastFull || this.#mayOverflow()) && this.bytes <= Math.max(this.#options.maxPayload, LEAST_BYTES))
  }

  #update (): void {
    if (this.#released && !this.#paused && !this.#isAhead) this.release()
    else this.hold()
  }

  #isForNobody (): boolean {
    return this.#heldFor === 'nobody' && !this.#released
  }

  #mayOverflow (): boolean {
    return !this.#released && this.#heldFor !== 'handler'
  }

  /** Looks whether held messages have become too many, where more of them may wait than the queue takes. */
  #onOverflow (): void {
    if (this.bytes <= this.#options.maxPayload) return
    if (this.#heldFor === 'nobody') this.#drop()
    else this.#owner.onHoldChanged()
  }

  /** Nobody has listened in time. */
  #drop (): void {
    this.clear()
    this.admit()
  }
}
