// The other process of the soak: clients without end, until it is told to stop. Told by its parent what to do, it tells back
// once a second how it goes.
import { setMaxListeners } from 'node:events'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { seededRandom } from '../conformance/fuzz.ts'
import { LIVES } from './lives.ts'
import type { Surroundings } from './lives.ts'

/** The arguments of the process, as JSON. */
export interface ClientOptions {
  readonly port: number
  /** Clients at once. */
  readonly count: number
  readonly seed: number
}

/** What the process tells. */
export interface ClientReport {
  /** Lives that have begun, by kind. */
  readonly lives: Readonly<Record<string, number>>
  /** What the server has not done that it should have, and how often; beyond a number of different ones, only that. */
  readonly wrong: Readonly<Record<string, number>>
  readonly wrongs: number
  /** How late, in ms, the process was at the most: what comes late may be its own fault then. */
  readonly lag: number
}

const MOST_WRONG = 20

const { port, count, seed } = JSON.parse(process.argv[2] ?? '{}') as ClientOptions // the parent writes it
const aborter = new AbortController()
const delay = monitorEventLoopDelay({ resolution: 20 })
delay.enable()
const lives: Record<string, number> = {}
const wrong: Record<string, number> = {}
let wrongs = 0

function noteWrong (what: string): void {
  wrongs++
  if (what in wrong || Object.keys(wrong).length < MOST_WRONG) wrong[what] = (wrong[what] ?? 0) + 1
}

const random = seededRandom(seed)
const world: Surroundings = {
  port,
  random,
  isOver: () => aborter.signal.aborted,
  pace: Math.max(1, count / 200),
  pause: async (ms) => { await sleep(ms, undefined, { signal: aborter.signal }).catch(() => {}) },
  wrong: (what) => { if (!aborter.signal.aborted) noteWrong(what) }
}
const chances = LIVES.flatMap((kind) => Array.from({ length: kind.weight }, () => kind))
/** Each kind comes once, whatever the chances: on a busy machine there are few lives in a short run. */
const first = [...LIVES]

/** One client after the other, until all is over. */
async function liveOn (): Promise<void> {
  // Not all at once: the kernel lets 511 wait to be accepted.
  await world.pause(random(2_000) * world.pace)
  while (!world.isOver()) {
    const kind = first.pop() ?? chances[random(chances.length)]
    if (kind === undefined) return
    lives[kind.name] = (lives[kind.name] ?? 0) + 1
    try {
      await kind.live(world)
    } catch (error) {
      noteWrong(`${kind.name}: ${error instanceof Error ? error.stack : String(error)}`)
    }
  }
}

function report (): void {
  const message: ClientReport = { lives, wrong, wrongs, lag: delay.max / 1e6 }
  process.send?.(message)
}

for (const event of ['uncaughtException', 'unhandledRejection']) {
  process.on(event, (error: unknown) => noteWrong(`${event} in the clients: ${error instanceof Error ? error.stack : String(error)}`))
}
process.on('message', () => {
  aborter.abort()
  report()
  // What is still open ends with the process.
  process.exit()
})
process.on('disconnect', () => process.exit())
setMaxListeners(0, aborter.signal)
setInterval(report, 1_000)
await Promise.all(Array.from({ length: count }, liveOn))
