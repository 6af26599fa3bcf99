// A WebSocket client made of bytes, for the tests. Owns a TCP socket and a handshake of its own, and like the frames it
// sends it shares nothing with lib/.
import { createHash, randomBytes } from 'node:crypto'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { encodeFrame, FrameReader } from './wire-frames.ts'
import type { ReceivedFrame } from './wire-frames.ts'

/** How the connection came to its end: the server's FIN, an error of the socket, or the client's deadline. */
export type Ending = 'fin' | 'reset' | 'deadline'

export interface FrameClientOptions {
  readonly port: number
  readonly path?: string
  /** Fields behind those of the handshake, one a line as they go on the wire. */
  readonly headers?: readonly string[]
  /** Milliseconds that the whole connection may take; the socket is destroyed then. */
  readonly deadline?: number
  /** Answers each ping, as a live peer does. Default false. */
  readonly answersPings?: boolean
  /** A value of Sec-WebSocket-Extensions. */
  readonly offer?: string
}

const KEY_SUFFIX = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'

/** Lets the event loop turn once, the sockets polled: what was written before has been read after. */
export async function turn (): Promise<void> {
  await new Promise<void>((resolve) => { setImmediate(resolve) })
}

/** One open connection. Made by `openFrames`. */
export class FrameClient {
  readonly frames: ReceivedFrame[] = []
  /** What the server sent against the rules; nothing is read after that. */
  fault: Error | undefined
  ending: Ending | undefined
  /** The answer's Sec-WebSocket-Extensions; empty for none. */
  readonly extensions: string
  readonly #socket: Socket
  readonly #reader: FrameReader
  readonly #answersPings: boolean
  readonly #raw: Buffer[] = []
  #rawLength = 0
  #wake: Array<() => void> = []

  constructor (socket: Socket, deadline: number, answersPings = false, extensions = '') {
    this.#socket = socket
    this.extensions = extensions
    this.#reader = new FrameReader(extensions.startsWith('permessage-deflate'))
    this.#answersPings = answersPings
    const timer = setTimeout(() => this.#finish('deadline'), deadline)
    socket.on('data', (chunk: Buffer) => this.#receive(chunk))
    socket.on('end', () => this.#finish('fin'))
    socket.on('error', () => this.#finish('reset'))
    socket.on('close', () => {
      clearTimeout(timer)
      this.#finish('reset')
    })
  }

  /** Every byte that came behind the handshake. */
  get raw (): Buffer {
    return Buffer.concat(this.#raw)
  }

  /** The server's Close, if it has come. */
  get closeFrame (): ReceivedFrame | undefined {
    // pongs alone may stand behind it
    return this.frames.findLast(({ opcode }) => opcode === 8)
  }

  /** The server has sent Close, or its end: nothing that is sent now can matter. */
  get isOver (): boolean {
    return this.ending !== undefined || this.fault !== undefined || this.closeFrame !== undefined
  }

  /** Writes bytes at once and resolves when the socket has taken them; a reset shows as `ending`. */
  async write (bytes: Uint8Array): Promise<void> {
    if (!this.#socket.writable) return
    await new Promise<void>((resolve) => { this.#socket.write(bytes, () => resolve()) })
  }

  /**
   * Writes bytes so that the server reads them in pieces, which end at the given offsets, as long as it has not closed.
   *
   * The server must run in this process: one turn of its event loop stands between two pieces.
   */
  async writeCut (bytes: Uint8Array, cuts: Iterable<number>): Promise<void> {
    // from a data event the loop would come to setImmediate without having polled again
    await turn()
    let from = 0
    for (const to of [...cuts, bytes.length]) {
      if (to === from) continue
      if (this.isOver) return
      await this.write(bytes.subarray(from, to))
      await turn()
      from = to
    }
  }

  /** Resolves when that many frames have come in all, or nothing more can come. */
  async untilFrames (count: number): Promise<void> {
    while (this.frames.length < count && !this.isOver) await this.#change()
  }

  /** Resolves when that many bytes have come in all, or nothing more can come. */
  async untilBytes (count: number): Promise<void> {
    while (this.#rawLength < count && this.ending === undefined) await this.#change()
  }

  /** Resolves with how the connection ended; the client's own FIN is sent then, not before. */
  async untilEnd (): Promise<Ending> {
    while (this.ending === undefined) await this.#change()
    this.#socket.end()
    return this.ending
  }

  /** Half-closes: no more bytes will come from here. */
  end (): void {
    this.#socket.end()
  }

  /** Stops and resumes reading, so that TCP pushes back to the server. */
  pause (): void {
    this.#socket.pause()
  }

  resume (): void {
    this.#socket.resume()
  }

  /** Drops the connection with a reset instead of a FIN. */
  reset (): void {
    this.#socket.resetAndDestroy()
  }

  destroy (): void {
    this.#socket.destroy()
  }

  async #change (): Promise<void> {
    await new Promise<void>((resolve) => { this.#wake.push(resolve) })
  }

  #receive (chunk: Buffer): void {
    this.#raw.push(chunk)
    this.#rawLength += chunk.length
    if (this.fault === undefined) {
      try {
        const frames = this.#reader.receiveData(chunk)
        this.frames.push(...frames)
        if (this.#answersPings) this.#answer(frames)
      } catch (error) {
        // the reader throws nothing but errors of its own
        this.fault = error as Error
        this.#socket.destroy()
      }
    }
    this.#notify()
  }

  #answer (frames: readonly ReceivedFrame[]): void {
    for (const { opcode, payload } of frames) {
      if (opcode === 9 && this.#socket.writable) this.#socket.write(encodeFrame({ opcode: 10, payload }))
    }
  }

  #finish (ending: Ending): void {
    this.ending ??= ending
    if (ending === 'deadline') this.#socket.destroy()
    this.#notify()
  }

  #notify (): void {
    const wake = this.#wake
    this.#wake = []
    for (const resolve of wake) resolve()
  }
}

/** Connects to 127.0.0.1 and shakes hands (§4.1); rejects with the head of the answer if that is not a right 101. */
export async function openFrames (options: FrameClientOptions): Promise<FrameClient> {
  const { port, path = '/', headers = [], deadline = 20_000, answersPings = false, offer } = options
  const offers = offer === undefined ? [] : [`Sec-WebSocket-Extensions: ${offer}`]
  const key = randomBytes(16).toString('base64')
  const accept = createHash('sha1').update(key + KEY_SUFFIX).digest('base64')
  const socket = connect({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true })
  socket.write([
    `GET ${path} HTTP/1.1`, `Host: 127.0.0.1:${port}`, 'Upgrade: websocket', 'Connection: Upgrade',
    `Sec-WebSocket-Key: ${key}`, 'Sec-WebSocket-Version: 13', ...offers, ...headers, '', ''
  ].join('\r\n'))
  const { head, rest } = await readHead(socket, deadline)
  const fields = new Map(head.split('\r\n').slice(1).map((line) => {
    const colon = line.indexOf(':')
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()]
  }))
  if (!head.startsWith('HTTP/1.1 101 ') || fields.get('sec-websocket-accept') !== accept) {
    socket.destroy()
    throw new Error(`not upgraded: ${head}`)
  }
  const client = new FrameClient(socket, deadline, answersPings, fields.get('sec-websocket-extensions'))
  if (rest.length > 0) socket.unshift(rest)
  return client
}

async function readHead (socket: Socket, deadline: number): Promise<{ head: string, rest: Buffer }> {
  return await new Promise((resolve, reject) => {
    let received = Buffer.alloc(0)
    const timer = setTimeout(() => fail(new Error('no answer to the handshake')), deadline)
    function fail (error?: Error): void {
      stop()
      socket.destroy()
      reject(error ?? new Error(`the handshake ended early: ${received.toString('latin1')}`))
    }
    function stop (): void {
      clearTimeout(timer)
      socket.off('data', read).off('error', fail).off('end', fail)
    }
    function read (chunk: Buffer): void {
      received = Buffer.concat([received, chunk])
      const end = received.indexOf('\r\n\r\n')
      if (end < 0) return
      stop()
      resolve({ head: received.toString('latin1', 0, end), rest: received.subarray(end + 4) })
    }
    socket.on('data', read).on('error', fail).on('end', fail)
  })
}
