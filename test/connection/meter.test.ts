import t from 'tap'
import { LATENCY_BOUNDS, MAX_NAMES, Meter } from '../../lib/connection/meter.ts'

t.test('a new one has counted nothing', async (t) => {
  const { refused, closes, latency, ...counters } = new Meter()
  t.same(counters, {
    opened: 0, messagesReceived: 0, messagesSent: 0, bytesReceived: 0, bytesSent: 0, invalid: 0, errors: 0, dropped: 0, droppedBytes: 0, slow: 0,
    deflating: 0, deflateDeclined: 0
  })
  t.same([refused.size, closes.size], [0, 0])
  t.same({ ...latency }, { count: 0, sum: 0, min: 0, max: 0, buckets: LATENCY_BOUNDS.map(() => 0) })
})

t.test('reasons and codes are counted by name', async (t) => {
  const meter = new Meter()
  for (const reason of ['404', 'FST_WS_FOREIGN_ORIGIN', '404', '__proto__']) meter.noteRefused(reason)
  for (const code of [1000, 1006, 4000, 1000]) meter.noteClose(code)
  t.same([...meter.refused], [['404', 2], ['FST_WS_FOREIGN_ORIGIN', 1], ['__proto__', 1]])
  t.same([...meter.closes], [[1000, 2], [1006, 1], [4000, 1]])
})

t.test('a peer that closes with every code there is does not make a table of them', async (t) => {
  const meter = new Meter()
  for (let code = 3000; code < 5000; code++) meter.noteClose(code)
  meter.noteClose(3000)
  t.equal(meter.closes.size, MAX_NAMES + 1)
  t.equal(meter.closes.get(3000), 2, 'those that came first stay')
  t.equal(meter.closes.get('other'), 2000 - MAX_NAMES)
  for (const code of [1000, 1006]) meter.noteClose(code)
  t.same([meter.closes.get(1000), meter.closes.get(1006)], [1, 1], 'the protocol\'s own have their place')
  t.equal([...meter.closes.values()].reduce((sum, count) => sum + count), 2003, 'none is lost')
})

t.test('nor do refusals with a code each', async (t) => {
  const meter = new Meter()
  for (let i = 0; i < 1_000; i++) meter.noteRefused(`APP_${i}`)
  meter.noteRefused('APP_0')
  t.equal(meter.refused.size, MAX_NAMES + 1)
  t.equal(meter.refused.get('APP_0'), 2)
  t.equal(meter.refused.get('other'), 1_000 - MAX_NAMES)
})

const [lowest = 0, second = 0] = LATENCY_BOUNDS
const highest = LATENCY_BOUNDS.at(-1) ?? 0

const latencies: ReadonlyArray<{ name: string, ms: number[], buckets: Record<number, number>, min: number, max: number }> = [
  { name: 'a bound belongs to its own bucket', ms: [lowest], buckets: { 0: 1 }, min: lowest, max: lowest },
  { name: 'a little more belongs to the next', ms: [lowest + 0.001], buckets: { 1: 1 }, min: lowest + 0.001, max: lowest + 0.001 },
  { name: 'several', ms: [second, 0, 7], buckets: { 0: 1, 1: 1, 3: 1 }, min: 0, max: second > 7 ? second : 7 },
  { name: 'beyond all bounds it is in none', ms: [highest, highest + 1], buckets: { [LATENCY_BOUNDS.length - 1]: 1 }, min: highest, max: highest + 1 }
]

for (const { name, ms, buckets, min, max } of latencies) {
  t.test(`latency: ${name}`, async (t) => {
    const meter = new Meter()
    for (const one of ms) meter.noteLatency(one)
    const { latency } = meter
    t.equal(latency.count, ms.length)
    t.equal(latency.sum, ms.reduce((sum, one) => sum + one, 0))
    t.same([latency.min, latency.max], [min, max])
    t.same(latency.buckets, LATENCY_BOUNDS.map((_, index) => buckets[index] ?? 0))
  })
}

t.test('the bounds rise', async (t) => {
  t.same(LATENCY_BOUNDS, [...LATENCY_BOUNDS].sort((a, b) => a - b))
  t.equal(new Set(LATENCY_BOUNDS).size, LATENCY_BOUNDS.length)
})
