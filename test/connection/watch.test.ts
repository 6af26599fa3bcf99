// What the watch asks of a socket; its verdicts over the wire are in test/threats.
import t from 'tap'
import type { Test } from 'tap'
import { Outbox } from '../../lib/connection/outbox.ts'
import { Watch } from '../../lib/connection/watch.ts'
import type { WatchSettings } from '../../lib/connection/watch.ts'
import { openPair, openSockets, openTlsSockets, Peer, turns, untilClosed, untilTrue } from '../helpers/connection-pair.ts'
import { MemorySocket } from '../../lib/plugin/memory-socket.ts'

async function make (t: Test, settings: WatchSettings = {}): Promise<{ watch: Watch, outbox: Outbox, peer: Peer, told: unknown[] }> {
  const { near, far } = await openSockets()
  t.teardown(() => {
    near.destroy()
    far.destroy()
  })
  const told: unknown[] = []
  const outbox = new Outbox(near, { role: 'server', highWaterMark: 65_536 }, { onDrain () {}, onRoom () {} })
  const watch = new Watch({
    isReading: true, waitsForPeer: false,
    onLatency: (ms) => { told.push(['latency', ms]) },
    onPinged: () => { told.push('pinged') },
    onDead: () => { told.push('dead') },
    onLimit: ({ code }) => { told.push(code) },
    onPausing: () => { told.push('pausing') },
    onLifetimeOver: () => { told.push('over') }
  }, near, outbox, settings)
  return { watch, outbox, peer: new Peer(far, false), told }
}

t.test('a ping has its number in four bytes, and tells when the socket has taken it', async t => {
  const { watch, peer, told } = await make(t)
  let written = 0
  watch.sendPing(0x01020304, () => { written++ })
  t.strictSame(told, ['pinged'], 'a sign of life may come')
  const [ping] = await peer.untilFrames(1)
  t.equal(ping?.opcode, 9)
  t.equal(ping?.payload.toString('hex'), '01020304')
  await untilTrue(() => written === 1)
  t.equal(written, 1)
})

t.test('progress changes as a peer reads slowly, and not as more is sent to one that does not', async t => {
  const { watch, outbox, peer } = await make(t)
  peer.socket.pause()
  outbox.sendBytes(2, Buffer.alloc(16 * 1024 * 1024))
  outbox.flush()
  await turns(20)
  t.ok(outbox.bufferedAmount > 0, 'it has more than the kernel takes')
  const stuck = watch.writeProgress
  for (let i = 0; i < 10; i++) {
    outbox.sendBytes(2, Buffer.alloc(100_000))
    outbox.flush()
    await turns(5)
  }
  t.equal(watch.writeProgress, stuck)
  peer.socket.resume()
  await untilTrue(() => watch.writeProgress !== stuck)
  t.ok(outbox.bufferedAmount > 0, 'in the middle of one write already')
})

t.test('progress shows in the middle of one write under TLS as well', async t => {
  const { near, far } = await openTlsSockets()
  t.teardown(() => {
    near.destroy()
    far.destroy()
  })
  const outbox = new Outbox(near, { role: 'server', highWaterMark: 65_536 }, { onDrain () {}, onRoom () {} })
  const owner = { isReading: true, waitsForPeer: false, onPinged () {}, onLatency () {}, onDead () {}, onLimit () {}, onPausing () {}, onLifetimeOver () {} }
  const watch = new Watch(owner, near, outbox, {})
  far.pause()
  outbox.sendBytes(2, Buffer.alloc(32 * 1024 * 1024))
  outbox.flush()
  await turns(50)
  const stuck = watch.writeProgress
  await turns(20)
  t.equal(watch.writeProgress, stuck)
  const waiting = near.writableLength
  let read = 0
  far.on('data', (chunk: Buffer) => { read += chunk.length }).resume()
  await untilTrue(() => watch.writeProgress !== stuck || read > 16 * 1024 * 1024)
  t.ok(read <= 16 * 1024 * 1024, `${read} bytes were read when it showed`)
  t.equal(near.writableLength, waiting, 'the write is not done')
})

t.test('a ping behind a backlog is not written before that has gone', async t => {
  const { watch, outbox, peer } = await make(t)
  peer.socket.pause()
  outbox.sendBytes(2, Buffer.alloc(16 * 1024 * 1024))
  outbox.flush()
  let written = false
  watch.sendPing(1, () => { written = true })
  await turns(50)
  t.equal(written, false)
  peer.socket.resume()
  await untilTrue(() => written)
  t.ok(outbox.bufferedAmount === 0)
})

t.test('a stream that is no socket shows progress by what waits in it', async t => {
  const { client, server } = MemorySocket.pair('127.0.0.1')
  t.teardown(() => client.destroy())
  const outbox = new Outbox(server, { role: 'server', highWaterMark: 1 }, { onDrain () {}, onRoom () {} })
  const owner = { isReading: true, waitsForPeer: false, onPinged () {}, onLatency () {}, onDead () {}, onLimit () {}, onPausing () {}, onLifetimeOver () {} }
  const watch = new Watch(owner, server, outbox, {})
  outbox.sendBytes(2, Buffer.alloc(60_000))
  outbox.flush()
  const before = watch.writeProgress
  client.resume()
  await untilTrue(() => outbox.bufferedAmount === 0)
  t.not(watch.writeProgress, before)
})

t.test('without settings nothing is watched', async t => {
  const { watch, told } = await make(t)
  watch.start()
  t.equal(watch.takeBytes(1e9), true)
  t.equal(watch.takeMessage(), true)
  t.equal(watch.takePong(Buffer.alloc(4)), false)
  t.equal(watch.isPausing, false)
  watch.stop()
  t.strictSame(told, [])
})

t.test('a connection that closes by itself leaves nothing behind', async t => {
  const { connection, peer } = await openPair(t, {
    heartbeat: { interval: 60_000, timeout: 60_000 }, maxLifetime: 60_000, rateLimit: { messages: 1, perSeconds: 3_600, onLimit: 'pause' }
  })
  connection.on('message', () => {})
  peer.text('a', 'b')
  await turns(5)
  connection.close(1000)
  await peer.untilFrames(1)
  peer.close(1000)
  await untilClosed(connection)
  t.notOk(process.getActiveResourcesInfo().includes('Timeout'))
})
