// One connection asks, and every connection gets: the next broadcast is asked for when all have the last one.
import { encodeFrame } from '../../test/helpers/wire-frames.ts'
import { frameLengthOf, inflateFrame, OFFER } from './deflate.ts'
import { Histogram } from './histogram.ts'
import type { Load, Round } from './load.ts'
import { openAll } from './raw-socket.ts'
import type { RawSocket } from './raw-socket.ts'

export interface BroadcastOptions {
  readonly payload: string
  readonly connections: number
  /** Broadcasts that the server makes in one tick. */
  readonly atOnce: number
  /** What is sent to all is compressed, by each server in its way. Default: false. */
  readonly deflate?: boolean
}

const REQUEST = encodeFrame({ opcode: 1, payload: 'go' })

export class BroadcastLoad implements Load {
  readonly #options: BroadcastOptions
  /** Of compressed messages only how many bytes they are, once one has come. */
  #answer: Buffer
  #sockets: RawSocket[] = []

  constructor (options: BroadcastOptions) {
    this.#options = options
    const frame = encodeFrame({ opcode: 1, payload: options.payload, mask: null })
    this.#answer = Buffer.concat(Array.from({ length: options.atOnce }, () => frame))
  }

  async open (port: number): Promise<void> {
    const path = `/?frame=${REQUEST.length}&answer=${this.#answer.length}`
    this.#sockets = await openAll({ port, path, ...(this.#options.deflate === true && { extensions: OFFER }) }, this.#options.connections)
  }

  async check (): Promise<void> {
    const { atOnce, deflate, payload } = this.#options
    const all = this.#sockets.map((raw) => new Promise<Buffer>((resolve) => {
      let received = Buffer.alloc(0)
      raw.onBytes = (bytes) => {
        received = Buffer.concat([received, bytes])
        if (received.length >= atOnce * (frameLengthOf(received) ?? Infinity)) resolve(received)
      }
    }))
    this.#sockets[0]!.socket.write(REQUEST)
    const answers = await Promise.all(all)
    if (deflate === true) {
      const [first = this.#answer] = answers
      if (inflateFrame(first.subarray(0, first.length / atOnce)).toString() !== payload) throw new Error('a connection got something else than was sent')
      this.#answer = first
    }
    for (const received of answers) {
      if (!received.equals(this.#answer)) throw new Error('a connection got something else than was sent to all')
    }
  }

  run (ms: number): Promise<Round> {
    const { connections, atOnce } = this.#options
    const expected = this.#answer.length * connections
    const perByte = atOnce / this.#answer.length
    const latency = new Histogram()
    const started = performance.now()
    return new Promise((resolve) => {
      let received = 0
      let messages = 0
      let asked = started
      const onBytes = (bytes: Buffer): void => {
        const now = performance.now()
        received += bytes.length
        latency.record(now - asked, bytes.length * perByte)
        if (received < expected) return
        received = 0
        messages += connections * atOnce
        asked = now
        if (now - started < ms) this.#sockets[0]!.socket.write(REQUEST)
        else resolve({ messages, elapsed: now - started, latency })
      }
      for (const raw of this.#sockets) raw.onBytes = onBytes
      this.#sockets[0]!.socket.write(REQUEST)
    })
  }

  close (): void {
    for (const raw of this.#sockets) raw.destroy()
  }
}
