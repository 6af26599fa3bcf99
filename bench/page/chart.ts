// The picture of a run: what a message costs each peer, relative to ws, on a logarithmic scale. A plain SVG that reads in light
// and dark.
import { median, peerOf, ratio } from '../results.ts'
import type { Row } from '../results.ts'

/** What is drawn, and how: bars from the line of ws, and marks. */
const SERIES = [
  { peer: 'product', label: 'this package', kind: 'bar', style: 'product' },
  { peer: 'product portable', label: 'without fast paths', kind: 'bar', style: 'portable' },
  { peer: 'product lending', label: 'with lent payloads', kind: 'bar', style: 'lending' },
  { peer: '@fastify/websocket', label: '@fastify/websocket', kind: 'mark', style: 'fastify' },
  { peer: 'bun', label: 'Bun', kind: 'mark', style: 'bun' },
  { peer: 'net', label: 'floor of Node: a raw socket, or a bare upgrade', kind: 'mark', style: 'floor' },
  { peer: 'http', label: '', kind: 'mark', style: 'floor' }
] as const

type Series = (typeof SERIES)[number]

const STYLE = `text { font: 12px system-ui, sans-serif; fill: #1f2328 }
.title { font-size: 14px; font-weight: 600 }
.small { font-size: 11px; fill: #59636e }
.grid { stroke: #d1d9e0 }
.one { stroke: #1f2328 }
.product { fill: #0969da }
.portable { fill: #7cb6f2 }
.lending { fill: #8250df }
.fastify { fill: #bc4c00 }
.bun { fill: #1a7f37 }
.floor { fill: #59636e }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc }
  .small { fill: #9198a1 }
  .grid { stroke: #3d444d }
  .one { stroke: #f0f6fc }
  .product { fill: #4493f8 }
  .portable { fill: #1f4f8f }
  .lending { fill: #ab7df8 }
  .fastify { fill: #f0883e }
  .bun { fill: #3fb950 }
  .floor { fill: #9198a1 }
}`

const WIDTH = 900
const LEFT = 270
/** Figures of the bars stand here, out of the marks' way. */
const RIGHT = 64
const TOP = 86
const BAR = 11
const GAP = 8
const LEAST = 0.01
const MOST = 4
const TICKS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 4]

/** Where a ratio stands; those beyond the ends stand at them. */
function xOf (ratio: number): number {
  const share = Math.log(Math.min(Math.max(ratio, LEAST), MOST) / LEAST) / Math.log(MOST / LEAST)
  return LEFT + share * (WIDTH - LEFT - RIGHT)
}

const round = (figure: number): string => figure.toFixed(1)

function escape (text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
}

function ratioOf (row: Row, { peer }: Series): number | undefined {
  return ratio(peerOf(row, peer), peerOf(row, 'ws'))?.median
}

function bar (value: number, y: number, style: string): string {
  const [from, to] = [Math.min(xOf(value), xOf(1)), Math.max(xOf(value), xOf(1))]
  const label = value < 0.1 ? value.toFixed(3) : value.toFixed(2)
  return `<rect class="${style}" x="${round(from)}" y="${y}" width="${round(to - from)}" height="${BAR - 1}"/><text class="small" x="${WIDTH - 12}" y="${y + BAR - 2}" text-anchor="end">${label}</text>`
}

function mark (value: number, y: number, height: number, style: string): string {
  return `<rect class="${style}" x="${round(xOf(value) - 1.5)}" y="${y - 2}" width="3" height="${height + 4}"/>`
}

function drawRow (row: Row, top: number): { readonly svg: string, readonly height: number } {
  const bars = SERIES.filter((series) => series.kind === 'bar' && ratioOf(row, series) !== undefined)
  const height = Math.max(1, bars.length) * BAR
  const parts = bars.map((series, i) => bar(ratioOf(row, series)!, top + i * BAR, series.style))
  for (const series of SERIES) {
    const value = ratioOf(row, series)
    if (series.kind === 'mark' && value !== undefined) parts.push(mark(value, top, height, series.style))
  }
  const cost = median(peerOf(row, 'ws')?.cpu ?? [])
  const label = `<text x="${LEFT - 10}" y="${top + height / 2 + 4}" text-anchor="end">${escape(row.workload)}</text>`
  return { svg: `<g><title>${escape(row.workload)}: ws ${cost.toPrecision(3)} us</title>${label}${parts.join('')}</g>`, height }
}

function drawLegend (rows: readonly Row[]): string {
  let x = 16
  const there = SERIES.filter((series) => series.label !== '' && rows.some((row) => ratioOf(row, series) !== undefined))
  return there.map(({ label, kind, style }) => {
    const width = kind === 'bar' ? 14 : 3
    const svg = `<rect class="${style}" x="${x}" y="42" width="${width}" height="10"/><text x="${x + width + 5}" y="51">${escape(label)}</text>`
    x += width + 5 + label.length * 6.4 + 14
    return svg
  }).join('')
}

export function drawChart (rows: readonly Row[], machine: string): string {
  let y = TOP
  const drawn: string[] = []
  for (const row of rows) {
    if (peerOf(row, 'ws') === undefined) continue
    const { svg, height } = drawRow(row, y)
    drawn.push(svg)
    y += height + GAP
  }
  const grid = TICKS.map((tick) => `<line class="${tick === 1 ? 'one' : 'grid'}" x1="${round(xOf(tick))}" x2="${round(xOf(tick))}" y1="${TOP - 8}" y2="${y}"/><text class="small" x="${round(xOf(tick))}" y="${TOP - 12}" text-anchor="middle">${tick === 1 ? 'ws' : tick}</text>`)
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y + 24}" role="img" aria-labelledby="title">
<title id="title">Processor time of the server for a message, relative to ws</title>
<style>
${STYLE}
</style>
<text class="title" x="16" y="24">Processor time of the server for a message, relative to ws (logarithmic; further left is cheaper)</text>
${drawLegend(rows)}
${grid.join('\n')}
${drawn.join('\n')}
<text class="small" x="16" y="${y + 14}">${escape(machine)}</text>
</svg>
`
}
