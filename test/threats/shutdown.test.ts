// `fastify.close()` against clients that do not want it to end: T55, and closing at any moment.
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import t from 'tap'
import type { Test } from 'tap'
import { makeApp, until } from '../helpers/app.ts'
import { openFrames } from '../helpers/frame-client.ts'
import type { FrameClient } from '../helpers/frame-client.ts'
import '../helpers/guard.ts'
import { handshake } from '../helpers/raw-client.ts'
import type { RawClient } from '../helpers/raw-client.ts'
import { closeCodeOf, closePayload, encodeFrame } from '../helpers/wire-frames.ts'

t.setTimeout(120_000)

const MESSAGE = encodeFrame({ opcode: 1, payload: 'x'.repeat(200) })

/** What the end of a well-behaved client looked like to it. */
interface Farewell {
  readonly codes: number[]
  readonly ending: string
  /** When the Close frame came. */
  readonly at: number
}

async function openMany (port: number, count: number, path = '/ws'): Promise<FrameClient[]> {
  return await Promise.all(Array.from({ length: count }, () => openFrames({ port, path, deadline: 60_000 })))
}

/** Connects, writes something, and reads what comes without looking at it, the end included. */
async function connectMany (port: number, count: number, first: string): Promise<Socket[]> {
  return await Promise.all(Array.from({ length: count }, async () => {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    await new Promise<void>((resolve, reject) => { socket.once('error', reject).once('connect', () => resolve()) })
    socket.on('error', () => {}).resume().write(first)
    return socket
  }))
}

/** Answers the Close frame and waits for the server's end, as a client should. */
async function behaveWell (client: FrameClient): Promise<Farewell> {
  while (!client.isOver) await client.untilFrames(client.frames.length + 1)
  const at = performance.now()
  await client.write(encodeFrame({ opcode: 8, payload: client.closeFrame?.payload ?? '' }))
  const ending = await client.untilEnd()
  const codes = client.frames.filter(({ opcode }) => opcode === 8).map(({ payload }) => closeCodeOf(payload))
  return { codes, ending, at }
}

/** Sends without end, until the connection ends. */
async function sendOn (client: FrameClient): Promise<void> {
  while (client.ending === undefined) {
    await client.write(Buffer.concat(Array.from({ length: 20 }, () => MESSAGE)))
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}

/** Sockets, servers and timers that hold this process. */
function resources (): string[] {
  return process.getActiveResourcesInfo().filter(name => name.startsWith('TCP') || name === 'Timeout').sort()
}

/** Waits for as long as something is there that was not before. */
async function untilAsBefore (t: Test, before: readonly string[]): Promise<void> {
  const end = performance.now() + 5_000
  while (String(resources()) !== String(before) && performance.now() < end) await new Promise((resolve) => setImmediate(resolve))
  t.same(resources(), before, 'no socket and no timer is left')
}

t.test('T55 close with 1,000 mixed clients ends within the deadline', async (t) => {
  const shutdownTimeout = 3_000
  const before = resources()
  const { app, listen } = await makeApp(t, {
    server: { logger: false },
    plugin: { shutdownTimeout, closeTimeout: 60_000, handshakeTimeout: 60_000, maxBufferedAmount: 2 ** 30 }
  })
  let hooked = 0
  let stuck = 0
  const closes: string[] = []
  app.get('/ws', { websocket: true }, (connection) => {
    connection.on('message', () => {})
    connection.on('close', (code, _reason, { wasClean }) => {
      connection.send('too late')
      closes.push(`${code} ${wasClean}`)
    })
  })
  app.get('/backlog', { websocket: true }, (connection) => {
    for (let n = 0; n < 4; n++) connection.send(Buffer.alloc(1_000_000))
  })
  app.get('/stuck', { websocket: true }, async (connection) => {
    connection.on('message', () => {
      stuck++
      return new Promise(() => {})
    })
    await new Promise(() => {})
  })
  app.get('/hooked', { websocket: true, onRequest: () => { hooked++; return new Promise(() => {}) } }, () => {})
  const port = await listen()

  const well = await openMany(port, 300)
  const silent = await openMany(port, 150)
  const halfOpen = await openMany(port, 100)
  const busy = await openMany(port, 50)
  const deaf = await openMany(port, 50, '/backlog')
  const backpressed = await openMany(port, 50, '/stuck')
  const resetting = await openMany(port, 100)
  for (const client of [...halfOpen, ...deaf]) client.pause()
  for (const client of backpressed) await client.write(Buffer.concat(Array.from({ length: 100 }, () => MESSAGE)))
  const unopened = [
    ...await connectMany(port, 100, handshake('/hooked')),
    ...await connectMany(port, 50, 'GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: web'),
    ...await connectMany(port, 50, '')
  ]
  await until(() => hooked === 100 && stuck === 50)
  t.equal(app.websocket.connections.size, 800)

  const sending = busy.map(sendOn)
  const farewells = well.map(behaveWell)
  const start = performance.now()
  const closed = app.close()
  // Some give up meanwhile, some come only now.
  const late = connectMany(port, 20, handshake('/ws'))
  for (const client of resetting) {
    await new Promise((resolve) => setTimeout(resolve, 5))
    client.reset()
  }
  unopened.push(...await late)
  await closed
  const took = performance.now() - start
  t.comment(`close took ${took.toFixed(0)} ms of ${shutdownTimeout}, with 1,020 clients`)
  t.ok(took >= shutdownTimeout * 0.9 - 5 && took < shutdownTimeout + 1_500, `${took} ms`)
  t.equal(app.websocket.connections.size, 0)

  for (const { codes, ending } of await Promise.all(farewells)) {
    if (codes.length === 1 && codes[0] === 1001 && ending === 'fin') continue
    t.fail(`a well-behaved client got ${String(codes)} and ${ending}`)
  }
  // The answers of the busy ones are none.
  t.equal(closes.filter(close => close === '1001 true').length, well.length)
  t.equal(closes.length, 700, 'each has closed once')
  await Promise.all([...silent, ...busy, ...backpressed].map(client => client.untilEnd()))
  for (const client of silent) t.equal(closeCodeOf(client.closeFrame?.payload ?? Buffer.alloc(0)), 1001)
  await Promise.all(sending)
  for (const client of [...halfOpen, ...deaf, ...unopened]) client.destroy()
  await untilAsBefore(t, before)
})

t.test('T55 goodbyes are spread over shutdownStagger', async (t) => {
  const before = resources()
  const { app, listen } = await makeApp(t, { server: { logger: false }, plugin: { shutdownTimeout: 10_000, shutdownStagger: 1_000 } })
  app.get('/ws', { websocket: true }, () => {})
  const port = await listen()
  const clients = await openMany(port, 1_000)
  const start = performance.now()
  const farewells = clients.map(behaveWell)
  await app.close()
  const took = performance.now() - start
  const times = (await Promise.all(farewells)).map(({ codes, at }) => {
    t.equal(String(codes), '1001')
    return at - start
  })
  const perTenth = Array.from({ length: 10 }, (_, n) => times.filter(time => Math.min(999, time) / 100 >> 0 === n).length)
  t.comment(`close took ${took.toFixed(0)} ms; goodbyes in each tenth of the second: ${perTenth.join(' ')}`)
  t.ok(took >= 980, `${took} ms`)
  // A machine with other things to do may leave some tenths out, but tells none too early.
  const early = perTenth.map((_, n) => perTenth.slice(0, n + 1).reduce((sum, count) => sum + count, 0))
  t.ok(early.every((count, n) => count <= (n + 1) * 100 + 50), String(early))
  await untilAsBefore(t, before)
})

/** Numbers from 0 to 1, the same in each run. */
function makeRandom (seed: number): () => number {
  let state = seed
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31
    return state / 2 ** 31
  }
}

t.test('T55 close at random moments: handshakes, messages and closes in flight', async (t) => {
  const before = resources()
  const random = makeRandom(55)
  let longest = 0
  for (let round = 0; round < 50; round++) {
    const { app, listen } = await makeApp(t, { server: { logger: false }, plugin: { shutdownTimeout: 5_000 } })
    let opened = 0
    let ended = 0
    app.addHook('onRequest', async () => { if (random() < 0.5) await new Promise((resolve) => setTimeout(resolve, random() * 5)) })
    app.get('/ws', { websocket: true }, (connection) => {
      opened++
      connection.on('message', async (message) => {
        if (random() < 0.3) await new Promise((resolve) => setImmediate(resolve))
        connection.send(message)
        if (random() < 0.1) connection.close(4_000)
      })
      connection.on('close', () => { ended++ })
    })
    const port = await listen()
    const lives = Array.from({ length: 20 }, () => live(port, random))
    await new Promise((resolve) => setTimeout(resolve, random() * 15))
    const start = performance.now()
    await app.close()
    longest = Math.max(longest, performance.now() - start)
    t.equal(app.websocket.connections.size, 0)
    t.equal(ended, opened, `round ${round}: each has closed once`)
    await Promise.all(lives)
  }
  t.comment(`the longest of 50 took ${longest.toFixed(0)} ms of 5,000`)
  t.ok(longest < 6_500, `${longest} ms`)
  await untilAsBefore(t, before)
})

/** One client's life: shakes hands, talks, may say goodbye or vanish, and answers the server's. Refused or not, it comes to its end. */
async function live (port: number, random: () => number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, random() * 10))
  let client: FrameClient
  try {
    client = await openFrames({ port, path: '/ws', deadline: 20_000 })
  } catch {
    // Refused with 503, or there is no server any more.
    return
  }
  const fate = random()
  for (let n = 0; n < random() * 10 && !client.isOver; n++) {
    await client.write(MESSAGE)
    await new Promise((resolve) => setImmediate(resolve))
  }
  if (fate < 0.2) await client.write(encodeFrame({ opcode: 8, payload: closePayload(1_000) }))
  if (fate > 0.9) {
    client.reset()
    return
  }
  await behaveWell(client)
}

/** Tells whether `close` has come to its end, for a test that could not go on if it never did. */
async function isClosed (closing: Promise<unknown>): Promise<boolean> {
  return await Promise.race([closing.then(() => true), new Promise<boolean>((resolve) => { setTimeout(() => resolve(false), 8_000).unref() })])
}

for (const when of ['before', 'after'] as const) {
  t.test(`T55 a hook has hijacked a handshake and reads for ever; close ${when} handshakeTimeout`, async (t) => {
    const { app, listen, open } = await makeApp(t, { plugin: { handshakeTimeout: when === 'before' ? 60_000 : 50, shutdownTimeout: 400 } })
    app.get('/ws', {
      websocket: true,
      preHandler: async (request, reply) => {
        reply.hijack()
        const { socket } = request.raw
        socket.on('data', () => {})
        socket.write('HTTP/1.1 101 X\r\n\r\n')
      }
    }, () => { t.fail('reached') })
    await listen()
    const client = await open()
    client.write(handshake('/ws'))
    await client.until(() => client.text.includes('101 X'))
    if (when === 'after') await until(() => app.websocket.metrics().pending === 0)
    const start = performance.now()
    t.equal(await isClosed(app.close()), true)
    t.ok(performance.now() - start > 300, 'not before the deadline')
    await client.untilEnd()
    t.match(app.websocket.metrics(), { opened: 0, pending: 0, refused: { [when === 'before' ? 'FST_WS_CLOSING' : 'hijacked']: 1 } })
  })
}

t.test('T55 a hijacked socket is forgotten when it has closed', async (t) => {
  const { app, listen, open } = await makeApp(t, { plugin: { handshakeTimeout: 50, shutdownTimeout: 50 } })
  let isClosed = false
  let isTouched = false
  app.get('/ws', {
    websocket: true,
    preHandler: async (request, reply) => {
      reply.hijack()
      const { socket } = request.raw
      socket.on('data', () => {}).on('end', () => socket.end()).on('close', () => {
        isClosed = true
        socket.destroy = () => { isTouched = true; return socket }
      })
    }
  }, () => { t.fail('reached') })
  await listen()
  const client = await open()
  client.write(handshake('/ws'))
  await until(() => app.websocket.metrics().refused['hijacked'] === 1)
  client.end()
  await until(() => isClosed)
  await app.close()
  t.equal(isTouched, false)
})

t.test('T55 what another listener of upgrade serves is not ended', async (t) => {
  const { app, listen, open } = await makeApp(t, { plugin: { handshakeTimeout: 50, shutdownTimeout: 200 } })
  app.server.on('upgrade', (request, socket) => {
    if (request.url !== '/theirs') return
    socket.on('data', (chunk: Buffer) => socket.write(chunk)).on('end', () => socket.end())
    socket.write('HTTP/1.1 101 Theirs\r\n\r\n')
  })
  await listen()
  const client = await open()
  client.write(handshake('/theirs'))
  await client.until(() => client.text.includes('101 Theirs'))
  const closing = app.close()
  await new Promise((resolve) => setTimeout(resolve, 500))
  client.write('still there')
  await client.until(() => client.text.endsWith('still there'))
  client.end()
  t.equal(await isClosed(closing), true)
})

/** Handshakes that are in a hook as the server closes: what the hook does then, and what is answered, if anything still is. */
const HOOK_ROWS: ReadonlyArray<{ name: string, shutdownTimeout: number, end: () => Promise<void>, isAnswered: boolean }> = [
  { name: 'and goes on', shutdownTimeout: 10_000, end: async () => {}, isAnswered: true },
  { name: 'and fails when all is over', shutdownTimeout: 50, end: async () => { throw new Error('too late') }, isAnswered: false }
]

for (const { name, shutdownTimeout, end, isAnswered } of HOOK_ROWS) {
  t.test(`T55 a handshake is in a hook as the server closes, ${name}: no error in the log`, async (t) => {
    const { app, logs, listen, open } = await makeApp(t, { plugin: { shutdownTimeout } })
    let goOn = (): void => {}
    let ended = 0
    app.get('/ws', {
      websocket: true,
      preHandler: async () => {
        await new Promise<void>((resolve) => { goOn = resolve })
        ended++
        await end()
      }
    }, () => { t.fail('reached') })
    await listen()
    const client: RawClient = await open()
    client.write(handshake('/ws'))
    await until(() => app.websocket.metrics().pending === 1)
    const closing = app.close()
    if (isAnswered) await until(() => !app.server.listening)
    else await client.untilEnd()
    goOn()
    await client.untilEnd()
    await closing
    t.equal(ended, 1)
    t.equal(client.answers[0]?.statusCode, isAnswered ? 503 : undefined)
    await new Promise((resolve) => setImmediate(resolve))
    t.same(logs.filter(({ level }) => level > 30), [])
    t.match(logs.find(({ err }) => err !== undefined), { level: isAnswered ? 30 : 20 })
    t.match(app.websocket.metrics().refused, { FST_WS_CLOSING: 1 })
  })
}
