// `npm run bench:plot`: puts the figures of bench/results.json and bench/scale.json into docs/performance.md, and draws
// docs/performance.svg.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { machineOf } from '../machine.ts'
import type { Results } from '../results.ts'
import type { ScaleResults } from '../scale/results.ts'
import { drawChart } from './chart.ts'
import { fillIn, makeTables } from './tables.ts'

const root = new URL('../../../', import.meta.url)

function read<T> (path: string): T | undefined {
  const url = new URL(path, root)
  return existsSync(url) ? JSON.parse(readFileSync(url, 'utf8')) as T : undefined // what the run has written
}

const results = read<Results>('bench/results.json')
if (results === undefined) throw new Error('there is no bench/results.json: run `npm run bench` first')
const page = new URL('docs/performance.md', root)
writeFileSync(page, fillIn(readFileSync(page, 'utf8'), makeTables(results, read<ScaleResults>('bench/scale.json'))))
writeFileSync(new URL('docs/performance.svg', root), drawChart(results.rows, `${machineOf(results.machine)}; bench/results.json`))
