// What the clients of the soak do, one function a kind of client. Each opens a connection, does well or badly by it and comes
// to an end; where the server must have done something, it says so if that has not come.
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { fuzzFrame } from '../conformance/fuzz.ts'
import type { seededRandom } from '../conformance/fuzz.ts'
import { ChaosProxy } from '../helpers/chaos-proxy.ts'
import type { Fault, LaneOptions, LinkOptions } from '../helpers/chaos-proxy.ts'
import { openFrames } from '../helpers/frame-client.ts'
import type { FrameClient } from '../helpers/frame-client.ts'
import { handshake, head } from '../helpers/raw-client.ts'
import { closeCodeOf, closePayload, encodeFrame } from '../helpers/wire-frames.ts'

export interface Surroundings {
  readonly port: number
  readonly random: ReturnType<typeof seededRandom>
  /** True when lives are to come to their end. */
  readonly isOver: () => boolean
  /** Waits so many ms, or until all is over. */
  readonly pause: (ms: number) => Promise<void>
  /** A multiple of the time that clients think: where there are more of them, each says less. */
  readonly pace: number
  readonly wrong: (what: string) => void
}

export type Live = (world: Surroundings) => Promise<void>

/** What the server sends to all, on routes without and with schemas. */
export const TO_ALL = { raw: 'to all', typed: { type: 'note', text: 'to all' } } as const

/** Longer than any life takes, at a pace of 1; a connection that lasts it hangs. */
const DEADLINE = 60_000

interface OpenOptions {
  readonly port?: number
  /** False where a pong would come in the middle of a frame. Default true. */
  readonly answersPings?: boolean
}

/** Connects; `undefined` where the server has no room, or is no more. */
async function open (world: Surroundings, path: string, options: OpenOptions = {}): Promise<FrameClient | undefined> {
  const { port = world.port, answersPings = true } = options
  try {
    return await openFrames({ port, path, answersPings, deadline: DEADLINE * world.pace })
  } catch (error) {
    const { message } = error as Error // as it is of openFrames
    // Caps are there to be reached.
    if (!message.includes(' 503 ') && !world.isOver() && port === world.port) world.wrong(`${path}: ${message}`)
    return undefined
  }
}

const text = (payload: string): Buffer => encodeFrame({ opcode: 1, payload })

/** Messages that came as answers. */
function answersOf ({ frames }: FrameClient): string[] {
  const all = frames.filter(({ opcode }) => opcode === 1 || opcode === 2).map(({ payload }) => payload.toString())
  return all.filter((message) => message !== TO_ALL.raw && message !== JSON.stringify(TO_ALL.typed))
}

async function untilAnswers (client: FrameClient, count: number): Promise<void> {
  while (answersOf(client).length < count && !client.isOver) await client.untilFrames(client.frames.length + 1)
}

/** Ends a connection in one of the ways that are open to a client; resolves when it has ended. */
async function leave (world: Surroundings, client: FrameClient, what: string): Promise<void> {
  switch (world.random(6)) {
    case 0:
      client.reset()
      return
    case 1:
      client.end()
      break
    case 2:
      await client.write(encodeFrame({ opcode: 8 }))
      client.reset()
      return
    default:
      await client.write(encodeFrame({ opcode: 8, payload: closePayload(1000, 'bye') }))
      await client.untilEnd()
      if (client.closeFrame === undefined) world.wrong(`${what}: no answer to Close, but ${client.ending}`)
      return
  }
  await client.untilEnd()
  if (client.ending === 'deadline') world.wrong(`${what}: no end`)
}

/** Says things and looks whether the right answers come. */
function talk (path: string, message: (world: Surroundings, n: number) => string, most = 8): Live {
  return async (world) => {
    const client = await open(world, path)
    if (client === undefined) return
    const wanted: string[] = []
    for (let n = 1 + world.random(most); n > 0 && !world.isOver(); n--) {
      const next = message(world, n)
      wanted.push(next)
      await client.write(text(next))
      if (world.random(3) > 0) await untilAnswers(client, wanted.length)
      if (world.random(2) === 0) await world.pause(world.random(700) * world.pace)
    }
    await untilAnswers(client, wanted.length)
    const got = answersOf(client)
    // With concurrency answers come as they are ready.
    if ([...got].sort().join() !== [...wanted].sort().join()) world.wrong(`${path}: ${got.length} answers to ${wanted.length}, ${describeEnd(client)}`)
    await leave(world, client, path)
  }
}

function describeEnd ({ closeFrame, ending, fault }: FrameClient): string {
  if (fault !== undefined) return fault.message
  return closeFrame === undefined ? `ending ${ending}` : `Close ${closeCodeOf(closeFrame.payload)} ${closeFrame.payload.subarray(2).toString()}`
}

const anyText = ({ random }: Surroundings, n: number): string => `${n}:${'é'.repeat(random(random(4) === 0 ? 8_000 : 60))}`

const anyTyped = ({ random }: Surroundings, n: number): string => random(2) === 0
  ? `{"type":"count","n":${n}}`
  : `{"type":"note","text":"${n} ${'x'.repeat(random(500))}"}`

/** Sends something, and looks for the Close of that code. */
function provoke (path: string, bytes: (world: Surroundings) => Buffer, ...codes: number[]): Live {
  return async (world) => {
    const client = await open(world, path)
    if (client === undefined) return
    await client.write(bytes(world))
    await client.untilEnd()
    const code = client.closeFrame === undefined ? 1006 : closeCodeOf(client.closeFrame.payload)
    if (!codes.includes(code)) world.wrong(`${path}: ${describeEnd(client)} in place of ${codes.join(' or ')}`)
  }
}

/** A message in parts, with pings between them, and each cut by the network. */
const fragment: Live = async (world) => {
  const client = await open(world, world.random(2) === 0 ? '/raw' : '/pulled', { answersPings: false })
  if (client === undefined) return
  const parts = 1 + world.random(12)
  for (let n = 0; n < parts; n++) {
    const bytes = Buffer.concat([
      encodeFrame({ opcode: n === 0 ? 1 : 0, fin: false, payload: 'é'.repeat(world.random(100)) }),
      ...(world.random(2) === 0 ? [encodeFrame({ opcode: 9, payload: 'between' })] : [])
    ])
    const cut = world.random(bytes.length)
    await client.write(bytes.subarray(0, cut))
    await world.pause(world.random(60) * world.pace)
    await client.write(bytes.subarray(cut))
  }
  await client.write(encodeFrame({ opcode: 0, payload: 'end' }))
  await untilAnswers(client, 1)
  if (answersOf(client)[0]?.endsWith('end') !== true) world.wrong(`fragments: ${describeEnd(client)}`)
  await leave(world, client, 'fragments')
}

const pingFlood: Live = async (world) => {
  const client = await open(world, '/raw')
  if (client === undefined) return
  if (world.random(2) === 0) client.pause()
  const pings = Buffer.concat(Array.from({ length: 200 }, (_, n) => encodeFrame({ opcode: 9, payload: `${n}` })))
  for (let n = 0; n < 10; n++) {
    await client.write(pings)
    await world.pause(20)
  }
  client.resume()
  await leave(world, client, 'pings')
}

/** Opens, and does nothing more until it is given up or leaves. */
function stall (path: string, bytes: (world: Surroundings) => Buffer, reads: boolean): Live {
  return async (world) => {
    const begun = bytes(world)
    const client = await open(world, path, { answersPings: begun.length === 0 })
    if (client === undefined) return
    await client.write(begun)
    if (!reads) client.pause()
    await world.pause(1_000 + world.random(8_000))
    if (world.random(2) === 0) client.reset()
    else client.destroy()
  }
}

const fuzz: Live = async (world) => {
  const client = await open(world, ['/raw', '/typed', '/pulled', '/stream', '/deaf'][world.random(5)] ?? '/raw')
  if (client === undefined) return
  for (let n = world.random(20); n >= 0 && !client.isOver; n--) {
    await client.write(fuzzFrame(world.random))
    if (world.random(4) === 0) await world.pause(world.random(50))
  }
  client.end()
  await client.untilEnd()
  if (client.ending === 'deadline' || client.fault !== undefined) world.wrong(`fuzz: ${describeEnd(client)}`)
}

/** Leaves while the other side is at something. */
function runAway (path: string): Live {
  return async (world) => {
    const client = await open(world, path)
    if (client === undefined) return
    for (let n = world.random(30); n >= 0; n--) await client.write(text(anyText(world, n)))
    await world.pause(world.random(150))
    if (world.random(2) === 0) client.reset()
    else client.destroy()
  }
}

/** A socket that says what it is told and keeps the start of what it hears. */
async function raw (world: Surroundings, bytes: string, ms: number): Promise<string> {
  const socket: Socket = connect({ port: world.port, host: '127.0.0.1' })
  let heard = ''
  let isEnded = false
  socket.on('error', () => {})
  socket.on('close', () => { isEnded = true })
  socket.on('data', (chunk: Buffer) => { if (heard.length < 4_000) heard += chunk.toString('latin1') })
  socket.write(bytes)
  // Counted, so that a process that is busy does not give up before it has looked.
  for (let waited = 0; waited < ms && !isEnded && !world.isOver(); waited += 50) await world.pause(50)
  if (world.random(2) === 0) socket.destroy()
  else socket.resetAndDestroy()
  return heard
}

/** Looks for the status that a handshake is refused with. */
function refuse (status: number, path: string, fields: readonly string[] = []): Live {
  return async (world) => {
    const heard = await raw(world, handshake(path, fields), 10_000)
    // A full server refuses everybody.
    if (!world.isOver() && !heard.startsWith(`HTTP/1.1 ${status} `) && !heard.startsWith('HTTP/1.1 503 ')) world.wrong(`${path}: ${JSON.stringify(heard.slice(0, 80))} in place of ${status}`)
  }
}

const halfHandshake: Live = async (world) => {
  const whole = handshake('/raw')
  await raw(world, whole.slice(0, world.random(whole.length)), world.random(6_000))
}

const leavesInHooks: Live = async (world) => {
  await raw(world, handshake('/hooked'), world.random(250))
}

const http: Live = async (world) => {
  const heard = await raw(world, head('GET /rest HTTP/1.1', ['Host: localhost', 'Connection: close']), 10_000)
  if (!world.isOver() && !heard.includes('rest')) world.wrong(`/rest: ${JSON.stringify(heard.slice(0, 80))}`)
}

const FAULTS: readonly Fault[] = ['stop', 'discard', 'end', 'reset', 'resetClient', 'resetServer']

function anyLane ({ random }: Surroundings): LaneOptions {
  return {
    ...(random(2) === 0 && { delay: random(80) }),
    ...(random(3) === 0 && { pieceSize: 1 + random(60) }),
    ...(random(3) === 0 && { bytesPerSecond: 2_000 + random(50_000) }),
    ...(random(2) === 0 && { after: { bytes: random(3_000), fault: FAULTS[random(FAULTS.length)] ?? 'stop' } })
  }
}

/** Talks over a bad network. */
const throughChaos: Live = async (world) => {
  const options: LinkOptions = { up: anyLane(world), down: anyLane(world) }
  const proxy = await ChaosProxy.start(world.port, options)
  let isDone = false
  const life = async (): Promise<void> => {
    const client = await open(world, ['/raw', '/pulled', '/async', '/stream'][world.random(4)] ?? '/raw', { port: proxy.port })
    for (let n = 0; n < 10 && client !== undefined && !client.isOver; n++) {
      await client.write(text(anyText(world, n)))
      await world.pause(world.random(200) * world.pace)
      if (world.random(12) === 0) proxy.links[0]?.inject(FAULTS[world.random(FAULTS.length)] ?? 'stop')
    }
    if (client !== undefined) await leave({ ...world, wrong: () => {} }, client, 'chaos')
  }
  void life().then(() => { isDone = true })
  // A line that is stopped has no end of its own.
  for (let n = 2 + world.random(60); n > 0 && !isDone && !world.isOver(); n--) await world.pause(100)
  await proxy.close()
}

const flood = (count: number) => (): Buffer => Buffer.concat(Array.from({ length: count }, (_, n) => text(`${n}`)))
const nothing = (): Buffer => Buffer.alloc(0)

/** How often each kind comes, and what it does. */
export const LIVES: ReadonlyArray<{ readonly name: string, readonly weight: number, readonly live: Live }> = [
  { name: 'talk raw', weight: 8, live: talk('/raw', anyText) },
  { name: 'talk typed', weight: 8, live: talk('/typed', anyTyped) },
  { name: 'talk pulled', weight: 5, live: talk('/pulled', anyText) },
  { name: 'talk async', weight: 5, live: talk('/async', anyText) },
  { name: 'talk waits', weight: 3, live: talk('/waits', anyText) },
  { name: 'talk stream', weight: 4, live: talk('/stream', anyText) },
  { name: 'talk slow', weight: 3, live: talk('/slow', anyText, 20) },
  { name: 'talk pauses', weight: 2, live: talk('/pauses', anyText, 4) },
  { name: 'talk paced', weight: 2, live: talk('/paced', (_, n) => `${n}`, 30) },
  { name: 'fragment', weight: 4, live: fragment },
  { name: 'ping flood', weight: 2, live: pingFlood },
  { name: 'fuzz', weight: 6, live: fuzz },
  { name: 'chaos', weight: 8, live: throughChaos },
  { name: 'stall, reads', weight: 3, live: stall('/deaf', nothing, true) },
  { name: 'stall, never reads', weight: 3, live: stall('/raw', nothing, false) },
  { name: 'stall, half a frame', weight: 3, live: stall('/raw', ({ random }) => text('half of it').subarray(0, 1 + random(15)), true) },
  { name: 'stall, half a message', weight: 2, live: stall('/typed', () => encodeFrame({ opcode: 1, fin: false, payload: '{' }), false) },
  { name: 'stall, firehose', weight: 2, live: stall('/firehose', nothing, false) },
  { name: 'stall, firehose that drops', weight: 2, live: stall('/firehose-drop', nothing, false) },
  { name: 'half a handshake', weight: 3, live: halfHandshake },
  { name: 'leaves in hooks', weight: 3, live: leavesInHooks },
  { name: 'runs away', weight: 4, live: runAway('/raw') },
  { name: 'runs away from slow', weight: 2, live: runAway('/slow') },
  { name: 'runs away from stream', weight: 2, live: runAway('/stream') },
  { name: 'runs away from pulled', weight: 2, live: runAway('/pulled') },
  { name: 'runs away from firehose', weight: 2, live: runAway('/firehose') },
  { name: 'handler throws', weight: 2, live: provoke('/throws', () => text('throw'), 1011) },
  { name: 'handler rejects', weight: 2, live: provoke('/throws', () => text('reject'), 1011) },
  { name: 'handler closes', weight: 2, live: provoke('/throws', () => Buffer.concat([text('close'), encodeFrame({ opcode: 8, payload: closePayload(4001) })]), 4001) },
  { name: 'handler terminates', weight: 2, live: provoke('/throws', () => text('terminate'), 1006) },
  { name: 'route throws', weight: 1, live: provoke('/throws-first', nothing, 1011) },
  { name: 'route rejects', weight: 1, live: provoke('/throws-late', nothing, 1011) },
  { name: 'loop breaks', weight: 1, live: talk('/breaks', anyText, 1) },
  { name: 'bad code', weight: 2, live: provoke('/raw', ({ random }) => encodeFrame({ opcode: 8, payload: closePayload([0, 999, 1004, 1005, 1006, 1015, 2999, 5000][random(8)] ?? 0) }), 1002) },
  { name: 'bad frame', weight: 2, live: provoke('/pulled', ({ random }) => encodeFrame({ opcode: 3 + random(5) }), 1002) },
  { name: 'bad text', weight: 1, live: provoke('/raw', () => encodeFrame({ opcode: 1, payload: Buffer.of(0xc3, 0x28) }), 1007) },
  { name: 'too big', weight: 1, live: provoke('/stream', () => encodeFrame({ opcode: 2, announced: 2n ** 40n }), 1009) },
  { name: 'bad message', weight: 2, live: provoke('/typed', () => text('{"type":"count","n":-1}'), 1008) },
  { name: 'no JSON', weight: 1, live: provoke('/typed', () => text('{'), 1007) },
  { name: 'no text', weight: 1, live: provoke('/typed', () => encodeFrame({ opcode: 2, payload: 'x' }), 1003) },
  { name: 'too many messages', weight: 2, live: provoke('/limited', flood(60), 1008) },
  { name: 'lives too long', weight: 2, live: provoke('/short', nothing, 1001) },
  { name: 'few', weight: 2, live: talk('/few', anyText, 3) },
  { name: 'foreign origin', weight: 2, live: refuse(403, '/raw', ['Origin: http://elsewhere.example']) },
  { name: 'hung hook', weight: 2, live: refuse(503, '/hung') },
  { name: 'hook throws', weight: 1, live: refuse(500, '/hook-throws') },
  { name: 'no such path', weight: 1, live: refuse(404, '/nowhere') },
  { name: 'HTTP', weight: 2, live: http }
]
