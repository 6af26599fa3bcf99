// Prints what an open connection that says nothing costs: this package with its default options, its peers, and a bare HTTP
// upgrade, with more connections and rounds than `npm run bench` has. `--connections <n>`, `--rounds <n>`, `--only <peer>`,
// `--deflate fresh|context`: with permessage-deflate.
import { parseArgs } from 'node:util'
import { machineOf } from './machine.ts'
import { measureIdle } from './memory.ts'
import type { Compression, IdleCost } from './memory.ts'
import { peersNamed } from './peers.ts'
import { median } from './results.ts'

const { values } = parseArgs({
  options: { connections: { type: 'string', default: '5000' }, rounds: { type: 'string', default: '3' }, only: { type: 'string', default: '' }, deflate: { type: 'string' } }
})
const connections = Number(values.connections)
const rounds = Number(values.rounds)

console.log(`${machineOf()}, ${connections} connections, medians of ${rounds} rounds\n`)
console.log('| bytes per idle connection | fresh: heap | with buffers | resident | after one message each way: heap | with buffers | resident |\n|---|---|---|---|---|---|---|')
const deflate = readCompression(values.deflate)
for (const peer of peersNamed(['product', 'ws', '@fastify/websocket', ...(deflate === undefined ? ['http'] : [])])) {
  if (!peer.name.includes(values.only)) continue
  const costs: IdleCost[] = []
  for (let round = 0; round < rounds; round++) costs.push(await measureIdle(peer, connections, deflate))
  const figures = (['fresh', 'afterMessage'] as const).flatMap((when) => (['heap', 'used', 'resident'] as const).map((what) => median(costs.map((cost) => cost[when][what]))))
  console.log(`| ${peer.name} | ${figures.map((figure) => Math.round(figure).toLocaleString('en')).join(' | ')} |`)
}

function readCompression (given: string | undefined): Compression | undefined {
  if (given === undefined || given === 'fresh' || given === 'context') return given
  throw new Error(`--deflate is fresh or context, not ${given}`)
}
