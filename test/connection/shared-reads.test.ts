// Reads of real sockets into one buffer, over TCP and a pipe.
import { once } from 'node:events'
import { connect, createServer, Socket } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import type { Duplex } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import type { Test } from 'tap'
import { shareReads } from '../../lib/connection/shared-reads.ts'
import '../helpers/guard.ts'
import { untilTrue } from '../helpers/connection-pair.ts'

interface Ends {
  readonly near: Socket
  readonly far: Socket
}

/** Two ends of a connection; `near` was accepted by a server. */
async function open (t: Test, path?: string): Promise<Ends> {
  const server = createServer()
  server.listen(path === undefined ? { port: 0, host: '127.0.0.1' } : { path })
  await once(server, 'listening')
  const accepted = once(server, 'connection')
  const far = connect(path === undefined ? { port: (server.address() as AddressInfo).port, host: '127.0.0.1' } : { path })
  const [near] = await accepted as [Socket]
  t.teardown(() => {
    near.destroy()
    far.destroy()
    server.close()
  })
  return { near, far }
}

/** Shares reads and notes what comes. */
function share (socket: Socket, buffer: Buffer): string[] {
  const reads: string[] = []
  const isShared = shareReads(socket, buffer, function (length) {
    if (this !== socket) throw new Error('called on another socket')
    reads.push(buffer.toString('latin1', 0, length))
  })
  if (!isShared) throw new Error('this Node does not share reads')
  socket.resume()
  return reads
}

for (const [name, pathOf] of [['TCP', () => undefined], ['a pipe', (name: string) => join(tmpdir(), `shared-reads-${process.pid}-${name}.sock`)]] as const) {
  t.test(`two sockets read into one buffer over ${name}`, async t => {
    const buffer = Buffer.alloc(1000)
    const one = await open(t, pathOf('one'))
    const two = await open(t, pathOf('two'))
    const [first, second] = [share(one.near, buffer), share(two.near, buffer)]
    let events = 0
    one.near.on('data', () => { events++ })
    one.far.write('a'.repeat(2500))
    await untilTrue(() => first.join('').length === 2500)
    two.far.write('second')
    await untilTrue(() => second.length > 0)
    one.far.write('!')
    await untilTrue(() => first.join('').length === 2501)
    t.ok(first.every((read) => read.length <= 1000), first.map(({ length }) => length).join())
    t.strictSame(second, ['second'])
    t.equal(one.near.bytesRead, 2501)
    t.equal(events, 0, 'and no chunk is made')
  })
}

t.test('what the socket has read before is there to be taken, and comes first', async t => {
  const { near, far } = await open(t)
  far.write('before')
  near.once('readable', () => {})
  await untilTrue(() => near.readableLength === 6)
  const reads: string[] = []
  const buffer = Buffer.alloc(100)
  t.ok(shareReads(near, buffer, (length) => { reads.push(buffer.toString('latin1', 0, length)) }))
  t.equal(String(near.read()), 'before')
  near.resume()
  far.write('after')
  await untilTrue(() => reads.length > 0)
  t.strictSame(reads, ['after'])
})

t.test('pause stops the reads and lets TCP push back, resume goes on, the end comes', async t => {
  const { near, far } = await open(t)
  const reads = share(near, Buffer.alloc(65_536))
  far.write('x')
  await untilTrue(() => reads.length === 1)
  near.pause()
  let taken = 0
  const block = Buffer.alloc(1_048_576)
  for (let n = 0; n < 32; n++) far.write(block, () => { taken++ })
  await delay(50)
  t.equal(reads.length, 1)
  t.ok(taken < 32, `${taken} of 32 MiB are on their way`)
  near.resume()
  await untilTrue(() => near.bytesRead === 32 * block.length + 1)
  const ended = once(near, 'end')
  far.end()
  await ended
})

t.test('an error and a reset come as before', async t => {
  const { near, far } = await open(t)
  share(near, Buffer.alloc(10))
  const errored = once(near, 'error')
  const closed = new Promise((resolve) => { near.once('close', resolve) })
  far.resetAndDestroy()
  t.match(await errored, [{ code: 'ECONNRESET' }])
  await closed
})

t.test('pausing from inside a read keeps the next one back', async t => {
  const { near, far } = await open(t)
  const buffer = Buffer.alloc(4)
  const reads: string[] = []
  shareReads(near, buffer, (length) => {
    reads.push(buffer.toString('latin1', 0, length))
    near.pause()
  })
  near.resume()
  far.write('aaaabbbbcccc')
  for (const want of [1, 2, 3]) {
    await untilTrue(() => reads.length === want)
    await delay(5)
    t.equal(reads.length, want)
    near.resume()
  }
  t.strictSame(reads, ['aaaa', 'bbbb', 'cccc'])
})

t.test('not for other streams, nor twice', async t => {
  const buffer = Buffer.alloc(10)
  const never = (): void => { throw new Error('nothing is read') }
  class Sub extends Socket {}
  for (const [name, stream] of [['a PassThrough', new PassThrough()], ['a subclass', new Sub()], ['a socket without a handle', new Socket()]] as Array<[string, Duplex]>) {
    t.equal(shareReads(stream, buffer, never), false, name)
  }
  for (const event of ['data', 'readable']) {
    const { near } = await open(t)
    near.on(event, () => {})
    t.equal(shareReads(near, buffer, never), false, `somebody listens for ${event}`)
  }
  const { near } = await open(t)
  t.equal(shareReads(near, buffer, never), true)
  t.equal(shareReads(near, buffer, never), false, 'it has a buffer')
})
