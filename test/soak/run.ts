// The soak: load on a server in this process, from clients in others, and a look at what is left of it. Owns the order of
// things and what is held against what.
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { wheel } from '../../lib/connection/timer-wheel.ts'
import { settleEscapes, escaped } from '../helpers/guard.ts'
import { Injected } from './injected.ts'
import { LIVES } from './lives.ts'
import { countResources, findLeft, measure, timeUntil, warnings } from './measure.ts'
import type { Level } from './measure.ts'
import { Clients } from './processes.ts'
import { SoakServer } from './server.ts'

export interface SoakOptions {
  /** Of the load that is looked at, and of the one before that is not, in which code is compiled and caches fill. */
  readonly seconds: number
  readonly warmUpSeconds: number
  /** Clients at once. */
  readonly connections: number
  readonly seed: number
  readonly heartbeat: { readonly interval: number, readonly timeout: number }
  readonly shutdownTimeout: number
  readonly tell: (line: string) => void
}

export interface Check {
  readonly name: string
  readonly value: string
  readonly bound: string
  readonly isRight: boolean
}

const MiB = 1_048_576
/** How much later than it should a thing may happen on a machine that is busy, in ms. */
const SLACK = 2_500
/** `closeTimeout` of the server: the longest that an end takes when the peer does not help. */
const LONGEST_END = 3_000
/** Less than what is left of `closeTimeout` at the end of `fastify.close()`, and more than handlers take. */
const SETTLING = 1_500
const BROADCAST_PERIOD = 250
/** Share of clients that may be connected at once: the others are refused. */
const ROOM = 0.85
/** Connections that the collector need not have found: what the last ones touched may be in a register or a cache. */
const MOST_UNCOLLECTED = 3

const inMiB = (bytes: number): string => `${(bytes / MiB).toFixed(1)} MiB`

export class Soak {
  readonly checks: Check[] = []
  /** Lives by kind, of the load that was looked at. */
  lives: Readonly<Record<string, number>> = {}
  readonly #options: SoakOptions
  readonly #server: SoakServer
  /** Before the server listened, and while it does. */
  readonly #atFirst: ReadonlyMap<string, number>
  readonly #listening: ReadonlyMap<string, number>
  readonly #delay = monitorEventLoopDelay({ resolution: 10 })
  readonly #wrong: string[] = []
  #peakConnections = 0
  #peakRss = 0
  #peakHeap = 0
  #peakBuffered = 0

  private constructor (options: SoakOptions, server: SoakServer, atFirst: ReadonlyMap<string, number>) {
    this.#options = options
    this.#server = server
    this.#atFirst = atFirst
    this.#listening = countResources()
  }

  /** Does it all. The process must be used for nothing else. */
  static async run (options: SoakOptions): Promise<Soak> {
    const { heartbeat, shutdownTimeout, connections } = options
    const atFirst = countResources()
    const maxConnections = Math.ceil(connections * ROOM)
    const soak = new Soak(options, await SoakServer.start({ heartbeat, shutdownTimeout, maxConnections }), atFirst)
    await soak.#warmUp()
    const base = await measure()
    await soak.#load()
    await soak.#lookAtRest(base)
    await soak.#shutDown()
    await soak.#judgeEscapes()
    return soak
  }

  get isRight (): boolean {
    return this.checks.every(({ isRight }) => isRight)
  }

  #check (name: string, value: string | number, bound: string | number, isRight: boolean): void {
    this.checks.push({ name, value: String(value), bound: String(bound), isRight })
  }

  #equal (name: string, value: number, wanted: number): void {
    this.#check(name, value, wanted, value === wanted)
  }

  #none (name: string, found: readonly string[]): void {
    this.#check(name, found.length === 0 ? 'none' : found.join('\n'), 'none', found.length === 0)
  }

  #startClients (count: number, seed: number): Clients {
    return new Clients({ port: this.#server.port, count, seed: this.#options.seed + seed })
  }

  async #warmUp (): Promise<void> {
    const { connections, warmUpSeconds, seed } = this.#options
    const clients = this.#startClients(connections, 1)
    const injected = new Injected(this.#server.app, 5, seed)
    this.#server.startBroadcast(BROADCAST_PERIOD)
    await this.#watch(warmUpSeconds, clients, 'warm-up')
    await Promise.all([clients.stop(), injected.stop()])
    this.#server.stopBroadcast()
    this.#noteWrong(clients, injected)
    await timeUntil(() => this.#isEmpty, LONGEST_END + SLACK)
  }

  /** Load, at the end of which the clients fall silent with all that they have open: it is the heartbeat's to end it. */
  async #load (): Promise<void> {
    const { connections, seconds, seed, heartbeat } = this.#options
    const clients = this.#startClients(connections, 2)
    const injected = new Injected(this.#server.app, 20, seed + 1)
    this.#server.startBroadcast(BROADCAST_PERIOD)
    this.#delay.enable()
    await this.#watch(seconds, clients, 'load')
    this.#delay.disable()
    await injected.stop()
    clients.freeze()
    const frozen = this.#server.app.websocket.connections.size
    const bound = heartbeat.interval + heartbeat.timeout + LONGEST_END + SLACK
    const took = await timeUntil(() => this.#server.app.websocket.connections.size === 0, bound)
    this.#options.tell(`the clients were at most ${Math.round(clients.report.lag)} ms late`)
    this.#check('connections when the clients fell silent', frozen, `> ${connections / 10}`, frozen > connections / 10)
    this.#check('ms until the last of them was given up', Math.round(took), `<= ${bound}`, took <= bound)
    await clients.kill()
    this.#noteWrong(clients, injected)
    this.lives = clients.report.lives
    const lives = Object.values(this.lives).reduce((sum, count) => sum + count, 0) + injected.lives
    this.#check('lives of clients', lives, `> ${connections / 2}`, lives > connections / 2)
    this.#none('kinds of clients that never came', LIVES.map(({ name }) => name).filter((name) => this.lives[name] === undefined))
    this.#server.stopBroadcast()
  }

  #noteWrong (clients: Clients, injected?: Injected): void {
    const { wrong, wrongs } = clients.report
    const told = Object.entries(wrong).map(([what, count]) => `${count} x ${what}`)
    this.#wrong.push(...(wrongs > 0 ? [`${wrongs} in all`, ...told] : []), ...injected?.wrong ?? [])
  }

  get #isEmpty (): boolean {
    const { connections } = this.#server.app.websocket
    const { active, pending } = this.#server.app.websocket.metrics()
    return connections.size === 0 && active === 0 && pending === 0 && findLeft(this.#listening).length === 0
  }

  async #watch (seconds: number, clients: Clients, name: string): Promise<void> {
    const start = performance.now()
    for (let next = 1; performance.now() - start < seconds * 1000; next++) {
      await sleep(Math.min(200, seconds * 1000))
      const { rss, heapUsed } = process.memoryUsage()
      const { active, pending, opened, buffered, refused } = this.#server.app.websocket.metrics()
      this.#peakConnections = Math.max(this.#peakConnections, active)
      this.#peakRss = Math.max(this.#peakRss, rss)
      this.#peakHeap = Math.max(this.#peakHeap, heapUsed)
      this.#peakBuffered = Math.max(this.#peakBuffered, buffered)
      if (next % 10 !== 0) continue
      const refusals = Object.values(refused).reduce((sum, count) => sum + count, 0)
      const lives = Object.values(clients.report.lives).reduce((sum, count) => sum + count, 0)
      this.#options.tell(`${name} ${Math.round((performance.now() - start) / 1000)} s: ${active} open, ${pending} pending, ${opened} opened, ${refusals} refused, ` +
        `${lives} lives, ${clients.report.wrongs} wrong, lag ${Math.round(clients.report.lag)} ms; heap ${inMiB(heapUsed)}, RSS ${inMiB(rss)}, buffered ${inMiB(buffered)}, ${wheel.size} on the wheel`)
    }
  }

  /** Nobody is there any more, and the server still listens. */
  async #lookAtRest (base: Level): Promise<void> {
    const { app } = this.#server
    await timeUntil(() => this.#isEmpty, LONGEST_END + SLACK)
    const { active, pending, opened, closes, buffered } = app.websocket.metrics()
    this.#equal('connections', app.websocket.connections.size, 0)
    this.#equal('metrics: active', active, 0)
    this.#equal('metrics: pending', pending, 0)
    this.#equal('metrics: buffered', buffered, 0)
    this.#equal('metrics: all closes, of all opened', Object.values(closes).reduce((sum, count) => sum + count, 0), opened)
    this.#equal('close events, of all handlers', this.#server.closed, this.#server.opened)
    this.#none('left that keeps the loop alive', findLeft(this.#listening))
    this.#equal('timers on the wheel', wheel.size, 0)
    let end = await measure()
    // Some collections find what the last one has let go of.
    for (let n = 0; n < 20 && this.#server.uncollected > 0; n++) end = await measure()
    this.#check('connections that are not collected', this.#server.uncollected, `<= ${MOST_UNCOLLECTED}`, this.#server.uncollected <= MOST_UNCOLLECTED)
    this.#check('heap', inMiB(end.heap), `<= ${inMiB(base.heap)} + 10 %`, end.heap <= base.heap * 1.1)
    this.#check('buffers', inMiB(end.external), `<= ${inMiB(base.external)} + 1 MiB`, end.external <= base.external + MiB)
    // What the allocator keeps for later is not ours to give back; it must not be more than there was to serve.
    const rssBound = base.rss + 64 * MiB
    this.#check('RSS', inMiB(end.rss), `<= ${inMiB(rssBound)}`, end.rss <= rssBound)
    const peakBound = base.rss + 128 * MiB + this.#options.connections * 65_536
    this.#check('RSS at its height', inMiB(this.#peakRss), `<= ${inMiB(peakBound)}`, this.#peakRss <= peakBound)
    this.#tellFigures()
  }

  #tellFigures (): void {
    const { tell } = this.#options
    const { opened, refused, closes, messagesReceived, messagesSent, invalid, slow, dropped, latency } = this.#server.app.websocket.metrics()
    tell(`at the height: ${this.#peakConnections} connections, heap ${inMiB(this.#peakHeap)}, buffered ${inMiB(this.#peakBuffered)}`)
    tell(`event loop: mean ${(this.#delay.mean / 1e6).toFixed(1)} ms, 99 % ${(this.#delay.percentile(99) / 1e6).toFixed(1)} ms, longest ${(this.#delay.max / 1e6).toFixed(1)} ms`)
    tell(`opened ${opened}, messages ${messagesReceived} in, ${messagesSent} out, invalid ${invalid}, slow ${slow}, dropped ${dropped}, heartbeats ${latency.count}`)
    tell(`closes ${JSON.stringify(closes)}, refused ${JSON.stringify(refused)}`)
  }

  /** The server ends while some clients are at work and others have fallen silent. */
  async #shutDown (): Promise<void> {
    const { shutdownTimeout, connections } = this.#options
    const { app } = this.#server
    const [awake, frozen] = [this.#startClients(connections / 4, 3), this.#startClients(connections / 4, 4)]
    this.#server.startBroadcast(BROADCAST_PERIOD)
    const enough = connections / 8
    await timeUntil(() => app.websocket.connections.size > enough, 20_000)
    frozen.freeze()
    const open = app.websocket.connections.size
    const start = performance.now()
    await app.close()
    const took = Math.round(performance.now() - start)
    this.#server.stopBroadcast()
    this.#check('connections at shutdown', open, `> ${enough}`, open > enough)
    this.#check('ms of fastify.close()', took, `<= ${shutdownTimeout} and a little`, took <= shutdownTimeout + SLACK)
    this.#equal('connections after it', app.websocket.connections.size, 0)
    const timers = (): number => countResources().get('Timeout') ?? 0
    const atFirst = this.#atFirst.get('Timeout') ?? 0
    await timeUntil(() => timers() <= atFirst, SETTLING)
    this.#check('timers after it', timers(), `<= ${atFirst}`, timers() <= atFirst)
    // What they found wrong meanwhile is no server's fault.
    await Promise.all([awake.kill(), frozen.kill()])
    await timeUntil(() => findLeft(this.#atFirst).length === 0 && wheel.size === 0, SLACK)
    this.#none('left after it that keeps the loop alive', findLeft(this.#atFirst))
    this.#equal('timers on the wheel after it', wheel.size, 0)
    this.#equal('close events after it, of all handlers', this.#server.closed, this.#server.opened)
  }

  async #judgeEscapes (): Promise<void> {
    await settleEscapes()
    this.#none('what clients found wrong', this.#wrong)
    this.#none('what the application found wrong', this.#server.wrong)
    this.#none('errors that escaped', escaped)
    this.#none('warnings', warnings)
  }
}
