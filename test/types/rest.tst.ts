// REST routes beside WebSocket routes keep exactly the types that Fastify gives them.
import Fastify from 'fastify'
import type { FastifyInstance, FastifyReply, FastifyRequest, RouteHandlerMethod } from 'fastify'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { WebSocketConnection } from '../../types/index.ts'
import { exact } from './exact.ts'
import { ChatIn, ChatOut, Params, Query } from './messages.ts'
import type { Incoming } from './messages.ts'

const app = Fastify()
const typed = app.withTypeProvider<TypeBoxTypeProvider>()

app.get('/', function (request, reply) {
  exact<FastifyInstance>()(this)
  exact<FastifyRequest>()(request)
  exact<FastifyReply>()(reply)
  exact<unknown>()(request.params)
  exact<unknown>()(request.body)
})
app.get('/options', { websocket: false }, (request, reply) => {
  exact<FastifyRequest>()(request)
  exact<FastifyReply>()(reply)
})
// Without a type provider a schema gives a REST route no types, as ever.
app.post('/schema', { schema: { body: ChatIn, querystring: Query } }, (request) => {
  exact<unknown>()(request.body)
  exact<unknown>()(request.query)
})
app.get<{ Params: { id: string }, Querystring: { page: number }, Reply: { ok: boolean } }>('/generics/:id', async (request, reply) => {
  exact<{ id: string }>()(request.params)
  exact<{ page: number }>()(request.query)
  // @ts-expect-error not the reply
  reply.send({ ok: 1 })
  return { ok: true }
})
app.route({
  method: 'POST',
  url: '/full',
  handler (request, reply) {
    exact<FastifyInstance>()(this)
    exact<FastifyRequest>()(request)
    exact<FastifyReply>()(reply)
  }
})
app.route<{ Body: { a: 1 } }>({ method: ['PUT', 'PATCH'], url: '/full', handler: (request) => exact<{ a: 1 }>()(request.body) })

typed.post('/typed/:room', { schema: { params: Params, querystring: Query, body: ChatIn, response: { 200: ChatOut } } }, function (request, reply) {
  exact<typeof typed>()(this)
  exact<{ room: string }>()(request.params)
  exact<{ nick: string }>()(request.query)
  exact<Incoming>()(request.body)
  reply.send({ type: 'said', text: '' })
  // @ts-expect-error not in the response schema
  reply.send({ type: 'chat', text: '' })
  // @ts-expect-error not the status
  reply.code(201)
})
typed.get('/typed/inside', { schema: { querystring: Query }, handler: (request) => exact<{ nick: string }>()(request.query) })
typed.route({
  method: 'GET',
  url: '/typed/full/:room',
  schema: { params: Params, response: { 200: Query } },
  handler: async (request) => ({ nick: request.params.room })
})
// @ts-expect-error the response does not fit
typed.route({ method: 'GET', url: '/typed/wrong', schema: { response: { 200: Query } }, handler: async () => ({ nick: 1 }) })

const handler: RouteHandlerMethod = (_request, reply) => reply.send('')
app.get('/apart', handler)
app.get('/apart/options', { config: {} }, handler)
app.all('/all', (request) => exact<FastifyRequest>()(request))

// @ts-expect-error no connection without `websocket`
app.get('/connection', {}, (connection: WebSocketConnection) => connection.send(''))
// @ts-expect-error nor with false
app.get('/connection', { websocket: false }, (connection: WebSocketConnection) => connection.send(''))
// @ts-expect-error no such option
app.get('/option', { websockets: true }, handler)
