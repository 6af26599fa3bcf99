// What the plugin adds to instances and requests, on every kind of server.
import { readFileSync } from 'node:fs'
import type { Http2SecureServer, Http2Server, Http2ServerRequest, Http2ServerResponse } from 'node:http2'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Server as SecureServer } from 'node:https'
import Fastify from 'fastify'
import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import type { AnyWebSocketConnection, WebSocketConnection, WebSocketConnections, WebSocketHub, WebSocketServerView } from '../../types/index.ts'
import websocket from '../../lib/index.ts'
import { exact } from './exact.ts'
import { ChatIn, ChatOut, Params, Query } from './messages.ts'
import type { Incoming, Outgoing } from './messages.ts'

const app = Fastify()

// ---- fastify.websocket

exact<WebSocketHub>()(app.websocket)
exact<WebSocketConnections>()(app.websocket.connections)
exact<number>()(app.websocket.connections.size)
for (const connection of app.websocket.connections) {
  exact<AnyWebSocketConnection>()(connection)
  connection.send({ type: 'said', text: 'to everybody' })
  connection.on('close', (code) => exact<number>()(code))
}
exact<AnyWebSocketConnection[]>()([...app.websocket.connections])
exact<Promise<void>>()(app.websocket.close())
declare const one: WebSocketConnection<Incoming, Outgoing>
exact<boolean>()(app.websocket.connections.has(one))

// @ts-expect-error a view of them, nobody adds to it
app.websocket.connections.add(one)
// @ts-expect-error readonly
app.websocket = undefined

// ---- fastify.websocketServer

exact<WebSocketServerView>()(app.websocketServer)
exact<number>()(app.websocketServer.clients.size)
for (const client of app.websocketServer.clients) client.close(1001, 'custom')
app.websocketServer.clients.forEach((client) => client.send('to everybody'))
app.websocketServer.close()
app.websocketServer.close((error) => exact<Error | undefined>()(error))

// ---- fastify.injectWS

exact<Promise<WebSocketConnection>>()(app.injectWS())
const injected = await app.injectWS('/chat', {
  headers: { authorization: 'Bearer', 'x-many': ['1', '2'], 'x-number': 1 },
  query: { nick: 'n', page: 1, all: true, tag: ['a', 'b'] },
  protocols: ['v1']
})
exact<WebSocketConnection>()(injected)
injected.send(JSON.stringify({ type: 'chat' }))
await app.injectWS('/chat', { query: 'nick=n', protocols: 'v1' }, {
  onInit: (connection) => exact<WebSocketConnection>()(connection),
  onOpen (connection) { connection.on('message', (message) => exact<string | Buffer>()(message)) }
})
// @ts-expect-error the path is a string
await app.injectWS({ path: '/chat' })
// @ts-expect-error no such option
await app.injectWS('/chat', { header: {} })

// ---- request.ws

app.addHook('onRequest', async (request) => { exact<boolean>()(request.ws) })
app.get('/rest', async (request) => { exact<boolean>()(request.ws) })

// ---- every kind of server

const schema = { params: Params, querystring: Query, websocket: { receive: ChatIn, send: ChatOut } }

const pem = readFileSync('key.pem')
const https = Fastify({ https: { key: pem, cert: pem } })
https.register(websocket, { maxPayload: 1 })
https.get('/:room', { websocket: true, schema }, function (connection, request) {
  exact<FastifyInstance<SecureServer, IncomingMessage, ServerResponse, FastifyBaseLogger>>()(this)
  exact<WebSocketConnection<Incoming, Outgoing>>()(connection)
  exact<{ room: string }>()(request.params)
  exact<IncomingMessage>()(request.raw)
})
https.route({ method: 'GET', url: '/full/:room', websocket: true, schema, handler: (connection) => exact<WebSocketConnection<Incoming, Outgoing>>()(connection) })

const http2 = Fastify({ http2: true })
http2.register(websocket)
http2.get('/:room', { websocket: true, schema }, function (connection, request) {
  exact<FastifyInstance<Http2Server, Http2ServerRequest, Http2ServerResponse, FastifyBaseLogger>>()(this)
  exact<WebSocketConnection<Incoming, Outgoing>>()(connection)
  exact<{ nick: string }>()(request.query)
  exact<Http2ServerRequest>()(request.raw)
})
http2.route({
  method: 'GET',
  url: '/both/:room',
  schema,
  handler: (_request, reply) => reply.send(''),
  wsHandler: (connection) => exact<WebSocketConnection<Incoming, Outgoing>>()(connection)
})
exact<WebSocketHub>()(http2.websocket)

const secure = Fastify({ http2: true, https: { allowHTTP1: true, key: pem, cert: pem } })
secure.get('/:room', { websocket: { binary: true }, schema }, function (connection) {
  exact<FastifyInstance<Http2SecureServer, Http2ServerRequest, Http2ServerResponse, FastifyBaseLogger>>()(this)
  connection.on('message:chat', (message) => exact<string>()(message.text))
})

const own = Fastify({ serverFactory: undefined as unknown as (handler: (request: IncomingMessage, response: ServerResponse) => void) => Server })
own.get('/:room', { websocket: true, schema }, (connection) => exact<WebSocketConnection<Incoming, Outgoing>>()(connection))

// ---- a logger of the application's own

interface OwnLogger extends FastifyBaseLogger { audit (text: string): void }
const logged = Fastify({ loggerInstance: undefined as unknown as OwnLogger })
logged.get('/:room', { websocket: true, schema }, function (connection, request) {
  this.log.audit('typed')
  request.log.audit('typed')
  exact<WebSocketConnection<Incoming, Outgoing>>()(connection)
  exact<FastifyBaseLogger>()(connection.log)
})
