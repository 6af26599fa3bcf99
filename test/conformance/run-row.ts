// Runs a row against a server over TCP, in each of the ways that its bytes can be cut, and tells what came back.
import { constants, inflateRawSync } from 'node:zlib'
import { openFrames, turn } from '../helpers/frame-client.ts'
import type { FrameClient } from '../helpers/frame-client.ts'
import { closeCodeOf } from '../helpers/wire-frames.ts'
import type { ReceivedFrame } from '../helpers/wire-frames.ts'
import { close, split, text, wantText } from './row.ts'
import type { Row, Stage, WantedFrame } from './row.ts'

/** What came and what should have, as lines to compare. */
export interface Outcome {
  readonly got: readonly string[]
  readonly want: readonly string[]
}

/** One way to send a row's bytes. */
export interface Way {
  readonly name: string
  readonly run: (client: FrameClient, row: Row) => Promise<Outcome>
}

/** Up to so many bytes a row is also sent with one cut, at every place in turn. */
const SHORT = 160
/** Up to so many bytes a row is sent byte by byte; beyond it the cuts stand around the headers, with some between. */
const BY_BYTES = 600
/** Beyond so many bytes a row is sent as it says and in no other way. */
const LARGE = 8 * 1024 * 1024
/** Turns of the event loop within which an answer would have come: write, read, answer, read, and some more. */
const QUIET_TURNS = 8

const NAMES = new Map([[0, 'continuation'], [1, 'text'], [2, 'binary'], [8, 'close'], [9, 'ping'], [10, 'pong']])

function describe ({ opcode, payload }: WantedFrame): string {
  const bytes = payload.length <= 64 ? payload.toString('hex') : `of ${payload.length} bytes`
  return `${NAMES.get(opcode)} ${bytes}`
}

/** Tells a frame in the words of the one that was wanted at its place when it is that one. */
function describeReceived (frame: ReceivedFrame, wanted: WantedFrame | undefined, closeCodes: readonly number[]): string {
  if (frame.opcode === 8) {
    const code = closeCodeOf(frame.payload)
    return `close ${closeCodes.includes(code) ? closeCodes.join(' or ') : code}`
  }
  const words = `${frame.fin ? '' : 'fragment of '}${describe(frame)}`
  if (wanted === undefined) return `${words}, not wanted`
  return frame.opcode === wanted.opcode && frame.payload.equals(wanted.payload) ? words : `${words}, not ${describe(wanted)}`
}

const TAIL = Buffer.from('0000ffff', 'hex')

/** Frames with their payloads inflated, where they are compressed; the server sends no fragments. */
function inflateFrames ({ frames, extensions }: FrameClient): ReceivedFrame[] {
  const keepsContext = !extensions.includes('server_no_context_takeover')
  const parts: Buffer[] = []
  let before = 0
  return frames.map((frame) => {
    if (frame.compressed !== true) return frame
    // all of them are one stream, if each may look back to those before
    if (!keepsContext) parts.length = before = 0
    parts.push(frame.payload, TAIL)
    const bytes = inflateRawSync(Buffer.concat(parts), { finishFlush: constants.Z_SYNC_FLUSH })
    const payload = bytes.subarray(before)
    before = bytes.length
    return { ...frame, payload }
  })
}

/** Compares all that a client has received, until the server's FIN, with what it should have. */
async function conclude (client: FrameClient, want: readonly WantedFrame[], closeCodes: readonly number[], early: readonly string[] = []): Promise<Outcome> {
  const ending = await client.untilEnd()
  return {
    got: [
      ...early,
      ...inflateFrames(client).map((frame, i) => describeReceived(frame, want[i], closeCodes)),
      client.fault === undefined ? ending : client.fault.message
    ],
    want: [...want.map(describe), `close ${closeCodes.join(' or ')}`, 'fin']
  }
}

const wantOf = (row: Row): WantedFrame[] => row.stages.flatMap((stage) => stage.want)
const piecesOf = (row: Row): Buffer[] => [...row.stages.flatMap((stage) => stage.pieces), ...row.unsent ?? []]
const wireOf = (row: Row): Buffer => Buffer.concat(piecesOf(row))

async function sendStage (client: FrameClient, { pieces, chop }: Stage): Promise<void> {
  const bytes = Buffer.concat(pieces)
  if (chop === undefined) return await client.write(bytes)
  await client.writeCut(bytes, endsOf(chop === 'piece' ? pieces : split(bytes, chop)))
}

/** Where each piece ends in all of them together. */
function endsOf (pieces: readonly Buffer[]): number[] {
  let end = 0
  return pieces.map((piece) => { end += piece.length; return end })
}

/** Stage by stage, as the row says. */
async function runAsTold (client: FrameClient, row: Row): Promise<Outcome> {
  const early: string[] = []
  let wanted = 0
  for (const [i, stage] of row.stages.entries()) {
    const isLast = i === row.stages.length - 1
    await sendStage(client, stage)
    wanted += stage.want.length
    if (isLast && row.closeCodes !== undefined) break
    await client.untilFrames(wanted)
    if (stage.want.length > 0) continue
    for (let n = 0; n < QUIET_TURNS; n++) await turn()
    if (client.isOver) early.push(`closed in stage ${i + 1}`)
  }
  return await finish(client, row, early)
}

/** Closes for a row that does not close by itself, when everything has come. */
async function finish (client: FrameClient, row: Row, early: readonly string[] = []): Promise<Outcome> {
  const want = wantOf(row)
  if (row.closeCodes !== undefined) return await conclude(client, want, row.closeCodes, early)
  await client.untilFrames(want.length)
  await client.write(close(1000))
  return await conclude(client, want, [1000], early)
}

async function runInOneWrite (client: FrameClient, row: Row): Promise<Outcome> {
  await client.write(wireOf(row))
  return await finish(client, row)
}

/** With one more text behind it, which is echoed if the row allows, and the client's Close, in the same write. */
async function runWithNextBehind (client: FrameClient, row: Row): Promise<Outcome> {
  const next = 'the next frame'
  await client.write(Buffer.concat([wireOf(row), text(next), close(1000)]))
  if (row.closeCodes !== undefined) return await conclude(client, wantOf(row), row.closeCodes)
  return await conclude(client, [...wantOf(row), wantText(next)], [1000])
}

/** Only so far that the server can know: it must close without the rest. */
async function runToProof (client: FrameClient, row: Row): Promise<Outcome> {
  await client.write(wireOf(row).subarray(0, row.proof))
  return await finish(client, row)
}

function cutAt (name: string, cuts: readonly number[]): Way {
  return {
    name,
    run: async (client, row) => {
      await client.writeCut(wireOf(row), cuts)
      return await finish(client, row)
    }
  }
}

const upTo = (end: number): number[] => Array.from({ length: Math.max(0, end - 1) }, (_, i) => i + 1)

/** Cuts inside and behind the headers of the first and last pieces, before their last bytes, and some in between. */
function sampleCuts (pieces: readonly Buffer[]): number[] {
  const ends = endsOf(pieces)
  const length = ends.at(-1) ?? 0
  const near = [...ends.slice(0, 3), ...ends.slice(-3)]
  const starts = [0, ...near].flatMap((start) => [start - 1, ...Array.from({ length: 20 }, (_, i) => start + i)])
  const between = Array.from({ length: 50 }, (_, i) => Math.floor(length * (i + 1) / 51))
  return [...new Set([...starts, ...between])].filter((cut) => cut > 0 && cut < length).sort((a, b) => a - b)
}

/** All ways that a row is to be run in. */
export function waysOf (row: Row): Way[] {
  const ways: Way[] = [{ name: 'as told', run: runAsTold }]
  const { length } = wireOf(row)
  if (length > LARGE) return ways
  ways.push({ name: 'in one write', run: runInOneWrite }, { name: 'with the next frame behind', run: runWithNextBehind })
  if (row.proof !== undefined) ways.push({ name: 'no further than needed', run: runToProof })
  ways.push(length <= BY_BYTES ? cutAt('byte by byte', upTo(length)) : cutAt('cut around headers', sampleCuts(piecesOf(row))))
  // a cut behind the proof would be the same as none
  if (length <= SHORT) ways.push(...upTo(row.proof ?? length).map((cut) => cutAt(`cut at ${cut}`, [cut])))
  return ways
}

/** Milliseconds that one connection may take: a server that hangs fails it, a machine that is busy should not. */
const DEADLINE = 20_000
/** Rows with megabytes or thousands of pieces take seconds as it is. */
const LARGE_DEADLINE = 90_000
const LONG = 256 * 1024

/** Runs one row in one way over a connection of its own. */
export async function runRow (port: number, path: string, row: Row, way: Way): Promise<Outcome> {
  const isLarge = row.stages.length > 2 || wireOf(row).length > LONG
  const client = await openFrames({ port, path, deadline: isLarge ? LARGE_DEADLINE : DEADLINE, ...(row.offer !== undefined && { offer: row.offer }) })
  return await way.run(client, row)
}

/** Runs jobs, so many at once, in order of their start. */
export async function runPool (jobs: ReadonlyArray<() => Promise<void>>, width: number): Promise<void> {
  const queue = jobs.values()
  await Promise.all(Array.from({ length: width }, async () => {
    for (const job of queue) await job()
  }))
}
