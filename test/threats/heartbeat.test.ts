// T54: peers that are gone without a word, over real sockets, and those that only look like it.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import t from 'tap'
import type { Test } from 'tap'
import { WebSocket } from 'ws'
import type { AnyWebSocketConnection, WebSocketCloseDetails, WebSocketPluginOptions, WebSocketRouteOptions } from '../../lib/index.ts'
import { wheel } from '../../lib/connection/timer-wheel.ts'
import { makeApp, until } from '../helpers/app.ts'
import type { TestApp } from '../helpers/app.ts'
import { ChaosProxy } from '../helpers/chaos-proxy.ts'
import type { Link, LinkOptions } from '../helpers/chaos-proxy.ts'
import { openFrames } from '../helpers/frame-client.ts'
import type { FrameClient, FrameClientOptions } from '../helpers/frame-client.ts'
import '../helpers/guard.ts'
import { encodeFrame } from '../helpers/wire-frames.ts'

t.setTimeout(120_000)

/** Silence is soon told from life, on a machine with much else to do too. */
const TIMES = { interval: 50, timeout: 400 }
/** More pings than fit into two windows. */
const MANY = 24

interface Closed extends WebSocketCloseDetails {
  readonly code: number
  readonly at: number
}

interface Server extends TestApp {
  readonly port: number
  readonly connections: AnyWebSocketConnection[]
  readonly closes: Closed[]
  /** Data of pings and pongs that the application was told of. */
  readonly pongs: string[]
}

/** A server with one route that does `handle`. */
async function serve (
  t: Test, route: WebSocketRouteOptions = {}, handle: (connection: AnyWebSocketConnection) => void = () => {}, plugin: WebSocketPluginOptions = {}
): Promise<Server> {
  const server = await makeApp(t, { plugin: { heartbeat: TIMES, shutdownTimeout: 1, ...plugin } })
  const connections: AnyWebSocketConnection[] = []
  const closes: Closed[] = []
  const pongs: string[] = []
  server.app.get('/', { websocket: route }, (connection) => {
    connections.push(connection)
    connection.on('close', (code: number, _reason: string, details: WebSocketCloseDetails) => { closes.push({ code, at: performance.now(), ...details }) })
    connection.on('pong', (data: Buffer) => { pongs.push(data.toString()) })
    handle(connection)
  })
  return { ...server, connections, closes, pongs, port: await server.listen() }
}

async function open (t: Test, options: FrameClientOptions): Promise<FrameClient> {
  const client = await openFrames({ deadline: 60_000, ...options })
  t.teardown(() => client.destroy())
  return client
}

async function openThrough (t: Test, port: number, links: LinkOptions, options: Partial<FrameClientOptions> = {}): Promise<{ client: FrameClient, link: Link }> {
  const proxy = await ChaosProxy.start(port, links)
  t.teardown(() => proxy.close())
  const client = await open(t, { port: proxy.port, ...options })
  return { client, link: await proxy.link(0) }
}

function pingsOf ({ frames }: FrameClient): FrameClient['frames'] {
  return frames.filter(({ opcode }) => opcode === 9)
}

async function untilPings (client: FrameClient, count: number): Promise<void> {
  while (pingsOf(client).length < count && !client.isOver) await client.untilFrames(client.frames.length + 1)
}

/** Something that the server sends every few ms, as long as it may. */
function keepSending (data: string | Buffer): (connection: AnyWebSocketConnection) => void {
  return (connection) => {
    const timer = setInterval(() => connection.send(data), 5)
    connection.on('close', () => clearInterval(timer))
  }
}

interface DeadRow {
  readonly name: string
  readonly route?: WebSocketRouteOptions
  readonly handle?: (connection: AnyWebSocketConnection) => void
  /** Connects, and is dead from then on. */
  readonly connect: (t: Test, port: number) => Promise<unknown>
}

async function connectAndStop (t: Test, port: number): Promise<void> {
  const { client, link } = await openThrough(t, port, {}, { answersPings: true })
  await untilPings(client, 3)
  link.stop()
}

const dead: readonly DeadRow[] = [
  { name: 'a client that neither reads nor answers, whose kernel still acknowledges', connect: async (t, port) => { (await open(t, { port })).pause() } },
  { name: 'a client that reads and answers nothing', connect: async (t, port) => await open(t, { port }) },
  { name: 'a network that forwards nothing any more', connect: connectAndStop },
  { name: 'a network that forwards nothing any more, while the server keeps sending', handle: keepSending('tick'), connect: connectAndStop },
  { name: 'a network that loses everything on its way', connect: async (t, port) => { (await openThrough(t, port, {}, { answersPings: true })).link.inject('discard') } },
  { name: 'a network that loses everything to the server, while the server keeps sending', handle: keepSending('tick'), connect: async (t, port) => { (await openThrough(t, port, {}, { answersPings: true })).link.inject('discard', 'up') } },
  // The ping never leaves this process: what waits before it does not move.
  { name: 'a client that does not read what the server keeps sending, until no ping can be written', route: { slowConsumer: 'drop' }, handle: keepSending(Buffer.alloc(262_144)), connect: async (t, port) => { (await open(t, { port })).pause() } }
]

for (const { name, route, handle, connect } of dead) {
  t.test(`T54 dead: ${name}`, async t => {
    const errors: unknown[] = []
    const server = await serve(t, route, (connection) => {
      connection.on('error', (error: unknown) => { errors.push(error) })
      handle?.(connection)
    })
    const start = performance.now()
    await connect(t, server.port)
    await until(() => server.closes.length > 0)
    t.match(server.closes, [{ code: 1006, wasClean: false, initiator: 'local' }])
    const took = (server.closes[0]?.at ?? 0) - start
    t.ok(took >= TIMES.interval * 0.9 + TIMES.timeout, `not before: ${took} ms`)
    const told = server.logs.filter(({ level, msg }) => level >= 30 && msg.startsWith('WebSocket'))
    t.match(told, [{ level: 30, msg: 'WebSocket connection failed by its peer', err: { code: 'FST_WS_HEARTBEAT_TIMEOUT' } }])
    t.match(errors, [{ code: 'FST_WS_HEARTBEAT_TIMEOUT', closeCode: 1006 }])
    t.equal(server.app.websocket.connections.size, 0)
    t.equal(server.connections[0]?.signal.aborted, true)
  })
}

t.test('T54 dead: an errorHandler is told', async t => {
  const errors: Error[] = []
  const server = await serve(t, { errorHandler (error) { errors.push(error) } })
  const client = await open(t, { port: server.port })
  client.pause()
  await until(() => server.closes.length > 0)
  t.match(errors, [{ name: 'LimitError', code: 'FST_WS_HEARTBEAT_TIMEOUT' }])
})

t.test('T54 dead: a peer that does not answer a Close frame is left to closeTimeout', async t => {
  const server = await serve(t, { closeTimeout: 700 }, (connection) => connection.close(4000))
  const client = await open(t, { port: server.port })
  client.pause()
  const start = performance.now()
  await until(() => server.closes.length > 0)
  t.ok(performance.now() - start >= 650, 'the heartbeat has stopped')
  t.equal(server.logs.filter(({ err }) => err !== undefined).length, 0)
})

interface LivingRow {
  readonly name: string
  readonly links?: LinkOptions
  readonly client?: Partial<FrameClientOptions>
  /** What the client does all the time. */
  readonly act?: (t: Test, client: FrameClient) => void
}

const living: readonly LivingRow[] = [
  { name: 'a client that answers pings, and nothing else is said', client: { answersPings: true } },
  { name: 'behind a slow network', links: { up: { delay: 60 }, down: { delay: 60 } }, client: { answersPings: true } },
  { name: 'behind a network that cuts every frame', links: { up: { pieceSize: 1 }, down: { pieceSize: 1 } }, client: { answersPings: true } },
  { name: 'a client that only sends', act: (t, client) => sendOften(t, client, encodeFrame({ opcode: 1, payload: 'still here' })) },
  { name: 'a client that only sends pings', act: (t, client) => sendOften(t, client, encodeFrame({ opcode: 9 })) },
  { name: 'a client that only sends pongs of its own', act: (t, client) => sendOften(t, client, encodeFrame({ opcode: 10, payload: 'here' })) }
]

function sendOften (t: Test, client: FrameClient, bytes: Buffer): void {
  const timer = setInterval(() => { void client.write(bytes) }, 40)
  t.teardown(() => clearInterval(timer))
}

for (const { name, links, client: options, act } of living) {
  t.test(`T54 alive: ${name}`, async t => {
    const server = await serve(t)
    const client = links === undefined
      ? await open(t, { port: server.port, ...options })
      : (await openThrough(t, server.port, links, options)).client
    act?.(t, client)
    await untilPings(client, MANY)
    t.strictSame(server.closes, [])
    t.equal(client.ending, undefined)
    t.equal(pingsOf(client).length >= MANY, true)
  })
}

t.test('T54 alive: one byte of a message now and then', async t => {
  const server = await serve(t)
  const client = await open(t, { port: server.port })
  const message = encodeFrame({ opcode: 1, payload: 'x'.repeat(5_000) })
  let sent = 0
  const timer = setInterval(() => { void client.write(message.subarray(sent++, sent)) }, 60)
  t.teardown(() => clearInterval(timer))
  await untilPings(client, MANY)
  t.strictSame(server.closes, [])
})

t.test('T54 alive: a client that reads a large backlog slowly, with the ping behind it', async t => {
  const times = { interval: 50, timeout: 1_500 }
  const server = await serve(t, { heartbeat: times, maxBufferedAmount: 128 * 1_048_576 }, (connection) => {
    for (let i = 0; i < 96; i++) connection.send(Buffer.alloc(1_048_576))
  })
  const start = performance.now()
  const { client } = await openThrough(t, server.port, { down: { bytesPerSecond: 24 * 1_048_576 } }, { answersPings: true })
  await untilPings(client, 1)
  t.ok(performance.now() - start > 2 * times.timeout, 'the first ping has waited for two windows')
  await untilPings(client, 10)
  t.strictSame(server.closes, [])
})

t.test('T54 alive: reading is blocked by a handler whose queue is full', async t => {
  let letGo = (): void => {}
  const untilLetGo = new Promise<void>((resolve) => { letGo = resolve })
  const got: unknown[] = []
  const server = await serve(t, { maxQueuedMessages: 2 }, (connection) => {
    connection.on('message', async (message) => {
      got.push(message)
      await untilLetGo
    })
  })
  const client = await open(t, { port: server.port, answersPings: true })
  await client.write(Buffer.concat(Array.from({ length: 50 }, (_, i) => encodeFrame({ opcode: 1, payload: String(i) }))))
  await until(() => got.length === 1)
  await untilPings(client, MANY)
  t.strictSame(server.closes, [], 'its pongs wait to be read')
  t.equal(got.length, 1)
  letGo()
  await until(() => got.length === 50)
  const { length } = pingsOf(client)
  await untilPings(client, length + MANY)
  t.strictSame(server.closes, [])
})

const forEver = new Promise<void>(() => {})

for (const { name, route, handle } of [
  {
    name: 'behind a handler that is never done, with more than the queue takes',
    route: { maxQueuedMessages: 2 },
    handle (connection: AnyWebSocketConnection) { connection.on('message', () => forEver) }
  },
  {
    name: 'behind a loop that nobody goes on with',
    route: { maxQueuedMessages: 2 },
    handle (connection: AnyWebSocketConnection) { void connection[Symbol.asyncIterator]().next() }
  },
  { name: 'while the handler runs on and listens to nothing', route: {}, handle: () => forEver },
  {
    name: 'while the handler does nothing but send',
    route: {},
    async handle (connection: AnyWebSocketConnection) {
      while (connection.readyState === connection.OPEN) {
        connection.send('x')
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
    }
  }
]) {
  t.test(`T54 dead: ${name}`, async t => {
    const made = await makeApp(t, { plugin: { heartbeat: TIMES, shutdownTimeout: 1 } })
    made.app.get('/', { websocket: route }, (connection) => handle(connection as unknown as AnyWebSocketConnection)) // the same object
    const { client, link } = await openThrough(t, await made.listen(), {})
    await client.write(Buffer.concat(Array.from({ length: 5 }, (_, i) => encodeFrame({ opcode: 1, payload: String(i) }))))
    await until(() => made.app.websocket.metrics().messagesReceived >= 3)
    link.stop()
    await until(() => made.app.websocket.connections.size === 0 || made.app.websocket.metrics().active === 0)
    t.match(made.logs.filter(({ msg }) => msg === 'WebSocket connection failed by its peer'), [{ level: 30, err: { code: 'FST_WS_HEARTBEAT_TIMEOUT' } }])
  })
}

t.test('T56 a Close is answered while the handler does nothing but send', async t => {
  const { app, listen } = await makeApp(t, { plugin: { heartbeat: false } })
  app.get('/', { websocket: true }, async (connection) => {
    while (connection.readyState === connection.OPEN) {
      connection.send('x')
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  })
  const client = await open(t, { port: await listen() })
  await client.untilFrames(3)
  await client.write(encodeFrame({ opcode: 8, payload: Buffer.from([0x0f, 0xa0]) }))
  t.equal(await client.untilEnd(), 'fin')
  t.equal(client.closeFrame?.payload.toString('hex'), '0fa0')
  await until(() => app.websocket.connections.size === 0)
})

t.test('T54 alive: reading is paused by the application; after it the peer\'s time begins anew', async t => {
  const server = await serve(t, {}, (connection) => connection.pause())
  const client = await open(t, { port: server.port })
  await untilPings(client, MANY)
  t.strictSame(server.closes, [])
  const resumed = performance.now()
  server.connections[0]!.resume()
  await until(() => server.closes.length > 0)
  const took = (server.closes[0]?.at ?? 0) - resumed
  t.ok(took >= TIMES.timeout, `silent from then on, and dead ${took} ms later`)
  t.match(server.closes, [{ code: 1006 }])
})

t.test('T54 alive: reading is paused for a moment, again and again', async t => {
  const server = await serve(t, {}, (connection) => {
    const timer = setInterval(() => {
      connection.pause()
      setTimeout(() => connection.resume(), 30)
    }, 120)
    connection.on('close', () => clearInterval(timer))
  })
  const client = await open(t, { port: server.port })
  await untilPings(client, MANY)
  t.strictSame(server.closes, [], 'what a peer says in each window may have come in such a moment')
})

t.test('T54 alive: the event loop is blocked for longer than the timeout, each time that a ping was written', async t => {
  let blocks = 0
  const server = await serve(t, {}, ({ request }) => {
    const { socket } = request.raw
    const write = socket.write.bind(socket) as (...args: unknown[]) => boolean
    Object.defineProperty(socket, 'write', {
      value (...args: unknown[]) {
        // Behind the news that it was written; then timers have their turn before sockets are read.
        if (blocks < 4) setImmediate(block)
        return write(...args)
      }
    })
  })
  function block (): void {
    blocks++
    const end = performance.now() + TIMES.timeout + TIMES.interval + 50
    while (performance.now() < end);
  }
  // Another process: it answers while this one is blocked, and not before.
  await startClient(t, `
    const { WebSocket } = require('ws')
    const socket = new WebSocket('ws://127.0.0.1:${server.port}/', { autoPong: false })
    socket.on('open', () => console.log('open'))
    socket.on('ping', (data) => setTimeout(() => socket.pong(data), 60))`).untilLine('open')
  await until(() => blocks === 4 || server.closes.length > 0)
  const witness = await open(t, { port: server.port, answersPings: true })
  await untilPings(witness, 3)
  t.strictSame(server.closes, [])
  t.type(server.connections[0]?.latency, 'number')
})

interface OtherClient {
  untilLine (line: string): Promise<void>
}

/** Runs a client in another process. */
function startClient (t: Test, code: string): OtherClient {
  // Node's own WebSocket, which some Nodes have behind a flag alone.
  const flags = 'WebSocket' in globalThis ? [] : ['--experimental-websocket', '--no-warnings']
  const child = spawn(process.execPath, [...flags, '-e', code], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => { child.kill('SIGKILL') })
  const lines: string[] = []
  const wake: Array<() => void> = []
  const notify = (): void => { for (const resolve of wake.splice(0)) resolve() }
  createInterface({ input: child.stdout }).on('line', (line) => {
    lines.push(line)
    notify()
  }).on('close', () => {
    lines.push('gone')
    notify()
  })
  return {
    async untilLine (wanted) {
      for (;;) {
        const line = lines.shift()
        if (line === wanted) return
        if (line !== undefined) throw new Error(`the client said ${line} in place of ${wanted}`)
        await new Promise<void>((resolve) => { wake.push(resolve) })
      }
    }
  }
}

t.test('T54 alive: Node\'s WebSocket answers the pings', async t => {
  const server = await serve(t)
  const client = startClient(t, `
    const socket = new WebSocket('ws://127.0.0.1:${server.port}/')
    socket.onopen = () => console.log('open')
    socket.onclose = ({ code }) => { console.log('closed ' + code); process.exit() }
    socket.onerror = ({ message }) => console.log('error ' + message)`)
  await client.untilLine('open')
  const witness = await open(t, { port: server.port, answersPings: true })
  await untilPings(witness, MANY)
  t.strictSame(server.closes, [])
  t.type(server.connections[0]?.latency, 'number')
})

t.test('T54 alive: the client of ws answers the pings', async t => {
  const server = await serve(t)
  const client = new WebSocket(`ws://127.0.0.1:${server.port}/`)
  t.teardown(() => client.terminate())
  const pings: Buffer[] = []
  client.on('ping', (data: Buffer) => { pings.push(data) })
  await once(client, 'open')
  await until(() => pings.length >= MANY)
  t.strictSame(server.closes, [])
  t.equal(client.readyState, WebSocket.OPEN)
  t.ok(pings.every(({ length }) => length === 4))
})

t.test('T54 pings: frames of 4 bytes, counted, and their pongs are not the application\'s', async t => {
  const server = await serve(t)
  const client = await open(t, { port: server.port, answersPings: true })
  await untilPings(client, 5)
  t.same(client.frames, pingsOf(client), 'nothing else was sent')
  for (const [i, { fin, payload }] of pingsOf(client).entries()) {
    t.equal(fin, true)
    t.equal(payload.toString('hex'), (i + 1).toString(16).padStart(8, '0'))
  }
  const latencies = server.app.websocket.metrics().latency
  t.ok(latencies.count >= 4, 'counted')
  const { latency } = server.connections[0]!
  t.ok(latency !== undefined && latency >= 0 && latency < 60_000, `${latency} ms`)
  server.connections[0]!.ping('of the application')
  await until(() => server.pongs.length > 0)
  // A second answer to the same ping is nobody's; it is told, and counts as any other.
  await client.write(encodeFrame({ opcode: 10, payload: Buffer.from([0, 0, 0, 1]) }))
  await until(() => server.pongs.length > 1)
  t.strictSame(server.pongs, ['of the application', '\0\0\0\u0001'])
})

t.test('T54 before the first pong there is no latency', async t => {
  const server = await serve(t)
  const client = await open(t, { port: server.port })
  await untilPings(client, 1)
  t.equal(server.connections[0]?.latency, undefined)
})

// Whoever says a time of its own gets the other one from the plugin, or where that has none from the defaults.
const settings: ReadonlyArray<{ name: string, plugin?: WebSocketPluginOptions['heartbeat'], route?: WebSocketRouteOptions['heartbeat'], pings: boolean }> = [
  { name: 'false at the route', route: false, pings: false },
  { name: 'false at the plugin', plugin: false, pings: false },
  { name: 'false at the plugin, and an interval at the route', plugin: false, route: { interval: 40 }, pings: true },
  { name: 'another interval at the route', plugin: { interval: 3_600_000 }, route: { interval: 40 }, pings: true },
  { name: 'another timeout at the route', route: { timeout: 60_000 }, pings: true },
  { name: 'a long interval at the route', route: { interval: 3_600_000 }, pings: false }
]

for (const { name, plugin = TIMES, route, pings } of settings) {
  t.test(`T54 ${name}: ${pings ? 'pings come' : 'no ping comes'}, and a silent peer is left alone`, async t => {
    const server = await serve(t, { ...(route !== undefined && { heartbeat: route }) }, undefined, { heartbeat: plugin })
    const witness = await serve(t)
    const client = await open(t, { port: server.port })
    const clock = await open(t, { port: witness.port, answersPings: true })
    await untilPings(clock, MANY)
    t.equal(pingsOf(client).length > 0, pings)
    t.strictSame(server.closes, [])
  })
}

t.test('T54 by default there is a heartbeat, and it ends with its connection', async t => {
  const { app, listen } = await makeApp(t)
  app.get('/', { websocket: true }, () => {})
  const port = await listen()
  const before = wheel.size
  const clients = await Promise.all(Array.from({ length: 20 }, async () => await open(t, { port })))
  await until(() => wheel.size === before + 20)
  for (const [i, client] of clients.entries()) {
    if (i % 2 === 0) client.reset()
    else client.end()
  }
  await until(() => app.websocket.connections.size === 0)
  t.equal(wheel.size, before, 'nothing is left on the wheel')
})
