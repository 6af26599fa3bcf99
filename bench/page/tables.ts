// The tables of docs/performance.md, each by its name.
import { machineOf } from '../machine.ts'
import { idleTable, markdown, short } from '../print.ts'
import { median, peerOf, ratio } from '../results.ts'
import type { Results, Row } from '../results.ts'
import { clusterTable, growthTable, printHeartbeat, saturationTable } from '../scale/print.ts'
import type { ScaleResults } from '../scale/results.ts'

const PEERS = [
  ['product', 'this'],
  ['product portable', 'this, no fast paths'],
  ['product lending', 'this, lent payloads'],
  ['ws', 'ws'],
  ['@fastify/websocket', '@fastify/websocket'],
  ['net', 'net'],
  ['http', 'http'],
  ['bun', 'Bun']
] as const

const HEAP = ', a million live objects'

/** What a table shows of a peer that did not take part. */
const NONE = '-'

function cost (row: Row | undefined, peer: string): string {
  const result = row === undefined ? undefined : peerOf(row, peer)
  return result === undefined ? NONE : short(median(result.cpu))
}

function times (row: Row, peer: string): string {
  const found = ratio(peerOf(row, 'product'), peerOf(row, peer))
  return found === undefined ? NONE : found.median.toFixed(found.median < 0.1 ? 3 : 2)
}

function messages (rows: readonly Row[]): string {
  const there = PEERS.filter(([peer]) => rows.some((row) => peerOf(row, peer) !== undefined))
  const head = ['CPU us/message', ...there.map(([, name]) => name), 'this to ws', 'this to the floor']
  return markdown(head, rows.map((row) => [row.workload, ...there.map(([peer]) => cost(row, peer)), times(row, 'ws'), times(row, row.floor)]))
}

function latency (rows: readonly Row[]): string {
  const pair = (p50: number | undefined, p99: number | undefined): string => p50 === undefined || p99 === undefined ? NONE : `${short(p50)} / ${short(p99)}`
  const cells = (row: Row, peer: string): string[] => {
    const result = peerOf(row, peer)
    return [pair(result?.p50, result?.p99), pair(result?.half?.p50, result?.half?.p99)]
  }
  const lines = rows.map((row) => [row.workload, ...['product', 'ws', '@fastify/websocket'].flatMap((peer) => cells(row, peer))])
  return markdown(['ms, p50 / p99', 'this', 'at half load', 'ws', 'at half load', '@fastify/websocket', 'at half load'], lines)
}

/** Workloads that were run with a full heap, beside the same without. */
function heap (rows: readonly Row[]): string {
  const lines: string[][] = []
  for (const full of rows.filter(({ workload }) => workload.endsWith(HEAP))) {
    const start = full.workload.slice(0, -HEAP.length)
    const bare = rows.find(({ workload }) => workload === start || workload === `${start}, pipelined`)
    if (bare === undefined) continue
    for (const [peer, name] of PEERS) {
      const [with_, without] = [peerOf(full, peer), peerOf(bare, peer)]
      if (with_ === undefined || without === undefined) continue
      lines.push([start, name, cost(bare, peer), cost(full, peer), (median(with_.cpu) / median(without.cpu)).toFixed(2)])
    }
  }
  return markdown(['CPU us/message', '', 'without', 'with a million objects', 'times'], lines)
}

/** The tables that one run or the other has figures for. */
export function makeTables (results: Results, scale: ScaleResults | undefined): Map<string, string> {
  const { machine, rounds, seconds, rows, idle } = results
  const tables = new Map([
    ['machine', `Measured on ${machineOf(machine)}, ${machine.system}; medians of ${rounds} rounds of ${seconds} s.`],
    ['messages', messages(rows.filter(({ workload }) => !workload.endsWith(HEAP)))],
    ['latency', latency(rows.filter(({ workload }) => workload.startsWith('echo') || workload.startsWith('typed')))],
    ['heap', heap(rows)]
  ])
  if (idle !== undefined) tables.set('idle', idleTable(idle.peers))
  if (scale === undefined) return tables
  tables.set('many idle', `${idleTable(scale.idle.peers)}\n\n${printHeartbeat(scale.idle.connections, scale.idle.heartbeat)}`)
  tables.set('growth', growthTable(scale.growth))
  tables.set('saturation', `${scale.saturation.connections.toLocaleString('en')} connections:\n\n${saturationTable(scale.saturation)}`)
  tables.set('cluster', clusterTable(scale.cluster))
  return tables
}

/** Puts tables between their marks, `<!-- figures: name -->` and `<!-- end of figures -->`. A place without a table stays as it is. */
export function fillIn (page: string, tables: ReadonlyMap<string, string>): string {
  return page.replaceAll(/(<!-- figures: (.*?) -->\n)[^]*?(<!-- end of figures -->)/g, (whole, start: string, name: string, end: string) => {
    const table = tables.get(name)
    return table === undefined ? whole : `${start}\n${table}\n\n${end}`
  })
}
