// `npm run bench`: all workloads against this package and its peers. A run without options writes bench/results.md and .json.
// --only <text>: workloads whose name has it; --peers <names>: these alone, by comma; --quick: fewer peers, rounds and shorter ones;
// --heap: all with a million live objects; --rounds <n>, --seconds <n>: how often and how long; --out <file>: JSON of any run.
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { machine, machineOf } from './machine.ts'
import { measure } from './measure.ts'
import { measureIdle } from './memory.ts'
import { allNames, peersNamed } from './peers.ts'
import { idleTable, printResults, printRow } from './print.ts'
import type { IdleResult, Results, Row } from './results.ts'
import { withLiveObjects, WORKLOADS } from './workloads.ts'

const { values: options } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    peers: { type: 'string' },
    quick: { type: 'boolean', default: false },
    heap: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    seconds: { type: 'string' },
    out: { type: 'string' }
  }
})
const isWhole = process.argv.length === 2
const rounds = Number(options.rounds ?? (options.quick ? 3 : 5))
const seconds = Number(options.seconds ?? (options.quick ? 0.1 : 0.3))
// A quick one has shorter rounds.
const warmUps = options.quick ? 3 : 5
const names = options.peers?.split(',') ?? (options.quick ? ['product', 'product portable', 'ws', 'net', 'http'] : allNames())
/** How long a run should take at most, in ms, unless it was asked for rounds: ten minutes with what is behind the workloads, or one. */
const BUDGET = options.rounds !== undefined ? Infinity : options.quick ? 45_000 : 540_000
const IDLE = 'idle memory'
const IDLE_PEERS = ['product', 'ws', '@fastify/websocket', 'http']

/** In place of the last one on a terminal; elsewhere a line for each step would only be noise. */
function progress (text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`)
}

function chosen (): typeof WORKLOADS {
  const all = WORKLOADS.filter(({ name, isDetail }) => options.only === '' ? !options.quick || isDetail !== true : name.includes(options.only))
  return options.heap ? all.filter(({ server }) => server.liveObjects === undefined).map(withLiveObjects) : all
}

const started = performance.now()
const elapsed = (): string => `${Math.round((performance.now() - started) / 1_000)} s`
console.log(`${machineOf()}, ${rounds} rounds of ${seconds} s in turns, medians (least-most)`)
const workloads = chosen()
const rows: Row[] = []
for (const [index, workload] of workloads.entries()) {
  const peers = peersNamed(names.filter((name) => workload.peers.includes(name)))
  const place = `[${index + 1}/${workloads.length}, ${elapsed()}] ${workload.name}`
  // What is left, in equal shares: a workload that has taken less leaves it to the others.
  const now = performance.now()
  const deadline = now + (BUDGET - now + started) / (workloads.length - index)
  const row = await measure(workload, peers, { rounds, seconds, warmUps, deadline, half: !options.quick }, (what) => progress(`${place}: ${what}`))
  rows.push(row)
  progress('')
  const done = row.peers[0]?.cpu.length ?? 0
  console.log(`\n${printRow(row)}${done < rounds ? `\n${done} of ${rounds} rounds, for want of time` : ''}`)
}

let idle: Results['idle']
if (IDLE.includes(options.only) && !options.quick) {
  const connections = 2_000
  const results: IdleResult[] = []
  for (const peer of peersNamed(names.filter((name) => IDLE_PEERS.includes(name)))) {
    progress(`[${elapsed()}] ${IDLE}: ${peer.name}`)
    const { afterMessage } = await measureIdle(peer, connections)
    results.push({ peer: peer.name, ...afterMessage })
  }
  idle = { connections, peers: results }
  progress('')
  console.log(`\n${idleTable(results)}`)
}

const results: Results = { machine, rounds, seconds, rows, idle }
if (isWhole) writeFileSync(new URL('../../bench/results.md', import.meta.url), printResults(results))
const out = options.out ?? (isWhole ? new URL('../../bench/results.json', import.meta.url) : undefined)
if (out !== undefined) writeFileSync(out, `${JSON.stringify(results, undefined, 1)}\n`)
console.log(`\n${elapsed()}`)
