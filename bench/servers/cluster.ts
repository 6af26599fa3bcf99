// This package in a cluster: so many processes on one port, and this one, which does nothing but add up what they use.
import cluster from 'node:cluster'
import type { Worker } from 'node:cluster'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Usage } from './report.ts'

const WORKERS = 2

async function ask (worker: Worker): Promise<Usage> {
  worker.send('usage')
  const [usage] = await once(worker, 'message') as [Usage] // what bench/servers/report.ts sends
  return usage
}

cluster.setupPrimary({ exec: fileURLToPath(new URL('./product.js', import.meta.url)), args: process.argv.slice(2) })
const workers = Array.from({ length: WORKERS }, () => cluster.fork())
const ports = await Promise.all(workers.map(async (worker) => {
  for (;;) {
    const [message] = await once(worker, 'message') as [{ port?: number }] // likewise
    if (message.port !== undefined) return message.port
  }
}))

process.on('message', async () => {
  const own = process.cpuUsage()
  const usages = await Promise.all(workers.map(ask))
  process.send?.(usages.reduce((sum, { user, system, rss }) => ({ user: sum.user + user, system: sum.system + system, rss: sum.rss + rss }),
    { ...own, rss: process.memoryUsage.rss() }) satisfies Usage)
})
process.on('disconnect', () => process.exit())
process.send?.({ port: ports[0] })
