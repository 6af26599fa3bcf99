// The topics that a client is subscribed to, over all its connections. Owns what is asked for anew when there is another, and where
// in its history each topic is; knows no socket.
import type { Waiter } from './calls.ts'
import { defer } from './deferred.ts'
import type { Deferred } from './deferred.ts'
import { ClientError, RequestError } from './errors.ts'
import { Inbox } from './inbox.ts'
import type { Listener } from './inbox.ts'
import type { RequestOptions, TopicMember, TopicPlace } from './types.ts'

/** A message from the server, by the fields that may be in it. */
export type Control = Readonly<Record<string, unknown>> & { readonly type: string }

/** It is answered, or the connection breaks. */
const FOR_EVER = { timeout: Infinity }

/** What subscriptions need of their client. */
export interface SubscriptionsOwner {
  /** False while there is no connection: what is not asked for now is when there is one. */
  readonly isOpen: boolean
  /** Asks the server, while there is a connection. */
  call (control: Control, waiter: Waiter, options: RequestOptions): void
  /** Tells listeners of the client. */
  emit (event: string, detail: unknown): void
  /** Judges a message. @returns false if it does not fit, and was dealt with */
  isValid (schema: unknown, message: unknown): boolean
  /** A listener threw or rejected. */
  onFault (reason: unknown): void
}

export interface SubscribeSettings {
  readonly listener?: Listener | undefined
  readonly data?: unknown
  readonly since?: TopicPlace | undefined
  /** Of the messages. */
  readonly schema?: unknown
}

/** One topic; many may have asked for it, the server is asked once. */
interface Channel {
  readonly topic: string
  readonly data: unknown
  readonly members: Set<TopicSubscription>
  /** Of the last message that was seen; none where the topic has no history. */
  place: TopicPlace | undefined
  /** Settles with the server's first answer. */
  readonly confirmed: Deferred
  /** It has not. */
  isNew: boolean
  /** Who is there, by id, where the server tells. */
  present: Map<string, TopicMember>
}

/** What one caller of `subscribe` has. */
export class TopicSubscription extends Inbox {
  readonly #channel: Channel
  readonly #owner: SubscriptionsOwner
  /** Of its messages. */
  readonly schema: unknown
  readonly #onUnsubscribe: (subscription: TopicSubscription) => Promise<void>

  constructor (channel: Channel, schema: unknown, owner: SubscriptionsOwner, onUnsubscribe: (subscription: TopicSubscription) => Promise<void>) {
    super()
    this.#channel = channel
    this.#owner = owner
    this.schema = schema
    this.#onUnsubscribe = onUnsubscribe
  }

  get topic (): string {
    return this.#channel.topic
  }

  get members (): TopicMember[] {
    return [...this.#channel.present.values()]
  }

  unsubscribe (): Promise<void> {
    this.end()
    return this.#onUnsubscribe(this)
  }

  override onFault (reason: unknown): void {
    this.#owner.onFault(reason)
  }

  override onUnheard (): void {
    this.#owner.emit('error', new ClientError('UNHEARD', this.topic))
  }
}

export class Subscriptions {
  readonly #owner: SubscriptionsOwner
  readonly #channels = new Map<unknown, Channel>()

  constructor (owner: SubscriptionsOwner) {
    this.#owner = owner
  }

  get size (): number {
    return this.#channels.size
  }

  /** Subscribes; resolves when the server has confirmed, on whichever connection. */
  async open (topic: string, { listener, data, since, schema }: SubscribeSettings = {}): Promise<TopicSubscription> {
    const channel = this.#channels.get(topic) ?? this.#add(topic, data, since)
    const subscription = new TopicSubscription(channel, schema, this.#owner, (member) => this.#leave(channel, member))
    if (listener !== undefined) subscription.on('message', listener)
    channel.members.add(subscription)
    await channel.confirmed.promise
    return subscription
  }

  /** There is a connection: asks for all topics, from where each was left. */
  renew (): void {
    for (const channel of this.#channels.values()) this.#ask(channel)
  }

  /** There will be none. */
  close (reason: unknown): void {
    for (const channel of this.#channels.values()) this.#drop(channel, reason)
  }

  /**
   * Takes a message of a topic.
   *
   * @param isOwn - it was published by this client, and is not to be told: it is seen, if it came right behind what was seen last
   */
  onMessage ({ topic, epoch, offset, message }: Control, isOwn = false): void {
    const channel = this.#channels.get(topic)
    if (channel === undefined) return
    const { place, members } = channel
    const next = toPlace(epoch ?? place?.epoch, offset)
    if (next !== undefined) {
      const ahead = next.epoch === place?.epoch ? next.offset - place.offset : Infinity
      // Seen before: it came both in time and with what was missed.
      if (ahead < 1 || (isOwn && ahead > 1)) return
      channel.place = next
    }
    if (!isOwn) for (const member of members) if (this.#owner.isValid(member.schema, message)) member.receive(message)
  }

  /** Takes the coming and going of others. */
  onPresence ({ type, topic, member }: Control): void {
    const channel = this.#channels.get(topic)
    if (channel === undefined) return
    const { id } = member as TopicMember
    channel.present[type === 'ws:join' ? 'set' : 'delete'](id, member as TopicMember)
    for (const subscription of channel.members) subscription.emit(type.slice(3), member)
  }

  #add (topic: string, data: unknown, place: TopicPlace | undefined): Channel {
    const channel = { topic, data, members: new Set<TopicSubscription>(), place, confirmed: defer(), isNew: true, present: new Map() }
    this.#channels.set(topic, channel)
    if (this.#owner.isOpen) this.#ask(channel)
    return channel
  }

  #ask (channel: Channel): void {
    const { topic, data, place: since } = channel
    this.#owner.call({ type: 'ws:subscribe', topic, since, data }, {
      resolve: (answer: Control) => this.#onAnswer(channel, answer, since),
      reject: (reason) => this.#onRefused(channel, reason)
    }, FOR_EVER)
  }

  #onAnswer (channel: Channel, { epoch, offset, recovered, members = [] }: Control, since: TopicPlace | undefined): void {
    const isRecovered = since !== undefined && recovered === true
    channel.present = new Map((members as TopicMember[]).map((member) => [member.id, member]))
    // What was missed follows, and each message brings its offset.
    if (!isRecovered) channel.place = toPlace(epoch, offset)
    if ((!channel.isNew || since !== undefined) && channel.members.size > 0) {
      this.#tell(channel, isRecovered ? 'recovered' : 'lost', channel.topic)
    }
    channel.isNew = false
    channel.confirmed.resolve()
  }

  #onRefused (channel: Channel, reason: unknown): void {
    // The connection broke: it is renewed with the next one.
    if (!(reason instanceof RequestError)) return
    if (!channel.isNew) this.#tell(channel, 'error', reason)
    this.#drop(channel, reason)
  }

  #tell ({ members }: Channel, event: string, detail: unknown): void {
    for (const member of members) member.emit(event, detail)
    this.#owner.emit(event, detail)
  }

  async #leave (channel: Channel, member: TopicSubscription): Promise<void> {
    const { members, topic } = channel
    if (!members.delete(member) || members.size > 0 || !this.#drop(channel)) return
    // If the connection breaks meanwhile, that is an end of it as well.
    if (this.#owner.isOpen) await new Promise<void>((resolve) => { this.#owner.call({ type: 'ws:unsubscribe', topic }, { resolve, reject: () => resolve() }, FOR_EVER) })
  }

  /** @returns false if it was dropped before; another may have taken its place */
  #drop (channel: Channel, reason?: unknown): boolean {
    if (this.#channels.get(channel.topic) !== channel) return false
    this.#channels.delete(channel.topic)
    for (const member of channel.members) member.end()
    channel.confirmed.reject(reason)
    return true
  }
}

function toPlace (epoch: unknown, offset: unknown): TopicPlace | undefined {
  return typeof epoch === 'string' && typeof offset === 'number' ? { epoch, offset } : undefined
}
