// The control protocol: messages of a client that are not the application's, but subscribe, publish, ask for something, or ping. JSON
// objects whose `type` begins with `ws:`; each has an `id`, and is answered with it. Owns their form and their limits.
import type { Connection } from '../connection/connection.ts'
import { checkTopicName, hasParams, TopicError } from '../topic.ts'
import type { Topic, TopicPosition, TopicSubscription } from '../../types/topics.ts'
import type { TopicCalls } from './topic-calls.ts'

/** Bytes of JSON that a member may show of itself. */
const MAX_MEMBER_DATA = 4_096

/** What marks a message that may be one of the protocol. */
const MARK = '"ws:'

/** One thing that clients may ask for. */
export interface RequestRule {
  /** @throws what is told the client */
  check (payload: unknown): unknown
  /** Checks the reply, and serialises it. @throws what is told the client */
  write (reply: unknown): string
}

export interface ControlRules {
  /** Topics that clients may subscribe to by themselves. */
  readonly topics: readonly Topic[]
  /** They may publish to these as well. */
  readonly mayPublish: boolean
  /** They are told who else is there. */
  readonly seeMembers: boolean
  readonly requests: ReadonlyMap<string, RequestRule>
  /** @throws for what is no JSON that is allowed */
  parse (text: string): unknown
}

interface Envelope {
  readonly type: string
  readonly id: unknown
  readonly topic?: unknown
  readonly message?: unknown
  readonly since?: unknown
  readonly data?: unknown
  readonly method?: unknown
  readonly payload?: unknown
}

/** Told the client as it is. */
class ControlError extends Error {
  readonly code: string
  readonly statusCode: number
  readonly validation: unknown

  constructor (code: string, statusCode: number, message: string, validation?: unknown) {
    super(message)
    this.code = code
    this.statusCode = statusCode
    this.validation = validation
  }
}

/** What the client is told of errors that are its own fault, as HTTP has it (RFC 9110 §15.5). */
const STATUS: ReadonlyMap<unknown, number> = new Map([
  ['FST_WS_INVALID_TOPIC', 400],
  ['FST_WS_INVALID_ARGUMENT', 400],
  ['FST_WS_TOPIC_FORBIDDEN', 403],
  ['FST_WS_TOO_MANY_TOPICS', 429]
])

const INTERNAL = 'FST_WS_INTERNAL'

export class Control {
  readonly #rules: ControlRules
  readonly #calls: TopicCalls

  constructor (rules: ControlRules, calls: TopicCalls) {
    this.#rules = rules
    this.#calls = calls
  }

  /**
   * Takes a text message if it is one of the protocol.
   *
   * @returns undefined for any other; else a promise that never rejects, for when the next message may be delivered
   */
  take (connection: Connection, text: string): Promise<void> | undefined {
    if (!text.includes(MARK)) return undefined
    let envelope: unknown
    try {
      envelope = this.#rules.parse(text)
    } catch {
      // The route's own reader says what is wrong with it.
      return undefined
    }
    return isControl(envelope) ? this.#answer(connection, envelope) : undefined
  }

  hasRequest (name: string): boolean {
    return this.#rules.requests.has(name)
  }

  async #answer (connection: Connection, envelope: Envelope): Promise<void> {
    const { id } = envelope
    try {
      if (!Number.isSafeInteger(id)) throw invalid('id must be an integer')
      await this.#do(connection, envelope, id as number) // just looked at
    } catch (error) {
      const told = describe(error)
      if (told.statusCode >= 500) connection.log.error({ err: error }, `${envelope.type.slice(0, 50)} failed`)
      send(connection, { type: 'ws:error', ...(Number.isSafeInteger(id) && { id }), error: told })
    }
  }

  async #do (connection: Connection, envelope: Envelope, id: number): Promise<void> {
    switch (envelope.type) {
      case 'ws:ping':
        return send(connection, { type: 'ws:pong', id })
      case 'ws:subscribe':
        return await this.#subscribe(connection, envelope, id)
      case 'ws:unsubscribe':
        await this.#calls.unsubscribeClient(connection, readName(envelope))
        return send(connection, { type: 'ws:ack', id })
      case 'ws:publish':
        return await this.#publish(connection, envelope, id)
      case 'ws:request':
        return await this.#request(connection, envelope, id)
      default:
        throw invalid(`there is no ${envelope.type.slice(0, 50)}`)
    }
  }

  async #subscribe (connection: Connection, envelope: Envelope, id: number): Promise<void> {
    const { name, topic, params } = this.#find(envelope)
    const { since, data } = envelope
    if (data !== undefined && !isShort(data)) throw invalid(`data may have ${MAX_MEMBER_DATA} characters of JSON`)
    let isAnswered = false
    const subscribing = this.#calls.subscribeTo(connection, name, params, {
      since: since as TopicPosition | undefined, // it is looked at there
      data,
      history: topic.history,
      isWrapped: true,
      seesMembers: this.#rules.seeMembers,
      onSubscribed: (subscription) => {
        isAnswered = true
        send(connection, { type: 'ws:ack', id, ...flat(subscription) })
      }
    })
    // One that ends while it is sent what it has missed has had its answer.
    await subscribing.catch((error: unknown) => { if (!isAnswered) throw error })
  }

  async #publish (connection: Connection, envelope: Envelope, id: number): Promise<void> {
    if (!this.#rules.mayPublish) throw new ControlError('FST_WS_TOPIC_FORBIDDEN', 403, 'clients may not publish here')
    const { topic, params } = this.#find(envelope)
    const { message } = envelope
    if (message === undefined) throw invalid('message is missing')
    const args = hasParams(topic.name) ? [params, message] : [message]
    const position = await this.#calls.publish(connection, topic, args).catch((error: unknown) => { throw asClientFault(error) })
    send(connection, { type: 'ws:ack', id, ...position })
  }

  async #request (connection: Connection, { method, payload }: Envelope, id: number): Promise<void> {
    const name = typeof method === 'string' ? method : ''
    const rule = this.#rules.requests.get(name)
    const handler = connection.requestHandler(name)
    if (rule === undefined || handler === undefined) {
      const what = JSON.stringify(name.slice(0, 50))
      throw new ControlError('FST_WS_NO_HANDLER', 404, rule === undefined ? `there is no request ${what}` : `nothing handles the request ${what}`)
    }
    const reply = rule.write(await handler(rule.check(payload) as never)) // the rule says which it is
    sendText(connection, `{"type":"ws:reply","id":${id},"payload":${reply}}`)
  }

  /** Finds the topic that a name is of, among those that clients may use. */
  #find (envelope: Envelope): { name: string, topic: Topic, params: Record<string, string> } {
    const name = readName(envelope)
    for (const topic of this.#rules.topics) {
      const params = matchTopic(topic.name, name)
      if (params !== undefined) return { name, topic, params }
    }
    throw new ControlError('FST_WS_TOPIC_FORBIDDEN', 403, `there is no topic ${JSON.stringify(name.slice(0, 50))} for clients`)
  }
}

/** Reads the parameters of a name, if it is one of that topic. */
export function matchTopic (pattern: string, name: string): Record<string, string> | undefined {
  const wanted = pattern.split('/')
  const segments = name.split('/')
  if (wanted.length !== segments.length) return undefined
  const params: Record<string, string> = {}
  for (const [index, segment] of wanted.entries()) {
    const given = segments[index] ?? ''
    if (segment.startsWith(':')) params[segment.slice(1)] = given
    else if (segment !== given) return undefined
  }
  return params
}

function isControl (value: unknown): value is Envelope {
  return typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string' && value.type.startsWith('ws:')
}

/** What is nested too deep cannot be written: that is not short either. */
function isShort (data: unknown): boolean {
  try {
    return JSON.stringify(data).length <= MAX_MEMBER_DATA
  } catch {
    return false
  }
}

/** @throws {TopicError} `FST_WS_INVALID_TOPIC` */
function readName ({ topic }: Envelope): string {
  if (typeof topic !== 'string') throw new TopicError('a topic is a string')
  checkTopicName(topic)
  return topic
}

function flat ({ position, ...subscription }: TopicSubscription): object {
  return { ...subscription, ...position }
}

function invalid (detail: string): ControlError {
  return new ControlError('FST_WS_INVALID_CONTROL', 400, detail)
}

interface Told {
  readonly code: string
  readonly message: string
  readonly statusCode: number
  readonly validation?: unknown
}

/** What the client is told of an error: as Fastify has it for an HTTP answer. */
function describe (error: unknown): Told {
  if (!(error instanceof Error)) return { code: INTERNAL, message: String(error), statusCode: 500 }
  const { code, statusCode, validation } = error as Error & { code?: unknown, statusCode?: unknown, validation?: unknown }
  return {
    code: typeof code === 'string' ? code : INTERNAL,
    message: error.message,
    statusCode: typeof statusCode === 'number' ? statusCode : STATUS.get(code) ?? 500,
    ...(Array.isArray(validation) && { validation })
  }
}

/** What the server may not send was said by the client here. */
function asClientFault (error: unknown): unknown {
  if (!(error instanceof Error) || !('code' in error)) return error
  // JSON that is nested too deep.
  if (error.code === 'FST_WS_UNSUPPORTED_DATA') return new ControlError('FST_ERR_VALIDATION', 400, error.message)
  if (error.code !== 'FST_WS_INVALID_SEND') return error
  return new ControlError('FST_ERR_VALIDATION', 400, error.message.replace(/^send/, 'message'), Reflect.get(error, 'validation'))
}

function send (connection: Connection, answer: object): void {
  sendText(connection, JSON.stringify(answer))
}

function sendText (connection: Connection, text: string): void {
  connection.sendEncoded(text)
}
