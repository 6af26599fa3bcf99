import t from 'tap'
import { Lifetime } from '../../lib/connection/lifetime.ts'
import { TimerWheel } from '../../lib/connection/timer-wheel.ts'
import { closeCallsOf, openPair, untilClosed } from '../helpers/connection-pair.ts'

/** A wheel whose time goes on only when it is told. */
function makeWheel (): { wheel: TimerWheel, advance (ms: number): void } {
  let now = 0
  let timer: { callback: () => void, at: number } | undefined
  const wheel = new TimerWheel({
    now: () => now,
    setTimer (callback, delay) {
      timer = { callback, at: now + delay }
      return { unref () {} }
    },
    clearTimer () { timer = undefined }
  })
  return {
    wheel,
    advance (ms) {
      const end = now + ms
      while (timer !== undefined && timer.at <= end) {
        const { callback, at } = timer
        timer = undefined
        now = Math.max(now, at)
        callback()
      }
      now = end
    }
  }
}

t.test('the end comes between nine tenths of the time and all of it, not for all at once', async t => {
  const { wheel, advance } = makeWheel()
  const ended: number[] = []
  for (let i = 0; i < 200; i++) new Lifetime(100_000, () => { ended.push(i) }, wheel)
  advance(89_900)
  t.equal(ended.length, 0)
  const counts: number[] = []
  for (let i = 0; i < 11; i++) {
    const before = ended.length
    advance(1_000)
    counts.push(ended.length - before)
  }
  t.equal(ended.length, 200, 'each once')
  t.ok(Math.max(...counts) < 60, `spread: ${counts.join(' ')}`)
  t.equal(wheel.size, 0)
})

t.test('stop takes it out of the wheel', async t => {
  const { wheel, advance } = makeWheel()
  const ended: number[] = []
  const lifetime = new Lifetime(1_000, () => { ended.push(1) }, wheel)
  lifetime.stop()
  lifetime.stop()
  t.equal(wheel.size, 0)
  advance(2_000)
  t.strictSame(ended, [])
})

t.test('a connection is closed with 1001 when its time is over, and what has come is delivered', async t => {
  const { connection, peer } = await openPair(t, { maxLifetime: 80 })
  const closes = closeCallsOf(connection)
  const got: string[] = []
  connection.on('message', async (text: string) => {
    await peer.until(() => peer.frames.some(({ opcode }) => opcode === 8))
    got.push(text)
  })
  peer.text('a', 'b')
  await peer.until(() => peer.frames.some(({ opcode }) => opcode === 8))
  peer.send(8, peer.frames.at(-1)?.payload)
  await untilClosed(connection)
  t.match(closes, [{ code: 1001, reason: 'the connection has reached its maxLifetime', wasClean: true, initiator: 'local' }])
  t.strictSame(got, ['a', 'b'])
})
