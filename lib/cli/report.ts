// What a load has come to, as figures, as JSON and as text. Measures nothing.
import type { RecordableHistogram } from 'node:perf_hooks'

/** What is reported of a load. */
export interface Measured {
  readonly latencies: RecordableHistogram
  readonly errors: ReadonlyMap<string, number>
  readonly opened: number
  readonly sent: number
  readonly answered: number
  readonly answeredInTime: number
  readonly unexpected: number
  readonly unsent: number
  readonly unanswered: number
  /** In ms. */
  readonly elapsed: number
  readonly options: {
    readonly connections: number
    readonly inFlight: number
    readonly size: number
    readonly isBinary: boolean
    readonly rate: number | undefined
    readonly warmUp: number
  }
}

/** Times in ms, rates a second. */
export interface Report {
  readonly url: string
  readonly connections: { readonly wanted: number, readonly opened: number }
  readonly inFlight: number
  readonly size: number
  readonly kind: 'text' | 'binary'
  readonly rate: number | null
  readonly warmUp: number
  readonly duration: number
  readonly sent: number
  readonly answered: number
  /** Sent, and no answer came. */
  readonly unanswered: number
  /** Due, and never sent. */
  readonly unsent: number
  readonly unexpected: number
  readonly messagesPerSecond: number
  /** Of payloads, one way. */
  readonly bytesPerSecond: number
  /** Null without an answer. */
  readonly latency: {
    readonly from: 'sent' | 'due'
    readonly min: number
    readonly mean: number
    readonly p50: number
    readonly p90: number
    readonly p99: number
    readonly 'p99.9': number
    readonly max: number
  } | null
  readonly errors: Readonly<Record<string, number>>
  readonly ok: boolean
}

const PERCENTILES = [50, 75, 90, 99, 99.9, 99.99] as const
const BAR = 40

export function makeReport (url: string, load: Measured): Report {
  const { latencies, errors, opened, sent, answered, answeredInTime, unexpected, unsent, unanswered, elapsed, options } = load
  const { connections, inFlight, size, isBinary, rate, warmUp } = options
  const perSecond = elapsed > 0 ? answeredInTime / (elapsed / 1_000) : 0
  return {
    url,
    connections: { wanted: connections, opened },
    inFlight,
    size,
    kind: isBinary ? 'binary' : 'text',
    rate: rate ?? null,
    warmUp,
    duration: round(elapsed),
    sent,
    answered,
    unanswered,
    unsent,
    unexpected,
    messagesPerSecond: round(perSecond),
    bytesPerSecond: round(perSecond * size),
    latency: answered === 0 ? null : {
      from: rate === undefined ? 'sent' : 'due',
      min: toMs(latencies.min),
      mean: toMs(latencies.mean),
      p50: toMs(latencies.percentile(50)),
      p90: toMs(latencies.percentile(90)),
      p99: toMs(latencies.percentile(99)),
      'p99.9': toMs(latencies.percentile(99.9)),
      max: toMs(latencies.max)
    },
    errors: Object.fromEntries(errors),
    ok: opened === connections && errors.size === 0 && answered > 0 && unanswered + unsent + unexpected === 0
  }
}

export function formatReport (report: Report, latencies: RecordableHistogram): string {
  const { connections, inFlight, size, kind, rate, warmUp, duration, sent, answered, unanswered, unsent, unexpected, messagesPerSecond, bytesPerSecond, latency, errors } = report
  const lines = [
    `${report.url}: ${connections.opened} of ${connections.wanted} connections, ${size} bytes of ${kind}, ${rate === null ? `${inFlight} in flight each` : `${group(rate)} messages/s due`}, ${(duration / 1_000).toFixed(1)} s${warmUp === 0 ? '' : ` behind ${(warmUp / 1_000).toFixed(1)} s of warm-up`}`,
    '',
    `throughput  ${group(messagesPerSecond)} messages/s answered, ${group(bytesPerSecond / 1e6, 2)} MB/s each way`,
    `messages    ${group(sent)} sent, ${group(answered)} answered`
  ]
  if (latency !== null) {
    const from = latency.from === 'due' ? 'from when a message was due' : 'from when a message was sent: a server that stalls is asked less meanwhile; --rate shows what that hides'
    const rows = [...PERCENTILES.map((percentile) => [`p${percentile}`, toMs(latencies.percentile(percentile))] as const), ['max', latency.max] as const]
    lines.push('', `latency in ms, ${from}`, ...rows.map(([name, value]) => {
      return `  ${name.padEnd(7)}${format(value).padStart(10)}  ${'#'.repeat(Math.max(1, Math.round(value / latency.max * BAR)))}`
    }))
  }
  const faults: Array<readonly [string, number]> = [
    ...Object.entries(errors),
    ['sent and not answered', unanswered],
    ['due and never sent, as too many had no answer', unsent],
    ['came and are no answer, by their length or number', unexpected]
  ]
  const told = faults.filter(([, count]) => count > 0)
  lines.push('', told.length === 0 ? (answered > 0 ? 'no errors' : 'no answer at all') : 'errors', ...told.map(([text, count]) => `  ${group(count).padStart(8)}  ${text}`))
  return `${lines.join('\n')}\n`
}

/** The line that is shown while it runs. */
export function formatProgress (load: Pick<Measured, 'answered' | 'latencies'>, elapsed: number): string {
  if (elapsed < 0) return 'warming up'
  const rate = elapsed > 0 ? load.answered / (elapsed / 1_000) : 0
  const latency = load.answered === 0 ? '' : `, p50 ${format(toMs(load.latencies.percentile(50)))} ms, p99 ${format(toMs(load.latencies.percentile(99)))} ms`
  return `${(elapsed / 1_000).toFixed(1)} s: ${group(load.answered)} answers, ${group(rate)}/s${latency}`
}

function toMs (ns: number): number {
  return Math.round(ns / 1e3) / 1e3
}

function round (value: number): number {
  return Math.round(value * 10) / 10
}

function format (ms: number): string {
  return ms.toFixed(ms < 10 ? 3 : 1)
}

function group (value: number, digits: number = 0): string {
  return value.toLocaleString('en-US', { maximumFractionDigits: digits })
}
