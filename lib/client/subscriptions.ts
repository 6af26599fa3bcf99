// The topics that a client is subscribed to, over all its connections. Owns what is asked for anew when there is another, and where
// in its history each topic is; knows no socket.
import { limit, TIMEOUT } from './calls.ts'
import type { Waiter } from './calls.ts'
import { defer } from './deferred.ts'
import type { Deferred } from './deferred.ts'
import { ClientError } from './errors.ts'
import type { RequestError } from './errors.ts'
import { Inbox } from './inbox.ts'
import type { Listener } from './inbox.ts'
import type { RequestOptions, SubscribeOptions, TopicMember, TopicPlace } from './types.ts'

/** A message from the server, by the fields that may be in it. */
export type Control = Readonly<Record<string, unknown>> & { readonly type: string }

/** What subscriptions need of their client. */
export interface SubscriptionsOwner {
  /** False while there is no connection: what is not asked for now is when there is one. */
  readonly isOpen: boolean
  /** Asks the server, while there is a connection. What cannot be asked is rejected at once. */
  call (control: Control, waiter: Waiter, options?: RequestOptions): void
  /** Tells listeners of the client. */
  emit (event: string, detail: unknown): void
  /** Judges a message. @returns false if it does not fit, and was dealt with */
  isValid (schema: unknown, message: unknown): boolean
  /** A listener threw or rejected. */
  onFault (reason: unknown): void
}

/** One topic; many may have asked for it, the server is asked once. */
interface Channel {
  readonly owner: SubscriptionsOwner
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
  /** One of its members goes. */
  leave (member: TopicSubscription): Promise<void>
}

/** What one caller of `subscribe` has. */
export class TopicSubscription extends Inbox {
  readonly #channel: Channel
  /** Of its messages. */
  readonly schema: unknown

  constructor (channel: Channel, schema: unknown) {
    super()
    this.#channel = channel
    this.schema = schema
  }

  get topic (): string {
    return this.#channel.topic
  }

  get members (): TopicMember[] {
    return [...this.#channel.present.values()]
  }

  unsubscribe (): Promise<void> {
    this.end()
    return this.#channel.leave(this)
  }

  override onFault (reason: unknown): void {
    this.#channel.owner.onFault(reason)
  }

  override onUnheard (): void {
    this.#channel.owner.emit('error', new ClientError('UNHEARD', this.topic))
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

  /**
   * Subscribes; resolves when the server has confirmed, on whichever connection.
   *
   * @param schema - of the messages
   */
  async open (topic: string, schema?: unknown, listener?: Listener, options: SubscribeOptions = {}): Promise<TopicSubscription> {
    options.signal?.throwIfAborted()
    const channel = this.#channels.get(topic) ?? this.#add(topic, options)
    const subscription = new TopicSubscription(channel, schema)
    if (listener) subscription.on('message', listener)
    channel.members.add(subscription)
    await new Promise<void>((resolve, reject) => {
      const end = limit(options, () => this.#owner.isOpen, (reason) => {
        reject(reason)
        void channel.leave(subscription)
      })
      channel.confirmed.promise.finally(end).then(resolve, reject)
    })
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

  /** The server has ended a subscription. @returns false if there is none */
  end (topic: unknown, reason: RequestError): boolean {
    const channel = this.#channels.get(topic)
    if (channel) this.#onRefused(channel, reason)
    return !!channel
  }

  /**
   * Takes what the server says of a topic: a message, that somebody comes or goes, or that messages are lost.
   *
   * @param type - '': it was published by this client, and is not to be told. It is seen, if it came right behind what was seen last
   */
  onMessage ({ type, topic, epoch, offset, message, member }: Control): void {
    const channel = this.#channels.get(topic)
    if (channel === undefined) return
    const { place, members, present } = channel
    if (member !== undefined) {
      present[type === 'ws:join' ? 'set' : 'delete']((member as TopicMember).id, member as TopicMember)
      for (const subscription of members) subscription.emit(type.slice(3), member)
      return
    }
    if (type === 'ws:lost') {
      channel.place = toPlace(epoch, offset)
      return this.#tell(channel, 'lost', topic)
    }
    // Of another kind: from a server that is newer.
    if (type && type !== 'ws:message') return
    const next = toPlace(epoch ?? place?.epoch, offset)
    if (next) {
      const ahead = next.epoch === place?.epoch ? next.offset - place.offset : Infinity
      // Seen before: it came both in time and with what was missed.
      if (ahead < 1 || (!type && ahead > 1)) return
      channel.place = next
    }
    if (type) for (const subscription of members) if (this.#owner.isValid(subscription.schema, message)) subscription.receive(message)
  }

  #add (topic: string, { data, since }: SubscribeOptions): Channel {
    const channel: Channel = {
      owner: this.#owner, topic, data, members: new Set(), place: since, confirmed: defer(), isNew: true, present: new Map(), leave: (member) => this.#leave(channel, member)
    }
    this.#channels.set(topic, channel)
    if (this.#owner.isOpen) this.#ask(channel)
    return channel
  }

  #ask (channel: Channel): void {
    const { topic, data, place: since } = channel
    this.#owner.call({ type: 'ws:subscribe', topic, since, data }, {
      resolve: (answer: Control) => this.#onAnswer(channel, answer, since),
      reject: (reason) => this.#onRefused(channel, reason as RequestError | ClientError)
    })
  }

  #onAnswer (channel: Channel, { epoch, offset, recovered, members = [] }: Control, since: TopicPlace | undefined): void {
    const current = this.#channels.get(channel.topic)
    if (current !== channel) {
      // It was left meanwhile, and a server that does several things at a time may have heard of that first.
      if (current === undefined) void this.#tellLeft(channel)
      return
    }
    channel.present = new Map((members as TopicMember[]).map((member) => [member.id, member]))
    // What was missed follows, and each message brings its offset.
    if (!recovered) channel.place = toPlace(epoch, offset)
    if (!channel.isNew || since) this.#tell(channel, recovered ? 'recovered' : 'lost', channel.topic)
    channel.isNew = false
    channel.confirmed.resolve()
  }

  #onRefused (channel: Channel, reason: RequestError | ClientError): void {
    // The connection broke: it is renewed with the next one.
    if ((reason as Partial<ClientError>).sent) return // which the server's have not
    if (!channel.isNew) this.#tell(channel, 'error', reason)
    this.#drop(channel, reason)
  }

  #tell ({ members }: Channel, event: string, detail: unknown): void {
    for (const member of members) member.emit(event, detail)
    this.#owner.emit(event, detail)
  }

  async #leave (channel: Channel, member: TopicSubscription): Promise<void> {
    const { members } = channel
    if (members.delete(member) && members.size === 0 && this.#drop(channel)) await this.#tellLeft(channel)
  }

  async #tellLeft ({ topic }: Channel): Promise<void> {
    // If the connection breaks meanwhile, that is an end of it as well.
    if (this.#owner.isOpen) await new Promise((resolve) => { this.#owner.call({ type: 'ws:unsubscribe', topic }, { resolve, reject: resolve }, { timeout: TIMEOUT }) })
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
