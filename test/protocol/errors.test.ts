import { once } from 'node:events'
import { Duplex } from 'node:stream'
import t from 'tap'
import { Connection } from '../../lib/connection/connection.ts'
import type { DeflateSettings } from '../../lib/connection/deflate/settings.ts'
import { CloseCode } from '../../lib/protocol/close-code.ts'
import { encodeClose } from '../../lib/protocol/close-frame.ts'
import { PROTOCOL_ERRORS, ProtocolError, USAGE_ERRORS, UsageError } from '../../lib/protocol/errors.ts'
import { settingsOf } from '../helpers/deflate.ts'
import { hex } from '../helpers/hex.ts'
import { readChunks } from '../helpers/recorder.ts'

/** What a client sends, unless a server does; the shortest that breaks the rule. */
const rows: ReadonlyArray<{ code: keyof typeof PROTOCOL_ERRORS, rule: string, wire: string, closeCode: number, fromServer?: true, maxPayload?: number }> = [
  { code: 'FST_WS_RESERVED_BITS', rule: '§5.2', wire: 'c1', closeCode: 1002 },
  { code: 'FST_WS_RESERVED_OPCODE', rule: '§5.2', wire: '83', closeCode: 1002 },
  { code: 'FST_WS_MASK_MISSING', rule: '§5.1', wire: '81 00', closeCode: 1002 },
  { code: 'FST_WS_MASK_FORBIDDEN', rule: '§5.1', wire: '81 80', closeCode: 1002, fromServer: true },
  { code: 'FST_WS_CONTROL_FRAGMENTED', rule: '§5.5', wire: '09', closeCode: 1002 },
  { code: 'FST_WS_CONTROL_TOO_LONG', rule: '§5.5', wire: '89 fe', closeCode: 1002 },
  { code: 'FST_WS_UNEXPECTED_CONTINUATION', rule: '§5.4', wire: '80', closeCode: 1002 },
  { code: 'FST_WS_EXPECTED_CONTINUATION', rule: '§5.4', wire: '01 80 00000000 81', closeCode: 1002 },
  { code: 'FST_WS_LENGTH_NOT_MINIMAL', rule: '§5.2', wire: '82 fe 007d', closeCode: 1002 },
  { code: 'FST_WS_LENGTH_TOP_BIT', rule: '§5.2', wire: '82 ff 80', closeCode: 1002 },
  { code: 'FST_WS_TOO_BIG', rule: '§7.4.1', wire: '82 81', closeCode: 1009, maxPayload: 0 },
  { code: 'FST_WS_TOO_MANY_EMPTY_FRAGMENTS', rule: '§10.4', wire: `02 80 00000000 ${'00 80 00000000'.repeat(1000)}`, closeCode: 1008 },
  { code: 'FST_WS_INVALID_UTF8', rule: '§8.1', wire: '81 85 00000000 ff', closeCode: 1007 },
  { code: 'FST_WS_CLOSE_PAYLOAD', rule: '§5.5.1', wire: '88 81', closeCode: 1002 },
  { code: 'FST_WS_CLOSE_CODE', rule: '§7.4', wire: '88 82 00000000 03ed', closeCode: 1002 }
]

/** The core does not inflate: this one is found by who does, and has a test of its own below. */
const byOthers = ['FST_WS_INVALID_DEFLATE']

t.strictSame([...rows.map(({ code }) => code), ...byOthers].toSorted(), Object.keys(PROTOCOL_ERRORS).toSorted(), 'every way to break the protocol has its row')

for (const { code, rule, wire, closeCode, fromServer, maxPayload } of rows) {
  t.test(`${rule} ${code} is reached, and the peer is told ${closeCode}`, async t => {
    const bytes = hex(wire)
    const role = fromServer ? 'client' : 'server'
    const error = new ProtocolError(code)
    t.match(error, { name: 'ProtocolError', code, closeCode })
    t.ok(error.message.endsWith(` (RFC 6455 ${rule})`), error.message)
    t.ok(Buffer.byteLength(error.message) <= 123, 'the reason can say it all')
    t.strictSame(readChunks(role, [bytes], maxPayload), [`>close:${closeCode}:${error.message}`, `error:${code}`])
    t.strictSame(readChunks(role, [bytes.subarray(0, -1)], maxPayload), [], 'by the last byte and not before')
  })
}

t.test('RFC 7692 §7.2.2 FST_WS_INVALID_DEFLATE is reached where messages are inflated, and the peer is told 1007', async t => {
  const { message } = new ProtocolError('FST_WS_INVALID_DEFLATE')
  t.ok(message.endsWith(' (RFC 7692 §7.2.2)') && !message.includes('6455'), message)
  t.ok(Buffer.byteLength(message) <= 123, 'the reason can say it all')
  const { connection, socket, errors, written } = connect(settingsOf())
  t.teardown(() => socket.destroy())
  connection.start(Buffer.alloc(0), () => { connection.on('message', () => {}) })
  socket.push(hex('c1 81 00000000 07'))
  for (let turns = 0; errors.length === 0 && turns < 100; turns++) await new Promise(resolve => setImmediate(resolve))
  t.match(errors, [{ name: 'ProtocolError', code: 'FST_WS_INVALID_DEFLATE', closeCode: 1007 }])
  t.same(Buffer.concat(written).subarray(2), encodeClose(1007, message))
})

t.test('an error keeps its cause', async t => {
  const cause = new Error('why')
  t.equal(new ProtocolError('FST_WS_TOO_BIG', { cause }).cause, cause)
  t.equal(new UsageError('FST_WS_NOT_OPEN', undefined, { cause }).cause, cause)
  t.match(new UsageError('FST_WS_NOT_OPEN', 'what was wrong'), { name: 'UsageError', message: `${USAGE_ERRORS.FST_WS_NOT_OPEN}: what was wrong` })
  t.equal(new UsageError('FST_WS_NOT_OPEN').message, USAGE_ERRORS.FST_WS_NOT_OPEN)
  t.ok(new UsageError('FST_WS_NOT_OPEN') instanceof TypeError)
  t.ok(Object.values(PROTOCOL_ERRORS).every(({ closeCode }) => Object.values(CloseCode).some(known => known === closeCode)))
})

interface Peer {
  readonly connection: Connection
  readonly socket: Duplex
  /** What went wrong, as `onError` has it. */
  readonly errors: unknown[]
  readonly written: Buffer[]
}

/** A connection on a stream that takes everything. */
function connect (deflate?: DeflateSettings): Peer {
  const errors: unknown[] = []
  const written: Buffer[] = []
  const socket = new Duplex({
    read () {},
    write (chunk: Buffer, _encoding, done) {
      // The bytes are only lent.
      written.push(Buffer.from(chunk))
      done()
    }
  })
  const connection = new Connection(socket, {
    role: 'server', maxPayload: 1000, closeTimeout: 1000, highWaterMark: 1000, concurrency: 1, maxQueuedMessages: 1, onError: error => errors.push(error), ...(deflate !== undefined && { deflate })
  })
  return { connection, socket, errors, written }
}

const usages: ReadonlyArray<{ code: keyof typeof USAGE_ERRORS, name: string, use: (peer: Peer) => unknown }> = [
  { code: 'FST_WS_NOT_OPEN', name: 'sendAndWait on a closed connection', use: async ({ connection, socket }) => { socket.destroy(); await once(socket, 'close'); await connection.sendAndWait('x') } },
  {
    code: 'FST_WS_NOT_SENT',
    name: 'sendAndWait where too much waits',
    use: async ({ socket }) => {
      const settings = { role: 'server', maxPayload: 1, closeTimeout: 1, highWaterMark: 1, concurrency: 1, maxQueuedMessages: 1, maxBufferedAmount: 1000, slowConsumer: 'drop', onError () {} } as const
      const stuck = new Connection(new Duplex({ read () {}, write () {} }), settings)
      socket.destroy()
      stuck.send('x'.repeat(900))
      await stuck.sendAndWait('x'.repeat(200))
    }
  },
  { code: 'FST_WS_INVALID_ARGUMENT', name: 'a reason that is no string', use: () => encodeClose(1000, 5 as unknown as string) }, // against the types on purpose, here and below
  { code: 'FST_WS_INVALID_CLOSE_CODE', name: 'close with 1005', use: ({ connection }) => connection.close(1005) },
  { code: 'FST_WS_REASON_TOO_LONG', name: 'close with 124 bytes', use: ({ connection }) => connection.close(1000, 'a'.repeat(124)) },
  { code: 'FST_WS_CONTROL_DATA_TOO_LONG', name: 'ping with 126 bytes', use: ({ connection }) => connection.ping(Buffer.alloc(126)) },
  { code: 'FST_WS_UNSUPPORTED_DATA', name: 'send of a number', use: ({ connection }) => connection.send(5) },
  {
    code: 'FST_WS_NO_HANDLER',
    name: 'a message that no handler is there for',
    use: async ({ connection, socket, errors }) => {
      connection.start(Buffer.alloc(0), () => connection.handle({ chat () {} }))
      socket.push(hex('81 81 00000000 61'))
      for (let turns = 0; errors.length === 0 && turns < 100; turns++) await new Promise(resolve => setImmediate(resolve))
      throw errors[0]
    }
  }
]

/** Of whoever carries topics: test/hub/topics.test.ts and topic-calls.test.ts have them. */
const ofTopics: readonly string[] = ['FST_WS_TOO_MANY_TOPICS', 'FST_WS_TOPIC_FORBIDDEN']
t.strictSame(usages.map(({ code }) => code).toSorted(), Object.keys(USAGE_ERRORS).filter((code) => !ofTopics.includes(code)).toSorted(), 'every way to be wrong has its row')

for (const { code, name, use } of usages) {
  t.test(`${code}: ${name}`, async t => {
    const peer = connect()
    t.teardown(() => peer.socket.destroy())
    await t.rejects(async () => await use(peer), { name: 'UsageError', code })
  })
}
