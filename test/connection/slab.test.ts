// The memory that all connections build their frames in: what one of them sends is never mixed up with, or written over
// by, what another one sends, however slowly peers read and whatever kind of stream keeps hold of the bytes.
import { Duplex } from 'node:stream'
import fc from 'fast-check'
import t from 'tap'
import { Slab, SLAB_SIZE, slabWith } from '../../lib/connection/slab.ts'
import type { Connection } from '../../lib/connection/connection.ts'
import type { Role } from '../../lib/protocol/role.ts'
import { connectionOn, memoryUsed, openPair, openSockets, openTlsSockets, Peer, PeerReader, turns } from '../helpers/connection-pair.ts'
import type { PeerFrame } from '../helpers/connection-pair.ts'
import { hex } from '../helpers/hex.ts'

/** A stream that holds on to every chunk it is given, as one that encrypts or compresses in another thread does. */
class KeepingStream extends Duplex {
  readonly chunks: Buffer[] = []
  isStopped = false
  readonly #asksAtOnce: boolean
  #callback: (() => void) | undefined

  /** @param asksAtOnce - true for one that says at once that it has taken the bytes */
  constructor (asksAtOnce: boolean) {
    super()
    this.#asksAtOnce = asksAtOnce
  }

  override _read (): void {}

  override _write (chunk: Buffer, _encoding: string, callback: () => void): void {
    this.chunks.push(chunk)
    this.#callback = callback
    if (this.isStopped) return
    if (this.#asksAtOnce) this.#goOn()
    else setImmediate(() => this.#goOn())
  }

  resumeWrites (): void {
    this.isStopped = false
    this.#goOn()
  }

  #goOn (): void {
    const callback = this.#callback
    this.#callback = undefined
    callback?.()
  }
}

/** A connection, and what its peer does and sees. */
interface End {
  readonly connection: Connection
  pause (): void
  resume (): void
  /** Lets the connection read a message, so that it sends from inside a read. */
  poke (): void
  /** All frames, when that many have come. */
  frames (count: number): Promise<readonly PeerFrame[]>
  destroy (): void
}

const settings = { highWaterMark: 1024, maxPayload: 1_048_576 }

async function openSocketEnd (role: Role, open: typeof openSockets): Promise<End> {
  const { near, far } = await open()
  const peer = new Peer(far, role === 'server')
  const { connection } = connectionOn(near, { ...settings, role })
  return {
    connection,
    pause: () => { far.pause() },
    resume: () => { far.resume() },
    poke: () => peer.text('poke'),
    frames: count => peer.untilFrames(count),
    destroy () {
      near.destroy()
      far.destroy()
    }
  }
}

async function openKeepingEnd (role: Role, asksAtOnce: boolean): Promise<End> {
  const stream = new KeepingStream(asksAtOnce)
  const { connection } = connectionOn(stream, { ...settings, role })
  return {
    connection,
    pause: () => { stream.isStopped = true },
    resume: () => stream.resumeWrites(),
    poke: () => { stream.push(hex(role === 'server' ? '81 81 00000000 70' : '81 01 70')) },
    async frames (count) {
      for (;;) {
        // Read anew from what was kept: bytes that were written over since then show.
        const frames = new PeerReader().receiveData(Buffer.concat(stream.chunks))
        if (frames.length >= count) return frames
        await turns(1)
      }
    },
    destroy: () => { stream.destroy() }
  }
}

const kinds: Array<{ name: string, runs: number, open: (role: Role) => Promise<End> }> = [
  { name: 'TCP', runs: 40, open: role => openSocketEnd(role, openSockets) },
  { name: 'TLS', runs: 10, open: role => openSocketEnd(role, openTlsSockets) },
  { name: 'a stream that keeps what it gets', runs: 20, open: role => openKeepingEnd(role, false) },
  { name: 'a stream that keeps what it gets and asks for more at once', runs: 20, open: role => openKeepingEnd(role, true) }
]

type Step =
  | { readonly do: 'send', readonly at: number, readonly size: number, readonly as: 'text' | 'bytes' | 'ping' }
  | { readonly do: 'pause' | 'resume' | 'poke', readonly at: number }
  | { readonly do: 'turn' }

const ends = fc.nat(2)
const size = fc.oneof({ weight: 6, arbitrary: fc.nat(200) }, { weight: 3, arbitrary: fc.nat(9000) }, { weight: 2, arbitrary: fc.nat(307_200) })
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 12, arbitrary: fc.record({ do: fc.constant('send' as const), at: ends, size, as: fc.constantFrom('text', 'bytes', 'ping') }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('pause', 'resume', 'poke'), at: ends }) },
  { weight: 2, arbitrary: fc.constant<Step>({ do: 'turn' }) }
)

/** What the peer of one connection must get, in order. */
type Wanted = Array<{ readonly opcode: number, readonly payload: Buffer }>

/** Sends bytes that nobody else sends, and remembers them. */
function send (connection: Connection, wanted: Wanted, { size, as }: { size: number, as: 'text' | 'bytes' | 'ping' }, mark: string): void {
  const payload = Buffer.alloc(as === 'ping' ? size % 126 : size, mark)
  if (as === 'text') connection.send(payload.toString())
  else if (as === 'ping') connection.ping(payload)
  else connection.send(payload)
  wanted.push({ opcode: { text: 1, bytes: 2, ping: 9 }[as], payload: Buffer.from(payload) })
  // Below 64 KiB the caller may do with its bytes what it likes.
  if (payload.length < 65_536) payload.fill(0xee)
}

async function play (steps: readonly Step[], connections: readonly End[]): Promise<string | undefined> {
  const wanted: Wanted[] = connections.map(() => [])
  let pokes = 0
  let answered = 0
  for (const { connection } of connections) {
    connection.on('message', () => {
      // Inside the read of one connection all of them send, in turn.
      for (let i = 0; i < 9; i++) send(connections[i % 3]!.connection, wanted[i % 3]!, { size: i * 40, as: 'bytes' }, `answer ${answered} ${i};`)
      answered++
    })
  }
  await turns(1)
  for (const [i, action] of steps.entries()) {
    if (action.do === 'turn') {
      await turns(1)
      continue
    }
    const end = connections[action.at]!
    if (action.do === 'send') send(end.connection, wanted[action.at]!, action, `step ${i};`)
    else end[action.do]()
    if (action.do === 'poke') pokes++
  }
  for (const end of connections) end.resume()
  while (answered < pokes) await turns(1)
  for (const [i, end] of connections.entries()) {
    const frames = await end.frames(wanted[i]!.length)
    if (frames.length !== wanted[i]!.length) return `connection ${i}: ${frames.length} frames`
    const wrong = frames.findIndex(({ opcode, payload }, n) => opcode !== wanted[i]![n]!.opcode || !payload.equals(wanted[i]![n]!.payload))
    if (wrong >= 0) return `connection ${i}: frame ${wrong} is not what was sent`
  }
  return undefined
}

for (const { name, runs, open } of kinds) {
  t.test(`three connections over ${name}: byte for byte what was sent, in order`, async t => {
    const roles = fc.array(fc.constantFrom<Role>('server', 'client'), { minLength: 3, maxLength: 3 })
    await fc.assert(fc.asyncProperty(roles, fc.array(step, { maxLength: 80 }), async (roles, steps) => {
      const connections = await Promise.all(roles.map(open))
      try {
        const wrong = await play(steps, connections)
        if (wrong !== undefined) throw new Error(wrong)
      } finally {
        for (const end of connections) end.destroy()
      }
    }), { numRuns: runs, seed: 20_260, endOnFailure: true, interruptAfterTimeLimit: 20_000, markInterruptAsFailure: true })
    t.pass()
  })
}

t.test('a slow peer among fast ones: what its socket still reads from is not written over', async t => {
  const slow = await openPair(t)
  const fast = await openPair(t)
  slow.peer.socket.pause()
  const sizes = Array.from({ length: 400 }, (_, i) => 20_000 + i)
  for (const [i, size] of sizes.entries()) {
    slow.connection.send(Buffer.alloc(size, `slow ${i};`))
    // Less than a slab together, so that the same memory comes round again.
    for (let n = 0; n < 3; n++) fast.connection.send(Buffer.alloc(30_000, `fast ${i};`))
    await turns(1)
  }
  t.ok(slow.socket.writableLength > 0, 'the kernel is full')
  slow.peer.socket.resume()
  await slow.peer.untilFrames(400)
  await fast.peer.untilFrames(1200)
  t.same(sizes.filter((size, i) => !slow.peer.frames[i]?.payload.equals(Buffer.alloc(size, `slow ${i};`))), [])
  t.same(fast.peer.frames.filter(({ payload }, i) => !payload.equals(Buffer.alloc(30_000, `fast ${Math.floor(i / 3)};`))).length, 0)
})

t.test('more than a slab in one tick: nothing is cut or lost where it ends', async t => {
  for (const role of ['server', 'client'] as const) {
    const { connection, peer } = await openPair(t, { role })
    for (const size of [100, 997, 1000, 1003, 21_844, 43_684, 65_535]) {
      peer.frames.length = 0
      const count = Math.ceil(300_000 / size)
      for (let i = 0; i < count; i++) connection.send(i % 2 === 0 ? Buffer.alloc(size, `${i};`) : Buffer.alloc(size, `${i};`).toString())
      await peer.untilFrames(count)
      t.equal(peer.frames.filter(({ payload }, i) => !payload.equals(Buffer.alloc(size, `${i};`))).length, 0, `${role}, ${size} bytes`)
    }
  }
})

t.test('T06 peers that do not read: memory follows the bytes that wait, not the number of connections', async t => {
  const pairs = []
  for (let i = 0; i < 60; i++) {
    const pair = await openPair(t)
    pair.peer.socket.pause()
    pairs.push(pair)
  }
  // One after the other, so that each is the only one that sends in its turn; by reference, so that slabs are not needed yet.
  const block = Buffer.alloc(1_048_576)
  for (const { connection, socket } of pairs) {
    while (socket.writableLength === 0) {
      connection.send(block)
      await turns(1)
    }
  }
  const memory = await memoryUsed()
  for (const { connection } of pairs) {
    connection.send('one small message')
    await turns(1)
  }
  const grown = await memoryUsed() - memory
  t.ok(grown < 1_048_576, `memory has grown by ${grown}`)
})

t.test('T06 a connection that was slow once and is silent now keeps no slab alive', async t => {
  const pairs = []
  for (let i = 0; i < 40; i++) pairs.push(await openPair(t))
  const memory = await memoryUsed()
  for (const { connection, socket, peer } of pairs) {
    peer.socket.removeAllListeners('data').pause()
    while (socket.writableLength === 0) {
      connection.send(Buffer.alloc(60_000))
      await turns(1)
    }
    peer.socket.resume()
    while (socket.writableLength > 0) await turns(1)
  }
  await turns(20)
  const grown = await memoryUsed() - memory
  t.ok(grown < 1_500_000, `memory has grown by ${grown}`)
})

t.test('a slab starts again from the front when nobody needs its bytes, and only then', async t => {
  const slab = new Slab()
  const writer = { closed: 0, closeStretch () { this.closed++ } }
  slab.open(writer)
  slab.used += 10
  t.ok(slab.isOpenFor(writer))
  const first = slab.close()
  t.equal(first?.length, 10)
  const other = { closeStretch () {} }
  slab.open(other)
  slab.used += 5
  t.equal(slab.close()?.byteOffset, 10, 'behind the first')
  slab.release(false)
  t.equal(slab.used, 15, 'one stretch is still in use')
  slab.release(false)
  t.equal(slab.used, 0)
  slab.open(writer)
  t.equal(slab.close(), undefined, 'nothing was written')
})

t.test('a slab whose bytes somebody still reads is not started again', async t => {
  const slab = slabWith(10)
  const writer = { closeStretch () {} }
  slab.open(writer)
  slab.used += 10
  slab.close()
  const { used } = slab
  slab.release(true)
  const next = slabWith(10)
  t.ok(next !== slab || next.used >= used)
})

t.test('whoever opens a slab makes the one before close its stretch', async t => {
  const slab = slabWith(SLAB_SIZE)
  const first = { closed: 0, closeStretch () { this.closed++ } }
  slab.open(first)
  slab.open(first)
  t.equal(first.closed, 0)
  slab.open({ closeStretch () {} })
  t.equal(first.closed, 1)
  t.notOk(slab.isOpenFor(first))
})

t.test('T06 what is lent stays, and those who come behind it share the rest of the slab', async t => {
  const first = slabWith(SLAB_SIZE)
  const writer = { closeStretch () {} }
  first.open(writer)
  first.used += 100
  t.equal(first.close()?.length, 100)
  first.release(true)
  t.equal(slabWith(1000), first)
  t.ok(first.used >= 100, 'behind what is lent')
  const second = slabWith(SLAB_SIZE)
  t.not(second, first)
})

t.test('a slab that was full is used again when nobody needs its bytes, and not while somebody does', async t => {
  const full = slabWith(SLAB_SIZE)
  const writer = { closeStretch () {} }
  full.open(writer)
  full.used += SLAB_SIZE
  full.close()
  const next = slabWith(SLAB_SIZE)
  t.not(next, full)
  next.open(writer)
  next.used += SLAB_SIZE
  next.close()
  t.not(slabWith(SLAB_SIZE), full, 'its bytes are in use')
  const third = slabWith(SLAB_SIZE)
  full.release(false)
  third.open(writer)
  third.used += SLAB_SIZE
  third.close()
  t.equal(slabWith(SLAB_SIZE), full)
  t.equal(full.used, 0)
  next.release(true)
  third.release(false)
  full.open(writer)
  full.used += SLAB_SIZE
  full.close()
  t.equal(slabWith(SLAB_SIZE), third)
  third.open(writer)
  third.used += SLAB_SIZE
  third.close()
  t.notOk([full, next, third].includes(slabWith(SLAB_SIZE)), 'one that is lent is not')
})
