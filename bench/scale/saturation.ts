// Offers one server more and more, and looks where it does not keep up.
import { EchoLoad } from '../load/echo-load.ts'
import type { Peer } from '../peers.ts'
import { ServerProcess } from '../server-process.ts'
import type { LoadPoint } from './results.ts'

const SECONDS = 2
/** Shares of what it answers when each connection sends as fast as it gets answers. */
const SHARES = [0.1, 0.25, 0.5, 0.7, 0.8, 0.9, 1, 1.1, 1.25]

export async function measureSaturation (peer: Peer, connections: number, payload: string): Promise<LoadPoint[]> {
  const server = await ServerProcess.start(peer, { scenario: 'echo' })
  const load = new EchoLoad({ payload, connections, inFlight: 1 })
  await load.open(server.port)
  await load.check()
  await load.run(2_000)
  const { messages, elapsed } = await load.run(SECONDS * 1_000)
  const most = messages / elapsed * 1_000
  const points: LoadPoint[] = []
  for (const share of SHARES) {
    const offered = most * share
    const before = await server.usage()
    const loadBefore = process.cpuUsage()
    const round = await load.runAt(offered, SECONDS * 1_000)
    const own = process.cpuUsage(loadBefore)
    const after = await server.usage()
    points.push({
      offered,
      answered: round.messages / round.elapsed * 1_000,
      p50: round.latency.percentile(0.5),
      p99: round.latency.percentile(0.99),
      serverBusy: (after.user + after.system - before.user - before.system) / round.elapsed / 1_000,
      loadBusy: (own.user + own.system) / round.elapsed / 1_000
    })
  }
  load.close()
  await server.stop()
  return points
}
