// The three streams of a command: those of the process, or a test's. Types alone.
import type { Readable } from 'node:stream'
import type { Output } from './printer.ts'

/** What readline needs of a terminal. */
export type Input = Readable & { readonly isTTY?: boolean, setRawMode? (mode: boolean): unknown }

export interface Streams {
  readonly stdin: Input
  readonly stdout: Output
  readonly stderr: Output
}
