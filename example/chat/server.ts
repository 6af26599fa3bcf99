// A small chat: rooms are topics, what was said before comes over REST, and a page uses both with the typed client.
// Run: npm start
import { randomUUID } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import Fastify from 'fastify'
import type { FastifyInstance, FastifyServerOptions } from 'fastify'
import websocket from '../../lib/index.ts' // in your project: from 'fastify-typed-websocket'
import type { AnyWebSocketConnection } from '../../lib/index.ts'
import { Guests } from './guests.ts'
import type { Guest } from './guests.ts'
import { HISTORY_LENGTH, ROOMS, chat, historyRoute, room, typing } from './messages.ts'
import type { RoomName, Said } from './messages.ts'
import { page } from '../page.ts'

export async function build (options: FastifyServerOptions = {}): Promise<FastifyInstance> {
  // The type provider is for the REST route; WebSocket routes are typed by their schemas, with it or without.
  const app = Fastify(options).withTypeProvider<TypeBoxTypeProvider>()
  await app.register(websocket)
  await app.register(page, { folder: 'chat', modules: ['client'] })

  /** What was said last in each room, oldest first. */
  const said: Record<RoomName, Said[]> = { lobby: [], kitchen: [], garden: [] }

  app.get('/rooms/:room/messages', { schema: historyRoute }, async (request) => said[request.params.room])

  const guests = new Guests()
  /** Who has come with a connection. */
  const guestOf = new WeakMap<AnyWebSocketConnection, Guest>()

  app.route({
    ...chat,
    websocket: {
      // Clients subscribe by themselves, and are told who comes and goes.
      topics: { allow: [room, typing], publish: true, presence: true },
      authorize (connection, topic, { room: name = '' }, action) {
        const guest = guestOf.get(connection)
        if (guest === undefined || !ROOMS.some(known => known === name)) return false
        if (topic.startsWith('typing/')) return true
        // To a room only the server publishes, which knows who says it.
        if (action === 'publish') return false
        guests.enter(name, guest)
        // What the others see of it, whatever the client would like to show.
        return { data: { nick: guest.nick } }
      }
    },
    handler (connection, request) {
      const guest = { ...request.query, connection }
      guestOf.set(connection, guest)
      connection.handleRequests({
        async say ({ room: name, text }) {
          if (!guests.isIn(name, guest)) throw Object.assign(new Error(`you are not in the ${name}`), { code: 'NOT_HERE', statusCode: 403 })
          const message = { id: randomUUID(), nick: request.query.nick, text, at: Date.now() }
          if (said[name].push(message) > HISTORY_LENGTH) said[name].shift()
          await app.websocket.publish(room, { room: name }, message)
          return message
        }
      })
    }
  })
  return app
}

async function main (): Promise<void> {
  const port = readPort(process.env['PORT'] ?? '3000')
  const app = await build({ logger: { level: process.env['LOG_LEVEL'] ?? 'warn' } })
  try {
    console.log(`The chat is at ${await app.listen({ host: '127.0.0.1', port })}`)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error // errors of listen have codes
    await app.close()
    return fail(`Port ${port} is taken. Choose another one, or let PORT=0 npm start find one`)
  }
  // Says 1001, going away, to every page.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => { void app.close() })
}

function readPort (text: string): number {
  const port = Number(text)
  if (/^\d+$/.test(text) && port <= 65_535) return port
  return fail(`PORT must be a number from 0 to 65535, got "${text}"`)
}

function fail (message: string): never {
  console.error(message)
  process.exit(1)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main()
