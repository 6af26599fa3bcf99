// The verdict on a peer, on a clock of the test's own: what counts as life, and when it is over.
import fc from 'fast-check'
import t from 'tap'
import { Heartbeat } from '../../lib/connection/heartbeat.ts'
import type { HeartbeatOwner, HeartbeatTimes } from '../../lib/connection/heartbeat.ts'
import { SLOT, TimerWheel } from '../../lib/connection/timer-wheel.ts'
import { FakeClock } from '../helpers/fake-clock.ts'

const TIMES: HeartbeatTimes = { interval: 1_000, timeout: 400 }
/** How late a verdict or ping may be: a slot, and the rounding of a timer. */
const LATE = SLOT + 1

interface Ping {
  readonly number: number
  readonly at: number
  readonly onWritten: () => void
}

/** A connection that does nothing by itself: `onPing` is the test's. */
class Owner implements HeartbeatOwner {
  readonly clock = new FakeClock(5_000)
  readonly wheel = new TimerWheel(this.clock, (error) => { throw error })
  readonly pings: Ping[] = []
  readonly latencies: number[] = []
  readonly deaths: number[] = []
  readonly deferred: Array<() => void> = []
  readonly heartbeat: Heartbeat
  isReading = true
  waitsForPeer = false
  writeProgress = 0
  onPing: (ping: Ping, owner: Owner) => void = (ping) => ping.onWritten()

  constructor (times: HeartbeatTimes = TIMES) {
    this.heartbeat = new Heartbeat(this, { ...times, wheel: this.wheel, defer: (callback) => { this.deferred.push(callback) } })
  }

  sendPing (number: number, onWritten: () => void): void {
    const ping = { number, at: this.clock.now(), onWritten }
    this.pings.push(ping)
    this.onPing(ping, this)
  }

  onLatency (ms: number): void {
    this.latencies.push(ms)
  }

  onDead (): void {
    this.deaths.push(this.clock.now())
  }

  /** What setImmediate would do. */
  settle (): void {
    for (const callback of this.deferred.splice(0)) callback()
  }

  /** Lets time pass in small steps, the event loop turning. */
  pass (ms: number): void {
    const end = this.clock.now() + ms
    while (this.clock.now() < end) {
      this.clock.advance(Math.min(5, end - this.clock.now()))
      this.settle()
    }
  }

  /** Does something after so many ms. */
  after (ms: number, action: () => void): void {
    this.clock.setTimer(action, ms)
  }

  /** Bytes with a pong in them come. */
  pong (number: number): boolean {
    this.heartbeat.noteBytes()
    return this.heartbeat.takePong(dataOf(number))
  }

  start (): this {
    this.heartbeat.start()
    return this
  }

  /** Starts, and lets time pass until the first ping. */
  startToPing (): Ping {
    this.start()
    return this.nextPing()
  }

  nextPing (): Ping {
    const { length } = this.pings
    for (let waited = 0; this.pings.length === length && waited < 10 * TIMES.interval; waited += 5) this.pass(5)
    const ping = this.pings.at(-1)
    if (ping === undefined || this.pings.length === length) throw new Error('no ping')
    return ping
  }
}

function dataOf (number: number): Buffer {
  const data = Buffer.alloc(4)
  data.writeUInt32BE(number)
  return data
}

interface Row {
  readonly name: string
  readonly times?: HeartbeatTimes
  readonly onPing: (ping: Ping, owner: Owner) => void
  /** What else goes on, from the start. */
  readonly meanwhile?: (owner: Owner) => void
}

/** Does something again and again. */
function every (ms: number, action: (owner: Owner) => void): (owner: Owner) => void {
  return (owner) => {
    function act (): void {
      action(owner)
      owner.after(ms, act)
    }
    owner.after(ms, act)
  }
}

function waitForPeer (owner: Owner): void {
  owner.isReading = false
  owner.waitsForPeer = true
}

const written = (ping: Ping): void => ping.onWritten()

const living: readonly Row[] = [
  { name: 'an idle peer that answers at once', onPing: (ping, owner) => { written(ping); owner.after(1, () => owner.pong(ping.number)) } },
  { name: 'one that answers just in time', onPing: (ping, owner) => { written(ping); owner.after(399, () => owner.pong(ping.number)) } },
  { name: 'one that never answers pings and sends something else', onPing: written, meanwhile: every(390, (owner) => owner.heartbeat.noteBytes()) },
  { name: 'one that answers with pongs of its own making', onPing: (ping, owner) => { written(ping); owner.after(10, () => owner.pong(0xdeadbeef)) } },
  { name: 'one byte in each window is enough', onPing: (ping, owner) => { written(ping); owner.after(1, () => owner.heartbeat.noteBytes()) } },
  { name: 'a ping that waits behind a backlog, and is answered when it is written', onPing: (ping, owner) => { owner.after(350, () => { written(ping); owner.after(350, () => owner.pong(ping.number)) }) } },
  { name: 'a ping that is never written, but bytes before it leave', onPing: () => {}, meanwhile: every(390, (owner) => { owner.writeProgress++ }) },
  { name: 'the same, with a number that goes down', onPing: () => {}, meanwhile: every(390, (owner) => { owner.writeProgress-- }) },
  { name: 'a ping that is never written, but the peer sends', onPing: () => {}, meanwhile: every(390, (owner) => owner.heartbeat.noteBytes()) },
  { name: 'this side does not read', onPing: written, meanwhile: (owner) => { owner.isReading = false } },
  { name: 'this side does not read, and the peer neither', onPing: () => {}, meanwhile: (owner) => { owner.isReading = false } },
  { name: 'this side waits for the peer to read, and the ping has left', onPing: written, meanwhile: waitForPeer },
  { name: 'this side waits for the peer to read, which it does', onPing: () => {}, meanwhile: (owner) => { waitForPeer(owner); every(390, (owner) => { owner.writeProgress++ })(owner) } },
  { name: 'this side reads from time to time', onPing: written, meanwhile: every(300, (owner) => { owner.isReading = !owner.isReading; if (owner.isReading) owner.heartbeat.noteBytes() }) },
  { name: 'a timeout longer than the interval, and a slow peer', times: { interval: 200, timeout: 900 }, onPing: (ping, owner) => { written(ping); owner.after(850, () => owner.pong(ping.number)) } },
  { name: 'a timeout as long as the interval', times: { interval: 300, timeout: 300 }, onPing: (ping, owner) => { written(ping); owner.after(250, () => owner.pong(ping.number)) } }
]

for (const { name, times, onPing, meanwhile } of living) {
  t.test(`T54 alive: ${name}`, async t => {
    const owner = new Owner(times)
    owner.onPing = onPing
    owner.start()
    meanwhile?.(owner)
    owner.pass(20_000)
    t.strictSame(owner.deaths, [])
    t.ok(owner.wheel.size === 1, 'the watch goes on')
    owner.heartbeat.stop()
    t.equal(owner.wheel.size, 0)
  })
}

// Each dies in the first window; `after` are the ms from the sending of the ping.
const dying: ReadonlyArray<Row & { readonly after: number }> = [
  { name: 'one that never answers', onPing: written, after: 400 },
  { name: 'sends are no life', onPing: written, meanwhile: every(5, (owner) => { owner.writeProgress += 1_000 }), after: 400 },
  { name: 'the time counts from the writing of the ping', onPing: (ping, owner) => { owner.after(300, () => written(ping)) }, after: 700 },
  { name: 'from the writing too when it took longer than the timeout, as bytes left', onPing: (ping, owner) => { for (const ms of [300, 600, 900]) owner.after(ms, () => { owner.writeProgress++ }); owner.after(950, () => written(ping)) }, after: 1_350 },
  { name: 'a ping that is never written, and nothing leaves', onPing: () => {}, after: 400 },
  { name: 'this side waits for the peer to read, and it does not', onPing: () => {}, meanwhile: waitForPeer, after: 400 },
  { name: 'bytes from before the ping was written are no answer', onPing: (ping, owner) => { owner.after(100, () => owner.heartbeat.noteBytes()); owner.after(200, () => written(ping)) }, after: 600 },
  { name: 'bytes that left before the ping was written are none either', onPing: (ping, owner) => { owner.after(100, () => { owner.writeProgress++ }); owner.after(200, () => written(ping)) }, after: 600 },
  { name: 'bytes that leave after it was written are none either', onPing: (ping, owner) => { written(ping); owner.after(100, () => { owner.writeProgress++ }) }, after: 400 },
  { name: 'a timeout longer than the interval: later pings put nothing off', times: { interval: 200, timeout: 900 }, onPing: written, after: 900 },
  { name: 'a long timeout, and later pings that are not written', times: { interval: 200, timeout: 900 }, onPing: (ping) => { if (ping.number === 1) ping.onWritten() }, after: 900 }
]

for (const { name, times, onPing, meanwhile, after } of dying) {
  t.test(`T54 dead: ${name}`, async t => {
    const owner = new Owner(times)
    owner.onPing = onPing
    meanwhile?.(owner)
    const { at } = owner.startToPing()
    owner.pass(at + after - owner.clock.now() - 1)
    t.strictSame(owner.deaths, [], 'not before')
    owner.pass(LATE + 5)
    t.equal(owner.deaths.length, 1, 'then')
    owner.pass(20_000)
    t.equal(owner.deaths.length, 1, 'told once')
    t.notOk(owner.pong(owner.pings.at(-1)?.number ?? 0), 'its pong comes too late')
    t.equal(owner.pings.filter((ping) => ping.at > (owner.deaths[0] ?? 0)).length, 0, 'no more pings')
    t.equal(owner.wheel.size, 0)
  })
}

t.test('T54 a peer that dies later is found by the next ping', async t => {
  const owner = new Owner()
  let isThere = true
  owner.onPing = (ping) => {
    ping.onWritten()
    if (isThere) owner.pong(ping.number)
  }
  owner.start().pass(10_500)
  isThere = false
  const { at } = owner.nextPing()
  owner.pass(399 - (owner.clock.now() - at))
  t.strictSame(owner.deaths, [])
  owner.pass(LATE + 6)
  t.equal(owner.deaths.length, 1)
})

t.test('T54 a backlog that stops to move: dead when nothing has left for a whole window', async t => {
  const owner = new Owner()
  owner.onPing = () => {}
  const { at } = owner.startToPing()
  for (let i = 0; i < 20; i++) {
    owner.pass(100)
    owner.writeProgress++
  }
  const last = owner.clock.now()
  t.ok(last >= at + 2_000)
  owner.pass(399)
  t.strictSame(owner.deaths, [])
  owner.pass(401 + 2 * LATE)
  t.equal(owner.deaths.length, 1)
  t.equal(owner.pings.length, 1, 'no ping joined the one that waits')
})

t.test('T54 reading paused through the window; after it a whole new window', async t => {
  const owner = new Owner()
  owner.startToPing()
  owner.isReading = false
  owner.pass(TIMES.interval - 100)
  t.strictSame(owner.deaths, [])
  const resumed = owner.clock.now()
  owner.isReading = true
  owner.heartbeat.noteBytes()
  owner.pass(10_000)
  t.equal(owner.deaths.length, 1)
  t.ok((owner.deaths[0] ?? 0) >= resumed + TIMES.timeout, 'at least the timeout from there')
  t.ok((owner.deaths[0] ?? 0) >= (owner.pings.at(-1)?.at ?? Infinity) + TIMES.timeout, 'from the ping on')
})

for (const [name, from, to] of [['at its begin', 0, 100], ['in its midst', 100, 200], ['at its end', 300, 500]] as const) {
  t.test(`T54 reading paused for a part of the window, ${name}`, async t => {
    const owner = new Owner()
    if (from === 0) owner.isReading = false
    owner.startToPing()
    owner.pass(from)
    owner.isReading = false
    owner.pass(to - from)
    owner.isReading = true
    owner.heartbeat.noteBytes()
    owner.pass(600)
    t.strictSame(owner.deaths, [])
    owner.pass(2_000)
    t.equal(owner.deaths.length, 1, 'the next window is whole')
  })
}

t.test('T54 reading was paused when the ping was written, and nobody says that it goes on', async t => {
  const owner = new Owner()
  owner.isReading = false
  owner.startToPing()
  owner.isReading = true
  owner.pass(600)
  t.strictSame(owner.deaths, [])
})

t.test('T54 a blocked event loop: bytes that waited to be read count, the verdict waits for them', async t => {
  const owner = new Owner()
  owner.startToPing()
  owner.clock.jump(5_000)
  t.strictSame(owner.deaths, [], 'not from the timer')
  t.equal(owner.deferred.length, 1)
  owner.heartbeat.noteBytes()
  owner.settle()
  t.strictSame(owner.deaths, [], 'nor behind it')
  t.equal(owner.pings.length, 2, 'and the next ping goes out')
  owner.pass(399)
  t.strictSame(owner.deaths, [], 'with a window of its own')
  owner.pass(LATE + 6)
  t.equal(owner.deaths.length, 1)
})

t.test('T54 a blocked event loop and a dead peer', async t => {
  const owner = new Owner()
  owner.startToPing()
  owner.clock.jump(5_000)
  owner.settle()
  t.equal(owner.deaths.length, 1)
  t.equal(owner.pings.length, 1)
})

t.test('T54 a blocked event loop: missed pings are not made up for, and the beat is kept', async t => {
  const owner = new Owner()
  owner.onPing = (ping) => {
    ping.onWritten()
    owner.pong(ping.number)
  }
  const { at } = owner.startToPing()
  owner.clock.jump(10_400)
  owner.settle()
  owner.pass(LATE)
  t.equal(owner.pings.length, 2)
  owner.pass(2_000)
  t.equal(owner.pings.length, 4)
  for (const ping of owner.pings.slice(2)) {
    const offset = (ping.at - at) % TIMES.interval
    t.ok(offset <= LATE || offset >= TIMES.interval - LATE, `${offset} off the beat`)
  }
})

t.test('T54 between the verdict and the second look: reading is paused, the ping is written, bytes leave', async t => {
  const saviours: Array<(owner: Owner, ping: Ping) => void> = [
    (owner) => { owner.isReading = false },
    (_owner, ping) => ping.onWritten(),
    (owner) => { owner.writeProgress++ }
  ]
  for (const [i, save] of saviours.entries()) {
    const owner = new Owner()
    owner.onPing = () => {}
    const ping = owner.startToPing()
    owner.clock.advance(500)
    t.equal(owner.deferred.length, 1)
    save(owner, ping)
    owner.settle()
    t.strictSame(owner.deaths, [], `${i}: lives`)
    owner.isReading = true
    owner.pass(3_000)
    t.equal(owner.deaths.length, 1, `${i}: is watched on`)
  }
})

const stops: ReadonlyArray<{ name: string, stop: (owner: Owner) => void }> = [
  { name: 'before the start', stop: (owner) => { owner.heartbeat.stop(); owner.start() } },
  { name: 'before the first ping', stop: (owner) => { owner.start().pass(100); owner.heartbeat.stop() } },
  { name: 'with a ping that is not written', stop: (owner) => { owner.onPing = () => {}; owner.startToPing(); owner.heartbeat.stop() } },
  { name: 'in a window', stop: (owner) => { owner.startToPing(); owner.heartbeat.stop() } },
  { name: 'between two windows', stop: (owner) => { owner.startToPing(); owner.heartbeat.noteBytes(); owner.pass(700); owner.heartbeat.stop() } },
  { name: 'between the verdict and the second look', stop: (owner) => { owner.startToPing(); owner.clock.advance(500); owner.heartbeat.stop(); owner.settle() } },
  { name: 'from inside sendPing', stop: (owner) => { owner.onPing = () => owner.heartbeat.stop(); owner.startToPing() } },
  { name: 'from inside sendPing, which then calls back', stop: (owner) => { owner.onPing = (ping) => { owner.heartbeat.stop(); ping.onWritten() }; owner.startToPing() } }
]

for (const { name, stop } of stops) {
  t.test(`T54 stopped ${name}: nothing more is heard of it`, async t => {
    const owner = new Owner()
    stop(owner)
    const { length } = owner.pings
    t.equal(owner.wheel.size, 0)
    for (const ping of owner.pings) ping.onWritten()
    t.notOk(owner.pong(length), 'a pong is none of its own')
    owner.heartbeat.stop()
    owner.start().pass(10_000)
    t.strictSame([owner.pings.length, owner.deaths.length, owner.latencies.length, owner.wheel.size], [length, 0, 0, 0])
    t.equal(owner.clock.timers.length, 0)
  })
}

t.test('T54 it starts once', async t => {
  const owner = new Owner().start()
  owner.pass(500)
  owner.start()
  owner.pass(500 + LATE)
  t.equal(owner.pings.length, 1, 'the second start moves nothing')
})

t.test('T54 pings go out at the interval, whatever else comes and goes', async t => {
  const owner = new Owner()
  every(3, (owner) => {
    owner.heartbeat.noteBytes()
    owner.writeProgress++
  })(owner)
  const start = owner.clock.now()
  owner.start().pass(60_000 + LATE)
  t.equal(owner.pings.length, 60)
  const first = (owner.pings[0]?.at ?? 0) - start
  t.ok(first >= 900 && first <= 1_000 + LATE, `first after ${first}`)
  for (const [i, { at, number }] of owner.pings.entries()) {
    t.equal(number, i + 1)
    t.ok(Math.abs(at - start - first - i * 1_000) <= LATE, 'without a drift')
  }
})

t.test('T54 a ping that is told late, or twice, or of an older ping, moves no deadline', async t => {
  const owner = new Owner({ interval: 1_000, timeout: 1_500 })
  const first = owner.startToPing()
  owner.heartbeat.noteBytes()
  const second = owner.nextPing()
  owner.pass(500)
  for (const { onWritten } of [first, second, first]) onWritten()
  owner.pass(second.at + 1_500 - owner.clock.now() + LATE + 5)
  t.equal(owner.deaths.length, 1)
})

t.test('T54 the answer comes before the news that the ping was written', async t => {
  const owner = new Owner()
  owner.onPing = (ping) => {
    owner.after(10, () => owner.pong(ping.number))
    owner.after(20, () => ping.onWritten())
  }
  owner.start().pass(10_000)
  t.strictSame(owner.deaths, [], 'it is answered all the same')
  t.ok(owner.pings.length >= 9)
  t.strictSame([...new Set(owner.latencies)], [10])
})

t.test('T54 late news of a ping that was answered already is not that of the one that waits', async t => {
  const owner = new Owner()
  owner.onPing = () => {}
  const first = owner.startToPing()
  owner.pass(10)
  t.ok(owner.pong(first.number))
  const second = owner.nextPing()
  owner.pass(300)
  first.onWritten()
  owner.pass(second.at + 400 - owner.clock.now() + LATE + 5)
  t.equal(owner.deaths.length, 1, 'the second was not written, and nothing moved')
})

t.test('T54 latency: from the writing to the pong, once for each ping', async t => {
  const owner = new Owner()
  owner.onPing = (ping) => {
    owner.after(100, () => ping.onWritten())
    owner.after(130, () => {
      t.ok(owner.pong(ping.number), 'its own')
      t.notOk(owner.pong(ping.number), 'a second one is not')
      t.notOk(owner.pong(ping.number - 1), 'an old one is not')
      t.notOk(owner.pong(ping.number + 1), 'one to come is not')
    })
  }
  owner.start().pass(3_300)
  t.strictSame(owner.latencies, [30, 30, 30])
})

t.test('T54 pongs that are not its own: other sizes, other numbers, none sent yet', async t => {
  const owner = new Owner().start()
  for (const number of [0, 1, 2, 0xffffffff]) t.notOk(owner.pong(number), `${number} before the first ping`)
  const { number } = owner.nextPing()
  const data = dataOf(number)
  for (const other of [Buffer.alloc(0), data.subarray(0, 3), Buffer.concat([data, data]), Buffer.concat([data, Buffer.alloc(1)])]) {
    t.notOk(owner.heartbeat.takePong(other), `${other.length} bytes`)
  }
  t.strictSame(owner.latencies, [])
  t.ok(owner.heartbeat.takePong(data))
  t.equal(owner.latencies.length, 1)
})

t.test('T54 a round trip longer than the interval is measured too', async t => {
  const owner = new Owner({ interval: 100, timeout: 5_000 })
  owner.onPing = (ping) => {
    ping.onWritten()
    owner.after(730, () => t.ok(owner.pong(ping.number)))
  }
  owner.start().pass(5_000)
  t.ok(owner.latencies.length >= 4)
  t.strictSame([...new Set(owner.latencies)], [730])
})

t.test('T54 a peer that answers the newest ping alone (RFC 6455 §5.5.3) settles the older ones', async t => {
  const owner = new Owner({ interval: 100, timeout: 5_000 })
  owner.startToPing()
  const second = owner.nextPing()
  t.ok(owner.pong(second.number))
  t.strictSame(owner.latencies, [], 'whose round trip was measured is not known')
  t.notOk(owner.pong(second.number - 1), 'the older one was passed over')
  const third = owner.nextPing()
  owner.pass(20)
  owner.pong(third.number)
  t.strictSame(owner.latencies, [owner.clock.now() - third.at], 'the next one is measured')
})

t.test('T54 no peer that answers within the timeout dies, and each that is silent does, whatever the network does', async () => {
  const times = fc.record({ interval: fc.integer({ min: 1, max: 2_000 }), timeout: fc.integer({ min: 30, max: 2_000 }) })
  const parts = fc.array(fc.record({ write: fc.double({ min: 0, max: 1, noNaN: true }), answer: fc.double({ min: 0, max: 1, noNaN: true }) }), { minLength: 1, maxLength: 20 })
  fc.assert(fc.property(times, parts, fc.nat(10), (times, parts, answered) => {
    const owner = new Owner(times)
    let lastWritten = 0
    owner.onPing = (ping) => {
      const { write, answer } = parts[ping.number % parts.length]!
      owner.after(1 + Math.floor(write * (times.timeout - 10)), () => {
        ping.onWritten()
        // Once it is silent, its last sign of life is before this.
        if (lastWritten === 0 && ping.number > answered) lastWritten = owner.clock.now()
        if (ping.number <= answered) owner.after(1 + Math.floor(answer * (times.timeout - 10)), () => owner.pong(ping.number))
      })
    }
    owner.start()
    const limit = owner.clock.now() + (answered + 4) * (times.interval + times.timeout + 2 * LATE) * 2
    while (owner.deaths.length === 0 && owner.clock.now() < limit) owner.pass(50)
    const [death] = owner.deaths
    return death !== undefined && owner.pings.length > answered && (lastWritten === 0 || death >= lastWritten + times.timeout)
  }), { seed: 54, numRuns: 300 })
})

// The real clock would say how fast this machine is; these say how much there is to do at once.
t.test('T54 10,000 connections that open in the same millisecond are spread over the slots', async t => {
  const owner = new Owner()
  const heartbeats = openMany(owner, 10_000)
  const bursts = new Map<number, number>()
  const note = (): void => { bursts.set(owner.clock.now(), (bursts.get(owner.clock.now()) ?? 0) + 1) }
  for (const { peer } of heartbeats) peer.onSent = note
  owner.clock.advance(25_000 + SLOT)
  t.equal([...bursts.values()].reduce((sum, count) => sum + count, 0), 10_000, 'all have pinged')
  // A tenth of 25 seconds is 100 slots.
  t.ok(Math.max(...bursts.values()) <= 130, `${Math.max(...bursts.values())} pings at once`)
  t.ok(owner.clock.wakeups <= 210, `${owner.clock.wakeups} wakeups`)
  bursts.clear()
  owner.clock.advance(20 * 25_000)
  t.equal([...bursts.values()].reduce((sum, count) => sum + count, 0), 200_000)
  t.ok(Math.max(...bursts.values()) <= 260, `still ${Math.max(...bursts.values())} at once after 20 beats`)
})

t.test('T54 10,000 connections that open one after the other: a few in each slot', async t => {
  const owner = new Owner()
  let most = 0
  let count = 0
  let at = 0
  for (let i = 0; i < 10_000; i++) {
    const [opened] = openMany(owner, 1)
    opened!.peer.onSent = () => {
      count = owner.clock.now() === at ? count + 1 : 1
      at = owner.clock.now()
      most = Math.max(most, count)
    }
    owner.clock.advance(2.5)
  }
  owner.clock.advance(100_000)
  t.ok(most <= 40, `${most} at once`)
})

interface Opened {
  readonly heartbeat: Heartbeat
  readonly peer: { onSent: (() => void) | undefined }
}

/** Starts heartbeats at the default times, of peers that answer at once. */
function openMany ({ wheel }: Owner, count: number): Opened[] {
  return Array.from({ length: count }, () => {
    const peer: Opened['peer'] = { onSent: undefined }
    const heartbeat = new Heartbeat({
      sendPing (number, onWritten) {
        onWritten()
        heartbeat.noteBytes()
        heartbeat.takePong(dataOf(number))
        peer.onSent?.()
      },
      isReading: true,
      waitsForPeer: false,
      writeProgress: 0,
      onLatency () {},
      onDead () { throw new Error('dead') }
    }, { interval: 25_000, timeout: 20_000, wheel })
    heartbeat.start()
    return { heartbeat, peer }
  })
}
