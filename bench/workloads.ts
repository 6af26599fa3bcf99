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
const DEFLATING = ['product', 'product portable', 'ws', '@fastify/websocket', 'bun']

const ascii = (length: number): string => 'the quick brown fox jumps over the lazy dog. '.repeat(Math.ceil(length / 45)).slice(0, length)
const binary = (length: number): Buffer => Buffer.from(ascii(length))
/** One to three bytes a character. */
const words = 'größer als 10 €, Ελληνικά, 日本語のテキスト, русский язык; '
const nonAscii = words.repeat(Math.ceil(1024 / Buffer.byteLength(words)))

function echo (name: string, options: EchoOptions, server: ServerSettings = { scenario: 'echo' }): Workload {
  const isBinary = typeof options.payload !== 'string'
  return { name, server, makeLoad: () => new EchoLoad(options), peers: isBinary ? BINARY : ALL, floor: 'net' }
}

function broadcast (name: string, atOnce: number, scenario: 'broadcast' | 'publish' = 'broadcast'): Workload {
  const payload = ascii(64)
  return {
    name,
    server: { scenario, payload, atOnce },
    makeLoad: () => new BroadcastLoad({ payload, connections: 1_000, atOnce }),
    peers: ALL,
    floor: 'net'
  }
}

/** Messages that each server compresses; the floor knows nothing of that. */
function deflated (name: string, length: number, level?: number): Workload {
  const deflate = level === undefined ? {} : { level }
  const [payload = '', ...others] = Array.from({ length: 61 }, (_, i) => json(length, i))
  return {
    name,
    server: { scenario: 'echo', deflate },
    makeLoad: () => new EchoLoad({ payload, deflate: others, ...middle }),
    // Bun has one level.
    peers: level === undefined ? DEFLATING : DEFLATING.filter((peer) => peer !== 'bun'),
    floor: 'net'
  }
}

const small = { connections: 20, inFlight: 100 }
const middle = { connections: 10, inFlight: 32 }
const large = { connections: 10, inFlight: 16 }
const largest = { connections: 4, inFlight: 4 }
const single = { connections: 100, inFlight: 1 }
const typed = JSON.stringify(EXAMPLE)
/** As an API answers: a list of so many bytes, no two entries alike. @param start - of the entries' numbers */
const json = (length: number, start = 0): string => {
  const entries: object[] = []
  const entry = (id: number): object => ({ ...EXAMPLE, id, at: 1_700_000_000_000 + id * 7_919, text: words.slice(0, 10 + id % 40) })
  while (JSON.stringify(entries).length < length) entries.push(entry(start * 1_009 + entries.length * 37 + 11))
  return JSON.stringify(entries)
}

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
  broadcast('topic of 1,000, 64 B, one at a time', 1, 'publish'),
  detail(broadcast('topic of 1,000, 64 B, eight a tick', 8, 'publish')),
  deflated('deflate 1 KiB JSON', 1_000),
  detail(deflated('deflate 1 KiB JSON, level 6', 1_000, 6)),
  deflated('deflate 16 KiB JSON', 16_000),
  detail(deflated('deflate 16 KiB JSON, level 6', 16_000, 6)),
  detail({
    name: 'deflate broadcast 1 KiB to 1,000, one at a time',
    server: { scenario: 'broadcast', payload: json(1_000), atOnce: 1, deflate: {} },
    makeLoad: () => new BroadcastLoad({ payload: json(1_000), connections: 1_000, atOnce: 1, deflate: true }),
    peers: DEFLATING,
    floor: 'net'
  }),
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
