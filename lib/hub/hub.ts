// All open connections of a server, and their end. Owns who is connected; knows nothing of routes or Fastify.
import type { MessageCodec } from '../connection/codec.ts'
import type { Connection } from '../connection/connection.ts'
import { Meter } from '../connection/meter.ts'
import type { AnyWebSocketConnection, WebSocketConnections, WebSocketHub, WebSocketMetrics } from '../../types/index.ts'
import type { Topic, TopicEngine, TopicEvents, TopicMember, TopicPosition } from '../../types/topics.ts'
import { broadcast, broadcastAlike } from './broadcast.ts'
import { Ending, goAway } from './ending.ts'
import type { EndingTimes } from './ending.ts'
import { MemoryEngine } from './memory-engine.ts'
import { readMetrics } from './metrics.ts'
import { TopicCalls } from './topic-calls.ts'
import type { TopicRules } from './topic-calls.ts'
import { Topics } from './topics.ts'
import type { OnEngineError } from './topics.ts'

/** How a hub carries topics. Defaults: within this process; messages are JSON and not checked; nobody hears of an engine's errors. */
export interface HubTopics {
  readonly engine?: TopicEngine | undefined
  readonly encode?: TopicRules['encode']
  readonly onError?: OnEngineError
}

/** In the place of a codec: connections of several have been open at a time. */
const MANY = Symbol('many')

export class Hub implements WebSocketHub {
  readonly connections: WebSocketConnections
  /** What happened on all connections so far. */
  readonly meter: Meter = new Meter()
  /** Counts the handshakes that wait for their answer; whoever knows sets it. */
  pendingHandshakes: () => number = () => 0
  readonly topics: Topics
  readonly #calls: TopicCalls
  /** Each open connection with whom it belongs to: a group that can end by itself. */
  readonly #open = new Map<Connection, object>()
  /** What has been begun, by group; under the hub itself the end of all. */
  readonly #endings = new Map<object, Ending>()
  readonly #times: EndingTimes
  /** That of all open connections. */
  #codec: MessageCodec | undefined | typeof MANY
  #isClosing = false

  /**
   * @param shutdownTimeout - ms that `close` takes at most
   * @param shutdownStagger - ms over which it spreads its goodbyes
   */
  constructor (shutdownTimeout: number, shutdownStagger = 0, { engine = new MemoryEngine(), encode = toJson, onError = () => {} }: HubTopics = {}) {
    this.topics = new Topics(engine, onError)
    this.#calls = new TopicCalls(this.topics, { max: Infinity, encode })
    this.#times = { timeout: shutdownTimeout, stagger: shutdownStagger, tells: true }
    this.connections = new ConnectionsView(this.#open)
  }

  /** True as soon as no new connection is wanted. */
  get isClosing (): boolean {
    return this.#isClosing
  }

  /** Takes no new connection from now on. */
  stopAccepting (): void {
    this.#isClosing = true
  }

  /** Takes in a connection that has just opened, until `remove`. One that comes too late is told to go. */
  add (connection: Connection, group: object): void {
    this.meter.opened++
    if (this.#open.size === 0) this.#codec = connection.codec
    else if (connection.codec !== this.#codec) this.#codec = MANY
    this.#open.set(connection, group)
    if (!this.#isClosing) return
    goAway(connection)
    this.#endings.get(group)?.add(connection)
    this.#endings.get(this)?.add(connection)
  }

  /** Lets go of a connection that has ended: right before its `close` event, or earlier where that may never come. */
  remove (connection: Connection): void {
    this.#open.delete(connection)
    this.topics.removeConnection(connection)
    for (const ending of this.#endings.values()) ending.delete(connection)
  }

  broadcast (message: unknown, filter?: (connection: AnyWebSocketConnection) => boolean): number {
    if (filter === undefined && this.#codec !== MANY) return broadcastAlike(this.#open.keys(), message)
    // The core is written without the types of messages; for the application it is the same object with them.
    const isMeant = filter as ((connection: unknown) => boolean) | undefined
    return broadcast(this.#open.keys(), message, isMeant ?? (() => true))
  }

  async publish (topic: unknown, ...args: unknown[]): Promise<TopicPosition | undefined> {
    return await this.#calls.publishFromServer(topic, args)
  }

  async members (topic: unknown, ...args: unknown[]): Promise<readonly TopicMember[]> {
    return await this.#calls.members(topic, args)
  }

  get topicState (): 'up' | 'down' {
    return this.topics.state
  }

  on<E extends keyof TopicEvents> (event: E, listener: (...args: TopicEvents[E]) => void): this {
    this.topics.on(event, listener)
    return this
  }

  off<E extends keyof TopicEvents> (event: E, listener: (...args: TopicEvents[E]) => void): this {
    this.topics.off(event, listener)
    return this
  }

  async close (): Promise<void> {
    this.stopAccepting()
    await this.end(this.#times).whenOver()
  }

  metrics (): WebSocketMetrics {
    return readMetrics(this.meter, this.#open.keys(), this.pendingHandshakes())
  }

  /**
   * Begins the end of connections, of those too that open later; the first time counts.
   *
   * @param group - the only one that ends; without it all do
   */
  end (times: EndingTimes, group?: object): Ending {
    const begun = this.#endings.get(group ?? this)
    if (begun !== undefined) return begun
    const ending = new Ending(this.#membersOf(group), times, (connection) => { this.#open.delete(connection) })
    this.#endings.set(group ?? this, ending)
    return ending
  }

  #membersOf (group: object | undefined): Connection[] {
    const members: Connection[] = []
    for (const [connection, owner] of this.#open) {
      if (group === undefined || owner === group) members.push(connection)
    }
    return members
  }
}

function toJson (_topic: Topic, message: unknown): string {
  return JSON.stringify(message)
}

/** What the application may do with the set of connections: look. */
class ConnectionsView implements WebSocketConnections {
  readonly #open: ReadonlyMap<Connection, object>

  constructor (open: ReadonlyMap<Connection, object>) {
    this.#open = open
  }

  get size (): number {
    return this.#open.size
  }

  has (connection: unknown): boolean {
    // Whatever is not a connection is not in the map.
    return this.#open.has(connection as Connection)
  }

  forEach (callback: (connection: AnyWebSocketConnection) => unknown): void {
    for (const connection of this) callback(connection)
  }

  values (): IterableIterator<AnyWebSocketConnection> {
    // The core is written without the types of messages; for the application it is the same object with them.
    return this.#open.keys() as IterableIterator<unknown> as IterableIterator<AnyWebSocketConnection>
  }

  [Symbol.iterator] (): IterableIterator<AnyWebSocketConnection> {
    return this.values()
  }
}
