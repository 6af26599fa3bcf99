// Compressed messages that come to a connection: in order, by the rules of any message, and whatever happens meanwhile.
import t from 'tap'
import type { Test } from 'tap'
import type { Connection } from '../../../lib/connection/connection.ts'
import { closeCallsOf, openPair, turns, untilClosed, untilTrue } from '../../helpers/connection-pair.ts'
import type { Pair, PairOptions } from '../../helpers/connection-pair.ts'
import { noise, pack, packAll, prose, settingsOf, stored, unpack, unpackAll, WITH_CONTEXT } from '../../helpers/deflate.ts'
import { hex } from '../../helpers/hex.ts'
import '../../helpers/guard.ts'

const MiB = 1_048_576

interface Listened extends Pair {
  /** What has come: texts and the lengths of bytes, pings and pongs, `close` with its code. */
  readonly events: string[]
}

async function openListened (t: Test, options: PairOptions = {}): Promise<Listened> {
  const pair = await openPair(t, { deflate: settingsOf({}, {}, options.role), ...options })
  const events: string[] = []
  pair.connection.on('message', (message: string | Buffer) => { events.push(typeof message === 'string' ? shorten(message) : `${message.length} bytes`) })
  pair.connection.on('ping', (data: Buffer) => { events.push(`ping ${data.toString()}`) })
  pair.connection.on('close', (code: number) => { events.push(`close ${code}`) })
  return { ...pair, events }
}

function shorten (text: string): string {
  return text.length < 50 ? text : `${text.slice(0, 10)} ${text.length}`
}

for (const role of ['server', 'client'] as const) {
  for (const params of [{}, WITH_CONTEXT]) {
    for (const fragmentLength of [Infinity, 1000]) {
      t.test(`${role}: messages of all kinds and sizes are delivered in order, ${params === WITH_CONTEXT ? 'with' : 'without'} context, ${fragmentLength === Infinity ? 'whole' : 'in fragments'}`, async t => {
        const { peer, events } = await openListened(t, { role, deflate: settingsOf(params, {}, role), lendsPayloads: true })
        const texts = ['one', prose(400_000), 'three', 'é'.repeat(200_000), noise(80_000).toString('latin1'), '', prose(300)]
        const payloads = params === WITH_CONTEXT ? await packAll(texts) : texts.map(text => pack(text))
        const wire = payloads.flatMap((payload, n) => [
          peer.compressedFrames(1, payload, fragmentLength), peer.frame(9, `${n}`), peer.frame(1, `plain ${n}`), peer.frame(2, Buffer.alloc(n))
        ])
        peer.socket.write(Buffer.concat(wire))
        await peer.roundTrip()
        const want = texts.flatMap((text, n) => [shorten(text), `ping ${n}`, `plain ${n}`, `${n} bytes`])
        t.strictSame(events, [...want, 'ping round 0'])
      })
    }
  }
}

t.test('bytes that were inflated may be kept', async t => {
  const { connection, peer } = await openPair(t, { deflate: settingsOf(), lendsPayloads: true })
  const messages: Buffer[] = []
  connection.on('message', (message: Buffer) => { messages.push(message) })
  const sizes = [10, 5000, 262_144, 300_000, 1_000_000, 200]
  peer.socket.write(Buffer.concat(sizes.flatMap((size, n) => [peer.compressedFrames(2, pack(Buffer.alloc(size, n))), peer.compressedFrames(2, pack(Buffer.alloc(size, n)), 100)])))
  await peer.roundTrip()
  t.strictSame(messages.map((message, n) => message.equals(Buffer.alloc(sizes[n >> 1] ?? 0, n >> 1))), [...sizes, ...sizes].map(() => true))
})

const long = prose(300_000)
const faults: Array<{ name: string, wire: (pair: Pair) => Buffer, want: string, code: number, before?: string[], options?: PairOptions }> = [
  { name: 'T23 garbage', wire: ({ peer }) => peer.compressedFrames(1, hex('07')), want: 'FST_WS_INVALID_DEFLATE', code: 1007 },
  { name: 'T23 nothing', wire: ({ peer }) => peer.compressedFrames(1, Buffer.alloc(0)), want: 'FST_WS_INVALID_DEFLATE', code: 1007 },
  { name: 'T23 half of a message', wire: ({ peer }) => peer.compressedFrames(1, pack(prose(500)).subarray(0, 100)), want: 'FST_WS_INVALID_DEFLATE', code: 1007 },
  { name: 'T23 half of a large one', wire: ({ peer }) => peer.compressedFrames(1, pack(noise(200_000)).subarray(0, 100_000), 5000), want: 'FST_WS_INVALID_DEFLATE', code: 1007 },
  { name: 'T23 a stored block that was cut', wire: ({ peer }) => peer.compressedFrames(2, stored(Buffer.from('abc'), true, 7)), want: 'FST_WS_INVALID_DEFLATE', code: 1007 },
  { name: 'T20 one byte too many', wire: ({ peer }) => peer.compressedFrames(1, pack('a'.repeat(1001))), options: { maxPayload: 1000 }, want: 'FST_WS_TOO_BIG', code: 1009 },
  { name: 'T20 one byte too many in fragments', wire: ({ peer }) => peer.compressedFrames(1, pack('a'.repeat(1001)), 3), options: { maxPayload: 1000 }, want: 'FST_WS_TOO_BIG', code: 1009 },
  { name: 'T20 one byte too many of a large one', wire: ({ peer }) => peer.compressedFrames(2, pack(Buffer.alloc(MiB + 1))), want: 'FST_WS_TOO_BIG', code: 1009 },
  { name: 'T20 a payload that is no message that is allowed, by its length', wire: ({ peer }) => peer.compressedFrames(2, Buffer.alloc(1190)), options: { maxPayload: 1000 }, want: 'FST_WS_TOO_BIG', code: 1009 },
  { name: 'T08 a text that is not UTF-8', wire: ({ peer }) => peer.compressedFrames(1, pack(hex('61ff'))), want: 'FST_WS_INVALID_UTF8', code: 1007 },
  { name: 'T08 a text that ends inside a character', wire: ({ peer }) => peer.compressedFrames(1, pack(hex('61e282'))), want: 'FST_WS_INVALID_UTF8', code: 1007 },
  { name: 'T08 a large text that is not UTF-8', wire: ({ peer }) => peer.compressedFrames(1, pack(Buffer.concat([Buffer.from(long), hex('ff')])), 900), want: 'FST_WS_INVALID_UTF8', code: 1007 },
  { name: 'RFC 7692 §6.1 RSV1 in a later fragment', wire: ({ peer }) => Buffer.concat([peer.frame(1, pack('a'), { fin: false, rsv: 4 }), peer.frame(0, '', { rsv: 4 })]), want: 'FST_WS_RESERVED_BITS', code: 1002 },
  { name: 'RFC 7692 §6.1 RSV1 in a later fragment alone', wire: ({ peer }) => Buffer.concat([peer.frame(1, 'a', { fin: false }), peer.frame(0, pack('a'), { rsv: 4 })]), want: 'FST_WS_RESERVED_BITS', code: 1002 },
  { name: 'RFC 7692 §6.1 RSV1 in a ping', wire: ({ peer }) => peer.frame(9, 'a', { rsv: 4 }), want: 'FST_WS_RESERVED_BITS', code: 1002 },
  { name: 'RFC 7692 §6.1 RSV1 in a Close frame', wire: ({ peer }) => peer.frame(8, '', { rsv: 4 }), want: 'FST_WS_RESERVED_BITS', code: 1002 },
  { name: '§5.2 RSV2', wire: ({ peer }) => peer.frame(1, 'a', { rsv: 2 }), want: 'FST_WS_RESERVED_BITS', code: 1002 },
  { name: '§5.2 RSV1 and RSV3', wire: ({ peer }) => peer.frame(1, pack('a'), { rsv: 5 }), want: 'FST_WS_RESERVED_BITS', code: 1002 },
  { name: 'a fault behind a large message', wire: ({ peer }) => Buffer.concat([peer.compressedFrames(1, pack(long)), peer.frame(3)]), before: [shorten(long)], want: 'FST_WS_RESERVED_OPCODE', code: 1002 }
]

for (const { name, wire, want, code, before = [], options } of faults) {
  for (const role of ['server', 'client'] as const) {
    t.test(`${name}: ${code}, and nothing of it or behind it is delivered; a ${role}`, async t => {
      const pair = await openListened(t, { role, ...options, deflate: settingsOf({}, {}, role) })
      const { peer, events, faults } = pair
      peer.socket.write(Buffer.concat([peer.compressedFrames(1, pack('first')), wire(pair), peer.compressedFrames(1, pack('behind')), peer.frame(1, 'it')]))
      await peer.until(() => peer.frames.length > 0)
      t.match(peer.frames, [{ opcode: 8 }])
      t.equal(peer.frames[0]?.payload.readUInt16BE(), code)
      peer.socket.end()
      await untilTrue(() => events.at(-1)?.startsWith('close') === true)
      t.strictSame(events, ['first', ...before, `close ${code}`])
      t.match(faults, [{ code: want }])
    })
  }
}

t.test('§5.2 without an agreement RSV1 is a fault', async t => {
  const { connection, peer, faults } = await openPair(t)
  connection.on('message', () => {})
  peer.socket.write(peer.compressedFrames(1, pack('a')))
  await peer.untilFrames(1)
  t.equal(peer.frames[0]?.payload.readUInt16BE(), 1002)
  t.match(faults, [{ code: 'FST_WS_RESERVED_BITS' }])
})

t.test('the limit itself is allowed, now and later, whole and in fragments', async t => {
  const { peer, events } = await openListened(t, { maxPayload: 400_000 })
  for (const fragmentLength of [Infinity, 77]) {
    for (const size of [1000, 400_000]) peer.socket.write(peer.compressedFrames(2, pack(Buffer.alloc(size)), fragmentLength))
  }
  // Stored as it is, it has more bytes than the message.
  const bytes = noise(400_000)
  peer.socket.write(peer.compressedFrames(2, Buffer.concat([...Array.from({ length: 4000 }, (_, n) => stored(bytes.subarray(n * 100, n * 100 + 100))), hex('00')])))
  await peer.roundTrip()
  t.strictSame(events, ['1000 bytes', '400000 bytes', '1000 bytes', '400000 bytes', '400000 bytes', 'ping round 0'])
})

t.test('handlers that take time, one at a time or several: order is kept', async t => {
  for (const concurrency of [1, 3]) {
    const { connection, peer } = await openPair(t, { deflate: settingsOf(WITH_CONTEXT), concurrency, maxQueuedMessages: 2 })
    const started: string[] = []
    let running = 0
    let most = 0
    connection.on('message', async (text: string) => {
      started.push(shorten(text))
      most = Math.max(most, ++running)
      await turns(3)
      running--
    })
    const texts = Array.from({ length: 12 }, (_, n) => n % 3 === 1 ? prose(300_000, n) : `${n}`)
    for (const payload of await packAll(texts)) peer.socket.write(peer.compressedFrames(1, payload))
    await untilTrue(() => started.length === 12 && running === 0)
    t.strictSame(started, texts.map(shorten))
    t.equal(most, concurrency)
  }
})

t.test('pause and resume while messages are inflated', async t => {
  const { connection, peer, events } = await openListened(t)
  const texts = Array.from({ length: 8 }, (_, n) => n % 2 === 0 ? prose(300_000, n) : `${n}`)
  peer.socket.write(Buffer.concat(texts.map(text => peer.compressedFrames(1, pack(text)))))
  for (let round = 0; events.length < 8; round++) {
    connection.pause()
    await turns(1)
    const { length } = events
    await turns(round % 5)
    t.equal(events.length, length, 'nothing while it pauses')
    connection.resume()
    await turns(round % 3)
  }
  t.strictSame(events, texts.map(shorten))
})

t.test('the peer closes behind messages that are inflated: they come first, and are answered', async t => {
  const { connection, peer, events } = await openListened(t)
  connection.on('message', (text: string) => { connection.send(shorten(text), { compress: false }) })
  peer.socket.write(Buffer.concat([peer.compressedFrames(1, pack(long)), peer.compressedFrames(1, pack('small')), peer.frame(8, hex('03e8'))]))
  await peer.untilEnd()
  t.strictSame(peer.frames.map(({ opcode }) => opcode), [1, 1, 8])
  await untilTrue(() => events.length === 3)
  t.strictSame(events, [shorten(long), 'small', 'close 1000'])
})

t.test('the peer ends its side behind messages that are inflated: they come first', async t => {
  const { peer, events } = await openListened(t)
  peer.socket.end(Buffer.concat([peer.compressedFrames(1, pack(long)), peer.compressedFrames(1, pack('small'))]))
  await untilTrue(() => events.length === 3)
  t.strictSame(events, [shorten(long), 'small', 'close 1006'])
})

t.test('T24 a reset while a message is inflated: it came whole, and is delivered before close', async t => {
  for (const late of [0, 1, 2, 3]) {
    const { connection, socket, peer, events } = await openListened(t)
    const closed = untilClosed(connection)
    peer.socket.write(Buffer.concat([peer.compressedFrames(1, pack('first')), peer.compressedFrames(1, pack(long))]))
    await untilTrue(() => events.length === 1)
    await turns(late)
    socket.destroy()
    t.match(await closed, { code: 1006 })
    t.strictSame(events, ['first', shorten(long), 'close 1006'])
  }
})

const ends: Array<{ name: string, end: (connection: Connection) => void }> = [
  { name: 'closes', end: (connection) => connection.close(1000) },
  { name: 'terminates', end: (connection) => connection.terminate() }
]
for (const { name, end } of ends) {
  t.test(`T24 this side ${name} while a message is inflated: neither it nor what is behind it is delivered`, async t => {
    for (const payload of [pack(long), pack(Buffer.alloc(2 * MiB)), hex('07').fill(7), Buffer.concat([pack(noise(70_000)), hex('07')])]) {
      const { connection, peer, events, faults } = await openListened(t)
      const calls = closeCallsOf(connection)
      peer.socket.write(Buffer.concat([peer.compressedFrames(1, pack('first')), peer.compressedFrames(1, payload), peer.compressedFrames(1, pack('behind'))]))
      connection.on('message', () => end(connection))
      await untilTrue(() => events.length > 0)
      if (name === 'closes') {
        await peer.untilFrames(1)
        peer.close(1000)
      }
      await untilTrue(() => calls.length === 1)
      await turns(20)
      t.strictSame(events, ['first', `close ${name === 'closes' ? 1000 : 1006}`])
      t.strictSame(faults, [])
    }
  })
}

t.test('closeAfterDelivery while a message is inflated: it is delivered, and what the peer sent behind it', async t => {
  const { connection, peer, events } = await openListened(t)
  peer.socket.write(Buffer.concat([peer.compressedFrames(1, pack('first')), peer.compressedFrames(1, pack(long)), peer.compressedFrames(1, pack('behind'))]))
  await untilTrue(() => events.length > 0)
  connection.closeAfterDelivery(1001)
  await peer.untilFrames(1)
  peer.close(1001)
  await untilTrue(() => events.at(-1)?.startsWith('close') === true)
  t.strictSame(events, ['first', shorten(long), 'behind', 'close 1001'])
})

t.test('echo: what comes and what goes, compressed both ways, in order', async t => {
  for (const params of [{}, WITH_CONTEXT]) {
    const { connection, peer } = await openPair(t, { deflate: settingsOf(params), lendsPayloads: true, highWaterMark: 16 * MiB })
    connection.on('message', (message: Buffer) => { connection.send(message) })
    const messages = Array.from({ length: 30 }, (_, n) => Buffer.from(n % 4 === 3 ? prose(200_000, n) : prose(n * 50 + 10, n)))
    const payloads = params === WITH_CONTEXT ? await packAll(messages) : messages.map(message => pack(message))
    for (const [n, payload] of payloads.entries()) peer.socket.write(peer.compressedFrames(2, payload, n % 2 === 0 ? Infinity : 500))
    await peer.untilFrames(30)
    const packed = peer.frames.filter(({ isCompressed }) => isCompressed).map(({ payload }) => payload)
    const unpacked = params === WITH_CONTEXT ? await unpackAll(packed) : await Promise.all(packed.map(payload => unpack(payload)))
    const got = peer.frames.map(({ payload, isCompressed }) => isCompressed ? unpacked.shift() : payload)
    t.ok(got.every((bytes, n) => bytes?.equals(messages[n] ?? Buffer.alloc(0))))
  }
})
