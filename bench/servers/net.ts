// The floor: a handshake, then every frame's bytes go back as a server's frame would, with nothing looked at but lengths.
// Reads nothing of the payload: the load tells the size of a frame in the path, and each one is cut down to header and payload.
import { createHash } from 'node:crypto'
import { createServer } from 'node:net'
import { report } from './report.ts'

const server = createServer((socket) => {
  let reply: Buffer | undefined
  let frameLength = 0
  let received = 0
  socket.setNoDelay(true)
  socket.on('error', () => socket.destroy())
  socket.on('data', (chunk) => {
    if (reply === undefined) {
      const head = chunk.toString('latin1')
      const key = /sec-websocket-key: (.*)\r\n/i.exec(head)?.[1] ?? ''
      const [, frame, answer] = /\?frame=(\d+)&answer=(\d+) /.exec(head) ?? []
      frameLength = Number(frame)
      reply = Buffer.alloc(Number(answer))
      const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
      socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`)
      return
    }
    received += chunk.length
    const frames = Math.floor(received / frameLength)
    received -= frames * frameLength
    if (frames === 0) return
    // As many bytes as the answers have, copied once as an echo would.
    const out = Buffer.allocUnsafe(frames * reply.length)
    chunk.copy(out)
    socket.write(out)
  })
})
server.listen(0, '127.0.0.1', () => report(server.address()))
