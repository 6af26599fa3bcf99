// What the floors share: the handshake's answer, and answers that are right by their length. The load tells in the path how long a
// request is, and how long its answer.
import { createHash } from 'node:crypto'
import type { Duplex } from 'node:stream'

export interface Lengths {
  readonly frame: number
  readonly answer: number
}

export function readLengths (url: string): Lengths {
  const query = new URLSearchParams(url.slice(url.indexOf('?')))
  return { frame: Number(query.get('frame')), answer: Number(query.get('answer')) }
}

export function switchProtocols (key: string): string {
  const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
  return `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`
}

/** Sends back as many bytes as the answers have, copied once as an echo would. */
export function echoBytes (socket: Duplex, { frame, answer }: Lengths): (chunk: Buffer) => void {
  let received = 0
  return (chunk) => {
    received += chunk.length
    const frames = Math.floor(received / frame)
    received -= frames * frame
    if (frames === 0) return
    const out = Buffer.allocUnsafe(frames * answer)
    chunk.copy(out)
    socket.write(out)
  }
}
