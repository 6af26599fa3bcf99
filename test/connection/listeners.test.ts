// T50, T59: listeners that throw or reject, and what an EventEmitter has to be for the rest of Node.
import { EventEmitter, once, on } from 'node:events'
import t from 'tap'
import type { Connection } from '../../lib/connection/connection.ts'
import { isMessageEvent, isThenable, toError } from '../../lib/connection/listeners.ts'
import { openPair, turns, untilClosed, untilTrue } from '../helpers/connection-pair.ts'
import type { Pair } from '../helpers/connection-pair.ts'

// Whatever escapes is caught here, and counted; tap would only see it in a test that is still running.
const escaped: unknown[] = []
process.prependListener('uncaughtException', (error) => escaped.push(error))
process.prependListener('unhandledRejection', (reason) => escaped.push(reason))
t.teardown(() => process.removeAllListeners('unhandledRejection').removeAllListeners('uncaughtException'))

const codec = {
  decode (data: string | Buffer): unknown {
    if (data.length === 0) throw Object.assign(new Error('invalid'), { closeCode: 1008 })
    return { type: 'x', text: String(data) }
  },
  encode: (message: unknown) => message as string // the tests below send strings
}

/** One place where the application's code runs, and what makes it run. */
const places: Array<{ name: string, attach: (connection: Connection, listener: () => unknown) => void, provoke: (pair: Pair) => unknown, alsoFaults?: string[] }> = [
  { name: 'message', attach: (c, f) => c.on('message', f), provoke: ({ peer }) => peer.text('a') },
  { name: 'message, once', attach: (c, f) => { c.once('message', f).once('message', f) }, provoke: ({ peer }) => peer.text('a'), alsoFaults: ['fault'] },
  { name: 'message, prepended', attach: (c, f) => c.prependListener('message', f), provoke: ({ peer }) => peer.text('a') },
  { name: 'message, two listeners', attach: (c, f) => { c.on('message', f).on('message', f) }, provoke: ({ peer }) => peer.text('a'), alsoFaults: ['fault'] },
  { name: 'message:<type>', attach: (c, f) => c.on('message:x', f), provoke: ({ peer }) => peer.text('a') },
  { name: 'handle', attach: (c, f) => c.handle({ x: f }), provoke: ({ peer }) => peer.text('a') },
  { name: 'invalid', attach: (c, f) => c.on('invalid', f), provoke: ({ peer }) => peer.text('') },
  { name: 'ping', attach: (c, f) => c.on('ping', f), provoke: ({ peer }) => peer.send(9) },
  { name: 'pong', attach: (c, f) => c.on('pong', f), provoke: ({ peer }) => peer.send(10) },
  { name: 'drain', attach: (c, f) => c.on('drain', f), provoke: ({ connection }) => connection.send('x'.repeat(70_000)) },
  { name: 'error', attach: (c, f) => c.on('error', f), provoke: ({ peer }) => peer.text(''), alsoFaults: ['invalid'] },
  {
    name: 'the body of a for await',
    attach (connection, f) {
      void connection.start(Buffer.alloc(0), async () => {
        for await (const _message of connection) await f()
      })
    },
    provoke: ({ peer }) => peer.text('a')
  }
]

/** What is a promise to whoever looks for `then`. */
function thenable (then: unknown): object {
  // oxlint-disable-next-line unicorn/no-thenable -- that it is one is the point
  return { then }
}

/** Ways to fail; an async function's rejection goes where a throw goes. */
const failures: Array<{ name: string, fail: () => unknown }> = [
  { name: 'throws', fail () { throw new Error('fault') } },
  { name: 'rejects at once', async fail () { throw new Error('fault') } },
  {
    name: 'rejects later',
    async fail () {
      await turns(2)
      throw new Error('fault')
    }
  },
  { name: 'returns a rejected promise of another make', fail: () => thenable((_resolve: unknown, reject: (reason: Error) => void) => reject(new Error('fault'))) }
]

for (const { name, attach, provoke, alsoFaults = [] } of places) {
  for (const { name: how, fail } of failures) {
    t.test(`T50 T59 a listener of ${name} ${how}: onError once, the connection goes on`, async t => {
      const pair = await openPair(t, { codec, started: name !== 'the body of a for await' ? true : false })
      const { connection, peer, faults } = pair
      const failed: string[] = []
      attach(connection, fail)
      connection.on('error', (error: Error) => { failed.push(error.message) })
      const got: string[] = []
      connection.on('message', ({ text }: { text: string }) => { got.push(text) })
      provoke(pair)
      const wanted = ['fault', ...alsoFaults].sort()
      await untilTrue(() => faults.length >= wanted.length)
      peer.text('later')
      await untilTrue(() => got.includes('later'))
      await turns(6)
      // A listener that stays fails again at the later message.
      const again = faults.length - wanted.length
      t.same(faults.slice(0, wanted.length).map(({ message }) => message).sort(), wanted)
      t.ok(faults.slice(wanted.length).every(({ message }) => message === 'fault'))
      t.ok(again <= 2, `${again} more faults`)
      if (name !== 'error') t.same(failed, faults.map(({ message }) => message), 'listeners of error heard of the same')
      t.equal(connection.readyState, connection.OPEN)
      t.same(escaped, [])
    })
  }
}

for (const { name: how, fail } of failures) {
  t.test(`T50 T59 a listener of close ${how}: onError once, the others are called`, async t => {
    const { connection, peer, faults } = await openPair(t)
    let others = 0
    connection.once('close', fail)
    connection.on('close', () => others++)
    const closed = untilClosed(connection)
    peer.close(1000)
    await closed
    await untilTrue(() => faults.length > 0)
    await turns(6)
    t.same(faults.map(({ message }) => message), ['fault'])
    t.equal(others, 1)
    t.same(escaped, [])
  })

  t.test(`T50 T59 the handler of the connection ${how}: onError once, reading begins`, async t => {
    const got: string[] = []
    const { peer, faults } = await openPair(t, {
      handler (connection) {
        connection.on('message', (text: string) => { got.push(text) })
        return fail()
      }
    })
    peer.text('a', 'b')
    await untilTrue(() => got.length === 2 && faults.length > 0)
    await turns(6)
    t.same(faults.map(({ message }) => message), ['fault'])
    t.same(escaped, [])
  })

  t.test(`T50 the n-th message's listener ${how}: order is kept, the others are delivered`, async t => {
    const { connection, peer, faults } = await openPair(t)
    const got: string[] = []
    connection.on('message', (text: string) => {
      got.push(text)
      return Number(text) % 10 === 7 ? fail() : undefined
    })
    const texts = Array.from({ length: 50 }, (_, i) => `${i}`)
    peer.text(...texts)
    await untilTrue(() => got.length === 50 && faults.length === 5)
    t.same(got, texts)
    t.same(escaped, [])
  })

  t.test(`T50 T59 the error handler itself ${how}: it is called once, the connection is terminated`, async t => {
    const { connection, peer, faults } = await openPair(t, { onError: fail as () => void })
    const closed = untilClosed(connection)
    connection.on('message', () => { throw new Error('first') })
    peer.text('a', 'b')
    t.match(await closed, { code: 1006, initiator: 'local' })
    await turns(6)
    t.ok(faults.every(({ message }) => message === 'first'))
    t.same(escaped, [])
  })
}

t.test('T59 what is thrown need not be an Error', async t => {
  const things = ['text', 0, undefined, null, Symbol('s'), Object.create(null), { toString () { throw new Error('no text') } }]
  const { connection, peer, faults } = await openPair(t)
  let next = 0
  connection.on('message', () => { throw things[next++] })
  peer.text(...things.map(() => 'x'))
  await peer.roundTrip()
  t.equal(faults.length, things.length)
  for (const [i, fault] of faults.entries()) {
    t.ok(fault instanceof Error)
    t.equal(fault.cause, things[i])
  }
  const error = new Error('itself')
  t.equal(toError(error), error)
  const hostile = new Proxy({}, { getPrototypeOf () { throw new Error('of the trap') }, get () { throw new Error('of the trap') } })
  t.match(toError(hostile), { message: 'not an Error was thrown: object' })
  t.same(escaped, [])
})

t.test('a fault with no listener of `error` is no uncaught exception', async t => {
  const { connection, peer, faults } = await openPair(t)
  connection.on('message', () => { throw new Error('fault') })
  peer.text('a')
  await peer.roundTrip()
  t.equal(faults.length, 1)
  t.same(escaped, [])
})

t.test('T59 a socket that fails with nobody listening at all', async t => {
  const { peer, faults, connection } = await openPair(t, { handler () {} })
  await peer.roundTrip()
  peer.socket.resetAndDestroy()
  await untilTrue(() => connection.readyState === connection.CLOSED)
  t.match(faults, [{ code: 'ECONNRESET' }])
  t.same(escaped, [])
})

t.test('events.once works: message, close, pong; and rejects on a fault', async t => {
  const { connection, peer } = await openPair(t)
  const message = once(connection, 'message')
  peer.text('a')
  t.same(await message, ['a', false])
  const pong = once(connection, 'pong')
  peer.send(10, 'data')
  t.same(await pong, [Buffer.from('data')])
  const failing = once(connection, 'close')
  connection.once('message', () => { throw new Error('fault') })
  peer.text('b')
  await t.rejects(failing, { message: 'fault' })
  const closed = once(connection, 'close')
  peer.close(1000, 'bye')
  t.same(await closed, [1000, 'bye', { wasClean: true, initiator: 'remote' }])
  t.equal(connection.listenerCount('error'), 0)
})

t.test('events.on works', async t => {
  const { connection, peer } = await openPair(t)
  const got: unknown[] = []
  const messages = on(connection, 'message')
  peer.text('a', 'b', 'c')
  for await (const [text] of messages) {
    got.push(text)
    if (got.length === 3) break
  }
  t.same(got, ['a', 'b', 'c'])
  t.equal(connection.listenerCount('message'), 0)
})

t.test('listeners are added and taken off by every method of an EventEmitter', async t => {
  const { connection, peer } = await openPair(t, { codec, handler () {} })
  t.ok(connection instanceof EventEmitter)
  const log: string[] = []
  const a = (): void => { log.push('a') }
  const b = (): void => { log.push('b') }
  const say = async (): Promise<string> => {
    log.length = 0
    peer.text('x')
    await peer.roundTrip()
    return log.join('')
  }
  for (const event of ['message', 'message:x']) {
    connection.on('message', () => {})
    t.equal(connection.on(event, a), connection)
    t.equal(connection.addListener(event, b), connection)
    t.equal(await say(), 'ab', event)
    t.equal(connection.off(event, a), connection)
    t.equal(await say(), 'b')
    t.equal(connection.removeListener(event, b), connection)
    t.equal(await say(), '')
    connection.once(event, a).prependOnceListener(event, b)
    t.equal(await say(), 'ba')
    t.equal(await say(), '')
    connection.on(event, a).prependListener(event, b)
    t.equal(await say(), 'ba')
    connection.removeAllListeners(event)
    t.equal(await say(), '')
    connection.on(event, a)
    connection.removeAllListeners()
    t.equal(await say(), '')
    t.same(connection.eventNames(), [])
  }
})

t.test('listeners that change the listeners while they are called', async t => {
  const { connection, peer } = await openPair(t, { codec })
  const log: string[] = []
  const late = (): void => { log.push('late') }
  const second = (): void => {
    log.push('second')
    connection.off('message', second).on('message', late).off('message:x', typed)
  }
  const typed = (): void => { log.push('typed') }
  connection.on('message', () => { log.push('first') })
  connection.on('message', second)
  connection.on('message:x', typed)
  peer.text('1', '2')
  await peer.roundTrip()
  t.same(log.filter(name => name !== 'typed'), ['first', 'second', 'first', 'late'])
})

t.test('`this` is the connection, and `close` of two listeners comes in order', async t => {
  const { connection, peer } = await openPair(t)
  const log: unknown[] = []
  connection.on('message', function (this: unknown) { log.push(this === connection) })
  connection.on('ping', function (this: unknown) { log.push(this === connection) })
  connection.on('close', () => log.push(1)).on('close', () => log.push(2))
  peer.text('x')
  peer.send(9)
  peer.close(1000)
  await untilClosed(connection)
  t.same(log, [true, true, 1, 2])
})

t.test('message:<type>: only own types of peers count', async t => {
  const open = { decode: (data: string | Buffer) => JSON.parse(String(data)), encode: String }
  const { connection, peer, faults } = await openPair(t, { codec: open })
  const log: string[] = []
  connection.on('message:a', () => { log.push('a') })
  connection.on('message:5', () => { log.push('5') })
  peer.text('{"type":"a"}', '{"type":"b"}', '{"type":"toString"}', '{"type":"__proto__"}', '{"type":5}', '{"type":null}', 'null', '"a"', '[]', '{"type":["a"]}')
  await peer.roundTrip()
  t.same(log, ['a'])
  t.same(faults, [])
})

t.test('isMessageEvent, isThenable', async t => {
  for (const [event, want] of [['message', true], ['message:a', true], ['message:', true], ['messages', false], ['close', false], [Symbol('message'), false]] as const) {
    t.equal(isMessageEvent(event), want, String(event))
  }
  for (const [value, want] of [[Promise.resolve(), true], [thenable(() => {}), true], [thenable(1), false], [null, false], ['then', false], [undefined, false], [{}, false]] as const) {
    t.equal(isThenable(value), want)
  }
})

t.test('no name of an event has a listener from the start', async t => {
  const { connection } = await openPair(t)
  for (const name of ['constructor', '__proto__', 'toString', 'hasOwnProperty']) {
    t.equal(connection.listenerCount(name), 0, name)
    t.same(connection.rawListeners(name), [], name)
  }
  t.equal(connection.emit('constructor'), false)
})
