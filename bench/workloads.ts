// What is measured: the rows of the table.
import { BroadcastLoad } from './load/broadcast-load.ts'
import { EchoLoad } from './load/echo-load.ts'
import type { EchoOptions } from './load/echo-load.ts'
import { HandshakeLoad } from './load/handshake-load.ts'
import type { Load } from './load/load.ts'
import type { ServerSettings } from './servers/settings.ts'
import { EXAMPLE } from './servers/typed.ts'

export interface Workload {
  readonly name: string
  readonly server: ServerSettings
  readonly makeLoad: () => Load
  /** Names of those that take part. */
  readonly peers: readonly string[]
  /** Left out of a quick run: another row tells nearly the same. */
  readonly isDetail?: boolean
  /** A floor among them. */
  readonly floor: 'net' | 'http'
}

const MILLION = 1_000_000
const OTHERS = ['ws', '@fastify/websocket', 'net', 'bun']
const ALL = ['product', 'product portable', ...OTHERS]
/** Binary messages may be lent. */
const BINARY = [...ALL, 'product lending']

const ascii = (length: number): string => 'the quick brown fox jumps over the lazy dog. '.repeat(Math.ceil(length / 45)).slice(0, length)
const binary = (length: number): Buffer => Buffer.from(ascii(length))
/** One to three bytes a character. */
const words = 'größer als 10 €, Ελληνικά, 日本語のテキスト, русский язык; '
const nonAscii = words.repeat(Math.ceil(1024 / Buffer.byteLength(words)))

function echo (name: string, options: EchoOptions, server: ServerSettings = { scenario: 'echo' }): Workload {
  const isBinary = typeof options.payload !== 'string'
  return { name, server, makeLoad: () => new EchoLoad(options), peers: isBinary ? BINARY : ALL, floor: 'net' }
}

function broadcast (name: string, atOnce: number): Workload {
  const payload = ascii(64)
  return {
    name,
    server: { scenario: 'broadcast', payload, atOnce },
    makeLoad: () => new BroadcastLoad({ payload, connections: 1_000, atOnce }),
    peers: ALL,
    floor: 'net'
  }
}

const small = { connections: 20, inFlight: 100 }
const middle = { connections: 10, inFlight: 32 }
const large = { connections: 10, inFlight: 16 }
const largest = { connections: 4, inFlight: 4 }
const single = { connections: 100, inFlight: 1 }
const typed = JSON.stringify(EXAMPLE)

export const WORKLOADS: readonly Workload[] = [
  echo('echo 32 B, one in flight', { payload: ascii(32), ...single }),
  echo('echo 20 B text, pipelined', { payload: ascii(20), ...small }),
  detail(echo('echo 20 B binary, pipelined', { payload: binary(20), ...small })),
  detail(echo('echo 125 B text, pipelined', { payload: ascii(125), ...small })),
  detail(echo('echo 125 B binary, pipelined', { payload: binary(125), ...small })),
  detail(echo('echo 1 KiB text, pipelined', { payload: ascii(1_024), ...small })),
  echo('echo 1 KiB binary, pipelined', { payload: binary(1_024), ...small }),
  detail(echo('echo 16 KiB text', { payload: ascii(16_384), ...middle })),
  detail(echo('echo 16 KiB binary', { payload: binary(16_384), ...middle })),
  echo('echo 64 KiB binary', { payload: binary(65_536), ...large }),
  echo('echo 1 MiB binary', { payload: binary(1_048_576), ...largest }),
  echo('echo 16 KiB in 16 fragments', { payload: binary(16_384), fragments: 16, ...middle }),
  echo('echo 1 KiB non-ASCII text, as a string', { payload: nonAscii, ...small }, { scenario: 'string' }),
  detail(echo('echo 20 B text behind an await, pipelined', { payload: ascii(20), ...small }, { scenario: 'await' })),
  echo('typed JSON 200 B, pipelined', { payload: typed, ...small }, { scenario: 'typed' }),
  detail(echo('typed JSON 200 B, one in flight', { payload: typed, ...single }, { scenario: 'typed' })),
  broadcast('broadcast 64 B to 1,000, one at a time', 1),
  broadcast('broadcast 64 B to 1,000, eight a tick', 8),
  {
    name: 'connect and close',
    server: { scenario: 'echo' },
    makeLoad: () => new HandshakeLoad({ connections: 32 }),
    peers: ['product', 'ws', '@fastify/websocket', 'http', 'bun'],
    floor: 'http'
  },
  detail(echo('echo 20 B text, a million live objects', { payload: ascii(20), ...small }, { scenario: 'echo', liveObjects: MILLION })),
  detail(echo('echo 64 KiB binary, a million live objects', { payload: binary(65_536), ...large }, { scenario: 'echo', liveObjects: MILLION })),
  detail(echo('echo 1 MiB binary, a million live objects', { payload: binary(1_048_576), ...largest }, { scenario: 'echo', liveObjects: MILLION }))
]

function detail (workload: Workload): Workload {
  return { ...workload, isDetail: true }
}

/** The same with a million objects on the heap. */
export function withLiveObjects (workload: Workload): Workload {
  return { ...workload, server: { ...workload.server, liveObjects: MILLION } }
}
