// Runs the workloads against this package and its peers, each a process of its own, in turns, and prints server processor
// time per message with its ratio. `--quick`: a tenth of the messages; `--only <text>`: workloads whose name has it.
import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
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

async function run (workload: Workload): Promise<void> {
  const runners: Runner[] = []
  for (const name of SERVERS) runners.push(await start(name, workload))
  for (let round = 0; round < ROUNDS; round++) {
    for (const runner of runners) await measure(runner, workload)
  }
  for (const { load, child } of runners) {
    load.close()
    child.disconnect()
  }
  const [product, ...peers] = runners as [Runner, ...Runner[]]
  const figures = runners.map(({ name, cpu }) => `${name} ${median(cpu).toFixed(2)}`).join('  ')
  const ratios = peers.map((peer) => `to ${peer.name} ${ratio(product, peer).toFixed(3)}`).join('  ')
  console.log(`${workload.name}\n  microseconds a message: ${figures}\n  ratio: ${ratios}`)
}

console.log(`Node ${process.version}, ${cpus()[0]?.model ?? 'unknown processor'} x ${cpus().length}, ${ROUNDS} rounds, medians`)
for (const workload of WORKLOADS) {
  if (!workload.name.includes(options.only)) continue
  await run(options.quick ? { ...workload, messages: Math.ceil(workload.messages / 10) } : workload)
}
