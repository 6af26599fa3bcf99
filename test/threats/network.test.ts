// What a network does to connections, through a proxy of the tests' own: it cuts, delays, resets, ends and falls silent at
// any byte. Either the conversation comes out right, or it ends; `close` comes once, and nothing is left.
import t from 'tap'
import type { Test } from 'tap'
import type { AnyWebSocketConnection, WebSocketCloseDetails } from '../../lib/index.ts'
import { makeApp } from '../helpers/app.ts'
import type { AppOptions, TestApp } from '../helpers/app.ts'
import { ChaosProxy } from '../helpers/chaos-proxy.ts'
import type { Fault, Link, LinkOptions, Way } from '../helpers/chaos-proxy.ts'
import { openFrames } from '../helpers/frame-client.ts'
import type { FrameClient } from '../helpers/frame-client.ts'
import { settleEscapes, escaped } from '../helpers/guard.ts'
import { closePayload, encodeFrame } from '../helpers/wire-frames.ts'

t.setTimeout(150_000)

/** What the application saw of one connection. */
class Session {
  readonly messages: string[] = []
  readonly errors: string[] = []
  readonly closes: Array<{ code: number, wasClean: boolean, initiator: string }> = []
  connection: AnyWebSocketConnection | undefined
  readonly untilClosed: Promise<void>

  constructor (connection: AnyWebSocketConnection) {
    this.connection = connection
    this.untilClosed = new Promise((resolve) => {
      connection.on('close', (code: number, _reason: string, { wasClean, initiator }: WebSocketCloseDetails) => {
        this.closes.push({ code, wasClean, initiator })
        resolve()
      })
    })
    connection.on('error', (error: Error & { code?: string }) => { this.errors.push(error.code ?? error.message) })
  }

  note (message: unknown): void {
    this.messages.push(Buffer.isBuffer(message) ? message.toString('hex') : String(message))
  }
}

/** A server that notes, for each `?id=`, what became of the connection. */
async function startServer (t: Test, options: AppOptions = {}): Promise<TestApp & { port: number, sessions: Map<string, Session> }> {
  const server = await makeApp(t, options)
  const sessions = new Map<string, Session>()
  const begin = (connection: AnyWebSocketConnection): Session => {
    const session = new Session(connection)
    sessions.set(idOf(connection), session)
    return session
  }
  server.app.get('/echo', { websocket: true }, (connection) => {
    const session = begin(connection)
    connection.on('message', (message) => {
      session.note(message)
      connection.send(message)
    })
  })
  server.app.get('/pulled', { websocket: true }, async (connection) => {
    const session = begin(connection)
    for await (const message of connection) {
      session.note(message)
      connection.send(message)
    }
  })
  server.app.get('/hooked', { websocket: true, preValidation: fewTurns }, (connection) => {
    const session = begin(connection)
    connection.on('message', async (message) => {
      session.note(message)
      await fewTurns()
      connection.send(message)
    })
  })
  return { ...server, port: await server.listen(), sessions }
}

function idOf ({ request }: AnyWebSocketConnection): string {
  return (request.query as { id: string }).id // all tests here give one
}

async function fewTurns (): Promise<void> {
  for (let n = 0; n < 3; n++) await new Promise((resolve) => setImmediate(resolve))
}

/** Waits for what takes the time of a timer or of another end. */
async function until (isTrue: () => boolean, deadline = 20_000): Promise<boolean> {
  const end = performance.now() + deadline
  while (!isTrue()) {
    if (performance.now() > end) return false
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
  return true
}

const BINARY = Buffer.from(Array.from({ length: 130 }, (_, n) => n))
/** What the client says, all at once; every kind of frame and of length that fits in a few hundred bytes. */
const SCRIPT = [
  { opcode: 1, payload: 'one' },
  { opcode: 2, payload: BINARY },
  { opcode: 9, payload: 'ping' },
  { opcode: 1, payload: 'fr', fin: false },
  { opcode: 0, payload: '€ag' },
  { opcode: 8, payload: closePayload(1000, 'bye') }
].map((frame) => encodeFrame(frame))
const SCRIPT_BYTES = Buffer.concat(SCRIPT)
const MESSAGES = ['one', BINARY.toString('hex'), 'fr€ag']
/** Bytes of the script by which each of the messages has come. */
const MESSAGE_ENDS = [1, 2, 5].map((count) => Buffer.concat(SCRIPT.slice(0, count)).length)

interface Talk {
  readonly client: FrameClient | undefined
  readonly session: Session | undefined
  readonly link: Link
}

class Talker {
  readonly #proxy: ChaosProxy
  readonly #sessions: Map<string, Session>
  #count = 0

  constructor (proxy: ChaosProxy, sessions: Map<string, Session>) {
    this.#proxy = proxy
    this.#sessions = sessions
  }

  /** Goes through the script on a new connection. */
  async talk (path: string, id: string, options: LinkOptions): Promise<Talk> {
    this.#proxy.defaults = options
    // Ids have one length, so that all conversations have.
    const client = await openFrames({ port: this.#proxy.port, path: `${path}?id=${id}` }).catch(() => undefined)
    await client?.write(SCRIPT_BYTES)
    await client?.untilEnd()
    const link = await this.#proxy.link(this.#count++)
    await Promise.all([link.untilGone('client'), link.untilGone('server')])
    const session = this.#sessions.get(id)
    if (session !== undefined) await Promise.race([session.untilClosed, new Promise((resolve) => setTimeout(resolve, 5_000).unref())])
    return { client, session, link }
  }
}

interface Row {
  readonly path: string
  readonly fault: Fault | 'cut'
  readonly way: Way
  readonly offset: number
}

const isPrefix = (list: readonly string[], of: readonly string[]): boolean => list.every((item, n) => item === of[n]) && list.length <= of.length
const textsOf = ({ frames }: FrameClient): string[] => frames.filter(({ opcode }) => opcode < 8).map(({ opcode, payload }) => opcode === 2 ? payload.toString('hex') : String(payload))

/** Tells what is wrong with a conversation, whatever happened to it. */
function judge ({ client, session }: Talk): string[] {
  const wrong: string[] = []
  if (client?.ending === 'deadline') wrong.push('the client waited in vain')
  if (client?.fault !== undefined) wrong.push(`the client got a bad frame: ${client.fault.message}`)
  if (client !== undefined && !isPrefix(textsOf(client), MESSAGES)) wrong.push('the client got other messages')
  if (session === undefined) return client === undefined ? wrong : [...wrong, 'a 101 without a handler']
  if (!isPrefix(session.messages, MESSAGES)) wrong.push('the application got other messages')
  if (session.closes.length !== 1) wrong.push(`${session.closes.length} close events`)
  // A reset may come before the answer to the Close frame: then it is not clean, and has the peer's code.
  if (session.closes.some(({ code, wasClean }) => (code === 1006 && wasClean) || (code !== 1006 && code !== 1000))) wrong.push('close events that cannot be')
  return wrong
}

/** Tells what is wrong where all bytes arrive. */
function judgeWhole (talk: Talk): string[] {
  const { client, session } = talk
  const wrong = judge(talk)
  if (client === undefined || textsOf(client).length !== MESSAGES.length) wrong.push('the client did not get all')
  if (client?.closeFrame?.payload.equals(closePayload(1000, 'bye')) !== true) wrong.push('no answer to Close')
  if (client?.frames.filter(({ opcode, payload }) => opcode === 10 && String(payload) === 'ping').length !== 1) wrong.push('no pong')
  if (session?.messages.length !== MESSAGES.length) wrong.push('the application did not get all')
  if (session?.closes[0]?.code !== 1000 || !session.closes[0].wasClean) wrong.push('not closed with 1000, cleanly')
  return wrong
}

/** Tells what is wrong where the client's bytes end with the one at `sent`, behind the handshake: all whole messages count. */
function judgeUp (talk: Talk, sent: number): string[] {
  const wrong = judge(talk)
  const { session } = talk
  const whole = MESSAGE_ENDS.filter((end) => end <= sent).length
  if (sent < 0 && session !== undefined) wrong.push('a handler without a handshake')
  // The client may have gone before the 101 was out.
  if (sent === 0 && session === undefined) return wrong
  if (sent >= 0 && session?.messages.length !== whole) wrong.push(`${session?.messages.length} messages in place of ${whole}`)
  if (sent >= 0 && (session?.closes[0]?.code === 1006) !== (sent < SCRIPT_BYTES.length)) wrong.push('a Close frame that was not sent, or was not heard')
  return wrong
}

function optionsOf ({ fault, way, offset }: Row): LinkOptions {
  return { [way]: fault === 'cut' ? { cutAt: [offset] } : { after: { bytes: offset, fault } } }
}

const PATHS = ['/echo', '/pulled', '/hooked'] as const
const AT_ONCE = 12

for (const { id, fault } of [
  { id: 'T56', fault: 'cut' },
  { id: 'T37 T56', fault: 'reset' },
  { id: 'T37 T56', fault: 'end' }
] as const) {
  t.test(`${id} ${fault === 'end' ? 'FIN' : fault} at every byte of handshake and frames, both ways`, async (t) => {
    const { app, port, sessions, logs } = await startServer(t, { plugin: { closeTimeout: 2_000, handshakeTimeout: 2_000 } })
    const talkers = await Promise.all(Array.from({ length: AT_ONCE }, async () => {
      const proxy = await ChaosProxy.start(port)
      t.teardown(() => proxy.close())
      return new Talker(proxy, sessions)
    }))
    const [first] = talkers
    if (first === undefined) throw new Error('no talker')
    const rows: Row[] = []
    let upgradeBytes = 0
    for (const path of PATHS) {
      const whole = await first.talk(path, '00000', {})
      t.same(judgeWhole(whole), [], `${path} without a fault`)
      sessions.clear()
      if (path === '/echo') upgradeBytes = whole.link.up.forwarded - SCRIPT_BYTES.length - path.length
      for (const way of ['up', 'down'] as const) {
        for (let offset = 0; offset <= whole.link[way].forwarded; offset++) rows.push({ path, fault, way, offset })
      }
    }

    const failures: unknown[] = []
    let opened = 0
    let next = 0
    await Promise.all(talkers.map(async (talker) => {
      for (;;) {
        const id = String(next).padStart(5, '0')
        const row = rows[next++]
        if (row === undefined) return
        const talk = await talker.talk(row.path, id, optionsOf(row))
        if (talk.session !== undefined) opened++
        const sent = row.offset - upgradeBytes - row.path.length
        const wrong = fault === 'cut' ? judgeWhole(talk) : row.way === 'up' ? judgeUp(talk, sent) : judge(talk)
        if (wrong.length > 0) failures.push({ ...row, sent, wrong, closes: talk.session?.closes })
        sessions.delete(id)
      }
    }))
    t.same(failures.slice(0, 5), [], `${failures.length} of ${rows.length} failed`)
    t.ok(opened > rows.length / 4, `${opened} of ${rows.length} came to a handler`)
    t.ok(await until(() => app.websocket.connections.size === 0), 'the hub is empty')
    t.same(logs.filter(({ level }) => level > 30), [], 'nothing of it is a warning')
    await settleEscapes()
    t.same(escaped, [])
  })
}

t.test('T56 single bytes both ways', async (t) => {
  const { port, sessions } = await startServer(t)
  const proxy = await ChaosProxy.start(port, { up: { pieceSize: 1 }, down: { pieceSize: 1 } })
  t.teardown(() => proxy.close())
  const talker = new Talker(proxy, sessions)
  for (const path of PATHS) t.same(judgeWhole(await talker.talk(path, path, proxy.defaults)), [], path)
})

interface Open {
  readonly client: FrameClient
  readonly session: Session
  readonly link: Link
}

/** Connects through a proxy of its own, and answers pings until a fault keeps it from it. */
async function openThrough (t: Test, server: { port: number, sessions: Map<string, Session> }, path = '/echo?id=x', options: LinkOptions = {}): Promise<Open> {
  const proxy = await ChaosProxy.start(server.port, options)
  t.teardown(() => proxy.close())
  const client = await openFrames({ port: proxy.port, path, answersPings: true, deadline: 60_000 })
  t.teardown(() => client.destroy())
  const session = server.sessions.get(path.split('=')[1] ?? '')
  if (session === undefined) throw new Error('no session')
  return { client, session, link: await proxy.link(0) }
}

/** Lets the server send on a connection every few ms until it is closed. */
function keepSending ({ connection, untilClosed }: Session, message: string | Buffer): void {
  const timer = setInterval(() => { connection?.send(message) }, 3)
  void untilClosed.then(() => clearInterval(timer))
}

const HEARTBEAT = { interval: 60, timeout: 200 }
/** A multiple of what it may take, for a machine that is busy; far less than what TCP would take by itself. */
const IN_TIME = 5_000

const SILENCES: Array<{ name: string, befall: (link: Link) => void }> = [
  { name: 'takes no more bytes and sends none', befall: (link) => link.stop() },
  { name: 'takes bytes and sends none', befall: (link) => { link.inject('discard') } },
  { name: 'is not heard any more', befall: (link) => { link.inject('discard', 'up') } }
]
const TRAFFIC: Array<{ name: string, message: string | Buffer | undefined }> = [
  { name: 'while nothing is sent to it', message: undefined },
  { name: 'while small messages are sent to it', message: 'tick' },
  { name: 'while large messages are sent to it', message: Buffer.alloc(100_000) }
]

for (const silence of SILENCES) {
  for (const traffic of TRAFFIC) {
    t.test(`T54 a half-open peer that ${silence.name} is gone in time, ${traffic.name}`, async (t) => {
      // A peer that is slow is not ended for that here.
      const server = await startServer(t, { plugin: { heartbeat: HEARTBEAT, slowConsumer: 'drop', closeTimeout: 60_000 } })
      const { client, session, link } = await openThrough(t, server)
      await client.write(encodeFrame({ opcode: 1, payload: 'one' }))
      await client.untilFrames(1)
      // What it hears meanwhile is more than one needs to keep.
      if (silence.name !== 'is not heard any more') client.pause()
      const start = performance.now()
      silence.befall(link)
      if (traffic.message !== undefined) keepSending(session, traffic.message)
      t.ok(await until(() => session.closes.length > 0, IN_TIME), `gone after ${Math.round(performance.now() - start)} ms`)
      t.ok(performance.now() - start >= HEARTBEAT.timeout - 20, 'not before the timeout')
      t.same(session.closes, [{ code: 1006, wasClean: false, initiator: 'local' }])
      t.same(session.errors, ['FST_WS_HEARTBEAT_TIMEOUT'])
      t.equal(server.app.websocket.connections.size, 0)
    })
  }
}

t.test('T54 two hundred half-open peers at once, while all are sent to', async (t) => {
  const server = await startServer(t, { plugin: { heartbeat: { interval: 100, timeout: 500 }, slowConsumer: 'drop' } })
  const proxy = await ChaosProxy.start(server.port)
  t.teardown(() => proxy.close())
  const clients = await Promise.all(Array.from({ length: 200 }, (_, n) => openFrames({ port: proxy.port, path: `/echo?id=${n}`, answersPings: true })))
  t.teardown(() => { for (const client of clients) client.destroy() })
  const timer = setInterval(() => { server.app.websocket.connections.forEach((connection) => { (connection as AnyWebSocketConnection).send('to all') }) }, 20)
  t.teardown(() => clearInterval(timer))
  await until(() => clients.every(({ frames }) => frames.some(({ opcode }) => opcode === 9)))
  t.equal(server.app.websocket.connections.size, 200, 'all live through the first pings')
  for (const link of proxy.links) link.stop()
  t.ok(await until(() => server.app.websocket.connections.size === 0, IN_TIME))
  t.same([...server.sessions.values()].filter(({ closes }) => closes.length !== 1 || closes[0]?.code !== 1006), [])
})

/** Some times the timeout: a connection that is wrongly given up is gone by then. */
async function watchAWhile (): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 4 * (HEARTBEAT.interval + HEARTBEAT.timeout)))
}

t.test('T54 a peer that nothing reaches is kept as long as bytes come from it', async (t) => {
  const server = await startServer(t, { plugin: { heartbeat: HEARTBEAT } })
  const { client, session, link } = await openThrough(t, server)
  const timer = setInterval(() => { void client.write(encodeFrame({ opcode: 10, payload: 'alive' })) }, 10)
  t.teardown(() => clearInterval(timer))
  link.stop('down')
  await watchAWhile()
  t.same(session.closes, [])
})

t.test('T54 a peer that only answers pings, late, is kept', async (t) => {
  const server = await startServer(t, { plugin: { heartbeat: { interval: 60, timeout: 600 } } })
  const { client, session } = await openThrough(t, server, '/echo?id=x', { up: { delay: 60 }, down: { delay: 60 } })
  await until(() => client.frames.filter(({ opcode }) => opcode === 9).length >= 10)
  t.same(session.closes, [])
  const { latency = 0 } = session.connection ?? {}
  t.ok(latency >= 100 && latency < 2_000, `latency ${latency}`)
})

t.test('T54 an outage shorter than the timeout loses nothing', async (t) => {
  const server = await startServer(t, { plugin: { heartbeat: { interval: 50, timeout: 3_000 } } })
  const { client, session, link } = await openThrough(t, server)
  link.stop()
  for (let n = 0; n < 100; n++) {
    void client.write(encodeFrame({ opcode: 1, payload: `up ${n}` }))
    session.connection?.send(`down ${n}`)
  }
  await new Promise((resolve) => setTimeout(resolve, 300))
  link.resume()
  await until(() => client.frames.filter(({ opcode }) => opcode === 1).length >= 200)
  const texts = textsOf(client)
  t.same(texts.filter((text) => text.startsWith('down')), Array.from({ length: 100 }, (_, n) => `down ${n}`))
  t.same(texts.filter((text) => text.startsWith('up')), Array.from({ length: 100 }, (_, n) => `up ${n}`))
  t.same(session.closes, [])
})

for (const { name, options } of [
  { name: 'delay', options: { up: { delay: 40 }, down: { delay: 25 } } },
  { name: 'delay and cuts', options: { up: { delay: 15, pieceSize: 7 }, down: { delay: 15, pieceSize: 11 } } },
  { name: 'a narrow line', options: { up: { bytesPerSecond: 20_000 }, down: { bytesPerSecond: 20_000 } } }
]) {
  t.test(`T56 ${name}: nothing is lost or comes in another order`, async (t) => {
    const server = await startServer(t, { plugin: { heartbeat: { interval: 50, timeout: 5_000 } } })
    const { client, session } = await openThrough(t, server, '/pulled?id=x', options)
    const texts = Array.from({ length: 300 }, (_, n) => `message ${n}`)
    for (const text of texts) {
      await client.write(encodeFrame({ opcode: 1, payload: text }))
      // Chunks of their own, some of them.
      if (text.endsWith('7')) await fewTurns()
    }
    await client.write(encodeFrame({ opcode: 8, payload: closePayload(1000) }))
    await client.untilEnd()
    await session.untilClosed
    t.same(textsOf(client), texts)
    t.same(session.messages, texts)
    t.same(session.closes, [{ code: 1000, wasClean: true, initiator: 'remote' }])
    t.same(session.errors, [])
  })
}

t.test('T56 reset of one side at random moments while both talk', async (t) => {
  const server = await startServer(t, { plugin: { heartbeat: HEARTBEAT, slowConsumer: 'drop' } })
  const faults: Fault[] = ['reset', 'resetClient', 'resetServer', 'stop', 'discard', 'end']
  await Promise.all(Array.from({ length: 120 }, async (_, n) => {
    const fault = faults[n % faults.length] ?? 'reset'
    const { client, session, link } = await openThrough(t, server, `${PATHS[n % 3]}?id=${n}`)
    keepSending(session, Buffer.alloc(1 + (n * 37) % 3_000))
    const timer = setInterval(() => { void client.write(encodeFrame({ opcode: 1, payload: 'x'.repeat(n) })) }, 2)
    await new Promise((resolve) => setTimeout(resolve, 5 + (n * 7) % 50))
    link.inject(fault)
    // A client that is left alone with a dead line would write for ever.
    clearInterval(timer)
    if (fault !== 'resetServer') void client.untilEnd()
    await session.untilClosed
  }))
  t.ok(await until(() => server.app.websocket.connections.size === 0))
  t.same([...server.sessions.values()].filter(({ closes }) => closes.length !== 1), [])
  t.same(server.logs.filter(({ level }) => level > 30), [], 'nothing of it is a warning')
  await settleEscapes()
  t.same(escaped, [])
})
