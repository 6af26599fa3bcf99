// Rooms: each is a topic with history and members, published to by WebSocket and by REST. A client that comes back says what it has seen.
// Run: npm run compile && node build/example/topics.js
import { fileURLToPath } from 'node:url'
import { Type, type Static } from '@sinclair/typebox'
import Fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import websocket, { defineTopic } from '../lib/index.ts' // in your project: from 'fastify-typed-websocket'

const Say = Type.Object({ type: Type.Literal('say'), text: Type.String({ minLength: 1, maxLength: 500 }) })
const Said = Type.Object({ type: Type.Literal('said'), from: Type.String(), text: Type.String() })
/** What a client has to know to come back: where it stands, and whether what it has missed follows. */
const Entered = Type.Object({
  type: Type.Literal('entered'), epoch: Type.String(), offset: Type.Integer(), recovered: Type.Boolean(), members: Type.Array(Type.Unknown())
})
const Posted = Type.Object({ text: Type.String({ minLength: 1, maxLength: 500 }) })
const Room = Type.Object({ room: Type.String({ pattern: '^[a-z]{1,20}$' }) })

const roomTopic = defineTopic({ name: 'room/:room', schema: Said, history: { size: 100, ttl: 3_600_000 } })

export async function build (): Promise<FastifyInstance> {
  const app = Fastify()
  await app.register(websocket, {
    maxTopicsPerConnection: 4,
    // Whoever has no name may listen and not speak.
    authorize: ({ data }, _topic, _params, action) => action === 'subscribe' || 'nick' in data
  })

  app.get('/rooms/:room', {
    websocket: true,
    schema: {
      params: Room,
      querystring: Type.Object({ nick: Type.Optional(Type.String({ maxLength: 20 })), epoch: Type.Optional(Type.String()), offset: Type.Optional(Type.Integer({ minimum: 0 })) }),
      websocket: { receive: Say, send: Type.Union([Said, Entered]) }
    }
  }, async (connection, { params, query }) => {
    const { nick, epoch, offset } = query
    if (nick !== undefined) Object.assign(connection.data, { nick })
    connection.on('message:say', async ({ text }) => {
      const said = { type: 'said' as const, from: nick ?? '', text }
      await connection.publish(roomTopic, params, said)
      connection.send(said)
    })
    const since = epoch === undefined || offset === undefined ? undefined : { epoch, offset }
    const { position, recovered = false } = await connection.subscribe(roomTopic, params, { since, ...(nick !== undefined && { data: nick }) })
    const members = await app.websocket.members(roomTopic, params)
    if (position !== undefined) connection.send({ type: 'entered', ...position, recovered, members: members.map(({ data }) => data) })
  })

  app.post<{ Params: Static<typeof Room>, Body: Static<typeof Posted> }>('/rooms/:room/messages', { schema: { params: Room, body: Posted } }, async ({ params, body }) =>
    await app.websocket.publish(roomTopic, params, { type: 'said', from: 'REST', text: body.text }))
  return app
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const app = await build()
  const url = await app.listen({ host: '127.0.0.1', port: Number(process.env['PORT'] ?? 3000) })
  console.log(`${url.replace('http', 'ws')}/rooms/lobby?nick=ann`)
}
