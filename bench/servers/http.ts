// The floor for memory: Node's HTTP server and one upgrade a connection, kept open. Answers frames as bench/servers/net.ts does,
// by their lengths.
import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import { report } from './report.ts'

const server = createServer()
server.on('upgrade', (request, socket) => {
  const query = new URLSearchParams(request.url?.slice(2))
  const frameLength = Number(query.get('frame'))
  const answerLength = Number(query.get('answer'))
  const accept = createHash('sha1').update(`${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
  let received = 0
  socket.on('error', () => socket.destroy())
  socket.on('end', () => socket.end())
  socket.on('data', (chunk: Buffer) => {
    received += chunk.length
    const frames = Math.floor(received / frameLength)
    received -= frames * frameLength
    if (frames > 0) socket.write(Buffer.alloc(frames * answerLength))
  })
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`)
})
server.listen(0, '127.0.0.1', () => report(server.address()))
