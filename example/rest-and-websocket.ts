// REST and WebSocket on one path: GET /counter answers with the count, and over WebSocket with each change of it.
// Run: npm run compile && node build/example/rest-and-websocket.js
import { fileURLToPath } from 'node:url'
import { Type } from '@sinclair/typebox'
import Fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import websocket from '../lib/index.ts' // in your project: from 'fastify-typed-websocket'

const Count = Type.Object({ count: Type.Integer() })

export async function build (): Promise<FastifyInstance> {
  const app = Fastify()
  await app.register(websocket)
  let count = 0
  const watchers = new Set<() => void>()

  app.route({
    method: 'GET',
    url: '/counter',
    schema: { response: { 200: Count }, websocket: { send: Count } },
    handler: async () => ({ count }),
    wsHandler (connection) {
      const tell = (): void => { connection.send({ count }) }
      watchers.add(tell)
      connection.on('close', () => { watchers.delete(tell) })
      tell()
    }
  })
  app.post('/counter', async () => {
    count++
    for (const tell of watchers) tell()
    return { count }
  })
  return app
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const app = await build()
  console.log(`${await app.listen({ host: '127.0.0.1', port: Number(process.env['PORT'] ?? 3000) })}/counter`)
}
