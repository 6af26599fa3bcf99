// A server in a process of its own, for attacks by compressed messages: it tells what they cost it. Takes no more of the test than an
// order over IPC.
import type { AddressInfo } from 'node:net'
import { readFileSync, writeFileSync } from 'node:fs'
import Fastify from 'fastify'
import websocket from '../../lib/index.ts'
import { memoryUsed } from '../helpers/connection-pair.ts'

/** What it has cost since the last question; bytes and milliseconds. */
export interface Costs {
  /** Of resident memory, above what it was at the last question. */
  readonly peak: number
  readonly cpu: number
  readonly messages: number
}

const TAKEOVER = { threshold: 0, serverNoContextTakeover: false, clientNoContextTakeover: false }

let messages = 0
const app = Fastify()
await app.register(websocket, { maxPayload: 2 ** 20 })
for (const [path, perMessageDeflate] of [['/fresh', true], ['/takeover', TAKEOVER]] as const) {
  app.get(path, { websocket: { perMessageDeflate } }, (connection) => {
    connection.on('message', (message) => {
      messages++
      // so that a test sees that it came
      connection.send(String((message as Buffer).length))
    })
  })
}
await app.listen({ port: 0, host: '127.0.0.1' })

/** Peak of the resident memory since `resetPeak`. */
function readPeak (): number {
  return Number(/^VmHWM:\s*(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) * 1024
}

function resetPeak (): void {
  writeFileSync('/proc/self/clear_refs', '5')
}

let rssBefore = 0
let cpuBefore = process.cpuUsage()

process.on('message', () => {
  const peak = readPeak() - rssBefore
  const { user, system } = process.cpuUsage(cpuBefore)
  const costs: Costs = { peak, cpu: (user + system) / 1000, messages }
  void memoryUsed().then(() => {
    messages = 0
    resetPeak()
    rssBefore = process.memoryUsage.rss()
    cpuBefore = process.cpuUsage()
    process.send?.(costs)
  })
})
process.on('disconnect', () => process.exit())
process.send?.((app.server.address() as AddressInfo).port)
