// A topic described once and shared by the server and its clients: how its names are made and what its messages are. Imports nothing
// at run time, so that a browser can load it; who is subscribed to what is not its business.
import type { Topic, TopicArguments, TopicHistory } from '../types/topics.ts'
import type { CarriedTypes, SchemaTypes } from './contract.ts'

/** Bytes of UTF-8 that a whole name may have. */
const MOST_BYTES = 255

/** What no name may have: control characters, and halves of surrogate pairs, which all become the same character on the wire. */
const FORBIDDEN = /[\p{Cc}\p{Cs}]/u

const PARAM = /^:[A-Za-z_]\w*$/

export type { Topic, TopicArguments, TopicHistory, TopicParams } from '../types/topics.ts'

/** A message of a topic. */
export type TopicMessage<T extends Topic, P extends SchemaTypes = CarriedTypes> =
  T extends { readonly schema: infer S } ? (P & { schema: S })['type'] : unknown

/** A topic's name, parameter or description is wrong: thrown at the caller, at once. */
export class TopicError extends TypeError {
  override readonly name = 'TopicError'
  readonly code = 'FST_WS_INVALID_TOPIC'
}

/**
 * Checks a topic and freezes it. The description is copied; its schema is kept by identity.
 *
 * @throws {TopicError} `FST_WS_INVALID_TOPIC`
 */
export function defineTopic<const T extends Topic> (topic: T): T {
  const { name, history } = topic
  checkTopicName(name)
  const params = name.split('/').filter((segment) => segment.startsWith(':'))
  for (const param of params) {
    if (!PARAM.test(param)) throw new TopicError(`topic ${quote(name)}: a parameter is : and a name of letters, digits and _, not ${quote(param)}`)
  }
  if (new Set(params).size !== params.length) throw new TopicError(`topic ${quote(name)}: a parameter is there twice`)
  if (history !== undefined) checkHistory(name, history)
  // The copy has all of T.
  return Object.freeze({ ...topic, ...(history !== undefined && { history: Object.freeze({ ...history }) }) })
}

/**
 * Makes a name: `room/a` of `room/:room` and `{ room: 'a' }`. Parameters are put in as they are, nothing is escaped.
 *
 * @throws {TopicError} `FST_WS_INVALID_TOPIC` for a parameter that is missing, empty, or has `/`, `*` or a control character in it,
 *   and for a name of more than 255 bytes of UTF-8
 */
export function topicName<Name extends string> (topic: Topic<Name>, ...[params]: TopicArguments<Name>): string {
  const { name } = topic
  if (!name.includes(':')) return name
  // The compiler has seen that they fit; here they are looked at one by one.
  const given = (params ?? {}) as Readonly<Record<string, unknown>>
  const made = name.split('/').map((segment) => segment.startsWith(':') ? readParam(name, segment.slice(1), given) : segment).join('/')
  checkTopicName(made)
  return made
}

/**
 * Checks a name that one may publish to or, with a `*` as its last segment, subscribe to.
 *
 * @param mayMatch - the last segment may be `*`: all names that have another segment, and no more, in its place
 * @throws {TopicError} `FST_WS_INVALID_TOPIC` for what is no string, empty or longer than 255 bytes of UTF-8, and for an empty
 *   segment, a control character or a `*` in it
 */
export function checkTopicName (name: string, mayMatch = false): void {
  if (typeof name !== 'string') throw new TopicError(`a topic's name must be a string, got ${name === null ? 'null' : typeof name}`)
  // No text has fewer bytes than UTF-16 units, and none more than three for each.
  if (name.length > MOST_BYTES || (name.length * 3 > MOST_BYTES && new TextEncoder().encode(name).length > MOST_BYTES)) {
    throw new TopicError(`a topic's name may have ${MOST_BYTES} bytes of UTF-8, ${quote(name.slice(0, 20))}... has more`)
  }
  if (FORBIDDEN.test(name)) throw new TopicError(`topic ${quote(name)}: a control character or half a surrogate pair`)
  const segments = name.split('/')
  if (segments.includes('')) throw new TopicError(`topic ${quote(name)}: ${name === '' ? 'a name may not be empty' : 'an empty segment'}`)
  if (mayMatch && segments.at(-1) === '*') segments.pop()
  if (segments.some((segment) => segment.includes('*'))) throw new TopicError(`topic ${quote(name)}: * may stand only as the last segment of what is subscribed to`)
}

function readParam (name: string, param: string, given: Readonly<Record<string, unknown>>): string {
  const value = Object.hasOwn(given, param) ? given[param] : undefined
  if (typeof value !== 'string') throw new TopicError(`topic ${quote(name)}: the parameter ${param} must be a string, got ${value === null ? 'null' : typeof value}`)
  if (value === '') throw new TopicError(`topic ${quote(name)}: the parameter ${param} may not be empty`)
  if (value.includes('/')) throw new TopicError(`topic ${quote(name)}: the parameter ${param} may not have a / in it`)
  return value
}

function checkHistory (name: string, { size, ttl }: TopicHistory): void {
  if (!Number.isSafeInteger(size) || size < 1) throw new TopicError(`topic ${quote(name)}: history.size must be an integer from 1 on, got ${String(size)}`)
  if (ttl !== undefined && !(typeof ttl === 'number' && ttl > 0)) throw new TopicError(`topic ${quote(name)}: history.ttl must be over 0 ms, got ${String(ttl)}`)
}

function quote (text: string): string {
  return JSON.stringify(text)
}
