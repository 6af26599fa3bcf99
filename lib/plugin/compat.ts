// The `options` of @fastify/websocket, which are those of the `ws` package. Owns which of them mean something here,
// and turns those into this plugin's own.
import type { OutgoingHttpHeaders } from 'node:http'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { WebSocketCompatibleDeflate, WebSocketCompatibleOptions, WebSocketProtocolChooser } from '../../types/index.ts'
import { InvalidOptionError, VerificationFailedError } from './errors.ts'
import { DEFLATE_RULES, checkOptions, isPlainObject } from './option-rules.ts'
import type { Rule } from './option-rules.ts'
import { mergeDeflate } from './options.ts'
import type { PluginSettings } from './options.ts'

const OWNER = 'the plugin\'s options.options'

/** zlib's word for a level of its own choice, and its choice. */
const DEFAULT_LEVEL = -1
const ZLIB_LEVEL = 6

const ANYTHING: Rule = { allowed: 'anything', accepts: () => true }

/** What zlib can be told without that a peer could tell. Not `dictionary`, which the peer would have to know. */
const ZLIB_RULES: Readonly<Record<string, Rule>> = Object.fromEntries([
  'flush', 'finishFlush', 'chunkSize', 'windowBits', 'level', 'memLevel', 'strategy', 'info', 'maxOutputLength', 'rejectGarbageAfterEnd'
].map(name => [name, ANYTHING]))

const { level: LEVEL, memLevel: MEM_LEVEL, maxMemory: _, ...SHARED_RULES } = DEFLATE_RULES
/** Of `ws`, whose options for zlib stand in objects of their own. */
const COMPATIBLE_DEFLATE_RULES: Readonly<Record<keyof WebSocketCompatibleDeflate | 'maxPayload', Rule>> = {
  ...SHARED_RULES,
  zlibDeflateOptions: {
    allowed: 'an object',
    accepts: isPlainObject,
    fields: {
      ...ZLIB_RULES,
      level: { allowed: `${LEVEL.allowed}, or ${DEFAULT_LEVEL}`, accepts: value => value === DEFAULT_LEVEL || LEVEL.accepts(value) },
      memLevel: MEM_LEVEL
    }
  },
  zlibInflateOptions: { allowed: 'an object', accepts: isPlainObject, fields: ZLIB_RULES },
  concurrencyLimit: ANYTHING,
  // `ws` writes its own over it.
  maxPayload: ANYTHING
}

/** Allowed values; where one has no effect here, any other would have had one there. */
const RULES: Readonly<Record<keyof WebSocketCompatibleOptions | 'skipUTF8Validation', Rule>> = {
  maxPayload: { allowed: 'an integer from 1 on (bytes)', accepts: value => Number.isSafeInteger(value) && Number(value) >= 1 },
  verifyClient: { allowed: 'a function', accepts: value => typeof value === 'function' },
  handleProtocols: { allowed: 'a function', accepts: value => typeof value === 'function' },
  server: { allowed: 'an HTTP server', accepts: value => typeof value === 'object' && value !== null && 'on' in value && 'listenerCount' in value },
  path: { allowed: 'a string', accepts: value => typeof value === 'string' },
  clientTracking: { allowed: 'true or false', accepts: value => typeof value === 'boolean' },
  perMessageDeflate: {
    allowed: 'true, false or an object of options',
    accepts: value => typeof value === 'boolean' || isPlainObject(value),
    fields: COMPATIBLE_DEFLATE_RULES
  },
  skipUTF8Validation: { allowed: 'false: text is always checked', accepts: value => value === false }
}

/**
 * Checks the options that @fastify/websocket hands to `ws`.
 *
 * @throws `FST_WS_INVALID_OPTION`
 */
export function readCompatibleOptions (given: object | undefined, fastify: FastifyInstance): WebSocketCompatibleOptions {
  if (given === undefined) return {}
  if ('noServer' in given && given.noServer) {
    throw new InvalidOptionError('noServer', OWNER, 'a WebSocket server apart from Fastify is not this plugin\'s to make')
  }
  const options = Object.entries(given).filter(([name]) => name !== 'noServer')
  // What has passed the rules is of the type that they stand for.
  const checked = checkOptions(Object.fromEntries(options), RULES, OWNER) as WebSocketCompatibleOptions & { path?: string }
  if (checked.path !== undefined) fastify.log.warn('ws server path option shouldn\'t be provided, use a route instead')
  return checked
}

/** Lays what the options have in common with the plugin's own under those. */
export function mergeCompatibleOptions (settings: PluginSettings, compatible: WebSocketCompatibleOptions): PluginSettings {
  const maxPayload = settings.maxPayload ?? compatible.maxPayload
  const protocols = settings.protocols ?? protocolChooser(compatible)
  const perMessageDeflate = settings.perMessageDeflate ?? compatibleDeflate(compatible)
  return { ...settings, ...(maxPayload !== undefined && { maxPayload }), ...(protocols !== undefined && { protocols }), perMessageDeflate }
}

/** What is not said is as by default here, not as in `ws`. */
function compatibleDeflate ({ perMessageDeflate }: WebSocketCompatibleOptions): PluginSettings['perMessageDeflate'] {
  if (perMessageDeflate === undefined) return undefined
  if (typeof perMessageDeflate === 'boolean') return mergeDeflate(perMessageDeflate, false)
  const { zlibDeflateOptions: { level, memLevel } = {}, ...own } = perMessageDeflate
  return mergeDeflate({ ...own, level: level === DEFAULT_LEVEL ? ZLIB_LEVEL : level, memLevel }, false)
}

/** Only asked when the client offers something, as in `ws`. */
function protocolChooser ({ handleProtocols }: WebSocketCompatibleOptions): WebSocketProtocolChooser | undefined {
  if (handleProtocols === undefined) return undefined
  return (offered, request) => offered.length > 0 && handleProtocols(new Set(offered), request.raw)
}

/** Settles when the client may come in. */
export type ClientVerifier = (request: FastifyRequest, reply: FastifyReply) => Promise<void>

/**
 * Makes a function of `verifyClient`, in its form with a callback (two parameters) or without.
 *
 * It rejects with the error that becomes the HTTP answer: 401 unless the callback gave another status.
 */
export function clientVerifier ({ verifyClient }: WebSocketCompatibleOptions): ClientVerifier | undefined {
  if (verifyClient === undefined) return undefined
  return async (request, reply) => {
    const { origin = '' } = request.headers
    const info = { origin, secure: 'encrypted' in request.raw.socket, req: request.raw }
    const answer = await new Promise<Verification>((resolve) => {
      const done = (verified: boolean, statusCode?: number, message?: string, headers?: OutgoingHttpHeaders): void => {
        resolve({ verified, statusCode, message, headers })
      }
      const result: unknown = verifyClient(info, done)
      if (verifyClient.length < 2) resolve({ verified: Boolean(result) })
    })
    if (answer.verified) return
    if (answer.headers !== undefined) reply.headers(answer.headers)
    const error = new VerificationFailedError()
    if (answer.statusCode !== undefined) error.statusCode = answer.statusCode
    if (answer.message !== undefined) error.message = answer.message
    throw error
  }
}

interface Verification {
  readonly verified: boolean
  readonly statusCode?: number | undefined
  readonly message?: string | undefined
  readonly headers?: OutgoingHttpHeaders | undefined
}
