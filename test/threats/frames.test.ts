// Attacks by frames on a route of the plugin, over TCP: sizes that are announced, fragments, segments. What such an attack
// may make the server hold is in memory.test.ts; frames that break a rule are in test/conformance/threats.test.ts.
import type { Socket } from 'node:net'
import t from 'tap'
import type { Test } from 'tap'
import type { WebSocketRouteOptions } from '../../types/index.ts'
import { makeApp } from '../helpers/app.ts'
import { turns, untilTrue } from '../helpers/connection-pair.ts'
import { openFrames, turn } from '../helpers/frame-client.ts'
import type { FrameClient } from '../helpers/frame-client.ts'
import '../helpers/guard.ts'
import { handshake } from '../helpers/raw-client.ts'
import type { RawClient } from '../helpers/raw-client.ts'
import { closeCodeOf, encodeFrame } from '../helpers/wire-frames.ts'

const KiB = 1024
const MiB = 1024 * KiB

t.setTimeout(600_000)

/** Header of a frame that announces so many bytes, without its key and its payload: as far as the server has to look. */
function announce (opcode: number, length: number, fin = true): Buffer {
  return encodeFrame({ opcode, fin, announced: BigInt(length) }).subarray(0, -4)
}

const fragment = (length: number, first: number): Buffer => encodeFrame({ opcode: first, fin: false, payload: Buffer.alloc(length, 'a') })

/** Opens a client to an echo of a limit of its own. A server that waits for more than it needs waits beyond the client's deadline. */
async function openEcho (t: Test, maxPayload = MiB): Promise<FrameClient> {
  const { app, listen } = await makeApp(t, { plugin: { maxPayload, closeTimeout: 60_000 } })
  app.get('/ws', { websocket: true }, (connection) => { connection.on('message', (message) => { connection.send(message) }) })
  const client = await openFrames({ port: await listen(), path: '/ws' })
  t.teardown(() => client.destroy())
  return client
}

const codeOf = (client: FrameClient): number | undefined => client.closeFrame === undefined ? undefined : closeCodeOf(client.closeFrame.payload)

for (const { name, before = [], bad } of [
  { name: 'a text of a byte too much', bad: announce(1, MiB + 1) },
  { name: 'a binary message of a byte too much', bad: announce(2, MiB + 1) },
  { name: 'of 2^31 bytes', bad: announce(2, 2 ** 31) },
  { name: 'of 2^53 - 1 bytes', bad: announce(2, 2 ** 53 - 1) },
  { name: 'a first fragment of a byte too much', bad: announce(1, MiB + 1, false) },
  { name: 'a full first fragment, and one byte more', before: [fragment(MiB, 2)], bad: announce(0, 1) },
  { name: 'a full first fragment, and one byte more that is not the last', before: [fragment(MiB, 1)], bad: announce(0, 1, false) },
  { name: 'two halves, the second a byte too long', before: [fragment(MiB / 2, 2)], bad: announce(0, MiB / 2 + 1) },
  { name: 'a hundred fragments, and one too large', before: Array.from({ length: 100 }, (_, i) => fragment(100, i === 0 ? 1 : 0)), bad: announce(0, MiB - 9_999) }
]) {
  t.test(`T01 ${name}: 1009 on the header alone`, async (t) => {
    const client = await openEcho(t)
    for (const frame of before) await client.write(frame)
    // a ping behind them: all has been read that came before the header
    await client.write(encodeFrame({ opcode: 9 }))
    await client.untilFrames(1)
    t.equal(client.isOver, false)
    await client.write(bad)
    // one turn for the server to read and answer, some for the bytes to come back
    await turns(8)
    t.equal(codeOf(client), 1009)
    t.equal(await client.untilEnd(), 'fin')
    t.equal(client.frames.length, 2, 'nothing was echoed')
  })
}

t.test('T01 the limit itself, whole and in fragments, is not too much', async (t) => {
  const client = await openEcho(t, 10_000)
  await client.write(Buffer.concat([
    encodeFrame({ opcode: 2, payload: Buffer.alloc(10_000) }),
    fragment(5_000, 2), encodeFrame({ opcode: 0, payload: Buffer.alloc(5_000) }),
    encodeFrame({ opcode: 1, payload: 'a'.repeat(10_000) })
  ]))
  await client.untilFrames(3)
  t.same(client.frames.map(({ payload }) => payload.length), [10_000, 10_000, 10_000])
  await client.write(encodeFrame({ opcode: 2, announced: 10_001n }))
  t.equal(await client.untilEnd(), 'fin')
  t.equal(codeOf(client), 1009)
})

const empty = (count: number, first = 0): Buffer => Buffer.concat(Array.from({ length: count }, (_, i) => encodeFrame({ opcode: i === 0 ? first : 0, fin: false })))

for (const { name, wire } of [
  { name: 'alone', wire: empty(20_000, 1) },
  { name: 'behind a fragment with a byte', wire: Buffer.concat([fragment(1, 2), empty(20_000)]) },
  { name: 'with pings between them', wire: Buffer.concat([fragment(1, 2), ...Array.from({ length: 200 }, () => [empty(100), encodeFrame({ opcode: 9 })]).flat()]) },
  { name: 'in the second message', wire: Buffer.concat([encodeFrame({ opcode: 1, payload: 'a' }), empty(20_000, 1)]) }
]) {
  t.test(`T03 empty fragments without end, ${name}: 1008`, async (t) => {
    const client = await openEcho(t)
    await client.write(wire)
    t.equal(await client.untilEnd(), 'fin')
    t.equal(codeOf(client), 1008)
  })
}

t.test('T03 many empty fragments that are no flood', async (t) => {
  const client = await openEcho(t)
  const pause = Buffer.concat([empty(1000), encodeFrame({ opcode: 0, payload: 'b', fin: false })])
  await client.write(Buffer.concat([fragment(1, 1), pause, pause, pause, encodeFrame({ opcode: 0 })]))
  await client.untilFrames(1)
  t.same(client.frames.map(({ opcode, payload }) => `${opcode} ${payload}`), ['1 abbb'])
})

t.test('T03 a message of as many one-byte fragments as its limit has bytes is delivered, one more is refused', async (t) => {
  const client = await openEcho(t)
  const bytes = Buffer.alloc(MiB, 'one-byte fragments')
  const wire = Buffer.concat(Array.from(bytes, (byte, i) => encodeFrame({ opcode: i === 0 ? 2 : 0, fin: i === MiB - 1, payload: Buffer.of(byte) })))
  await client.write(wire)
  await client.untilFrames(1)
  t.ok(client.frames[0]?.payload.equals(bytes), 'byte by byte')
  wire.writeUInt8(0, wire.length - 7)
  await client.write(Buffer.concat([wire, encodeFrame({ opcode: 0, payload: 'x' })]))
  t.equal(await client.untilEnd(), 'fin')
  t.equal(codeOf(client), 1009)
})

/** Sends bytes one by one so that the server reads them one by one; returns the CPU, in ms, that this process needed. */
async function trickle (client: RawClient, near: Socket, bytes: Uint8Array): Promise<number> {
  const socket = client.socket.setNoDelay(true)
  const before = process.cpuUsage()
  let single = 0
  for (let at = 0; at < bytes.length; at++) {
    const { bytesRead } = near
    socket.write(bytes.subarray(at, at + 1))
    await turn()
    if (near.bytesRead - bytesRead === 1) single++
  }
  const { user, system } = process.cpuUsage(before)
  if (single < bytes.length * 0.99) throw new Error(`only ${single} of ${bytes.length} bytes were read one by one`)
  return (user + system) / 1000
}

/** A server that tells the lengths of messages, and the sockets that it has accepted. */
async function startCounter (t: Test, websocket: WebSocketRouteOptions | true = true): Promise<{ open: () => Promise<{ client: RawClient, near: Socket }>, got: number[] }> {
  const { app, listen, open } = await makeApp(t, { server: { logger: false } })
  const accepted: Socket[] = []
  app.server.on('connection', (socket: Socket) => { accepted.push(socket) })
  const got: number[] = []
  app.get('/ws', { websocket }, (connection) => {
    connection.on('message', (message) => { got.push((message as string | Buffer).length) })
  })
  await listen()
  return {
    got,
    async open () {
      const client = await open()
      await client.write(handshake('/ws')).untilAnswers(1)
      const near = accepted.at(-1)
      if (near === undefined) throw new Error('the server has accepted no socket')
      return { client, near }
    }
  }
}

/** Four times the bytes: four times the work if it is linear, up to sixteen times if it is not. */
function checkLinear (t: Test, what: string, sizes: readonly number[], times: readonly number[]): void {
  const [small = 0, middle = 0, large = 0] = times
  t.comment(`peak T04 CPU of ${sizes.join(', ')} KiB ${what}: ${times.map(Math.round).join(', ')} ms`)
  t.ok(middle < small * 8 && large < middle * 8, `${(middle / small).toFixed(2)} and ${(large / middle).toFixed(2)} times the work`)
}

for (const { name, opcode } of [{ name: 'binary', opcode: 2 }, { name: 'text', opcode: 1 }]) {
  t.test(`T04 a ${name} message in one-byte segments: CPU is linear in its size`, async (t) => {
    const { open, got } = await startCounter(t)
    const sizes = [4, 16, 64]
    const times: number[] = []
    // the first one is for the compiler alone
    for (const size of [2, ...sizes]) {
      const { client, near } = await open()
      times.push(await trickle(client, near, encodeFrame({ opcode, payload: Buffer.alloc(size * KiB, 'one-byte segments') })))
      await untilTrue(() => got.at(-1) === size * KiB)
      client.destroy()
    }
    checkLinear(t, `of ${name} in one-byte segments, both ends`, sizes, times.slice(1))
  })

  // Without the kernel, whose part is linear and so large that ours would not show.
  t.test(`T04 a ${name} message of 1 MiB in one-byte chunks of its socket: CPU is linear in its size`, async (t) => {
    // A socket that has the chunks itself, so that they can be given to it.
    const { open, got } = await startCounter(t, { fastPaths: { sharedReadBuffer: false } })
    const sizes = [64, 256, 1024]
    const times: number[] = []
    for (const size of [32, ...sizes]) {
      const { client, near } = await open()
      const wire = encodeFrame({ opcode, payload: Buffer.alloc(size * KiB, 'one-byte segments') })
      const before = process.cpuUsage()
      for (const byte of wire) near.emit('data', Buffer.of(byte))
      const { user, system } = process.cpuUsage(before)
      times.push((user + system) / 1000)
      t.equal(got.at(-1), size * KiB)
      client.destroy()
    }
    checkLinear(t, `of ${name} in one-byte chunks`, sizes, times.slice(1))
  })
}

t.test('T04 frames cut at every byte, many connections at once: all is answered', async (t) => {
  const { app, listen } = await makeApp(t)
  app.get('/ws', { websocket: true }, (connection) => { connection.on('message', (message) => { connection.send(message) }) })
  const port = await listen()
  const wire = Buffer.concat([encodeFrame({ opcode: 1, payload: 'é€😀' }), encodeFrame({ opcode: 9, payload: 'p' }), encodeFrame({ opcode: 2, payload: Buffer.alloc(300) })])
  const clients = await Promise.all(Array.from({ length: 50 }, () => openFrames({ port, path: '/ws' })))
  for (const byte of wire) {
    for (const client of clients) void client.write(Buffer.of(byte))
    await turns(1)
  }
  await untilTrue(() => clients.every(({ frames }) => frames.length === 3))
  for (const client of clients) client.destroy()
  t.pass()
})

t.test('T05 200,000 pings before anything is read: what comes then is what the kernel held, and the newest', async (t) => {
  const client = await openEcho(t)
  client.pause()
  for (let i = 0; i < 200; i++) {
    await client.write(Buffer.concat(Array.from({ length: 1000 }, (_, n) => encodeFrame({ opcode: 9, payload: `${i * 1000 + n}`.padEnd(125, '.') }))))
  }
  client.resume()
  const numberOf = (payload: Buffer | undefined): number => Number(payload?.toString().replaceAll('.', ''))
  await untilTrue(() => numberOf(client.frames.at(-1)?.payload) === 199_999 || client.isOver)
  const pongs = client.frames.map(({ payload }) => numberOf(payload))
  t.equal(pongs.at(-1), 199_999, 'the newest is answered')
  t.ok(pongs.length < 150_000, `${pongs.length} pongs`)
  t.same(pongs, pongs.toSorted((a, b) => a - b), 'in order')
})
