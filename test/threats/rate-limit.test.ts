// T57: floods of messages and bytes against `rateLimit`.
import t from 'tap'
import type { Test } from 'tap'
import type { WebSocketRouteOptions } from '../../lib/index.ts'
import { makeApp, until } from '../helpers/app.ts'
import { openFrames } from '../helpers/frame-client.ts'
import type { FrameClient } from '../helpers/frame-client.ts'
import '../helpers/guard.ts'
import { closeCodeOf, encodeFrame } from '../helpers/wire-frames.ts'

interface Flooded {
  readonly client: FrameClient
  readonly got: unknown[]
  readonly closes: number[]
  readonly logs: ReadonlyArray<{ level: number, msg: string }>
}

async function open (t: Test, rateLimit: WebSocketRouteOptions['rateLimit'], route: WebSocketRouteOptions = {}): Promise<Flooded> {
  // The plugin says none, so that it is the route's that counts.
  const { app, logs, listen } = await makeApp(t, { plugin: { rateLimit: { messages: 1, perSeconds: 3_600 } } })
  const got: unknown[] = []
  const closes: number[] = []
  app.get('/', { websocket: { ...route, ...(rateLimit !== undefined && { rateLimit }) } }, (connection) => {
    connection.on('message', (message) => { got.push(message) })
    connection.on('close', (code) => { closes.push(code) })
  })
  const port = await listen()
  const client = await openFrames({ port })
  t.teardown(() => client.destroy())
  return { client, got, closes, logs }
}

const text = (payload: string): Buffer => encodeFrame({ opcode: 1, payload })
const texts = (count: number): Buffer => Buffer.concat(Array.from({ length: count }, (_, i) => text(String(i))))

const HOUR = 3_600

const rows: ReadonlyArray<{ name: string, rateLimit: WebSocketRouteOptions['rateLimit'], wire: Buffer, got: number }> = [
  { name: 'messages in one segment', rateLimit: { messages: 10, perSeconds: HOUR }, wire: texts(50), got: 10 },
  { name: 'exactly one too many', rateLimit: { messages: 10, perSeconds: HOUR }, wire: texts(11), got: 10 },
  { name: 'pings', rateLimit: { messages: 10, perSeconds: HOUR }, wire: Buffer.concat(Array.from({ length: 11 }, () => encodeFrame({ opcode: 9 }))), got: 0 },
  { name: 'pongs', rateLimit: { messages: 10, perSeconds: HOUR }, wire: Buffer.concat(Array.from({ length: 11 }, () => encodeFrame({ opcode: 10 }))), got: 0 },
  { name: 'bytes', rateLimit: { bytes: 1_000, perSeconds: HOUR }, wire: text('x'.repeat(1_000)), got: 0 },
  { name: 'bytes of fragments that make no message', rateLimit: { bytes: 1_000, perSeconds: HOUR }, wire: Buffer.concat([encodeFrame({ opcode: 1, fin: false }), ...Array.from({ length: 500 }, () => encodeFrame({ opcode: 0, fin: false, payload: 'x' }))]), got: 0 },
  { name: 'empty fragments', rateLimit: { bytes: 1_000, perSeconds: HOUR }, wire: Buffer.concat([encodeFrame({ opcode: 1, fin: false }), ...Array.from({ length: 900 }, () => encodeFrame({ opcode: 0, fin: false }))]), got: 0 },
  { name: 'messages, with bytes to spare', rateLimit: { messages: 3, bytes: 100_000, perSeconds: HOUR }, wire: texts(4), got: 3 },
  { name: 'the plugin\'s, where the route has none', rateLimit: undefined, wire: texts(2), got: 1 }
]

for (const { name, rateLimit, wire, got: want } of rows) {
  t.test(`T57 ${name} beyond the limit: 1008`, async t => {
    const { client, got, closes, logs } = await open(t, rateLimit)
    await client.write(wire)
    t.equal(await client.untilEnd(), 'fin')
    const close = client.closeFrame
    t.equal(close && closeCodeOf(close.payload), 1008)
    t.equal(close?.payload.toString('utf8', 2), 'the peer sends more than rateLimit allows')
    t.equal(got.length, want, 'what was within the limit was delivered')
    await until(() => closes.length > 0)
    t.strictSame(closes, [1008])
    t.match(logs.filter(({ msg }) => msg === 'WebSocket connection failed by its peer'), [{ level: 30, err: { code: 'FST_WS_RATE_LIMIT' } }])
  })
}

t.test('T57 a client within the limit is not touched', async t => {
  const { client, got, closes } = await open(t, { messages: 50, bytes: 10_000, perSeconds: HOUR })
  await client.write(texts(49))
  await until(() => got.length === 49)
  t.strictSame(closes, [])
})

t.test('T57 false at the route: no limit, whatever the plugin says', async t => {
  const { client, got } = await open(t, false)
  await client.write(texts(5_000))
  await until(() => got.length === 5_000)
  t.pass('all came')
})

for (const [name, rateLimit] of [
  ['messages', { messages: 20, perSeconds: 0.2, onLimit: 'pause' }],
  ['bytes', { bytes: 160, perSeconds: 0.2, onLimit: 'pause' }]
] as const) {
  t.test(`T57 with \`pause\` ${name} come as fast as allowed, all of them, in order`, async t => {
    const { client, got, closes } = await open(t, rateLimit)
    const start = performance.now()
    await Promise.all(Array.from({ length: 100 }, (_, i) => client.write(text(String(i).padStart(2, '0')))))
    await until(() => got.length >= 100)
    const took = performance.now() - start
    t.strictSame(got, Array.from({ length: 100 }, (_, i) => String(i).padStart(2, '0')))
    // 20 at once, and 100 a second: 0.8 seconds for the others. Bytes: 8 each, so the same.
    t.ok(took > 600, `${took} ms`)
    t.strictSame(closes, [])
  })
}

t.test('T57 with `pause` the end of the peer is seen behind what it sent, and a close from here at once', async t => {
  const { client, got, closes } = await open(t, { messages: 10, perSeconds: 0.1, onLimit: 'pause' })
  await client.write(Buffer.concat([texts(40), encodeFrame({ opcode: 8, payload: Buffer.from([0x0f, 0xa1]) })]))
  t.equal(await client.untilEnd(), 'fin')
  t.equal(got.length, 40)
  await until(() => closes.length > 0)
  t.strictSame(closes, [4001])

  const { app, listen } = await makeApp(t, { plugin: { rateLimit: { messages: 1, perSeconds: HOUR, onLimit: 'pause' } } })
  app.get('/', { websocket: true }, (connection) => {
    connection.on('message', () => { setImmediate(() => connection.close(4002)) })
  })
  const second = await openFrames({ port: await listen() })
  await second.write(Buffer.concat([texts(50), encodeFrame({ opcode: 8, payload: Buffer.from([0x0f, 0xa2]) })]))
  t.equal(await second.untilEnd(), 'fin', 'its Close frame was read though there is no credit')
})

t.test('T57 with `pause` fastify.close() does not wait for the credit', async t => {
  const { app, listen } = await makeApp(t, { plugin: { shutdownTimeout: 30_000, rateLimit: { messages: 1, perSeconds: HOUR, onLimit: 'pause' } } })
  const got: unknown[] = []
  app.get('/', { websocket: true }, (connection) => { connection.on('message', (message) => { got.push(message) }) })
  const client = await openFrames({ port: await listen() })
  await client.write(texts(50))
  await until(() => got.length > 0)
  const closed = app.close()
  while (client.closeFrame === undefined) await client.untilFrames(client.frames.length + 1)
  await client.write(encodeFrame({ opcode: 8, payload: client.closeFrame.payload }))
  t.equal(await client.untilEnd(), 'fin')
  await closed
  t.pass('closed')
})
