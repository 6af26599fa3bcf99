// What a connection sends: how many writes it takes, when it says stop, and what becomes of bytes that cannot leave.
import { once } from 'node:events'
import { Duplex } from 'node:stream'
import t from 'tap'
import type { Connection } from '../../lib/connection/connection.ts'
import { connectionOn, countWrites, fillUp, memoryUsed, openPair, openSockets, Peer, turns, untilClosed, untilTrue } from '../helpers/connection-pair.ts'

const MiB = 1_048_576

for (const role of ['server', 'client'] as const) {
  t.test(`${role}: all that is sent while one read is handled leaves in one write`, async t => {
    const { connection, socket, peer } = await openPair(t, { role })
    connection.on('message', (text: string) => {
      connection.send(text)
      connection.send(Buffer.from(text))
      connection.ping(text)
    })
    const writes = countWrites(socket)
    const texts = Array.from({ length: 40 }, (_, i) => `message ${i}`)
    peer.text(...texts)
    await peer.untilFrames(120)
    t.equal(writes.calls, 1)
    t.same(peer.frames.map(({ opcode, payload }) => `${opcode} ${payload.toString()}`), texts.flatMap(text => [`1 ${text}`, `2 ${text}`, `9 ${text}`]))
  })

  t.test(`${role}: all that is sent in one tick leaves in one write, in call order, whatever its kind and size`, async t => {
    const { connection, socket, peer } = await openPair(t, { role, highWaterMark: 16 * MiB })
    const writes = countWrites(socket)
    const large = Buffer.alloc(100_000, 'x')
    connection.send('first')
    connection.send(large)
    connection.ping('between')
    connection.send('é'.repeat(30_000))
    connection.send(Buffer.from('small'))
    connection.pong('last but one')
    connection.close(1000, 'last')
    t.equal(writes.calls, 0, 'not before the tick ends')
    await peer.untilFrames(7)
    t.same(peer.frames.map(({ opcode, payload }) => `${opcode} ${payload.length}`), ['1 5', '2 100000', '9 7', '1 60000', '2 5', '10 12', '8 6'])
    t.ok(peer.frames[1]?.payload.equals(large))
    t.equal(writes.calls, 1)
  })
}

t.test('connections that send to each other in one read: one write each, nothing mixed up', async t => {
  const pairs = await Promise.all(Array.from({ length: 4 }, () => openPair(t)))
  const [first] = pairs
  const counters = pairs.map(({ socket }) => countWrites(socket))
  first?.connection.on('message', (text: string) => {
    for (const { connection } of pairs) connection.send(`to ${pairs.findIndex(pair => pair.connection === connection)}: ${text}`)
  })
  const texts = Array.from({ length: 30 }, (_, i) => `message ${i}`)
  first?.peer.text(...texts)
  await Promise.all(pairs.map(({ peer }) => peer.untilFrames(30)))
  for (const [i, { peer }] of pairs.entries()) t.same(peer.texts, texts.map(text => `to ${i}: ${text}`))
  t.same(counters.map(({ calls }) => calls), [1, 1, 1, 1])
})

const edges = [
  { name: 'as many bytes as highWaterMark wait', size: 996, want: true },
  { name: 'one byte more waits', size: 997, want: false }
]
for (const { name, size, want } of edges) {
  t.test(`send: ${name}`, async t => {
    const { connection, peer } = await openPair(t, { highWaterMark: 1000 })
    let drains = 0
    connection.on('drain', () => drains++)
    t.equal(connection.send(Buffer.alloc(size)), want)
    t.equal(connection.bufferedAmount, size + 4)
    await peer.untilFrames(1)
    await turns(2)
    t.equal(drains, want ? 0 : 1)
    t.equal(connection.bufferedAmount, 0)
  })
}

t.test('send to a slow peer: false while bytes wait, then one drain, when all have left', async t => {
  const pair = await openPair(t)
  const { connection, peer } = pair
  const before = await fillUp(pair)
  const waiting: number[] = []
  connection.on('drain', () => waiting.push(connection.bufferedAmount))
  for (let i = 0; i < 50; i++) t.equal(connection.send(Buffer.alloc(10_000)), false)
  t.ok(connection.bufferedAmount > 500_000)
  await turns(20)
  t.same(waiting, [])
  peer.socket.resume()
  await once(connection, 'drain')
  t.same(waiting, [0])
  await peer.untilFrames(before + 50)
  await turns(5)
  t.same(waiting, [0], 'once')
  t.equal(connection.send('again'), true)
})

t.test('drain: again after the next false, and whoever sends in its listener waits for the next one', async t => {
  const { connection, peer } = await openPair(t, { highWaterMark: 100 })
  let rounds = 0
  connection.on('drain', () => {
    if (++rounds < 10) connection.send(Buffer.alloc(200, rounds))
  })
  connection.send(Buffer.alloc(200))
  await peer.untilFrames(10)
  await turns(3)
  t.equal(rounds, 10)
})

for (const { name, more } of [{ name: 'behind the messages', more: false }, { name: 'between the messages', more: true }]) {
  t.test(`T05 drain comes when pongs wait ${name}`, async t => {
    const pair = await openPair(t)
    const { connection, peer } = pair
    connection.on('ping', () => {})
    // The last of its sends returns false.
    await fillUp(pair)
    let drains = 0
    connection.on('drain', () => drains++)
    for (let i = 0; i < 10; i++) {
      if (more) t.equal(connection.send(`${i}`), false)
      peer.send(9, `ping ${i}`)
      await once(connection, 'ping')
    }
    peer.socket.resume()
    await peer.until(() => peer.frames.some(({ opcode, payload }) => opcode === 10 && payload.toString() === 'ping 9'))
    await turns(5)
    t.equal(connection.bufferedAmount, 0)
    t.equal(drains, 1)
  })
}

for (const what of ['ping', 'pong'] as const) {
  t.test(`a backlog of ${what}s alone, one at a time: once one has no room, drain comes when they have left`, async t => {
    const written: Array<() => void> = []
    const socket = new Duplex({ read () {}, write (_chunk, _encoding, callback) { written.push(callback) } })
    const { connection } = connectionOn(socket, { slowConsumer: 'drop', maxBufferedAmount: 4000, highWaterMark: 1000 })
    let slow = 0
    let drains = 0
    connection.on('slow', () => { slow++ })
    connection.on('drain', () => { drains++ })
    while (slow === 0) {
      connection[what](Buffer.alloc(125))
      await turns(1)
    }
    t.equal(drains, 0)
    let writes = 0
    const { write } = socket
    socket.write = (...args: unknown[]) => {
      writes++
      return write.apply(socket, args as never)
    }
    for (let n = 0; n < 1000; n++) connection[what](Buffer.alloc(125))
    t.equal(writes, 0, 'those that are refused leave nothing behind')
    while (written.length > 0) {
      written.shift()?.()
      await turns(1)
    }
    t.equal(connection.bufferedAmount, 0)
    t.equal(drains, 1)
    socket.destroy()
  })
}

t.test('T05 1e6 pings from a peer that does not read: one pong on its way and one behind it, memory flat', async t => {
  const pair = await openPair(t)
  const { connection, peer } = pair
  let pings = 0
  connection.on('ping', () => pings++)
  await fillUp(pair)
  const buffered = connection.bufferedAmount
  const memory = await memoryUsed()
  const burst = Buffer.concat(Array.from({ length: 10_000 }, (_, i) => peer.frame(9, `${i}`)))
  let most = 0
  for (let i = 1; i <= 100; i++) {
    peer.socket.write(burst)
    await untilTrue(() => pings === i * 10_000)
    most = Math.max(most, connection.bufferedAmount - buffered)
  }
  t.ok(most < 50, `${most} bytes of pongs wait`)
  const grown = await memoryUsed() - memory
  t.ok(grown < MiB, `memory has grown by ${grown}`)

  peer.send(9, 'newest')
  await untilTrue(() => pings === 1_000_001)
  peer.socket.resume()
  await peer.until(() => peer.frames.at(-1)?.payload.toString() === 'newest')
  const pongs = peer.frames.filter(({ opcode }) => opcode === 10)
  t.ok(pongs.length <= 2, `${pongs.length} pongs`)
})

t.test('T05 pings from the start, to a kernel that still takes some pongs: what waits here is bounded', async t => {
  const { connection, socket, peer } = await openPair(t)
  let pings = 0
  connection.on('ping', () => pings++)
  peer.socket.pause()
  const burst = Buffer.concat(Array.from({ length: 500 }, () => peer.frame(9, 'x'.repeat(125))))
  for (let i = 1; i <= 200; i++) {
    peer.socket.write(burst)
    await untilTrue(() => pings === i * 500)
  }
  t.ok(socket.writableLength > 0, 'the kernel is full')
  t.ok(connection.bufferedAmount < 150_000, `${connection.bufferedAmount} bytes wait`)
})

t.test('T05 pings that are read normally are all answered, in order, with their data', async t => {
  const { peer, connection } = await openPair(t)
  connection.on('message', () => {})
  const wanted = Array.from({ length: 300 }, (_, i) => `${i}`)
  peer.socket.write(Buffer.concat(wanted.map(data => peer.frame(9, data))))
  await peer.untilFrames(300)
  t.same(peer.frames.map(({ opcode, payload }) => `${opcode} ${payload.toString()}`), wanted.map(data => `10 ${data}`))
})

t.test('§5.5.2 a pong that waits is sent behind the Close frame too, as long as the peer has not sent its own', async t => {
  const pair = await openPair(t)
  const { connection, peer } = pair
  connection.on('ping', () => {})
  const count = await fillUp(pair)
  for (let i = 0; i < 3; i++) {
    peer.send(9, `ping ${i}`)
    await once(connection, 'ping')
  }
  connection.close(1000)
  peer.socket.resume()
  await peer.until(() => peer.frames.some(({ opcode }) => opcode === 8) && peer.frames.some(({ opcode, payload }) => opcode === 10 && payload.toString() === 'ping 2'))
  peer.close(1000)
  await peer.untilEnd()
  t.equal(peer.frames.filter(({ opcode }) => opcode === 2).length, count)
})

t.test('sendAndWait resolves when the socket took the bytes, in order, and not before', async t => {
  const pair = await openPair(t)
  const { connection, peer } = pair
  await connection.sendAndWait('taken at once')
  t.equal(connection.bufferedAmount, 0)
  await fillUp(pair)
  const order: number[] = []
  const waits = [1, 2, 3].map(async number => {
    await connection.sendAndWait(Buffer.alloc(70_000, number))
    order.push(number)
  })
  await turns(20)
  t.same(order, [], 'the peer does not read')
  peer.socket.resume()
  await Promise.all(waits)
  t.same(order, [1, 2, 3])
})

const ends: Array<{ name: string, end: (connection: Connection, peer: Peer) => void }> = [
  { name: 'terminate', end: (connection) => connection.terminate() },
  { name: 'a reset by the peer', end: (_connection, peer) => peer.socket.resetAndDestroy() },
  { name: 'closeTimeout after close', end: (connection) => connection.close() }
]
for (const { name, end } of ends) {
  t.test(`T56 sendAndWait rejects when ${name} comes first`, async t => {
    const pair = await openPair(t, { closeTimeout: 50 })
    const { connection, peer } = pair
    const closed = untilClosed(connection)
    await fillUp(pair)
    const waits = [connection.sendAndWait('1'), connection.sendAndWait(Buffer.alloc(100_000))]
    await turns(2)
    // Sent in the tick of the end, and not flushed yet.
    waits.push(connection.sendAndWait('3'))
    end(connection, peer)
    const results = await Promise.allSettled(waits)
    t.same(results.map(({ status }) => status), ['rejected', 'rejected', 'rejected'])
    await closed
    await t.rejects(connection.sendAndWait('late'), { code: 'FST_WS_NOT_OPEN' })
  })
}

t.test('sendAndWait rejects on a stream that never says whether it took the bytes', async t => {
  // As node:stream's duplexPair and others do when they are destroyed.
  const stuck = new Duplex({ read () {}, write () {} })
  const { connection } = connectionOn(stuck)
  connection.on('message', () => {})
  const waits = [connection.sendAndWait('1'), connection.sendAndWait('2')]
  await turns(1)
  waits.push(connection.sendAndWait('3'))
  await turns(1)
  connection.terminate()
  t.same((await Promise.allSettled(waits)).map(({ status }) => status), ['rejected', 'rejected', 'rejected'])
})

t.test('send, ping and pong do nothing when the connection closes or has closed', async t => {
  for (const end of [(connection: Connection) => connection.close(), (connection: Connection) => connection.terminate()]) {
    const { connection, peer } = await openPair(t)
    let drains = 0
    connection.on('drain', () => drains++)
    const closed = untilClosed(connection)
    end(connection)
    t.equal(connection.send('x'), false)
    connection.ping('late')
    connection.pong('late')
    await t.rejects(connection.sendAndWait('x'), { code: 'FST_WS_NOT_OPEN' })
    await peer.untilEnd()
    peer.close()
    await closed
    t.equal(connection.send('x'), false)
    connection.ping()
    connection.close()
    t.equal(peer.fault, undefined)
    t.same(peer.frames.filter(({ opcode }) => opcode !== 8), [])
    t.equal(drains, 0)
  }
})

t.test('§5.3 client: a fresh mask for every frame, and the bytes of the caller stay as they are', async t => {
  const { connection, peer } = await openPair(t, { role: 'client', highWaterMark: 64 * MiB })
  const small = Buffer.from('small')
  const large = Buffer.alloc(70_000, 'L')
  for (let i = 0; i < 500; i++) connection.send(small)
  for (let i = 0; i < 10; i++) connection.send(large)
  connection.ping('ping')
  connection.close(1000)
  await peer.untilFrames(512)
  t.ok(peer.frames.every(({ mask }) => mask !== undefined))
  t.ok(new Set(peer.frames.map(({ mask }) => mask?.toString('hex'))).size > 500)
  t.equal(small.toString(), 'small')
  t.ok(large.equals(Buffer.alloc(70_000, 'L')))
})

t.test('server: frames have no mask', async t => {
  const { near, far } = await openSockets()
  const peer = new Peer(far, true)
  const { connection } = connectionOn(near)
  connection.send('text')
  connection.send(Buffer.alloc(70_000))
  connection.close(1000)
  await peer.untilFrames(3)
  t.ok(peer.frames.every(({ mask }) => mask === undefined))
  near.destroy()
  far.destroy()
})
