// What reads the bytes depends on what a Node has: every Node that is promised has the fast ways, and they answer as the portable one.
import { join } from 'node:path'
import t from 'tap'
import { ROOT } from '../types/compile.ts'
import { bringNodes, runWell } from './tools.ts'

const NODES = [20, 22, 24, 26]
const TESTS = ['property/cuts', 'protocol/frame-scanner', 'protocol/utf8', 'connection/shared-reads', 'connection/lent-payloads']

// With an empty cache some 200 MB come from the registry.
t.setTimeout(600_000)

const nodes = await bringNodes(NODES)
const runners = nodes.size > 0 ? nodes : new Map([[`node ${process.version}`, process.execPath]])
if (nodes.size === 0) t.comment(`npm has no Node for ${process.platform}-${process.arch}: not run on ${NODES.join(', ')}, only on ${process.version}`)

const probe = `
import { FASTEST } from '${join(ROOT, 'build/lib/protocol/scanners.js')}'
import { shareReads } from '${join(ROOT, 'build/lib/connection/shared-reads.js')}'
import { connect, createServer } from 'node:net'
const server = createServer((socket) => {
  console.log(JSON.stringify({ vectors: FASTEST.wasm !== undefined, sharedReads: shareReads(socket, Buffer.alloc(10), () => {}) }))
  socket.destroy()
  server.close()
}).listen(0, '127.0.0.1', () => connect(server.address().port, '127.0.0.1'))
`

for (const [name, node] of runners) {
  t.test(`${name}: the fast ways are there`, async t => {
    const { stdout } = await runWell(node, ['--input-type=module', '-e', probe], ROOT)
    t.strictSame(JSON.parse(stdout), { vectors: true, sharedReads: true })
  })
  for (const test of TESTS) {
    t.test(`${name}: test/${test}.test.ts`, async t => {
      const { stdout } = await runWell(node, [join(ROOT, `build/test/${test}.test.js`)], ROOT)
      t.match(stdout, /^1\.\.[1-9]\d*$/m, 'it has run')
    })
  }
}
