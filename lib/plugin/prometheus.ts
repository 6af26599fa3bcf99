// `metrics()` for prom-client, which the application brings: it is no dependency. Owns the metrics' names; numbers are read at
// each scrape, and between two scrapes nothing runs and nothing is kept.
import type { FastifyInstance } from 'fastify'
import { Meter } from '../connection/meter.ts'
import { readMetrics } from '../hub/metrics.ts'
import { UsageError } from '../protocol/errors.ts'
import type { WebSocketLatencyMetrics, WebSocketMetrics } from '../../types/metrics.ts'

export interface PrometheusRegistry {
  registerMetric (metric: never): void
  getSingleMetric (name: string): unknown
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
  { name: 'buffered_bytes', help: 'Bytes that wait for slow peers in this process', read: ({ buffered }) => buffered },
  { name: 'deflate_connections', help: 'Open WebSocket connections with permessage-deflate', read: ({ deflating }) => deflating },
  { name: 'deflate_memory_bytes', help: 'Memory that permessage-deflate may take in this process', read: ({ deflateMemory }) => deflateMemory }
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
  { name: 'bytes_dropped_total', help: 'Bytes of the messages that were not sent as their peer was too slow', read: ({ droppedBytes }) => [[{}, droppedBytes]] },
  { name: 'deflate_declined_total', help: 'WebSocket connections without permessage-deflate for want of memory', read: ({ deflateDeclined }) => [[{}, deflateDeclined]] }
]

const LATENCY = 'latency_seconds'

/**
 * Registers gauges, counters and a histogram of all WebSocket connections of the instance's server with prom-client.
 *
 * May be called before or after the plugin has loaded. When it throws, nothing has been registered.
 *
 * @param promClient - the module `prom-client`, 15 or newer
 * @throws {UsageError} `FST_WS_INVALID_ARGUMENT` for what cannot be used, and for a name that one of the registries has already: a
 * second call for the same registry needs another `prefix`
 * @throws when the instance has started without the plugin; before that, `ready()` rejects if the plugin does not come
 */
export function registerPrometheus (fastify: FastifyInstance, promClient: PrometheusClient, options: PrometheusOptions = {}): void {
  const { prefix, registers } = checkArguments(promClient, options)
  requirePlugin(fastify)
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
  const latency = new LatencyHistogram(`${prefix}websocket_${LATENCY}`, snapshot)
  for (const register of registers) register.registerMetric(latency as never) // as above
}

/**
 * Fills the defaults in. Applications without types call this as well, and what prom-client says of a wrong argument is about its insides.
 *
 * @throws {UsageError} `FST_WS_INVALID_ARGUMENT`
 */
function checkArguments (promClient: PrometheusClient, options: PrometheusOptions): Required<PrometheusOptions> {
  if (typeof options !== 'object' || options === null) throw invalid('options must be an object with prefix, registers or both')
  const { prefix = '', registers } = options
  if (typeof prefix !== 'string' || !/^(?:[a-z_:][\w:]*)?$/i.test(prefix)) throw invalid('prefix must be a string that a metric\'s name can begin with')
  const isClient = isClientModule(promClient) && (registers !== undefined || isRegistry(promClient.register))
  if (!isClient) throw invalid('promClient must be the module prom-client, as by import * as promClient from \'prom-client\'')
  const used: unknown = registers ?? [promClient.register]
  // A copy has no gaps.
  if (!Array.isArray(used) || !Array.from(used).every(isRegistry)) throw invalid('registers must be an array of registries of prom-client')
  const names = [...GAUGES, ...COUNTERS].map(({ name }) => name)
  for (const name of [...names, LATENCY]) checkName(`${prefix}websocket_${name}`, used)
  return { prefix, registers: [...used] }
}

/** prom-client would find it out too, but in the middle. */
function checkName (name: string, registers: readonly PrometheusRegistry[]): void {
  if (registers.every(register => register.getSingleMetric(name) === undefined)) return
  throw invalid(`a metric with the name ${name} has already been registered; give another prefix or registry`)
}

function isClientModule (value: unknown): boolean {
  return typeof value === 'object' && value !== null && ['Gauge', 'Counter'].every(name => typeof Reflect.get(value, name) === 'function')
}

function isRegistry (value: unknown): value is PrometheusRegistry {
  return typeof value === 'object' && value !== null && ['registerMetric', 'getSingleMetric'].every(name => typeof Reflect.get(value, name) === 'function')
}

function invalid (detail: string): UsageError {
  return new UsageError('FST_WS_INVALID_ARGUMENT', detail)
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
