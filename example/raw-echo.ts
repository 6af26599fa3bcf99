// Sends every message back as it came: text as text, bytes as bytes.
// Run: npm run compile && node build/example/raw-echo.js
import { fileURLToPath } from 'node:url'
import Fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import websocket from '../lib/index.ts' // in your project: from 'fastify-typed-websocket'

export async function build (): Promise<FastifyInstance> {
  const app = Fastify()
  await app.register(websocket)

  // Without message schemas a text message is a string and a binary one a Buffer.
  app.get('/echo', { websocket: true }, (connection) => {
    connection.on('message', (message) => { connection.send(message) })
  })
  return app
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const app = await build()
  const url = await app.listen({ host: '127.0.0.1', port: Number(process.env['PORT'] ?? 3000) })
  console.log(`${url.replace('http', 'ws')}/echo`)
}
