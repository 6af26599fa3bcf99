// What a heartbeat goes by while its ping cannot be written: bytes that leave, in the midst of one write too.
import type { Duplex } from 'node:stream'
import t from 'tap'
import type { Test } from 'tap'
import { Outbox } from '../../lib/connection/outbox.ts'
import { readWriteProgress } from '../../lib/connection/write-progress.ts'
import { MemorySocket } from '../../lib/plugin/memory-socket.ts'
import { openSockets, openTlsSockets, turns, untilTrue } from '../helpers/connection-pair.ts'

/** Sends so much at once that the kernel does not take it. */
function sendTooMuch (socket: Duplex, bytes: number): Outbox {
  const outbox = new Outbox(socket, { role: 'server', highWaterMark: 65_536 }, { onDrain () {}, onRoom () {} })
  outbox.sendBytes(2, Buffer.alloc(bytes))
  outbox.flush()
  return outbox
}

async function open (t: Test, tls: boolean): ReturnType<typeof openSockets> {
  const sockets = tls ? await openTlsSockets() : await openSockets()
  t.teardown(() => {
    sockets.near.destroy()
    sockets.far.destroy()
  })
  return sockets
}

t.test('progress changes as a peer reads slowly, and not as more is sent to one that does not', async t => {
  const { near, far } = await open(t, false)
  const outbox = sendTooMuch(near, 16 * 1024 * 1024)
  await turns(20)
  t.ok(outbox.bufferedAmount > 0, 'it has more than the kernel takes')
  const stuck = readWriteProgress(near)
  for (let i = 0; i < 10; i++) {
    outbox.sendBytes(2, Buffer.alloc(100_000))
    outbox.flush()
    await turns(5)
  }
  t.equal(readWriteProgress(near), stuck)
  far.resume()
  await untilTrue(() => readWriteProgress(near) !== stuck)
  t.ok(outbox.bufferedAmount > 0, 'in the middle of one write already')
})

t.test('progress shows in the middle of one write under TLS as well', async t => {
  const { near, far } = await open(t, true)
  far.pause()
  sendTooMuch(near, 32 * 1024 * 1024)
  await turns(50)
  const stuck = readWriteProgress(near)
  await turns(20)
  t.equal(readWriteProgress(near), stuck)
  const waiting = near.writableLength
  let read = 0
  far.on('data', (chunk: Buffer) => { read += chunk.length }).resume()
  await untilTrue(() => readWriteProgress(near) !== stuck || read > 16 * 1024 * 1024)
  t.ok(read <= 16 * 1024 * 1024, `${read} bytes were read when it showed`)
  t.equal(near.writableLength, waiting, 'the write is not done')
})

t.test('a stream that is no socket shows progress by what waits in it', async t => {
  const { client, server } = MemorySocket.pair('127.0.0.1')
  t.teardown(() => client.destroy())
  const outbox = sendTooMuch(server, 60_000)
  const before = readWriteProgress(server)
  client.resume()
  await untilTrue(() => outbox.bufferedAmount === 0)
  t.not(readWriteProgress(server), before)
})
