// Measures what an open connection that says nothing costs a server in memory: this package with its default options, its
// peers, and a bare HTTP upgrade. Each server is a process of its own, fresh for each round; the clients, raw sockets, are in
// this one. `--connections <n>`, `--rounds <n>`, `--only <server>`.
import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { Load } from './load.ts'
import type { Memory } from './servers/report.ts'

const SERVERS = ['product', 'ws', 'fastify-websocket', 'http'] as const
/** Bytes of the one message, and of its echo. */
const PAYLOAD = 'x'.repeat(64)
/** Connections that come and go before the first measurement, so that code, pools and maps have grown. */
const WARM_UP = 500
/** Bytes by which two measurements of one state may differ, and how many are made of it at most. */
const STABLE = 16 * 1024
const TRIES = 20
/** Before the first ping of this package, which the clients would not answer and would take for the echo. */
const DEADLINE = 20_000

type ServerName = (typeof SERVERS)[number]

/** Bytes per connection. */
interface Cost {
  /** Objects, and what they hold outside of the heap: Buffers and C++ objects. */
  readonly used: number
  readonly resident: number
}

interface Result {
  readonly fresh: Cost
  readonly afterMessage: Cost
}

const { values } = parseArgs({
  options: { connections: { type: 'string', default: '5000' }, rounds: { type: 'string', default: '3' }, only: { type: 'string', default: '' } }
})
const connections = Number(values.connections)
const rounds = Number(values.rounds)

async function memory (server: ChildProcess): Promise<Memory> {
  server.send('memory')
  const [answer] = await once(server, 'message')
  return answer as Memory // what bench/servers/report.ts sends
}

/** Collects garbage until nothing more comes of it: some objects go only after the next turns of the event loop. */
async function settledMemory (server: ChildProcess): Promise<Memory> {
  let last = await memory(server)
  for (let tries = 0; tries < TRIES; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 200))
    const now = await memory(server)
    if (Math.abs(used(now) - used(last)) < STABLE) return now
    last = now
  }
  throw new Error('the memory of an idle server does not come to rest')
}

/** `external` has the array buffers in it. */
function used ({ heapUsed, external }: Memory): number {
  return heapUsed + external
}

function costBetween (before: Memory, after: Memory): Cost {
  return { used: (used(after) - used(before)) / connections, resident: (after.rss - before.rss) / connections }
}

function makeLoad (count: number): Load {
  return new Load({ name: 'idle', payload: PAYLOAD, connections: count, inFlight: 1, messages: count })
}

async function measure (name: ServerName): Promise<Result> {
  const server = fork(new URL(`./servers/${name}.js`, import.meta.url), { execArgv: ['--expose-gc'] })
  const [{ port }] = await once(server, 'message') as [{ port: number }] // likewise

  const warmUp = makeLoad(WARM_UP)
  await warmUp.open(port)
  await warmUp.round()
  warmUp.close()
  const empty = await settledMemory(server)

  const started = performance.now()
  const load = makeLoad(connections)
  await load.open(port)
  const fresh = await settledMemory(server)
  // One message to and one from each; the round waits for all of them.
  await load.round()
  const afterMessage = await settledMemory(server)
  await stillOpen(name, load)
  if (performance.now() - started > DEADLINE) throw new Error(`${name}: it took so long that pings came between; take fewer --connections`)
  load.close()
  server.disconnect()
  await once(server, 'exit')
  return { fresh: costBetween(empty, fresh), afterMessage: costBetween(empty, afterMessage) }
}

/** Each connection answers again; one that was closed meanwhile was not measured. */
async function stillOpen (name: ServerName, load: Load): Promise<void> {
  const late = setTimeout(() => { throw new Error(`${name}: a connection does not answer any more`) }, 20_000)
  await load.round()
  clearTimeout(late)
}

function median (figures: readonly number[]): number {
  return figures.toSorted((a, b) => a - b)[figures.length >> 1] ?? NaN
}

console.log(`Node ${process.version}, ${cpus()[0]?.model ?? 'unknown processor'} x ${cpus().length}, ${connections} connections, medians of ${rounds} rounds\n`)
console.log('| bytes per idle connection | fresh | resident | after one message each way | resident |\n|---|---|---|---|---|')
for (const name of SERVERS) {
  if (!name.includes(values.only)) continue
  const results: Result[] = []
  for (let round = 0; round < rounds; round++) results.push(await measure(name))
  const figures = [
    results.map(({ fresh }) => fresh.used), results.map(({ fresh }) => fresh.resident),
    results.map(({ afterMessage }) => afterMessage.used), results.map(({ afterMessage }) => afterMessage.resident)
  ]
  console.log(`| ${name} | ${figures.map((figure) => Math.round(median(figure)).toLocaleString('en')).join(' | ')} |`)
}
