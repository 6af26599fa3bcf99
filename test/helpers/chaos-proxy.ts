// A TCP proxy between a client and the server under test that does to their bytes what networks do. Knows nothing of what
// it carries. A RST from an end that comes together with its last bytes looks like a FIN to Node, and is passed on as one.
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/** `up` is from the client to the server, `down` back. */
export type Way = 'up' | 'down'
export type Side = 'client' | 'server'

/**
 * What can be done to the bytes of one way, or with `reset` to all of a connection.
 *
 * - `stop`: reads no more and forwards nothing, no end either. Both sockets stay open: the peer looks half-open.
 * - `discard`: reads on, so that the sender's bytes are acknowledged, and forwards nothing, no end either.
 * - `end`: forwards a FIN, and drops what comes after it. The other way goes on.
 * - `reset`: both sides get a RST. `resetClient`, `resetServer`: one of them does, and the other is never told.
 */
export type Fault = 'stop' | 'discard' | 'end' | 'reset' | 'resetClient' | 'resetServer'

/** How one way of a connection is forwarded. Sizes and offsets in bytes, times in ms. */
export interface LaneOptions {
  /** Each chunk, and the end, waits so long before it goes on; several may be on their way. */
  readonly delay?: number
  /** Most bytes of one write. */
  readonly pieceSize?: number
  /** Offsets in the stream at which a write ends. */
  readonly cutAt?: readonly number[]
  readonly bytesPerSecond?: number
  /** What happens when so many bytes have been forwarded, and the other end, if it is in this process, has read them. */
  readonly after?: { readonly bytes: number, readonly fault: Fault }
}

export type LinkOptions = { readonly [way in Way]?: LaneOptions }

/** Bytes that may wait in a lane before its source is not read. */
const MOST_HELD = 262_144

interface Item {
  readonly dueAt: number
  bytes: Buffer
  readonly what: 'bytes' | 'end' | 'reset'
}

/** Lets the event loop poll its sockets, wherever it stands: what was written before has been read after. */
async function turns (): Promise<void> {
  for (let n = 0; n < 2; n++) await new Promise<void>((resolve) => { setImmediate(resolve) })
}

/** One way of a connection. */
export class Lane {
  /** Bytes that have come from the source. */
  received = 0
  /** Bytes that the other end's socket has taken. */
  forwarded = 0
  /** May be changed; holds for bytes that come after. */
  options: LaneOptions
  readonly #source: Socket
  readonly #target: Socket
  readonly #inject: (fault: Fault) => void
  readonly #signal: AbortSignal
  readonly #queue: Item[] = []
  #held = 0
  #mode: 'forward' | 'stop' | 'discard' = 'forward'
  #isPumping = false

  /** @param inject - does a fault that `options.after` asks for */
  constructor (source: Socket, target: Socket, options: LaneOptions, inject: (fault: Fault) => void, signal: AbortSignal) {
    this.#source = source
    this.#target = target
    this.#inject = inject
    this.#signal = signal
    this.options = options
    source.on('data', (chunk: Buffer) => {
      this.received += chunk.length
      this.#push('bytes', chunk)
      if (this.#held > MOST_HELD) source.pause()
    })
    source.on('end', () => this.#push('end'))
    source.on('error', () => this.#push('reset'))
  }

  /** True when nothing goes on from here any more, or for now. */
  get isCut (): boolean {
    return this.#mode !== 'forward'
  }

  stop (): void {
    this.#mode = 'stop'
    this.#source.pause()
  }

  resume (): void {
    this.#mode = 'forward'
    this.#source.resume()
    void this.#pump()
  }

  discard (): void {
    this.#mode = 'discard'
    this.#queue.length = 0
    this.#held = 0
    this.#source.resume()
  }

  end (): void {
    this.discard()
    this.#target.end()
  }

  #push (what: Item['what'], bytes: Buffer = Buffer.alloc(0)): void {
    if (this.#mode === 'discard') return
    this.#held += bytes.length
    this.#queue.push({ what, bytes, dueAt: performance.now() + (this.options.delay ?? 0) })
    void this.#pump()
  }

  async #pump (): Promise<void> {
    if (this.#isPumping) return
    this.#isPumping = true
    for (let [item] = this.#queue; item !== undefined && this.#mode === 'forward'; [item] = this.#queue) {
      const wait = item.dueAt - performance.now()
      if (wait > 0) await this.#sleep(wait)
      else if (item.what === 'bytes') await this.#forward(item)
      else this.#finish(item.what)
    }
    this.#isPumping = false
  }

  #finish (what: 'end' | 'reset'): void {
    this.#queue.shift()
    if (what === 'end') this.#target.end()
    else this.#target.resetAndDestroy()
  }

  /** Writes the next piece of a chunk. */
  async #forward (item: Item): Promise<void> {
    const { after, bytesPerSecond } = this.options
    const piece = item.bytes.subarray(0, this.#pieceLength(item.bytes.length))
    item.bytes = item.bytes.subarray(piece.length)
    const isWhole = item.bytes.length === 0
    if (isWhole) this.#queue.shift()
    this.#held -= piece.length
    if (this.#target.writable) await new Promise<void>((resolve) => { this.#target.write(piece, () => resolve()) })
    this.forwarded += piece.length
    const isCut = !isWhole || this.options.cutAt?.includes(this.forwarded) === true || this.forwarded === after?.bytes
    if (isCut) await turns()
    if (this.#mode !== 'forward') return
    if (this.forwarded === after?.bytes) this.#inject(after.fault)
    else if (bytesPerSecond !== undefined) await this.#sleep(piece.length / bytesPerSecond * 1000)
    if (this.#held <= MOST_HELD && !this.isCut && this.#source.isPaused()) this.#source.resume()
  }

  #pieceLength (most: number): number {
    const { pieceSize = most, cutAt = [], after, bytesPerSecond = Infinity } = this.options
    const next = [...cutAt, after?.bytes ?? 0].filter((offset) => offset > this.forwarded).map((offset) => offset - this.forwarded)
    // Fifty pieces a second: a throttled chunk trickles in place of coming all at once, late.
    return Math.min(most, Math.max(1, pieceSize), Math.max(1, Math.floor(bytesPerSecond / 50)), ...next)
  }

  async #sleep (ms: number): Promise<void> {
    // Aborted when the link is closed.
    await sleep(ms, undefined, { signal: this.#signal }).catch(() => {})
  }
}

/** One connection through the proxy. */
export class Link {
  readonly up: Lane
  readonly down: Lane
  readonly #sockets: Readonly<Record<Side, Socket>>
  readonly #aborter = new AbortController()

  constructor (client: Socket, server: Socket, { up = {}, down = {} }: LinkOptions) {
    this.#sockets = { client, server }
    const { signal } = this.#aborter
    this.up = new Lane(client, server, up, (fault) => this.inject(fault, 'up'), signal)
    this.down = new Lane(server, client, down, (fault) => this.inject(fault, 'down'), signal)
    client.resume()
    server.resume()
    if (up.after?.bytes === 0) this.inject(up.after.fault, 'up')
    if (down.after?.bytes === 0) this.inject(down.after.fault, 'down')
  }

  /** Does a fault now, to the bytes of one way or of both. */
  inject (fault: Fault, way?: Way): void {
    const lanes = way === undefined ? [this.up, this.down] : [this[way]]
    switch (fault) {
      case 'reset':
        this.reset('client')
        this.reset('server')
        break
      case 'resetClient':
        this.up.discard()
        this.reset('client')
        break
      case 'resetServer':
        this.down.discard()
        this.reset('server')
        break
      default:
        for (const lane of lanes) lane[fault]()
    }
  }

  /** Reads and forwards nothing from now on, until `resume`. */
  stop (way?: Way): void {
    this.inject('stop', way)
  }

  resume (way?: Way): void {
    for (const lane of way === undefined ? [this.up, this.down] : [this[way]]) lane.resume()
  }

  /** Sends a RST to one side, or with none named to both. */
  reset (side?: Side): void {
    const sides = side === undefined ? ['client', 'server'] as const : [side]
    for (const each of sides) this.#sockets[each].resetAndDestroy()
  }

  /** True when the socket of a side has closed. A way that is stopped or discarded tells the other side nothing of it. */
  isGone (side: Side): boolean {
    return this.#sockets[side].closed
  }

  async untilGone (side: Side): Promise<void> {
    if (!this.isGone(side)) await new Promise<void>((resolve) => { this.#sockets[side].once('close', () => resolve()) })
  }

  destroy (): void {
    this.#aborter.abort()
    for (const socket of Object.values(this.#sockets)) socket.destroy()
  }
}

export class ChaosProxy {
  /** For connections to come; may be changed. */
  defaults: LinkOptions
  /** All connections so far, in the order of their arrival. */
  readonly links: Link[] = []
  readonly #server: Server
  readonly #wake: Array<() => void> = []

  private constructor (target: number, defaults: LinkOptions) {
    this.defaults = defaults
    this.#server = createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true }, (client) => this.#accept(client, target))
  }

  /** Listens on 127.0.0.1, in front of a port there. */
  static async start (target: number, defaults: LinkOptions = {}): Promise<ChaosProxy> {
    const proxy = new ChaosProxy(target, defaults)
    proxy.#server.listen(0, '127.0.0.1')
    await once(proxy.#server, 'listening')
    return proxy
  }

  get port (): number {
    return (this.#server.address() as AddressInfo).port // it listens on TCP
  }

  /** Resolves with the connection of that number, from 0, when it has come. */
  async link (index: number): Promise<Link> {
    for (;;) {
      const link = this.links[index]
      if (link !== undefined) return link
      await new Promise<void>((resolve) => { this.#wake.push(resolve) })
    }
  }

  /** Destroys all connections and ends. */
  async close (): Promise<void> {
    for (const link of this.links) link.destroy()
    await new Promise<void>((resolve) => { this.#server.close(() => resolve()) })
  }

  #accept (client: Socket, target: number): void {
    const server = connect({ port: target, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
    this.links.push(new Link(client, server, this.defaults))
    for (const wake of this.#wake.splice(0)) wake()
  }
}
