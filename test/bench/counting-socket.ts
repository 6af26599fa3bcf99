// A socket without a kernel behind it, for checks that count: what is pushed is one read, and each call of its sink, a system call
// on a real one, is one write. Its bytes go nowhere.
import { once } from 'node:events'
import { Duplex } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import { handshake } from '../helpers/raw-client.ts'

export class CountingSocket extends Duplex {
  writes = 0
  bytesWritten = 0
  #head = ''

  override _read (): void {}

  override _write (chunk: Buffer, _encoding: string, done: () => void): void {
    this.writes++
    this.bytesWritten += chunk.length
    this.#noteHead(chunk)
    done()
  }

  override _writev (chunks: ReadonlyArray<{ readonly chunk: Buffer }>, done: () => void): void {
    this.writes++
    for (const { chunk } of chunks) {
      this.bytesWritten += chunk.length
      this.#noteHead(chunk)
    }
    done()
  }

  /** Opens a WebSocket connection to a route of `app`, and resolves behind the 101, the counters at zero. */
  static async open (app: FastifyInstance, path = '/'): Promise<CountingSocket> {
    await app.ready()
    const socket = new CountingSocket()
    app.server.emit('connection', socket)
    socket.push(handshake(path))
    await once(socket, 'head')
    // What the upgrade has left to do.
    await new Promise((resolve) => setImmediate(resolve))
    socket.writes = 0
    socket.bytesWritten = 0
    return socket
  }

  /** Is read once, and resolves when what it led to is done: replies that wait for promises, and the end of the tick. */
  async receive (chunk: Buffer): Promise<void> {
    this.push(chunk)
    await new Promise((resolve) => setImmediate(resolve))
  }

  #noteHead (chunk: Buffer): void {
    if (this.#head.endsWith('\r\n\r\n')) return
    this.#head += chunk.toString('latin1')
    if (!this.#head.endsWith('\r\n\r\n')) return
    if (!this.#head.startsWith('HTTP/1.1 101')) this.destroy(new Error(`refused: ${this.#head}`))
    else this.emit('head')
  }
}
