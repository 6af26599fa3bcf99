// The floor: a handshake, then every frame's bytes go back as a server's frame would, with nothing looked at but lengths.
// A broadcast is a ready-made frame, written to every socket.
import { createServer } from 'node:net'
import type { Socket } from 'node:net'
import { echoBytes, readLengths, switchProtocols } from './floor.ts'
import { report } from './report.ts'
import { readSettings } from './settings.ts'

const { scenario, payload = '', atOnce = 1 } = readSettings()
const sockets = new Set<Socket>()
const frame = Buffer.concat([Buffer.from([0x81, payload.length]), Buffer.from(payload)])
const broadcast = Buffer.concat(Array.from({ length: atOnce }, () => frame))

function sendToAll (): void {
  for (const socket of sockets) socket.write(broadcast)
}

const server = createServer({ noDelay: true }, (socket) => {
  socket.on('error', () => socket.destroy())
  socket.once('data', (chunk) => {
    const head = chunk.toString('latin1')
    sockets.add(socket)
    socket.on('data', scenario === 'broadcast' || scenario === 'publish' ? sendToAll : echoBytes(socket, readLengths(head.split(' ')[1] ?? '')))
    socket.write(switchProtocols(/sec-websocket-key: (.*)\r\n/i.exec(head)?.[1] ?? ''))
  })
})
server.listen(0, '127.0.0.1', () => report(server.address()))
