// ws, with bufferutil, which it finds by itself.
import { WebSocketServer } from 'ws'
import { report } from './report.ts'

const server = new WebSocketServer({ host: '127.0.0.1', port: 0, maxPayload: 16 * 1024 * 1024 })
server.on('connection', (socket) => {
  socket.on('message', (data, isBinary) => { socket.send(data, { binary: isBinary }) })
})
server.on('listening', () => report(server.address()))
