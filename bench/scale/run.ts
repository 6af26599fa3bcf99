// `npm run bench:scale`: how the figures grow with connections. Many idle ones, many active ones, the cost of a message from ten
// connections to ten thousand, where one process is full, and what a cluster of two does. A run without options writes
// bench/scale.md and .json. --quick: a tenth of the connections. It takes some minutes, and 20,000 open files (`ulimit -n`).
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { EchoLoad } from '../load/echo-load.ts'
import { machine, machineOf } from '../machine.ts'
import { measure } from '../measure.ts'
import { measureIdle } from '../memory.ts'
import { peersNamed } from '../peers.ts'
import type { Peer } from '../peers.ts'
import type { IdleResult, PeerResult, Row } from '../results.ts'
import { EXAMPLE } from '../servers/typed.ts'
import type { Workload } from '../workloads.ts'
import { measureHeartbeat } from './heartbeat.ts'
import { printScale } from './print.ts'
import type { ScaleResults } from './results.ts'
import { measureSaturation } from './saturation.ts'

const { values } = parseArgs({ options: { quick: { type: 'boolean', default: false } } })
const scale = values.quick ? 0.1 : 1
const IDLE = 10_000 * scale
const ACTIVE = 5_000 * scale
const GROWTH = [10, 100, 1_000, 10_000].map((connections) => Math.max(1, connections * scale))
/** Connections that one process of load may have open: to all servers together. */
const MOST_OPEN = 12_000
const PAYLOAD = 'x'.repeat(32)
const EFFORT = { rounds: 5, seconds: values.quick ? 0.1 : 0.5, warmUps: 5, half: false }

const [product] = peersNamed(['product']) as [Peer]
const tell = (what: string): void => console.log(what)

function workloadOf (name: string, connections: number, inFlight: number, typed = false): Workload {
  const payload = typed ? JSON.stringify(EXAMPLE) : PAYLOAD
  return { name, server: { scenario: typed ? 'typed' : 'echo' }, makeLoad: () => new EchoLoad({ payload, connections, inFlight }), peers: [], floor: 'net' }
}

/** In turns where all fit, else one after the other. */
async function measureAll (workload: Workload, connections: number, peers: readonly Peer[]): Promise<Row> {
  if (connections * peers.length <= MOST_OPEN) return await measure(workload, peers, EFFORT, () => {})
  const results: PeerResult[] = []
  for (const peer of peers) results.push(...(await measure(workload, [peer], EFFORT, () => {})).peers)
  return { workload: workload.name, floor: workload.floor, peers: results }
}

async function measureIdles (): Promise<ScaleResults['idle']> {
  const peers: IdleResult[] = []
  for (const peer of peersNamed(['product', 'ws', '@fastify/websocket', 'http'])) {
    tell(`${IDLE} idle connections: ${peer.name}`)
    peers.push({ peer: peer.name, ...(await measureIdle(peer, IDLE)).afterMessage })
  }
  tell(`${IDLE} idle connections: heartbeat`)
  return { connections: IDLE, peers, heartbeat: await measureHeartbeat(product, IDLE) }
}

async function measureGrowth (): Promise<ScaleResults['growth']> {
  const growth: Array<ScaleResults['growth'][number]> = []
  for (const connections of GROWTH) {
    tell(`one message in flight on each of ${connections} connections`)
    const workload = workloadOf(`echo 32 B, ${connections.toLocaleString('en')} connections`, connections, 1)
    growth.push({ connections, row: await measureAll(workload, connections, peersNamed(['product', 'ws', 'net'])) })
  }
  return growth
}

async function measureCluster (): Promise<Row[]> {
  const cluster = { ...product, name: 'cluster of two', file: fileURLToPath(new URL('../servers/cluster.js', import.meta.url)) }
  const rows: Row[] = []
  for (const workload of [workloadOf('echo 32 B, one in flight', 200, 1), workloadOf('typed JSON 200 B, pipelined', 20, 50, true)]) {
    tell(`cluster: ${workload.name}`)
    rows.push(await measure(workload, [{ ...product, name: 'one process' }, cluster], EFFORT, () => {}))
  }
  return rows
}

tell(machineOf())
const idle = await measureIdles()
const growth = await measureGrowth()
tell(`more and more messages on ${ACTIVE} connections`)
const saturation = { connections: ACTIVE, points: await measureSaturation(product, ACTIVE, PAYLOAD) }
const results: ScaleResults = { machine, idle, growth, saturation, cluster: await measureCluster() }
console.log(`\n${printScale(results)}`)
if (!values.quick) {
  writeFileSync(new URL('../../../bench/scale.md', import.meta.url), printScale(results))
  writeFileSync(new URL('../../../bench/scale.json', import.meta.url), `${JSON.stringify(results, undefined, 1)}\n`)
}
