// Topics: what is asked of them, and what an engine does that carries them between servers.
import type { CarriedStatic } from './carried.ts'
import type { AnyWebSocketConnection } from './connection.ts'
import type { TopicArguments, TopicHistory } from './topic.ts'

export type { Topic, TopicArguments, TopicHistory, TopicParams } from './topic.ts'

/** Where a message stands in a topic's history: `offset` counts up by one in each epoch, from 1. */
export interface TopicPosition {
  /** Another one each time that the history has begun anew: positions of different epochs cannot be compared. */
  readonly epoch: string
  readonly offset: number
}

/** How to subscribe. */
export interface TopicSubscribeOptions {
  /**
   * The position of the last message that was seen, on a topic with history: all later ones follow, in order and before any new one, or,
   * where not all of them are there, none.
   */
  readonly since?: TopicPosition | undefined
  /** Makes the connection a member of the topic, with this to show of it: any JSON. */
  readonly data?: unknown
}

/** An answer of `authorize`: it is allowed, and the server says who it is that subscribes. */
export interface TopicGrant {
  /** Takes the place of the `data` that was offered, whether any was: any JSON. Undefined: no member. */
  readonly data: unknown
}

/** What a subscription began with. */
export interface TopicSubscription {
  readonly topic: string
  /** Where the topic stands, if it has history: what comes next is behind it. */
  readonly position?: TopicPosition
  /** With `since`: true when nothing was missed, or all that was missed has been sent. */
  readonly recovered?: boolean
  /** Who is there, for a client that is told who comes and goes. */
  readonly members?: readonly TopicMember[]
}

/** Whom a message is for. */
export interface TopicPublishOptions {
  /** Connections that do not get it. */
  readonly exclude?: AnyWebSocketConnection | Iterable<AnyWebSocketConnection>
  /** Asked for each subscriber of this process; anything but true for those that do not get it. Other servers, and whoever comes back later with `since`, know nothing of it. */
  readonly filter?: (connection: AnyWebSocketConnection) => boolean
}

/** A connection that has subscribed with `data`. */
export interface TopicMember {
  /** The connection's. */
  readonly id: string
  readonly data: unknown
}

/** What listeners of `join` and `leave` get. */
export interface TopicMemberEvent {
  readonly topic: string
  readonly member: TopicMember
}

export interface TopicEvents {
  /** A connection of any server has become a member; not when it subscribes again, with other data. */
  join: [event: TopicMemberEvent]
  leave: [event: TopicMemberEvent]
}

/** Of a topic whose name the compiler does not know: given where it has any. */
type AnyParams = Readonly<Record<string, string>>

/** Arguments of `subscribe` behind the topic. */
export type TopicSubscribeArguments<Name extends string> =
  string extends Name ? [params: AnyParams, options?: TopicSubscribeOptions] | [options?: TopicSubscribeOptions]
    : TopicArguments<Name> extends [params: infer P] ? [params: P, options?: TopicSubscribeOptions] : [options?: TopicSubscribeOptions]

/** Arguments of `unsubscribe` and `members` behind the topic. */
export type TopicNameArguments<Name extends string> =
  string extends Name ? [params?: AnyParams] : TopicArguments<Name> extends [params: infer P] ? [params: P] : []

/** Arguments of `publish` behind the topic. */
export type TopicPublishArguments<Name extends string, Schema, Options> =
  string extends Name ? [params: AnyParams, message: MessageWith<Schema>, options?: Options] | [message: MessageWith<Schema>, options?: Options]
    : TopicArguments<Name> extends [params: infer P]
      ? [params: P, message: MessageWith<Schema>, options?: Options]
      : [message: MessageWith<Schema>, options?: Options]

/** Without a schema, or with one whose type is not known: anything. */
type MessageWith<Schema> = unknown extends Schema ? unknown : CarriedStatic<Schema>

/** One message on its way to the subscribers of a topic, on this server and others. */
export interface TopicRecord {
  readonly topic: string
  /** What is sent: text, mostly JSON, or bytes. */
  readonly data: string | Uint8Array
  /** The text is JSON. */
  readonly isJson: boolean
  /** What is kept of the topic; absent: that is not known here, and the message is kept only where the topic has a history already. */
  readonly history?: TopicHistory
  /** Given by the engine to a message of a topic with history. */
  readonly position?: TopicPosition
  /** Ids of connections that do not get it. */
  readonly exclude?: readonly string[]
  /** For subscribers of the process that publishes; an engine keeps it where it is, and carries it nowhere. */
  readonly local?: object
}

/** What an engine found for a subscriber that comes back. */
export interface TopicHistorySlice {
  /** Where the topic stands. Absent: it has no history. */
  readonly position?: TopicPosition
  /** True when `messages` are all that came behind `since`. */
  readonly recovered: boolean
  readonly messages: readonly TopicRecord[]
}

/** What an engine tells. */
export interface TopicEngineEvents {
  /**
   * A message of a topic that is subscribed to here, from whatever server; those of a topic with history in the order of their positions. One
   * that is repeated is dropped, and for one that is missing `history` is asked.
   */
  deliver (record: TopicRecord): void
  onJoin (topic: string, member: TopicMember): void
  onLeave (topic: string, member: TopicMember): void
  /** `down`: messages may be lost from now on; `up`: they come again, and `history` is asked for those that have not come meanwhile. */
  onState (state: 'up' | 'down', error?: Error): void
}

/**
 * Carries topics: within a process, or between all servers. Whatever returns a promise may reject; nothing throws later.
 *
 * What is called for one topic takes effect in the order of the calls, though they do not wait for each other's answers: `subscribe`,
 * `unsubscribe` and `subscribe` end subscribed, `join` and `leave` without the member.
 */
export interface TopicEngine {
  /** Called once, before anything else; the rest waits until it has resolved. Only `close` may come before, and it comes behind a rejection. */
  start (events: TopicEngineEvents): void | Promise<void>
  /**
   * Carries a message to all servers, this one included, and gives it a position where it has `history`, or its topic has one already.
   * Resolves when it is certain to be carried.
   */
  publish (record: TopicRecord): TopicPosition | undefined | Promise<TopicPosition | undefined>
  /**
   * Begins to deliver the messages of a topic, or of a pattern that ends with `*` (one segment): called with the first subscriber of this
   * server. What is published once it has resolved is delivered.
   */
  subscribe (topic: string): void | Promise<void>
  /** Called behind the last subscriber, and where `subscribe` has rejected. */
  unsubscribe (topic: string): void | Promise<void>
  /**
   * Finds where a topic stands and, with `since`, all that came behind it, or nothing.
   *
   * @param limits - those of the topic, where they are known: its history begins here, if there is none yet
   */
  history (topic: string, since: TopicPosition | undefined, limits: TopicHistory | undefined): TopicHistorySlice | Promise<TopicHistorySlice>
  /** Makes a member, or gives it other data; `onJoin` tells of the first alone. May come again behind a rejection. */
  join (topic: string, member: TopicMember): void | Promise<void>
  /** Does nothing for who is no member: it is called behind a `join` that has rejected, too. */
  leave (topic: string, memberId: string): void | Promise<void>
  /** The members of a topic on all servers; no state from before what `onJoin` and `onLeave` have told already. */
  presence (topic: string): readonly TopicMember[] | Promise<readonly TopicMember[]>
  /** Carries out what it was asked before; members of this server that are left leave. */
  close (): void | Promise<void>
}
