// The process that test/bench/allocations.test.ts asks: echoes messages on routes and tells how many bytes each made V8 allocate.
// It has a young generation so large that nothing is collected while it counts: what the heap has grown by is what was allocated,
// to the byte, on a machine however busy.
import { PerformanceObserver } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { Type } from '@sinclair/typebox'
import Fastify from 'fastify'
import websocket from '../../lib/index.ts'
import { encodeFrame } from '../helpers/wire-frames.ts'
import { CountingSocket } from './counting-socket.ts'

export interface Allocations {
  readonly name: string
  /** Bytes of the heap, and of Buffers outside of it, a message. */
  readonly heap: number
  readonly external: number
}

export interface Report {
  readonly allocations: readonly Allocations[]
  /** Bytes of the heap and of Buffers, collected, after a tenth of `messages` and after all of them. */
  readonly early: number
  readonly late: number
  readonly messages: number
}

/** Messages in one read. */
const AT_ONCE = 50
/** Reads before the first count, in which code is compiled, and reads of each count. */
const WARM_UP = 2_000
const READS = 100
/** Counts, of which the least is told: a compiler that comes late allocates, and nothing makes a message take less than it takes. */
const COUNTS = 5
/** Counts that a collection may spoil, at most. */
const SPOILT = 50

let collections = 0
new PerformanceObserver((list) => { collections += list.getEntries().length }).observe({ entryTypes: ['gc'] })

const app = Fastify()
await app.register(websocket)
const Said = Type.Object({ text: Type.String() })
app.get('/raw', { websocket: true }, (connection) => {
  connection.on('message', (message) => { connection.send(message) })
})
app.get('/typed', { websocket: true, schema: { websocket: { receive: Said, send: Said } } }, (connection) => {
  connection.on('message', (message) => { connection.send(message) })
})

/** Reads that arrive over and over: a read may be unmasked where it is, so each is written anew, at no allocation. */
class Reads {
  readonly #socket: CountingSocket
  readonly #frames: Buffer
  readonly #chunk: Buffer

  constructor (socket: CountingSocket, payload: string | Buffer) {
    this.#socket = socket
    const opcode = typeof payload === 'string' ? 1 : 2
    this.#frames = Buffer.concat(Array.from({ length: AT_ONCE }, () => encodeFrame({ opcode, payload })))
    this.#chunk = Buffer.from(this.#frames)
  }

  async run (reads: number): Promise<void> {
    for (let n = 0; n < reads; n++) {
      this.#chunk.set(this.#frames)
      this.#socket.push(this.#chunk)
      // What waits for the end of the tick.
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
}

async function count (name: string, path: string, payload: string | Buffer): Promise<Allocations> {
  const socket = await CountingSocket.open(app, path)
  const reads = new Reads(socket, payload)
  await reads.run(WARM_UP)
  let heap = Infinity
  let external = Infinity
  let spoilt = 0
  for (let n = 0; n < COUNTS;) {
    globalThis.gc?.()
    // Lets the observer hear of it, and the compiler come to an end.
    await sleep(10)
    const collected = collections
    const before = process.memoryUsage()
    await reads.run(READS)
    const after = process.memoryUsage()
    await sleep(1)
    if (collections !== collected) {
      if (++spoilt > SPOILT) throw new Error(`${name}: the young generation is too small to count in`)
      continue
    }
    heap = Math.min(heap, (after.heapUsed - before.heapUsed) / READS / AT_ONCE)
    external = Math.min(external, (after.arrayBuffers - before.arrayBuffers) / READS / AT_ONCE)
    n++
  }
  socket.destroy()
  return { name, heap, external }
}

async function level (): Promise<number> {
  for (let n = 0; n < 3; n++) {
    globalThis.gc?.()
    await sleep(10)
  }
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

const allocations = [
  await count('text of 20 bytes', '/raw', 'twenty bytes of text'),
  await count('20 bytes', '/raw', Buffer.alloc(20, 1)),
  await count('text of 1 KiB', '/raw', 'x'.repeat(1_024)),
  await count('1 KiB', '/raw', Buffer.alloc(1_024, 1)),
  await count('typed message', '/typed', JSON.stringify({ text: 'typed and checked' }))
]

const socket = await CountingSocket.open(app, '/raw')
const reads = new Reads(socket, 'twenty bytes of text')
const TURNS = 10_000
await reads.run(TURNS / 10)
const early = await level()
await reads.run(TURNS * 0.9)
const late = await level()
process.send?.({ allocations, early, late, messages: TURNS * AT_ONCE } satisfies Report)
process.exit()
