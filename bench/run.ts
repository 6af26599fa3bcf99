// Runs the workloads against this package and its peers, each a process of its own, in turns, and prints server processor
// time per message with its ratio. `--quick`: a tenth of the messages; `--only <text>`: workloads whose name has it. A run
// without either writes bench/results.md.
import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { Load } from './load.ts'
import type { Workload } from './load.ts'
import type { Usage } from './servers/report.ts'
import { WORKLOADS } from './workloads.ts'

const SERVERS = ['product', 'ws', 'fastify-websocket', 'net'] as const
const ROUNDS = 5

type ServerName = (typeof SERVERS)[number]

interface Runner {
  readonly name: ServerName
  readonly child: ChildProcess
  readonly load: Load
  /** Microseconds of processor time per message, a figure a round. */
  readonly cpu: number[]
}

const { values: options } = parseArgs({ options: { quick: { type: 'boolean', default: false }, only: { type: 'string', default: '' } } })

async function ask<T> (child: ChildProcess): Promise<T> {
  const [answer] = await once(child, 'message')
  return answer as T // what bench/servers/report.ts sends
}

async function usage (child: ChildProcess): Promise<Usage> {
  child.send('usage')
  return ask<Usage>(child)
}

async function start (name: ServerName, workload: Workload): Promise<Runner> {
  const child = fork(new URL(`./servers/${name}.js`, import.meta.url))
  const { port } = await ask<{ port: number }>(child)
  const load = new Load(workload)
  await load.open(port)
  // The floor does not look at payloads: its answers have the right length only.
  if (name !== 'net') await load.check()
  await load.round()
  return { name, child, load, cpu: [] }
}

async function measure (runner: Runner, workload: Workload): Promise<void> {
  const before = await usage(runner.child)
  await runner.load.round()
  const after = await usage(runner.child)
  runner.cpu.push((after.cpu - before.cpu) / workload.messages)
}

function median (values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[sorted.length >> 1] ?? NaN
}

/** The median of the rounds' ratios: neighbours on the machine disturb both sides of a round alike. */
function ratio (a: Runner, b: Runner): number {
  return median(a.cpu.map((value, round) => value / (b.cpu[round] ?? NaN)))
}

/** A row of figures: medians of microseconds of processor time per message, and ratios of the product to each peer. */
interface Row {
  readonly workload: string
  readonly cpu: readonly number[]
  readonly ratios: readonly number[]
  /** The largest ratio of a round to the smallest, over all peers but the floor. */
  readonly spread: number
}

async function run (workload: Workload): Promise<Row> {
  const runners: Runner[] = []
  for (const name of SERVERS) runners.push(await start(name, workload))
  for (let round = 0; round < ROUNDS; round++) {
    for (const runner of runners) await measure(runner, workload)
  }
  for (const { load, child } of runners) {
    load.close()
    child.disconnect()
  }
  const [product, ws, ...others] = runners as [Runner, Runner, ...Runner[]]
  const peers = [ws, ...others]
  const perRound = product.cpu.map((value, round) => value / (ws.cpu[round] ?? NaN))
  return {
    workload: workload.name,
    cpu: runners.map(({ cpu }) => median(cpu)),
    ratios: peers.map((peer) => ratio(product, peer)),
    spread: Math.max(...perRound) / Math.min(...perRound)
  }
}

const head = `Node ${process.version}, ${cpus()[0]?.model ?? 'unknown processor'} x ${cpus().length}, ${ROUNDS} rounds in turns, medians`
console.log(head)
const rows: Row[] = []
for (const workload of WORKLOADS) {
  if (!workload.name.includes(options.only)) continue
  const row = await run(options.quick ? { ...workload, messages: Math.ceil(workload.messages / 10) } : workload)
  rows.push(row)
  const figures = SERVERS.map((name, i) => `${name} ${row.cpu[i]?.toFixed(2)}`).join('  ')
  console.log(`${row.workload}\n  microseconds a message: ${figures}\n  ratio: ${SERVERS.slice(1).map((name, i) => `to ${name} ${row.ratios[i]?.toFixed(3)}`).join('  ')}  (spread to ws ${row.spread.toFixed(2)})`)
}

if (!options.quick && options.only === '') writeFileSync(new URL('../../bench/results.md', import.meta.url), `# Results

${head}.

Server processor time per message, user and system, in microseconds; smaller is better. Each server is a process of its own, the load (raw sockets, frames encoded beforehand) is another. \`ws\` has \`bufferutil\`. \`net\` is the floor: a raw socket that sends back as many bytes as an echo has, without looking at frames. The ratios are medians of the rounds' ratios; the spread is the largest round's ratio to ws over the smallest's.

| workload | this | ws | @fastify/websocket | net | to ws | to @fastify/websocket | to net | spread |
|---|---|---|---|---|---|---|---|---|
${rows.map(({ workload, cpu, ratios, spread }) => `| ${[workload, ...cpu.map((value) => value.toFixed(2)), ...ratios.map((value) => value.toFixed(2)), spread.toFixed(2)].join(' | ')} |`).join('\n')}

Made by \`npm run bench\`.
`)
