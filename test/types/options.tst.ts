// Options of the plugin and of routes: names, callbacks, and what `binary: true` does to a route's messages.
import Fastify from 'fastify'
import type { FastifyInstance, FastifyReply, FastifyRequest, FastifySchemaCompiler, FastifySerializerCompiler, preCloseAsyncHookHandler, preCloseHookHandler } from 'fastify'
import type { TSchema } from '@sinclair/typebox'
import type {
  AnyWebSocketConnection,
  RawBytes,
  RawMessage,
  RawPayload,
  WebSocketAllowedOrigins,
  WebSocketConnection,
  WebSocketErrorHandler,
  WebSocketFastPaths,
  WebSocketHeartbeat,
  WebSocketPerMessageDeflate,
  WebSocketPluginOptions,
  WebSocketRateLimit,
  WebSocketRouteOptions,
  WebSocketSlowConsumer
} from '../../types/index.ts'
import websocket, { LOG_REDACTION, bearerToken } from '../../lib/index.ts'
import { exact } from './exact.ts'
import { ChatIn, ChatOut } from './messages.ts'
import type { ChatMessage, Incoming, Outgoing } from './messages.ts'

const app = Fastify()
const messages = { websocket: { receive: ChatIn, send: ChatOut } }

// ---- the plugin

app.register(websocket)
app.register(websocket, {})
app.register(websocket, {
  maxPayload: 1,
  closeTimeout: 1,
  highWaterMark: 1,
  concurrency: 1,
  maxQueuedMessages: 1,
  shutdownTimeout: 1,
  binary: true,
  protocols: ['v2', 'v1'],
  prefix: '/of-fastify'
})
app.register(websocket, {
  errorHandler (error, connection, request, reply) {
    exact<FastifyInstance>()(this)
    exact<Error>()(error)
    exact<AnyWebSocketConnection>()(connection)
    exact<FastifyRequest>()(request)
    exact<FastifyReply>()(reply)
    connection.on('message', (message) => exact<unknown>()(message))
    connection.send({ type: 'error' })
    connection.close(1011)
  }
})
app.register(websocket, { errorHandler: async (error: Error, connection: WebSocketConnection) => { connection.send(error.message) } })
declare const hook: preCloseHookHandler | preCloseAsyncHookHandler
app.register(websocket, { preClose: hook })
app.register(websocket, { preClose (done) { exact<FastifyInstance>()(this); done() } })
app.register(websocket, { preClose: async function () { await this.websocket.close() } })
app.register(websocket, {
  options: {
    maxPayload: 1,
    verifyClient: ({ origin, secure, req }, next) => {
      exact<string>()(origin)
      exact<boolean>()(secure)
      next(req.headers.authorization !== undefined, 401, 'Unauthorized', { 'www-authenticate': 'Bearer' })
    },
    handleProtocols: (offered) => offered.has('v1') ? 'v1' : false
  }
})
app.register(websocket, { options: { verifyClient: (info: { origin: string }) => info.origin === '' } })

// @ts-expect-error no such option
app.register(websocket, { maxPaylod: 1 })
// @ts-expect-error nor in the bag
app.register(websocket, { options: { noServer: true } })
// @ts-expect-error a size is a number
app.register(websocket, { maxPayload: '1mb' })
// @ts-expect-error an option of the plugin, not of a route
app.get('/', { websocket: { shutdownTimeout: 1 } }, () => {})

// ---- limits

app.register(websocket, {
  heartbeat: { interval: 1, timeout: 1 },
  handshakeTimeout: 1,
  maxLifetime: 1,
  maxBufferedAmount: 1,
  slowConsumer: 'drop',
  rateLimit: { messages: 1, bytes: 1, perSeconds: 0.5, onLimit: 'pause' },
  allowedOrigins: ['same-origin', /x/],
  maxConnections: 1,
  maxConnectionsPerIp: 1,
  maxPendingHandshakes: 1,
  fastPaths: { webAssembly: true, sharedReadBuffer: false, zlibHandles: false },
  lendPayloads: true,
  shutdownTimeout: 1,
  shutdownStagger: 1
} satisfies WebSocketPluginOptions)
app.get('/limits', {
  websocket: { heartbeat: false, rateLimit: false, slowConsumer: 'close', maxConnections: 1, maxConnectionsPerIp: 1, maxPendingHandshakes: 1 },
  schema: messages
}, (connection) => exact<WebSocketConnection<Incoming, Outgoing>>()(connection))
const heartbeat: WebSocketHeartbeat = {}
const rateLimit: WebSocketRateLimit = { messages: 1 }
app.get('/limits/named', { websocket: { heartbeat, rateLimit } }, () => {})
const fastPaths: WebSocketFastPaths = { webAssembly: false }
app.get('/fast', { websocket: { fastPaths, lendPayloads: true } }, () => {})
app.get('/portable', { websocket: { fastPaths: false } }, () => {})
// @ts-expect-error no such way
app.get('/fast/native', { websocket: { fastPaths: { native: true } } }, () => {})
// @ts-expect-error false switches it off, true says nothing
app.get('/limits/heartbeat', { websocket: { heartbeat: true } }, () => {})
// @ts-expect-error no such field
app.get('/limits/heartbeat/every', { websocket: { heartbeat: { every: 1 } } }, () => {})
// @ts-expect-error a count is a number
app.get('/limits/rate', { websocket: { rateLimit: { messages: '1' } } }, () => {})
// @ts-expect-error nothing else can be done
app.get('/limits/rate/drop', { websocket: { rateLimit: { messages: 1, onLimit: 'drop' } } }, () => {})
// @ts-expect-error times are numbers
app.get('/limits/lifetime', { websocket: { maxLifetime: '1h' } }, () => {})
// @ts-expect-error of the plugin
app.get('/limits/stagger', { websocket: { shutdownStagger: 1 } }, () => {})

app.get('/slow', {
  websocket: {
    slowConsumer (connection, message) {
      exact<AnyWebSocketConnection>()(connection)
      exact<unknown>()(message)
    }
  },
  schema: messages
}, (connection) => exact<WebSocketConnection<Incoming, Outgoing>>()(connection))
const onSlow: WebSocketSlowConsumer = async (connection) => { connection.terminate() }
app.get('/slow/named', { websocket: { slowConsumer: onSlow } }, () => {})
// @ts-expect-error no such policy
app.get('/slow/block', { websocket: { slowConsumer: 'block' } }, () => {})

// ---- compression

app.register(websocket, { perMessageDeflate: true })
app.register(websocket, {
  perMessageDeflate: {
    threshold: 1,
    level: 1,
    memLevel: 1,
    serverNoContextTakeover: true,
    clientNoContextTakeover: true,
    serverMaxWindowBits: 15,
    clientMaxWindowBits: 15,
    maxMemory: 1
  }
} satisfies WebSocketPluginOptions)
app.get('/deflate', { websocket: { perMessageDeflate: { level: 6 } }, schema: messages }, (connection) => exact<WebSocketConnection<Incoming, Outgoing>>()(connection))
const perMessageDeflate: WebSocketPerMessageDeflate = {}
app.get('/deflate/named', { websocket: { perMessageDeflate } }, () => {})
app.get('/deflate/off', { websocket: { perMessageDeflate: false } }, () => {})
app.register(websocket, {
  options: {
    perMessageDeflate: {
      threshold: 1,
      serverNoContextTakeover: true,
      clientNoContextTakeover: true,
      serverMaxWindowBits: 10,
      clientMaxWindowBits: 10,
      concurrencyLimit: 10,
      zlibDeflateOptions: { level: 3, memLevel: 7, chunkSize: 1024 },
      zlibInflateOptions: { chunkSize: 10 * 1024 }
    }
  }
})
app.register(websocket, { options: { perMessageDeflate: true } })
// @ts-expect-error no such field
app.get('/deflate/field', { websocket: { perMessageDeflate: { windowBits: 9 } } }, () => {})
// @ts-expect-error bits are a number
app.get('/deflate/bits', { websocket: { perMessageDeflate: { serverMaxWindowBits: true } } }, () => {})
// @ts-expect-error of zlib, in the words of ws
app.get('/deflate/zlib', { websocket: { perMessageDeflate: { zlibDeflateOptions: {} } } }, () => {})
// @ts-expect-error in the words of ws the level stands deeper
app.register(websocket, { options: { perMessageDeflate: { level: 1 } } })
// @ts-expect-error the client would have to know it
app.register(websocket, { options: { perMessageDeflate: { zlibDeflateOptions: { dictionary: Buffer.of(1) } } } })

// ---- origins

app.register(websocket, { allowedOrigins: true })
app.register(websocket, { allowedOrigins: '*' })
app.register(websocket, { allowedOrigins: /x/ })
app.register(websocket, { allowedOrigins: ['https://example.org', 'null'] as const })
app.get('/origins', {
  websocket: {
    allowedOrigins (origin, request) {
      exact<string>()(origin)
      exact<FastifyRequest>()(request)
      return origin === request.host
    }
  },
  schema: messages
}, (connection) => exact<WebSocketConnection<Incoming, Outgoing>>()(connection))
const origins: WebSocketAllowedOrigins = async (origin) => origin === ''
app.get('/origins/async', { websocket: { allowedOrigins: origins } }, () => {})
// @ts-expect-error nobody is an empty list
app.get('/origins/false', { websocket: { allowedOrigins: false } }, () => {})
// @ts-expect-error everybody is not in a list
app.get('/origins/true', { websocket: { allowedOrigins: [true] } }, () => {})
// @ts-expect-error true or false, not what looks like it
app.get('/origins/truthy', { websocket: { allowedOrigins: (origin) => origin } }, () => {})

// ---- tokens and logs

app.get('/token', { websocket: { protocols: ['bearer'] } }, (_connection, request) => exact<string | undefined>()(bearerToken(request)))
app.addHook('onRequest', async (request) => exact<string | undefined>()(bearerToken(request)))
Fastify({ logger: { redact: [...LOG_REDACTION, 'req.headers["x-api-key"]'] } })

// ---- subprotocols

app.get('/protocols', { websocket: { protocols: ['v2', 'v1'] as const } }, (connection) => exact<string>()(connection.protocol))
app.get('/protocols/function', {
  websocket: {
    protocols (offered, request) {
      exact<readonly string[]>()(offered)
      exact<FastifyRequest>()(request)
      return offered[0]
    }
  }
}, () => {})
app.get('/protocols/async', { websocket: { protocols: async (offered) => offered.includes('v1') ? 'v1' : false } }, () => {})
app.get('/protocols/none', { websocket: { protocols: () => undefined } }, () => {})
// @ts-expect-error a subprotocol is a string
app.get('/protocols/number', { websocket: { protocols: [1] } }, () => {})
// @ts-expect-error none is false or undefined
app.get('/protocols/true', { websocket: { protocols: () => true } }, () => {})

// ---- error handlers of routes

const onError: WebSocketErrorHandler = function (error, connection) { this.log.error(error); connection.terminate() }
app.get('/errors', { websocket: { errorHandler: onError }, schema: messages }, (connection) => exact<WebSocketConnection<Incoming, Outgoing>>()(connection))
app.get('/errors/typed', {
  websocket: { errorHandler (error, connection: WebSocketConnection<Incoming, Outgoing>) { connection.send({ type: 'said', text: error.message }) } },
  schema: messages
}, () => {})
// @ts-expect-error the error comes first
app.get('/errors/order', { websocket: { errorHandler: (connection: WebSocketConnection, _error: Error) => connection.close() } }, () => {})

// ---- compilers

declare const forTypeBox: FastifySchemaCompiler<TSchema>
declare const forZod: FastifySchemaCompiler<{ parse (value: unknown): unknown }>
declare const serializer: FastifySerializerCompiler<TSchema>
app.get('/compilers', { websocket: { validatorCompiler: forTypeBox, serializerCompiler: serializer }, schema: messages }, () => {})
app.get('/compilers/zod', { websocket: { validatorCompiler: forZod }, schema: messages }, () => {})
app.get('/compilers/inline', {
  websocket: {
    validatorCompiler ({ schema, httpPart }) {
      exact<object>()(schema)
      exact<string | undefined>()(httpPart)
      return (value: unknown) => value !== undefined ? { value } : { error: new Error('nothing') }
    },
    serializerCompiler: () => (value) => JSON.stringify(value)
  },
  schema: messages
}, () => {})

// ---- binary: true

app.get('/binary', { websocket: { binary: true, maxPayload: 1 }, schema: messages }, (connection) => {
  exact<WebSocketConnection<Incoming | Buffer, Outgoing | RawBytes>>()(connection)
  connection.on('message', (message, isBinary) => {
    exact<Incoming | Buffer>()(message)
    exact<boolean>()(isBinary)
    if (Buffer.isBuffer(message)) connection.send(message)
    else exact<'chat' | 'leave'>()(message.type)
  })
  connection.on('message:chat', (message) => exact<ChatMessage>()(message))
  connection.handle({ chat () {}, leave () {} })
  connection.send({ type: 'said', text: '' })
  connection.send(new Float64Array(1))
  connection.send(new ArrayBuffer(1))
  // @ts-expect-error text is the schema's
  connection.send('text')
})
app.route({
  method: 'GET',
  url: '/binary/full',
  websocket: { binary: true },
  schema: messages,
  handler: (connection) => exact<WebSocketConnection<Incoming | Buffer, Outgoing | RawBytes>>()(connection)
})
app.get('/binary/receive', { websocket: { binary: true }, schema: { websocket: { receive: ChatIn } } }, (connection) => {
  exact<WebSocketConnection<Incoming | Buffer, RawPayload>>()(connection)
})
app.get('/binary/false', { websocket: { binary: false }, schema: messages }, (connection) => exact<WebSocketConnection<Incoming, Outgoing>>()(connection))
declare const maybe: boolean
app.get('/binary/maybe', { websocket: { binary: maybe }, schema: messages }, (connection) => exact<WebSocketConnection<Incoming, Outgoing>>()(connection))
declare const anywhere: WebSocketRouteOptions
app.get('/binary/anywhere', { websocket: anywhere, schema: messages }, (connection) => exact<WebSocketConnection<Incoming, Outgoing>>()(connection))
app.get('/binary/raw', { websocket: { binary: true } }, (connection) => exact<WebSocketConnection<RawMessage, RawPayload>>()(connection))
// Generics say it all themselves.
app.get<{ Receive: ChatMessage | Buffer, Send: Outgoing }>('/binary/generics', { websocket: { binary: true } }, (connection) => {
  exact<WebSocketConnection<ChatMessage | Buffer, Outgoing>>()(connection)
})
