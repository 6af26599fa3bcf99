// A message for many: framed and compressed once; what each connection gets, and in which order.
import { constants, inflateRawSync } from 'node:zlib'
import t from 'tap'
import { deflateSettings } from '../../lib/connection/deflate/settings.ts'
import type { DeflateSettings } from '../../lib/connection/deflate/settings.ts'
import { SharedMessage } from '../../lib/connection/shared-message.ts'
import { countWrites, fillUp, openPair, untilTrue } from '../helpers/connection-pair.ts'

function settings (given: { context?: boolean, level?: number, threshold?: number } = {}): DeflateSettings {
  const { context = false, level = 1, threshold = 0 } = given
  const params = { serverNoContextTakeover: !context, clientNoContextTakeover: !context, serverMaxWindowBits: 15, clientMaxWindowBits: 15 }
  return deflateSettings(params, 'server', { threshold, level, memLevel: 8 })
}

function inflate (frame: Buffer): string {
  return inflateRawSync(Buffer.concat([frame.subarray(frame[1] === 126 ? 4 : 2), Buffer.from('0000ffff', 'hex')]), { finishFlush: constants.Z_SYNC_FLUSH }).toString()
}

const long = 'the same again and again, '.repeat(60)

t.test('one frame for all, one compressed frame for each agreement', async (t) => {
  const message = new SharedMessage(long)
  t.equal(message.size, long.length)
  t.equal(message.frame, message.frame)
  const [one, other] = [settings(), settings({ level: 9 })]
  const frame = message.frameFor(one)
  t.equal(frame?.bytes[0], 0xc1)
  t.equal(inflate(frame?.bytes ?? Buffer.alloc(0)), long)
  t.equal(message.frameFor(one), frame)
  t.not(message.frameFor(other), frame)
  t.equal(message.frameFor(settings({ context: true })), undefined, 'whoever keeps a context has one of its own')
  t.equal(message.frameFor(settings({ threshold: long.length + 1 })), message.frame)
  t.equal(new SharedMessage('x'.repeat(65_537)).frameFor(one), undefined, 'too large for this thread')
})

t.test('what is no smaller goes as it is, and is looked at once', async (t) => {
  const message = new SharedMessage(Buffer.from('abc'))
  const frame = message.frameFor(settings())
  t.equal(frame, message.frame)
  t.equal(message.frameFor(settings()), frame)
  t.equal(frame?.bytes.toString('hex'), '8203616263')
})

for (const role of ['server', 'client'] as const) {
  t.test(`${role}: shared ones and others leave in call order, in one write`, async (t) => {
    const pairs = await Promise.all([openPair(t, { role }), openPair(t, { role })])
    const writes = pairs.map(({ socket }) => countWrites(socket))
    const [first, second] = [new SharedMessage('first'), new SharedMessage(Buffer.from('second'))]
    for (const { connection } of pairs) {
      connection.send('before')
      t.equal(connection.sendShared(first), true)
      connection.sendShared(second)
      connection.send('between')
      connection.sendShared(first)
    }
    for (const { peer } of pairs) {
      await peer.untilFrames(5)
      t.same(peer.frames.map(({ opcode, payload }) => `${opcode} ${payload.toString()}`), ['1 before', '1 first', '2 second', '1 between', '1 first'])
    }
    t.same(writes.map(({ calls }) => calls), [1, 1])
  })
}

t.test('a hundred in one tick are one write of the bytes where they lie', async (t) => {
  const { connection, socket, peer } = await openPair(t)
  const writes = countWrites(socket)
  for (let i = 0; i < 100; i++) connection.sendShared(new SharedMessage(`message ${i}`))
  await peer.untilFrames(100)
  t.equal(writes.calls, 1)
  t.same(peer.texts, Array.from({ length: 100 }, (_, i) => `message ${i}`))
})

t.test('who is sent less gets less: what waits for one does not grow for another', async (t) => {
  const pairs = await Promise.all([openPair(t), openPair(t), openPair(t)])
  const messages = ['one', 'two', 'three'].map((text) => new SharedMessage(text))
  for (const message of messages) t.ok(message.frame, 'they lie one behind the other')
  for (const [index, { connection }] of pairs.entries()) {
    for (const message of messages.slice(0, index + 1)) connection.sendShared(message)
  }
  for (const { connection } of pairs) connection.send('end')
  for (const [index, { peer }] of pairs.entries()) {
    await peer.untilFrames(index + 2)
    t.same(peer.texts, [...['one', 'two', 'three'].slice(0, index + 1), 'end'])
  }
})

t.test('a peer that does not read is refused more, by its own policy, and gets no byte of others', async (t) => {
  const pair = await openPair(t, { maxBufferedAmount: 100_000, slowConsumer: 'drop' })
  const { connection, peer, faults } = pair
  await fillUp(pair)
  let refused = 0
  for (let i = 0; i < 50; i++) {
    if (!connection.sendShared(new SharedMessage(`${i} `.padEnd(10_000, 'x')))) refused++
  }
  t.ok(refused > 0)
  t.ok(connection.bufferedAmount <= 200_000, `${connection.bufferedAmount}`)
  peer.socket.resume()
  await untilTrue(() => connection.bufferedAmount === 0)
  t.same(faults, [])
  connection.sendShared(new SharedMessage('the end'))
  await peer.until(() => peer.texts.at(-1) === 'the end')
})

t.test('none goes behind a Close frame', async (t) => {
  const { connection } = await openPair(t)
  connection.close()
  t.equal(connection.sendShared(new SharedMessage('late')), false)
})
