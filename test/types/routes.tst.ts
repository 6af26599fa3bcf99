// Routes whose schemas are TypeBox and whose instance has no type provider: every form of declaring one.
import Fastify from 'fastify'
import type { FastifyInstance, FastifyRequest, RouteOptions } from 'fastify'
import { Type } from '@sinclair/typebox'
import type { RawMessage, RawPayload, WebSocketConnection, WebSocketHandler } from '../../types/index.ts'
import { exact } from './exact.ts'
import { ChatIn, ChatOut, Headers, Params, Query } from './messages.ts'
import type { ChatMessage, Incoming, LeaveMessage, Outgoing } from './messages.ts'

const app = Fastify()
const schema = { params: Params, querystring: Query, headers: Headers, websocket: { receive: ChatIn, send: ChatOut } }

// ---- shorthand, schema in place

app.get('/chat/:room', {
  websocket: true,
  schema: {
    params: Type.Object({ room: Type.String() }),
    querystring: Type.Object({ nick: Type.String() }),
    headers: Type.Object({ 'x-token': Type.String() }),
    websocket: { receive: ChatIn, send: ChatOut }
  }
}, function (connection, request) {
  exact<FastifyInstance>()(this)
  exact<WebSocketConnection<Incoming, Outgoing>>()(connection)
  exact<{ room: string }>()(request.params)
  exact<{ nick: string }>()(request.query)
  exact<string>()(request.headers['x-token'])
  exact<string | undefined>()(request.headers['user-agent'])
  exact<boolean>()(request.ws)
  const plain: FastifyRequest = request
  plain.log.info('a typed request is a request')

  connection.on('message', (message, isBinary) => {
    exact<Incoming>()(message)
    exact<boolean>()(isBinary)
  })
  connection.on('message:chat', (message) => exact<ChatMessage>()(message))
  connection.handle({ chat: (message) => exact<ChatMessage>()(message), leave: (message) => exact<LeaveMessage>()(message) })
  connection.send({ type: 'said', text: '' })

  // @ts-expect-error a message of the other direction
  connection.send({ type: 'chat', text: '' })
  // @ts-expect-error a property too many
  connection.send({ type: 'said', text: '', nick: '' })
  // @ts-expect-error a property of the wrong type
  connection.send({ type: 'said', text: 1 })
  // @ts-expect-error text on a route with schemas
  connection.send('{}')
  // @ts-expect-error bytes on a route that is not binary
  connection.send(Buffer.alloc(1))
  // @ts-expect-error and never through the other method
  connection.sendAndWait({ type: 'chat', text: '' })
  // @ts-expect-error no such parameter
  request.params.nick // eslint-disable-line no-unused-expressions
  // @ts-expect-error no such query
  request.query.room // eslint-disable-line no-unused-expressions
})

// ---- shorthand: async handlers, hooks, other methods, a handler inside the options

app.get('/async', { websocket: true, schema }, async (connection, request) => {
  exact<{ room: string }>()(request.params)
  for await (const message of connection) exact<Incoming>()(message)
  await connection.sendAndWait({ type: 'left', nick: request.query.nick })
})

app.get('/hooks', {
  websocket: true,
  schema,
  config: { anything: 1 },
  constraints: { version: '1.0.0' },
  async preValidation (request, reply) {
    exact<boolean>()(request.ws)
    if (request.url === '/') await reply.code(401).send()
  },
  preHandler: [(_request, _reply, done) => done(), async (_request) => {}]
}, (connection) => {
  exact<WebSocketConnection<Incoming, Outgoing>>()(connection)
})

app.get('/inside', {
  websocket: true,
  schema: { params: Params, websocket: { receive: ChatIn, send: ChatOut } },
  handler (connection, request) {
    exact<FastifyInstance>()(this)
    exact<WebSocketConnection<Incoming, Outgoing>>()(connection)
    exact<{ room: string }>()(request.params)
  }
})

// @ts-expect-error the handler of a REST route has a request and a reply
app.get('/mistaken', { websocket: true, schema }, (request, reply) => reply.send())
// @ts-expect-error no such option
app.get('/option', { websocket: { maxPaylod: 1 }, schema }, () => {})
// @ts-expect-error an option of the wrong type
app.get('/option', { websocket: { maxPayload: '1' }, schema }, () => {})
// @ts-expect-error the key is `websocket`
app.get('/key', { websocket: true, schema: { websockets: { receive: ChatIn } } }, () => {})
// @ts-expect-error so are the directions named
app.get('/key', { websocket: true, schema: { websocket: { recieve: ChatIn } } }, () => {})
// @ts-expect-error a handler that is none
app.get('/handler', { websocket: true, schema }, 'handler')

// ---- one direction alone: the other is raw

app.get('/receive', { websocket: true, schema: { websocket: { receive: ChatIn } } }, (connection) => {
  exact<WebSocketConnection<Incoming, RawPayload>>()(connection)
})
app.get('/send', { websocket: true, schema: { websocket: { send: ChatOut } } }, (connection) => {
  exact<WebSocketConnection<RawMessage, Outgoing>>()(connection)
})

// ---- raw routes

app.get('/raw', { websocket: true }, (connection, request) => {
  exact<WebSocketConnection>()(connection)
  exact<WebSocketConnection<string | Buffer, string | ArrayBuffer | ArrayBufferView>>()(connection)
  exact<unknown>()(request.params)
  connection.on('message', (message, isBinary) => {
    exact<string | Buffer>()(message)
    exact<boolean>()(isBinary)
    connection.send(message)
  })
  connection.send('text')
  connection.send(Buffer.from('bytes'))
  connection.send(new Uint16Array(2))
  connection.send(new ArrayBuffer(2))
  // @ts-expect-error neither text nor bytes
  connection.send({ type: 'said', text: '' })
  // @ts-expect-error nor is a number
  connection.send(1)
})
app.get('/raw/params', { websocket: { maxPayload: 1 }, schema: { params: Params } }, (connection, request) => {
  exact<WebSocketConnection>()(connection)
  exact<{ room: string }>()(request.params)
})

// ---- full form

app.route({
  method: 'GET',
  url: '/full/:room',
  websocket: true,
  schema: { params: Params, querystring: Query, websocket: { receive: ChatIn, send: ChatOut } },
  handler (connection, request) {
    exact<FastifyInstance>()(this)
    exact<WebSocketConnection<Incoming, Outgoing>>()(connection)
    exact<{ room: string }>()(request.params)
    exact<{ nick: string }>()(request.query)
    // @ts-expect-error a message of the other direction
    connection.send({ type: 'leave' })
  }
})
app.route({ method: ['GET', 'HEAD'], url: '/head', websocket: true, handler: (connection) => exact<WebSocketConnection>()(connection) })
app.route({ method: 'get', url: '/lower', websocket: { concurrency: 4 }, schema, handler: (connection) => exact<WebSocketConnection<Incoming, Outgoing>>()(connection) })

// @ts-expect-error a socket is opened by GET
app.route({ method: 'POST', url: '/post', websocket: true, handler (connection: WebSocketConnection) { connection.send('') } })

// ---- REST and WebSocket on one path

app.route({
  method: 'GET',
  url: '/both/:room',
  schema: { params: Params, querystring: Query, websocket: { receive: ChatIn, send: ChatOut } },
  handler (request, reply) {
    exact<boolean>()(request.ws)
    return reply.code(200).send({ ok: true })
  },
  wsHandler (connection, request) {
    exact<FastifyInstance>()(this)
    exact<WebSocketConnection<Incoming, Outgoing>>()(connection)
    exact<{ room: string }>()(request.params)
    exact<{ nick: string }>()(request.query)
    // @ts-expect-error a message of the other direction
    connection.send({ type: 'chat', text: '' })
  }
})
app.get('/both/short', {
  schema,
  wsHandler: (connection) => exact<WebSocketConnection<Incoming, Outgoing>>()(connection)
}, (_request, reply) => reply.send(''))
app.route({
  method: 'GET',
  url: '/both/options',
  websocket: { maxPayload: 1024 },
  schema,
  handler: (_request, reply) => reply.send(''),
  wsHandler: (connection) => exact<WebSocketConnection<Incoming, Outgoing>>()(connection)
})

// ---- handlers and options declared apart

const apart: WebSocketHandler = (connection) => connection.send('')
app.get('/apart', { websocket: true }, apart)

function chatHandler (connection: WebSocketConnection<Incoming, Outgoing>): void { connection.send({ type: 'said', text: '' }) }
app.get('/apart/chat', { websocket: true, schema }, chatHandler)
app.route({ method: 'GET', url: '/apart/full', websocket: true, schema, handler: chatHandler })
// @ts-expect-error a handler for other messages
app.get('/apart/raw', { websocket: true }, chatHandler)
// @ts-expect-error and the other way round
app.get('/apart/typed', { websocket: true, schema }, apart)

const both: RouteOptions = { method: 'GET', url: '/options', handler: (_request, reply) => reply.send(''), wsHandler: apart }
app.route(both)

// ---- every kind of TypeBox schema

app.get('/kinds', {
  websocket: true,
  schema: {
    websocket: {
      receive: Type.Transform(Type.Object({ at: Type.String() })).Decode(({ at }) => new Date(at)).Encode((date) => ({ at: date.toISOString() })),
      send: Type.Recursive((This) => Type.Object({ id: Type.Number(), nodes: Type.Array(This) }))
    }
  }
}, (connection) => {
  connection.on('message', (message) => exact<{ at: string }>()(message))
  connection.send({ id: 1, nodes: [{ id: 2, nodes: [] }] })
  // @ts-expect-error deep inside
  connection.send({ id: 1, nodes: [{ id: '2', nodes: [] }] })
})
app.get('/unsafe', { websocket: true, schema: { websocket: { receive: Type.Unsafe<Map<string, 1>>({}), send: Type.Any() } } }, (connection) => {
  connection.on('message', (message) => exact<Map<string, 1>>()(message))
  connection.send({ anything: 1 })
})
const Shared = Type.Module({ Text: Type.Object({ type: Type.Literal('text'), text: Type.String() }) })
app.get('/module', { websocket: true, schema: { websocket: { receive: Shared.Import('Text') } } }, (connection) => {
  connection.on('message:text', (message) => exact<string>()(message.text))
})
