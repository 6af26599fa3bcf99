// Who of this process is subscribed to which topic, and what they get. Owns subscriptions, their limit and the order in which a
// subscriber that comes back gets what it has missed; positions, history and members are the engine's, messages and names the caller's.
import { EventEmitter } from 'node:events'
import type { Connection } from '../connection/connection.ts'
import { SharedMessage } from '../connection/shared-message.ts'
import { UsageError } from '../protocol/errors.ts'
import { checkTopicName } from '../topic.ts'
import type {
  TopicEngine, TopicEvents, TopicHistory, TopicMember, TopicMemberEvent, TopicPosition, TopicRecord, TopicSubscribeOptions, TopicSubscription
} from '../../types/topics.ts'
import { OutgoingMessage } from './topic-message.ts'

/** How a connection subscribes. */
export interface Joining extends TopicSubscribeOptions {
  /** What is kept of the topic, where that is known. */
  readonly history?: TopicHistory | undefined
  /** Messages come in the envelope of the control protocol. Default: as they are. */
  readonly isWrapped?: boolean
  /** It is told who comes and goes, in that envelope. Default: false. */
  readonly seesMembers?: boolean
  /** Topics that the connection may be subscribed to at a time. */
  readonly max: number
  /** Called when it is done, before what was missed is sent. */
  onSubscribed? (subscription: TopicSubscription): void
}

/** Whom of this process a message is for. */
export interface Audience {
  readonly filter?: ((connection: Connection) => unknown) | undefined
}

/** What may come for a subscriber while its history is looked up or sent: messages, and the bytes or UTF-16 units that they have. */
export const MAX_BACKLOG = 10_000
export const MAX_BACKLOG_SIZE = 16_777_216

/** What has come for a subscriber that has to get something else first. */
class Backlog {
  readonly messages: OutgoingMessage[] = []
  /** The lookup is over: from now on each message has its place behind those that are being sent. */
  isSent = false
  #size = 0

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

/** A connection at a topic. */
interface Subscriber {
  readonly connection: Connection
  readonly isWrapped: boolean
  /** It is told who comes and goes. */
  seesMembers: boolean
  /** It has begun: whatever comes is for it, also while it is looked up anew. */
  isLive: boolean
  /** A member of the topic: it has to leave. */
  isMember: boolean
  backlog: Backlog | undefined
  /** While it is looked up: a second call waits for the first. */
  busy: Promise<void> | undefined
  /** Ends a wait for the peer. */
  wake: (() => void) | undefined
}

/** A topic or pattern with its subscribers of this process; as long as it has any. */
interface Line {
  readonly subscribers: Map<Connection, Subscriber>
  /** The engine's answer to `subscribe`: all wait for the same. */
  carried: Promise<void> | undefined
  /** The engine was asked, and has to be told of the end. */
  isAskedFor: boolean
}

/** Told what goes wrong with an engine where nobody waits for it. */
export type OnEngineError = (error: Error) => void

export class Topics {
  readonly #engine: TopicEngine
  readonly #onError: OnEngineError
  /** By topic or pattern. */
  readonly #lines = new Map<string, Line>()
  /** By connection, those that it is subscribed to. */
  readonly #topics = new Map<Connection, Map<string, Subscriber>>()
  readonly #events = new EventEmitter<TopicEvents>()
  readonly #started: Promise<void> | undefined
  #closed: Promise<void> | undefined
  #patterns = 0
  #state: 'up' | 'down' = 'up'

  constructor (engine: TopicEngine, onError: OnEngineError) {
    this.#engine = engine
    this.#onError = onError
    const starting = engine.start({
      deliver: (record) => this.#deliver(record),
      onJoin: (topic, member) => this.#tell('join', topic, member),
      onLeave: (topic, member) => this.#tell('leave', topic, member),
      onState: (state, error) => {
        this.#state = state
        if (error !== undefined) onError(error)
      }
    })
    if (starting === undefined) return
    // A copy: the engine's own may be of another kind.
    this.#started = Promise.resolve(starting)
    this.#started.catch((error: unknown) => {
      this.#state = 'down'
      onError(toError(error))
    })
  }

  /** Whether messages come from other servers, as the engine tells. */
  get state (): 'up' | 'down' {
    return this.#state
  }

  on<E extends keyof TopicEvents> (event: E, listener: (...args: TopicEvents[E]) => void): void {
    this.#events.on(event, listener as never) // The emitter's type of a listener is a conditional one.
  }

  off<E extends keyof TopicEvents> (event: E, listener: (...args: TopicEvents[E]) => void): void {
    this.#events.off(event, listener as never)
  }

  /** Topics that a connection is subscribed to. */
  namesOf (connection: Connection): string[] {
    return [...this.#topics.get(connection)?.keys() ?? []]
  }

  /**
   * Subscribes a connection. Again for the same topic it is looked up anew, and `data` takes the place of what was there; if that
   * fails, the subscription has ended. What was missed is sent as fast as the peer reads.
   *
   * @param name - of a topic, or a pattern that ends with `*`
   * @throws {UsageError} `FST_WS_TOO_MANY_TOPICS`; `FST_WS_NOT_OPEN` when the connection has ended or ends meanwhile;
   *   `FST_WS_INVALID_ARGUMENT` for `since` or `data` with a pattern
   */
  async subscribe (connection: Connection, name: string, joining: Joining): Promise<TopicSubscription> {
    const { since, data, max, isWrapped = false } = joining
    checkTopicName(name, true)
    if (name.endsWith('*') && (since !== undefined || data !== undefined)) throw new UsageError('FST_WS_INVALID_ARGUMENT', `${name} is many topics: since and data are for one`)
    let subscriber = this.#add(connection, name, isWrapped, max)
    while (subscriber.busy !== undefined) {
      await subscriber.busy
      // It may have ended.
      subscriber = this.#add(connection, name, isWrapped, max)
    }
    let free = (): void => {}
    subscriber.busy = new Promise((resolve) => { free = resolve })
    try {
      return await this.#begin(subscriber, name, joining)
    } catch (error) {
      if (this.#stands(subscriber, name)) void this.#remove(subscriber, name)
      throw error
    } finally {
      subscriber.backlog = undefined
      subscriber.busy = undefined
      free()
    }
  }

  async #begin (subscriber: Subscriber, name: string, { since, data, history, seesMembers = false, onSubscribed }: Joining): Promise<TopicSubscription> {
    const { connection } = subscriber
    const isPattern = name.endsWith('*')
    // Nothing may overtake what was missed.
    if (!isPattern) subscriber.backlog = new Backlog()
    await this.#carry(name)
    this.#checkStands(subscriber, name)
    const { position, recovered, messages } = isPattern ? NOTHING : await this.#engine.history(name, since, history)
    this.#checkStands(subscriber, name)
    if (data !== undefined) {
      subscriber.isMember = true
      await this.#engine.join(name, { id: connection.id, data })
      this.#checkStands(subscriber, name)
    }
    const isRecovered = since !== undefined && recovered
    const members = seesMembers && !isPattern ? await this.#engine.presence(name) : undefined
    this.#checkStands(subscriber, name)
    // Behind the last answer: from here to the first message nothing is awaited.
    const { backlog } = subscriber
    if (backlog?.isFull === true) throw new Error(`more than may wait has come while the history of ${name} was looked up`)
    subscriber.seesMembers = seesMembers
    const subscription = { topic: name, ...(position && { position }), ...(since && { recovered }), ...(members && { members }) }
    // Who is subscribed already has a right to what came meanwhile; it is not sent again.
    const meanwhile = subscriber.isLive && !isRecovered ? backlog?.messages.filter(({ record }) => isUpTo(position, record)) : undefined
    for (const message of meanwhile ?? []) this.#send(subscriber, message)
    subscriber.isLive = true
    onSubscribed?.(subscription)
    if (backlog !== undefined) await this.#catchUp(subscriber, name, backlog, isRecovered ? messages : [], position)
    return subscription
  }

  /** Ends a subscription. @returns false if there is none */
  async unsubscribe (connection: Connection, name: string): Promise<boolean> {
    const subscriber = this.#topics.get(connection)?.get(name)
    if (subscriber === undefined) return false
    await this.#remove(subscriber, name)
    return true
  }

  /** Ends all subscriptions of a connection. */
  removeConnection (connection: Connection): void {
    for (const [name, subscriber] of this.#topics.get(connection) ?? []) void this.#remove(subscriber, name)
  }

  /** Sends a record to all subscribers but those that are excluded. Resolves when the engine has taken it. */
  async publish (record: TopicRecord, audience: Audience = {}): Promise<TopicPosition | undefined> {
    if (this.#started !== undefined) await this.#started
    return await this.#engine.publish(audience.filter === undefined ? record : { ...record, local: audience })
  }

  async members (name: string): Promise<readonly TopicMember[]> {
    checkTopicName(name)
    await this.#started
    return await this.#engine.presence(name)
  }

  /** Ends all of it; again it does nothing. */
  close (): Promise<void> {
    for (const own of this.#topics.values()) {
      for (const subscriber of own.values()) subscriber.wake?.()
    }
    this.#lines.clear()
    this.#topics.clear()
    this.#patterns = 0
    return (this.#closed ??= this.#call(() => this.#engine.close()))
  }

  #add (connection: Connection, name: string, isWrapped: boolean, max: number): Subscriber {
    if (connection.readyState !== connection.OPEN) throw new UsageError('FST_WS_NOT_OPEN')
    let own = this.#topics.get(connection)
    const known = own?.get(name)
    if (known !== undefined) return known
    if ((own?.size ?? 0) >= max) throw new UsageError('FST_WS_TOO_MANY_TOPICS', `maxTopicsPerConnection is ${max}`)
    if (own === undefined) {
      own = new Map()
      this.#topics.set(connection, own)
    }
    const subscriber = { connection, isWrapped, seesMembers: false, isLive: false, isMember: false, backlog: undefined, busy: undefined, wake: undefined }
    own.set(name, subscriber)
    let line = this.#lines.get(name)
    if (line === undefined) {
      line = { subscribers: new Map(), carried: undefined, isAskedFor: false }
      this.#lines.set(name, line)
      if (name.endsWith('*')) this.#patterns++
    }
    line.subscribers.set(connection, subscriber)
    return subscriber
  }

  /** Lets the engine carry a topic here, for all its subscribers. */
  async #carry (name: string): Promise<void> {
    const line = this.#lines.get(name)
    if (line === undefined) return
    line.carried ??= this.#askFor(name, line)
    await line.carried
  }

  async #askFor (name: string, line: Line): Promise<void> {
    await this.#started
    // All may have gone meanwhile.
    if (this.#lines.get(name) !== line) return
    line.isAskedFor = true
    await this.#engine.subscribe(name)
  }

  #stands (subscriber: Subscriber, name: string): boolean {
    return this.#topics.get(subscriber.connection)?.get(name) === subscriber
  }

  /** @throws {UsageError} `FST_WS_NOT_OPEN` */
  #checkStands (subscriber: Subscriber, name: string): void {
    if (!this.#stands(subscriber, name)) throw new UsageError('FST_WS_NOT_OPEN', `the subscription to ${name} ended before it began`)
  }

  /** Ends a subscription that stands. The engine is told at once, and resolved is when it has answered. */
  async #remove (subscriber: Subscriber, name: string): Promise<void> {
    const { connection } = subscriber
    const own = this.#topics.get(connection)
    own?.delete(name)
    if (own?.size === 0) this.#topics.delete(connection)
    const line = this.#lines.get(name)
    line?.subscribers.delete(connection)
    const isLast = line?.subscribers.size === 0
    if (isLast) {
      this.#lines.delete(name)
      if (name.endsWith('*')) this.#patterns--
    }
    subscriber.wake?.()
    // Both before anything else is asked of it: whoever subscribes next comes behind them.
    const { isMember } = subscriber
    subscriber.isMember = false
    const leaving = isMember ? this.#call(() => this.#engine.leave(name, connection.id)) : undefined
    const ending = isLast && line?.isAskedFor === true ? this.#call(() => this.#engine.unsubscribe(name)) : undefined
    await leaving
    await ending
  }

  /** Calls what is not ours where nobody waits for what may go wrong. */
  async #call (call: () => void | Promise<void>): Promise<void> {
    try {
      await call()
    } catch (error) {
      this.#onError(toError(error))
    }
  }

  /** Sends what was missed, and behind it what has come meanwhile and is not part of that. */
  async #catchUp (
    subscriber: Subscriber, name: string, backlog: Backlog, missed: readonly TopicRecord[], position: TopicPosition | undefined
  ): Promise<void> {
    backlog.isSent = true
    for (const record of missed) {
      if (isExcluded(subscriber.connection, record)) continue
      if (subscriber.connection.isOverHighWaterMark) await this.#waitForPeer(subscriber, name, backlog)
      this.#send(subscriber, new OutgoingMessage(record))
    }
    // It may grow.
    for (const message of backlog.messages) {
      if (isUpTo(position, message.record)) continue
      if (subscriber.connection.isOverHighWaterMark) await this.#waitForPeer(subscriber, name, backlog)
      this.#send(subscriber, message)
    }
    subscriber.backlog = undefined
  }

  /** Waits until the peer has read, or too much has come meanwhile: then it is the connection's own limit that holds. */
  async #waitForPeer (subscriber: Subscriber, name: string, backlog: Backlog): Promise<void> {
    const { connection } = subscriber
    if (!backlog.isFull && connection.readyState === connection.OPEN) {
      await new Promise<void>((resolve) => {
        subscriber.wake = () => {
          connection.off('drain', subscriber.wake!) // set right here
          resolve()
        }
        connection.on('drain', subscriber.wake)
      })
      subscriber.wake = undefined
    }
    this.#checkStands(subscriber, name)
  }

  #deliver (record: TopicRecord): void {
    const message = new OutgoingMessage(record)
    const exact = this.#lines.get(record.topic)?.subscribers
    for (const subscriber of exact?.values() ?? []) this.#hand(subscriber, message)
    if (this.#patterns === 0) return
    const pattern = this.#lines.get(`${record.topic.slice(0, record.topic.lastIndexOf('/') + 1)}*`)?.subscribers
    for (const subscriber of pattern?.values() ?? []) {
      // Once is enough.
      if (exact?.has(subscriber.connection) !== true) this.#hand(subscriber, message)
    }
  }

  #hand (subscriber: Subscriber, message: OutgoingMessage): void {
    const { connection, backlog } = subscriber
    if (isExcluded(connection, message.record) || !this.#isMeant(connection, message.record)) return
    if (backlog === undefined) {
      this.#send(subscriber, message)
      return
    }
    backlog.add(message)
    if (backlog.isFull) subscriber.wake?.()
  }

  /** Asks the filter. Where it throws the message is not for this one, and nobody else hears of it. */
  #isMeant (connection: Connection, { local }: TopicRecord): boolean {
    const filter = (local as Audience | undefined)?.filter // Made by `publish`.
    if (filter === undefined) return true
    try {
      return filter(connection) === true
    } catch (error) {
      this.#onError(toError(error))
      return false
    }
  }

  #send ({ connection, isWrapped }: Subscriber, message: OutgoingMessage): void {
    connection.sendShared(isWrapped ? message.wrapped : message.plain)
  }

  /** What a listener does wrong is its own: the engine calls here, and other listeners wait. */
  #tell (event: 'join' | 'leave', topic: string, member: TopicMember): void {
    let message: SharedMessage | undefined
    for (const { connection, seesMembers } of this.#lines.get(topic)?.subscribers.values() ?? []) {
      if (!seesMembers || connection.id === member.id) continue
      message ??= new SharedMessage(JSON.stringify({ type: `ws:${event}`, topic, member }))
      connection.sendShared(message)
    }
    for (const listener of this.#events.listeners(event)) void this.#call(() => (listener as (event: TopicMemberEvent) => void)({ topic, member }))
  }
}

const NOTHING = { position: undefined, recovered: false, messages: [] } as const

/** True for what is part of what `position` stands behind. */
function isUpTo (position: TopicPosition | undefined, record: TopicRecord): boolean {
  return position !== undefined && record.position?.epoch === position.epoch && record.position.offset <= position.offset
}

function isExcluded (connection: Connection, { exclude }: TopicRecord): boolean {
  if (exclude === undefined) return false
  // Of most connections nobody has asked the id, and then it is in no list.
  const { knownId } = connection
  return knownId !== undefined && exclude.includes(knownId)
}

function toError (reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason))
}
