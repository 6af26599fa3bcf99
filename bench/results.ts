// What a run has measured, as bench/results.json keeps it, and the figures that are made of it.

export interface PeerResult {
  readonly peer: string
  /** Microseconds of the server's processor time a message, user and system, a figure a round. */
  readonly cpu: readonly number[]
  /** Share of the system in it, of all rounds. */
  readonly systemShare: number
  /** Messages a second, median of the rounds. */
  readonly throughput: number
  /** Latency in ms with the server loaded as far as it goes. */
  readonly p50: number
  readonly p99: number
  /** Latency in ms at half of that throughput, sent in time whatever comes back. */
  readonly half?: { readonly rate: number, readonly p50: number, readonly p99: number }
  /** Resident memory of the server in bytes, at the end. */
  readonly rss: number
  /** Processors that the server and the load had, of all rounds: 1 is one of them all the time. */
  readonly serverBusy: number
  readonly loadBusy: number
}

export interface Row {
  readonly workload: string
  readonly floor: string
  readonly peers: readonly PeerResult[]
}

/** Bytes a connection that says nothing. */
export interface IdleResult {
  readonly peer: string
  /** V8's heap; that and what it holds outside of it; resident memory. Behind one message each way. */
  readonly heap: number
  readonly used: number
  readonly resident: number
}

export interface Results {
  readonly machine: { readonly node: string, readonly processor: string, readonly processors: number, readonly system: string }
  readonly rounds: number
  readonly seconds: number
  readonly rows: readonly Row[]
  readonly idle: { readonly connections: number, readonly peers: readonly IdleResult[] } | undefined
}

export function median (figures: readonly number[]): number {
  return figures.toSorted((a, b) => a - b)[figures.length >> 1] ?? NaN
}

export interface Ratio {
  readonly median: number
  readonly least: number
  readonly most: number
}

/** How much more one took than the other: of the rounds' ratios, since neighbours on the machine disturb both sides of a round alike. */
export function ratio (one: PeerResult | undefined, other: PeerResult | undefined): Ratio | undefined {
  if (one === undefined || other === undefined || one === other) return undefined
  const ratios = one.cpu.map((cpu, round) => cpu / (other.cpu[round] ?? NaN))
  return { median: median(ratios), least: Math.min(...ratios), most: Math.max(...ratios) }
}

export function peerOf (row: Row, peer: string): PeerResult | undefined {
  return row.peers.find((result) => result.peer === peer)
}

/** True where the load had no time left: the server might have done more, and would have had more to do at once. */
export function wasLoadTheLimit ({ serverBusy, loadBusy }: PeerResult): boolean {
  return loadBusy > 0.9 && loadBusy > serverBusy
}
