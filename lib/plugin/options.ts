// Options of the plugin and of a route: checked once, defaulted once. Owns the defaults, and whose option goes before whose.
import type { FastifyInstance } from 'fastify'
import { DEFLATE_DEFAULTS as LEAST } from '../connection/deflate/settings.ts'
import type { RateLimit } from '../connection/token-bucket.ts'
import type {
  WebSocketFastPaths,
  WebSocketHeartbeat,
  WebSocketPerMessageDeflate,
  WebSocketPluginOptions,
  WebSocketRateLimit,
  WebSocketRouteOptions
} from '../../types/options.ts'
import { InvalidOptionError } from './errors.ts'
import { PLUGIN_RULES, ROUTE_RULES, checkOptions, isPlainObject, show } from './option-rules.ts'

/** What Fastify and avvio read from the same object. */
const REGISTER_OPTIONS: ReadonlySet<string> = new Set(['prefix', 'logLevel', 'logSerializers', 'name'])

const DEFAULTS = {
  closeTimeout: 5_000,
  highWaterMark: 65_536,
  concurrency: 1,
  maxQueuedMessages: 16,
  heartbeat: { interval: 25_000, timeout: 20_000 },
  handshakeTimeout: 10_000,
  maxBufferedAmount: 1_048_576,
  slowConsumer: 'close',
  rateLimit: false,
  allowedOrigins: 'same-origin',
  fastPaths: { webAssembly: true, sharedReadBuffer: true, zlibHandles: true },
  lendPayloads: false,
  perMessageDeflate: false,
  maxTopicsPerConnection: 128,
  binary: false
} as const

/** Of `perMessageDeflate`, once it is on. */
const DEFLATE_DEFAULTS: DeflateOptions = { ...LEAST, maxMemory: 67_108_864 }

const PLUGIN_DEFAULTS = {
  // Before the route is known it is the plugin's that holds. A number and not DEFAULTS', for the declarations are made without inference.
  handshakeTimeout: 10_000,
  shutdownTimeout: 10_000,
  shutdownStagger: 0,
  maxPendingHandshakes: 1_000
} as const

/** Of Fastify, which fills it in. */
const DEFAULT_BODY_LIMIT = 1_048_576

/** A heartbeat with both its times. */
type Heartbeat = Readonly<Required<WebSocketHeartbeat>>

/** Fast paths, each decided. */
type FastPaths = Readonly<Required<WebSocketFastPaths>>

/** Compression with all its options. */
export type DeflateOptions = Readonly<Required<WebSocketPerMessageDeflate>>

/** The same before anything is laid under; a field that is undefined is as good as absent. */
type DeflateFields = { readonly [Name in keyof WebSocketPerMessageDeflate]: WebSocketPerMessageDeflate[Name] | undefined }

/** Where options stand that a registration or a route gives, and what each is once the defaults are laid under. */
type Filled = { readonly [Name in keyof typeof DEFAULTS]: NonNullable<WebSocketRouteOptions[Name]> } & {
  readonly heartbeat: Heartbeat | false
  readonly rateLimit: RateLimit | false
  readonly fastPaths: FastPaths
  readonly perMessageDeflate: DeflateOptions | false
}

/**
 * Options of a route after its own, the plugin's and the defaults have been laid over each other.
 *
 * The caps (`maxConnections`, `maxConnectionsPerIp`, `maxPendingHandshakes`) are the route's own: those of the plugin count all its
 * routes together, and hold as well.
 */
export type RouteSettings = Readonly<Omit<WebSocketRouteOptions, keyof typeof DEFAULTS | 'maxPayload'>> & Filled & {
  readonly maxPayload: number
}

/** Options of one registration, checked. */
export type PluginSettings = Readonly<Omit<WebSocketPluginOptions, keyof typeof PLUGIN_DEFAULTS | 'heartbeat' | 'rateLimit' | 'fastPaths' | 'perMessageDeflate'>> & {
  readonly shutdownTimeout: number
  readonly shutdownStagger: number
  readonly handshakeTimeout: number
  /** Of all routes together. */
  readonly maxPendingHandshakes: number
  readonly heartbeat: Heartbeat | false
  readonly rateLimit: RateLimit | false
  readonly fastPaths: FastPaths
  /** `undefined` when it was not given: `options` may have it then. */
  readonly perMessageDeflate: DeflateOptions | false | undefined
}

/**
 * Checks the options that the plugin was registered with.
 *
 * @throws `FST_WS_INVALID_OPTION`
 */
export function readPluginOptions (given: object): PluginSettings {
  const options = Object.fromEntries(Object.entries(given).filter(([name]) => !REGISTER_OPTIONS.has(name)))
  // What has passed the rules is of the type that they stand for.
  const checked = checkOptions(options, PLUGIN_RULES, 'the plugin') as WebSocketPluginOptions
  const settings = {
    ...PLUGIN_DEFAULTS,
    ...checked,
    heartbeat: mergeHeartbeat(checked.heartbeat, DEFAULTS.heartbeat),
    rateLimit: mergeRateLimit(checked.rateLimit, DEFAULTS.rateLimit),
    fastPaths: mergeFastPaths(checked.fastPaths, DEFAULTS.fastPaths),
    perMessageDeflate: checked.perMessageDeflate && mergeDeflate(checked.perMessageDeflate, DEFAULTS.perMessageDeflate)
  }
  const { shutdownStagger, shutdownTimeout } = settings
  if (shutdownStagger > shutdownTimeout) {
    throw new InvalidOptionError('shutdownStagger', 'the plugin', `got ${shutdownStagger}, must be at most shutdownTimeout, which is ${shutdownTimeout}`)
  }
  return settings
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
  const own = typeof given === 'object' ? checkRouteOptions(given, owner) : {}
  return {
    ...DEFAULTS,
    ...withoutCaps(plugin),
    ...own,
    heartbeat: mergeHeartbeat(own.heartbeat, plugin.heartbeat),
    rateLimit: mergeRateLimit(own.rateLimit, plugin.rateLimit),
    fastPaths: mergeFastPaths(own.fastPaths, plugin.fastPaths),
    perMessageDeflate: mergeDeflate(own.perMessageDeflate, plugin.perMessageDeflate ?? DEFAULTS.perMessageDeflate),
    maxPayload: own.maxPayload ?? plugin.maxPayload ?? bodyLimit ?? instance.initialConfig.bodyLimit ?? DEFAULT_BODY_LIMIT
  }
}

/**
 * Checks `perMessageDeflate` of whoever opens a connection, and lays it over the defaults.
 *
 * @throws `FST_WS_INVALID_OPTION`
 */
export function readDeflateOptions (given: unknown, owner: string): DeflateOptions | false {
  const { perMessageDeflate } = checkOptions({ perMessageDeflate: given }, ROUTE_RULES, owner) as WebSocketRouteOptions // as above
  return mergeDeflate(perMessageDeflate, DEFAULTS.perMessageDeflate)
}

/** @throws `FST_WS_INVALID_OPTION` */
function checkRouteOptions (given: object, owner: string): WebSocketRouteOptions {
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined || Object.hasOwn(ROUTE_RULES, name) || !Object.hasOwn(PLUGIN_RULES, name)) continue
    throw new InvalidOptionError(name, owner, 'it is an option of the plugin only')
  }
  return checkOptions(given, ROUTE_RULES, owner) as WebSocketRouteOptions // as above
}

function withoutCaps (plugin: PluginSettings): Omit<PluginSettings, 'maxConnections' | 'maxConnectionsPerIp' | 'maxPendingHandshakes'> {
  const { maxConnections: _1, maxConnectionsPerIp: _2, maxPendingHandshakes: _3, ...shared } = plugin
  return shared
}

/** Field by field; on a route whose plugin has switched it off, over the defaults. */
function mergeHeartbeat (own: WebSocketHeartbeat | false | undefined, under: Heartbeat | false): Heartbeat | false {
  if (own === undefined || own === false) return own ?? under
  const { interval, timeout } = under === false ? DEFAULTS.heartbeat : under
  return { interval: own.interval ?? interval, timeout: own.timeout ?? timeout }
}

/** Field by field. */
function mergeFastPaths (own: boolean | WebSocketFastPaths | undefined, under: FastPaths): FastPaths {
  if (typeof own === 'boolean') return { webAssembly: own, sharedReadBuffer: own, zlibHandles: own }
  return {
    webAssembly: own?.webAssembly ?? under.webAssembly,
    sharedReadBuffer: own?.sharedReadBuffer ?? under.sharedReadBuffer,
    zlibHandles: own?.zlibHandles ?? under.zlibHandles
  }
}

/** Field by field; where it is off beneath, over the defaults. True is what is beneath, or the defaults. */
export function mergeDeflate (own: boolean | DeflateFields | undefined, under: DeflateOptions | false): DeflateOptions | false {
  if (own === undefined || own === false) return own ?? under
  const base = under === false ? DEFLATE_DEFAULTS : under
  if (own === true) return base
  return {
    threshold: own.threshold ?? base.threshold,
    level: own.level ?? base.level,
    memLevel: own.memLevel ?? base.memLevel,
    serverNoContextTakeover: own.serverNoContextTakeover ?? base.serverNoContextTakeover,
    clientNoContextTakeover: own.clientNoContextTakeover ?? base.clientNoContextTakeover,
    serverMaxWindowBits: own.serverMaxWindowBits ?? base.serverMaxWindowBits,
    clientMaxWindowBits: own.clientMaxWindowBits ?? base.clientMaxWindowBits,
    maxMemory: own.maxMemory ?? base.maxMemory
  }
}

/** As a whole: half of one limit with half of another would be nobody's. */
function mergeRateLimit (own: WebSocketRateLimit | false | undefined, under: RateLimit | false): RateLimit | false {
  if (own === undefined || own === false) return own ?? under
  const { messages, bytes, perSeconds = 1, onLimit = 'close' } = own
  return { ...(messages !== undefined && { messages }), ...(bytes !== undefined && { bytes }), perSeconds, onLimit }
}
