// A topic described once and shared by the server and its clients: how its names are made and what its messages are. Imports nothing
// at run time, so that a browser can load it; who is subscribed to what is not its business.
import type { Topic, TopicArguments, TopicHistory } from '../types/topic.ts'
import type { CarriedTypes, SchemaTypes } from './contract.ts'

/** What no name may have: control characters, and halves of surrogate pairs, which all become the same character on the wire. */
const FORBIDDEN = /[\p{Cc}\p{Cs}]/u

export type { Topic, TopicArguments, TopicHistory, TopicParams } from '../types/topic.ts'

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
  checkTopic(topic)
  const { history } = topic
  // The copy has all of T.
  return Object.freeze({ ...topic, ...(history !== undefined && { history: Object.freeze({ ...history }) }) })
}

/**
 * Checks a description, of whatever make.
 *
 * @throws {TopicError} `FST_WS_INVALID_TOPIC`
 */
export function checkTopic (topic: Topic): void {
  const { name, history } = topic
  checkTopicName(name)
  checkKeys(name, topic, '', 'name', 'schema', 'history')
  const params = name.split('/').filter((segment) => segment.startsWith(':'))
  const strange = params.find((param) => !/^:[A-Za-z_]\w*$/.test(param))
  if (strange !== undefined) throw invalid(name, `a parameter is : and a name of letters, digits and _, not ${strange}`)
  if (new Set(params).size !== params.length) throw invalid(name, 'a parameter is there twice')
  if (history !== undefined) checkHistory(name, history)
}

/** True for a name with parameters: they are given in front of everything else. A colon within a segment makes none. */
export function hasParams (name: string): boolean {
  return /(^|\/):/.test(name)
}

/**
 * Makes a name: `room/a` of `room/:room` and `{ room: 'a' }`. Parameters are put in as they are, nothing is escaped.
 *
 * @throws {TopicError} `FST_WS_INVALID_TOPIC` for a parameter that is missing, empty, or has `/`, `*` or a control character in it,
 *   and for a name of more than 255 bytes of UTF-8
 */
export function topicName<Name extends string> (topic: Topic<Name>, ...[params]: TopicArguments<Name>): string {
  const name = fillTopic(topic.name, params, (param, value) => invalid(topic.name, `the parameter ${param} must be text without / and *, got ${describe(value)}`))
  checkTopicName(name)
  return name
}

/**
 * Puts parameters into a topic's name, as `topicName` does, and looks at nothing but that none changes how many segments there are:
 * for clients, whose server judges the rest. As little as that, for browsers download it.
 *
 * @param makeError - of a parameter's name and value that cannot be one: this is what is thrown
 */
export function fillTopic (name: string, params: object | undefined, makeError: (param: string, value: unknown) => Error): string {
  return name.replace(/(^|\/):(\w+)/g, (_, slash: string, param: string) => {
    // The compiler has seen that they fit; here they are looked at one by one.
    const value: unknown = (params as Readonly<Record<string, unknown>> | undefined)?.[param]
    if (typeof value !== 'string' || !/^[^/*]+$/.test(value)) throw makeError(param, value)
    return slash + value
  })
}

/**
 * Checks a name that one may publish to or, with a `*` as its last segment, subscribe to.
 *
 * @param mayMatch - the last segment may be `*`: all names that have another segment, and no more, in its place
 * @throws {TopicError} `FST_WS_INVALID_TOPIC` for what is no string, empty or longer than 255 bytes of UTF-8, and for an empty
 *   segment, a control character or a `*` in it
 */
export function checkTopicName (name: string, mayMatch = false): void {
  const fault = findFault(name, mayMatch)
  if (fault !== undefined) throw invalid(name, fault)
}

function findFault (name: string, mayMatch: boolean): string | undefined {
  if (typeof name !== 'string') return 'a name is a string'
  // No text has more than three bytes of UTF-8 for each UTF-16 unit.
  if (name.length > 85 && new TextEncoder().encode(name).length > 255) return 'over 255 bytes of UTF-8'
  if (FORBIDDEN.test(name)) return 'a control character, or half of a surrogate pair'
  const segments = name.split('/')
  if (segments.includes('')) return 'an empty segment'
  if (mayMatch && segments.at(-1) === '*') segments.pop()
  if (!segments.join('').includes('*')) return undefined
  return mayMatch ? '* may only be the last segment of a pattern' : 'a name has no *: only connection.subscribe takes patterns'
}

function checkHistory (name: string, history: TopicHistory): void {
  if (typeof history !== 'object' || history === null) throw invalid(name, `history must be { size, ttl }, got ${String(history)}`)
  checkKeys(name, history, 'history.', 'size', 'ttl')
  const { size, ttl } = history
  if (!Number.isSafeInteger(size) || size < 1) throw invalid(name, `history.size must be an integer from 1 on, got ${String(size)}`)
  if (ttl !== undefined && !(typeof ttl === 'number' && ttl > 0)) throw invalid(name, `history.ttl must be over 0 ms, got ${String(ttl)}`)
}

/** What is misspelt would be left out without a word. */
function checkKeys (name: string, given: object, path: string, ...known: string[]): void {
  const strange = Object.keys(given).find((key) => !known.includes(key))
  if (strange !== undefined) throw invalid(name, `there is no ${path}${strange}, only ${known.join(', ')}`)
}

function describe (value: unknown): string {
  return String(typeof value === 'string' ? JSON.stringify(value) : value).slice(0, 100)
}

function invalid (name: unknown, fault: string): TopicError {
  return new TopicError(`topic ${String(JSON.stringify(name)).slice(0, 100)}: ${fault}`)
}
