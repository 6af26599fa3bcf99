// A connection as a Duplex: pipes both ways, backpressure, and every way to end it.
import { once } from 'node:events'
import type { Readable } from 'node:stream'
import { PassThrough, Transform, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import t from 'tap'
import { fillUp, openPair, turns, untilClosed, untilTrue } from '../helpers/connection-pair.ts'

const json = { decode: (data: string | Buffer): unknown => JSON.parse(String(data)), encode: (message: unknown) => JSON.stringify(message) }

/** Collects what a stream gives, until its end. */
async function readAll (stream: Readable): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk)
  return Buffer.concat(chunks)
}

t.test('read: text as UTF-8, binary as it is, empty messages too; it ends when the peer closes', async t => {
  const { connection, peer } = await openPair(t)
  const all = readAll(connection.createStream())
  peer.text('é', '', 'x')
  peer.send(2, Buffer.from([0, 255]))
  peer.close(1000)
  t.equal((await all).toString('hex'), 'c3a97800ff')
})

t.test('written: strings as text, bytes as binary, in order', async t => {
  const { connection, peer } = await openPair(t)
  const stream = connection.createStream().resume()
  stream.write('text é')
  stream.write(Buffer.from('bytes'))
  stream.write('x'.repeat(100_000))
  stream.end()
  await peer.untilFrames(4)
  t.same(peer.frames.map(({ opcode, payload }) => [opcode, payload.length]), [[1, 7], [2, 5], [1, 100_000], [8, 0]])
  peer.close()
  await once(stream, 'close')
})

t.test('piped through: an echo of 2 MB in pieces of every size, to the end', async t => {
  const { connection, peer } = await openPair(t, { highWaterMark: 1000 })
  const stream = connection.createStream()
  const upper = new Transform({ transform: (chunk, _encoding, callback) => callback(null, Buffer.from(String(chunk).toUpperCase())) })
  const done = pipeline(stream, upper, stream)
  let sent = ''
  for (let i = 0; sent.length < 2_000_000; i++) {
    const text = `${i},`.repeat(i % 97 * 50 + 1)
    sent += text
    if (!peer.socket.write(peer.frame(1, text))) await once(peer.socket, 'drain')
  }
  await peer.until(() => peer.frames.reduce((sum, { payload }) => sum + payload.length, 0) === sent.length)
  t.equal(Buffer.concat(peer.frames.map(({ payload }) => payload)).toString(), sent.toUpperCase())
  peer.close(1000)
  // The peer closed first: what the pipeline still wants to end has ended.
  await done
})

t.test('T52 a slow reader holds the peer back, and loses nothing', async t => {
  const { connection, socket, peer } = await openPair(t, { concurrency: 3 })
  const stream = connection.createStream()
  for (let i = 0; i < 100; i++) peer.send(2, Buffer.alloc(100_000, i))
  peer.close(1000)
  let read = -1
  for (let still = 0; still < 50; still = read === socket.bytesRead ? still + 1 : 0) {
    read = socket.bytesRead
    await turns(1)
  }
  t.ok(read < 25 * 100_000, `${read} bytes were read`)
  const all = await readAll(stream)
  t.ok(all.equals(Buffer.concat(Array.from({ length: 100 }, (_, i) => Buffer.alloc(100_000, i)))))
})

t.test('a slow peer holds the writer back', async t => {
  const pair = await openPair(t)
  const { connection, peer } = pair
  await fillUp(pair)
  const stream = connection.createStream({ writableHighWaterMark: 50_000 })
  let written = 0
  while (stream.write(Buffer.alloc(10_000))) written++
  t.equal(written, 4)
  await turns(10)
  t.equal(stream.writableNeedDrain, true)
  peer.socket.resume()
  await once(stream, 'drain')
  t.equal(connection.bufferedAmount, 0)
})

t.test('ended here: Close goes behind everything written; `finish` when the connection has closed', async t => {
  const { connection, peer, faults } = await openPair(t)
  const stream = connection.createStream()
  let finished = false
  stream.on('finish', () => { finished = true })
  stream.resume()
  stream.end('last')
  await peer.untilFrames(2)
  t.same(peer.texts, ['last'])
  t.equal(finished, false)
  peer.close()
  await once(stream, 'close')
  t.equal(finished, true)
  t.equal(stream.destroyed, true)
  t.equal(connection.readyState, connection.CLOSED)
  t.same(faults, [])
})

t.test('destroyed here: the connection is dropped, the error stays with the stream', async t => {
  const { connection, peer, faults } = await openPair(t)
  const closed = untilClosed(connection)
  const stream = connection.createStream()
  peer.text('a', 'b')
  const failed = once(stream, 'error')
  stream.destroy(new Error('enough'))
  t.match(await failed, [{ message: 'enough' }])
  t.match(await closed, { code: 1006, initiator: 'local' })
  t.equal(connection.listenerCount('message'), 0)
  t.same(faults, [])
})

t.test('destroyed by another listener of the same message: nothing waits for it', async t => {
  const { connection, peer } = await openPair(t)
  const stream: { current?: Readable } = {}
  connection.on('message', () => { stream.current?.destroy() })
  stream.current = connection.createStream({ readableHighWaterMark: 1 })
  peer.text('a', 'b')
  t.match(await untilClosed(connection), { code: 1006, initiator: 'local' })
})

t.test('closed there: the end is read, the writer is told by `close` without an error', async t => {
  const { connection, peer } = await openPair(t)
  const stream = connection.createStream()
  const errors: Error[] = []
  stream.on('error', (error) => errors.push(error))
  stream.resume()
  peer.close(1000)
  await once(stream, 'close')
  t.same(errors, [])
  t.equal(stream.readableEnded, true)
  t.equal(stream.writableFinished, true)
})

t.test('a reset: the end is read; what is still written fails', async t => {
  const pair = await openPair(t)
  const { connection, peer } = pair
  const stream = connection.createStream()
  stream.resume()
  await fillUp(pair)
  const failed = once(stream, 'error')
  stream.write('1')
  stream.write('2')
  await turns(2)
  peer.socket.resetAndDestroy()
  await failed
  t.equal(stream.destroyed, true)
})

t.test('written behind the end of the connection: an error of the stream, no uncaught one', async t => {
  const { connection, peer } = await openPair(t)
  const stream = connection.createStream({ allowHalfOpen: true })
  connection.close()
  const failed = once(stream, 'error')
  stream.write('late')
  t.match(await failed, [{ code: 'FST_WS_NOT_OPEN' }])
  await peer.until(() => peer.hasEnded)
})

t.test('a slow reader, closed there: what is not read within closeTimeout is thrown away, and the stream ends all the same', async t => {
  const { connection, peer } = await openPair(t, { closeTimeout: 40 })
  const stream = connection.createStream({ readableHighWaterMark: 1 })
  const errors: Error[] = []
  stream.on('error', (error) => errors.push(error))
  peer.text('1', '2', '3', '4')
  peer.close(1000)
  await untilClosed(connection)
  const all = await readAll(stream)
  t.ok('1234'.startsWith(all.toString()))
  await turns(5)
  t.same(errors, [])
})

t.test('object mode with a codec: messages both ways', async t => {
  const { connection, peer } = await openPair(t, { codec: json })
  const stream = connection.createStream()
  const got: unknown[] = []
  stream.on('data', (message) => got.push(message))
  t.equal(stream.readableObjectMode && stream.writableObjectMode, true)
  peer.text('{"a":1}', '[2]', '""', '0', 'false')
  stream.write({ b: 2 })
  stream.write('text')
  await peer.untilFrames(2)
  await untilTrue(() => got.length === 5)
  t.same(peer.texts, ['{"b":2}', '"text"'])
  t.same(got, [{ a: 1 }, [2], '', 0, false])
})

t.test('object mode: what the codec refuses is an error of the stream', async t => {
  const { connection, peer, faults } = await openPair(t, { codec: { decode: json.decode, encode: () => { throw new TypeError('does not fit') } } })
  const stream = connection.createStream()
  const failed = once(stream, 'error')
  stream.write({})
  t.match(await failed, [{ message: 'does not fit' }])
  await peer.untilEnd()
  t.same(faults, [])
})

t.test('pipeline from and to other streams', async t => {
  const { connection, peer } = await openPair(t)
  const stream = connection.createStream()
  const source = new PassThrough({ objectMode: true })
  const done = pipeline(source, stream)
  for (const text of ['a', 'b', 'c']) source.write(text)
  const chunks: string[] = []
  const sunk = pipeline(stream, new Writable({ write (chunk, _encoding, callback) { chunks.push(String(chunk)); callback() } }))
  peer.text('x', 'y')
  await untilTrue(() => chunks.join('') === 'xy')
  source.end()
  await peer.untilFrames(4)
  peer.close()
  await Promise.all([done, sunk])
  t.same(peer.texts, ['a', 'b', 'c'])
})

t.test('end() while the peer still sends: what it sent before it heard of it is read', async t => {
  const { connection, peer } = await openPair(t)
  const stream = connection.createStream()
  const all = readAll(stream)
  stream.end('last')
  await peer.until(() => peer.frames.at(-1)?.opcode === 8)
  peer.text('a', 'b')
  peer.close()
  t.equal((await all).toString(), 'ab')
})

t.test('a message that is null ends the stream with an error, not silently', async t => {
  const { connection, peer } = await openPair(t, { codec: json })
  const stream = connection.createStream()
  const failed = once(stream, 'error')
  stream.resume()
  peer.text('1', 'null', '2')
  t.match(await failed, [{ code: 'FST_WS_UNSUPPORTED_DATA' }])
})

t.test('a second stream of a connection is refused: each message is read by one', async t => {
  const { connection } = await openPair(t)
  connection.createStream()
  t.throws(() => connection.createStream(), { code: 'FST_WS_INVALID_ARGUMENT' })
})

t.test('T59 written while the peer closes, without a listener of `error`: nothing is thrown at the process', async t => {
  const { connection, peer, faults } = await openPair(t)
  const stream = connection.createStream().resume()
  const closed = untilClosed(connection)
  const timer = setInterval(() => { if (stream.writable) stream.write('y'.repeat(100_000)) }, 1)
  t.teardown(() => clearInterval(timer))
  await turns(10)
  peer.close(1000)
  await peer.untilEnd()
  peer.socket.end()
  await closed
  stream.write('too late')
  await turns(5)
  t.same(faults, [])
})

t.test('an error of the stream that the application does not listen for goes to the error handler', async t => {
  const { connection, faults } = await openPair(t, { codec: { ...json, encode () { throw new Error('refused') } } })
  connection.createStream().write({})
  await untilTrue(() => faults.length > 0)
  t.match(faults, [{ message: 'refused' }])
})
