// What pings to many silent connections cost a server.
import { setTimeout as sleep } from 'node:timers/promises'
import { EchoLoad } from '../load/echo-load.ts'
import type { Peer } from '../peers.ts'
import { ServerProcess } from '../server-process.ts'
import type { HeartbeatCost } from './results.ts'

const DEFAULT_INTERVAL = 25_000
/** So that each connection is pinged some times in a run of seconds; the cost is one of pings, so it is proportional. */
const INTERVAL = 2_500
const TIMEOUT = 2_000
const SECONDS = 10

export async function measureHeartbeat (peer: Peer, connections: number): Promise<HeartbeatCost> {
  const without = await busyOf(peer, connections, false)
  const measured = await busyOf(peer, connections, { interval: INTERVAL, timeout: TIMEOUT }) - without
  return { interval: INTERVAL, defaultInterval: DEFAULT_INTERVAL, measured, atDefault: measured * INTERVAL / DEFAULT_INTERVAL }
}

/** Milliseconds of processor time a second, with connections that answer pings and say nothing else. */
async function busyOf (peer: Peer, connections: number, heartbeat: object | false): Promise<number> {
  const server = await ServerProcess.start({ ...peer, plugin: { ...peer.plugin, heartbeat } }, { scenario: 'echo' })
  const load = new EchoLoad({ payload: 'x', connections, inFlight: 1 })
  await load.open(server.port)
  // The first pings come after nine tenths of an interval.
  await sleep(INTERVAL)
  const before = await server.usage()
  await sleep(SECONDS * 1_000)
  const after = await server.usage()
  // All are still there.
  await load.ask()
  load.close()
  await server.stop()
  return (after.user + after.system - before.user - before.system) / 1_000 / SECONDS
}
