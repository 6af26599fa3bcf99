// docs/performance.md and its picture: what the scripts make of figures, and that the page has those of the last run.
import { existsSync, readFileSync } from 'node:fs'
import t from 'tap'
import { drawChart } from '../../bench/page/chart.ts'
import { fillIn, makeTables } from '../../bench/page/tables.ts'
import { machineOf } from '../../bench/machine.ts'
import { ratio } from '../../bench/results.ts'
import type { PeerResult, Results } from '../../bench/results.ts'
import type { ScaleResults } from '../../bench/scale/results.ts'

const root = new URL('../../../', import.meta.url)
const read = (path: string): string => readFileSync(new URL(path, root), 'utf8')

function peer (name: string, ...cpu: number[]): PeerResult {
  return { peer: name, cpu, systemShare: 0.5, throughput: 1_000, p50: 1, p99: 2, rss: 1, serverBusy: 1, loadBusy: 0.1 }
}

const results: Results = {
  machine: { node: 'v1', processor: 'a <fast> one', processors: 2, system: 'none' },
  rounds: 3,
  seconds: 1,
  rows: [
    { workload: 'echo', floor: 'net', peers: [peer('product', 1, 2, 30), peer('ws', 10, 10, 10), peer('net', 1, 1, 1)] },
    { workload: 'echo, a million live objects', floor: 'net', peers: [peer('product', 4, 4, 4), peer('ws', 20, 20, 20)] }
  ],
  idle: undefined
}

t.test('a ratio is that of the same round, in the middle', async (t) => {
  t.same(ratio(peer('a', 1, 8, 3), peer('b', 1, 2, 1)), { median: 3, least: 1, most: 4 })
})

t.test('tables show medians, and what is missing as missing', async (t) => {
  const tables = makeTables(results, undefined)
  t.match(tables.get('messages'), '| echo | 2.00 | 10.0 | 1.00 | 0.20 | 2.00 |')
  t.match(tables.get('heap'), '| echo | this | 2.00 | 4.00 | 2.00 |')
  t.equal(tables.has('growth'), false)
})

t.test('a table goes between its marks, again and again', async (t) => {
  const page = 'before\n<!-- figures: a -->\n<!-- end of figures -->\nbetween\n<!-- figures: b -->\nold\n<!-- end of figures -->\n'
  const tables = new Map([['a', '| $1 |']])
  const once = fillIn(page, tables)
  t.equal(once, 'before\n<!-- figures: a -->\n\n| $1 |\n\n<!-- end of figures -->\nbetween\n<!-- figures: b -->\nold\n<!-- end of figures -->\n')
  t.equal(fillIn(once, tables), once)
})

t.test('the picture has a bar for each ratio, and no character that ends it', async (t) => {
  const svg = drawChart(results.rows, machineOf(results.machine))
  t.match(svg, '>0.20</text>')
  t.match(svg, 'a &lt;fast> one')
  t.notMatch(svg, /NaN|undefined/)
})

t.test('page and picture are those of the figures beside them', async (t) => {
  const last = JSON.parse(read('bench/results.json')) as Results // what `npm run bench` has written
  const scale = existsSync(new URL('bench/scale.json', root)) ? JSON.parse(read('bench/scale.json')) as ScaleResults : undefined // likewise
  const page = read('docs/performance.md')
  const tables = makeTables(last, scale)
  t.equal(fillIn(page, tables), page, 'npm run bench:plot has been run')
  for (const name of tables.keys()) t.ok(page.includes(`<!-- figures: ${name} -->`), `${name} has its place`)
  t.equal(drawChart(last.rows, `${machineOf(last.machine)}; bench/results.json`), read('docs/performance.svg'))
})
