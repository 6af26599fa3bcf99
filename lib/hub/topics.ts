// Topics as this process has them. Owns when subscriptions begin and end, their limit, and what the engine is asked for that; positions,
// history and members are the engine's, messages and names the caller's, and what a subscriber gets in which order is in subscriber.ts.
import { EventEmitter } from 'node:events'
import type { Connection } from '../connection/connection.ts'
import { toError } from '../connection/listeners.ts'
import { SharedMessage } from '../connection/shared-message.ts'
import { UsageError } from '../protocol/errors.ts'
import { checkTopicName } from '../topic.ts'
import type {
  TopicEngine, TopicEvents, TopicHistory, TopicHistorySlice, TopicMember, TopicMemberEvent, TopicPosition, TopicRecord, TopicSubscribeOptions, TopicSubscription
} from '../../types/topics.ts'
import { MemberView } from './member-view.ts'
import { Roster, isPattern } from './roster.ts'
import { Sequences } from './sequences.ts'
import { Subscriber } from './subscriber.ts'
import { endNotice, OutgoingMessage } from './topic-message.ts'

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

/** What was asked of the engine for a topic or pattern; as long as anybody of this process is subscribed to it. */
interface Line {
  /** The engine's answer to `subscribe`: all wait for the same. */
  carried: Promise<void> | undefined
  /** The engine was asked, and has to be told of the end. */
  isAskedFor: boolean
}

/** How often history is looked up until what was delivered goes on where it ends. */
const MAX_LOOKUPS = 3

/** Told what goes wrong with an engine where nobody waits for it. */
export type OnEngineError = (error: Error) => void

export class Topics {
  readonly #engine: TopicEngine
  readonly #onError: OnEngineError
  /** By topic or pattern. */
  readonly #lines = new Map<string, Line>()
  /** Whom the application has subscribed. */
  readonly #plain = new Roster()
  /** Who has subscribed by the control protocol, and gets its envelope: of its own, for it is read by somebody else. */
  readonly #wrapped = new Roster()
  /** By topic, where clients are told who comes and goes. */
  readonly #views = new Map<string, MemberView>()
  readonly #sequences: Sequences
  readonly #events = new EventEmitter<TopicEvents>()
  readonly #started: Promise<void> | undefined
  readonly #handedNext: TopicRecord[] = []
  #isHandingOut = false
  #closed: Promise<void> | undefined
  #state: 'up' | 'down' = 'up'

  constructor (engine: TopicEngine, onError: OnEngineError) {
    this.#engine = engine
    this.#onError = onError
    this.#sequences = new Sequences({
      isWanted: (topic) => this.#lines.has(topic) ? 'name' : this.#hasPatternOf(topic) ? 'pattern' : undefined,
      standsAt: (topic, position) => this.#standsAt(topic, position),
      lookUp: (topic, since) => this.#engine.history(topic, since, undefined),
      hand: (record) => this.#handOut(record),
      onLost: (topic, position) => this.#tellLost(topic, position),
      onError: (reason) => this.#onError(toError(reason))
    })
    const starting = engine.start({
      deliver: (record) => this.#sequences.take(record),
      onJoin: (topic, member) => this.#tell('join', topic, member),
      onLeave: (topic, member) => this.#tell('leave', topic, member),
      onState: (state, error) => {
        const isBack = state === 'up' && this.#state === 'down'
        this.#state = state
        if (isBack) void this.#sequences.lookUpAll()
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
    return [...new Set([...this.#plain.of(connection), ...this.#wrapped.of(connection)].map(({ name }) => name))]
  }

  /**
   * Subscribes a connection. Again for the same topic, in the same form, it is looked up anew, and `data` takes the place of what was
   * there; if that fails, the subscription has ended. What was missed is sent as fast as the peer reads.
   *
   * @param name - of a topic, or a pattern that ends with `*`
   * @throws {UsageError} `FST_WS_TOO_MANY_TOPICS`; `FST_WS_NOT_OPEN` when the connection has ended or ends meanwhile;
   *   `FST_WS_INVALID_ARGUMENT` for `since` or `data` with a pattern
   */
  async subscribe (connection: Connection, name: string, joining: Joining): Promise<TopicSubscription> {
    const { since, data, max, isWrapped = false } = joining
    checkTopicName(name, true)
    if (isPattern(name) && (since !== undefined || data !== undefined)) throw new UsageError('FST_WS_INVALID_ARGUMENT', `${name} is many topics: since and data are for one`)
    let subscriber = this.#add(connection, name, isWrapped, max)
    while (subscriber.busy !== undefined) {
      await subscriber.busy
      // It may have ended.
      subscriber = this.#add(connection, name, isWrapped, max)
    }
    let free = (): void => {}
    subscriber.busy = new Promise((resolve) => { free = resolve })
    try {
      return await this.#begin(subscriber, joining)
    } catch (error) {
      if (this.#stands(subscriber)) void this.#remove(subscriber)
      subscriber.release()
      throw error
    } finally {
      subscriber.busy = undefined
      free()
    }
  }

  async #begin (subscriber: Subscriber, { since, data, history, seesMembers = false, onSubscribed }: Joining): Promise<TopicSubscription> {
    const { connection, name } = subscriber
    const isOne = !isPattern(name)
    // Nothing may overtake what was missed.
    if (isOne) subscriber.hold()
    await this.#carry(name)
    subscriber.checkStands()
    const found = isOne ? await this.#lookUp(subscriber, since, history) : NOTHING
    subscriber.checkStands()
    if (data !== undefined) {
      // The application's word goes before the client's.
      const isSaid = subscriber.isWrapped && this.#plain.find(connection, name)?.isMember === true
      subscriber.isMember = true
      if (!isSaid) await this.#engine.join(name, { id: connection.id, data })
      subscriber.checkStands()
    }
    const { recovered, messages } = found
    const isRecovered = since !== undefined && recovered
    const view = seesMembers && isOne ? this.#viewOf(name) : undefined
    view?.ask(connection)
    const present = view && await this.#engine.presence(name)
    // Behind the last answer: from here to the first message nothing is awaited.
    subscriber.checkStands()
    subscriber.checkBacklog()
    const members = present && view?.answer(connection, present)
    // Who is subscribed already, or by a pattern, stands where it is, and gets what comes from there; nothing of it is sent again.
    const stands = (subscriber.isLive || this.#hasByPattern(subscriber)) && !isRecovered
    const position = stands ? subscriber.furthest(this.#standing(subscriber, found.position)) : found.position
    const subscription = { topic: name, ...(position && { position }), ...(since && { recovered }), ...(members && { members }) }
    if (stands) subscriber.sendUpTo(position)
    subscriber.isLive = true
    subscriber.told = position
    onSubscribed?.(subscription)
    // Of who stands there nothing is passed over but what was just sent.
    const sentUpTo = stands && this.#sequences.lastOf(name) === undefined ? undefined : position
    await subscriber.catchUp(isRecovered ? messages : [], sentUpTo, () => sentUpTo === undefined || this.#sequences.hasCome(name, sentUpTo))
    return subscription
  }

  /** Finds where a subscriber is that gets the topic already. Without a place nothing of it has come, and it is where it was. */
  #standing ({ name, told }: Subscriber, found: TopicPosition | undefined): TopicPosition | undefined {
    if (this.#sequences.lastOf(name) !== undefined) return this.#sequences.lowest(name, found)
    return told !== undefined && told.epoch === found?.epoch && told.offset < found.offset ? told : found
  }

  /** Looks history up. What is delivered goes on where it ends. */
  async #lookUp (subscriber: Subscriber, since: TopicPosition | undefined, limits: TopicHistory | undefined): Promise<TopicHistorySlice> {
    const { name } = subscriber
    for (let attempt = 1; attempt <= MAX_LOOKUPS; attempt++) {
      const found = await this.#engine.history(name, since, limits)
      subscriber.checkStands()
      const { position } = found
      // What subscribers by a pattern have yet to get is not known.
      if (position !== undefined && !this.#hasPatternOf(name)) this.#sequences.beginAt(name, position)
      if (position === undefined || this.#sequences.goesOnFrom(name, position)) return found
    }
    throw new Error(`what is delivered of ${name} does not go on where its history ends`)
  }

  /**
   * Ends what the application and the client have subscribed a connection to; the client is told.
   *
   * @param isClients - only the client's own subscription
   * @returns false if there is none
   */
  async unsubscribe (connection: Connection, name: string, isClients = false): Promise<boolean> {
    const rosters = isClients ? [this.#wrapped] : [this.#plain, this.#wrapped]
    const found = rosters.map((roster) => roster.find(connection, name)).filter((subscriber) => subscriber !== undefined)
    const ended = Promise.all(found.map((subscriber) => this.#remove(subscriber)))
    // One that has not begun is answered.
    if (!isClients && found.some(({ isWrapped, isLive }) => isWrapped && isLive)) connection.sendShared(endNotice(name))
    await ended
    return found.length > 0
  }

  /** Ends all subscriptions of a connection. */
  removeConnection (connection: Connection): void {
    for (const roster of [this.#plain, this.#wrapped]) {
      if (roster.countOf(connection) === 0) continue
      for (const subscriber of roster.of(connection)) void this.#remove(subscriber)
    }
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

  /**
   * Ends all of it; again it does nothing.
   *
   * @param patience - ms that the engine is waited for at most
   */
  close (patience: number = Infinity): Promise<void> {
    for (const subscriber of [...this.#plain.clear(), ...this.#wrapped.clear()]) subscriber.end()
    this.#lines.clear()
    this.#views.clear()
    this.#sequences.clear()
    return (this.#closed ??= this.#call(async () => await within(patience, this.#engine.close())))
  }

  #rosterOf ({ isWrapped }: { readonly isWrapped: boolean }): Roster {
    return isWrapped ? this.#wrapped : this.#plain
  }

  #add (connection: Connection, name: string, isWrapped: boolean, max: number): Subscriber {
    if (connection.readyState !== connection.OPEN) throw new UsageError('FST_WS_NOT_OPEN')
    const roster = this.#rosterOf({ isWrapped })
    const known = roster.find(connection, name)
    if (known !== undefined) return known
    if (this.#plain.countOf(connection) + this.#wrapped.countOf(connection) >= max) throw new UsageError('FST_WS_TOO_MANY_TOPICS', `maxTopicsPerConnection is ${max}`)
    const subscriber = new Subscriber(connection, name, isWrapped)
    roster.add(subscriber)
    if (!this.#lines.has(name)) this.#lines.set(name, { carried: undefined, isAskedFor: false })
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

  /** True where the connection gets the topic by a pattern as well. */
  #hasByPattern (subscriber: Subscriber): boolean {
    return this.#rosterOf(subscriber).findPatternOf(subscriber.connection, subscriber.name) !== undefined
  }

  #stands (subscriber: Subscriber): boolean {
    return this.#rosterOf(subscriber).find(subscriber.connection, subscriber.name) === subscriber
  }

  /** Ends a subscription that stands. The engine is told at once, and resolved is when it has answered. */
  async #remove (subscriber: Subscriber): Promise<void> {
    const { connection, name } = subscriber
    this.#rosterOf(subscriber).remove(subscriber)
    if (this.#hasByPattern(subscriber)) subscriber.sendWaiting()
    const line = this.#lines.get(name)
    const isLast = this.#plain.at(name) === undefined && this.#wrapped.at(name) === undefined
    if (isLast) {
      this.#lines.delete(name)
      this.#sequences.forget(name)
    }
    subscriber.end()
    if (subscriber.isWrapped) this.#unwatch(subscriber)
    // Both before anything else is asked of it: whoever subscribes next comes behind them.
    const isLeaving = subscriber.isMember && !this.#isMember(connection, name)
    subscriber.isMember = false
    const leaving = isLeaving ? this.#call(() => this.#engine.leave(name, connection.id)) : undefined
    const ending = isLast && line?.isAskedFor === true ? this.#call(() => this.#engine.unsubscribe(name)) : undefined
    await leaving
    await ending
  }

  #unwatch ({ connection, name }: Subscriber): void {
    const view = this.#views.get(name)
    view?.remove(connection)
    if (view?.isIdle === true) this.#views.delete(name)
  }

  #isMember (connection: Connection, name: string): boolean {
    return [this.#plain, this.#wrapped].some((roster) => roster.find(connection, name)?.isMember === true)
  }

  /** Calls what is not ours where nobody waits for what may go wrong. */
  async #call (call: () => void | Promise<void>): Promise<void> {
    try {
      await call()
    } catch (error) {
      this.#onError(toError(error))
    }
  }

  #hasPatternOf (topic: string): boolean {
    return this.#plain.atPatternOf(topic) !== undefined || this.#wrapped.atPatternOf(topic) !== undefined
  }

  /** Finds where the one is who is furthest behind, as it was told. */
  #standsAt (topic: string, { epoch, offset }: TopicPosition): TopicPosition | undefined {
    let least: TopicPosition | undefined
    for (const { told } of this.#at(topic)) {
      if (told !== undefined && told.epoch === epoch && told.offset < (least?.offset ?? offset)) least = told
    }
    return least
  }

  /** Who is subscribed to a topic, or a pattern, by that name. */
  #at (name: string): Subscriber[] {
    return [this.#plain, this.#wrapped].flatMap((roster) => [...roster.at(name)?.values() ?? []])
  }

  /** Server-side subscribers have nothing that they could be told; the log is. */
  #tellLost (topic: string, position: TopicPosition | undefined): void {
    this.#onError(new Error(`messages of ${topic} are lost: they were not delivered, and history does not have them`))
    // Nobody is where it was.
    for (const subscriber of this.#at(topic)) subscriber.told = undefined
    const notice = OutgoingMessage.lost(topic, position)
    for (const subscriber of this.#wrapped.at(topic)?.values() ?? []) subscriber.hand(notice)
  }

  /** Hands a message to all subscribers. What is published from within, by a filter or a listener of `slow`, waits until all have this one. */
  #handOut (record: TopicRecord): void {
    if (this.#isHandingOut) {
      this.#handedNext.push(record)
      return
    }
    this.#isHandingOut = true
    try {
      for (let next: TopicRecord | undefined = record; next !== undefined; next = this.#handedNext.shift()) {
        const message = new OutgoingMessage(next)
        this.#deliverTo(this.#plain, message)
        this.#deliverTo(this.#wrapped, message)
      }
    } finally {
      this.#isHandingOut = false
    }
  }

  #deliverTo (roster: Roster, message: OutgoingMessage): void {
    const { record } = message
    const isForAll = record.exclude === undefined && record.local === undefined
    const exact = roster.at(record.topic)
    // Iterators of one kind alone: this is the loop that every message goes through for all.
    if (exact !== undefined) {
      for (const subscriber of exact.values()) {
        if (isForAll || this.#isFor(subscriber.connection, message)) subscriber.hand(message)
      }
    }
    const byPattern = roster.atPatternOf(record.topic)
    if (byPattern === undefined) return
    for (const subscriber of byPattern.values()) {
      // Once is enough.
      if (exact?.has(subscriber.connection) === true) continue
      if (isForAll || this.#isFor(subscriber.connection, message)) subscriber.hand(message)
    }
  }

  #isFor (connection: Connection, message: OutgoingMessage): boolean {
    return !message.excludes(connection.knownId) && this.#isMeant(connection, message.record)
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

  #viewOf (topic: string): MemberView {
    let view = this.#views.get(topic)
    if (view === undefined) {
      view = new MemberView((watchers, change, member) => {
        let message: SharedMessage | undefined
        for (const connection of watchers) {
          if (connection.knownId === member.id) continue
          message ??= new SharedMessage(JSON.stringify({ type: `ws:${change}`, topic, member }))
          connection.sendShared(message)
        }
      })
      this.#views.set(topic, view)
    }
    return view
  }

  /** What a listener does wrong is its own: the engine calls here, and other listeners wait. */
  #tell (event: 'join' | 'leave', topic: string, member: TopicMember): void {
    this.#views.get(topic)?.note(event, member)
    for (const listener of this.#events.listeners(event)) void this.#call(() => (listener as (event: TopicMemberEvent) => void)({ topic, member }))
  }
}

const NOTHING: TopicHistorySlice = { recovered: false, messages: [] }

/** @throws where it takes longer */
async function within (patience: number, closing: void | Promise<void>): Promise<void> {
  if (closing === undefined || patience === Infinity) return await closing
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`the engine of topics did not close within ${Math.round(patience)} ms`)), patience)
  })
  try {
    await Promise.race([closing, late])
  } finally {
    clearTimeout(timer)
  }
}
