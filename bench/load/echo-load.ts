// Messages that come back: so many on their way on each connection, the next one as soon as one has come back. Answers are
// counted by their bytes.
import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { encodeFrame } from '../../test/helpers/wire-frames.ts'
import { Histogram } from './histogram.ts'
import type { Load, Round } from './load.ts'
import { openAll } from './raw-socket.ts'
import type { RawSocket } from './raw-socket.ts'

export interface EchoOptions {
  /** A string goes as text. */
  readonly payload: string | Buffer
  readonly connections: number
  /** Messages on their way at a time, on each connection. */
  readonly inFlight: number
  /** Frames that a message is cut into. Default: 1. */
  readonly fragments?: number
}

/** How long, in ms, answers may take that are on their way when a round is over. */
const DEADLINE = 20_000

export class EchoLoad implements Load {
  readonly #options: EchoOptions
  /** As many messages as may be on their way, each with a masking key of its own. */
  readonly #batch: Buffer
  readonly #requestLength: number
  readonly #answer: Buffer
  #lanes: Lane[] = []

  constructor (options: EchoOptions) {
    this.#options = options
    const requests = Array.from({ length: options.inFlight }, () => encodeMessage(options))
    this.#batch = Buffer.concat(requests)
    this.#requestLength = this.#batch.length / options.inFlight
    this.#answer = encodeFrame({ opcode: opcodeOf(options.payload), payload: options.payload, mask: null })
  }

  async open (port: number): Promise<void> {
    // The floor knows messages by their lengths alone.
    const path = `/?frame=${this.#requestLength}&answer=${this.#answer.length}`
    const sockets = await openAll({ port, path }, this.#options.connections)
    this.#lanes = sockets.map((socket) => new Lane(socket, this.#batch, this.#requestLength, this.#answer.length))
  }

  async check (): Promise<void> {
    for (const answer of await this.ask()) {
      if (!answer.equals(this.#answer)) throw new Error('an answer is not the echo of the message')
    }
  }

  /** Sends one message on each connection and resolves with the answers. */
  ask (): Promise<Buffer[]> {
    return this.#inTime(this.#lanes.map((lane) => lane.ask()))
  }

  async run (ms: number): Promise<Round> {
    const latency = new Histogram()
    const started = performance.now()
    const until = started + ms
    const counts = await this.#inTime(this.#lanes.map((lane) => lane.run(this.#options.inFlight, until, latency)))
    return { messages: sum(counts), elapsed: performance.now() - started, latency }
  }

  async runAt (rate: number, ms: number): Promise<Round> {
    const latency = new Histogram()
    const lanes = this.#lanes
    const done = lanes.map((lane) => lane.run(0, 0, latency))
    const started = performance.now()
    let sent = 0
    let next = 0
    for (;;) {
      const elapsed = Math.min(performance.now() - started, ms)
      const due = Math.floor(elapsed * rate / 1_000) - sent
      // A turn's messages are spread as far as they go: each connection sends what it would have sent on its own.
      const each = Math.max(1, Math.ceil(due / lanes.length))
      for (let left = due; left > 0; left -= each) lanes[next++ % lanes.length]!.send(Math.min(each, left))
      sent += due
      if (elapsed >= ms) break
      await sleep(1)
    }
    for (const lane of lanes) lane.finish()
    const counts = await this.#inTime(done)
    return { messages: sum(counts), elapsed: performance.now() - started, latency }
  }

  close (): void {
    for (const lane of this.#lanes) lane.close()
  }

  async #inTime<T> (results: Array<Promise<T>>): Promise<T[]> {
    const late = setTimeout(() => { throw new Error('a server does not answer any more') }, DEADLINE)
    const settled = await Promise.all(results)
    clearTimeout(late)
    return settled
  }
}

/** One connection. */
class Lane {
  readonly #raw: RawSocket
  readonly #batch: Buffer
  readonly #requestLength: number
  readonly #answerLength: number
  /** When the messages were sent that have no answer yet, the oldest first, so many at a time. */
  #sent: Array<{ readonly at: number, count: number }> = []
  #waiting = 0
  /** Bytes of an answer that is not complete. */
  #rest = 0
  #answered = 0
  #until = 0
  #isOpenEnded = false
  #latency = new Histogram()
  #resolve: (answered: number) => void = () => {}

  constructor (raw: RawSocket, batch: Buffer, requestLength: number, answerLength: number) {
    this.#raw = raw
    this.#batch = batch
    this.#requestLength = requestLength
    this.#answerLength = answerLength
  }

  /** Sends one message and resolves with what comes back. */
  ask (): Promise<Buffer> {
    return new Promise((resolve) => {
      let received = Buffer.alloc(0)
      this.#raw.onBytes = (bytes) => {
        received = Buffer.concat([received, bytes])
        if (received.length >= this.#answerLength) resolve(received)
      }
      this.#raw.socket.write(this.#batch.subarray(0, this.#requestLength))
    })
  }

  /** Keeps `inFlight` messages on their way until then; with none, `send` and `finish` are the caller's. Resolves with how many were answered. */
  run (inFlight: number, until: number, latency: Histogram): Promise<number> {
    this.#until = until
    this.#isOpenEnded = inFlight === 0
    this.#latency = latency
    this.#answered = 0
    this.#rest = 0
    this.#raw.onBytes = (bytes) => this.#receive(bytes.length)
    return new Promise((resolve) => {
      this.#resolve = resolve
      if (inFlight > 0) this.send(inFlight)
    })
  }

  send (count: number): void {
    this.#sent.push({ at: performance.now(), count })
    this.#waiting += count
    const inBatch = this.#batch.length / this.#requestLength
    for (let left = count; left > 0; left -= inBatch) this.#raw.socket.write(this.#batch.subarray(0, Math.min(left, inBatch) * this.#requestLength))
  }

  finish (): void {
    this.#isOpenEnded = false
    if (this.#waiting === 0) this.#resolve(this.#answered)
  }

  close (): void {
    this.#raw.destroy()
  }

  #receive (length: number): void {
    this.#rest += length
    const complete = Math.floor(this.#rest / this.#answerLength)
    if (complete === 0) return
    this.#rest -= complete * this.#answerLength
    this.#answered += complete
    this.#waiting -= complete
    const now = performance.now()
    this.#note(complete, now)
    if (now < this.#until) this.send(complete)
    else if (this.#waiting <= 0 && !this.#isOpenEnded) this.#resolve(this.#answered)
  }

  #note (complete: number, now: number): void {
    for (let left = complete; left > 0;) {
      const oldest = this.#sent[0]
      if (oldest === undefined) return
      const count = Math.min(left, oldest.count)
      this.#latency.record(now - oldest.at, count)
      left -= count
      oldest.count -= count
      if (oldest.count === 0) this.#sent.shift()
    }
  }
}

function opcodeOf (payload: string | Buffer): number {
  return typeof payload === 'string' ? 1 : 2
}

/** A message as a client sends it, in as many frames as are asked for. */
function encodeMessage ({ payload, fragments = 1 }: EchoOptions): Buffer {
  const bytes = Buffer.from(payload)
  const size = Math.ceil(bytes.length / fragments)
  return Buffer.concat(Array.from({ length: fragments }, (_, i) => encodeFrame({
    opcode: i === 0 ? opcodeOf(payload) : 0,
    fin: i === fragments - 1,
    payload: bytes.subarray(i * size, (i + 1) * size),
    mask: randomBytes(4)
  })))
}

function sum (values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0)
}
