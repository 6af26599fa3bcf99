// The load: raw sockets, frames encoded beforehand, answers counted by bytes. It must idle while the server works.
import { randomBytes } from 'node:crypto'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { encodeFrame } from '../lib/protocol/frame-builder.ts'
import { Opcode } from '../lib/protocol/opcode.ts'

export interface Workload {
  readonly name: string
  readonly payload: string | Buffer
  readonly connections: number
  /** Messages on the way at a time, on each connection. */
  readonly inFlight: number
  /** Messages of one round, all connections together. */
  readonly messages: number
}

/** One message as the client sends it, and as an echo comes back. */
function frames (payload: string | Buffer): { request: Buffer, answer: Buffer } {
  const opcode = typeof payload === 'string' ? Opcode.Text : Opcode.Binary
  return { request: encodeFrame({ role: 'client', opcode }, payload), answer: encodeFrame({ role: 'server', opcode }, payload) }
}

export class Load {
  readonly #workload: Workload
  readonly #request: Buffer
  readonly #answer: Buffer
  readonly #batch: Buffer
  readonly #sockets: Socket[] = []

  constructor (workload: Workload) {
    this.#workload = workload
    const { request, answer } = frames(workload.payload)
    this.#request = request
    this.#answer = answer
    this.#batch = Buffer.concat(Array.from({ length: workload.inFlight }, () => request))
  }

  async open (port: number): Promise<void> {
    const path = `/?frame=${this.#request.length}&answer=${this.#answer.length}`
    while (this.#sockets.length < this.#workload.connections) this.#sockets.push(await handshake(port, path))
  }

  /** Sends one message and compares what comes back, byte by byte. */
  async check (): Promise<void> {
    for (const socket of this.#sockets) {
      const received = this.#collect(socket)
      socket.write(this.#request)
      if (!(await received).equals(this.#answer)) throw new Error(`${this.#workload.name}: the answer is not the echo of the message`)
    }
  }

  /** Runs one round. Resolves when as many bytes have come back as the answers have, with the wall time in milliseconds. */
  async round (): Promise<number> {
    const started = performance.now()
    const each = Math.ceil(this.#workload.messages / this.#sockets.length)
    await Promise.all(this.#sockets.map((socket) => this.#run(socket, each)))
    return performance.now() - started
  }

  close (): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  #collect (socket: Socket): Promise<Buffer> {
    return new Promise((resolve) => {
      let received: Buffer = Buffer.alloc(0)
      socket.on('data', (chunk) => {
        received = Buffer.concat([received, chunk])
        if (received.length < this.#answer.length) return
        socket.removeAllListeners('data')
        resolve(received)
      })
    })
  }

  #run (socket: Socket, messages: number): Promise<void> {
    const { inFlight } = this.#workload
    const answerLength = this.#answer.length
    const requestLength = this.#request.length
    return new Promise((resolve) => {
      let sent = 0
      let bytes = 0
      let answered = 0
      const send = (count: number): void => {
        const now = Math.min(count, messages - sent)
        if (now > 0) socket.write(this.#batch.subarray(0, now * requestLength))
        sent += now
      }
      socket.on('data', (chunk) => {
        bytes += chunk.length
        const complete = Math.floor(bytes / answerLength)
        send(complete - answered)
        answered = complete
        if (answered < messages) return
        socket.removeAllListeners('data')
        resolve()
      })
      send(inFlight)
    })
  }
}

function handshake (port: number, path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1')
    socket.setNoDelay(true)
    socket.on('error', reject)
    socket.once('data', (chunk) => {
      if (chunk.toString('latin1').startsWith('HTTP/1.1 101')) resolve(socket)
      else reject(new Error(`the server refused: ${chunk.toString('latin1')}`))
    })
    socket.write(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\n\r\n`)
  })
}
