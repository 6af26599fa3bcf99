// Routes on an instance with a type provider, with plain JSON Schema, and with generics.
import Fastify from 'fastify'
import type { FastifyInstance, FastifyPluginAsync, FastifyPluginCallback, FastifyTypeProvider } from 'fastify'
import type { FastifyPluginAsyncTypebox, FastifyPluginCallbackTypebox, TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { FastifyPluginAsyncTypebox as FastifyPluginAsyncTypebox6, TypeBoxTypeProvider as TypeBoxTypeProvider6 } from 'type-provider-typebox-6'
import { Type as Type1 } from 'typebox'
import type { FromSchema, JSONSchema } from 'json-schema-to-ts'
import { Type } from '@sinclair/typebox'
import type { RawMessage, RawPayload, WebSocketConnection } from '../../types/index.ts'
import { exact } from './exact.ts'
import { ChatIn, ChatOut, Params, Query } from './messages.ts'
import type { ChatMessage, Incoming, LeaveMessage, Outgoing } from './messages.ts'

const app = Fastify()

// ---- @fastify/type-provider-typebox 5, for @sinclair/typebox

const typebox5 = app.withTypeProvider<TypeBoxTypeProvider>()
typebox5.get('/:room', { websocket: true, schema: { params: Params, querystring: Query, websocket: { receive: ChatIn, send: ChatOut } } }, function (connection, request) {
  exact<typeof typebox5>()(this)
  exact<WebSocketConnection<Incoming, Outgoing>>()(connection)
  exact<{ room: string }>()(request.params)
  exact<{ nick: string }>()(request.query)
  connection.on('message:chat', (message) => exact<ChatMessage>()(message))
  // @ts-expect-error a message of the other direction
  connection.send({ type: 'chat', text: '' })
})
typebox5.route({
  method: 'GET',
  url: '/full/:room',
  websocket: true,
  schema: { params: Params, websocket: { receive: ChatIn, send: ChatOut } },
  handler (connection, request) {
    exact<WebSocketConnection<Incoming, Outgoing>>()(connection)
    exact<{ room: string }>()(request.params)
  }
})
typebox5.route({
  method: 'GET',
  url: '/both/:room',
  schema: { params: Params, response: { 200: Query }, websocket: { receive: ChatIn, send: ChatOut } },
  handler: async (request) => ({ nick: request.params.room }),
  wsHandler: (connection) => exact<WebSocketConnection<Incoming, Outgoing>>()(connection)
})

// ---- @fastify/type-provider-typebox 6, for typebox 1

const typebox6 = app.withTypeProvider<TypeBoxTypeProvider6>()
const In1 = Type1.Union([
  Type1.Object({ type: Type1.Literal('chat'), text: Type1.String() }),
  Type1.Object({ type: Type1.Literal('leave'), reason: Type1.Optional(Type1.String()) })
])
const Out1 = Type1.Object({ type: Type1.Literal('said'), text: Type1.String() })
typebox6.get('/:room', {
  websocket: true,
  schema: { params: Type1.Object({ room: Type1.String() }), querystring: Type1.Object({ nick: Type1.String() }), websocket: { receive: In1, send: Out1 } }
}, function (connection, request) {
  exact<typeof typebox6>()(this)
  exact<string>()(request.params.room)
  exact<string>()(request.query.nick)
  connection.on('message:chat', (message) => exact<string>()(message.text))
  connection.handle({ chat (message) { exact<string>()(message.text) }, leave (message) { exact<string | undefined>()(message.reason) } })
  connection.send({ type: 'said', text: '' })
  // @ts-expect-error a message of the other direction
  connection.send({ type: 'chat', text: '' })
  // @ts-expect-error no such message type
  connection.on('message:said', () => {})
  // @ts-expect-error no such query
  request.query.room // eslint-disable-line no-unused-expressions
})

// ---- encapsulated plugins

export const plain: FastifyPluginAsync = async (instance) => {
  instance.get('/', { websocket: true, schema: { querystring: Query, websocket: { receive: ChatIn, send: ChatOut } } }, (connection, request) => {
    exact<WebSocketConnection<Incoming, Outgoing>>()(connection)
    exact<{ nick: string }>()(request.query)
  })
}
export const callback: FastifyPluginCallback<{ anything?: number }> = (instance, _options, done) => {
  instance.get('/', { websocket: true }, (connection) => exact<WebSocketConnection>()(connection))
  done()
}
export const async5: FastifyPluginAsyncTypebox = async (instance) => {
  instance.get('/', { websocket: true, schema: { querystring: Query, websocket: { receive: ChatIn, send: ChatOut } } }, (connection, request) => {
    exact<WebSocketConnection<Incoming, Outgoing>>()(connection)
    exact<{ nick: string }>()(request.query)
  })
}
export const callback5: FastifyPluginCallbackTypebox = (instance, _options, done) => {
  instance.get('/', { websocket: true, schema: { websocket: { receive: ChatIn } } }, (connection) => exact<WebSocketConnection<Incoming, RawPayload>>()(connection))
  done()
}
export const async6: FastifyPluginAsyncTypebox6 = async (instance) => {
  instance.get('/', { websocket: true, schema: { querystring: Type1.Object({ nick: Type1.String() }), websocket: { receive: In1, send: Out1 } } }, (connection, request) => {
    connection.on('message:chat', (message) => exact<string>()(message.text))
    exact<string>()(request.query.nick)
  })
}
app.register(plain, { prefix: '/plain' })
app.register(async5)
app.register(async6)
app.register(async (instance) => {
  instance.get('/inline', { websocket: true, schema: { websocket: { receive: ChatIn, send: ChatOut } } }, (connection) => {
    exact<WebSocketConnection<Incoming, Outgoing>>()(connection)
  })
})

// ---- json-schema-to-ts, by a provider of the application's own

interface JsonSchemaToTsProvider extends FastifyTypeProvider {
  validator: this['schema'] extends JSONSchema ? FromSchema<this['schema']> : unknown
  serializer: this['schema'] extends JSONSchema ? FromSchema<this['schema']> : unknown
}
const chatSchema = {
  oneOf: [
    { type: 'object', properties: { type: { const: 'chat' }, text: { type: 'string' } }, required: ['type', 'text'], additionalProperties: false },
    { type: 'object', properties: { type: { const: 'leave' } }, required: ['type'], additionalProperties: false }
  ]
} as const
app.withTypeProvider<JsonSchemaToTsProvider>().get('/json-schema-to-ts', {
  websocket: true,
  schema: {
    querystring: { type: 'object', properties: { nick: { type: 'string' } }, required: ['nick'], additionalProperties: false },
    websocket: { receive: chatSchema, send: { type: 'object', properties: { text: { type: 'string' } }, required: ['text'], additionalProperties: false } }
  }
}, (connection, request) => {
  exact<{ nick: string }>()(request.query)
  connection.on('message', (message) => exact<{ type: 'chat', text: string } | { type: 'leave' }>()(message))
  connection.on('message:chat', (message) => exact<string>()(message.text))
  connection.send({ text: '' })
  // @ts-expect-error a property of the wrong type
  connection.send({ text: 1 })
  // @ts-expect-error no such message type
  connection.on('message:said', () => {})
})

// ---- plain JSON Schema: unknown without generics

app.get('/json-schema', { websocket: true, schema: { querystring: { type: 'object' }, websocket: { receive: chatSchema, send: { type: 'object' } } } }, (connection, request) => {
  exact<WebSocketConnection<unknown, unknown>>()(connection)
  exact<unknown>()(request.query)
  connection.on('message:chat', (message) => exact<unknown>()(message))
  connection.send({ anything: 1 })
})

// ---- generics

interface ChatRoute {
  Receive: Incoming
  Send: Outgoing
  Params: { room: string }
  Querystring: { nick: string }
  Headers: { 'x-token': string }
  Data: { nick?: string }
}
app.get<ChatRoute>('/generics/:room', { websocket: true, schema: { websocket: { receive: chatSchema } } }, (connection, request) => {
  exact<WebSocketConnection<Incoming, Outgoing, { nick?: string }>>()(connection)
  exact<{ room: string }>()(request.params)
  exact<{ nick: string }>()(request.query)
  exact<string>()(request.headers['x-token'])
  connection.data.nick = request.query.nick
  connection.handle({ chat: (message) => exact<ChatMessage>()(message), leave: (message) => exact<LeaveMessage>()(message) })
  // @ts-expect-error a message of the other direction
  connection.send({ type: 'chat', text: '' })
})
app.get<{ Receive: ChatMessage, Send: Outgoing }>('/generics', { websocket: true }, (connection) => {
  exact<WebSocketConnection<ChatMessage, Outgoing>>()(connection)
})
app.get<{ Receive: ChatMessage }>('/generics/receive', { websocket: true }, (connection) => {
  exact<WebSocketConnection<ChatMessage, RawPayload>>()(connection)
})
app.get<{ Params: { room: string } }>('/generics/raw', { websocket: true }, (connection, request) => {
  exact<WebSocketConnection<RawMessage, RawPayload>>()(connection)
  exact<{ room: string }>()(request.params)
})
app.route<ChatRoute>({
  method: 'GET',
  url: '/generics/full',
  websocket: true,
  handler (connection, request) {
    exact<WebSocketConnection<Incoming, Outgoing, { nick?: string }>>()(connection)
    exact<{ room: string }>()(request.params)
  }
})
app.route<ChatRoute>({
  method: 'GET',
  url: '/generics/both',
  handler: (request, reply) => reply.send(request.params.room),
  wsHandler: (connection, request) => {
    exact<WebSocketConnection<Incoming, Outgoing, { nick?: string }>>()(connection)
    exact<{ nick: string }>()(request.query)
  }
})
// A generic stands over the schema.
typebox5.get<{ Receive: 'generic' }>('/generics/over', { websocket: true, schema: { websocket: { receive: Type.Number() } } }, (connection) => {
  connection.on('message', (message) => exact<'generic'>()(message))
})

// ---- a function that declares routes on whatever instance it is given

export function declareRoutes (instance: FastifyInstance): void {
  instance.get('/given', { websocket: true, schema: { websocket: { receive: ChatIn, send: ChatOut } } }, (connection) => {
    exact<WebSocketConnection<Incoming, Outgoing>>()(connection)
  })
}
declareRoutes(app)
