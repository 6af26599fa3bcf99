// Binary messages that are lent to handlers: good while these run, and a copy for whoever looks later.
import { once } from 'node:events'
import t from 'tap'
import { openPair, turns, untilTrue } from '../helpers/connection-pair.ts'
import '../helpers/guard.ts'

/** A payload that says which one it is in every byte. */
function payload (number: number, length: number): Buffer {
  return Buffer.alloc(length, number)
}

function isPayload (bytes: Buffer, number: number, length: number): boolean {
  return bytes.equals(payload(number, length))
}

const SIZES = [1, 200, 5000, 60_000, 70_000, 131_072, 200_000, 1_000_000]

t.test('a listener gets the right bytes, whole or cut by reads, and they are lent', async t => {
  const { connection, peer } = await openPair(t, { lendsPayloads: true })
  const seen: Array<{ isRight: boolean, buffer: ArrayBufferLike }> = []
  connection.on('message', (message: Buffer) => {
    const number = seen.length
    seen.push({ isRight: isPayload(message, number, SIZES[number >> 1] ?? 0), buffer: message.buffer })
  })
  for (const [n, size] of SIZES.entries()) {
    for (const number of [2 * n, 2 * n + 1]) {
      peer.send(2, payload(number, size))
      await untilTrue(() => seen.length === number + 1)
    }
  }
  t.ok(seen.every(({ isRight }) => isRight))
  const [first, second] = seen
  t.equal(first?.buffer, second?.buffer, 'a small one is where it was read')
  t.equal(seen.at(-2)?.buffer, seen.at(-1)?.buffer, 'and a large one in memory that is used again')
})

t.test('without the option each is a Buffer of its own', async t => {
  const { connection, peer } = await openPair(t)
  const messages: Buffer[] = []
  connection.on('message', (message: Buffer) => { messages.push(message) })
  for (const [n, size] of SIZES.entries()) {
    peer.send(2, payload(n, size))
    await untilTrue(() => messages.length === n + 1)
  }
  t.strictSame(messages.map((message, n) => isPayload(message, n, SIZES[n] ?? 0)), SIZES.map(() => true))
})

t.test('messages that wait behind a handler are copies', async t => {
  const { connection, peer } = await openPair(t, { lendsPayloads: true, maxQueuedMessages: 4 })
  const right: boolean[] = []
  connection.on('message', async (message: Buffer) => {
    const number = right.length
    right.push(isPayload(message, number, 3000 + number))
    await turns(2)
  })
  for (let n = 0; n < 40; n++) peer.send(2, payload(n, 3000 + n))
  await untilTrue(() => right.length === 40)
  t.ok(right.every(Boolean), right.join())
})

t.test('what is pulled, by a loop or a stream, may be kept', async t => {
  const pulled = await openPair(t, { lendsPayloads: true })
  const streamed = await openPair(t, { lendsPayloads: true })
  const messages: Buffer[] = []
  const chunks: Buffer[] = []
  const pulling = (async () => { for await (const message of pulled.connection) messages.push(message as Buffer) })() // it sends nothing else
  const stream = streamed.connection.createStream()
  stream.on('data', (chunk: Buffer) => { chunks.push(chunk) })
  for (const { peer } of [pulled, streamed]) {
    for (const [n, size] of SIZES.entries()) peer.send(2, payload(n, size))
    peer.close(1000)
  }
  await Promise.all([pulling, once(stream, 'end')])
  t.strictSame(messages.map((message, n) => isPayload(message, n, SIZES[n] ?? 0)), SIZES.map(() => true))
  t.ok(Buffer.concat(chunks).equals(Buffer.concat(SIZES.map((size, n) => payload(n, size)))))
})

t.test('what is sent on is sent as it was, however slowly the peer reads', async t => {
  const { connection, peer } = await openPair(t, { lendsPayloads: true })
  connection.on('message', (message: Buffer) => { connection.send(message) })
  const sizes = Array.from({ length: 60 }, (_, n) => SIZES[n % SIZES.length] ?? 0)
  peer.socket.pause()
  for (const [n, size] of sizes.entries()) peer.send(2, payload(n, size))
  await turns(20)
  peer.socket.resume()
  const frames = await peer.untilFrames(sizes.length)
  t.strictSame(frames.map((frame, n) => isPayload(frame.payload, n, sizes[n] ?? 0)), sizes.map(() => true))
})

t.test('sendAndWait of what is lent resolves without another message, and rejects where the socket has ended', async t => {
  for (const size of [70_000, 200_000, 1_000_000]) {
    const { connection, socket, peer } = await openPair(t, { lendsPayloads: true })
    const outcomes: string[] = []
    connection.on('message', (message: Buffer) => {
      if (outcomes.length === 1) socket.destroy()
      connection.sendAndWait(message).then(() => outcomes.push('taken'), (error: { code: string }) => outcomes.push(error.code))
    })
    peer.send(2, payload(1, size))
    await untilTrue(() => outcomes.length === 1)
    peer.send(2, payload(2, size))
    await untilTrue(() => outcomes.length === 2)
    t.strictSame(outcomes, ['taken', 'FST_WS_NOT_OPEN'], `${size} bytes`)
  }
})

t.test('what is sent on to a connection that lends nothing, and reads slowly, is nobody else\'s', async t => {
  const publisher = await openPair(t, { lendsPayloads: true })
  const stranger = await openPair(t, { lendsPayloads: true })
  const reader = await openPair(t, { maxBufferedAmount: 2 ** 30 })
  publisher.connection.on('message', (message: Buffer) => { reader.connection.send(message) })
  stranger.connection.on('message', () => {})
  const sizes = [65_536, 70_000, 131_072, 300_000, 1_000_000]
  reader.peer.socket.pause()
  for (let n = 0; n < 30; n++) {
    const size = sizes[n % sizes.length] ?? 0
    publisher.peer.send(2, payload(n, size))
    await publisher.peer.roundTrip()
    stranger.peer.send(2, payload(0xee, size))
    await stranger.peer.roundTrip()
  }
  reader.peer.socket.resume()
  const frames = await reader.peer.untilFrames(30)
  t.strictSame(frames.map((frame, n) => isPayload(frame.payload, n, sizes[n % sizes.length] ?? 0)), frames.map(() => true))
})

t.test('text is as ever', async t => {
  const { connection, peer } = await openPair(t, { lendsPayloads: true })
  const texts: string[] = []
  connection.on('message', (text: string) => { texts.push(text) })
  peer.text('a', 'ü'.repeat(3000), 'b'.repeat(100_000))
  await untilTrue(() => texts.length === 3)
  t.strictSame(texts, ['a', 'ü'.repeat(3000), 'b'.repeat(100_000)])
})
