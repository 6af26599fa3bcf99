// Messages that come back: so many on their way on each connection, the next one as soon as one has come back. Answers are
// counted by their bytes.
import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { encodeFrame } from '../../test/helpers/wire-frames.ts'
import { compress, FrameCounter, frameLengthOf, inflateFrame, OFFER } from './deflate.ts'
import { Histogram } from './histogram.ts'
import type { Load, Round } from './load.ts'
import { openAll } from './raw-socket.ts'
import type { RawSocket } from './raw-socket.ts'
import { Requests } from './requests.ts'

export interface EchoOptions {
  /** A string goes as text. */
  readonly payload: string | Buffer
  readonly connections: number
  /** Messages on their way at a time, on each connection. */
  readonly inFlight: number
  /** Frames that a message is cut into. Default: 1. */
  readonly fragments?: number
  /**
   * Messages are compressed, and so are their answers, each server's in its way. These are the ones that follow `payload`, so that no
   * server gets the same one twice in a row. Default: no message is compressed.
   */
  readonly deflate?: readonly string[]
  /** What is offered then. Default: no context on either side. */
  readonly offer?: string
}

/** How long, in ms, answers may take that are on their way when a round is over. */
const DEADLINE = 20_000

export class EchoLoad implements Load {
  readonly #options: EchoOptions
  /** As many messages as may be on their way, each with a masking key of its own. */
  readonly #requests: Requests
  readonly #requestLength: number
  /** Of compressed messages no more than what it says is known. */
  readonly #answer: Buffer
  #lanes: Lane[] = []

  constructor (options: EchoOptions) {
    this.#options = options
    const { payload, deflate = [], inFlight } = options
    const payloads = [payload, ...deflate]
    const messages = Array.from({ length: Math.max(inFlight, payloads.length) }, (_, i) => encodeMessage(payloads[i % payloads.length]!, options))
    this.#requests = new Requests(messages)
    this.#requestLength = messages[0]!.length
    this.#answer = encodeFrame({ opcode: opcodeOf(options.payload), payload: options.payload, mask: null })
  }

  async open (port: number): Promise<void> {
    // The floor knows messages by their lengths alone.
    const path = `/?frame=${this.#requestLength}&answer=${this.#answer.length}`
    const sockets = await openAll({ port, path, ...(this.#options.deflate !== undefined && { extensions: this.#options.offer ?? OFFER }) }, this.#options.connections)
    this.#lanes = sockets.map((socket) => new Lane(socket, this.#requests, this.#options.deflate === undefined ? this.#answer.length : undefined))
  }

  async check (): Promise<void> {
    const { deflate, payload } = this.#options
    for (const answer of await this.ask()) {
      if (deflate !== undefined) {
        if (!inflateFrame(answer).equals(Buffer.from(payload))) throw new Error('an answer does not say what the message said')
      } else if (!answer.equals(this.#answer)) throw new Error('an answer is not the echo of the message')
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
  readonly #requests: Requests
  #next = 0
  /** Undefined where answers differ: they are counted one by one. */
  readonly #answerLength: number | undefined
  readonly #counter = new FrameCounter()
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

  constructor (raw: RawSocket, requests: Requests, answerLength: number | undefined) {
    this.#raw = raw
    this.#requests = requests
    this.#answerLength = answerLength
  }

  /** Sends one message and resolves with what comes back. */
  ask (): Promise<Buffer> {
    return new Promise((resolve) => {
      let received = Buffer.alloc(0)
      this.#raw.onBytes = (bytes) => {
        received = Buffer.concat([received, bytes])
        if (received.length >= (frameLengthOf(received) ?? Infinity)) resolve(received)
      }
      // Always the first one: what it says is known.
      this.#requests.send(0, 1, (bytes) => this.#raw.socket.write(bytes))
    })
  }

  /** Keeps `inFlight` messages on their way until then; with none, `send` and `finish` are the caller's. Resolves with how many were answered. */
  run (inFlight: number, until: number, latency: Histogram): Promise<number> {
    this.#until = until
    this.#isOpenEnded = inFlight === 0
    this.#latency = latency
    this.#answered = 0
    this.#rest = 0
    this.#raw.onBytes = (bytes) => this.#receive(bytes)
    return new Promise((resolve) => {
      this.#resolve = resolve
      if (inFlight > 0) this.send(inFlight)
    })
  }

  send (count: number): void {
    this.#sent.push({ at: performance.now(), count })
    this.#waiting += count
    this.#next = this.#requests.send(this.#next, count, (bytes) => this.#raw.socket.write(bytes))
  }

  finish (): void {
    this.#isOpenEnded = false
    if (this.#waiting === 0) this.#resolve(this.#answered)
  }

  close (): void {
    this.#raw.destroy()
  }

  #receive (bytes: Buffer): void {
    const complete = this.#count(bytes)
    if (complete === 0) return
    this.#answered += complete
    this.#waiting -= complete
    const now = performance.now()
    this.#note(complete, now)
    if (now < this.#until) this.send(complete)
    else if (this.#waiting <= 0 && !this.#isOpenEnded) this.#resolve(this.#answered)
  }

  #count (bytes: Buffer): number {
    if (this.#answerLength === undefined) return this.#counter.count(bytes)
    this.#rest += bytes.length
    const complete = Math.floor(this.#rest / this.#answerLength)
    this.#rest -= complete * this.#answerLength
    return complete
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
function encodeMessage (payload: string | Buffer, { fragments = 1, deflate }: EchoOptions): Buffer {
  const bytes = deflate === undefined ? Buffer.from(payload) : compress(payload)
  const size = Math.ceil(bytes.length / fragments)
  return Buffer.concat(Array.from({ length: fragments }, (_, i) => encodeFrame({
    opcode: i === 0 ? opcodeOf(payload) : 0,
    fin: i === fragments - 1,
    rsv: deflate !== undefined && i === 0 ? 0b100 : 0,
    payload: bytes.subarray(i * size, (i + 1) * size),
    mask: randomBytes(4)
  })))
}

function sum (values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0)
}
