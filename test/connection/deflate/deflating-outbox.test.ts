// What a connection with permessage-deflate sends: compressed or not, here or on another thread, always in order.
import { syncBuiltinESMExports } from 'node:module'
import zlib from 'node:zlib'
import t from 'tap'
import type { Connection } from '../../../lib/connection/connection.ts'
import { untilAtRest } from '../../helpers/at-rest.ts'
import { closeCallsOf, openPair, turns, untilClosed, untilTrue } from '../../helpers/connection-pair.ts'
import type { Pair, Peer } from '../../helpers/connection-pair.ts'
import { noise, prose, settingsOf, unpack, unpackAll, WITH_CONTEXT } from '../../helpers/deflate.ts'
import '../../helpers/guard.ts'

const MiB = 1_048_576

/** The data frames that have come, as `<opcode> <bytes>`, with `+` for compressed ones. Those of one connection with a context share a window. */
async function messagesOf (peer: Peer, hasContext = false): Promise<Array<{ kind: string, bytes: Buffer }>> {
  const frames = peer.frames.filter(({ opcode }) => opcode < 8)
  const packed = frames.filter(({ isCompressed }) => isCompressed).map(({ payload }) => payload)
  const unpacked = hasContext ? await unpackAll(packed, { chunkSize: 65_536 }) : await Promise.all(packed.map(payload => unpack(payload, { chunkSize: 65_536 })))
  return frames.map(({ opcode, payload, isCompressed }) => {
    const bytes = isCompressed ? unpacked.shift() ?? Buffer.alloc(0) : payload
    return { kind: `${opcode} ${bytes.length}${isCompressed ? '+' : ''}`, bytes }
  })
}

async function kindsOf (peer: Peer, hasContext = false): Promise<string[]> {
  return (await messagesOf(peer, hasContext)).map(({ kind }) => kind)
}

/** As `fillUp`, with what is no smaller when it is compressed. */
async function fillWithNoise ({ connection, socket, peer }: Pair): Promise<void> {
  const bytes = noise(65_000)
  peer.socket.pause()
  do {
    connection.send(bytes)
    await turns(1)
  } while (socket.writableLength === 0)
}

for (const role of ['server', 'client'] as const) {
  for (const params of [{}, WITH_CONTEXT]) {
    for (const keepsHandles of [true, false]) {
      const how = `${params === WITH_CONTEXT ? 'with' : 'without'} context${keepsHandles ? '' : ', by what Node documents'}`
      t.test(`${role}: messages of all kinds and sizes arrive in call order, ${how}`, async t => {
        const deflate = settingsOf(params, { threshold: 100, keepsHandles }, role)
        const { connection, peer } = await openPair(t, { role, deflate, highWaterMark: 64 * MiB })
        const messages: Array<{ data: string | Buffer, compress?: boolean }> = [
          { data: 'small' }, { data: prose(200) }, { data: prose(200_000, 5) }, { data: 'behind a large one' }, { data: noise(100_000) },
          { data: prose(500) }, { data: Buffer.from(prose(500)) }, { data: prose(300_000), compress: false }, { data: Buffer.from(prose(150_000)) },
          { data: 'é'.repeat(50_000) }, { data: '' }, { data: prose(65_536) }, { data: prose(65_537) }, { data: prose(200), compress: false }
        ]
        for (const { data, compress } of messages) {
          connection.send(data, { compress })
          connection.ping('between')
        }
        connection.close(1000)
        await peer.until(() => peer.frames.some(({ opcode }) => opcode === 8))
        t.equal(peer.frames.at(-1)?.opcode, 8, 'the Close frame is the last one')
        t.equal(peer.frames.filter(({ opcode }) => opcode === 9).length, messages.length)
        const got = await messagesOf(peer, params === WITH_CONTEXT)
        t.strictSame(got.map(({ kind }) => kind), ['1 5', '1 200+', '1 200000+', '1 18', '2 100000', '1 500+', '2 500+', '1 300000', '2 150000+', '1 100000+', '1 0', '1 65536+', '1 65537+', '1 200'])
        t.ok(got.every(({ bytes }, n) => bytes.equals(Buffer.from(messages[n]?.data ?? 'none'))))
      })
    }
  }
}

t.test('context is kept: the second of two like messages is a few bytes, also behind a rest, and behind a large one', async t => {
  const { connection, peer } = await openPair(t, { deflate: settingsOf(WITH_CONTEXT) })
  const text = prose(2000)
  connection.send(text)
  connection.send(text)
  await peer.untilFrames(2)
  // Until the outbox has gone.
  await untilAtRest()
  connection.send(text)
  connection.send(prose(100_000) + text)
  connection.send(text)
  await peer.untilFrames(5)
  const lengths = peer.frames.map(({ payload }) => payload.length)
  t.ok([1, 2, 4].every(n => (lengths[n] ?? Infinity) < 100), lengths.join())
  t.ok((await messagesOf(peer, true)).every(({ bytes }) => bytes.subarray(-2000).equals(Buffer.from(text))))
})

const edges: Array<{ name: string, data: string | Buffer, want: string }> = [
  { name: 'ASCII, one byte too few', data: 'a'.repeat(299), want: '1 299' },
  { name: 'ASCII', data: 'a'.repeat(300), want: '1 300+' },
  { name: 'two bytes each, one character too few', data: 'é'.repeat(149), want: '1 298' },
  { name: 'two bytes each', data: 'é'.repeat(150), want: '1 300+' },
  { name: 'three bytes each, one character too few', data: '€'.repeat(99), want: '1 297' },
  { name: 'three bytes each', data: '€'.repeat(100), want: '1 300+' },
  { name: 'four bytes each', data: '😀'.repeat(75), want: '1 300+' },
  { name: 'four bytes each, one character too few', data: '😀'.repeat(74), want: '1 296' },
  { name: 'bytes, one too few', data: Buffer.alloc(299), want: '2 299' },
  { name: 'bytes', data: Buffer.alloc(300), want: '2 300+' }
]
t.test('a message is compressed from as many bytes on as the threshold says', async t => {
  const { connection, peer } = await openPair(t, { deflate: settingsOf({}, { threshold: 300 }) })
  for (const { data } of edges) connection.send(data)
  await peer.untilFrames(edges.length)
  t.strictSame(await kindsOf(peer), edges.map(({ want }) => want))
})

t.test('a threshold above what this thread compresses', async t => {
  const { connection, peer } = await openPair(t, { deflate: settingsOf({}, { threshold: 200_000 }), highWaterMark: MiB })
  for (const text of ['a'.repeat(66_000), 'a'.repeat(199_999), 'a'.repeat(200_000), '€'.repeat(66_666), '€'.repeat(66_667), 'b']) connection.send(text)
  await peer.untilFrames(6)
  t.strictSame(await kindsOf(peer), ['1 66000', '1 199999', '1 200000+', '1 199998', '1 200001+', '1 1'])
})

t.test('what waits for another thread counts as waiting, and drain comes when it has left', async t => {
  const { connection, peer } = await openPair(t, { deflate: settingsOf(), highWaterMark: 65_536 })
  let drains = 0
  connection.on('drain', () => {
    drains++
    t.equal(connection.bufferedAmount, 0)
  })
  t.equal(connection.send(prose(100_000)), false)
  t.equal(connection.bufferedAmount, 100_000)
  t.equal(connection.send(Buffer.alloc(50_000)), false)
  t.equal(connection.bufferedAmount, 150_000)
  await peer.untilFrames(2)
  await untilTrue(() => drains > 0)
  await turns(5)
  t.equal(drains, 1)
  t.equal(connection.send('again'), true)
})

t.test('sendAndWait resolves in order, and not before the socket has taken the message', async t => {
  const pair = await openPair(t, { deflate: settingsOf(), maxPayload: 16 * MiB })
  const { connection, peer } = pair
  await connection.sendAndWait(prose(100_000))
  t.equal(connection.bufferedAmount, 0)
  await fillWithNoise(pair)
  const order: number[] = []
  const waits = [prose(100_000), 'small', noise(100_000), prose(70_000), prose(100)].map(async (message, n) => {
    await connection.sendAndWait(message)
    order.push(n)
  })
  await turns(50)
  t.strictSame(order, [], 'the peer does not read')
  peer.socket.resume()
  await Promise.all(waits)
  t.strictSame(order, [0, 1, 2, 3, 4])
})

const ends: Array<{ name: string, end: (connection: Connection, peer: Peer) => void }> = [
  { name: 'terminate', end: (connection) => connection.terminate() },
  { name: 'a reset by the peer', end: (_connection, peer) => peer.socket.resetAndDestroy() },
  { name: 'closeTimeout after close', end: (connection) => connection.close() }
]
for (const { name, end } of ends) {
  for (const late of [0, 1, 5]) {
    t.test(`T24 T56 sendAndWait rejects when ${name} comes first, ${late} turns later`, async t => {
      const pair = await openPair(t, { deflate: settingsOf(), closeTimeout: 100 })
      const { connection, peer } = pair
      const closed = untilClosed(connection)
      await fillWithNoise(pair)
      const waits = [prose(300_000), 'small', noise(100_000), prose(200)].map(message => connection.sendAndWait(message))
      await turns(late)
      end(connection, peer)
      t.strictSame((await Promise.allSettled(waits)).map(({ status }) => status), waits.map(() => 'rejected'))
      await closed
      t.equal(connection.bufferedAmount, 0)
      await t.rejects(connection.sendAndWait('late'), { code: 'FST_WS_NOT_OPEN' })
    })
  }
}

t.test('large messages that wait for another thread are not taken for a slow peer: they go as they are', async t => {
  const { connection, peer, faults } = await openPair(t, { deflate: settingsOf(WITH_CONTEXT), highWaterMark: 65_536, maxBufferedAmount: 400_000 })
  let slow = 0
  connection.on('slow', () => { slow++ })
  const messages = Array.from({ length: 30 }, (_, n) => n % 3 === 2 ? prose(100, n) : prose(150_000, n))
  for (const message of messages) connection.send(message)
  await peer.untilFrames(30)
  t.equal(slow, 0)
  t.strictSame(faults, [])
  const got = await messagesOf(peer, true)
  t.ok(got.every(({ bytes }, n) => bytes.equals(Buffer.from(messages[n] ?? ''))), 'in order')
  t.ok(got.some(({ kind }) => kind === '1 150000'), 'some as they are')
  t.ok(got.some(({ kind }) => kind === '1 100+'), 'small ones compressed')
})

t.test('a peer that does not read is slow, compressed or not', async t => {
  const { connection, peer, faults } = await openPair(t, { deflate: settingsOf(), maxBufferedAmount: 500_000, slowConsumer: 'close' })
  peer.socket.pause()
  let sent = 0
  while (faults.length === 0 && sent < 2000) {
    connection.send(noise(150_000, sent++))
    await turns(1)
  }
  t.match(faults, [{ code: 'FST_WS_SLOW_CONSUMER' }])
})

for (const { name, end, code } of [
  { name: 'the Close frame', end: (_peer: Peer, connection: Connection) => connection.close(4000, 'mine'), code: 4000 },
  { name: 'the answer to the peer\'s Close frame', end: (peer: Peer) => peer.close(4001, 'theirs'), code: 4001 },
  { name: 'the Close frame for a fault of the peer', end: (peer: Peer) => peer.send(3, 'no such opcode'), code: 1002 }
]) {
  t.test(`${name} waits behind held messages, and the end of the socket behind it`, async t => {
    const { connection, peer } = await openPair(t, { deflate: settingsOf() })
    const calls = closeCallsOf(connection)
    connection.on('message', () => {})
    for (const message of [prose(400_000), 'small', prose(300_000, 9)]) connection.send(message)
    end(peer, connection)
    await peer.until(() => peer.frames.some(({ opcode }) => opcode === 8))
    if (code === 4000) peer.close(4000)
    await peer.untilEnd()
    t.strictSame(peer.frames.map(({ opcode }) => opcode), [1, 1, 1, 8])
    t.equal(peer.frames.at(-1)?.payload.readUInt16BE(), code)
    t.strictSame((await messagesOf(peer)).map(({ bytes }) => bytes.length), [400_000, 5, 300_000])
    await untilTrue(() => calls.length > 0)
    t.equal(calls[0]?.code, code)
  })
}

t.test('the peer ends its side while messages are compressed: they still arrive', async t => {
  const { connection, peer } = await openPair(t, { deflate: settingsOf() })
  const closed = untilClosed(connection)
  connection.on('message', () => {})
  await peer.roundTrip()
  for (const message of [prose(400_000), 'small']) connection.send(message)
  peer.socket.end()
  await peer.untilEnd()
  t.strictSame((await messagesOf(peer)).map(({ kind }) => kind), ['1 400000+', '1 5'])
  t.match(await closed, { code: 1006 })
})

t.test('T20 what is lent is sent as it was, though it is compressed later', async t => {
  const { connection, peer } = await openPair(t, { deflate: settingsOf(), lendsPayloads: true, maxPayload: 4 * MiB, highWaterMark: 64 * MiB })
  connection.on('message', (message: Buffer) => { connection.send(message) })
  const sizes = [100, 70_000, 131_072, 1_000_000, 70_000, 300]
  for (const [n, size] of [...sizes, ...sizes].entries()) peer.send(2, Buffer.alloc(size, n))
  await peer.untilFrames(sizes.length * 2)
  t.strictSame((await messagesOf(peer)).map(({ bytes }, n) => bytes.equals(Buffer.alloc(sizes[n % sizes.length] ?? 0, n))), [...sizes, ...sizes].map(() => true))
})

t.test('bytes under 64 KiB may be changed at once, behind a large message too', async t => {
  const { connection, peer } = await openPair(t, { deflate: settingsOf() })
  const bytes = Buffer.alloc(60_000, 'a')
  connection.send(prose(200_000))
  connection.send(bytes)
  bytes.fill('b')
  connection.send(bytes, { compress: false })
  bytes.fill('c')
  await peer.untilFrames(3)
  const [, first, second] = await messagesOf(peer)
  t.ok(first?.bytes.equals(Buffer.alloc(60_000, 'a')))
  t.ok(second?.bytes.equals(Buffer.alloc(60_000, 'b')))
})

t.test('a message for many connections is compressed once, on either thread', async t => {
  const deflate = settingsOf({}, { keepsHandles: false })
  const pairs = await Promise.all(Array.from({ length: 8 }, () => openPair(t, { deflate })))
  const runs: number[] = []
  const restore = spyOnZlib((length) => { runs.push(length) })
  t.teardown(restore)
  const bytes = Buffer.from(prose(90_000))
  for (const message of [prose(1000), prose(80_000), bytes]) {
    for (const { connection } of pairs) connection.send(message)
  }
  await Promise.all(pairs.map(({ peer }) => peer.untilFrames(3)))
  restore()
  t.strictSame(runs.toSorted((a, b) => a - b), [1000, 80_000, 90_000])
  for (const { peer } of pairs) t.strictSame(await kindsOf(peer), ['1 1000+', '1 80000+', '2 90000+'])
})

t.test('where zlib fails on another thread a message goes as it is', async t => {
  const { connection, peer } = await openPair(t, { deflate: settingsOf(WITH_CONTEXT) })
  const restore = spyOnZlib(() => { throw new Error('no memory') })
  t.teardown(restore)
  await Promise.all([connection.sendAndWait(prose(100_000)), connection.sendAndWait('behind it')])
  restore()
  await connection.sendAndWait(prose(100_000))
  await peer.untilFrames(3)
  t.strictSame(await kindsOf(peer, true), ['1 100000', '1 9', '1 100000+'])
})

/** Tells of each message that zlib compresses by its documented functions. Returns what ends it. */
function spyOnZlib (onRun: (length: number) => void): () => void {
  const { deflateRaw, deflateRawSync } = zlib
  for (const [name, original] of Object.entries({ deflateRaw, deflateRawSync })) {
    const spy = (...args: unknown[]): unknown => {
      onRun((args[0] as Buffer).length) // as this package calls it
      return (original as (...args: unknown[]) => unknown)(...args)
    }
    Object.assign(zlib, { [name]: spy })
  }
  syncBuiltinESMExports()
  return () => {
    Object.assign(zlib, { deflateRaw, deflateRawSync })
    syncBuiltinESMExports()
  }
}
