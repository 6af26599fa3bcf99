// @fastify/websocket, the plugin that users come from.
import { createRequire } from 'node:module'
import Fastify from 'fastify'
import type { FastifyPluginCallback } from 'fastify'
import { report } from './report.ts'
import { readSettings } from './settings.ts'
import { deflateOptions, makeServe } from './ws-socket.ts'
import type { WsSocket } from './ws-socket.ts'

const settings = readSettings()
// By `require`, which brings no types: its declarations of the same route options would contradict this package's.
const peer: FastifyPluginCallback<{ options: object }> = createRequire(import.meta.url)('@fastify/websocket')
const app = Fastify()
await app.register(peer, { options: deflateOptions(settings) })
const { clients } = app.websocketServer as unknown as { clients: Iterable<WsSocket> } // the peer's, likewise
const handler = await makeServe(settings, clients)
app.get('/', { websocket: true }, handler as never) // its handlers are of its own type
await app.listen({ host: '127.0.0.1', port: 0 })
report(app.server.address())
