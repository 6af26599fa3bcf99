// What an option may be: a rule for each, in words and as a check. Knows no default, and nothing of how options are laid over each other.
import { inspect } from 'node:util'
import { isToken } from '../protocol/header-fields.ts'
import { checkTopic } from '../topic.ts'
import type { Topic } from '../../types/topic.ts'
import type { WebSocketPerMessageDeflate, WebSocketPluginOptions, WebSocketRouteOptions } from '../../types/index.ts'
import { InvalidOptionError } from './errors.ts'
import { explainOrigins, isAllowedOrigins } from './origin.ts'

/** What an option may be: in words for the error, and as a check. */
export interface Rule {
  readonly allowed: string
  accepts (value: unknown): boolean
  /** Says more than `allowed` about a value that is not accepted, if there is more to say. */
  explain? (value: unknown): string | undefined
  /** Of an option that is an object: the rules for what is in it. */
  readonly fields?: Readonly<Record<string, Rule>>
}

/** Characters of a value in an error. */
const MAX_SHOWN = 80

/** The longest time that a timer of Node can be set to, in ms. */
const MAX_TIMEOUT = 2 ** 31 - 1

const COUNT: Rule = { allowed: 'an integer from 1 on', accepts: value => isIntegerFrom(1, value) }
const SIZE: Rule = { allowed: 'an integer from 0 on', accepts: value => isIntegerFrom(0, value) }
const TIME: Rule = {
  allowed: `an integer from 0 to ${MAX_TIMEOUT} (milliseconds)`,
  accepts: value => isIntegerFrom(0, value) && Number(value) <= MAX_TIMEOUT
}
const DURATION: Rule = {
  allowed: `an integer from 1 to ${MAX_TIMEOUT} (milliseconds)`,
  accepts: value => TIME.accepts(value) && value !== 0
}
const FLAG: Rule = { allowed: 'true or false', accepts: value => typeof value === 'boolean' }
const FUNCTION: Rule = { allowed: 'a function', accepts: value => typeof value === 'function' }
const OBJECT: Rule = { allowed: 'an object', accepts: isPlainObject }
const PROTOCOLS: Rule = {
  allowed: 'an array of different subprotocol names (tokens) or a function',
  accepts: value => typeof value === 'function' || (Array.isArray(value) && Array.from(value).every(isName) && new Set(value).size === value.length)
}
const HEARTBEAT: Rule = {
  allowed: 'false or an object with interval and timeout',
  accepts: value => value === false || isPlainObject(value),
  fields: { interval: DURATION, timeout: DURATION }
}
const RATE_LIMIT: Rule = {
  allowed: 'false or an object with messages, bytes or both',
  accepts: value => value === false || (isPlainObject(value) && (has(value, 'messages') || has(value, 'bytes'))),
  fields: {
    messages: COUNT,
    bytes: COUNT,
    perSeconds: { allowed: 'a number over 0', accepts: value => Number.isFinite(value) && Number(value) > 0 },
    onLimit: { allowed: '\'close\' or \'pause\'', accepts: value => value === 'close' || value === 'pause' }
  }
}
const FAST_PATHS: Rule = {
  allowed: 'true, false or an object with webAssembly, sharedReadBuffer and zlibHandles',
  accepts: value => typeof value === 'boolean' || isPlainObject(value),
  fields: { webAssembly: FLAG, sharedReadBuffer: FLAG, zlibHandles: FLAG }
}
/** What is in `perMessageDeflate`; bits are those of RFC 7692 §7.1.2, levels zlib's. Level 0 would compress nothing. */
export const DEFLATE_RULES: Readonly<Record<keyof WebSocketPerMessageDeflate, Rule>> = {
  threshold: { ...SIZE, allowed: `${SIZE.allowed} (bytes)` },
  level: integerIn(1, 9),
  memLevel: integerIn(1, 9),
  serverNoContextTakeover: FLAG,
  clientNoContextTakeover: FLAG,
  serverMaxWindowBits: integerIn(8, 15),
  clientMaxWindowBits: integerIn(8, 15),
  maxMemory: { ...SIZE, allowed: `${SIZE.allowed} (bytes)` }
}
const DEFLATE: Rule = {
  allowed: 'true, false or an object of options',
  accepts: value => typeof value === 'boolean' || isPlainObject(value),
  fields: DEFLATE_RULES
}
const ORIGINS: Rule = {
  allowed: 'true, an origin, a regular expression, a list of both or a function',
  accepts: isAllowedOrigins,
  explain: explainOrigins
}
const ENGINE_METHODS = ['start', 'publish', 'subscribe', 'unsubscribe', 'history', 'join', 'leave', 'presence', 'close']
const ENGINE: Rule = {
  allowed: `an object with ${ENGINE_METHODS.join(', ')}`,
  accepts: value => typeof value === 'object' && value !== null && ENGINE_METHODS.every(name => typeof Reflect.get(value, name) === 'function')
}
const TOPIC_LIST: Rule = {
  allowed: 'an array of topics, as defineTopic returns them',
  accepts: value => isListOfTopics(value) && explainTopics(value) === undefined,
  explain: value => isListOfTopics(value) ? explainTopics(value) : undefined
}
const TOPICS: Rule = {
  allowed: `${TOPIC_LIST.allowed}, or an object with allow, publish and presence`,
  accepts: value => TOPIC_LIST.accepts(value) || (isPlainObject(value) && has(value, 'allow')),
  explain: value => TOPIC_LIST.explain?.(value),
  fields: { allow: TOPIC_LIST, publish: FLAG, presence: FLAG }
}
const SLOW_CONSUMER: Rule = {
  allowed: '\'close\', \'drop\' or a function',
  accepts: value => value === 'close' || value === 'drop' || typeof value === 'function'
}

export const ROUTE_RULES: Readonly<Record<keyof WebSocketRouteOptions, Rule>> = {
  maxPayload: { ...COUNT, allowed: `${COUNT.allowed} (bytes)` },
  closeTimeout: TIME,
  highWaterMark: { ...SIZE, allowed: `${SIZE.allowed} (bytes)` },
  concurrency: COUNT,
  maxQueuedMessages: SIZE,
  heartbeat: HEARTBEAT,
  handshakeTimeout: DURATION,
  maxLifetime: DURATION,
  maxBufferedAmount: { ...COUNT, allowed: `${COUNT.allowed} (bytes)` },
  slowConsumer: SLOW_CONSUMER,
  rateLimit: RATE_LIMIT,
  allowedOrigins: ORIGINS,
  maxConnections: COUNT,
  maxConnectionsPerIp: COUNT,
  maxPendingHandshakes: COUNT,
  fastPaths: FAST_PATHS,
  lendPayloads: FLAG,
  perMessageDeflate: DEFLATE,
  topics: TOPICS,
  maxTopicsPerConnection: COUNT,
  authorize: FUNCTION,
  binary: FLAG,
  protocols: PROTOCOLS,
  errorHandler: FUNCTION,
  validatorCompiler: FUNCTION,
  serializerCompiler: FUNCTION
}

export const PLUGIN_RULES: Readonly<Record<keyof WebSocketPluginOptions, Rule>> = {
  ...ROUTE_RULES,
  shutdownTimeout: TIME,
  shutdownStagger: TIME,
  topicEngine: ENGINE,
  preClose: FUNCTION,
  options: OBJECT
}

/**
 * Checks that all options are known and allowed.
 *
 * @param prefix - what stands before each name in an error: the option that these are in
 * @returns the options without those that are `undefined`, which is as good as absent
 * @throws `FST_WS_INVALID_OPTION`
 */
export function checkOptions (given: object, rules: Readonly<Record<string, Rule>>, owner: string, prefix = ''): object {
  const options = Object.entries(given).filter(([, value]) => value !== undefined)
  for (const [name, value] of options) {
    const rule = Object.hasOwn(rules, name) ? rules[name] : undefined
    if (rule === undefined) throw new InvalidOptionError(prefix + name, owner, `there is no such option, only ${Object.keys(rules).join(', ')}`)
    if (!rule.accepts(value)) throw new InvalidOptionError(prefix + name, owner, rule.explain?.(value) ?? `got ${show(value)}, must be ${rule.allowed}`)
    if (rule.fields !== undefined && isPlainObject(value)) checkOptions(value, rule.fields, owner, `${prefix}${name}.`)
  }
  return Object.fromEntries(options)
}

/** Shows a value in an error: on one line, short whatever is in it, and without running any code of its own. */
export function show (value: unknown): string {
  if (typeof value === 'function') return 'a function'
  if (typeof value === 'string') return JSON.stringify(value.slice(0, MAX_SHOWN))
  if (typeof value !== 'object' || value === null) return String(value)
  const shown = inspect(value, { depth: 1, maxArrayLength: 5, maxStringLength: MAX_SHOWN, breakLength: Infinity, compact: true, customInspect: false })
  return shown.length > MAX_SHOWN ? `${shown.slice(0, MAX_SHOWN)}...` : shown
}

/** Anything else that is an object has its options, if it has any, where they would not be seen. */
export function isPlainObject (value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  // Not compared with `Object.prototype`: code that runs in a context of its own, as under some test runners, has another one.
  return prototype === null || Object.getPrototypeOf(prototype) === null
}

function has (options: object, name: string): boolean {
  return Reflect.get(options, name) !== undefined
}

function isIntegerFrom (least: number, value: unknown): boolean {
  return Number.isSafeInteger(value) && Number(value) >= least
}

function integerIn (least: number, most: number): Rule {
  return { allowed: `an integer from ${least} to ${most}`, accepts: value => isIntegerFrom(least, value) && Number(value) <= most }
}

function isListOfTopics (value: unknown): value is Topic[] {
  return Array.isArray(value) && Array.from(value).every(topic => isPlainObject(topic) && typeof Reflect.get(topic, 'name') === 'string')
}

/** Says what is wrong with the first topic that `defineTopic` would not take. */
function explainTopics (topics: readonly Topic[]): string | undefined {
  for (const topic of topics) {
    try {
      checkTopic(topic)
    } catch (error) {
      return error instanceof Error ? error.message : String(error)
    }
  }
  return undefined
}

function isName (value: unknown): boolean {
  return typeof value === 'string' && isToken(value)
}
