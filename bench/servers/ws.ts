// ws, with bufferutil, which it finds by itself.
import { once } from 'node:events'
import { WebSocketServer } from 'ws'
import { report } from './report.ts'
import { readSettings } from './settings.ts'
import { deflateOptions, makeServe } from './ws-socket.ts'
import type { WsSocket } from './ws-socket.ts'

const settings = readSettings()
const server = new WebSocketServer({ host: '127.0.0.1', port: 0, ...deflateOptions(settings) })
const clients: Iterable<unknown> = server.clients
const serve = await makeServe(settings, clients as Iterable<WsSocket>)
// Messages are Buffers, as nobody asks for another type.
server.on('connection', (socket: unknown) => serve(socket as WsSocket))
if (server.address() === null) await once(server, 'listening')
report(server.address())
