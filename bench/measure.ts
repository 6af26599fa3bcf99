// Measures one workload: all that take part run at the same time, and are loaded in turns, so that what disturbs the machine
// disturbs them alike.
import { Histogram } from './load/histogram.ts'
import type { Load, Round } from './load/load.ts'
import type { Peer } from './peers.ts'
import { median } from './results.ts'
import type { PeerResult, Row } from './results.ts'
import { ServerProcess } from './server-process.ts'
import type { Workload } from './workloads.ts'

export interface Effort {
  readonly rounds: number
  /** How long a round takes. */
  readonly seconds: number
  /** How many rounds a server may have before the first one that counts, until it gets no cheaper. */
  readonly warmUps: number
  /** When it should be over, as `performance.now` tells: on a busy machine there are fewer rounds then, but one at least. */
  readonly deadline?: number
  /** Looks at the latency at half of the throughput, too. */
  readonly half: boolean
}

/** A round is as cheap as the one before from this share of its cost on. */
const STEADY = 0.95

interface Measured extends Round {
  /** Microseconds of the server and of the load. */
  readonly user: number
  readonly system: number
  readonly load: number
}

class Runner {
  readonly #peer: Peer
  readonly #server: ServerProcess
  readonly #load: Load
  readonly #rounds: Measured[] = []
  #half: PeerResult['half']

  private constructor (peer: Peer, server: ServerProcess, load: Load) {
    this.#peer = peer
    this.#server = server
    this.#load = load
  }

  static async start (peer: Peer, workload: Workload): Promise<Runner> {
    return new Runner(peer, await ServerProcess.start(peer, workload.server), workload.makeLoad())
  }

  /** Connects, and compares answers. */
  async open (): Promise<void> {
    try {
      await this.#load.open(this.#server.port)
      if (this.#peer.isFloor !== true) await this.#load.check()
    } catch (error) {
      throw new Error(`${this.#peer.name} does not do what is to be measured`, { cause: error })
    }
  }

  /** Lets the server compile what it will need: the optimising compiler comes late on a busy machine. */
  async warmUp (ms: number, most: number): Promise<void> {
    await this.#load.run(ms)
    let last = Infinity
    for (let n = 1; n < most; n++) {
      const { user, system, messages } = await this.#runRound(ms)
      const cost = (user + system) / messages
      if (cost > last * STEADY) return
      last = cost
    }
  }

  async runRound (ms: number): Promise<void> {
    this.#rounds.push(await this.#runRound(ms))
  }

  async #runRound (ms: number): Promise<Measured> {
    const before = await this.#server.usage()
    const loadBefore = process.cpuUsage()
    const round = await this.#load.run(ms)
    const load = process.cpuUsage(loadBefore)
    const after = await this.#server.usage()
    return { ...round, user: after.user - before.user, system: after.system - before.system, load: load.user + load.system }
  }

  async runHalf (ms: number): Promise<void> {
    const rate = this.#throughput() / 2
    const round = await this.#load.runAt?.(rate, ms)
    if (round !== undefined) this.#half = { rate, p50: round.latency.percentile(0.5), p99: round.latency.percentile(0.99) }
  }

  async end (): Promise<PeerResult> {
    const { rss } = await this.#server.usage()
    this.#load.close()
    await this.#server.stop()
    const rounds = this.#rounds
    const latency = new Histogram()
    for (const round of rounds) latency.add(round.latency)
    const total = (name: 'user' | 'system' | 'load' | 'elapsed'): number => rounds.reduce((sum, round) => sum + round[name], 0)
    const used = total('user') + total('system')
    return {
      peer: this.#peer.name,
      cpu: rounds.map(({ user, system, messages }) => (user + system) / messages),
      systemShare: total('system') / used,
      throughput: this.#throughput(),
      p50: latency.percentile(0.5),
      p99: latency.percentile(0.99),
      ...(this.#half && { half: this.#half }),
      rss,
      serverBusy: used / total('elapsed') / 1_000,
      loadBusy: total('load') / total('elapsed') / 1_000
    }
  }

  #throughput (): number {
    return median(this.#rounds.map(({ messages, elapsed }) => messages / elapsed * 1_000))
  }
}

export async function measure (workload: Workload, peers: readonly Peer[], effort: Effort, tell: (what: string) => void): Promise<Row> {
  const ms = effort.seconds * 1_000
  const isLate = (): boolean => performance.now() > (effort.deadline ?? Infinity)
  tell('starting servers')
  const runners = await Promise.all(peers.map((peer) => Runner.start(peer, workload)))
  tell('warming up')
  for (const runner of runners) {
    await runner.open()
    await runner.warmUp(ms, isLate() ? 1 : effort.warmUps)
  }
  for (let round = 1; round <= effort.rounds && (round === 1 || !isLate()); round++) {
    tell(`round ${round} of ${effort.rounds}`)
    for (const runner of runners) await runner.runRound(ms)
  }
  if (effort.half && !isLate()) {
    tell('at half load')
    for (const runner of runners) await runner.runHalf(ms)
  }
  const results: PeerResult[] = []
  for (const runner of runners) results.push(await runner.end())
  return { workload: workload.name, floor: workload.floor, peers: results }
}
