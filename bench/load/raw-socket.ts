// A client of the benchmarks: a TCP socket behind a WebSocket handshake that sends ready-made bytes and hands on what comes,
// without looking at it. All of them read into one buffer, so that the load stays cheaper than what it loads.
import { randomBytes } from 'node:crypto'
import { connect } from 'node:net'
import type { Socket } from 'node:net'

const readBuffer = Buffer.allocUnsafeSlow(256 * 1024)
/** A pong's header but for its length, and a masking key that changes nothing. */
const PONG = Buffer.from('8a8000000000', 'hex')

export interface Target {
  readonly port: number
  readonly path?: string
  /** Offered as they are; the answer is not looked at. */
  readonly extensions?: string
  /** Where the connection comes from: one address has ports for some 28,000. */
  readonly localAddress?: string
}

export class RawSocket {
  readonly socket: Socket
  /** Gets what was read, in a buffer that is written over afterwards. */
  onBytes: (bytes: Buffer) => void = () => {}

  private constructor ({ port, localAddress }: Target) {
    const callback = (length: number): boolean => {
      this.#receive(readBuffer.subarray(0, length))
      return true
    }
    const from = localAddress === undefined ? {} : { localAddress }
    this.socket = connect({ port, host: '127.0.0.1', noDelay: true, onread: { buffer: readBuffer, callback }, ...from })
  }

  /** Connects and resolves behind the 101. */
  static open (target: Target): Promise<RawSocket> {
    return new Promise((resolve, reject) => {
      const raw = new RawSocket(target)
      raw.socket.on('error', reject)
      raw.onBytes = (bytes) => {
        const head = bytes.toString('latin1')
        raw.onBytes = () => {}
        if (head.startsWith('HTTP/1.1 101') && head.endsWith('\r\n\r\n')) resolve(raw)
        else reject(new Error(`the server refused: ${head}`))
      }
      raw.socket.write(requestFor(target.path, target.extensions))
    })
  }

  destroy (): void {
    this.socket.destroy()
  }

  #receive (bytes: Buffer): void {
    // A heartbeat comes alone, on a connection that has been silent for long.
    if (bytes[0] === 0x89 && bytes.length === 2 + bytes[1]!) this.socket.write(pongFor(bytes.subarray(2)))
    else this.onBytes(bytes)
  }
}

function pongFor (data: Buffer): Buffer {
  const pong = Buffer.concat([PONG, data])
  pong[1]! |= data.length
  return pong
}

export function requestFor (path = '/', extensions?: string): string {
  const offer = extensions === undefined ? '' : `Sec-WebSocket-Extensions: ${extensions}\r\n`
  return `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n${offer}Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\n\r\n`
}

/** Opens many, some at a time: no more than fit into the backlog of any server. */
export async function openAll (target: Target, count: number): Promise<RawSocket[]> {
  const sockets: RawSocket[] = []
  let left = count
  const openSome = async (): Promise<void> => {
    while (left-- > 0) sockets.push(await RawSocket.open(target))
  }
  await Promise.all(Array.from({ length: 32 }, openSome))
  return sockets
}
