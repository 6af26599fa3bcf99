// T10 against a live server: connections to every route, each with random and mutated frames, cut anywhere.
import { openFrames } from '../helpers/frame-client.ts'
import { closeCodeOf } from '../helpers/wire-frames.ts'
import { fuzzFrame, seededRandom } from './fuzz.ts'

const AT_ONCE = 16
/** A server that hangs is not waited for a thousand times. */
const MOST_FAILURES = 40
const ROUTES = ['/echo', '/pulled', '/typed'] as const

export interface LiveFuzzOptions {
  readonly port: number
  readonly seed: number
  /** Frames to send in all. */
  readonly frames: number
}

export interface LiveFuzzResult {
  readonly frames: number
  readonly connections: number
  /** What came back, and how often. */
  readonly seen: ReadonlyMap<string, number>
  /** Connections that ended in something else than events or a legal close, with all that was sent. */
  readonly wrong: ReadonlyArray<Readonly<Record<string, unknown>>>
}

/** Sends that many frames to a server of `startEchoServer`, the same ones for the same seed. */
export async function fuzzServer ({ port, seed, frames: total }: LiveFuzzOptions): Promise<LiveFuzzResult> {
  const random = seededRandom(seed)
  const seen = new Map<string, number>()
  const see = (what: string): void => { seen.set(what, (seen.get(what) ?? 0) + 1) }
  const wrong: Array<Record<string, unknown>> = []
  let sent = 0
  let connections = 0

  async function attack (): Promise<void> {
    const path = ROUTES[random(ROUTES.length)] ?? '/echo'
    const frames = Array.from({ length: 1 + random(12) }, () => fuzzFrame(random))
    const wire = Buffer.concat(frames)
    const cuts = random(2) === 0 ? [] : Array.from({ length: 1 + random(5) }, () => random(wire.length)).sort((a, b) => a - b)
    const leaves = random(20)
    sent += frames.length
    connections++
    const client = await openFrames({ port, path })
    await client.writeCut(wire, cuts)
    if (leaves === 0) return client.reset()
    client.end()
    const ending = await client.untilEnd()
    const code = client.closeFrame === undefined ? undefined : closeCodeOf(client.closeFrame.payload)
    see(code === undefined ? 'no Close' : `Close ${code}`)
    for (const frame of client.frames) see(`opcode ${frame.opcode}`)
    const isLegal = code === undefined || code === 1005 || (code >= 1000 && code <= 4999)
    if (ending === 'deadline' || client.fault !== undefined || !isLegal) {
      wrong.push({ path, ending, fault: client.fault?.message, code, wire: wire.toString('hex'), cuts })
    }
  }

  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    while (sent < total && wrong.length < MOST_FAILURES) await attack()
  }))
  return { frames: sent, connections, seen, wrong }
}
