// A connection from its start to its end as the application sees it: nothing is lost before the first listener (T51), what
// its properties say in every phase, and that it leaves nothing behind.
import { once } from 'node:events'
import t from 'tap'
import { Connection } from '../../lib/connection/connection.ts'
import { untilAtRest } from '../helpers/at-rest.ts'
import { closeCallsOf, connectionOn, memoryUsed, openPair, openSockets, Peer, settingsWith, turns, untilClosed, untilTrue } from '../helpers/connection-pair.ts'
import type { Pair, PairOptions } from '../helpers/connection-pair.ts'
import { closePayload, encodeFrame } from '../helpers/wire-frames.ts'

const texts = ['1', '2', '3']
const head = (): Buffer => Buffer.concat(texts.map(payload => encodeFrame({ opcode: 1, payload })))
const closeFrame = encodeFrame({ opcode: 8, payload: closePayload(1000, 'bye') })

/** Handlers that attach their listener of messages at some time; `got` is what it gets. */
const handlers: Array<{ name: string, handler: (connection: Connection, listener: (text: string) => void) => unknown }> = [
  { name: 'at once', handler: (connection, listener) => { connection.on('message', listener) } },
  {
    name: 'in an async handler, at once',
    async handler (connection, listener) { connection.on('message', listener) }
  },
  {
    name: 'after a microtask',
    async handler (connection, listener) {
      await undefined
      connection.on('message', listener)
    }
  },
  {
    name: 'many turns later',
    async handler (connection, listener) {
      await turns(30)
      connection.on('message', listener)
    }
  },
  {
    name: 'behind a listener of close and of pong',
    async handler (connection, listener) {
      connection.on('close', () => {})
      await turns(3)
      connection.on('pong', () => {})
      await turns(10)
      connection.on('message', listener)
    }
  },
  {
    name: 'behind the signal, data, log and id',
    async handler (connection, listener) {
      connection.signal.addEventListener('abort', () => {})
      connection.log.info(connection.data, connection.id)
      await turns(10)
      connection.on('message', listener)
    }
  },
  {
    name: 'behind a message sent and a ping',
    async handler (connection, listener) {
      connection.send('welcome')
      connection.ping()
      await turns(10)
      connection.on('message', listener)
    }
  },
  {
    name: 'one for close in the same tick, behind',
    async handler (connection, listener) {
      await turns(5)
      connection.on('close', () => {})
      connection.on('message', listener)
    }
  },
  {
    name: 'by once, then on, in the same tick',
    async handler (connection, listener) {
      await turns(2)
      connection.once('message', listener)
      connection.on('message', (text: string) => { if (text !== '1') listener(text) })
    }
  },
  { name: 'prepended', handler: async (connection, listener) => { await turns(2); connection.prependListener('message', listener) } },
  {
    name: 'as a loop, late',
    async handler (connection, listener) {
      await turns(10)
      for await (const text of connection) listener(String(text))
    }
  },
  {
    name: 'as a stream, late',
    async handler (connection, listener) {
      await turns(10)
      connection.createStream({ readableObjectMode: true, encoding: 'utf8' }).on('data', listener)
    }
  },
  {
    name: 'many messages of a slow listener',
    async handler (connection, listener) {
      await turns(2)
      connection.on('message', async (text: string) => {
        await turns(2)
        listener(text)
      })
    }
  }
]

for (const { name, handler } of handlers) {
  for (const arrival of ['with the handshake', 'behind it', 'with the handshake, Close and FIN too'] as const) {
    t.test(`T51 messages ${arrival}, listener attached ${name}: delivered, once, in order`, async t => {
      const got: string[] = []
      const withClose = arrival.endsWith('too')
      const { connection, peer } = await openPair(t, {
        head: arrival === 'behind it' ? Buffer.alloc(0) : withClose ? Buffer.concat([head(), closeFrame]) : head(),
        handler: connection => handler(connection, text => { got.push(text) }),
        started: false
      })
      const calls = closeCallsOf(connection)
      if (arrival === 'behind it') peer.socket.write(head())
      if (withClose) peer.socket.end()
      // The FIN is there before anybody reads.
      await turns(3)
      const options: PairOptions = { head: arrival === 'behind it' ? Buffer.alloc(0) : withClose ? Buffer.concat([head(), closeFrame]) : head() }
      connection.start(options.head ?? Buffer.alloc(0), () => handler(connection, text => { got.push(text) }))
      await untilTrue(() => got.length === 3)
      await turns(5)
      t.same(got, texts)
      if (withClose) {
        await untilTrue(() => calls.length > 0)
        t.same(calls, [{ code: 1000, reason: 'bye', wasClean: true, initiator: 'remote' }])
      }
    })
  }
}

t.test('T51 200 connections, the first message in the same segment, async handlers of all durations', async t => {
  const got: string[] = []
  for (let i = 0; i < 200; i++) {
    const { near, far } = await openSockets()
    const peer = new Peer(far, true)
    const { connection } = connectionOn(near, {
      head: peer.textFrames(`${i}a`, `${i}b`),
      async handler (connection) {
        for (let n = 0; n < i % 7; n++) await undefined
        await turns(i % 3)
        connection.on('message', (text: string) => { got.push(text) })
      }
    })
    peer.text(`${i}c`)
    await untilTrue(() => got.length === (i + 1) * 3)
    connection.terminate()
    far.destroy()
  }
  t.same(got, Array.from({ length: 200 }, (_, i) => [`${i}a`, `${i}b`, `${i}c`]).flat())
})

t.test('T51 more messages than the queue takes wait for the listener: the rest waits in the socket', async t => {
  const got: string[] = []
  let goOn = (): void => {}
  const { socket, peer } = await openPair(t, {
    async handler (connection) {
      connection.on('close', () => {})
      await new Promise<void>((resolve) => { goOn = resolve })
      connection.on('message', (text: string) => { got.push(text) })
    }
  })
  const burst = peer.textFrames(...Array.from({ length: 1000 }, () => 'x'.repeat(1000)))
  for (let i = 0; i < 20; i++) peer.socket.write(burst)
  await turns(20)
  t.same(got, [])
  // With a listener of `close` more is read than the queue takes: `maxPayload` bytes.
  t.ok(socket.bytesRead < 1_500_000, `${socket.bytesRead} bytes were read`)
  goOn()
  await untilTrue(() => got.length === 20_000)
})

t.test('T51 a listener of messages that comes later than closeTimeout behind the end: they have waited for it', async t => {
  const log: string[] = []
  const { peer } = await openPair(t, {
    closeTimeout: 30,
    async handler (connection) {
      await new Promise((resolve) => { connection.on('close', resolve) })
      log.push('close')
      await turns(3)
      connection.on('message', (text: string) => { log.push(text) })
    }
  })
  peer.text('1', '2', '3')
  peer.close(1000)
  await untilTrue(() => log.length === 4)
  t.same(log, ['close', '1', '2', '3'])
})

t.test('T51 while the handler runs and listens to nothing: pings are answered, messages wait', async t => {
  let goOn = (): void => {}
  const { connection, peer } = await openPair(t, { handler: () => new Promise<void>((resolve) => { goOn = resolve }) })
  peer.text('1', '2')
  await peer.roundTrip()
  const got: string[] = []
  connection.on('message', (text: string) => { got.push(text) })
  await turns(2)
  t.same(got, ['1', '2'])
  goOn()
})

for (const [name, end] of [
  ['the peer closes', ({ peer }: Pair) => { peer.close(4000, 'bye') }],
  ['the peer resets', ({ peer }: Pair) => { peer.socket.resetAndDestroy() }],
  ['it is terminated', ({ connection }: Pair) => { connection.terminate() }]
] as const) {
  t.test(`T56 ${name} while the handler runs and listens to nothing: whoever keeps connections is told, and \`close\` waits for a listener`, async t => {
    let goOn = (): void => {}
    const lost: Connection[] = []
    const pair = await openPair(t, { closeTimeout: 200, onEnd: (connection) => { lost.push(connection) }, handler: () => new Promise<void>((resolve) => { goOn = resolve }) })
    const { connection } = pair
    end(pair)
    await untilTrue(() => lost.length === 1)
    t.equal(lost[0], connection)
    t.equal(connection.readyState, connection.CLOSED)
    await turns(5)
    const told: unknown[] = []
    connection.on('message', (text) => { told.push(text) })
    connection.on('close', (code) => { told.push(code) })
    await untilTrue(() => told.length === 1)
    t.same(told, [name === 'the peer closes' ? 4000 : 1006])
    goOn()
    await turns(3)
    t.equal(lost.length, 1)
  })
}

t.test('a handler that has settled without listeners: messages are nobody\'s, pings are answered, the end is heard', async t => {
  const { connection, peer, faults } = await openPair(t, { handler () {} })
  peer.text(...Array.from({ length: 100 }, () => 'x'))
  await peer.roundTrip()
  const closed = untilClosed(connection)
  peer.close(1000)
  t.match(await closed, { code: 1000 })
  t.same(faults, [])
})

t.test('without a handler: messages wait for their first listener, and `close` for its own', async t => {
  const { connection, peer } = await openPair(t)
  peer.text('1')
  peer.close(4000, 'bye')
  // The Close frame is answered meanwhile, whoever listens; the message before it has `closeTimeout` to be answered.
  await peer.untilEnd()
  peer.socket.end()
  await peer.untilGone()
  await turns(5)
  t.same(await once(connection, 'message'), ['1', false])
  t.match(await once(connection, 'close'), [4000, 'bye'])
})

t.test('closed by the handler before any listener: the handshake is done all the same', async t => {
  for (const handler of [(connection: Connection) => connection.close(4000), async (connection: Connection) => { connection.close(4000); await turns(50) }]) {
    const { connection, peer } = await openPair(t, { handler })
    const calls = closeCallsOf(connection)
    await peer.untilFrames(1)
    peer.close(4000)
    await untilTrue(() => calls.length > 0)
    t.same(calls, [{ code: 4000, reason: '', wasClean: true, initiator: 'local' }])
  }
})

t.test('gone before the handler has attached its listener: it gets `close`', async t => {
  let calls: unknown[] = []
  const { connection } = await openPair(t, {
    async handler (connection) {
      connection.terminate()
      await turns(10)
      calls = closeCallsOf(connection)
    }
  })
  await untilTrue(() => calls.length > 0)
  t.same(calls, [{ code: 1006, reason: '', wasClean: false, initiator: 'local' }])
  t.equal(connection.readyState, connection.CLOSED)
})

t.test('T51 a socket that had been read to its end before: messages of the head, then the end', async t => {
  const { near, far } = await openSockets()
  far.end()
  near.resume()
  await once(near, 'end')
  const got: string[] = []
  const { connection } = connectionOn(near, { head: head(), handler: (connection) => { connection.on('message', (text: string) => { got.push(text) }) } })
  t.match(await untilClosed(connection), { code: 1006, initiator: 'remote' })
  t.same(got, texts)
  far.destroy()
})

t.test('a listener of close that is attached behind it: the others are not called again', async t => {
  const { connection, peer } = await openPair(t, { handler () {} })
  const calls = closeCallsOf(connection)
  peer.close(1000)
  await untilTrue(() => calls.length > 0)
  const late = closeCallsOf(connection)
  for await (const _message of connection) t.fail('no message')
  await turns(3)
  t.equal(calls.length, 1)
  t.equal(late.length, 0)
})

t.test('readyState in every phase', async t => {
  t.same([Connection.CONNECTING, Connection.OPEN, Connection.CLOSING, Connection.CLOSED], [0, 1, 2, 3])
  const { connection, peer } = await openPair(t)
  t.same([connection.CONNECTING, connection.OPEN, connection.CLOSING, connection.CLOSED], [0, 1, 2, 3])
  const states: number[] = []
  connection.on('close', () => { states.push(connection.readyState) })
  states.push(connection.readyState)
  connection.close()
  states.push(connection.readyState)
  await peer.untilFrames(1)
  states.push(connection.readyState)
  peer.close()
  await untilClosed(connection)
  states.push(connection.readyState)
  t.same(states, [1, 2, 2, 3, 3])
})

const phases: Array<{ name: string, end: (connection: Connection, peer: Peer) => void }> = [
  { name: 'terminate', end: (connection) => connection.terminate() },
  { name: 'a Close frame of the peer', end: (_connection, peer) => peer.close(1000) },
  { name: 'a broken rule', end: (_connection, peer) => peer.send(3) },
  { name: 'FIN', end: (_connection, peer) => { peer.socket.end() } }
]
for (const { name, end } of phases) {
  t.test(`readyState after ${name}: CLOSING until the socket is gone, then CLOSED; never OPEN again`, async t => {
    const { connection, peer } = await openPair(t)
    connection.on('message', () => {})
    const closed = untilClosed(connection)
    await peer.roundTrip()
    end(connection, peer)
    await untilTrue(() => connection.readyState !== connection.OPEN)
    t.equal(connection.readyState, connection.CLOSING)
    t.equal(connection.send('x'), false)
    await closed
    t.equal(connection.readyState, connection.CLOSED)
  })
}

t.test('readyState right after terminate', async t => {
  const { connection } = await openPair(t)
  connection.terminate()
  t.equal(connection.readyState, connection.CLOSING)
})

t.test('signal aborts when the socket has closed, once; asked for later it has aborted', async t => {
  const { connection, peer } = await openPair(t)
  const { signal } = connection
  t.equal(connection.signal, signal)
  t.equal(signal.aborted, false)
  let aborts = 0
  signal.addEventListener('abort', () => aborts++)
  peer.close(1000)
  await untilClosed(connection)
  t.equal(signal.aborted, true)
  t.equal(aborts, 1)
  const late = await openPair(t)
  late.connection.terminate()
  await untilTrue(() => late.connection.readyState === late.connection.CLOSED)
  t.equal(late.connection.signal.aborted, true)
})

t.test('signal ends what waits for it, with nothing else attached', async t => {
  const { connection, peer } = await openPair(t, {
    async handler (connection) { await once(new EventTarget(), 'never', { signal: connection.signal }) },
    onError: (error) => t.equal(error.name, 'AbortError')
  })
  peer.socket.end()
  await untilTrue(() => connection.readyState === connection.CLOSED)
})

t.test('ping, pong and latency', async t => {
  const { connection, peer } = await openPair(t)
  const log: string[] = []
  connection.on('pong', (data: Buffer) => { log.push(`pong ${data}`) })
  connection.on('ping', (data: Buffer) => { log.push(`ping ${data}`) })
  t.equal(connection.latency, undefined)
  peer.send(10, 'unasked')
  await peer.roundTrip()
  t.equal(connection.latency, undefined, 'an unsolicited pong measures nothing')
  const data = Buffer.from('data')
  connection.ping(data)
  data.fill(0)
  await untilTrue(() => peer.frames.some(({ opcode }) => opcode === 9))
  const started = performance.now()
  while (performance.now() - started < 8) await turns(1)
  peer.send(10, 'other')
  await peer.roundTrip()
  t.equal(connection.latency, undefined, 'a pong with other data either')
  peer.send(10, 'data')
  await untilTrue(() => connection.latency !== undefined)
  t.ok(connection.latency !== undefined && connection.latency >= 8 && connection.latency < 5000, `${connection.latency} ms`)
  t.same(log.filter(entry => !entry.startsWith('ping round')), ['pong unasked', 'pong other', 'pong data'])
})

t.test('a ping is answered before its listener is called, and whatever that does', async t => {
  const { connection, peer, faults } = await openPair(t)
  connection.on('ping', () => { throw new Error('fault') })
  peer.send(9, 'a')
  peer.send(9, 'b')
  await peer.untilFrames(2)
  t.same(peer.frames.map(({ payload }) => payload.toString()), ['a', 'b'])
  t.equal(faults.length, 2)
})

t.test('handle: by type, others are a fault, inherited names too', async t => {
  const codec = { decode: (data: string | Buffer) => JSON.parse(String(data)), encode: String }
  const { connection, peer, faults } = await openPair(t, { codec })
  const got: unknown[] = []
  t.equal(connection.handle({ a: (message) => { got.push(message) }, b: async () => { got.push('b') } }), connection)
  peer.text('{"type":"a","n":1}', '{"type":"b"}', '{"type":"c"}', '{"type":"toString"}', '{}', 'null', '{"type":"a"}')
  await untilTrue(() => got.length === 3)
  t.same(got, [{ type: 'a', n: 1 }, 'b', { type: 'a' }])
  const binaryCame = once(connection, 'message')
  peer.send(2, '{}')
  await binaryCame
  t.same(faults.map(error => 'code' in error && error.code), Array.from({ length: 4 }, () => 'FST_WS_NO_HANDLER'))
  // As an application in JavaScript might call it.
  t.throws(() => connection.handle({ a: 5 as unknown as () => void }), { code: 'FST_WS_INVALID_ARGUMENT' })
  t.throws(() => connection.handle(null as unknown as Record<string, () => void>), { code: 'FST_WS_INVALID_ARGUMENT' })
})

t.test('what the opening has settled, and what is made at its first use', async t => {
  const { near, far } = await openSockets()
  const made: Connection[] = []
  const logged: unknown[] = []
  const request = {}
  const connection = new Connection(near, settingsWith({
    extensions: 'x',
    createLog (from) {
      made.push(from)
      return { info: (...args) => { logged.push(args) }, error () {} }
    }
  }), { protocol: 'chat', request, remoteAddress: '10.0.0.1' })
  t.match(connection, { protocol: 'chat', extensions: 'x', remoteAddress: '10.0.0.1' })
  t.equal(connection.request, request)
  t.equal(connection.knownId, undefined)
  t.match(connection.id, /^[0-9a-f]{8}-/)
  t.equal(connection.knownId, connection.id)
  t.equal(connection.id, connection.id)
  t.same(connection.data, {})
  t.equal(connection.data, connection.data)
  t.same(made, [])
  connection.log.info({}, 'x')
  t.equal(connection.log, connection.log)
  t.same(made, [connection])
  t.equal(logged.length, 1)
  const bare = new Connection(far, settingsWith())
  t.match(bare, { protocol: '', extensions: '', request: undefined, remoteAddress: undefined })
  t.not(bare.id, connection.id)
  bare.log.error(new Error('silent'), 'x')
  near.destroy()
  far.destroy()
})

t.test('an error handler that throws is logged, and the connection is dropped', async t => {
  const logged: unknown[] = []
  const { connection, peer } = await openPair(t, {
    createLog: () => ({ info () {}, error: (object) => { logged.push(object) } }),
    onError () { throw new Error('second') }
  })
  connection.on('message', () => { throw new Error('first') })
  peer.text('a')
  await untilClosed(connection)
  t.match(logged, [{ err: { message: 'second' } }])
})

t.test('a client talks to a server, both of this package', async t => {
  const { near, far } = await openSockets()
  const { connection: server } = connectionOn(near)
  const { connection: client } = connectionOn(far, { role: 'client' })
  server.on('message', (message: string | Buffer) => { server.send(message) })
  const got: Array<string | Buffer> = []
  client.on('message', (message: string | Buffer) => { got.push(message) })
  const calls = [closeCallsOf(server), closeCallsOf(client)]
  const sent = ['', 'é', 'x'.repeat(70_000), Buffer.alloc(0), Buffer.alloc(126, 1), Buffer.alloc(300_000, 2)]
  for (const message of sent) client.send(message)
  await untilTrue(() => got.length === sent.length)
  t.same(got, sent)
  client.close(1000, 'bye')
  await untilTrue(() => calls.every(list => list.length > 0))
  t.same(calls, [[{ code: 1000, reason: 'bye', wasClean: true, initiator: 'remote' }], [{ code: 1000, reason: 'bye', wasClean: true, initiator: 'local' }]])
})

t.test('1,000 connections opened and closed leave no timer, no handle and no memory', async t => {
  const open = async (): Promise<void> => {
    const { near, far } = await openSockets()
    const peer = new Peer(far, true)
    const { connection } = connectionOn(near, { closeTimeout: 60_000, handler: (connection) => { connection.on('message', (text: string) => { connection.send(text) }) } })
    const closed = untilClosed(connection)
    void connection.signal
    peer.text('x'.repeat(100))
    connection.ping()
    await peer.untilFrames(2)
    if (Number(far.localPort) % 3 === 0) connection.terminate()
    else peer.close(1000)
    await closed
    far.destroy()
  }
  const openMany = async (count: number): Promise<void> => { for (let i = 0; i < count; i += 20) await Promise.all(Array.from({ length: 20 }, open)) }
  await openMany(1000)
  await untilAtRest()
  const memory = await memoryUsed()
  const resources = process.getActiveResourcesInfo().filter(name => name === 'TCPSocketWrap' || name === 'Timeout').length
  await openMany(1000)
  await untilAtRest()
  const grown = await memoryUsed() - memory
  t.ok(grown < 600_000, `memory has grown by ${grown}`)
  const now = process.getActiveResourcesInfo().filter(name => name === 'TCPSocketWrap' || name === 'Timeout').length
  t.ok(now <= resources, `${now} timers and sockets, ${resources} before`)
})

t.test('T52 listeners of `invalid` that are async hold messages back as others do', async t => {
  const codec = { decode (): never { throw Object.assign(new Error('bad'), { closeCode: 1008 }) }, encode: String }
  const { connection, peer, faults } = await openPair(t, { codec })
  let running = 0
  let most = 0
  let count = 0
  connection.on('message', () => {})
  connection.on('invalid', async () => {
    most = Math.max(most, ++running)
    await turns(1)
    running--
    count++
  })
  peer.text(...Array.from({ length: 200 }, () => 'x'))
  await untilTrue(() => count === 200)
  t.equal(most, 1)
  t.same(faults, [])
})

t.test('messages that handlers have not come to within closeTimeout of the end are dropped, and the log says so', async t => {
  const { near, far } = await openSockets()
  const peer = new Peer(far, true)
  const logged: unknown[] = []
  const settings = settingsWith({ closeTimeout: 10, createLog: () => ({ info: (...args) => { logged.push(args) }, error () {} }) })
  const connection = new Connection(near, settings)
  const calls = closeCallsOf(connection)
  const got: string[] = []
  connection.start(Buffer.alloc(0), () => {
    connection.on('message', (text: string) => {
      got.push(text)
      return new Promise(() => {})
    })
  })
  peer.text('1', '2', '3')
  peer.close(1000)
  peer.socket.end()
  await untilTrue(() => calls.length > 0)
  t.same(got, ['1'])
  t.match(logged, [[{ dropped: 2 }, String]])
})

t.test('T51 a handler that has settled and listens later: messages wait for the first listener', async t => {
  const got: string[] = []
  const { connection, peer } = await openPair(t, { handler () {} })
  peer.text(...Array.from({ length: 100 }, (_, i) => `${i}`))
  await peer.roundTrip()
  await turns(10)
  connection.on('message', (text: string) => { got.push(text) })
  await untilTrue(() => got.length === 100)
  t.same(got, Array.from({ length: 100 }, (_, i) => `${i}`))
})

t.test('T52 a handler that has settled and never listens: what comes is dropped beyond maxPayload bytes, and the end is heard', async t => {
  const { connection, peer, socket } = await openPair(t, { handler () {}, maxPayload: 10_000 })
  const before = await memoryUsed()
  for (let i = 0; i < 200; i++) peer.text('x'.repeat(9_000))
  await peer.roundTrip()
  t.ok(socket.bytesRead > 1_800_000)
  t.ok(await memoryUsed() - before < 5_000_000)
  const closed = untilClosed(connection)
  const start = performance.now()
  peer.close(1000)
  peer.socket.end()
  t.match(await closed, { code: 1000, wasClean: true })
  t.ok(performance.now() - start < 500, 'at once')
})

for (const [name, wait] of Object.entries({
  close: async (connection: Connection) => { await once(connection, 'close') },
  signal: async (connection: Connection) => { await once(connection.signal, 'abort') }
})) {
  t.test(`a handler that only waits for the end (${name}) hears it behind messages that nobody listens for`, async t => {
    let ended = false
    const { connection, peer } = await openPair(t, { closeTimeout: 50, async handler (connection) { await wait(connection); ended = true } })
    peer.text(...Array.from({ length: 40 }, () => 'x'))
    peer.close(1000)
    await peer.untilEnd()
    peer.socket.end()
    await untilTrue(() => ended && connection.readyState === connection.CLOSED)
    t.pass()
  })
}

t.test('T50 a message that throws when its type is read, as a validator of the application may make it', async t => {
  const codec = { decode: (data: string | Buffer) => String(data) === 'bad' ? { get type () { throw new Error('from the getter') } } : { type: 'a' }, encode: String }
  const { connection, peer, faults } = await openPair(t, { codec })
  let count = 0
  connection.on('message:a', () => { count++ })
  peer.text('bad', 'good')
  await untilTrue(() => count === 1)
  t.match(faults, [{ message: 'from the getter' }])
})

t.test('a validator that fails itself is no invalid message', async t => {
  const codec = { decode (): never { throw new Error('bug in the validator') }, encode: String }
  const { connection, peer, faults } = await openPair(t, { codec })
  connection.on('invalid', () => t.fail('the peer is not at fault'))
  connection.on('message', () => {})
  peer.text('x')
  await untilTrue(() => faults.length === 1)
  t.match(faults, [{ message: 'bug in the validator' }])
})

t.test('T56 a reset by the peer: in `error` the connection is not open any more, and closing it there changes nothing', async t => {
  const { connection, peer } = await openPair(t)
  const calls = closeCallsOf(connection)
  const states: number[] = []
  connection.on('error', () => {
    states.push(connection.readyState)
    connection.close(1011)
  })
  await turns(3)
  peer.socket.resetAndDestroy()
  await untilTrue(() => calls.length > 0)
  t.same(states, [connection.CLOSING])
  t.same(calls, [{ code: 1006, reason: '', wasClean: false, initiator: 'remote' }])
})

t.test('sendAndWait rejects when the peer resets before the bytes have left', async t => {
  const { connection, peer } = await openPair(t)
  connection.on('message', () => {})
  peer.socket.pause()
  const outcomes = Promise.allSettled(Array.from({ length: 20 }, () => connection.sendAndWait(Buffer.alloc(1_000_000))))
  await turns(20)
  peer.socket.resetAndDestroy()
  const last = (await outcomes).at(-1)
  t.equal(last?.status, 'rejected')
})

t.test('a handler that has settled without a listener: what is invalid is refused all the same, what is valid waits', async t => {
  const codec = {
    decode (data: string | Buffer) {
      if (data === 'bad') throw Object.assign(new Error('bad'), { closeCode: 1008 })
      return data
    },
    encode: String
  }
  let settle = (): void => {}
  for (const handler of [() => {}, () => new Promise<void>((resolve) => { settle = resolve })]) {
    const { connection, peer, faults } = await openPair(t, { codec, handler })
    // So that messages are read while the handler runs.
    connection.on('ping', () => {})
    peer.text('1', 'bad', '2')
    await turns(5)
    settle()
    await untilTrue(() => faults.length === 1)
    const got: string[] = []
    connection.on('message', (text: string) => { got.push(text) })
    await untilTrue(() => got.length === 2)
    t.same(got, ['1', '2'])
    t.match(faults, [{ message: 'bad' }])
  }
})

t.test('T41 a log shows what tells it from others, and nothing of the request', async t => {
  const { connection } = await openPair(t)
  const { id } = connection
  t.same(JSON.parse(JSON.stringify({ connection })), { connection: { id, protocol: '', readyState: 1 } })
})

t.test('T56 a Close behind messages that nobody has listened for waits for a late handler, up to closeTimeout', async t => {
  const { peer } = await openPair(t, {
    closeTimeout: 5_000,
    async handler (connection) {
      // Longer than reading waits for a listener and a put-off end for handlers, together.
      await new Promise((resolve) => setTimeout(resolve, 2_300))
      connection.on('message', (text: string) => { connection.send(`${text}!`) })
    }
  })
  peer.text('a', 'b')
  peer.close(4000)
  await peer.untilEnd()
  t.same(peer.texts, ['a!', 'b!'])
  t.equal(peer.frames.at(-1)?.opcode, 8, 'and then the answer to it')
})
