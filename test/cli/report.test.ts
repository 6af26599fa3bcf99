// What a load has come to, in figures and words.
import { createHistogram } from 'node:perf_hooks'
import t from 'tap'
import { formatProgress, formatReport, makeReport } from '../../lib/cli/report.ts'
import type { Measured } from '../../lib/cli/report.ts'

function measured (changes: Partial<Measured> = {}): Measured {
  const latencies = createHistogram({ lowest: 1, highest: 3_600_000_000_000, figures: 3 })
  for (let ms = 1; ms <= 1_000; ms++) latencies.record(ms * 1e6)
  return {
    latencies,
    errors: new Map(),
    opened: 2,
    sent: 1_000,
    answered: 1_000,
    answeredInTime: 900,
    unexpected: 0,
    unsent: 0,
    unanswered: 0,
    elapsed: 2_000,
    options: { connections: 2, inFlight: 3, size: 100, isBinary: false, rate: undefined, warmUp: 0 },
    ...changes
  }
}

t.test('figures', async (t) => {
  const report = makeReport('ws://h/', measured())
  t.match(report, { ok: true, messagesPerSecond: 450, bytesPerSecond: 45_000, rate: null, kind: 'text', latency: { from: 'sent' } })
  const { p50 = 0, p99 = 0, 'p99.9': p999 = 0, max = 0, min = 0 } = report.latency ?? {}
  for (const [value, want] of [[p50, 500], [p99, 990], [p999, 999], [max, 1_000], [min, 1]] as const) t.ok(Math.abs(value - want) <= want / 500, `${value} for ${want}`)
  t.strictSame(JSON.parse(JSON.stringify(report)), report)
})

t.test('anything wrong is not ok', async (t) => {
  const rows: Array<Partial<Measured>> = [{ opened: 1 }, { errors: new Map([['x', 1]]) }, { unanswered: 1 }, { unsent: 1 }, { unexpected: 1 }, { answered: 0 }]
  for (const row of rows) t.equal(makeReport('ws://h/', measured(row)).ok, false, JSON.stringify(Object.keys(row)))
  t.equal(makeReport('ws://h/', measured({ answered: 0, elapsed: 0 })).latency, null)
})

t.test('text', async (t) => {
  const load = measured()
  const text = formatReport(makeReport('ws://h/', load), load.latencies)
  t.match(text, /^ws:\/\/h\/: 2 of 2 connections, 100 bytes of text, 3 in flight each, 2\.0 s\n/)
  t.match(text, /throughput {2}450 messages\/s answered, 0\.05 MB\/s/)
  t.match(text, /from when a message was sent.*--rate shows/)
  t.match(text, /^ {2}p50 +50\d\.\d {2}#{20}\n/m)
  t.match(text, /^ {2}p99\.9 +\d/m)
  t.match(text, /^ {2}max +100\d\.\d {2}#{40}\n/m)
  t.match(text, /\nno errors\n$/)

  const bad = measured({ errors: new Map([['closed', 3]]), unsent: 1_234, options: { ...load.options, rate: 5_000, warmUp: 500 } })
  const told = formatReport(makeReport('ws://h/', bad), bad.latencies)
  t.match(told, /5,000 messages\/s due, 2\.0 s behind 0\.5 s of warm-up\n/)
  t.match(told, /from when a message was due\n/)
  t.match(told, /errors\n +3 {2}closed\n +1,234 {2}due and never sent/)

  const none = measured({ answered: 0, errors: new Map() })
  t.match(formatReport(makeReport('ws://h/', none), none.latencies), /\nno answer at all\n$/)
})

t.test('progress', async (t) => {
  t.equal(formatProgress(measured(), -1), 'warming up')
  t.match(formatProgress(measured(), 2_000), /^2\.0 s: 1,000 answers, 500\/s, p50 50\d\.\d ms, p99 99\d\.\d ms$/)
  t.equal(formatProgress(measured({ answered: 0 }), 0), '0.0 s: 0 answers, 0/s')
})
