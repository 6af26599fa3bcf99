// Requests of a route: payloads and replies by their schemas.
import { Type } from '@sinclair/typebox'
import Fastify from 'fastify'
import websocket, { defineTopic } from '../../lib/index.ts'
import type { WebSocketConnection } from '../../lib/index.ts'
import { exact } from './exact.ts'

const app = Fastify()
app.register(websocket)

const requests = {
  add: { request: Type.Object({ a: Type.Number() }), reply: Type.Number() },
  now: { reply: Type.String() },
  note: { request: Type.String() }
}

app.get('/', { websocket: true, schema: { websocket: { requests } } }, (connection) => {
  connection.handleRequests({
    add: ({ a }) => {
      exact<number>()(a)
      return a
    },
    now: async () => new Date().toISOString(),
    note: (text) => { exact<string>()(text) }
  })
  connection.handleRequests({ now: () => 'some only' })
  // @ts-expect-error a reply that does not fit
  connection.handleRequests({ add: () => 'text' })
  // @ts-expect-error another payload
  connection.handleRequests({ note: (text: number) => text })
  // @ts-expect-error no such request
  connection.handleRequests({ subtract: () => 1 })
  // Whoever takes any connection of such messages takes this one.
  const take = (_connection: WebSocketConnection): void => {}
  take(connection)
})

app.get('/none', { websocket: true }, (connection) => {
  // @ts-expect-error the route has no requests
  connection.handleRequests({ add: () => 1 })
})

const room = defineTopic({ name: 'room/:room' })
app.get('/topics', { websocket: { topics: [room] } }, () => {})
app.get('/topics/all', { websocket: { topics: { allow: [room], publish: true, presence: true } } }, () => {})
// @ts-expect-error names are no topics
app.get('/topics/names', { websocket: { topics: ['room'] } }, () => {})
// @ts-expect-error no list
app.get('/topics/publish', { websocket: { topics: { publish: true } } }, () => {})
