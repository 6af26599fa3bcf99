// Messages to handlers: in order, so many at a time, with a bounded queue behind which the socket stops.
import { once } from 'node:events'
import fc from 'fast-check'
import t from 'tap'
import { Inbox } from '../../lib/connection/inbox.ts'
import type { MessageData } from '../../lib/protocol/message-assembler.ts'
import { memoryUsed, openPair, turns, untilClosed, untilTrue } from '../helpers/connection-pair.ts'

/** A promise, and what resolves it. */
function gate (): { opened: Promise<void>, open: () => void } {
  let open = (): void => {}
  const opened = new Promise<void>((resolve) => { open = resolve })
  return { opened, open }
}

for (const concurrency of [1, 3, 16, 100]) {
  t.test(`T52 concurrency ${concurrency}: handlers start in order, at most ${concurrency} at a time, and that many if there is enough to do`, async t => {
    const { connection, peer } = await openPair(t, { concurrency })
    const texts = Array.from({ length: 300 }, (_, i) => `${i}`)
    const started: string[] = []
    let running = 0
    let most = 0
    let done = 0
    connection.on('message', async (text: string) => {
      started.push(text)
      most = Math.max(most, ++running)
      await turns(Number(text) % 5)
      running--
      done++
    })
    peer.text(...texts)
    await untilTrue(() => done === 300)
    t.same(started, texts)
    t.equal(most, concurrency)
  })
}

t.test('concurrency 1: a message waits for all listeners of the one before, message:<type> too', async t => {
  const codec = { decode: (data: string | Buffer) => JSON.parse(String(data)), encode: String }
  const { connection, peer } = await openPair(t, { codec })
  const log: string[] = []
  const slowly = (name: string, count: number) => async ({ n }: { n: number }) => {
    log.push(`${name}${n}`)
    await turns(count)
    log.push(`${name}${n} done`)
  }
  connection.on('message', slowly('a', 4))
  connection.on('message', slowly('b', 1))
  connection.on('message:x', slowly('x', 7))
  peer.text('{"type":"x","n":1}', '{"type":"x","n":2}')
  await untilTrue(() => log.length === 12)
  t.same(log, [1, 2].flatMap(n => [`a${n}`, `b${n}`, `x${n}`, `b${n} done`, `a${n} done`, `x${n} done`]))
})

t.test('handlers that return nothing are called within the read, one after the other', async t => {
  const { connection, peer } = await openPair(t)
  const depths: number[] = []
  const { opened, open } = gate()
  let depth = 0
  connection.on('message', (text: string) => {
    if (text === 'first') return opened
    depths.push(++depth)
    // Whatever a handler does, the next message waits until it has returned.
    connection.pause()
    connection.resume()
    depth--
  })
  const texts = Array.from({ length: 25 }, () => 'x')
  // Some are read when it is their turn, and some have waited in the queue.
  peer.text(...texts, 'first', ...texts)
  await untilTrue(() => depths.length === 25)
  open()
  await untilTrue(() => depths.length === 50)
  t.ok(depths.every(depth => depth === 1))
})

for (const maxQueuedMessages of [1, 16, 40]) {
  t.test(`T52 maxQueuedMessages ${maxQueuedMessages}: reading stops behind them and goes on when they are handled`, async t => {
    const { connection, socket, peer } = await openPair(t, { maxQueuedMessages, maxPayload: 16_777_216 })
    const { opened, open } = gate()
    const sizes: number[] = []
    connection.on('message', async (data: Buffer) => {
      sizes.push(data.length)
      await opened
    })
    // Larger than one read, so that each takes reads of its own.
    const size = 150_000
    for (let i = 0; i < 100; i++) peer.send(2, Buffer.alloc(size))
    let read = -1
    for (let still = 0; still < 50; still = read === socket.bytesRead ? still + 1 : 0) {
      read = socket.bytesRead
      await turns(1)
    }
    t.ok(read >= (maxQueuedMessages + 1) * size, `${read} bytes were read`)
    t.ok(read < (maxQueuedMessages + 3) * size, `${read} bytes were read`)
    t.equal(sizes.length, 1)
    open()
    await untilTrue(() => sizes.length === 100)
  })
}

t.test('T52 50,000 messages for a slow handler: one in flight, memory flat, TCP pushes back, all delivered in order', async t => {
  const { connection, peer } = await openPair(t)
  const { opened, open } = gate()
  const count = 50_000
  let next = 0
  let running = 0
  let wrong = 0
  connection.on('message', async (text: string) => {
    if (++running > 1 || !text.startsWith(`${next++};`)) wrong++
    if (next === 1) await opened
    if (next % 8 === 0) await turns(1)
    else await undefined
    running--
  })
  const memory = await memoryUsed()
  let written = 0
  // The peer waits for its own socket, so that what it holds does not count.
  const sending = (async () => {
    while (written < count) {
      const burst = peer.textFrames(...Array.from({ length: 100 }, () => `${written++};`.padEnd(1000, '.')))
      if (!peer.socket.write(burst)) await once(peer.socket, 'drain')
    }
  })()
  let before = -1
  for (let still = 0; still < 50; still = before === written ? still + 1 : 0) {
    before = written
    await turns(1)
  }
  t.ok(written < count, `pushed back behind ${written} messages`)
  const held = await memoryUsed() - memory
  t.ok(held < 2_000_000, `memory has grown by ${held} while the handler waits`)
  open()
  const samples: number[] = []
  while (next < count) {
    await turns(400)
    samples.push(await memoryUsed() - memory)
  }
  await sending
  // The middle one: how soon a single chunk is given back is the engine's affair.
  const grown = samples.sort((a, b) => a - b)[samples.length >> 1] ?? 0
  t.equal(wrong, 0)
  t.equal(next, count)
  t.ok(grown < 2_000_000, `memory has grown by ${grown}`)
})

t.test('a pong that is awaited inside a handler comes, with hundreds of messages before it', async t => {
  const { connection, peer } = await openPair(t)
  const got: string[] = []
  connection.on('message', async (text: string) => {
    got.push(text)
    if (text !== 'first') return
    connection.ping('data')
    const [pong] = await once(connection, 'pong')
    got.push(`pong ${pong}`)
  })
  peer.text('first')
  await peer.untilFrames(1)
  const texts = Array.from({ length: 500 }, (_, i) => `${i}`)
  peer.text(...texts)
  peer.send(10, 'data')
  peer.text('last')
  await untilTrue(() => got.at(-1) === 'last')
  t.same(got, ['first', 'pong data', ...texts, 'last'])
})

t.test('a pong that is awaited inside a handler comes behind one that was asked for before', async t => {
  const { connection, peer } = await openPair(t)
  const got: string[] = []
  connection.on('message', async (text: string) => {
    got.push(text)
    if (text !== 'first') return
    connection.ping('mine')
    await new Promise<void>((resolve) => {
      connection.on('pong', (data: Buffer) => {
        got.push(`pong ${data}`)
        if (data.toString() === 'mine') resolve()
      })
    })
  })
  connection.ping('from a heartbeat')
  peer.text('first')
  await peer.untilFrames(2)
  const texts = Array.from({ length: 200 }, (_, i) => `${i}`)
  peer.send(10, 'from a heartbeat')
  peer.text(...texts)
  peer.send(10, 'unasked')
  peer.text(...texts)
  peer.send(10, 'mine')
  await untilTrue(() => got.length === 404)
  t.same(got.slice(0, 5), ['first', 'pong from a heartbeat', 'pong unasked', 'pong mine', '0'])
})

t.test('T52 a peer that never answers the ping does not get past the limit: maxPayload bytes wait at most', async t => {
  const { connection, socket, peer } = await openPair(t, { maxPayload: 200_000 })
  let handled = 0
  connection.on('message', async () => {
    handled++
    connection.ping()
    await once(connection, 'close')
  })
  const burst = peer.textFrames(...Array.from({ length: 1000 }, () => 'x'.repeat(900)))
  for (let i = 0; i < 10; i++) peer.socket.write(burst)
  let read = -1
  for (let still = 0; still < 50; still = read === socket.bytesRead ? still + 1 : 0) {
    read = socket.bytesRead
    await turns(1)
  }
  t.ok(read > 150_000, `${read} bytes were read`)
  t.ok(read < 400_000, `${read} bytes were read`)
  t.equal(handled, 1)
  const closed = untilClosed(connection)
  connection.terminate()
  await closed
})

/** What a handler does with one message: returns at once, or a promise that settles after so many turns of a model clock. */
const handling = fc.record({ ticks: fc.nat(3), rejects: fc.boolean() })

t.test('whatever handlers do: every message once, in order, never more than `concurrency` at a time', async t => {
  await fc.assert(fc.asyncProperty(fc.array(handling, { maxLength: 60 }), fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 5 }), fc.array(fc.nat(6)), async (handlings, concurrency, maxQueuedMessages, bursts) => {
    const started: number[] = []
    let running = 0
    let rejected = 0
    let full = false
    let wrong = ''
    const inbox = new Inbox({
      deliver (data: MessageData) {
        const number = Number(data)
        const { ticks, rejects } = handlings[number]!
        started.push(number)
        if (ticks === 0) return undefined
        if (++running > concurrency) wrong = 'too many at a time'
        return (async () => {
          for (let i = 0; i < ticks; i++) await undefined
          running--
          if (rejects) throw new Error('rejected')
        })()
      },
      onRejected: () => { rejected++ },
      onFull () {
        if (full) wrong = 'full twice'
        full = true
      },
      onSpace () {
        if (!full) wrong = 'space without full'
        full = false
      },
      onEmpty () {},
      onIdle () {}
    }, { concurrency, maxQueuedMessages, maxPayload: 1_000_000 })
    let pushed = 0
    for (let i = 0; pushed < handlings.length; i++) {
      // A burst goes on as long as there is room, as the reading does.
      for (let n = bursts[i % bursts.length] ?? 1; n >= 0 && pushed < handlings.length && !full; n--) inbox.push(`${pushed++}`)
      if (inbox.length > maxQueuedMessages) wrong = `${inbox.length} wait`
      if (full !== inbox.isFull) wrong = 'isFull'
      await undefined
    }
    for (let i = 0; i < 400; i++) await undefined
    const wanted = handlings.filter(({ ticks, rejects }) => ticks > 0 && rejects).length
    if (wrong !== '') throw new Error(wrong)
    return started.length === handlings.length && started.every((number, i) => number === i) && inbox.length === 0 && inbox.bytes === 0 && running === 0 && rejected === wanted && !full
  }), { numRuns: 300, seed: 20_261 })
  t.pass()
})

t.test('clear throws away what waits, and makes room', async t => {
  const events: string[] = []
  const { opened, open } = gate()
  const inbox = new Inbox({
    deliver (data) {
      events.push(String(data))
      return opened
    },
    onRejected () {},
    onFull: () => events.push('full'),
    onSpace: () => events.push('space'),
    onEmpty: () => events.push('empty'),
    onIdle () {}
  }, { concurrency: 1, maxQueuedMessages: 2, maxPayload: 1_000_000 })
  for (const text of ['a', 'b', 'c']) inbox.push(text)
  inbox.clear()
  inbox.push('d')
  open()
  await turns(1)
  t.same(events, ['a', 'full', 'space', 'empty', 'd', 'empty'])
})

// One message of these bytes, or of 64 KiB, may wait, and the one that goes beyond; whatever `maxQueuedMessages` is.
for (const { maxPayload, size, most } of [
  { maxPayload: 1_048_576, size: 1_048_576, most: 1 },
  { maxPayload: 1_048_576, size: 400_000, most: 3 },
  { maxPayload: 100, size: 100, most: 100 },
  { maxPayload: 100_000, size: 30_000, most: 4 }
]) {
  t.test(`T52 messages of ${size} bytes, the largest ${maxPayload}: ${most} wait`, async t => {
    const { opened, open } = gate()
    let full = false
    const delivered: number[] = []
    const inbox: Inbox = new Inbox({
      deliver (data) {
        delivered.push(data.length)
        return opened
      },
      onRejected () {},
      onFull () { full = true },
      onSpace () { full = false },
      onEmpty () {},
      onIdle () {}
    }, { concurrency: 1, maxQueuedMessages: 100, maxPayload })
    const message = Buffer.alloc(size)
    inbox.push(message)
    let waiting = 0
    while (!full) {
      inbox.push(message)
      waiting++
    }
    t.equal(waiting, most)
    t.equal(inbox.length, most)
    open()
    await turns(1)
    t.equal(full, false, 'room again')
    t.same(delivered, Array.from({ length: most + 1 }, () => size))
  })
}
