// What an open connection that says nothing costs a server in memory.
import { setTimeout as sleep } from 'node:timers/promises'
import { EchoLoad } from './load/echo-load.ts'
import type { Peer } from './peers.ts'
import { ServerProcess } from './server-process.ts'
import type { Memory } from './servers/report.ts'

/** Bytes of the one message, and of its echo. */
const PAYLOAD = 'x'.repeat(64)
/** The same where messages are compressed: enough to be worth it. */
const TEXT = 'the quick brown fox jumps over the lazy dog. '.repeat(23)
/** Connections that come and go before the first measurement, so that code, pools and maps have grown. */
const WARM_UP = 500
/** Bytes by which two measurements of one state may differ, and how many are made of it at most. */
const STABLE = 16 * 1024
const TRIES = 20
/** Before the first ping of this package. */
const DEADLINE = 20_000

/** Messages are compressed: each by itself, or with what came before. */
export type Compression = 'fresh' | 'context'

/** Bytes a connection. */
export interface Cost {
  readonly heap: number
  /** Objects, and what they hold outside of the heap: Buffers and C++ objects. */
  readonly used: number
  readonly resident: number
}

export interface IdleCost {
  readonly fresh: Cost
  readonly afterMessage: Cost
}

/** Starts a server for it, and lets clients of this process connect. */
export async function measureIdle (peer: Peer, connections: number, deflate?: Compression): Promise<IdleCost> {
  const server = await ServerProcess.start(peer, { scenario: 'echo', ...(deflate && { deflate: { context: deflate === 'context' } }) })
  const warmUp = makeLoad(WARM_UP, deflate)
  await warmUp.open(server.port)
  await warmUp.ask()
  warmUp.close()
  const empty = await settledMemory(server)

  const started = performance.now()
  const load = makeLoad(connections, deflate)
  await load.open(server.port)
  const fresh = await settledMemory(server)
  await load.ask()
  const afterMessage = await settledMemory(server)
  // Each connection answers again; one that was closed meanwhile was not measured.
  await load.ask()
  if (performance.now() - started > DEADLINE) throw new Error(`${peer.name}: it took so long that pings came between; take fewer connections`)
  load.close()
  await server.stop()
  const costOf = (after: Memory): Cost => ({
    heap: (after.heapUsed - empty.heapUsed) / connections,
    used: (used(after) - used(empty)) / connections,
    resident: (after.rss - empty.rss) / connections
  })
  return { fresh: costOf(fresh), afterMessage: costOf(afterMessage) }
}

function makeLoad (connections: number, deflate: Compression | undefined): EchoLoad {
  if (deflate === undefined) return new EchoLoad({ payload: PAYLOAD, connections, inFlight: 1 })
  return new EchoLoad({ payload: TEXT, connections, inFlight: 1, deflate: [], ...(deflate === 'context' && { offer: 'permessage-deflate' }) })
}

/** Collects garbage until nothing more comes of it: some objects go only after the next turns of the event loop. */
async function settledMemory (server: ServerProcess): Promise<Memory> {
  let last = await server.memory()
  for (let tries = 0; tries < TRIES; tries++) {
    await sleep(200)
    const now = await server.memory()
    if (Math.abs(used(now) - used(last)) < STABLE) return now
    last = now
  }
  throw new Error('the memory of an idle server does not come to rest')
}

/** `external` has the array buffers in it. */
function used ({ heapUsed, external }: Memory): number {
  return heapUsed + external
}
