// A run's figures as a reader sees them: on the terminal, a workload at a time, and as bench/results.md.
import { machineOf } from './machine.ts'
import { median, peerOf, ratio, wasLoadTheLimit } from './results.ts'
import type { IdleResult, PeerResult, Ratio, Results, Row } from './results.ts'

/** Three digits that count. */
export function short (figure: number): string {
  if (!Number.isFinite(figure)) return '-'
  if (figure >= 1_000) return Math.round(figure).toLocaleString('en')
  return figure.toPrecision(3)
}

/** Its median, and from where to where the rounds' ratios went. */
export function printRatio (found: Ratio | undefined): string {
  if (found === undefined) return '-'
  return `${short(found.median)} (${short(found.least)}-${short(found.most)})`
}

const HEAD = ['', 'CPU us/message', 'to ws', 'to floor', 'messages/s', 'p50 ms', 'p99 ms', 'half load p50', 'p99', 'RSS MiB', 'busy server', 'load']

function cells (row: Row, result: PeerResult, cpu: number): string[] {
  const { peer, throughput, p50, p99, half, rss, serverBusy, loadBusy } = result
  return [
    peer, short(cpu), printRatio(ratio(result, peerOf(row, 'ws'))), printRatio(ratio(result, peerOf(row, row.floor))),
    short(throughput), short(p50), short(p99), short(half?.p50 ?? NaN), short(half?.p99 ?? NaN), (rss / 1_048_576).toFixed(0),
    serverBusy.toFixed(2), loadBusy.toFixed(2) + (wasLoadTheLimit(result) ? ' (the limit)' : '')
  ]
}

function table (row: Row): string[][] {
  return row.peers.map((result) => cells(row, result, median(result.cpu)))
}

/** In columns, for a terminal. */
export function printRow (row: Row): string {
  const lines = [[row.workload, ...HEAD.slice(1)], ...table(row)]
  const widths = HEAD.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)))
  return lines.map((line) => line.map((cell, i) => i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)).join('  ').trimEnd()).join('\n')
}

export function idleTable (peers: readonly IdleResult[]): string {
  return markdown(['bytes of an idle connection', 'heap', 'with buffers', 'resident'], peers.map(idleCells))
}

function idleCells ({ peer, heap, used, resident }: IdleResult): string[] {
  return [peer, ...[heap, used, resident].map((figure) => Math.round(figure).toLocaleString('en'))]
}

export function markdown (head: readonly string[], lines: readonly string[][]): string {
  return [head, head.map(() => '---'), ...lines].map((line) => `| ${line.join(' | ')} |`).join('\n')
}

export function printResults (results: Results): string {
  const { machine, rounds, seconds, rows, idle } = results
  const sections = rows.map((row) => `## ${row.workload}\n\n${markdown(HEAD, table(row))}\n`)
  return `# Results

${machineOf(machine)}, ${machine.system}; ${rounds} rounds of ${seconds} s for each, in turns, or fewer where the machine was busy with something else; medians of the rounds.

Processor time is the server's, user and system, in microseconds a message; smaller is better. Each server is a process of its own; the load (raw sockets, frames encoded beforehand, answers counted by their bytes) is another. The ratios are medians of the rounds' ratios, with the least and the largest of them. \`ws\` has \`bufferutil\`. \`net\` is the floor: a raw socket that sends back as many bytes as an echo has, without looking at frames; for handshakes it is \`http\`, an upgrade on a bare HTTP server. Latencies are those under full load, and at half of the throughput beside. Busy: processors that the server and the load had. Where the load was the limit, the server might have answered more.

${sections.join('\n')}
${idle === undefined ? '' : `## Memory\n\n${idle.connections.toLocaleString('en')} connections, each after one message each way, garbage collected.\n\n${idleTable(idle.peers)}\n`}
Made by \`npm run bench\`; all figures of it are in [results.json](results.json).
`
}
