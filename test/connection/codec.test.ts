// A codec between payloads and messages: what it throws, and where that goes.
import t from 'tap'
import type { MessageCodec } from '../../lib/connection/codec.ts'
import { openPair, untilClosed } from '../helpers/connection-pair.ts'

class NotJson extends Error {
  readonly code = 'FST_ERR_VALIDATION'
  readonly closeCode = 1007
}

/** JSON, but for binary. */
const json: MessageCodec = {
  decode (data) {
    if (typeof data !== 'string') return data
    try {
      return JSON.parse(data)
    } catch (cause) {
      throw new NotJson('not JSON', { cause })
    }
  },
  encode (message) {
    if (message === undefined) throw new TypeError('undefined is no message')
    return message instanceof Uint8Array ? message : JSON.stringify(message)
  }
}

t.test('messages are decoded for listeners, and encoded for the peer', async t => {
  const { connection, peer } = await openPair(t, { codec: json })
  const got: unknown[] = []
  connection.on('message', (message: unknown, isBinary: boolean) => got.push([message, isBinary]))
  connection.on('message:chat', (message: { text: string }) => got.push(['chat', message.text]))
  peer.text('{"type":"chat","text":"hi"}', '5', 'null', '"type"')
  peer.send(2, 'bytes')
  connection.send({ a: [1, 2] })
  await connection.sendAndWait(Buffer.from('bytes'))
  connection.send(null)
  await peer.untilFrames(3)
  await peer.roundTrip()
  t.same(peer.frames.slice(0, 3).map(({ opcode, payload }) => [opcode, payload.toString()]), [[1, '{"a":[1,2]}'], [2, 'bytes'], [1, 'null']])
  t.same(got, [[{ type: 'chat', text: 'hi' }, false], ['chat', 'hi'], [5, false], [null, false], ['type', false], [Buffer.from('bytes'), true]])
})

t.test('T58 decode throws: onError hears of it once, later messages go on', async t => {
  const { connection, peer, faults } = await openPair(t, { codec: json })
  const got: unknown[] = []
  const errors: Error[] = []
  connection.on('message', (message: unknown) => got.push(message))
  connection.on('error', (error: Error) => errors.push(error))
  peer.text('1', '{', '2', '[', '3')
  await peer.roundTrip()
  t.same(got, [1, 2, 3])
  t.same(faults.map(({ message }) => message), ['not JSON', 'not JSON'])
  t.match(faults[0], { code: 'FST_ERR_VALIDATION', closeCode: 1007 })
  t.same(errors, faults)
})

t.test('a listener of `invalid` takes over; what it throws or rejects with is a fault', async t => {
  const { connection, peer, faults } = await openPair(t, { codec: json })
  const got: unknown[] = []
  const invalid: Error[] = []
  connection.on('message', (message: unknown) => got.push(message))
  connection.on('invalid', (error: Error) => invalid.push(error))
  connection.once('invalid', () => { throw new Error('thrown') })
  connection.once('invalid', async () => { throw new Error('rejected') })
  peer.text('1', '{', '2')
  await peer.roundTrip()
  t.same(got, [1, 2])
  t.same(invalid.map(({ message }) => message), ['not JSON'])
  t.same(faults.map(({ message }) => message), ['thrown', 'rejected'])
})

t.test('encode throws: at the caller, nothing is sent', async t => {
  const { connection, peer, faults } = await openPair(t, { codec: json })
  t.throws(() => connection.send(undefined), { message: 'undefined is no message' })
  await t.rejects(connection.sendAndWait(undefined), { message: 'undefined is no message' })
  connection.send('fits')
  await peer.untilFrames(1)
  t.same(peer.texts, ['"fits"'])
  t.same(faults, [])
})

t.test('encode that returns neither text nor bytes: FST_WS_UNSUPPORTED_DATA', async t => {
  // As an application in JavaScript might write it.
  const encode = (): string => ({}) as string
  const { connection } = await openPair(t, { codec: { decode: json.decode, encode } })
  t.throws(() => connection.send('x'), { code: 'FST_WS_UNSUPPORTED_DATA' })
})

t.test('decode that throws what is no Error: onError gets one, with the cause', async t => {
  for (const thrown of ['text', undefined, Object.create(null), Symbol('s'), { toString () { throw new Error('no text') } }]) {
    const codec: MessageCodec = { decode () { throw thrown }, encode: json.encode }
    const { connection, peer, faults } = await openPair(t, { codec, onError: (_error, from) => from.close(1003) })
    connection.on('message', () => {})
    peer.text('x')
    await peer.untilFrames(1)
    peer.close(1003)
    await untilClosed(connection)
    t.equal(faults.length, 1)
    t.ok(faults[0] instanceof Error)
    t.equal(faults[0]?.cause, thrown)
  }
})
