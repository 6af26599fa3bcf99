// Attacks on frames and messages, over TCP against the plugin. Each subtest's name starts with the attack's id.
import t from 'tap'
import type { Test } from 'tap'
import { encodeFrame as buildFrame, frameLength, textFrameBound, writeFrame, writeTextFrame } from '../../lib/protocol/frame-builder.ts'
import { openFrames } from '../helpers/frame-client.ts'
import type { FrameClient } from '../helpers/frame-client.ts'
import { escaped } from '../helpers/guard.ts'
import { closePayload, encodeFrame, maskBytes } from '../helpers/wire-frames.ts'
import type { FrameToSend } from '../helpers/wire-frames.ts'
import { startEchoServer } from './echo-server.ts'
import type { HeldConnection } from './echo-server.ts'
import { fuzzServer } from './live-fuzz.ts'
import type { Row } from './row.ts'
import { runPool, runRow, waysOf } from './run-row.ts'
import type { Way } from './run-row.ts'
import { acceptedArguments, acceptedCloses, refused, refusedCloses } from './send-arguments.ts'
import { closeCodeRows, closeRows, headerRows, lengthRows, textRows } from './threat-rows.ts'

const AT_ONCE = 16
/** A server that hangs is not waited for a thousand times. */
const MOST_FAILURES = 40

t.setTimeout(600_000)

const server = await startEchoServer()
t.teardown(() => server.close())

/** Runs rows in the ways that `wanted` lets through and tells where something else came than was wanted. */
async function findFailures (rows: readonly Row[], wanted: (way: Way) => boolean = () => true): Promise<{ runs: number, failures: unknown[] }> {
  const failures: unknown[] = []
  let runs = 0
  await runPool(rows.map((row) => async () => {
    for (const way of waysOf(row).filter(wanted)) {
      if (failures.length > MOST_FAILURES) return
      const { got, want } = await runRow(server.port, '/echo', row, way)
      runs++
      if (got.join('\n') !== want.join('\n')) failures.push({ row: row.title, way: way.name, got, want })
    }
  }), AT_ONCE)
  return { runs, failures }
}

const isOneCut = ({ name }: Way): boolean => name.startsWith('cut at ')

for (const { name, rows, wanted } of [
  { name: 'T02 a length with the top bit, over the limit or not minimal', rows: lengthRows },
  { name: 'T07 a header that breaks a rule fails with the byte that shows it', rows: headerRows },
  { name: 'T08 text that is not UTF-8 fails with its first impossible byte', rows: textRows, wanted: (way: Way) => !isOneCut(way) },
  { name: 'T09 a Close with every code from 0 to 5000, and 65535', rows: closeCodeRows, wanted: ({ name }: Way) => name === 'as told' },
  { name: 'T09 a Close with a wrong payload, and with the longest right one', rows: closeRows }
]) {
  t.test(name, async (t) => {
    const { runs, failures } = await findFailures(rows, wanted)
    t.ok(runs >= rows.length, `${runs} connections for ${rows.length} rows`)
    t.strictSame(failures.slice(0, 5), [], `${failures.length} failures`)
  })
}

t.test('T10 random and mutated frames end in events or a close', async (t) => {
  const seed = Number(process.env['FUZZ_SEED'] ?? 20_260)
  const total = Number(process.env['FUZZ_FRAMES'] ?? 20_000)
  t.comment(`FUZZ_SEED=${seed} FUZZ_FRAMES=${total}`)
  const { seen, wrong } = await fuzzServer({ port: server.port, seed, frames: total })
  t.strictSame(wrong.slice(0, 5), [])
  t.comment([...seen].sort().map(([what, count]) => `${what}: ${count}`).join(', '))
  for (const what of ['no Close', 'Close 1002', 'Close 1007', 'Close 1008', 'Close 1009', 'opcode 1', 'opcode 2', 'opcode 10']) {
    t.ok(seen.has(what), `${what} was among what came back`)
  }

  for (const path of ['/echo', '/pulled', '/typed']) {
    const client = await openFrames({ port: server.port, path })
    const note = '{"type":"note","text":"still here"}'
    await client.write(encodeFrame({ opcode: 1, payload: note }))
    await client.untilFrames(1)
    t.equal(client.frames[0]?.payload.toString(), note, `${path} goes on`)
    client.end()
    t.equal(await client.untilEnd(), 'fin')
  }
  t.strictSame(escaped, [], 'nothing has escaped to the process')
})

/** Opens a connection to the route that does nothing; returns both of its ends. */
async function openHeld (): Promise<{ client: FrameClient, connection: HeldConnection }> {
  const client = await openFrames({ port: server.port, path: '/held' })
  const connection = server.held.pop()
  if (connection === undefined) throw new Error('the handler has not run before the 101 was read')
  return { client, connection }
}

type Method = 'send' | 'sendAndWait' | 'ping' | 'pong' | 'close'

/** Calls a method with arguments that its type forbids. */
function call (connection: HeldConnection, method: Method, args: readonly unknown[]): unknown {
  return Reflect.apply(connection[method], connection, args)
}

/** Tells the code of the error that a call throws or rejects with. */
async function errorOf (connection: HeldConnection, method: Method, args: readonly unknown[]): Promise<string> {
  try {
    await call(connection, method, args)
  } catch (error) {
    const { name, code } = error as { name?: unknown, code?: unknown } // every thrown object may be asked for both
    return `${String(name)} ${String(code)}`
  }
  return 'no error'
}

/** Ends a connection from the client's side and checks all the bytes that the server has sent before its answer. */
async function checkBytes (t: Test, client: FrameClient, frames: ReadonlyArray<{ name: string, bytes: Buffer }>): Promise<void> {
  await client.write(encodeFrame({ opcode: 8, payload: closePayload(1000) }))
  t.equal(await client.untilEnd(), 'fin')
  const raw = client.raw
  const different: string[] = []
  let at = 0
  for (const { name, bytes } of [...frames, { name: 'Close', bytes: encodeFrame({ opcode: 8, payload: closePayload(1000), mask: null }) }]) {
    if (!raw.subarray(at, at + bytes.length).equals(bytes)) different.push(name)
    at += bytes.length
  }
  t.strictSame(different, [], `${frames.length} frames byte by byte`)
  t.equal(raw.length, at, 'and nothing else')
}

const unmasked = (frame: FrameToSend): Buffer => encodeFrame({ ...frame, mask: null })

for (const method of ['send', 'sendAndWait'] as const) {
  t.test(`T11 ${method} sends the bytes of every accepted argument and no others`, async (t) => {
    const { client, connection } = await openHeld()
    const frames: Array<{ name: string, bytes: Buffer }> = []
    let total = 0
    for (const { name, value, bytes, isText } of acceptedArguments()) {
      await call(connection, method, [value])
      const frame = unmasked({ opcode: isText ? 1 : 2, payload: bytes })
      frames.push({ name, bytes: frame })
      total += frame.length
      await client.untilBytes(total)
    }
    for (const [name, value] of [...refused, ['undefined', undefined] as const]) {
      t.equal(await errorOf(connection, method, [value]), 'UsageError FST_WS_UNSUPPORTED_DATA', `refuses ${name}`)
    }
    t.equal(await errorOf(connection, method, []), 'UsageError FST_WS_UNSUPPORTED_DATA', 'refuses nothing at all')
    await checkBytes(t, client, frames)
  })
}

for (const [method, opcode] of [['ping', 9], ['pong', 10]] as const) {
  t.test(`T11 ${method} sends the bytes of every accepted argument and no others`, async (t) => {
    const { client, connection } = await openHeld()
    call(connection, method, [])
    call(connection, method, [undefined])
    const frames = ['nothing', 'undefined'].map((name) => ({ name, bytes: unmasked({ opcode }) }))
    for (const { name, value, bytes } of acceptedArguments()) {
      if (bytes.length > 125) {
        t.equal(await errorOf(connection, method, [value]), 'UsageError FST_WS_CONTROL_DATA_TOO_LONG', `refuses ${name}`)
        continue
      }
      call(connection, method, [value])
      frames.push({ name, bytes: unmasked({ opcode, payload: bytes }) })
    }
    for (const [name, value] of refused) {
      t.match(await errorOf(connection, method, [value]), /^UsageError FST_WS_/, `refuses ${name}`)
    }
    await checkBytes(t, client, frames)
  })
}

t.test('T11 close sends its code and reason, or throws and leaves the connection open', async (t) => {
  for (const { args, code, reason } of acceptedCloses) {
    const { client, connection } = await openHeld()
    call(connection, 'close', args)
    await client.untilFrames(1)
    const payload = code === undefined ? '' : closePayload(code, new TextEncoder().encode(reason))
    t.equal(client.raw.toString('hex'), unmasked({ opcode: 8, payload }).toString('hex'), `close(${args.map(String).join(', ')})`)
    await client.write(encodeFrame({ opcode: 8, payload }))
    t.equal(await client.untilEnd(), 'fin')
  }
  for (const { args, error } of refusedCloses) {
    const { client, connection } = await openHeld()
    t.equal(await errorOf(connection, 'close', args), `UsageError ${error}`, `refuses ${args.map(String).join(', ')}`)
    t.equal(connection.readyState, connection.OPEN)
    await checkBytes(t, client, [])
  }
})

const FRAMES = 100_000

/** Masks of that many client frames, built in each of the ways that the builder has. */
function collectMasks (): Uint32Array {
  const target = Buffer.alloc(textFrameBound('always the same'))
  const payload = Buffer.from('always the same')
  return Uint32Array.from({ length: FRAMES }, (_, i) => {
    if (i % 3 === 0) return buildFrame({ role: 'client', opcode: 2 }, payload).readUInt32BE(2)
    if (i % 3 === 1) writeFrame(target, 0, 'client', 2, payload)
    if (i % 3 === 2) writeTextFrame(target, 0, 'client', 'always the same')
    return target.readUInt32BE(2)
  })
}

t.test('T12 a client masks every frame with a key that nothing foretells', async (t) => {
  const { random } = Math
  const { now } = Date
  t.teardown(() => {
    Object.assign(Math, { random })
    Object.assign(Date, { now })
  })
  // a generator that hangs on one of these repeats itself
  Object.assign(Math, { random: () => 0.5 })
  Object.assign(Date, { now: () => 0 })
  const masks = collectMasks()

  // of 1e5 numbers of 32 bits, 1.2 pairs are the same; of so many differences too
  const repeats = (numbers: Uint32Array): number => numbers.length - new Set(numbers).size
  t.ok(repeats(masks) < 12, `${repeats(masks)} repeats`)
  for (const [name, step] of [['xor', (a: number, b: number) => a ^ b], ['difference', (a: number, b: number) => a - b]] as const) {
    const steps = masks.map((mask, i) => step(mask, masks[i - 1] ?? 0))
    t.ok(repeats(steps) < 12, `${repeats(steps)} repeats in the ${name} with the mask before`)
  }
  for (const shift of [0, 8, 16, 24]) {
    const counts = new Uint32Array(256)
    for (const mask of masks) {
      const byte = (mask >>> shift) & 0xff
      counts[byte] = (counts[byte] ?? 0) + 1
    }
    // 390 of each are to be expected, with a deviation of 20
    t.ok(Math.min(...counts) > 260 && Math.max(...counts) < 520, `byte ${shift / 8} takes every value as often`)
  }
})

t.test('T12 a client applies the key that the frame tells', async (t) => {
  for (const length of [0, 1, 2, 3, 4, 5, 125, 126, 65_535, 65_536]) {
    const payload = Buffer.alloc(length, 'payload')
    const frame = buildFrame({ role: 'client', opcode: 2 }, payload)
    const header = frameLength(length, 'client') - length
    const mask = frame.subarray(header - 4, header)
    t.equal(frame.compare(encodeFrame({ opcode: 2, payload, mask })), 0, `${length} bytes`)
    t.equal(maskBytes(frame.subarray(header), mask).compare(payload), 0)
  }
})

t.test('T10 nothing has escaped to the process and nothing is left open', async (t) => {
  t.strictSame(escaped, [])
  await server.census.untilIdle()
  t.equal(server.census.closed, server.census.opened, 'every connection told its end once')
})
