// Connections that come and go: a handshake, a Close frame from the client, and the server's end.
import { closePayload, encodeFrame } from '../../test/helpers/wire-frames.ts'
import { Histogram } from './histogram.ts'
import type { Load, Round } from './load.ts'
import { RawSocket } from './raw-socket.ts'

export interface HandshakeOptions {
  /** Connections that come and go at the same time. */
  readonly connections: number
}

const CLOSE = encodeFrame({ opcode: 8, payload: closePayload(1000) })
const CLOSED = encodeFrame({ opcode: 8, payload: closePayload(1000), mask: null })
/** Addresses to come from: a port of each stays taken for a minute behind a connection. */
const ADDRESSES = 20

export class HandshakeLoad implements Load {
  readonly #options: HandshakeOptions
  #port = 0
  #opened = 0

  constructor (options: HandshakeOptions) {
    this.#options = options
  }

  async open (port: number): Promise<void> {
    this.#port = port
  }

  async check (): Promise<void> {
    const answer = await this.#comeAndGo()
    if (!answer.equals(CLOSED)) throw new Error(`a Close frame was answered with ${answer.toString('hex')}`)
  }

  async run (ms: number): Promise<Round> {
    const latency = new Histogram()
    const started = performance.now()
    let messages = 0
    const lane = async (): Promise<void> => {
      for (let now = started; now - started < ms;) {
        await this.#comeAndGo()
        const then = performance.now()
        latency.record(then - now)
        now = then
        messages++
      }
    }
    await Promise.all(Array.from({ length: this.#options.connections }, lane))
    return { messages, elapsed: performance.now() - started, latency }
  }

  close (): void {}

  /** Resolves with what came behind the 101, when the server has closed. */
  async #comeAndGo (): Promise<Buffer> {
    const raw = await RawSocket.open({ port: this.#port, localAddress: `127.0.0.${1 + this.#opened++ % ADDRESSES}` })
    return await new Promise((resolve, reject) => {
      let answer = Buffer.alloc(0)
      raw.onBytes = (bytes) => { answer = Buffer.concat([answer, bytes]) }
      raw.socket.on('error', reject)
      raw.socket.on('end', () => resolve(answer))
      raw.socket.write(CLOSE)
    })
  }
}
