// What one subscriber of a topic gets, and in which order: what it has missed goes before what comes meanwhile. Owns the messages that
// wait for that, and how long; who is subscribed, and what was missed, is known elsewhere.
import type { Connection } from '../connection/connection.ts'
import { UsageError } from '../protocol/errors.ts'
import type { TopicPosition, TopicRecord } from '../../types/topics.ts'
import { isUpTo } from './position.ts'
import { OutgoingMessage } from './topic-message.ts'

/** What may come for a subscriber while its history is looked up or sent: messages, and the bytes or UTF-16 units that they have. */
export const MAX_BACKLOG = 10_000
export const MAX_BACKLOG_SIZE = 16_777_216

/** What has come for a subscriber that has to get something else first. */
class Backlog {
  readonly messages: OutgoingMessage[] = []
  /** The lookup is over: from now on each message has its place behind those that are being sent. */
  isSent = false
  #size = 0
  /** Of `messages`, the first that has not been sent or passed over. */
  next = 0
  /** Where the last one stands that was sent of what was missed. */
  sentUpTo: TopicPosition | undefined

  /** True when more has come than may wait. */
  get isFull (): boolean {
    return this.messages.length > MAX_BACKLOG || this.#size > MAX_BACKLOG_SIZE
  }

  add (message: OutgoingMessage): void {
    if (this.isFull && !this.isSent) return
    this.messages.push(message)
    this.#size += message.record.data.length
  }
}

/** A connection at a topic or pattern. */
export class Subscriber {
  readonly connection: Connection
  readonly name: string
  /** Messages come in the envelope of the control protocol. */
  readonly isWrapped: boolean
  /** It has begun: whatever comes is for it, also while it is looked up anew. */
  isLive = false
  /** Where it was when it was looked up last, as it was told. */
  told: TopicPosition | undefined
  /** A member of the topic: it has to leave. */
  isMember = false
  /** While it is looked up: a second call waits for the first. */
  busy: Promise<void> | undefined
  #isOver = false
  #backlog: Backlog | undefined
  /** It has been sent all up to here, from history, and some of that may still come. */
  #hasUpTo: TopicPosition | undefined
  /** Ends a wait for the peer. */
  #wake: (() => void) | undefined

  constructor (connection: Connection, name: string, isWrapped: boolean) {
    this.connection = connection
    this.name = name
    this.isWrapped = isWrapped
  }

  /** Hands it a message of the topic, which waits where something else has to be sent first. */
  hand (message: OutgoingMessage): void {
    if (this.#hasUpTo !== undefined) {
      if (isUpTo(this.#hasUpTo, message.record.position)) return
      this.#hasUpTo = undefined
    }
    const backlog = this.#backlog
    if (backlog === undefined) return this.send(message)
    backlog.add(message)
    if (backlog.isFull) this.#wake?.()
  }

  send (message: OutgoingMessage): void {
    this.connection.sendShared(this.isWrapped ? message.wrapped : message.plain)
  }

  /** From now on messages wait, until `catchUp` or `release`. */
  hold (): void {
    this.#backlog = new Backlog()
  }

  /** Messages that have come meanwhile go nowhere. */
  release (): void {
    this.#backlog = undefined
  }

  /** Sends what has come meanwhile and waits no more: the connection gets the topic by a pattern as well, and goes on with that. */
  sendWaiting (): void {
    const backlog = this.#backlog
    this.#backlog = undefined
    for (const message of backlog?.messages.slice(backlog.next) ?? []) {
      if (!isUpTo(backlog?.sentUpTo, message.record.position)) this.send(message)
    }
  }

  /** The subscription has ended. */
  end (): void {
    this.#isOver = true
    this.#wake?.()
  }

  /** @throws {UsageError} `FST_WS_NOT_OPEN` where it has ended */
  checkStands (): void {
    if (this.#isOver) throw new UsageError('FST_WS_NOT_OPEN', `the subscription to ${this.name} ended before it began`)
  }

  /** @throws where more has come than may wait */
  checkBacklog (): void {
    if (this.#backlog?.isFull === true) throw new Error(`more than may wait has come while the history of ${this.name} was looked up`)
  }

  /** A position, or the one behind what it has been sent from history, if that is further. */
  furthest (position: TopicPosition | undefined): TopicPosition | undefined {
    const has = this.#hasUpTo
    return has !== undefined && has.epoch === position?.epoch && has.offset > position.offset ? has : position
  }

  /** Sends, of what has come meanwhile, what is part of what `position` stands behind. It stays where it is: `catchUp` passes over it. */
  sendUpTo (position: TopicPosition | undefined): void {
    for (const message of this.#backlog?.messages ?? []) {
      if (isUpTo(position, message.record.position)) this.send(message)
    }
  }

  /**
   * Sends what was missed as fast as the peer reads, and behind it what has come meanwhile and is not part of that.
   *
   * @param position - behind what was missed
   * @param hasAllCome - tells, at the end, whether anything up to there may still come: it is passed over
   * @throws {UsageError} `FST_WS_NOT_OPEN` when the subscription ends meanwhile
   */
  async catchUp (missed: readonly TopicRecord[], position: TopicPosition | undefined, hasAllCome: () => boolean = () => true): Promise<void> {
    const backlog = this.#backlog
    if (backlog === undefined) return
    backlog.isSent = true
    for (const record of missed) {
      const message = new OutgoingMessage(record)
      if (message.excludes(this.connection.knownId)) continue
      if (this.connection.isOverHighWaterMark) await this.#waitForPeer(backlog)
      this.send(message)
      backlog.sentUpTo = record.position
    }
    backlog.sentUpTo = position
    // It may grow.
    for (let message = backlog.messages[0]; message !== undefined; message = backlog.messages[++backlog.next]) {
      if (isUpTo(position, message.record.position)) continue
      if (this.connection.isOverHighWaterMark) await this.#waitForPeer(backlog)
      this.send(message)
    }
    this.#backlog = undefined
    if (!hasAllCome()) this.#hasUpTo = position
  }

  /** Waits until the peer has read, or too much has come meanwhile: then it is the connection's own limit that holds. */
  async #waitForPeer (backlog: Backlog): Promise<void> {
    const { connection } = this
    if (!backlog.isFull && connection.readyState === connection.OPEN) {
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          connection.off('drain', wake)
          resolve()
        }
        this.#wake = wake
        connection.on('drain', wake)
      })
      this.#wake = undefined
    }
    this.checkStands()
  }
}
