// The floor for handshakes and for memory: Node's HTTP server and one upgrade a connection. Answers frames as
// bench/servers/net.ts does, by their lengths, and the first byte of a Close frame with the end.
import { createServer } from 'node:http'
import { echoBytes, readLengths, switchProtocols } from './floor.ts'
import { report } from './report.ts'

const CLOSED = Buffer.from('880203e8', 'hex')

const server = createServer()
server.on('upgrade', (request, socket) => {
  const echo = echoBytes(socket, readLengths(request.url ?? ''))
  socket.on('error', () => socket.destroy())
  socket.on('end', () => socket.end())
  socket.on('data', (chunk: Buffer) => {
    if (chunk[0] === 0x88) socket.end(CLOSED)
    else echo(chunk)
  })
  socket.write(switchProtocols(request.headers['sec-websocket-key'] ?? ''))
})
server.listen(0, '127.0.0.1', () => report(server.address()))
