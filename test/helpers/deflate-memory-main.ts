// Runs attacks with compressed messages in a process of its own, in which nothing else keeps track of what it does, and sends its
// figures to the test that has started it. The peers are here as well; their bytes are made before anything is measured.
import type { DeflateSettings } from '../../lib/connection/deflate/settings.ts'
import { untilAtRest } from './at-rest.ts'
import { connectionOn, memoryUsed, openSockets, Peer, turns, untilClosed, untilTrue } from './connection-pair.ts'
import { noise, pack, packAll, prose, settingsOf, WITH_CONTEXT } from './deflate.ts'
import { escaped } from './guard.ts'
import { encodeFrame } from './wire-frames.ts'

const MiB = 1_048_576
const GiB = 1024 * MiB

/** Bytes of heap and buffers above the beginning. */
export interface BombFigures {
  readonly name: string
  /** Of the payload. */
  readonly size: number
  readonly closeCodes: readonly number[]
  readonly messages: number
  /** At the height, garbage included. */
  readonly peak: number
  /** The same of the whole process. */
  readonly rss: number
  readonly held: number
}

export interface LivesFigures {
  readonly count: number
  readonly held: number
  /** What happened behind `close`, and what escaped. */
  readonly faults: readonly string[]
  /** Sockets and work of zlib that are left. */
  readonly resources: readonly string[]
}

/** The payload of so many zeros: one of 16 MiB again and again, as its blocks look back to nothing but themselves. */
function packZeros (size: number): Buffer {
  const part = Buffer.concat([pack(Buffer.alloc(16 * MiB)), Buffer.from([0x00, 0x00, 0xff, 0xff])])
  return Buffer.concat(Array.from({ length: size / 16 / MiB }, () => part)).subarray(0, -4)
}

function compressedFrames (payload: Buffer, fragmentLength = Infinity): Buffer {
  const frames: Buffer[] = []
  for (let at = 0; at < payload.length; at += fragmentLength) {
    const end = Math.min(at + fragmentLength, payload.length)
    frames.push(encodeFrame({ opcode: at === 0 ? 2 : 0, rsv: at === 0 ? 0b100 : 0, fin: end === payload.length, payload: payload.subarray(at, end) }))
  }
  return Buffer.concat(frames)
}

/** Sends frames to a connection until it fails. */
async function attack (deflate: DeflateSettings, wire: Buffer): Promise<{ code: number | undefined, messages: number }> {
  const { near, far } = await openSockets()
  const peer = new Peer(far, true, true)
  const { connection } = connectionOn(near, { deflate, maxPayload: MiB })
  let messages = 0
  connection.on('message', () => { messages++ })
  const closed = untilClosed(connection)
  far.write(wire)
  const [frame] = await peer.untilFrames(1)
  far.destroy()
  near.destroy()
  await closed
  return { code: frame?.payload.readUInt16BE(), messages }
}

/** Waits until connections that were awake have been asked to rest: so long they are kept. */
async function settle (): Promise<void> {
  await untilAtRest()
}

async function dropBomb (name: string, size: number, deflate: DeflateSettings, wire: Buffer): Promise<BombFigures> {
  // For what the first ones bring into being.
  for (let n = 0; n < 3; n++) await attack(deflate, wire)
  await settle()
  const before = await memoryUsed()
  const rssBefore = process.memoryUsage.rss()
  let peak = 0
  let rss = 0
  let isOver = false
  // In each turn of the event loop: zlib calls back for every 64 KiB.
  const look = (): void => {
    const usage = process.memoryUsage()
    peak = Math.max(peak, usage.heapUsed + usage.external - before)
    rss = Math.max(rss, usage.rss - rssBefore)
    if (!isOver) setImmediate(look)
  }
  look()
  const first = await attack(deflate, wire)
  isOver = true
  const results = [first]
  for (let n = 0; n < 5; n++) results.push(await attack(deflate, wire))
  await settle()
  return {
    name, size, peak, rss, held: await memoryUsed() - before, closeCodes: results.map(({ code }) => code ?? 0), messages: results.reduce((sum, { messages }) => sum + messages, 0)
  }
}

async function dropBombs (): Promise<BombFigures[]> {
  const bomb = packZeros(GiB)
  const [first = bomb] = await packAll([prose(1000)])
  const whole = compressedFrames(bomb)
  const drop = async (name: string, deflate: DeflateSettings, wire: Buffer): Promise<BombFigures> => await dropBomb(name, bomb.length, deflate, wire)
  return [
    await drop('whole', settingsOf(), whole),
    await drop('in fragments', settingsOf(), compressedFrames(bomb, 4000)),
    await drop('with context, behind another message', settingsOf(WITH_CONTEXT), Buffer.concat([compressedFrames(first), whole])),
    await drop('by what Node documents', settingsOf(WITH_CONTEXT, { keepsHandles: false }), compressedFrames(bomb, 60_000))
  ]
}

const SETTINGS = [settingsOf(), settingsOf(WITH_CONTEXT)]
// As little as another thread is asked for, and what is wrong.
const large = pack(Buffer.alloc(270_000, 'a'))
const payloads = [large, pack('small'), large, pack(prose(500)), Buffer.from([7]), pack(noise(66_000), { level: 0 }).subarray(0, 65_700), pack(prose(10_000)).subarray(0, 500)]
const wires = payloads.map((payload, n) => compressedFrames(payload, n === 2 ? 100 : Infinity))
const texts = ['a'.repeat(66_000), 'small', prose(100), prose(500), 'b'.repeat(66_000)]
const faults: string[] = []

/** One short life of a connection: something is inflated, something is compressed, and it ends at some moment of that. */
async function liveShortly (number: number): Promise<void> {
  const { near, far } = await openSockets()
  const peer = new Peer(far, true, true)
  const { connection } = connectionOn(near, { deflate: SETTINGS[number % 2]!, maxPayload: MiB, closeTimeout: 5_000, highWaterMark: 64 * MiB }) // one of two
  let hasClosed = false
  const note = (event: string) => () => { if (hasClosed) faults.push(`${event} behind close, in life ${number}`) }
  for (const event of ['message', 'ping', 'drain', 'error', 'slow'] as const) connection.on(event, note(event))
  const closed = new Promise<void>((resolve) => {
    connection.on('close', () => {
      note('close')()
      hasClosed = true
      resolve()
    })
  })
  const wait = connection.sendAndWait(texts[number % texts.length]).catch(() => {})
  connection.send('behind it')
  far.write(wires[number % wires.length] ?? '')
  await turns(number % 4)
  const end = number % 6
  if (end === 0) connection.terminate()
  else if (end === 1) far.resetAndDestroy()
  else if (end === 2) connection.close(1000)
  else if (end === 3) peer.close(1000)
  else if (end === 4) far.end()
  else near.destroy()
  if (end === 2) peer.close(1000)
  await Promise.all([closed, wait])
  far.destroy()
}

async function live (from: number, to: number): Promise<void> {
  for (let n = from; n < to; n += 20) await Promise.all(Array.from({ length: 20 }, (_, i) => liveShortly(n + i)))
  await untilTrue(() => resources().length === 0)
}

function resources (): string[] {
  return process.getActiveResourcesInfo().filter(name => /^TCPSocketWrap|zlib/i.test(name))
}

async function liveAndDie (count: number): Promise<LivesFigures> {
  await live(0, 1000)
  await settle()
  const before = await memoryUsed()
  await live(1000, 1000 + count)
  await settle()
  return { count, held: await memoryUsed() - before, faults: [...faults, ...escaped], resources: resources() }
}

const [kind] = process.argv.slice(2)
const figures = kind === 'bombs' ? await dropBombs() : await liveAndDie(4_000)
process.send?.(figures, () => process.disconnect())
