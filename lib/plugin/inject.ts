// `fastify.injectWS`: a client without a port. Real bytes go through Node's HTTP parser, the plugin's upgrade listener and all
// of Fastify; the client is this package's own engine in the client role.
import { createServer, request as httpRequest } from 'node:http'
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import { Connection } from '../connection/connection.ts'
import type { ConnectionSettings } from '../connection/connection.ts'
import { deflateSettings } from '../connection/deflate/settings.ts'
import type { DeflateTuning } from '../connection/deflate/settings.ts'
import { offerDeflate, readDeflateAnswer } from '../protocol/deflate-offer.ts'
import type { DeflateWish } from '../protocol/deflate-offer.ts'
import { formatExtensions } from '../protocol/extensions.ts'
import type { ExtensionOffer } from '../protocol/extensions.ts'
import { buildRequest, generateKey, judgeResponse } from '../protocol/handshake-client.ts'
import { splitList } from '../protocol/header-fields.ts'
import type { InjectWebSocketHooks, InjectWebSocketOptions, WebSocketConnection } from '../../types/index.ts'
import { UnreachableRouteError } from './errors.ts'
import { MemorySocket } from './memory-socket.ts'
import { readDeflateOptions } from './options.ts'
import type { ServerState } from './server-state.ts'

type InjectWS = FastifyInstance['injectWS']

/** What the handshake itself says, whatever headers a test was given. */
const HANDSHAKE_FIELDS: ReadonlySet<string> = new Set(['connection', 'upgrade', 'sec-websocket-key', 'sec-websocket-version'])

const CLIENT: ConnectionSettings = Object.freeze({
  role: 'client',
  maxPayload: 2 ** 30,
  closeTimeout: 5_000,
  highWaterMark: 65_536,
  concurrency: 1,
  maxQueuedMessages: 10_000,
  onError: throwUnheard
})

/** What the handshake offers. */
interface Offer {
  readonly path: string
  readonly key: string
  readonly protocols: readonly string[]
  readonly extensions: readonly ExtensionOffer[]
  readonly deflate: (DeflateWish & DeflateTuning) | false
}

/** The answer to a refused handshake, in the words of light-my-request. */
export interface InjectedResponse {
  readonly statusCode: number
  readonly statusMessage: string
  readonly headers: IncomingMessage['headers']
  readonly rawPayload: Buffer
  readonly payload: string
  readonly body: string
  json (): unknown
}

/** `fastify.injectWS` got an answer other than 101. */
export class UnexpectedResponseError extends Error {
  readonly code = 'FST_WS_REFUSED'
  readonly statusCode: number
  readonly response: InjectedResponse

  constructor (response: InjectedResponse) {
    super(`Unexpected server response: ${response.statusCode}`)
    this.statusCode = response.statusCode
    this.response = response
  }
}

/** Makes `injectWS` for an instance. */
export function createInjector (fastify: FastifyInstance, state: ServerState): InjectWS {
  // Parses requests and is never bound to a port. Its upgrades go where those of the real server go.
  const front = createServer().on('upgrade', state.onUpgrade)
  const root = findRoot(fastify)

  return async function injectWS (path = '/', options = {}, hooks = {}) {
    await root.ready()
    const { client, server } = MemorySocket.pair(options.remoteAddress ?? '127.0.0.1')
    front.emit('connection', server)
    // The core is written without the types of messages; for the application it is the same object with them.
    return await connect(client, path, options, hooks) as unknown as WebSocketConnection
  }
}

/** `injectWS` of instances in which the plugin has not loaded: waits for that, and leaves the rest to what has come in its place. */
export const injectWhenLoaded: InjectWS = async function injectWS (this: FastifyInstance, ...args) {
  await findRoot(this).ready()
  if (this.injectWS === injectWhenLoaded) {
    throw new UnreachableRouteError('injectWS: fastify-typed-websocket is not registered in this context or in one around it')
  }
  return await this.injectWS(...args)
}

/** Finds the instance that all contexts come from: the `ready` of a context is for the time of loading. */
function findRoot (context: FastifyInstance): FastifyInstance {
  // A context has the one around it as its prototype; what Fastify() made has all that is Fastify's as its own.
  return Object.hasOwn(context, 'routing') ? context : findRoot(Object.getPrototypeOf(context))
}

function connect (socket: Duplex, path: string, options: InjectWebSocketOptions, hooks: InjectWebSocketHooks): Promise<Connection> {
  const { fields, ...offer } = describeRequest(path, options)
  return new Promise((resolve, reject) => {
    const request = httpRequest({ createConnection: () => socket, path: offer.path, headers: fields })
    request.once('error', reject)
    request.once('response', (response) => { readRefusal(response).then(reject, reject) })
    request.once('upgrade', (response, _socket, head) => {
      try {
        resolve(open(socket, response, head, offer, hooks))
      } catch (error) {
        socket.destroy()
        reject(error)
      }
    })
    request.end()
  })
}

function open (socket: Duplex, response: IncomingMessage, head: Buffer, offer: Offer, hooks: InjectWebSocketHooks): Connection {
  const { statusCode = 0, rawHeaders } = response
  const { protocol, extensions } = judgeResponse({ statusCode, rawHeaders }, offer)
  const agreed = offer.deflate === false ? undefined : readDeflateAnswer(extensions, offer.deflate)
  const settings = offer.deflate === false || agreed === undefined
    ? CLIENT
    : { ...CLIENT, extensions: formatExtensions(extensions), deflate: deflateSettings(agreed, 'client', offer.deflate) }
  const connection = new Connection(socket, settings, { protocol })
  noteListeners(connection)
  // As above.
  const typed = connection as unknown as WebSocketConnection
  hooks.onInit?.(typed)
  connection.start(head)
  hooks.onOpen?.(typed)
  return connection
}

/** Builds the request as text, which checks all of it, and takes it apart again for Node's client. */
function describeRequest (path: string, options: InjectWebSocketOptions): Offer & { readonly fields: string[] } {
  const headers: Record<string, string | string[]> = {}
  let host = 'localhost:80'
  let protocols = [options.protocols ?? []].flat()
  for (const [name, value] of Object.entries(options.headers ?? {})) {
    const lower = name.toLowerCase()
    if (value === undefined || HANDSHAKE_FIELDS.has(lower)) continue
    if (lower === 'host') host = String(value)
    else if (lower === 'sec-websocket-protocol') protocols = [value].flat().flatMap(line => splitList(String(line)))
    else headers[name] = typeof value === 'number' ? String(value) : [value].flat()
  }
  const key = generateKey()
  const target = addQuery(path, options.query)
  const deflate = readDeflateOptions(options.perMessageDeflate, 'injectWS')
  const extensions = deflate === false ? [] : [offerDeflate(deflate)]
  const [, ...lines] = buildRequest({ path: target, host, key, protocols, extensions, headers }).trimEnd().split('\r\n')
  const fields = lines.flatMap((line) => {
    const colon = line.indexOf(':')
    return [line.slice(0, colon), line.slice(colon + 1).trim()]
  })
  return { path: target, key, protocols, extensions, deflate, fields }
}

function addQuery (path: string, query: InjectWebSocketOptions['query']): string {
  const text = typeof query === 'string' ? query : writeQuery(query ?? {})
  if (text === '') return path
  return `${path}${path.includes('?') ? '&' : '?'}${text.replace(/^\?/, '')}`
}

function writeQuery (query: Exclude<NonNullable<InjectWebSocketOptions['query']>, string>): string {
  const params = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) {
    if (value === undefined) continue
    for (const item of [value].flat()) params.append(name, String(item))
  }
  return params.toString()
}

async function readRefusal (response: IncomingMessage): Promise<UnexpectedResponseError> {
  const chunks: Buffer[] = []
  for await (const chunk of response) chunks.push(chunk as Buffer) // no encoding is set
  const rawPayload = Buffer.concat(chunks)
  const payload = rawPayload.toString()
  const { statusCode = 0, statusMessage = '', headers } = response
  return new UnexpectedResponseError({
    statusCode, statusMessage, headers, rawPayload, payload, body: payload, json: () => JSON.parse(payload) as unknown
  })
}

/** Errors that a listener of the application has got. */
const heard = new WeakSet<Error>()

/** Attached before any other listener, one that is called only once included: it sees whether there are others. */
function noteListeners (connection: Connection): void {
  connection.on('error', (error: Error) => {
    if (connection.listenerCount('error') > 1) heard.add(error)
  })
}

/** As any EventEmitter has it: a failed assertion in a test's listener must not vanish. */
function throwUnheard (error: Error): void {
  if (!heard.has(error)) process.nextTick(() => { throw error })
}
