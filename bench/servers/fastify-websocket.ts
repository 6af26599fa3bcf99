// @fastify/websocket, the plugin that users come from.
import { createRequire } from 'node:module'
import Fastify from 'fastify'
import type { FastifyPluginCallback } from 'fastify'
import { report } from './report.ts'

/** What is used of its sockets. */
interface Socket {
  on (event: 'message', listener: (data: Buffer, isBinary: boolean) => void): void
  send (data: Buffer, options: { binary: boolean }): void
}

// By `require`, which brings no types: its declarations of the same route options would contradict this package's.
const peer: FastifyPluginCallback<{ options: object }> = createRequire(import.meta.url)('@fastify/websocket')
const app = Fastify()
await app.register(peer, { options: { maxPayload: 16 * 1024 * 1024 } })
const echo = (socket: Socket): void => {
  socket.on('message', (data, isBinary) => { socket.send(data, { binary: isBinary }) })
}
app.get('/', { websocket: true }, echo as never) // its handlers are of its own type
await app.listen({ host: '127.0.0.1', port: 0 })
report(app.server.address())
