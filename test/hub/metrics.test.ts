import t from 'tap'
import { LATENCY_BOUNDS, Meter } from '../../lib/connection/meter.ts'
import { readMetrics } from '../../lib/hub/metrics.ts'

const OPEN = { readyState: 1, bufferedAmount: 10 }
const CLOSING = { readyState: 2, bufferedAmount: 5 }
const CLOSED = { readyState: 3, bufferedAmount: 1_000 }

t.test('a server that has done nothing', async (t) => {
  t.strictSame(JSON.parse(JSON.stringify(readMetrics(new Meter(), [], 0))), {
    active: 0,
    pending: 0,
    opened: 0,
    refused: {},
    messagesReceived: 0,
    messagesSent: 0,
    bytesReceived: 0,
    bytesSent: 0,
    invalid: 0,
    errors: 0,
    closes: {},
    buffered: 0,
    slow: 0,
    dropped: 0,
    droppedBytes: 0,
    deflating: 0,
    deflateDeclined: 0,
    deflateMemory: 0,
    latency: { count: 0, sum: 0, min: 0, max: 0, buckets: LATENCY_BOUNDS.map((le) => ({ le, count: 0 })) }
  })
})

t.test('connections are looked at when asked', async (t) => {
  const connections = new Set([OPEN, CLOSING, CLOSED])
  const metrics = readMetrics(new Meter(), connections, 7)
  t.match(metrics, { active: 2, buffered: 15, pending: 7 }, 'one whose socket is gone is counted by its close already')
  connections.delete(OPEN)
  t.match(readMetrics(new Meter(), connections, 0), { active: 1, buffered: 5, pending: 0 })
})

t.test('each counter comes by its own name', async (t) => {
  const meter = new Meter()
  const counters = ['opened', 'messagesReceived', 'messagesSent', 'bytesReceived', 'bytesSent', 'invalid', 'errors', 'slow', 'dropped', 'droppedBytes', 'deflating', 'deflateDeclined'] as const
  for (const [index, name] of counters.entries()) meter[name] = index + 1
  t.match(readMetrics(meter, [], 0), Object.fromEntries(counters.map((name, index) => [name, index + 1])))
})

t.test('tables have no prototype, so that a name is only a name', async (t) => {
  const meter = new Meter()
  meter.noteRefused('__proto__')
  meter.noteRefused('constructor')
  meter.noteClose(1000)
  const { refused, closes } = readMetrics(meter, [], 0)
  t.equal(Object.getPrototypeOf(refused), null)
  t.equal(Object.getPrototypeOf(closes), null)
  t.strictSame(Object.entries(refused), [['__proto__', 1], ['constructor', 1]])
  t.strictSame(Object.entries(closes), [['1000', 1]])
  t.equal(JSON.stringify(refused), '{"__proto__":1,"constructor":1}')
  t.equal(({} as Record<string, unknown>)['__proto__'], Object.prototype, 'nobody else\'s was touched')
})

t.test('a bucket has those below it too', async (t) => {
  const meter = new Meter()
  for (const ms of [0.5, 3, 3, 40, 1e9]) meter.noteLatency(ms)
  const { latency } = readMetrics(meter, [], 0)
  t.match(latency, { count: 5, sum: 1e9 + 46.5, min: 0.5, max: 1e9 })
  t.strictSame(latency.buckets.map(({ le }) => le), LATENCY_BOUNDS)
  t.strictSame(latency.buckets.filter(({ le }) => [1, 2.5, 5, 25, 50, 20_000].includes(le)).map(({ count }) => count), [1, 1, 3, 3, 4, 4])
})

t.test('a snapshot stays as it was', async (t) => {
  const meter = new Meter()
  meter.noteClose(1000)
  const before = readMetrics(meter, [], 0)
  meter.noteClose(1000)
  meter.noteLatency(1)
  meter.opened++
  t.match(before, { opened: 0, closes: { 1000: 1 }, latency: { count: 0 } })
  t.notOk(before.latency.buckets.some(({ count }) => count > 0))
})
