// Hands each binary message of a camera on to all who watch, without a copy of its own: the route's payloads are lent.
// Run: npm run compile && node build/example/binary-relay.js
import { fileURLToPath } from 'node:url'
import Fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import websocket, { type WebSocketConnection } from '../lib/index.ts' // in your project: from 'fastify-typed-websocket'

export async function build (): Promise<FastifyInstance> {
  const app = Fastify()
  await app.register(websocket, { maxPayload: 4 * 1024 * 1024 })
  const viewers = new Set<WebSocketConnection>()

  app.get('/watch', { websocket: { slowConsumer: 'drop' } }, (connection) => {
    viewers.add(connection)
    connection.on('close', () => viewers.delete(connection))
  })

  app.get('/camera', { websocket: { lendPayloads: true } }, (connection) => {
    connection.on('message', (picture) => {
      // All is sent before the listener returns; a picture that is to be kept would have to be copied.
      for (const viewer of viewers) viewer.send(picture)
    })
  })
  return app
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const app = await build()
  const url = await app.listen({ host: '127.0.0.1', port: Number(process.env['PORT'] ?? 3000) })
  console.log(`${url.replace('http', 'ws')}/watch`)
}
