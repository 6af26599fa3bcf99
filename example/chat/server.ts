// A small chat: REST for what was said before, a typed WebSocket for what is said now, and a page for both.
// Run: npm start
import { fileURLToPath } from 'node:url'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import Fastify from 'fastify'
import type { FastifyInstance, FastifyServerOptions } from 'fastify'
import websocket from '../../lib/index.ts' // in your project: from 'fastify-typed-websocket'
import { ChatIn, ChatOut, EntryQuery, History, ROOMS, RoomParams } from './messages.ts'
import { page } from './page.ts'
import { Room } from './room.ts'

export async function build (options: FastifyServerOptions = {}): Promise<FastifyInstance> {
  // The type provider is for the REST route; WebSocket routes are typed by their schemas, with it or without.
  const app = Fastify(options).withTypeProvider<TypeBoxTypeProvider>()
  await app.register(websocket)
  await app.register(page)

  const rooms = new Map(ROOMS.map(name => [name, new Room()]))
  const findRoom = (name: typeof ROOMS[number]): Room => {
    const room = rooms.get(name)
    if (room === undefined) throw new Error(`no room ${name}`)
    return room
  }

  app.get('/rooms/:room/messages', {
    schema: { params: RoomParams, response: { 200: History } }
  }, async (request) => [...findRoom(request.params.room).history])

  app.get('/rooms/:room', {
    websocket: true,
    schema: { params: RoomParams, querystring: EntryQuery, websocket: { receive: ChatIn, send: ChatOut } }
  }, (connection, request) => {
    const room = findRoom(request.params.room)
    room.join(connection, request.query.nick)
    connection.on('close', () => room.leave(connection))
    connection.handle({
      chat ({ text }) { room.say(connection, text) },
      typing ({ isTyping }) { room.type(connection, isTyping) }
    })
    // Without this listener a message that does not fit the schema would close the connection.
    connection.on('invalid', (error) => { connection.send({ type: 'error', text: error.message }) })
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
