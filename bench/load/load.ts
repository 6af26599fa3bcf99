// What every kind of load can do. Loads work for a time, not for a count, so that a slow server takes no longer than a fast one.
import type { Histogram } from './histogram.ts'

export interface Round {
  /** Messages that were answered, all connections together. */
  readonly messages: number
  /** Wall time in ms. */
  readonly elapsed: number
  readonly latency: Histogram
}

export interface Load {
  open (port: number): Promise<void>
  /** Throws unless a server's answers are what they must be, byte by byte. */
  check (): Promise<void>
  /** Works for `ms` and waits for the answers that are on their way then. */
  run (ms: number): Promise<Round>
  /** Sends `rate` messages a second for `ms`, whatever comes back and when. */
  runAt? (rate: number, ms: number): Promise<Round>
  close (): void
}
