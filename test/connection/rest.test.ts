// Connections that have fallen silent are asked to let go, and nothing that is in use goes.
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import t from 'tap'
import { LOOK_EVERY, Rest } from '../../lib/connection/rest.ts'
import { fillUp, openPair, turns, untilTrue } from '../helpers/connection-pair.ts'

t.test('who has had something to do is asked again, who has not is let alone', async t => {
  const rest = new Rest()
  const calls: string[] = []
  const sleeper = (name: string, ...answers: boolean[]) => ({
    rest () {
      calls.push(name)
      return answers.shift() ?? true
    }
  })
  rest.add(sleeper('a', false, false, true))
  rest.add(sleeper('b'))
  t.same(calls, [], 'not at once')
  await untilTrue(() => calls.length === 4)
  t.same(calls, ['a', 'b', 'a', 'a'])
  await sleep(2 * LOOK_EVERY)
  t.equal(calls.length, 4)
  rest.add(sleeper('c'))
  await untilTrue(() => calls.length === 5)
})

/** Time in which a silent connection has come to rest. */
const SILENCE = 4 * LOOK_EVERY

t.test('a connection goes on after any silence: cut headers, cut frames, fragments, cut pings', async t => {
  const { connection, peer, faults } = await openPair(t, { heartbeat: { interval: 60_000, timeout: 60_000 } })
  const got: string[] = []
  connection.on('message', (text: string) => {
    got.push(text)
    connection.send(text)
  })
  const bytes = Buffer.concat([
    peer.frame(1, 'one'), peer.frame(9, 'ping'), peer.frame(1, 'x'.repeat(200)), peer.frame(1, '')
  ])
  const cuts = [0, 1, 5, 9, 10, 12, bytes.length - 210, bytes.length - 100, bytes.length - 5, bytes.length]
  for (const [i, end] of cuts.slice(1).entries()) {
    peer.socket.write(bytes.subarray(cuts[i], end))
    await sleep(SILENCE)
  }
  await untilTrue(() => got.length === 3)
  t.same(got, ['one', 'x'.repeat(200), ''])
  await peer.untilFrames(4)
  t.same(peer.texts, got)
  t.same(faults, [])
})

t.test('fragments with silence between them are one message', async t => {
  const { connection, peer } = await openPair(t)
  const got: string[] = []
  connection.on('message', (text: string) => { got.push(text) })
  const first = peer.frame(1, 'a\u00e4'.repeat(3))
  first[0] = 0x01
  peer.socket.write(first)
  await sleep(SILENCE)
  peer.send(0, 'end')
  await untilTrue(() => got.length === 1)
  t.same(got, ['a\u00e4a\u00e4a\u00e4end'])
})

t.test('what waits for a slow peer waits on, and `drain` and `sendAndWait` tell of it', async t => {
  const pair = await openPair(t)
  const { connection, peer } = pair
  connection.on('message', () => {})
  await fillUp(pair)
  const told: string[] = []
  connection.on('drain', () => { told.push('drain') })
  const taken = connection.sendAndWait('last').then(() => { told.push('taken') })
  t.equal(connection.send(Buffer.alloc(100_000)), false)
  await sleep(SILENCE)
  const waiting = connection.bufferedAmount
  t.ok(waiting > 100_000)
  t.same(told, [])
  t.equal(connection.send('more'), false, 'it still knows of the backlog')
  peer.socket.resume()
  await taken
  await untilTrue(() => told.length === 2)
  t.equal(connection.bufferedAmount, 0)
  await sleep(SILENCE)
  t.equal(connection.bufferedAmount, 0)
  connection.send('behind it')
  await peer.until(() => peer.texts.at(-1) === 'behind it')
})

t.test('held, paused and closing connections come through a silence', async t => {
  const { connection, peer } = await openPair(t, { handler: () => new Promise(() => {}) })
  peer.text('a', 'b')
  await sleep(SILENCE)
  const got: string[] = []
  connection.on('message', (text: string) => { got.push(text) })
  await untilTrue(() => got.length === 2)
  connection.pause()
  await sleep(SILENCE)
  peer.text('c')
  await sleep(SILENCE)
  t.equal(got.length, 2)
  connection.resume()
  await untilTrue(() => got.length === 3)
  const closed = new Promise((resolve) => { connection.on('close', (code) => { resolve(code) }) })
  connection.closeAfterDelivery(4000, 'bye')
  await sleep(SILENCE)
  peer.text('d')
  await untilTrue(() => got.length === 4)
  peer.close(4000, 'bye')
  t.equal(await closed, 4000)
})

t.test('a handler that has not settled may listen, be silent for long, and listen anew: messages wait for it, and the end too', async t => {
  for (const waitsForEnd of [false, true]) {
    const { connection, peer } = await openPair(t, { handler: () => new Promise(() => {}), maxQueuedMessages: 2 })
    const got: string[] = []
    const codes: number[] = []
    if (waitsForEnd) connection.on('close', (code: number) => { codes.push(code) })
    const listener = (text: string): void => { got.push(text) }
    connection.on('message', listener)
    peer.text('a')
    await untilTrue(() => got.length === 1)
    await sleep(SILENCE)
    connection.off('message', listener)
    // Who awaits the end reads past a full queue, the other one does not.
    peer.text('b', 'c', 'd', 'e')
    peer.send(9)
    const pong = (): boolean => peer.frames.some(({ opcode }) => opcode === 10)
    await sleep(SILENCE)
    t.equal(pong(), waitsForEnd)
    connection.on('message', listener)
    await untilTrue(() => got.length === 5)
    await peer.until(pong)
    t.same(got, ['a', 'b', 'c', 'd', 'e'])
  }
})

t.test('T57 a rate limit that pauses holds on through a silence of the application', async t => {
  const { connection, peer } = await openPair(t, { rateLimit: { messages: 20, perSeconds: 0.2, onLimit: 'pause' }, handler () {} })
  const got: string[] = []
  connection.on('message', (text: string) => { got.push(text) })
  connection.on('close', () => {})
  const start = performance.now()
  peer.text(...Array.from({ length: 80 }, (_, i) => `${i}`))
  await untilTrue(() => got.length === 80)
  t.ok(performance.now() - start > 400, '20 at once, and 100 a second')
})

t.test('whenever it comes to rest, no byte and no answer is lost', async () => {
  await fc.assert(fc.asyncProperty(fc.array(fc.nat(40), { minLength: 1, maxLength: 12 }), fc.array(fc.nat(300), { maxLength: 6 }), async (texts, cuts) => {
    const { connection, peer } = await openPair(t)
    connection.on('message', (text: string) => { connection.send(text) })
    const sent = texts.map((length) => 'x'.repeat(length * 7))
    const bytes = peer.textFrames(...sent)
    let at = 0
    for (const cut of cuts.toSorted((a, b) => a - b)) {
      peer.socket.write(bytes.subarray(at, at = Math.max(at, Math.min(cut, bytes.length))))
      await sleep(2.2 * LOOK_EVERY)
    }
    peer.socket.write(bytes.subarray(at))
    await peer.untilFrames(sent.length)
    await turns(2)
    if (peer.texts.join() !== sent.join()) throw new Error(`${peer.texts.length} of ${sent.length}`)
  }), { numRuns: 6 })
})
