// `metrics()` for prom-client, which the application brings: it is no dependency. Owns the metrics' names; numbers are read at
// each scrape, and between two scrapes nothing runs and nothing is kept.
import type { FastifyInstance } from 'fastify'
import { Meter } from '../connection/meter.ts'
import { readMetrics } from '../hub/metrics.ts'
import type { WebSocketLatencyMetrics, WebSocketMetrics } from '../../types/metrics.ts'

export interface PrometheusRegistry {
  registerMetric (metric: never): void
}

/** What prom-client's classes are made with. */
interface MetricConfig<Metric> {
  readonly name: string
  readonly help: string
  readonly labelNames?: readonly string[]
  readonly registers: readonly PrometheusRegistry[]
  readonly collect: (this: Metric) => void
}

interface Gauge {
  set (value: number): void
}

interface Counter {
  reset (): void
  inc (labels: Record<string, string>, value: number): void
}

/** What is used of the module prom-client. What goes into it is `never`, so that its own classes fit whatever they ask for besides. */
export interface PrometheusClient {
  readonly register: PrometheusRegistry
  readonly Gauge: new (config: never) => unknown
  readonly Counter: new (config: never) => unknown
}

export interface PrometheusOptions {
  /** Goes before each name. Default: none; the names begin with `websocket_`. */
  readonly prefix?: string
  /** Where to register. Default: prom-client's global registry. */
  readonly registers?: readonly PrometheusRegistry[]
}

const NOTHING: WebSocketMetrics = readMetrics(new Meter(), [], 0)

/** A counter's values, each with its labels. */
type Samples = ReadonlyArray<readonly [labels: Record<string, string>, value: number]>

const GAUGES: ReadonlyArray<{ name: string, help: string, read: (metrics: WebSocketMetrics) => number }> = [
  { name: 'connections', help: 'Open WebSocket connections', read: ({ active }) => active },
  { name: 'handshakes_pending', help: 'WebSocket handshakes that have no answer yet', read: ({ pending }) => pending },
  { name: 'buffered_bytes', help: 'Bytes that wait for slow peers in this process', read: ({ buffered }) => buffered }
]

const COUNTERS: ReadonlyArray<{ name: string, help: string, labelNames?: string[], read: (metrics: WebSocketMetrics) => Samples }> = [
  { name: 'connections_opened_total', help: 'WebSocket connections opened', read: ({ opened }) => [[{}, opened]] },
  { name: 'handshakes_refused_total', help: 'WebSocket handshakes refused, by error code or HTTP status', labelNames: ['reason'], read: ({ refused }) => labelled('reason', refused) },
  { name: 'closes_total', help: 'WebSocket connections ended, by close code', labelNames: ['code'], read: ({ closes }) => labelled('code', closes) },
  {
    name: 'messages_total',
    help: 'WebSocket messages',
    labelNames: ['direction'],
    read: ({ messagesReceived: received, messagesSent: sent }) => labelled('direction', { received, sent })
  },
  {
    name: 'bytes_total',
    help: 'Bytes of WebSocket frames, headers included',
    labelNames: ['direction'],
    read: ({ bytesReceived: received, bytesSent: sent }) => labelled('direction', { received, sent })
  },
  { name: 'messages_invalid_total', help: 'WebSocket messages that did not fit their schema', read: ({ invalid }) => [[{}, invalid]] },
  { name: 'errors_total', help: 'Faults of WebSocket connections that went to an error handler', read: ({ errors }) => [[{}, errors]] },
  { name: 'slow_consumers_total', help: 'Times that a peer had maxBufferedAmount bytes waiting', read: ({ slow }) => [[{}, slow]] },
  { name: 'messages_dropped_total', help: 'WebSocket messages that were not sent as their peer was too slow', read: ({ dropped }) => [[{}, dropped]] },
  { name: 'bytes_dropped_total', help: 'Bytes of the messages that were not sent as their peer was too slow', read: ({ droppedBytes }) => [[{}, droppedBytes]] }
]

/**
 * Registers gauges, counters and a histogram of all WebSocket connections of the instance's server with prom-client.
 *
 * May be called before or after the plugin has loaded. A second call for the same registry throws prom-client's own error,
 * unless it has another `prefix`.
 *
 * @param promClient - the module `prom-client`, 15 or newer
 * @throws when the instance has started without the plugin; before that, `ready()` rejects if the plugin does not come
 */
export function registerPrometheus (fastify: FastifyInstance, promClient: PrometheusClient, options: PrometheusOptions = {}): void {
  requirePlugin(fastify)
  const { prefix = '' } = options
  const registers = [...options.registers ?? [promClient.register]]
  const snapshot = snapshotOf(fastify)

  for (const { name, help, read } of GAUGES) {
    const config: MetricConfig<Gauge> = { name: `${prefix}websocket_${name}`, help, registers, collect () { this.set(read(snapshot())) } }
    new promClient.Gauge(config as never) // `MetricConfig` is checked above, and tests run it against the real one.
  }
  for (const { name, help, labelNames = [], read } of COUNTERS) {
    const config: MetricConfig<Counter> = {
      name: `${prefix}websocket_${name}`,
      help,
      labelNames,
      registers,
      collect () {
        // The counting is done elsewhere; here only the totals are shown.
        this.reset()
        for (const [labels, value] of read(snapshot())) this.inc(labels, value)
      }
    }
    new promClient.Counter(config as never) // as above
  }
  const latency = new LatencyHistogram(`${prefix}websocket_latency_seconds`, snapshot)
  for (const register of registers) register.registerMetric(latency as never) // as above
}

/**
 * Fails at once where it can be known already, else when the instance gets ready. For a moment after that Fastify still takes
 * hooks, which never run: there the first scrape fails.
 */
function requirePlugin (fastify: FastifyInstance): void {
  if (isServed(fastify)) return
  const check = (): void => {
    if (!isServed(fastify)) throw new Error('registerPrometheus needs fastify-typed-websocket: register it on the same instance, or on one around it')
  }
  try {
    fastify.addHook('onReady', async () => check())
  } catch {
    // It has started, and takes no hook any more: what is not there will not come.
    check()
  }
}

function isServed (fastify: FastifyInstance): boolean {
  return fastify.hasDecorator('websocket')
}

/** Makes one snapshot for all metrics of a scrape: prom-client asks them one behind the other. */
function snapshotOf (fastify: FastifyInstance): () => WebSocketMetrics {
  let current: WebSocketMetrics | undefined
  return () => {
    if (current !== undefined) return current
    // A scrape that does not come through this instance may come before the plugin has loaded.
    requirePlugin(fastify)
    const fresh = isServed(fastify) ? fastify.websocket.metrics() : NOTHING
    queueMicrotask(() => { current = undefined })
    current = fresh
    return fresh
  }
}

function labelled (label: string, table: Readonly<Record<string, number>>): Samples {
  return Object.entries(table).map(([name, value]) => [{ [label]: name }, value])
}

/** A metric as a registry of prom-client reads it. Its own Histogram can only be given one observation after the other. */
class LatencyHistogram {
  readonly type = 'histogram'
  readonly aggregator = 'sum'
  readonly help = 'Round trips of the WebSocket heartbeat\'s pings'
  readonly name: string
  readonly #snapshot: () => WebSocketMetrics

  constructor (name: string, snapshot: () => WebSocketMetrics) {
    this.name = name
    this.#snapshot = snapshot
  }

  async get (): Promise<object> {
    const { name, help, type, aggregator } = this
    return { name, help, type, aggregator, values: this.#values(this.#snapshot().latency) }
  }

  /** For `registry.resetMetrics()`: as the counters, it shows the whole again at the next scrape. */
  reset (): void {}

  #values ({ buckets, sum, count }: WebSocketLatencyMetrics): object[] {
    const bucketName = `${this.name}_bucket`
    return [
      ...buckets.map(({ le, count }) => ({ metricName: bucketName, labels: { le: le / 1_000 }, value: count })),
      { metricName: bucketName, labels: { le: '+Inf' }, value: count },
      { metricName: `${this.name}_sum`, labels: {}, value: sum / 1_000 },
      { metricName: `${this.name}_count`, labels: {}, value: count }
    ]
  }
}
