// Load on a server that answers each message, with one of the same length unless the message is given: connections, what each has in flight, when messages are due,
// and how long answers take. Owns the measuring; what is made of the figures is the report's.
import { createHistogram } from 'node:perf_hooks'
import type { RecordableHistogram } from 'node:perf_hooks'
import { setTimeout as wait } from 'node:timers/promises'
import { NodeWire } from '../client/node-wire.ts'
import type { ConnectSettings } from '../client/option-types.ts'
import type { Loss, WireTarget } from '../client/wire.ts'

export interface LoadOptions {
  readonly target: WireTarget
  readonly settings: ConnectSettings
  readonly connections: number
  /** Of one connection, without an answer. */
  readonly inFlight: number
  /** Of a message, in bytes. */
  readonly size: number
  readonly isBinary: boolean
  /** The text of `size` bytes that is sent; then any text is an answer. */
  readonly message?: string | undefined
  /** Messages a second, of all connections. Default: as many as can be. */
  readonly rate: number | undefined
  /** How long, in ms, messages are sent and not counted, before those that are. */
  readonly warmUp: number
  /** In ms, behind that. */
  readonly duration: number
  describe (loss: Loss): string
  onProgress? (load: Load): void
  readonly signal?: AbortSignal
}

/** How long, in ms, a handshake may take, and what is in flight at the end. */
const HANDSHAKE_TIMEOUT = 10_000
const LAST_ANSWERS = 2_000

/** Handshakes at a time. */
const OPENING = 64

const PROGRESS_INTERVAL = 250

/** A timer is late by about a millisecond: what is due sooner is waited for awake. */
const TIMER_SLACK = 2

/** The longest latency that is told apart, in ns: an hour. */
const HIGHEST = 3_600_000_000_000

export class Load {
  readonly #options: LoadOptions
  readonly #payload: string | Uint8Array
  readonly #peers: Peer[] = []
  readonly latencies: RecordableHistogram = createHistogram({ lowest: 1, highest: HIGHEST, figures: 3 })
  /** By what they say. */
  readonly errors: Map<string, number> = new Map()
  opened = 0
  /** Those behind the warm-up, as is all that follows. */
  sent = 0
  answered = 0
  /** Those that came in time, which throughput is of. */
  answeredInTime = 0
  /** Messages that came and are no answer, by their length or number. */
  unexpected = 0
  /** With a rate: messages that were due, and never sent, as too many had no answer. */
  unsent = 0
  unanswered = 0
  /** When the warm-up ended, or will, and how long it took from then without the last answers, in ms. */
  startedAt = 0
  elapsed = 0
  #isSending = false
  #due = 0
  #isOver = false

  constructor (options: LoadOptions) {
    this.#options = options
    const text = options.message ?? 'x'.repeat(options.size)
    this.#payload = options.isBinary ? Buffer.from(text) : text
  }

  /** Opens the connections, measures, and closes them. */
  async run (): Promise<void> {
    const { connections, duration, rate, signal, warmUp, onProgress } = this.#options
    const isAborted = (): boolean => signal?.aborted === true
    const ended = new Promise<void>((resolve) => signal?.addEventListener('abort', () => resolve()))
    await Promise.race([this.#openAll(connections), ended])
    if (this.#live.length > 0 && !isAborted()) {
      const progress = setInterval(() => onProgress?.(this), PROGRESS_INTERVAL)
      const begunAt = performance.now()
      this.startedAt = begunAt + warmUp
      this.#isSending = true
      if (rate === undefined) for (const peer of this.#live) peer.fill()
      // At a rate it is over when all have been given out that were due, though this process may be late with them.
      const course = rate === undefined ? wait(warmUp + duration, undefined, { ref: false }) : this.#pace(rate, begunAt)
      await Promise.race([course, ended, this.#untilAllAreLost()])
      this.elapsed = Math.max(0, performance.now() - this.startedAt)
      if (rate !== undefined) {
        const countDue = (time: number): number => Math.floor(time * rate / 1_000)
        this.unsent = Math.max(0, countDue(warmUp + Math.min(this.elapsed, duration)) - Math.max(this.#due, countDue(warmUp)))
      }
      this.#isOver = true
      clearInterval(progress)
      await this.#awaitLastAnswers()
    }
    this.#isOver = true
    for (const peer of this.#peers) {
      this.unanswered += peer.inFlight
      this.unsent += peer.backlog
    }
    await Promise.all(this.#peers.map((peer) => peer.close()))
  }

  get payload (): string | Uint8Array {
    return this.#payload
  }

  get options (): LoadOptions {
    return this.#options
  }

  /** Without a rate: a connection may send what it has room for. */
  get isClosedLoop (): boolean {
    return this.#options.rate === undefined && !this.#isOver && this.#isSending
  }

  /** @param since - when the message was due, or sent */
  noteSent (since: number): void {
    if (since >= this.startedAt) this.sent++
  }

  /** @param since - as of `noteSent` */
  noteAnswer (since: number): void {
    const now = performance.now()
    // Throughput is of all that come meanwhile: those on their way at the beginning make up for those at the end.
    if (now >= this.startedAt && !this.#isOver) this.answeredInTime++
    if (since < this.startedAt) return
    this.answered++
    this.latencies.record(Math.max(1, Math.round((now - since) * 1e6)))
  }

  noteError (text: string): void {
    this.errors.set(text, (this.errors.get(text) ?? 0) + 1)
  }

  get #live (): Peer[] {
    return this.#peers.filter(({ isOpen }) => isOpen)
  }

  async #openAll (count: number): Promise<void> {
    let next = 0
    const open = async (): Promise<void> => {
      while (next++ < count) {
        const peer = new Peer(this)
        this.#peers.push(peer)
        if (await peer.opened) this.opened++
      }
    }
    await Promise.all(Array.from({ length: Math.min(OPENING, count) }, open))
  }

  /** Gives out messages as they are due, one connection after the other, whether the server keeps up or not. */
  async #pace (rate: number, begunAt: number): Promise<void> {
    const { duration, warmUp } = this.#options
    const interval = 1_000 / rate
    const total = Math.floor((warmUp + duration) * rate / 1_000)
    let turn = 0
    while (this.#due < total && !this.#isOver) {
      const dueAt = begunAt + this.#due * interval
      const ahead = dueAt - performance.now()
      if (ahead > 0) {
        if (ahead > TIMER_SLACK) await wait(ahead - TIMER_SLACK / 2)
        else await new Promise((resolve) => setImmediate(resolve))
        continue
      }
      const live = this.#live
      if (live.length === 0) return
      // Several may be due by now; among as many connections the list stays what it is.
      for (let at = dueAt; at <= performance.now() && this.#due < total; at = begunAt + this.#due * interval) {
        live[turn++ % live.length]?.push(at)
        this.#due++
      }
      await new Promise((resolve) => setImmediate(resolve))
    }
    // The last interval belongs to the time as well.
    await wait(Math.max(0, this.startedAt + duration - performance.now()), undefined, { ref: false })
  }

  async #untilAllAreLost (): Promise<void> {
    await Promise.all(this.#peers.map(({ closed }) => closed))
  }

  async #awaitLastAnswers (): Promise<void> {
    const deadline = performance.now() + LAST_ANSWERS
    while (this.#live.some(({ inFlight, backlog }) => inFlight + backlog > 0) && performance.now() < deadline) await wait(1)
  }
}

/** One connection. Answers come in the order of what was sent. */
class Peer {
  readonly #load: Load
  readonly #wire: NodeWire
  readonly opened: Promise<boolean>
  readonly closed: Promise<void>
  /** When each message without an answer was sent, or due. */
  readonly #since = new Queue()
  /** When messages were due that are not sent yet. */
  readonly #backlog = new Queue()
  #isClosing = false

  constructor (load: Load) {
    this.#load = load
    const { target, settings, describe } = load.options
    let onOpened: (isOpen: boolean) => void = () => {}
    let onClosed: () => void = () => {}
    this.opened = new Promise((resolve) => { onOpened = resolve })
    this.closed = new Promise((resolve) => { onClosed = resolve })
    const timer = setTimeout(() => {
      this.#wire.terminate()
      load.noteError(`no handshake in ${HANDSHAKE_TIMEOUT} ms`)
      onOpened(false)
      onClosed()
    }, HANDSHAKE_TIMEOUT)
    this.#wire = new NodeWire(target, {
      onOpen () {
        clearTimeout(timer)
        onOpened(true)
      },
      onMessage: (data) => this.#onMessage(data),
      onClose: (loss) => {
        clearTimeout(timer)
        if (!this.#isClosing) load.noteError(describe(loss))
        onOpened(false)
        onClosed()
      }
    }, settings)
  }

  get isOpen (): boolean {
    return this.#wire.readyState === 1
  }

  get inFlight (): number {
    return this.#since.length
  }

  get backlog (): number {
    return this.#backlog.length
  }

  /** Takes a message that is due now, or was. */
  push (dueAt: number): void {
    this.#backlog.push(dueAt)
    this.#pump()
  }

  /** Sends as many as may be in flight. */
  fill (): void {
    while (this.#load.isClosedLoop && this.#mayHaveMore) this.#send(performance.now())
  }

  /** Resolves when it has. */
  async close (): Promise<void> {
    if (!this.isOpen && !this.#isClosing) {
      this.#wire.terminate()
      return
    }
    this.#isClosing = true
    this.#wire.close(1000)
    await this.closed
  }

  #pump (): void {
    while (this.#backlog.length > 0 && this.#mayHaveMore) this.#send(this.#backlog.shift())
  }

  get #mayHaveMore (): boolean {
    return this.#since.length < this.#load.options.inFlight && this.isOpen
  }

  #send (since: number): void {
    this.#since.push(since)
    this.#load.noteSent(since)
    this.#wire.send(this.#load.payload)
  }

  #onMessage (data: string | ArrayBuffer): void {
    const load = this.#load
    const { size, isBinary, message } = load.options
    const length = typeof data === 'string' ? data.length : data.byteLength
    const isOdd = (typeof data !== 'string') !== isBinary || (message === undefined && length !== size)
    if (this.#since.length === 0 || isOdd) {
      load.unexpected++
      return
    }
    load.noteAnswer(this.#since.shift())
    if (this.#backlog.length > 0) this.#pump()
    else this.fill()
  }
}

/** Times, first in first out; an array's own `shift` moves all that is behind it. */
class Queue {
  #items: number[] = []
  #first = 0

  get length (): number {
    return this.#items.length - this.#first
  }

  push (item: number): void {
    this.#items.push(item)
  }

  /** Only while there is one. */
  shift (): number {
    const item = this.#items[this.#first++] ?? 0
    if (this.#first > 1_000 && this.#first * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#first)
      this.#first = 0
    }
    return item
  }
}
