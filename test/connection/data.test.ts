// T11: what `send`, `ping` and `pong` take, against the bytes that arrive.
import { runInNewContext } from 'node:vm'
import t from 'tap'
import { describeData, toBytes, unsupportedData } from '../../lib/connection/data.ts'
import { openPair } from '../helpers/connection-pair.ts'

const memory = Uint8Array.from([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]).buffer
const shared = new SharedArrayBuffer(4)
new Uint8Array(shared).set([1, 2, 3, 4])

const accepted = [
  { name: 'Buffer', data: Buffer.from('ab'), want: '6162' },
  { name: 'Buffer that is a view', data: Buffer.from(memory, 3, 2), want: '0304' },
  { name: 'empty Buffer', data: Buffer.alloc(0), want: '' },
  { name: 'Uint8Array that is a view', data: new Uint8Array(memory, 5, 3), want: '050607' },
  { name: 'Uint16Array at an odd place of its memory', data: new Uint16Array(memory, 2, 2), want: '02030405' },
  { name: 'Float64Array', data: new Float64Array(memory, 8, 1), want: '08090a0b0c0d0e0f' },
  { name: 'DataView', data: new DataView(memory, 1, 3), want: '010203' },
  { name: 'ArrayBuffer', data: memory, want: '000102030405060708090a0b0c0d0e0f' },
  { name: 'ArrayBuffer of another realm', data: runInNewContext('Uint8Array.from([7, 8]).buffer'), want: '0708' },
  { name: 'Uint8Array of another realm', data: runInNewContext('Uint8Array.from([7, 8])'), want: '0708' },
  { name: 'view of a SharedArrayBuffer', data: new Uint8Array(shared, 1, 2), want: '0203' }
]

const refused = [
  { name: 'undefined', data: undefined, called: 'undefined' },
  { name: 'null', data: null, called: 'null' },
  { name: 'number', data: 1000, called: 'number' },
  { name: 'bigint', data: 10n, called: 'bigint' },
  { name: 'boolean', data: true, called: 'boolean' },
  { name: 'symbol', data: Symbol('s'), called: 'symbol' },
  { name: 'function', data: () => 'text', called: 'function' },
  { name: 'plain object', data: { length: 5 }, called: 'Object' },
  { name: 'object without a prototype', data: Object.create(null), called: 'object' },
  { name: 'array of numbers', data: [1, 2], called: 'Array' },
  { name: 'String object', data: Object('text'), called: 'String' },
  { name: 'Blob', data: new Blob(['x']), called: 'Blob' },
  { name: 'SharedArrayBuffer itself', data: shared, called: 'SharedArrayBuffer' },
  { name: 'Promise', data: Promise.resolve('x'), called: 'Promise' }
]

for (const { name, data, want } of accepted) {
  t.test(`T11 ${name}`, async t => t.equal(toBytes(data)?.toString('hex'), want))
}

for (const { name, data, called } of refused) {
  t.test(`T11 not bytes: ${name}`, async t => {
    t.equal(toBytes(data), undefined)
    t.equal(describeData(data), called)
    t.match(unsupportedData(data), { name: 'UsageError', code: 'FST_WS_UNSUPPORTED_DATA', message: new RegExp(`got ${called},`) })
  })
}

t.test('T11 what is accepted arrives as it is, by every method that takes data', async t => {
  for (const role of ['server', 'client'] as const) {
    const { connection, peer } = await openPair(t, { role })
    for (const { data } of accepted) {
      connection.send(data)
      void connection.sendAndWait(data)
      connection.ping(data)
      connection.pong(data)
    }
    await peer.untilFrames(accepted.length * 4)
    const wanted = accepted.flatMap(({ want }) => [2, 2, 9, 10].map(opcode => `${opcode} ${want}`))
    t.same(peer.frames.map(({ opcode, payload }) => `${opcode} ${payload.toString('hex')}`), wanted, role)
  }
})

t.test('T11 what is refused throws at the caller and sends nothing', async t => {
  const { connection, peer, faults } = await openPair(t)
  for (const { name, data } of refused) {
    const wanted = { code: 'FST_WS_UNSUPPORTED_DATA' }
    t.throws(() => connection.send(data), wanted, name)
    await t.rejects(connection.sendAndWait(data), wanted, name)
    if (data === undefined) continue
    t.throws(() => connection.ping(data), wanted, name)
    t.throws(() => connection.pong(data), wanted, name)
  }
  connection.ping()
  await peer.untilFrames(1)
  t.match(peer.frames, [{ opcode: 9, payload: Buffer.alloc(0) }])
  t.equal(peer.frames.length, 1)
  t.same(faults, [])
})

t.test('T11 control frames: 125 bytes of data, counted in UTF-8', async t => {
  const { connection, peer } = await openPair(t)
  const wanted = { code: 'FST_WS_CONTROL_DATA_TOO_LONG' }
  for (const data of [Buffer.alloc(126), 'x'.repeat(126), 'é'.repeat(63)]) {
    t.throws(() => connection.ping(data), wanted)
    t.throws(() => connection.pong(data), wanted)
  }
  connection.ping('x'.repeat(125))
  connection.pong('é'.repeat(62))
  await peer.untilFrames(2)
  t.same(peer.frames.map(({ payload }) => payload.length), [125, 124])
})

t.test('T11 close: codes and reasons that may not stand in a frame throw, and the connection stays open', async t => {
  const { connection, peer } = await openPair(t)
  for (const code of [0, 999, 1004, 1005, 1006, 1015, 2999, 5000, 1000.5, Number.NaN]) {
    t.throws(() => connection.close(code), { code: 'FST_WS_INVALID_CLOSE_CODE' }, `code ${code}`)
  }
  t.throws(() => connection.close(1000, 'é'.repeat(62)), { code: 'FST_WS_REASON_TOO_LONG' })
  t.equal(connection.readyState, connection.OPEN)
  connection.send('still open')
  await peer.untilFrames(1)
  t.same(peer.texts, ['still open'])
})

t.test('T11 texts of every UTF-8 length, broken surrogates too, around each size of header', async t => {
  for (const role of ['server', 'client'] as const) {
    const { connection, peer } = await openPair(t, { role })
    const texts = ['', 'a', 'é', '€', '💩', '\ud800', 'x\udc00y']
    for (const unit of ['a', 'é', '€', '💩', '\ud83d']) {
      for (const length of [41, 62, 125, 126, 21_845, 43_680, 65_535, 65_536]) texts.push(unit.repeat(length))
    }
    for (const text of texts) connection.send(text)
    await peer.untilFrames(texts.length)
    const wrong = texts.filter((text, i) => peer.frames[i]?.opcode !== 1 || !peer.frames[i].payload.equals(Buffer.from(text)))
    t.same(wrong.map(text => `${text.slice(0, 2)} x ${text.length}`), [], role)
  }
})
