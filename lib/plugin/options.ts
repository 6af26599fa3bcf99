// Options of the plugin and of a route: checked once, defaulted once. Owns what is allowed and what it is by default.
import type { FastifyInstance } from 'fastify'
import { isToken } from '../protocol/header-fields.ts'
import type { WebSocketPluginOptions, WebSocketRouteOptions } from '../../types/index.ts'
import { InvalidOptionError } from './errors.ts'

/** What an option may be: in words for the error, and as a check. */
interface Rule {
  readonly allowed: string
  accepts (value: unknown): boolean
}

/** The longest time that a timer of Node can be set to, in ms. */
const MAX_TIMEOUT = 2 ** 31 - 1

const COUNT: Rule = { allowed: 'an integer from 1 on', accepts: value => isIntegerFrom(1, value) }
const SIZE: Rule = { allowed: 'an integer from 0 on', accepts: value => isIntegerFrom(0, value) }
const TIME: Rule = {
  allowed: `an integer from 0 to ${MAX_TIMEOUT} (milliseconds)`,
  accepts: value => isIntegerFrom(0, value) && Number(value) <= MAX_TIMEOUT
}
const FLAG: Rule = { allowed: 'true or false', accepts: value => typeof value === 'boolean' }
const FUNCTION: Rule = { allowed: 'a function', accepts: value => typeof value === 'function' }
const OBJECT: Rule = { allowed: 'an object', accepts: isPlainObject }
const PROTOCOLS: Rule = {
  allowed: 'an array of different subprotocol names (tokens) or a function',
  accepts: value => typeof value === 'function' || (Array.isArray(value) && value.every(isName) && new Set(value).size === value.length)
}

const ROUTE_RULES: Readonly<Record<keyof WebSocketRouteOptions, Rule>> = {
  maxPayload: { ...COUNT, allowed: `${COUNT.allowed} (bytes)` },
  closeTimeout: TIME,
  highWaterMark: { ...SIZE, allowed: `${SIZE.allowed} (bytes)` },
  concurrency: COUNT,
  maxQueuedMessages: SIZE,
  binary: FLAG,
  protocols: PROTOCOLS,
  errorHandler: FUNCTION,
  validatorCompiler: FUNCTION,
  serializerCompiler: FUNCTION
}

const PLUGIN_RULES: Readonly<Record<keyof WebSocketPluginOptions, Rule>> = {
  ...ROUTE_RULES,
  shutdownTimeout: TIME,
  preClose: FUNCTION,
  options: OBJECT
}

/** What Fastify and avvio read from the same object. */
const REGISTER_OPTIONS: ReadonlySet<string> = new Set(['prefix', 'logLevel', 'logSerializers', 'name'])

const DEFAULTS = {
  closeTimeout: 5_000,
  highWaterMark: 65_536,
  concurrency: 1,
  maxQueuedMessages: 16,
  binary: false,
  shutdownTimeout: 10_000
} as const

/** Options of a route after its own, the plugin's and the defaults have been laid over each other. */
export type RouteSettings = Readonly<Omit<WebSocketRouteOptions, keyof typeof DEFAULTS | 'maxPayload'>> & {
  readonly maxPayload: number
  readonly closeTimeout: number
  readonly highWaterMark: number
  readonly concurrency: number
  readonly maxQueuedMessages: number
  readonly binary: boolean
}

/** Options of one registration, checked. */
export type PluginSettings = Readonly<WebSocketPluginOptions> & { readonly shutdownTimeout: number }

/**
 * Checks the options that the plugin was registered with.
 *
 * @throws `FST_WS_INVALID_OPTION`
 */
export function readPluginOptions (given: object): PluginSettings {
  const options = Object.fromEntries(Object.entries(given).filter(([name]) => !REGISTER_OPTIONS.has(name)))
  // What has passed the rules is of the type that they stand for.
  const checked = checkOptions(options, PLUGIN_RULES, 'the plugin') as WebSocketPluginOptions
  return { ...checked, shutdownTimeout: checked.shutdownTimeout ?? DEFAULTS.shutdownTimeout }
}

/**
 * Checks the options of a route and lays them over those of the plugin.
 *
 * @param given - what the route says with `websocket`: options, or whether it is for WebSocket at all
 * @param bodyLimit - the route's own, if it has one: the default of `maxPayload`, before the instance's
 * @throws `FST_WS_INVALID_OPTION`
 */
export function readRouteOptions (
  given: unknown, owner: string, plugin: PluginSettings, bodyLimit: number | undefined, instance: FastifyInstance
): RouteSettings {
  if (given !== undefined && typeof given !== 'boolean' && !isPlainObject(given)) {
    throw new InvalidOptionError('websocket', owner, `got ${show(given)}, must be true, false or an object of options`)
  }
  // As above.
  const own = typeof given === 'object' ? checkOptions(given, ROUTE_RULES, owner) as WebSocketRouteOptions : {}
  const settings = { ...DEFAULTS, ...plugin, ...own }
  // Fastify fills in its own default.
  return { ...settings, maxPayload: settings.maxPayload ?? bodyLimit ?? instance.initialConfig.bodyLimit ?? 1_048_576 }
}

/**
 * Checks that all options are known and allowed.
 *
 * @returns the options without those that are `undefined`, which is as good as absent
 * @throws `FST_WS_INVALID_OPTION`
 */
export function checkOptions (given: object, rules: Readonly<Record<string, Rule>>, owner: string): object {
  const options = Object.entries(given).filter(([, value]) => value !== undefined)
  for (const [name, value] of options) {
    const rule = Object.hasOwn(rules, name) ? rules[name] : undefined
    if (rule === undefined) throw new InvalidOptionError(name, owner, `there is no such option, only ${Object.keys(rules).join(', ')}`)
    if (!rule.accepts(value)) throw new InvalidOptionError(name, owner, `got ${show(value)}, must be ${rule.allowed}`)
  }
  return Object.fromEntries(options)
}

/** Shows a value in an error: short, and what a string or an object is at first sight. */
function show (value: unknown): string {
  if (typeof value === 'function') return 'a function'
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? `[${value.map(show).join(', ')}]`.slice(0, 80) : 'an object'
  return typeof value === 'string' ? JSON.stringify(value.slice(0, 80)) : String(value)
}

/** Anything else that is an object has its options, if it has any, where they would not be seen. */
function isPlainObject (value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  // Not compared with `Object.prototype`: code that runs in a context of its own, as under some test runners, has another one.
  return prototype === null || Object.getPrototypeOf(prototype) === null
}

function isIntegerFrom (least: number, value: unknown): boolean {
  return Number.isSafeInteger(value) && Number(value) >= least
}

function isName (value: unknown): boolean {
  return typeof value === 'string' && isToken(value)
}
