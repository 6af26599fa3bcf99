// What is measured. Counts are for one round; a quick run takes a tenth of them.
import type { Workload } from './load.ts'

const ascii = (length: number): string => 'the quick brown fox jumps over the lazy dog. '.repeat(Math.ceil(length / 45)).slice(0, length)

export const WORKLOADS: readonly Workload[] = [
  { name: 'echo 32 B, one in flight', payload: ascii(32), connections: 100, inFlight: 1, messages: 40_000 },
  { name: 'echo 20 B, pipelined', payload: ascii(20), connections: 20, inFlight: 100, messages: 400_000 },
  { name: 'echo 125 B, pipelined', payload: ascii(125), connections: 20, inFlight: 100, messages: 400_000 },
  { name: 'echo 1 KiB text, pipelined', payload: ascii(1024), connections: 20, inFlight: 100, messages: 200_000 },
  { name: 'echo 1 KiB binary, pipelined', payload: Buffer.from(ascii(1024)), connections: 20, inFlight: 100, messages: 200_000 },
  { name: 'echo 16 KiB text', payload: ascii(16_384), connections: 10, inFlight: 32, messages: 20_000 },
  { name: 'echo 64 KiB binary', payload: Buffer.from(ascii(65_536)), connections: 10, inFlight: 16, messages: 6_000 },
  { name: 'echo 1 MiB binary', payload: Buffer.from(ascii(1_048_576)), connections: 4, inFlight: 4, messages: 400 }
]
