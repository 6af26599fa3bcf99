// What a connection publishes, by itself. Through a real route: test/threats/observability.test.ts.
import { channel, subscribe, unsubscribe } from 'node:diagnostics_channel'
import t from 'tap'
import type { Test } from 'tap'
import type { MessageCodec } from '../../lib/connection/codec.ts'
import { channels } from '../../lib/connection/diagnostics.ts'
import { fillUp, openPair, untilClosed } from '../helpers/connection-pair.ts'
import type { Pair } from '../helpers/connection-pair.ts'

type Name = keyof typeof channels
const NAMES = ['open', 'close', 'message', 'invalid', 'error', 'slow', 'limit'] as const satisfies readonly Name[]

/** Collects what is published while the test runs, as channel and message. Connections of tests before may still tell their end. */
function listen (t: Test, names: readonly Name[] = NAMES): Array<[string, Record<string, unknown>]> {
  const published: Array<[string, Record<string, unknown>]> = []
  for (const name of names) {
    const listener = (message: unknown): void => { published.push([name, message as Record<string, unknown>]) }
    subscribe(`fastify-typed-websocket:${name}`, listener)
    t.teardown(() => unsubscribe(`fastify-typed-websocket:${name}`, listener))
  }
  return published
}

/** Numbers only; what else comes is refused as a schema would. */
const NUMBERS: MessageCodec = {
  decode (data) {
    if (typeof data === 'string' && !Number.isNaN(Number(data))) return Number(data)
    throw Object.assign(new Error('not a number'), { closeCode: 1008, code: 'FST_ERR_VALIDATION' })
  },
  encode: String
}

/** Everything at once that a connection can tell of. */
async function liveThrough (t: Test): Promise<Pair> {
  const pair = await openPair(t, { codec: NUMBERS, maxBufferedAmount: 4, slowConsumer: 'drop' })
  const { connection, peer, socket } = pair
  connection.on('message', (message) => { if (message === 2) throw new Error('the handler\'s own') })
  // As a peer that does not read: the first one waits, and leaves no room for the second.
  socket.cork()
  connection.send(1234567)
  connection.send(123456789)
  socket.uncork()
  peer.text('1', 'x', '2')
  await peer.roundTrip()
  peer.close(4001, 'bye')
  await untilClosed(connection)
  return pair
}

t.test('the names are those of the documentation, the channels Node\'s own', async (t) => {
  t.strictSame(Object.keys(channels), NAMES)
  for (const name of NAMES) {
    t.equal(channels[name], channel(`fastify-typed-websocket:${name}`))
    t.equal(channels[name].hasSubscribers, false)
  }
})

t.test('without a subscriber nothing is made and nothing published', async (t) => {
  const calls: string[] = []
  for (const name of NAMES) {
    Object.defineProperty(channels[name], 'publish', { configurable: true, value: () => { calls.push(name) } })
  }
  t.teardown(() => {
    // What is left is the prototype's.
    for (const name of NAMES) Reflect.deleteProperty(channels[name], 'publish')
  })
  const { faults } = await liveThrough(t)
  t.equal(faults.length, 2, 'all of it happened')
  t.strictSame(calls, [])
})

t.test('each thing is told once, in order, with its connection', async (t) => {
  const published = listen(t)
  const { connection, faults } = await liveThrough(t)
  const own = published.filter(([, message]) => message['connection'] === connection)
  t.strictSame(own.map(([name]) => name), ['slow', 'message', 'message', 'invalid', 'error', 'message', 'error', 'close'])
  const shapes = own.map(([, { connection: _connection, ...rest }]) => rest)
  const [invalid, thrown] = faults
  t.strictSame(shapes, [
    { dropped: 1, droppedBytes: 9, bufferedAmount: 9 },
    { data: '1' },
    { data: 'x' },
    { error: invalid },
    { error: invalid },
    { data: '2' },
    { error: thrown },
    { code: 4001, reason: 'bye', wasClean: true, initiator: 'remote' }
  ])
  t.match(thrown, { message: 'the handler\'s own' })
})

t.test('a listener of `invalid` takes it over: it is no fault', async (t) => {
  const published = listen(t, ['invalid', 'error'])
  const { connection, peer } = await openPair(t, { codec: NUMBERS })
  connection.on('invalid', () => {})
  connection.on('message', () => {})
  peer.text('x')
  await peer.roundTrip()
  t.strictSame(published.map(([name]) => name), ['invalid'])
})

t.test('a client\'s end is not told: it may be in the same process as the server\'s', async (t) => {
  const published = listen(t)
  const { connection, peer, faults } = await openPair(t, { role: 'client', codec: NUMBERS })
  connection.on('message', () => { throw new Error('own') })
  peer.text('1', 'x')
  await peer.roundTrip()
  peer.close(1000)
  await untilClosed(connection)
  t.equal(faults.length, 2)
  t.strictSame(published.filter(([, message]) => message['connection'] === connection), [])
})

t.test('bytes are told as the application gets them', async (t) => {
  const published = listen(t, ['message'])
  const { connection, peer } = await openPair(t)
  const received: unknown[] = []
  connection.on('message', (message) => { received.push(message) })
  peer.send(2, Buffer.from([1, 2, 3]))
  await peer.roundTrip()
  t.equal(published.length, 1)
  t.ok(Buffer.isBuffer(received[0]))
  t.equal(published[0]?.[1]['data'], received[0], 'the same object, no copy')
})

t.test('a connection that is failed for a limit', async (t) => {
  const published = listen(t, ['slow', 'limit', 'error', 'close'])
  const pair = await openPair(t, { maxBufferedAmount: 1_048_576, closeTimeout: 50 })
  await fillUp(pair)
  const { connection, faults } = pair
  let count = 0
  while (connection.send(Buffer.alloc(65_536)) || connection.readyState === connection.OPEN) count++
  t.ok(count > 0)
  await untilClosed(connection)
  const own = published.filter(([, message]) => message['connection'] === connection)
  t.strictSame(own.map(([name]) => name).toSorted(), ['close', 'error', 'limit', 'slow'])
  const { limit, slow, close, error } = Object.fromEntries(own)
  t.strictSame(limit, { limit: 'maxBufferedAmount', error: faults[0], connection })
  t.strictSame(error, { error: faults[0], connection })
  t.match(faults[0], { code: 'FST_WS_SLOW_CONSUMER' })
  t.match(slow, { dropped: 1, droppedBytes: 65_536, bufferedAmount: Number, connection })
  t.match(close, { code: 1013, wasClean: false, initiator: 'local', connection })
})

t.test('a subscriber that throws is Node\'s to deal with: the connection goes on', async (t) => {
  const own = new Error('the subscriber\'s own')
  const listener = (): void => { throw own }
  subscribe('fastify-typed-websocket:message', listener)
  t.teardown(() => unsubscribe('fastify-typed-websocket:message', listener))
  const uncaught: unknown[] = []
  process.setUncaughtExceptionCaptureCallback((error) => { uncaught.push(error) })
  t.teardown(() => process.setUncaughtExceptionCaptureCallback(null))
  const { connection, peer, faults } = await openPair(t)
  connection.on('message', (message) => { connection.send(message) })
  peer.text('a', 'b')
  await peer.untilFrames(2)
  t.strictSame(peer.texts, ['a', 'b'])
  t.strictSame(uncaught, [own, own], 'as an uncaught exception of its own tick')
  t.strictSame(faults, [])
})
