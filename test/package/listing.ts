// A program that uses all of the public API once, as a user of the package would write it. The package test compiles it against the
// tarball with every TypeScript from 5.4 on, with the import below replaced by the package's name; it never runs.
import { once } from 'node:events'
import Fastify from 'fastify'
import type { FastifyInstance, FastifyPluginAsync } from 'fastify'
import { Type } from '@sinclair/typebox'
import websocket, { websocket as named } from '../../lib/index.ts'
import type { RawMessage, RawPayload, WebSocketConnection, WebSocketErrorHandler, WebSocketHandler, WebSocketPluginOptions } from '../../lib/index.ts'
import { connect } from '../../lib/client/node.ts'
import type { ClientSocket } from '../../lib/client/node.ts'
import { typebox } from '../../lib/client/typebox.ts'
import { defineTopic, defineWebSocket } from '../../lib/contract.ts'
import type { ClientGets, ClientSends } from '../../lib/contract.ts'

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false
declare function exact<Expected> (): <Actual>(value: Actual, ...mismatch: Same<Actual, Expected> extends true ? [] : [never]) => void

const ChatIn = Type.Union([
  Type.Object({ type: Type.Literal('chat'), text: Type.String() }),
  Type.Object({ type: Type.Literal('leave') })
])
const ChatOut = Type.Object({ type: Type.Literal('said'), nick: Type.String(), text: Type.String() })
type Incoming = { type: 'chat', text: string } | { type: 'leave' }
type Outgoing = { type: 'said', nick: string, text: string }

// ---- the plugin

const errorHandler: WebSocketErrorHandler = function (error, connection, request, reply) {
  request.log.error(error)
  this.log.info(reply.statusCode)
  connection.close(1011)
}
const options: WebSocketPluginOptions = { maxPayload: 1024 * 1024, errorHandler, shutdownTimeout: 1000 }
const app = Fastify({ logger: true })
await app.register(websocket, options)
await app.register(named)

// ---- routes

app.get('/chat/:room', {
  websocket: true,
  schema: {
    params: Type.Object({ room: Type.String() }),
    querystring: Type.Object({ nick: Type.String() }),
    websocket: { receive: ChatIn, send: ChatOut }
  }
}, async function (connection, request) {
  exact<FastifyInstance>()(this)
  exact<WebSocketConnection<Incoming, Outgoing>>()(connection)
  exact<{ room: string }>()(request.params)
  exact<{ nick: string }>()(request.query)

  connection.on('message', (message, isBinary) => { exact<Incoming>()(message); exact<boolean>()(isBinary) })
  connection.on('message:chat', (message) => { exact<string>()(message.text) })
  connection.handle({ chat (message) { exact<string>()(message.text) }, leave () {} })
  connection.once('close', (code, reason, { wasClean, initiator }) => {
    exact<number>()(code)
    exact<string>()(reason)
    exact<boolean>()(wasClean)
    exact<'local' | 'remote'>()(initiator)
  })
  connection.on('error', (error) => { exact<Error>()(error) }).on('invalid', (error) => { exact<number>()(error.closeCode) })
  connection.on('ping', (data) => { exact<Buffer>()(data) }).on('pong', (data) => { exact<Buffer>()(data) }).on('drain', () => {})
  exact<boolean>()(connection.send({ type: 'said', nick: request.query.nick, text: '' }))
  await connection.sendAndWait({ type: 'said', nick: '', text: '' })
  for await (const message of connection) exact<Incoming>()(message)

  connection.ping()
  await once(connection, 'pong', { signal: connection.signal })
  if (connection.readyState === connection.OPEN) connection.close(1000, 'bye')
  connection.pause()
  connection.resume()
  connection.createStream({ highWaterMark: 1 }).pipe(process.stdout)
  connection.terminate()
  connection.log.info([connection.id, connection.protocol, connection.extensions, connection.bufferedAmount, connection.latency, connection.remoteAddress])

  // @ts-expect-error a message of the other direction
  connection.send({ type: 'chat', text: '' })
  // @ts-expect-error no such message type
  connection.on('message:said', () => {})
  // @ts-expect-error no such event
  connection.on('messages', () => {})
  // @ts-expect-error a handler is missing
  connection.handle({ chat () {} })
  // @ts-expect-error no such parameter
  request.params.nick.trim()
})

app.get('/raw', { websocket: { maxPayload: 1, protocols: ['v1'] } }, (connection, request) => {
  exact<WebSocketConnection<RawMessage, RawPayload>>()(connection)
  exact<boolean>()(request.ws)
  connection.on('message', (message) => { connection.send(message) })
})

app.get('/binary', { websocket: { binary: true }, schema: { websocket: { receive: ChatIn, send: ChatOut } } }, (connection) => {
  connection.on('message', (message) => { exact<Incoming | Buffer>()(message) })
  connection.send(new Uint8Array(1))
})

app.get<{ Receive: Incoming, Send: Outgoing, Params: { id: string } }>('/generics/:id', { websocket: true }, (connection, request) => {
  exact<WebSocketConnection<Incoming, Outgoing>>()(connection)
  exact<{ id: string }>()(request.params)
})

app.route({
  method: 'GET',
  url: '/both',
  schema: { querystring: Type.Object({ nick: Type.String() }), websocket: { receive: ChatIn, send: ChatOut } },
  handler: (request, reply) => reply.send({ ws: request.ws }),
  wsHandler (connection, request) {
    exact<WebSocketConnection<Incoming, Outgoing>>()(connection)
    exact<string>()(request.query.nick)
  }
})

const apart: WebSocketHandler = (connection) => connection.send('')
app.get('/apart', { websocket: true }, apart)

const routes: FastifyPluginAsync = async (instance) => {
  instance.get('/encapsulated', { websocket: true, schema: { websocket: { receive: ChatIn } } }, (connection) => {
    connection.on('message:chat', (message) => { exact<string>()(message.text) })
  })
  instance.get('/rest', async (request) => { exact<unknown>()(request.query) })
}
await app.register(routes, { prefix: '/api' })

// ---- a contract

const chat = defineWebSocket({ url: '/contract/:room', schema: { websocket: { receive: ChatIn, send: ChatOut } } })
app.route({ ...chat, handler (connection) { exact<WebSocketConnection<Incoming, Outgoing>>()(connection) } })
exact<Outgoing>()(undefined as unknown as ClientGets<typeof chat>)
exact<Incoming>()(undefined as unknown as ClientSends<typeof chat>)

// ---- a client

const asking = defineWebSocket({
  url: '/asking/:room',
  schema: {
    params: Type.Object({ room: Type.String() }),
    websocket: { receive: ChatIn, send: ChatOut, requests: { add: { request: Type.Object({ a: Type.Number() }), reply: Type.Number() } } }
  }
})
const topic = defineTopic({ name: 'room/:room', schema: ChatOut, history: { size: 1 } })
const socket = connect(asking, { baseUrl: 'https://example.org', params: { room: 'a' }, validate: typebox(), auth: async () => '' })
exact<ClientSocket<typeof asking>>()(socket)
socket.on('message', (message) => { exact<Outgoing>()(message) }).on('message:said', ({ nick }) => { exact<string>()(nick) })
socket.on('close', (code, reason, { unsent }) => { exact<number>()(code + unsent) })
exact<boolean>()(socket.send({ type: 'chat', text: '' }))
exact<number>()(await socket.request('add', { a: 1 }))
const subscription = await socket.subscribe(topic, { room: 'a' }, ({ text }) => { exact<string>()(text) })
for await (const message of subscription) exact<Outgoing>()(message)
await socket.publish(topic, { room: 'a' }, { type: 'said', nick: '', text: '' })
for await (const message of socket) exact<Outgoing>()(message)
exact<number>()((await socket.closed).code)
// @ts-expect-error the parameter is missing
connect(asking, { baseUrl: 'https://example.org' })
// @ts-expect-error a message of the other direction
socket.send({ type: 'said', nick: '', text: '' })
// @ts-expect-error no such request
socket.request('subtract', { a: 1 })

// ---- the instance

const client = await app.injectWS('/raw', { headers: { authorization: '' }, query: { nick: 'n' }, protocols: ['v1'] })
client.send('text')
for (const connection of app.websocket.connections) connection.send({ type: 'said', nick: '', text: '' })
for (const connection of app.websocketServer.clients) connection.terminate()
exact<number>()(app.websocket.connections.size)
await app.websocket.close()
