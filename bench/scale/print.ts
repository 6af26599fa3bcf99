// The figures of many connections as tables: for the terminal, bench/scale.md and docs/performance.md alike.
import { machineOf } from '../machine.ts'
import { idleTable, markdown, printRatio, short } from '../print.ts'
import { median, peerOf, ratio } from '../results.ts'
import type { Row } from '../results.ts'
import type { HeartbeatCost, ScaleResults } from './results.ts'

export function printHeartbeat (connections: number, { interval, defaultInterval, measured, atDefault }: HeartbeatCost): string {
  return `Pings to ${connections.toLocaleString('en')} connections, each answered, take ${short(atDefault)} ms of processor time a second at the default interval of ${defaultInterval.toLocaleString('en')} ms: computed back from ${short(measured)} ms at an interval of ${interval.toLocaleString('en')} ms.`
}

export function growthTable (growth: ScaleResults['growth']): string {
  const lines = growth.map(({ connections, row }) => {
    const figures = ['product', 'ws', 'net'].map((name) => short(median(peerOf(row, name)?.cpu ?? [])))
    const product = peerOf(row, 'product')
    return [connections.toLocaleString('en'), ...figures, printRatio(ratio(product, peerOf(row, 'ws'))), short(product?.throughput ?? NaN), short(product?.p50 ?? NaN), short(product?.p99 ?? NaN)]
  })
  return markdown(['connections', 'product, CPU us/message', 'ws', 'net', 'product to ws', 'product, messages/s', 'p50 ms', 'p99 ms'], lines)
}

export function saturationTable ({ points }: ScaleResults['saturation']): string {
  return markdown(['offered, messages/s', 'answered', 'p50 ms', 'p99 ms', 'server busy', 'load busy'],
    points.map(({ offered, answered, p50, p99, serverBusy, loadBusy }) => [short(offered), short(answered), short(p50), short(p99), serverBusy.toFixed(2), loadBusy.toFixed(2)]))
}

export function clusterTable (rows: readonly Row[]): string {
  const lines = rows.flatMap((row) => row.peers.map(({ peer, cpu, throughput, p50, p99, serverBusy, loadBusy }) =>
    [row.workload, peer, short(throughput), short(median(cpu)), short(p50), short(p99), serverBusy.toFixed(2), loadBusy.toFixed(2)]))
  return markdown(['', '', 'messages/s', 'CPU us/message', 'p50 ms', 'p99 ms', 'servers busy', 'load busy'], lines)
}

export function printScale ({ machine, idle, growth, saturation, cluster }: ScaleResults): string {
  return `# Many connections

${machineOf(machine)}, ${machine.system}. Servers and load share ${machine.processors} processors; busy is processors in use. Made by \`npm run bench:scale\`.

## Idle

Bytes of each of ${idle.connections.toLocaleString('en')} connections behind one message each way, garbage collected.

${idleTable(idle.peers)}

${printHeartbeat(idle.connections, idle.heartbeat)}

## A message, by the count of connections

One message of 32 bytes in flight on each. Where the connections to all three are too many for one process of load, they were measured one after the other.

${growthTable(growth)}

## Where one process is full

${saturation.connections.toLocaleString('en')} connections, messages of 32 bytes sent in time whatever comes back. Latency is from sending, at one process of this package.

${saturationTable(saturation)}

## A cluster of two

\`node:cluster\` with two workers, beside one process, with the load on the same processors.

${clusterTable(cluster)}
`
}
