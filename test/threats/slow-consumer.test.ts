// T53: a client that never reads, against each policy for slow consumers.
import { once } from 'node:events'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import t from 'tap'
import type { Test } from 'tap'
import { WebSocket } from 'ws'
import type { AnyWebSocketConnection, WebSocketRouteOptions } from '../../lib/index.ts'
import { makeApp, until } from '../helpers/app.ts'
import { memoryUsed } from '../helpers/connection-pair.ts'
import { openFrames } from '../helpers/frame-client.ts'
import type { FrameClient } from '../helpers/frame-client.ts'
import '../helpers/guard.ts'
import { closeCodeOf, encodeFrame } from '../helpers/wire-frames.ts'

const KIB = 1_024
const MIB = 1_024 * KIB

interface Slow {
  readonly dropped: number
  readonly droppedBytes: number
  readonly bufferedAmount: number
}

interface Attack {
  readonly client: FrameClient
  readonly connection: AnyWebSocketConnection
  readonly slow: Slow[]
  readonly closes: unknown[][]
  readonly logs: ReadonlyArray<{ level: number, msg: string }>
}

/** Opens a connection whose client does not read. */
async function attack (t: Test, options: WebSocketRouteOptions): Promise<Attack> {
  const { app, logs, listen } = await makeApp(t, { plugin: options })
  const slow: Slow[] = []
  const closes: unknown[][] = []
  const opened: AnyWebSocketConnection[] = []
  app.get('/', { websocket: true }, (connection) => {
    opened.push(connection as unknown as AnyWebSocketConnection) // the same object, for messages of any kind
    connection.on('slow', (details) => slow.push(details))
    connection.on('close', (code, reason, { wasClean, initiator }) => closes.push([code, reason, wasClean, initiator]))
  })
  const port = await listen()
  const client = await openFrames({ port })
  t.teardown(() => client.destroy())
  client.pause()
  await until(() => opened.length === 1)
  return { client, connection: opened[0]!, slow, closes, logs } // it has just been pushed
}

/** Sends messages of 64 KiB, a turn of the event loop after each. @returns the most that waited, in bytes */
async function sendMany (connection: AnyWebSocketConnection, count: number, sent: boolean[] = []): Promise<number> {
  let most = 0
  for (let i = 0; i < count; i++) {
    sent.push(connection.send(Buffer.alloc(64 * KIB, i)))
    most = Math.max(most, connection.bufferedAmount)
    await new Promise((resolve) => setImmediate(resolve))
  }
  return most
}

t.test('T53 by default a client that never reads 2,000 messages of 64 KiB is closed with 1013, and memory stays flat', async t => {
  const { client, connection, slow, closes, logs } = await attack(t, { closeTimeout: 300 })
  const before = await memoryUsed()
  const most = await sendMany(connection, 2_000)
  const growth = await memoryUsed() - before
  t.comment(`peak ${(most / MIB).toFixed(2)} MiB waiting, memory grew by ${(growth / MIB).toFixed(2)} MiB`)
  t.ok(most <= MIB + 64, `${most} bytes waited at most: the limit, and the Close frame`)
  t.ok(growth < 4 * MIB, `${growth} bytes`)
  t.equal(slow.length, 1, 'told once')
  t.match(slow[0], { dropped: 1, droppedBytes: 64 * KIB })
  await until(() => closes.length > 0)
  t.strictSame(closes, [[1013, 'the peer reads too slowly: maxBufferedAmount was reached', false, 'local']])
  t.equal(connection.bufferedAmount, 0)
  t.strictSame(logs.filter(({ msg, level }) => level >= 30 && msg.includes('WebSocket')).map(({ level, msg }) => [level, msg]), [[30, 'WebSocket connection failed by its peer']])
  client.resume()
})

t.test('T53 a client that wakes up in time reads all that was sent, and why no more comes', async t => {
  const { client, connection, closes } = await attack(t, { closeTimeout: 20_000 })
  const sent: boolean[] = []
  await sendMany(connection, 200, sent)
  client.resume()
  t.equal(await client.untilEnd(), 'fin')
  const close = client.closeFrame
  t.equal(close && closeCodeOf(close.payload), 1013)
  const messages = client.frames.filter(({ opcode }) => opcode === 2)
  t.strictSame(messages.map(({ payload }) => payload[0]), messages.map((_, i) => i), 'in order, without a hole')
  t.ok(messages.length >= 16)
  await until(() => closes.length > 0)
  t.match(closes[0], [1013])
})

t.test('T53 with `drop` the connection stays open, and `slow` counts what is missing', async t => {
  const { client, connection, slow } = await attack(t, { slowConsumer: 'drop', heartbeat: false })
  const sent: boolean[] = []
  const before = await memoryUsed()
  const most = await sendMany(connection, 2_000, sent)
  t.ok(await memoryUsed() - before < 4 * MIB)
  t.ok(most <= MIB, `${most} bytes`)
  const last = slow.at(-1)
  t.equal(last?.dropped, slow.length, 'one event for each')
  t.equal(last?.droppedBytes, slow.length * 64 * KIB)
  t.strictSame(slow.map(({ dropped }) => dropped), slow.map((_, i) => i + 1))
  let drained = 0
  connection.on('drain', () => { drained++ })
  client.resume()
  const count = 2_000 - slow.length
  await client.untilFrames(count)
  t.equal(client.frames.length, count, 'what was not dropped has come')
  await until(() => drained > 0)
  t.equal(connection.send('after'), true)
  await client.untilFrames(count + 1)
  t.equal(client.frames.at(-1)?.payload.toString(), 'after')
  t.equal(slow.length, last?.dropped, 'nothing more was dropped')
})

t.test('T53 a function is called with each message that is not sent, and what it does counts', async t => {
  const seen: unknown[] = []
  const { client, connection, slow } = await attack(t, {
    heartbeat: false,
    closeTimeout: 300,
    maxBufferedAmount: 256 * KIB,
    slowConsumer (late, message) {
      seen.push(message)
      t.equal(late, connection)
      t.equal(late.send(message), false, 'there is still no room: no endless loop')
      if (seen.length === 3) late.close(4000, 'too slow for us')
    }
  })
  await sendMany(connection, 200)
  t.equal(seen.length, 3)
  t.equal(slow.length, 3, 'what the function sent is counted, not told again')
  t.equal(slow.at(-1)?.dropped, 5)
  client.resume()
  await client.untilEnd()
  t.equal(client.closeFrame && closeCodeOf(client.closeFrame.payload), 4000)
})

t.test('T53 a function that throws or rejects is a fault of the application', async t => {
  for (const slowConsumer of [() => { throw new Error('of the policy') }, () => Promise.reject(new Error('of the policy'))]) {
    const { client, connection, logs } = await attack(t, { slowConsumer, closeTimeout: 100, maxBufferedAmount: 1, heartbeat: false })
    await sendMany(connection, 100)
    await until(() => logs.some(({ level }) => level === 50))
    t.match(logs.find(({ level }) => level === 50), { msg: 'WebSocket handler failed', err: { message: 'of the policy' } })
    client.destroy()
  }
})

t.test('T53 sendAndWait rejects when there is no room', async t => {
  const { connection } = await attack(t, { slowConsumer: 'drop', heartbeat: false })
  await sendMany(connection, 200)
  await t.rejects(connection.sendAndWait(Buffer.alloc(64 * KIB)), { code: 'FST_WS_NOT_SENT' })
})

t.test('T53 pings of the application count as messages do', async t => {
  const { connection, slow } = await attack(t, { slowConsumer: 'drop', heartbeat: false, maxBufferedAmount: 128 * KIB })
  await sendMany(connection, 200)
  const before = slow.length
  for (let i = 0; i < 100_000; i++) connection.ping('x'.repeat(125))
  t.ok(connection.bufferedAmount <= 128 * KIB, `${connection.bufferedAmount} bytes`)
  t.ok(slow.length > before)
})

t.test('T53 one message over maxBufferedAmount goes to a peer that has nothing waiting', async t => {
  const { client, connection, slow } = await attack(t, { maxBufferedAmount: 100 * KIB, heartbeat: false })
  client.resume()
  await connection.sendAndWait(Buffer.alloc(8 * MIB, 7))
  await client.untilFrames(1)
  t.equal(client.frames[0]?.payload.length, 8 * MIB)
  t.strictSame(slow, [])
})

t.test('T53 text counts by its bytes', async t => {
  const { connection, slow } = await attack(t, { slowConsumer: 'drop', heartbeat: false, maxBufferedAmount: 300_000 })
  // Until the kernel takes no more.
  while (connection.bufferedAmount === 0) await sendMany(connection, 1)
  const room = 300_000 - connection.bufferedAmount
  const header = 10
  t.equal(connection.send('é'.repeat(Math.floor(room / 2) + 1)), false)
  t.equal(slow.length, 1, 'a byte too many')
  t.equal(connection.send('é'.repeat(Math.floor(room / 2) - header)), false, 'over the high-water mark')
  t.equal(slow.length, 1, 'but there was room')
  t.ok(connection.bufferedAmount <= 300_000 + header)
})

/** Sends pings without end to a server and reads nothing. */
async function pingWithoutReading (port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1' })
  socket.on('error', () => {})
  socket.write('GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n')
  socket.pause()
  return socket
}

t.test('T53 several slow clients do not slow each other, nor one that reads', async t => {
  const { app, listen } = await makeApp(t, { plugin: { slowConsumer: 'drop', heartbeat: false } })
  app.get('/', { websocket: true }, (connection) => {
    connection.on('message', () => {
      for (const other of app.websocket.connections) other.send(Buffer.alloc(32 * KIB))
    })
  })
  const port = await listen()
  const slowOnes = await Promise.all(Array.from({ length: 20 }, () => pingWithoutReading(port)))
  t.teardown(() => { for (const socket of slowOnes) socket.destroy() })
  const reader = await openFrames({ port })
  t.teardown(() => reader.destroy())
  await until(() => app.websocket.connections.size === 21)
  for (let i = 1; i <= 300; i++) {
    await reader.write(encodeFrame({ opcode: 1, payload: 'go' }))
    await reader.untilFrames(i)
  }
  t.equal(reader.frames.length, 300, 'each round came to the one that reads')
  const waiting = [...app.websocket.connections].map(({ bufferedAmount }) => bufferedAmount)
  t.ok(waiting.every(bytes => bytes <= MIB), `${Math.max(...waiting)} bytes at most`)
})

for (const tls of [false, true]) {
  for (const { name, count, size } of [
    { name: '1,000 messages of 64 KiB', count: 1_000, size: 64 * KIB },
    { name: '16 messages of 1 MiB', count: 16, size: MIB },
    { name: '50,000 messages of 1 KiB', count: 50_000, size: KIB }
  ]) {
    t.test(`T53 a client that pipelines ${name}${tls ? ' over TLS' : ''} and reads what comes gets all of them back, with all defaults`, async t => {
      const { app, listen } = await makeApp(t, { tls, server: { logger: false } })
      let most = 0
      app.get('/', { websocket: { maxPayload: MIB } }, (connection) => {
        connection.on('message', (message) => {
          connection.send(message)
          most = Math.max(most, connection.bufferedAmount)
        })
      })
      const port = await listen()
      const client = new WebSocket(`${tls ? 'wss' : 'ws'}://127.0.0.1:${port}/`, { rejectUnauthorized: false })
      t.teardown(() => client.terminate())
      await once(client, 'open')
      let got = 0
      const wrong: number[] = []
      const over = new Promise<string>((resolve) => {
        client.on('message', (data: Buffer) => {
          if (data.readUInt32BE() !== got) wrong.push(got)
          if (++got === count) resolve('all')
        })
        client.on('close', (code) => resolve(`closed with ${code} after ${got}`))
      })
      for (let i = 0; i < count; i++) {
        const message = Buffer.alloc(size)
        message.writeUInt32BE(i)
        client.send(message)
      }
      t.equal(await over, 'all')
      t.strictSame(wrong, [])
      t.ok(most <= 2 * MIB + 64 * KIB, `${most} bytes waited at most`)
    })
  }
}

t.test('T53 whoever heeds `send` and `drain` never comes to the limit, however large the next message is', async t => {
  const { app, listen } = await makeApp(t, { tls: true })
  const slow: unknown[] = []
  let sent = 0
  app.get('/', { websocket: true }, async (connection) => {
    connection.on('slow', (details) => slow.push(details))
    connection.on('message', () => {})
    for (; sent < 60; sent++) {
      if (!connection.send(Buffer.alloc(sent % 2 === 0 ? 30_000 : 2 * MIB))) await once(connection, 'drain')
    }
    for (let i = 0; i < 5; i++) await connection.sendAndWait(Buffer.alloc(3 * MIB))
    connection.close(4000)
  })
  const client = new WebSocket(`wss://127.0.0.1:${await listen()}/`, { rejectUnauthorized: false })
  client.on('message', () => client.ping())
  const [code] = await once(client, 'close') as [number]
  t.equal(code, 4000)
  t.strictSame(slow, [])
})

t.test('T53 a client that sends without end and never reads is not closed, holds no more than the limits, and is served when it reads', async t => {
  const { app, listen } = await makeApp(t, { plugin: { heartbeat: false } })
  const got: unknown[] = []
  let most = 0
  app.get('/', { websocket: true }, (connection) => {
    connection.on('message', (message) => {
      got.push(message.length)
      connection.send(message)
      most = Math.max(most, connection.bufferedAmount)
    })
  })
  const client = await openFrames({ port: await listen() })
  t.teardown(() => client.destroy())
  client.pause()
  const before = await memoryUsed()
  const frame = encodeFrame({ opcode: 2, payload: Buffer.alloc(32 * KIB) })
  let written = 0
  const writing = (async () => { for (; written < 2_000; written++) await client.write(frame) })()
  let last = -1
  for (let still = 0; still < 200; still = last === got.length ? still + 1 : 0) {
    last = got.length
    await new Promise((resolve) => setImmediate(resolve))
  }
  const growth = await memoryUsed() - before
  t.ok(got.length < 1_000, `${got.length} of 2,000 were handled`)
  t.ok(most <= 64 * KIB + 33 * KIB, `${most} bytes waited at most`)
  t.ok(growth < 8 * MIB, `${growth} bytes`)
  client.resume()
  await writing
  await client.untilFrames(2_000)
  t.equal(got.length, 2_000)
})

t.test('T54 a client that pipelines to an echo and never reads is found by the heartbeat', async t => {
  const { app, logs, listen } = await makeApp(t, { plugin: { heartbeat: { interval: 100, timeout: 300 } } })
  app.get('/', { websocket: true }, (connection) => { connection.on('message', (message) => { connection.send(message) }) })
  const client = await openFrames({ port: await listen() })
  t.teardown(() => client.destroy())
  client.pause()
  const frame = encodeFrame({ opcode: 2, payload: Buffer.alloc(60 * KIB) })
  for (let i = 0; i < 1_000; i++) client.write(frame).catch(() => {})
  await until(() => logs.some(({ err }) => (err as { code?: string } | undefined)?.code === 'FST_WS_HEARTBEAT_TIMEOUT'))
  await until(() => app.websocket.connections.size === 0)
})

t.test('T53 `drain` is told to whoever waits for it, however much the peer pipelines', async t => {
  const { app, listen } = await makeApp(t, { tls: true, server: { logger: false } })
  let drains = 0
  app.get('/', { websocket: true }, (connection) => {
    connection.on('drain', () => { drains++ })
    connection.on('message', (message) => { connection.send(message) })
  })
  const client = new WebSocket(`wss://127.0.0.1:${await listen()}/`, { rejectUnauthorized: false })
  t.teardown(() => client.terminate())
  await once(client, 'open')
  let got = 0
  client.on('message', () => { got++ })
  for (let i = 0; i < 2_000; i++) client.send(Buffer.alloc(40 * KIB))
  await until(() => got === 2_000)
  t.ok(drains > 20, `${drains} times`)
})
