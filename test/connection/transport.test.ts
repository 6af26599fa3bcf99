// T56: how connections end, whoever ends them and whenever; and the flow of bytes: pause and resume.
import { once } from 'node:events'
import type { Socket } from 'node:net'
import fc from 'fast-check'
import t from 'tap'
import type { Test } from 'tap'
import type { Connection } from '../../lib/connection/connection.ts'
import { closeCallsOf, connectionOn, fillUp, openPair, openSockets, Peer, turns, untilClosed, untilTrue } from '../helpers/connection-pair.ts'
import type { CloseCall, PairOptions, Pair } from '../helpers/connection-pair.ts'
import { closePayload } from '../helpers/wire-frames.ts'

interface Row {
  readonly name: string
  readonly options?: PairOptions
  /** Brings the connection to its end. */
  play (pair: Pair & { got: string[], texts: () => string[] }, t: Test): unknown
  readonly close: CloseCall
  /** Messages that listeners got. Default none. */
  readonly got?: readonly string[]
  /** Close frames that the peer got, as `code reason`. Default none. */
  readonly sent?: readonly string[]
  /** Codes or messages of what `onError` got. Default none. */
  readonly faults?: readonly string[]
}

const local = (code: number, reason: string, wasClean: boolean): CloseCall => ({ code, reason, wasClean, initiator: 'local' })
const remote = (code: number, reason: string, wasClean: boolean): CloseCall => ({ code, reason, wasClean, initiator: 'remote' })
const soon = { closeTimeout: 60 }

/** Waits for the connection's Close frame and answers with its own payload. */
async function answerClose ({ peer }: Pair): Promise<void> {
  await peer.until(() => peer.frames.some(({ opcode }) => opcode === 8))
  peer.send(8, peer.frames.find(({ opcode }) => opcode === 8)?.payload)
}

const rows: Row[] = [
  {
    name: 'closed here, answered there',
    async play (pair) {
      pair.connection.close(4000, 'bye')
      await answerClose(pair)
    },
    close: local(4000, 'bye', true),
    sent: ['4000 bye']
  },
  {
    name: 'closed here without a code',
    async play (pair) {
      pair.connection.close()
      await answerClose(pair)
    },
    close: local(1005, '', true),
    sent: ['none']
  },
  {
    name: 'closed here with a reason only: 1000',
    async play (pair) {
      pair.connection.close(undefined, 'bye')
      await answerClose(pair)
    },
    close: local(1000, 'bye', true),
    sent: ['1000 bye']
  },
  {
    name: 'the peer answers with another code: what it said counts (§7.1.5)',
    async play ({ connection, peer }) {
      connection.close(1000, 'ours')
      await peer.untilFrames(1)
      peer.close(1001, 'theirs')
    },
    close: local(1001, 'theirs', true),
    sent: ['1000 ours']
  },
  {
    name: 'closed there: its code and reason go back',
    play ({ peer }) { peer.close(1001, 'going') },
    close: remote(1001, 'going', true),
    sent: ['1001 going']
  },
  {
    name: 'closed there without a code',
    play ({ peer }) { peer.close() },
    close: remote(1005, '', true),
    sent: ['none']
  },
  {
    name: 'closed there, with FIN and nothing read: as clean',
    play ({ peer }) { peer.socket.end(peer.frame(8, closePayload(1000, 'x'))) },
    close: remote(1000, 'x', true),
    sent: ['1000 x']
  },
  {
    name: 'both at once: one Close frame from here',
    play ({ connection, peer }) {
      peer.close(1001, 'theirs')
      connection.close(1000, 'ours')
    },
    close: local(1001, 'theirs', true),
    sent: ['1000 ours']
  },
  {
    name: 'closed twice here: the first counts',
    async play (pair) {
      pair.connection.close(1000, 'first')
      pair.connection.close(1001, 'second')
      await turns(3)
      pair.connection.close(1002, 'third')
      await answerClose(pair)
    },
    close: local(1000, 'first', true),
    sent: ['1000 first']
  },
  {
    name: 'closed here in the listener of `close` and behind it: nothing happens',
    async play (pair) {
      pair.connection.on('close', () => {
        pair.connection.close(1000)
        pair.connection.terminate()
      })
      pair.peer.close(1001)
      await untilClosed(pair.connection)
      pair.connection.close(1000)
      pair.connection.terminate()
    },
    close: remote(1001, '', true),
    sent: ['1001 ']
  },
  {
    name: 'closed there while this side sends: what was sent before arrives, nothing behind Close',
    async play ({ connection, peer, texts }) {
      connection.on('close', () => connection.send('late'))
      connection.send('one')
      peer.close(1000)
      await peer.until(() => texts().length === 1)
      await untilTrue(() => connection.readyState !== connection.OPEN)
      connection.send('two')
    },
    close: remote(1000, '', true),
    sent: ['1000 ']
  },
  {
    name: 'closed here while much waits: all of it arrives before Close',
    async play (pair, t) {
      const count = await fillUp(pair)
      pair.connection.send('last')
      pair.connection.close(1000)
      t.equal(pair.connection.send('behind'), false)
      pair.peer.socket.resume()
      await answerClose(pair)
      t.equal(pair.peer.frames.length, count + 2)
      t.equal(pair.peer.texts.at(-1), 'last')
    },
    close: local(1000, '', true),
    sent: ['1000 ']
  },
  {
    name: 'closed in a handler: messages behind are not delivered, not even those of the same read',
    async play (pair) {
      pair.connection.on('message', (text: string) => { if (text === 'b') pair.connection.close(1000) })
      pair.peer.text('a', 'b', 'c', 'd')
      await pair.peer.untilFrames(1)
      pair.peer.text('e')
      await answerClose(pair)
    },
    got: ['a', 'b'],
    close: local(1000, '', true),
    sent: ['1000 ']
  },
  {
    name: 'closed here while messages are queued: they are thrown away, the running handler goes on',
    async play (pair) {
      pair.connection.on('message', async (text: string) => {
        await turns(3)
        pair.connection.close(1000)
        await turns(3)
        pair.got.push(`${text} done`)
      })
      pair.peer.text('a', 'b', 'c')
      await answerClose(pair)
      await untilTrue(() => pair.got.length > 1)
    },
    got: ['a', 'a done'],
    close: local(1000, '', true),
    sent: ['1000 ']
  },
  {
    name: 'closed there behind queued messages: they are delivered first',
    play ({ connection, peer, got }) {
      connection.on('close', () => got.push('close'))
      connection.on('message', () => turns(3))
      peer.socket.end(Buffer.concat([peer.textFrames('a', 'b', 'c', 'd'), peer.frame(8, closePayload(1000))]))
    },
    got: ['a', 'b', 'c', 'd', 'close'],
    close: remote(1000, '', true),
    sent: ['1000 ']
  },
  {
    name: 'closed there while handlers run: they may answer what came before, then Close goes',
    async play ({ connection, peer, got }) {
      connection.on('message', async (text: string) => {
        await turns(3)
        connection.send(`answer ${text}`)
      })
      peer.socket.write(Buffer.concat([peer.textFrames('a', 'b', 'c'), peer.frame(8, closePayload(1000))]))
      await peer.untilFrames(4)
      got.push(...peer.texts, `${peer.frames.at(-1)?.opcode}`)
    },
    got: ['a', 'b', 'c', 'answer a', 'answer b', 'answer c', '8'],
    close: remote(1000, '', true),
    sent: ['1000 ']
  },
  {
    name: 'closed there while handlers run, terminated',
    async play ({ connection, peer, got }) {
      connection.on('message', () => turns(20))
      peer.socket.write(Buffer.concat([peer.textFrames('a', 'b'), peer.frame(8, closePayload(1000))]))
      await untilTrue(() => got.length === 1)
      await turns(3)
      connection.terminate()
    },
    got: ['a'],
    close: remote(1000, '', false)
  },
  {
    name: 'closed there while handlers run, closed by one of them: the answer goes at once',
    async play ({ connection, peer }) {
      connection.on('message', async () => {
        await turns(3)
        connection.close(4000)
      })
      peer.socket.write(Buffer.concat([peer.textFrames('a', 'b'), peer.frame(8, closePayload(1000))]))
      await peer.untilFrames(1)
    },
    got: ['a', 'b'],
    close: remote(1000, '', true),
    sent: ['1000 ']
  },
  {
    name: 'closed there while handlers run, then a reset',
    async play ({ connection, peer, got }) {
      connection.on('message', () => turns(10))
      peer.socket.write(Buffer.concat([peer.textFrames('a', 'b'), peer.frame(8, closePayload(1000))]))
      await untilTrue(() => got.length === 1)
      await turns(3)
      peer.socket.resetAndDestroy()
    },
    got: ['a', 'b'],
    close: remote(1000, '', false)
  },
  {
    name: 'a rule broken while handlers run: they may answer what came before, then Close goes',
    async play ({ connection, peer, got }) {
      connection.on('message', async (text: string) => {
        await turns(3)
        connection.send(`answer ${text}`)
      })
      peer.socket.write(Buffer.concat([peer.textFrames('a', 'b'), peer.frame(3)]))
      await peer.untilFrames(3)
      got.push(...peer.texts)
    },
    got: ['a', 'b', 'answer a', 'answer b'],
    close: local(1002, 'reserved opcode (RFC 6455 §5.2)', false),
    sent: ['1002 reserved opcode (RFC 6455 §5.2)'],
    faults: ['FST_WS_RESERVED_OPCODE']
  },
  {
    name: 'closed there behind far more messages than the queue takes: they are delivered first',
    play ({ connection, peer, got }) {
      connection.on('close', () => got.push('close'))
      connection.on('message', () => turns(1))
      peer.socket.end(Buffer.concat([peer.textFrames(...Array.from({ length: 200 }, (_, i) => `${i}`)), peer.frame(8, closePayload(1000))]))
    },
    got: [...Array.from({ length: 200 }, (_, i) => `${i}`), 'close'],
    close: remote(1000, '', true),
    sent: ['1000 ']
  },
  {
    name: 'the application closes after delivery: what the peer had sent is still delivered',
    async play (pair) {
      pair.connection.on('message', () => turns(2))
      pair.peer.text('a', 'b', 'c')
      await untilTrue(() => pair.got.length === 1)
      pair.connection.closeAfterDelivery(1001, 'going')
      pair.peer.text('d')
      await answerClose(pair)
    },
    got: ['a', 'b', 'c', 'd'],
    close: local(1001, 'going', true),
    sent: ['1001 going']
  },
  {
    name: 'frames behind the peer\'s Close are not read',
    play ({ peer }) { peer.socket.write(Buffer.concat([peer.frame(8, closePayload(1000)), peer.textFrames('late'), Buffer.alloc(50, 0xff)])) },
    close: remote(1000, '', true),
    sent: ['1000 ']
  },
  {
    name: 'FIN without Close',
    play ({ peer }) { peer.socket.end() },
    close: remote(1006, '', false)
  },
  {
    name: 'FIN in the middle of a frame, behind messages: they are delivered',
    play ({ peer }) { peer.socket.end(Buffer.concat([peer.textFrames('a', 'b'), peer.frame(1, 'cut off').subarray(0, 8)])) },
    got: ['a', 'b'],
    close: remote(1006, '', false)
  },
  {
    name: 'FIN without Close behind more messages than the queue takes: they are delivered first',
    play ({ connection, peer, got }) {
      connection.on('close', () => got.push('close'))
      connection.on('message', () => turns(1))
      peer.socket.end(peer.textFrames(...Array.from({ length: 100 }, (_, i) => `${i}`)))
    },
    got: [...Array.from({ length: 100 }, (_, i) => `${i}`), 'close'],
    close: remote(1006, '', false)
  },
  {
    name: 'closed here, FIN in place of an answer',
    async play ({ connection, peer }) {
      connection.close(1000)
      await peer.untilFrames(1)
      peer.socket.end()
    },
    close: local(1006, '', false),
    sent: ['1000 ']
  },
  {
    name: 'closed here, the peer half-closed at the same time',
    play ({ connection, peer }) {
      peer.socket.end()
      connection.close(1000)
    },
    close: local(1006, '', false),
    sent: ['1000 ']
  },
  {
    name: 'a reset',
    async play ({ peer }) {
      await peer.roundTrip()
      peer.socket.resetAndDestroy()
    },
    close: remote(1006, '', false),
    faults: ['ECONNRESET']
  },
  {
    name: 'a reset while this side sends',
    async play (pair) {
      await fillUp(pair)
      pair.peer.socket.resetAndDestroy()
      while (pair.connection.readyState === pair.connection.OPEN) {
        pair.connection.send('x')
        await turns(1)
      }
      pair.connection.close(1000)
      pair.connection.send('x')
    },
    close: remote(1006, '', false),
    faults: ['ECONNRESET']
  },
  {
    name: 'a reset behind the closing handshake tells nothing new',
    async play (pair) {
      pair.peer.answersFin = false
      pair.peer.close(1000)
      await pair.peer.untilEnd()
      pair.peer.socket.resetAndDestroy()
    },
    close: remote(1000, '', true),
    sent: ['1000 ']
  },
  {
    name: 'terminated',
    play ({ connection }) { connection.terminate() },
    close: local(1006, '', false)
  },
  {
    name: 'terminated twice, closed in between',
    play ({ connection }) {
      connection.terminate()
      connection.close(1000)
      connection.terminate()
    },
    close: local(1006, '', false)
  },
  {
    name: 'terminated in a handler: nothing more is delivered',
    play ({ connection, peer }) {
      connection.on('message', (text: string) => { if (text === 'b') connection.terminate() })
      peer.text('a', 'b', 'c', 'd')
    },
    got: ['a', 'b'],
    close: local(1006, '', false)
  },
  {
    name: 'terminated with messages in the queue: `close` does not wait for them',
    options: { closeTimeout: 60_000 },
    async play ({ connection, peer, got }) {
      connection.on('message', () => new Promise(() => {}))
      peer.text('a', 'b', 'c', 'd')
      await untilTrue(() => got.length === 1)
      connection.terminate()
    },
    got: ['a'],
    close: local(1006, '', false)
  },
  {
    name: 'terminated while the closing handshake goes on',
    async play ({ connection, peer }) {
      connection.close(1000)
      await peer.untilFrames(1)
      connection.terminate()
    },
    close: local(1006, '', false),
    sent: ['1000 ']
  },
  {
    name: 'closed during pause: the answer is read all the same',
    async play (pair) {
      pair.connection.pause()
      pair.peer.text('a')
      await turns(3)
      pair.connection.close(1000)
      await answerClose(pair)
    },
    close: local(1000, '', true),
    sent: ['1000 ']
  },
  {
    name: 'closed there during pause: heard of at resume, behind the messages',
    async play ({ connection, peer, got }) {
      connection.pause()
      connection.on('close', () => got.push('close'))
      peer.socket.end(Buffer.concat([peer.textFrames('a', 'b'), peer.frame(8, closePayload(1000))]))
      await turns(10)
      got.push(`readyState ${connection.readyState}`)
      connection.resume()
    },
    got: ['readyState 1', 'a', 'b', 'close'],
    close: remote(1000, '', true),
    sent: ['1000 ']
  },
  {
    name: 'closed here, the peer never answers: closeTimeout',
    options: soon,
    play ({ connection, peer }) {
      peer.answersFin = false
      connection.close(1000)
    },
    close: local(1006, '', false),
    sent: ['1000 ']
  },
  {
    name: 'closed here, the peer floods and never answers: closeTimeout, nothing delivered',
    options: soon,
    async play ({ connection, peer }) {
      connection.close(1000)
      const burst = peer.textFrames(...Array.from({ length: 200 }, () => 'x'.repeat(200)))
      while (!peer.isGone) {
        peer.socket.write(burst)
        await turns(1)
      }
    },
    close: local(1006, '', false),
    sent: ['1000 ']
  },
  {
    name: 'closed here, the peer pings and never answers: closeTimeout',
    options: soon,
    async play ({ connection, peer }) {
      connection.close(1000)
      while (!peer.isGone) {
        peer.send(9, 'x')
        await turns(1)
      }
    },
    close: local(1006, '', false),
    sent: ['1000 ']
  },
  {
    name: 'closed here, the peer does not even read: closeTimeout',
    options: soon,
    async play (pair) {
      await fillUp(pair)
      pair.connection.close(1000)
    },
    close: local(1006, '', false)
  },
  {
    name: 'closed there, the peer does not end the TCP connection: closeTimeout, clean',
    options: soon,
    play ({ peer }) {
      peer.answersFin = false
      peer.close(1000)
    },
    close: remote(1000, '', true),
    sent: ['1000 ']
  },
  {
    name: 'FIN from a peer that does not read: closeTimeout',
    options: soon,
    async play (pair) {
      await fillUp(pair)
      pair.peer.socket.end()
    },
    close: remote(1006, '', false)
  },
  {
    name: 'a rule broken: the peer is told, messages before are delivered, nothing behind is',
    async play ({ connection, peer }) {
      connection.on('message', () => turns(2))
      peer.socket.write(Buffer.concat([peer.textFrames('a', 'b'), Buffer.from('83', 'hex'), Buffer.alloc(100), peer.textFrames('c')]))
    },
    got: ['a', 'b'],
    close: local(1002, 'reserved opcode (RFC 6455 §5.2)', false),
    sent: ['1002 reserved opcode (RFC 6455 §5.2)'],
    faults: ['FST_WS_RESERVED_OPCODE']
  },
  {
    name: 'a rule broken by a peer that never ends the TCP connection: closeTimeout',
    options: soon,
    play ({ peer }) {
      peer.answersFin = false
      peer.socket.write(peer.frame(3, 'x'))
    },
    close: local(1002, 'reserved opcode (RFC 6455 §5.2)', false),
    sent: ['1002 reserved opcode (RFC 6455 §5.2)'],
    faults: ['FST_WS_RESERVED_OPCODE']
  },
  {
    name: 'a rule broken behind this side\'s Close',
    async play ({ connection, peer }) {
      connection.close(1000)
      await peer.untilFrames(1)
      peer.send(3, 'x')
    },
    close: local(1002, 'reserved opcode (RFC 6455 §5.2)', false),
    sent: ['1000 '],
    faults: ['FST_WS_RESERVED_OPCODE']
  },
  {
    name: 'the error handler closes after a broken rule: nothing happens',
    options: { onError: (_error, connection) => connection.close(1011, 'late') },
    play ({ peer }) { peer.send(3, 'x') },
    close: local(1002, 'reserved opcode (RFC 6455 §5.2)', false),
    sent: ['1002 reserved opcode (RFC 6455 §5.2)'],
    faults: ['FST_WS_RESERVED_OPCODE']
  },
  {
    name: 'a handler that never settles, closed there: `close` comes after closeTimeout, and nothing behind it',
    options: soon,
    async play ({ connection, peer, got }) {
      let goOn = (): void => {}
      connection.on('message', () => new Promise<void>((resolve) => { goOn = resolve }))
      connection.on('close', () => got.push('close'))
      peer.text('a', 'b', 'c')
      await untilTrue(() => got.length === 1)
      peer.close(1000)
      await untilClosed(connection)
      goOn()
      await turns(5)
    },
    got: ['a', 'close'],
    close: remote(1000, '', true),
    sent: ['1000 ']
  },
  {
    name: 'client: closed here; the server ends the TCP connection',
    options: { role: 'client' },
    async play (pair) {
      pair.connection.close(1000)
      await answerClose(pair)
      await turns(5)
      pair.got.push(`FIN ${pair.peer.hasEnded}`)
      pair.peer.socket.end()
    },
    got: ['FIN false'],
    close: local(1000, '', true),
    sent: ['1000 ']
  },
  {
    name: 'client: closed there; the server never ends the TCP connection: closeTimeout, clean',
    options: { role: 'client', ...soon },
    play ({ peer }) { peer.close(1000, 'bye') },
    close: remote(1000, 'bye', true),
    sent: ['1000 bye']
  }
]

for (const { name, options = {}, play, close, got: wanted = [], sent = [], faults: wantedFaults = [] } of rows) {
  t.test(`T56 ${name}`, async t => {
    const pair = await openPair(t, options)
    const { connection, peer } = pair
    const calls = closeCallsOf(connection)
    const got: string[] = []
    connection.on('message', (text: string) => { got.push(text) })
    const closed = untilClosed(connection)
    await play({ ...pair, got, texts: () => peer.texts }, t)
    await closed
    t.equal(connection.readyState, connection.CLOSED)
    peer.socket.resume()
    await turns(3)
    peer.socket.end()
    await peer.untilGone().catch(() => {})
    await turns(3)
    t.same(calls, [close])
    t.same(got, wanted)
    t.equal(peer.fault, undefined)
    t.same(peer.frames.filter(({ opcode }) => opcode === 8).map(({ payload }) => payload.length === 0 ? 'none' : `${payload.readUInt16BE()} ${payload.toString('utf8', 2)}`), sent)
    t.same(pair.faults.map(error => 'code' in error ? error.code : error.message), wantedFaults)
  })
}

t.test('T56 a socket that has closed before the connection takes it over: `close` comes', async t => {
  const { near, far } = await openSockets()
  near.destroy()
  await once(near, 'close')
  const { connection } = connectionOn(near, { handler () {} })
  const calls = closeCallsOf(connection)
  await turns(5)
  t.same(calls, [remote(1006, '', false)])
  t.equal(connection.readyState, connection.CLOSED)
  t.equal(connection.send('x'), false)
  far.destroy()
})

type Act = 'send' | 'large' | 'close' | 'terminate' | 'pause' | 'resume' | 'ping' | 'peer text' | 'peer ping' | 'peer close' | 'peer end' | 'peer reset' | 'peer rubbish' | 'turn'

function act (action: Act, { connection, peer }: Pair): unknown {
  if (!action.startsWith('peer')) {
    if (action === 'turn') return turns(1)
    if (action === 'send') return connection.send('text')
    if (action === 'large') return connection.send(Buffer.alloc(200_000))
    return connection[action as 'close' | 'terminate' | 'pause' | 'resume' | 'ping']()
  }
  if (peer.socket.destroyed || peer.socket.writableEnded) return
  if (action === 'peer text') peer.text('x', 'y')
  if (action === 'peer ping') peer.send(9)
  if (action === 'peer close') peer.close(1000)
  if (action === 'peer end') peer.socket.end()
  if (action === 'peer reset') peer.socket.resetAndDestroy()
  if (action === 'peer rubbish') peer.socket.write(Buffer.from([0xff, 0xff]))
}

t.test('T56 T59 whatever both sides do, in any order: exactly one `close`, nothing delivered behind it, no timer left', async t => {
  const action = fc.constantFrom<Act>('send', 'large', 'close', 'terminate', 'pause', 'resume', 'ping', 'peer text', 'peer ping', 'peer close', 'peer end', 'peer reset', 'peer rubbish', 'turn', 'turn', 'turn')
  const handlers = fc.constantFrom<(connection: Connection) => unknown>(() => undefined, () => turns(2), connection => connection.close(), connection => connection.terminate(), () => { throw new Error('thrown') })
  await fc.assert(fc.asyncProperty(fc.array(action, { maxLength: 14 }), handlers, async (actions, handler) => {
    const { near, far } = await openSockets()
    const peer = new Peer(far, true)
    const { connection, faults } = connectionOn(near, { closeTimeout: 25 })
    const calls = closeCallsOf(connection)
    let late = 0
    connection.on('message', () => {
      if (calls.length > 0) late++
      return handler(connection)
    })
    const pair = { connection, peer, socket: near, faults }
    for (const action of actions) await act(action, pair)
    connection.resume()
    connection.close()
    await untilTrue(() => calls.length > 0)
    await turns(3)
    far.destroy()
    near.destroy()
    return calls.length === 1 && late === 0 && peer.fault === undefined && connection.readyState === 3
  }), { numRuns: 150, seed: 20_262 })
  await untilTrue(() => !process.getActiveResourcesInfo().includes('TCPSocketWrap'))
  t.pass()
})

t.test('pause stops delivery within a read, and the reading; resume goes on in order', async t => {
  const { connection, socket, peer } = await openPair(t)
  const got: string[] = []
  connection.on('message', (text: string) => {
    got.push(text)
    if (text === '2') connection.pause()
  })
  connection.on('ping', () => got.push('ping'))
  peer.text('1', '2', '3')
  peer.send(9)
  const burst = peer.textFrames(...Array.from({ length: 1000 }, () => 'x'.repeat(1000)))
  for (let i = 0; i < 20; i++) peer.socket.write(burst)
  await turns(50)
  t.same(got, ['1', '2'])
  t.ok(socket.bytesRead < 1_000_000, `${socket.bytesRead} bytes were read`)
  t.ok(peer.socket.writableLength > 0, 'TCP pushes back')
  t.equal(connection.send('sending goes on'), true)
  await peer.untilFrames(1)
  connection.resume()
  await untilTrue(() => got.length === 20_004)
  t.same(got.slice(0, 4), ['1', '2', '3', 'ping'])
})

/** Counts calls of `pause`, by whomever. */
function countPauses (socket: Socket): { calls: number } {
  const counter = { calls: 0 }
  const { pause } = socket
  socket.pause = () => {
    counter.calls++
    return pause.call(socket)
  }
  return counter
}

t.test('T52 handlers that are done before another chunk comes: the queue fills up again and again, the socket reads on', async t => {
  const { connection, socket, peer } = await openPair(t, { maxQueuedMessages: 2 })
  const pauses = countPauses(socket)
  connection.on('message', async (text: string) => {
    await Promise.resolve()
    connection.send(text)
  })
  for (let round = 0; round < 10; round++) {
    peer.text(...Array.from({ length: 50 }, (_, i) => `${i}`))
    await peer.untilFrames(50 * (round + 1))
  }
  t.equal(pauses.calls, 0)
})

t.test('T52 handlers that are not: one chunk is read past the full queue, then TCP holds the peer back', async t => {
  const { connection, socket, peer } = await openPair(t, { maxQueuedMessages: 2 })
  const pauses = countPauses(socket)
  let goOn = (): void => {}
  let count = 0
  connection.on('message', () => {
    count++
    return new Promise<void>((resolve) => { goOn = resolve })
  })
  peer.text('1', '2', '3', '4')
  await turns(5)
  t.equal(pauses.calls, 0, 'what came is all there is')
  peer.text('5')
  await untilTrue(() => pauses.calls === 1)
  const { bytesRead } = socket
  peer.text('6')
  await turns(5)
  t.equal(socket.bytesRead, bytesRead, 'the rest is the kernel\'s')
  t.equal(count, 1)
  while (count < 6) {
    goOn()
    await turns(2)
  }
  t.equal(socket.isPaused(), false)
})

t.test('a socket that somebody has paused before is read all the same, to its end', async t => {
  for (const pausedBefore of [true, false]) {
    const { near, far } = await openSockets()
    t.teardown(() => far.destroy())
    // Its handle does not read then.
    if (pausedBefore) near.on('data', () => {}).removeAllListeners('data').pause()
    await turns(2)
    const got: string[] = []
    const { connection } = connectionOn(near)
    connection.on('message', (text: string) => { got.push(text) })
    const closed = closeCallsOf(connection)
    const peer = new Peer(far, true)
    peer.text('1')
    await untilTrue(() => got.length === 1)
    far.end()
    await untilTrue(() => closed.length === 1)
    t.strictSame(got, ['1'])
    t.equal(near.isPaused(), false)
  }
})

t.test('pause holds back queued messages too', async t => {
  const { connection, peer } = await openPair(t)
  const got: string[] = []
  connection.on('message', async (text: string) => {
    got.push(text)
    await turns(1)
  })
  peer.text('1', '2', '3')
  await untilTrue(() => got.length === 1)
  connection.pause()
  await turns(5)
  t.same(got, ['1'])
  connection.pause()
  connection.resume()
  await untilTrue(() => got.length === 3)
  t.same(got, ['1', '2', '3'])
})

t.test('T51 pause before the first listener: nothing is read or delivered until resume', async t => {
  const got: string[] = []
  const peerFrames = new Peer((await openSockets()).far, true)
  const { connection, peer } = await openPair(t, {
    head: peerFrames.textFrames('in the head'),
    handler (connection) {
      connection.pause()
      connection.on('message', (text: string) => { got.push(text) })
      connection.on('ping', () => got.push('ping'))
    }
  })
  peer.send(9)
  peer.text('2')
  await turns(10)
  t.same(got, [])
  t.same(peer.frames, [], 'the ping is not answered')
  connection.resume()
  await untilTrue(() => got.length === 3)
  t.same(got, ['in the head', 'ping', '2'])
  peerFrames.socket.destroy()
})

t.test('T51 pause before the first listener of messages, but behind the reading: they wait for resume', async t => {
  const got: string[] = []
  const { connection, peer } = await openPair(t, {
    async handler (connection) {
      connection.on('ping', () => {})
      await turns(10)
      connection.pause()
      connection.on('message', (text: string) => { got.push(text) })
    }
  })
  peer.text('1', '2')
  await peer.roundTrip()
  await turns(20)
  t.same(got, [])
  connection.resume()
  await untilTrue(() => got.length === 2)
  t.same(got, ['1', '2'])
})

t.test('T51 resume before the first listener of messages: they wait for it', async t => {
  const got: string[] = []
  const { connection, peer } = await openPair(t, {
    async handler (connection) {
      connection.pause()
      connection.on('close', () => {})
      connection.resume()
      await turns(10)
      connection.on('message', (text: string) => { got.push(text) })
    }
  })
  peer.text('1', '2')
  await untilTrue(() => got.length === 2)
  t.same(got, ['1', '2'])
  t.equal(connection.readyState, connection.OPEN)
})

t.test('a message of many segments, and many messages in one: cuts do not matter', async t => {
  const { connection, peer } = await openPair(t)
  const got: string[] = []
  connection.on('message', (text: string) => { got.push(text) })
  const wire = peer.textFrames('one', 'x'.repeat(300), 'three')
  for (let i = 0; i < wire.length; i += 7) {
    peer.socket.write(wire.subarray(i, i + 7))
    await turns(1)
  }
  await untilTrue(() => got.length === 3)
  t.same(got, ['one', 'x'.repeat(300), 'three'])
})

// The peer ends it while handlers still deal with what came before: they may answer first (RFC 6455 §5.5.1).
const ends = [
  { name: 'a Close frame', wire: '8880 00000000', code: 'none' },
  { name: 'a Close frame and FIN', wire: '8880 00000000', fin: true, code: 'none' },
  { name: 'a reserved bit', wire: 'c180 00000000', code: '1002' }
]

for (const { name, wire, fin = false, code } of ends) {
  t.test(`${name} behind messages: running and queued handlers answer before the end does`, async t => {
    const { connection, peer } = await openPair(t)
    const calls = closeCallsOf(connection)
    connection.on('message', async (text: string) => {
      await turns(3)
      t.equal(connection.send(`answer to ${text}`), true)
    })
    peer.socket.write(Buffer.concat([peer.textFrames('1', '2'), Buffer.from(wire.replaceAll(' ', ''), 'hex')]))
    if (fin) peer.socket.end()
    await peer.untilEnd()
    const got = peer.frames.map(({ opcode, payload }) => opcode !== 8 ? payload.toString() : payload.length === 0 ? 'none' : String(payload.readUInt16BE()))
    t.same(got, ['answer to 1', 'answer to 2', code])
    peer.socket.end()
    await untilTrue(() => calls.length > 0)
    t.equal(connection.send('too late'), false)
  })

  t.test(`${name} behind a message whose handler never settles: the end comes all the same`, async t => {
    const { connection, peer } = await openPair(t, { closeTimeout: 20 })
    connection.on('message', () => new Promise(() => {}))
    const closed = untilClosed(connection)
    peer.socket.write(Buffer.concat([peer.textFrames('1'), Buffer.from(wire.replaceAll(' ', ''), 'hex')]))
    await peer.untilFrames(1)
    t.equal(peer.frames[0]?.opcode, 8)
    peer.socket.end()
    await closed
  })

  t.test(`${name} behind a message, and the peer is gone before the answer: not clean`, async t => {
    const { connection, peer, faults } = await openPair(t)
    const calls = closeCallsOf(connection)
    let settle = (): void => {}
    connection.on('message', () => new Promise<void>((resolve) => { settle = resolve }))
    peer.socket.write(Buffer.concat([peer.textFrames('1'), Buffer.from(wire.replaceAll(' ', ''), 'hex')]))
    await turns(5)
    peer.socket.resetAndDestroy()
    await untilTrue(() => calls.length > 0)
    settle()
    await turns(3)
    t.equal(calls.length, 1)
    t.match(calls[0], code === '1002' ? { code: 1002, wasClean: false } : { code: 1005, wasClean: false, initiator: 'remote' })
    t.equal(faults.filter((error) => 'closeCode' in error).length, code === '1002' ? 1 : 0)
  })
}
