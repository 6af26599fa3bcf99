// Who of this process is subscribed to which topic, and what they get. Owns subscriptions, their limit and the order in which a
// subscriber that comes back gets what it has missed; positions, history and members are the engine's, messages and names the caller's.
import { EventEmitter } from 'node:events'
import type { Connection } from '../connection/connection.ts'
import { SharedMessage } from '../connection/shared-message.ts'
import { UsageError } from '../protocol/errors.ts'
import { checkTopicName } from '../topic.ts'
import type {
  TopicEngine, TopicEvents, TopicHistory, TopicMember, TopicPosition, TopicRecord, TopicSubscribeOptions, TopicSubscription
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

/** What may come for a subscriber while its history is looked up; beyond it, it is too slow an engine. */
export const MAX_BACKLOG = 10_000

/** A connection at a topic. */
interface Subscriber {
  readonly connection: Connection
  readonly isWrapped: boolean
  /** It is told who comes and goes. */
  seesMembers: boolean
  /** A member of the topic: it has to leave. */
  isMember: boolean
  /** What has come while the history was looked up. */
  backlog: TopicRecord[] | undefined
  /** While it is looked up: a second call waits for the first. */
  busy: Promise<void> | undefined
}

type Subscribers = Map<Connection, Subscriber>

/** Told what goes wrong with an engine where nobody waits for it. */
export type OnEngineError = (error: Error) => void

export class Topics {
  readonly #engine: TopicEngine
  readonly #onError: OnEngineError
  /** By topic or pattern. */
  readonly #subscribers = new Map<string, Subscribers>()
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
    if (starting instanceof Promise) {
      this.#started = starting
      starting.catch((error: unknown) => onError(toError(error)))
    }
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
   * Subscribes a connection. Again for the same topic it is looked up anew, and `data` takes the place of what was there.
   *
   * @param name - of a topic, or a pattern that ends with `*`
   * @throws {UsageError} `FST_WS_TOO_MANY_TOPICS`; `FST_WS_NOT_OPEN` when the connection has ended or ends meanwhile;
   *   `FST_WS_INVALID_ARGUMENT` for `since` or `data` with a pattern
   */
  async subscribe (connection: Connection, name: string, joining: Joining): Promise<TopicSubscription> {
    const { since, data, max, isWrapped = false, seesMembers = false, onSubscribed } = joining
    checkTopicName(name, true)
    const isPattern = name.endsWith('*')
    if (isPattern && (since !== undefined || data !== undefined)) throw new UsageError('FST_WS_INVALID_ARGUMENT', `${name} is many topics: since and data are for one`)
    const subscriber = this.#add(connection, name, isWrapped, max)
    while (subscriber.busy !== undefined) await subscriber.busy
    let free = (): void => {}
    subscriber.busy = new Promise((resolve) => { free = resolve })
    // Nothing may overtake what was missed.
    if (!isPattern) subscriber.backlog = []
    try {
      await this.#started
      await this.#engine.subscribe(name)
      const { position, recovered, messages } = isPattern ? NOTHING : await this.#engine.history(name, since, joining.history)
      if (data !== undefined) {
        subscriber.isMember = true
        await this.#engine.join(name, { id: connection.id, data })
      }
      if ((subscriber.backlog?.length ?? 0) > MAX_BACKLOG) throw new Error(`more than ${MAX_BACKLOG} messages have come while the history of ${name} was looked up`)
      if (this.#topics.get(connection)?.get(name) !== subscriber) {
        if (subscriber.isMember) await this.#engine.leave(name, connection.id)
        throw new UsageError('FST_WS_NOT_OPEN', `the subscription to ${name} ended before it began`)
      }
      const members = seesMembers && !isPattern ? await this.#engine.presence(name) : undefined
      subscriber.seesMembers = seesMembers
      const subscription = { topic: name, ...(position && { position }), ...(since && { recovered }), ...(members && { members }) }
      onSubscribed?.(subscription)
      this.#catchUp(subscriber, since === undefined ? [] : messages, position)
      return subscription
    } catch (error) {
      if (this.#topics.get(connection)?.get(name) === subscriber) await this.#remove(subscriber, name)
      throw error
    } finally {
      subscriber.busy = undefined
      free()
    }
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
    this.#subscribers.clear()
    this.#topics.clear()
    return (this.#closed ??= Promise.resolve(this.#engine.close()))
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
    const subscriber = { connection, isWrapped, seesMembers: false, isMember: false, backlog: undefined, busy: undefined }
    own.set(name, subscriber)
    let subscribers = this.#subscribers.get(name)
    if (subscribers === undefined) {
      subscribers = new Map()
      this.#subscribers.set(name, subscribers)
      if (name.endsWith('*')) this.#patterns++
    }
    subscribers.set(connection, subscriber)
    return subscriber
  }

  async #remove (subscriber: Subscriber, name: string): Promise<void> {
    const { connection } = subscriber
    const own = this.#topics.get(connection)
    own?.delete(name)
    if (own?.size === 0) this.#topics.delete(connection)
    const subscribers = this.#subscribers.get(name)
    subscribers?.delete(connection)
    const isLast = subscribers?.size === 0
    if (isLast) {
      this.#subscribers.delete(name)
      if (name.endsWith('*')) this.#patterns--
    }
    try {
      if (subscriber.isMember) await this.#engine.leave(name, connection.id)
      if (isLast && !this.#subscribers.has(name)) await this.#engine.unsubscribe(name)
    } catch (error) {
      this.#onError(toError(error))
    }
  }

  /** Sends what was missed, and behind it what has come meanwhile and is not part of that. */
  #catchUp (subscriber: Subscriber, missed: readonly TopicRecord[], position: TopicPosition | undefined): void {
    const meanwhile = subscriber.backlog ?? []
    subscriber.backlog = undefined
    for (const record of missed) this.#send(subscriber, new OutgoingMessage(record))
    for (const record of meanwhile) {
      if (position !== undefined && record.position?.epoch === position.epoch && record.position.offset <= position.offset) continue
      this.#send(subscriber, new OutgoingMessage(record))
    }
  }

  #deliver (record: TopicRecord): void {
    const message = new OutgoingMessage(record)
    const exact = this.#subscribers.get(record.topic)
    for (const subscriber of exact?.values() ?? []) this.#hand(subscriber, message)
    if (this.#patterns === 0) return
    const pattern = this.#subscribers.get(`${record.topic.slice(0, record.topic.lastIndexOf('/') + 1)}*`)
    for (const subscriber of pattern?.values() ?? []) {
      // Once is enough.
      if (exact?.has(subscriber.connection) !== true) this.#hand(subscriber, message)
    }
  }

  #hand (subscriber: Subscriber, message: OutgoingMessage): void {
    const { record } = message
    const { connection, backlog } = subscriber
    if (record.exclude?.includes(connection.id) === true) return
    const filter = (record.local as Audience | undefined)?.filter
    if (filter !== undefined && filter(connection) !== true) return
    if (backlog === undefined) this.#send(subscriber, message)
    else if (backlog.length <= MAX_BACKLOG) backlog.push(record)
  }

  #send ({ connection, isWrapped }: Subscriber, message: OutgoingMessage): void {
    connection.sendShared(isWrapped ? message.wrapped : message.plain)
  }

  #tell (event: 'join' | 'leave', topic: string, member: TopicMember): void {
    let message: SharedMessage | undefined
    for (const { connection, seesMembers } of this.#subscribers.get(topic)?.values() ?? []) {
      if (!seesMembers || connection.id === member.id) continue
      message ??= new SharedMessage(JSON.stringify({ type: `ws:${event}`, topic, member }))
      connection.sendShared(message)
    }
    this.#events.emit(event, { topic, member })
  }
}

const NOTHING = { position: undefined, recovered: false, messages: [] } as const

function toError (reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason))
}
