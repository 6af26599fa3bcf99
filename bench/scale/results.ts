// What `npm run bench:scale` has measured, as bench/scale.json keeps it.
import type { IdleResult, Results, Row } from '../results.ts'

export interface HeartbeatCost {
  /** Of the run, and of the default that the cost is computed back to; in ms. */
  readonly interval: number
  readonly defaultInterval: number
  /** Processor time, in ms a second, at the interval of the run and at the default. */
  readonly measured: number
  readonly atDefault: number
}

export interface LoadPoint {
  /** Messages a second. */
  readonly offered: number
  readonly answered: number
  /** In ms. */
  readonly p50: number
  readonly p99: number
  readonly serverBusy: number
  readonly loadBusy: number
}

export interface ScaleResults {
  readonly machine: Results['machine']
  readonly idle: { readonly connections: number, readonly peers: readonly IdleResult[], readonly heartbeat: HeartbeatCost }
  /** Cost of a message by the count of connections, one message in flight on each. */
  readonly growth: ReadonlyArray<{ readonly connections: number, readonly row: Row }>
  /** More and more messages to one process, in time whatever comes back. */
  readonly saturation: { readonly connections: number, readonly points: readonly LoadPoint[] }
  /** One process and a cluster of two. */
  readonly cluster: readonly Row[]
}
