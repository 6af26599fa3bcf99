// `subscribe`, `publish` and the like as the application calls them: a topic or a name, parameters, a message, options. Owns how the
// arguments are told apart, who may do it, and how a message is serialised; the rest is for topics.ts.
import { Connection } from '../connection/connection.ts'
import { toBytes } from '../connection/data.ts'
import { isThenable } from '../connection/listeners.ts'
import type { ConnectionTopics } from '../connection/topic-methods.ts'
import { UsageError } from '../protocol/errors.ts'
import { checkTopic, checkTopicName, hasParams, TopicError, topicName } from '../topic.ts'
import type {
  Topic, TopicHistory, TopicMember, TopicPosition, TopicPublishOptions, TopicRecord, TopicSubscribeOptions, TopicSubscription
} from '../../types/topics.ts'
import type { Audience, Joining, Topics } from './topics.ts'

export type TopicAction = 'subscribe' | 'publish'

/** What holds for the connections of a route. */
export interface TopicRules {
  /** Topics that a connection may be subscribed to at a time. */
  readonly max: number
  /**
   * Asked before a connection subscribes or publishes; anything but true, or a `TopicGrant`, refuses it. `params` are those of the topic's
   * name; none for a name alone. `data` is what the subscriber offers.
   */
  readonly authorize?: ((
    connection: Connection, topic: string, params: Readonly<Record<string, string>>, action: TopicAction, data: unknown
  ) => unknown) | undefined
  /** Checks a message by the schema of its topic, and serialises it. */
  encode (topic: Topic, message: unknown): string
}

/** What is asked of `authorize`. */
interface Question {
  readonly connection: Connection
  readonly name: string
  readonly params: Readonly<Record<string, string>>
  readonly action: TopicAction
  readonly data?: unknown
}

/** A topic as it was given: its name, what is left of the arguments behind its parameters. */
interface Target {
  readonly name: string
  readonly topic: Topic | undefined
  readonly params: Readonly<Record<string, string>>
  readonly rest: readonly unknown[]
}

/** Topics that have been looked at: `defineTopic` leaves no mark, and without it nobody has. */
const checked = new WeakSet<Topic>()

const NO_PARAMS: Readonly<Record<string, string>> = Object.freeze({})

/** A subscription that waits for `authorize`. */
interface Asking {
  readonly name: string
  readonly isClients: boolean
  /** Somebody has unsubscribed meanwhile. */
  isOver: boolean
}

export class TopicCalls implements ConnectionTopics {
  readonly #asking = new WeakMap<Connection, Set<Asking>>()
  readonly #topics: Topics
  readonly #rules: TopicRules

  constructor (topics: Topics, rules: TopicRules) {
    this.#topics = topics
    this.#rules = rules
  }

  async subscribe (connection: Connection, topic: unknown, args: readonly unknown[]): Promise<TopicSubscription> {
    const { name, topic: described, params, rest } = readTarget(topic, args, true)
    const { since, data } = readOptions(rest[0]) as TopicSubscribeOptions // looked at where they count
    return await this.subscribeTo(connection, name, params, { since, data, history: described?.history })
  }

  /** Subscribes by name, as the control protocol does. */
  async subscribeTo (
    connection: Connection, name: string, params: Readonly<Record<string, string>>, options: Omit<Joining, 'max'>
  ): Promise<TopicSubscription> {
    const asked = this.#check({ connection, name, params, action: 'subscribe', data: options.data })
    const data = isThenable(asked) ? await this.#waitFor(asked, connection, name, options.isWrapped === true) : asked
    checkSince(options.since)
    checkData(data)
    return await this.#topics.subscribe(connection, name, { ...options, data, max: this.#rules.max })
  }

  async unsubscribe (connection: Connection, topic: unknown, args: readonly unknown[]): Promise<boolean> {
    return await this.#end(connection, readTarget(topic, args, true).name, false)
  }

  /** Ends what a client has subscribed to itself. */
  async unsubscribeClient (connection: Connection, name: string): Promise<boolean> {
    return await this.#end(connection, name, true)
  }

  async publish (connection: Connection, topic: unknown, args: readonly unknown[]): Promise<TopicPosition | undefined> {
    const target = readTarget(topic, args, false)
    const asked = this.#check({ connection, name: target.name, params: target.params, action: 'publish' })
    // Only behind it the message is looked at: what is not allowed costs nothing, and what is, and at once, is taken at once.
    if (isThenable(asked)) await asked
    const { record, audience } = this.#write(target, connection)
    return await this.#topics.publish(record, audience)
  }

  /** Publishes for nobody in particular: a REST route, a job. */
  async publishFromServer (topic: unknown, args: readonly unknown[]): Promise<TopicPosition | undefined> {
    const { record, audience } = this.#write(readTarget(topic, args, false), undefined)
    return await this.#topics.publish(record, audience)
  }

  async members (topic: unknown, args: readonly unknown[]): Promise<readonly TopicMember[]> {
    return await this.#topics.members(readTarget(topic, args, false).name)
  }

  namesOf (connection: Connection): string[] {
    return this.#topics.namesOf(connection)
  }

  /** @throws {UsageError} `FST_WS_NOT_OPEN` where it was unsubscribed meanwhile */
  async #waitFor (answer: PromiseLike<unknown>, connection: Connection, name: string, isClients: boolean): Promise<unknown> {
    const asking = { name, isClients, isOver: false }
    const all = this.#asking.get(connection) ?? new Set()
    this.#asking.set(connection, all.add(asking))
    let data: unknown
    try {
      data = await answer
    } finally {
      all.delete(asking)
    }
    if (asking.isOver) throw new UsageError('FST_WS_NOT_OPEN', `the subscription to ${name} ended before it began`)
    return data
  }

  async #end (connection: Connection, name: string, isClients: boolean): Promise<boolean> {
    let isFound = false
    for (const asking of this.#asking.get(connection) ?? []) {
      if (asking.name === name && (asking.isClients || !isClients)) isFound = asking.isOver = true
    }
    return await this.#topics.unsubscribe(connection, name, isClients) || isFound
  }

  /** Asks whether it is allowed. @returns the `data` that holds: a promise only where the answer is one */
  #check (question: Question): unknown {
    const { authorize } = this.#rules
    const { connection, name, params, action, data } = question
    if (authorize === undefined) return data
    const answer = authorize(connection, name, params, action, data)
    // A copy: it may be of another kind.
    return isThenable(answer) ? Promise.resolve(answer).then((late) => judge(late, question)) : judge(answer, question)
  }

  #write ({ name, topic, rest }: Target, publisher: Connection | undefined): { record: TopicRecord, audience: Audience } {
    const [message, given] = rest
    const { exclude, filter } = readOptions(given) as TopicPublishOptions // as above
    if (filter !== undefined && typeof filter !== 'function') throw new UsageError('FST_WS_INVALID_ARGUMENT', `filter must be a function, got ${typeof filter}`)
    const excluded = connectionsOf(exclude)
    if (publisher !== undefined) excluded.push(publisher)
    const written = topic === undefined ? writeRaw(message) : { data: this.#rules.encode(topic, message), isJson: true }
    const history: TopicHistory | undefined = topic?.history
    const record = {
      topic: name,
      ...written,
      ...(history && { history }),
      ...(excluded.length > 0 && { exclude: excluded.map(({ id }) => id) })
    }
    // The core is written without the types of messages; for the application it is the same object with them.
    return { record, audience: { filter: filter as Audience['filter'] } }
  }
}

function readTarget (topic: unknown, args: readonly unknown[], mayMatch: boolean): Target {
  if (typeof topic === 'string') {
    checkTopicName(topic, mayMatch)
    return { name: topic, topic: undefined, params: NO_PARAMS, rest: args }
  }
  if (typeof topic !== 'object' || topic === null || typeof (topic as Partial<Topic>).name !== 'string') {
    throw new TopicError('a topic is a name, or what defineTopic returns')
  }
  const described = topic as Topic
  if (!checked.has(described)) {
    checkTopic(described)
    checked.add(described)
  }
  if (!hasParams(described.name)) return { name: topicName(described), topic: described, params: NO_PARAMS, rest: args }
  const [params, ...rest] = args
  return { name: topicName(described, params as Record<string, string>), topic: described, params: params as Record<string, string>, rest } // `topicName` has checked them
}

/** @returns the `data` that holds */
function judge (answer: unknown, { name, action, data }: Question): unknown {
  if (answer === true) return data
  if (typeof answer !== 'object' || answer === null || !('data' in answer)) throw new UsageError('FST_WS_TOPIC_FORBIDDEN', `${action} ${name}`)
  // A pattern has no members.
  return name.endsWith('*') ? data : answer.data
}

function readOptions (given: unknown): object {
  if (given === undefined) return {}
  if (typeof given !== 'object' || given === null) throw new UsageError('FST_WS_INVALID_ARGUMENT', `the options must be an object, got ${given === null ? 'null' : typeof given}`)
  return given
}

function checkSince (since: TopicPosition | undefined): void {
  if (since === undefined) return
  if (typeof since?.epoch === 'string' && Number.isSafeInteger(since.offset) && since.offset >= 0) return
  throw new UsageError('FST_WS_INVALID_ARGUMENT', 'since must be { epoch, offset }: a string, and an integer from 0 on')
}

/** What a member shows is for others, and for engines: JSON. */
function checkData (data: unknown): void {
  if (data === undefined) return
  let text: string | undefined
  try {
    text = JSON.stringify(data) as string | undefined // undefined for a function and a symbol
  } catch (error) {
    throw new UsageError('FST_WS_INVALID_ARGUMENT', `data must be JSON: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
  }
  if (text === undefined) throw new UsageError('FST_WS_INVALID_ARGUMENT', `data must be JSON, got a ${typeof data}`)
}

function connectionsOf (exclude: TopicPublishOptions['exclude']): Connection[] {
  if (exclude === undefined) return []
  // A connection is iterable too: by its messages, asynchronously.
  const list: unknown[] = typeof exclude === 'object' && exclude !== null && Symbol.iterator in exclude ? [...exclude] : [exclude]
  if (list.every((connection) => connection instanceof Connection)) return list
  throw new UsageError('FST_WS_INVALID_ARGUMENT', 'exclude must be a connection, or some')
}

/** Of a topic that is a name alone. */
function writeRaw (message: unknown): { data: string | Uint8Array, isJson: boolean } {
  if (typeof message === 'string') return { data: message, isJson: false }
  const bytes = toBytes(message)
  if (bytes !== undefined) return { data: Buffer.from(bytes), isJson: false }
  let text: string | undefined
  try {
    text = JSON.stringify(message) as string | undefined // undefined for a function, a symbol and undefined itself
  } catch (error) {
    throw new UsageError('FST_WS_UNSUPPORTED_DATA', error instanceof Error ? error.message : String(error), { cause: error })
  }
  if (text === undefined) throw new UsageError('FST_WS_UNSUPPORTED_DATA', `${typeof message} has no place in JSON`)
  return { data: text, isJson: true }
}
