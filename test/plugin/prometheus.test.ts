import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import Fastify from 'fastify'
import * as promClient from 'prom-client'
import promClientDefault from 'prom-client'
import t from 'tap'
import type { Test } from 'tap'
import { LATENCY_BOUNDS } from '../../lib/connection/meter.ts'
import websocket from '../../lib/index.ts'
import type { Hub } from '../../lib/hub/hub.ts'
import { registerPrometheus } from '../../lib/plugin/prometheus.ts'
import { makeApp, until } from '../helpers/app.ts'
import { openFrames } from '../helpers/frame-client.ts'
import { encodeFrame } from '../helpers/wire-frames.ts'

/** The samples of an exposition: name and labels to value. */
function samplesOf (text: string): Record<string, string> {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return Object.fromEntries(lines.map((line) => {
    const space = line.lastIndexOf(' ')
    return [line.slice(0, space), line.slice(space + 1)]
  }))
}

async function scrape (register: promClient.Registry): Promise<Record<string, string>> {
  return samplesOf(await register.metrics())
}

/** An instance with the plugin and a registry of its own, so that tests do not meet. */
async function makeServer (t: Test) {
  const register = new promClient.Registry()
  const { app, listen } = await makeApp(t)
  registerPrometheus(app, promClient, { registers: [register] })
  // The types of what the application sees have no meter.
  return { app, register, listen, meter: (app.websocket as Hub).meter }
}

t.test('every name is there from the first scrape on, with its kind and its help', async (t) => {
  const { register } = await makeServer(t)
  const text = await register.metrics()
  const kinds = Object.fromEntries([...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, kind]) => [name, kind]))
  t.strictSame(kinds, {
    websocket_connections: 'gauge',
    websocket_handshakes_pending: 'gauge',
    websocket_buffered_bytes: 'gauge',
    websocket_deflate_connections: 'gauge',
    websocket_deflate_memory_bytes: 'gauge',
    websocket_connections_opened_total: 'counter',
    websocket_handshakes_refused_total: 'counter',
    websocket_closes_total: 'counter',
    websocket_messages_total: 'counter',
    websocket_bytes_total: 'counter',
    websocket_messages_invalid_total: 'counter',
    websocket_errors_total: 'counter',
    websocket_slow_consumers_total: 'counter',
    websocket_messages_dropped_total: 'counter',
    websocket_bytes_dropped_total: 'counter',
    websocket_deflate_declined_total: 'counter',
    websocket_latency_seconds: 'histogram'
  })
  t.equal([...text.matchAll(/^# HELP \S+ \S.*$/gm)].length, Object.keys(kinds).length)
  t.match(await scrape(register), {
    websocket_connections: '0',
    websocket_connections_opened_total: '0',
    'websocket_messages_total{direction="received"}': '0',
    'websocket_messages_total{direction="sent"}': '0',
    websocket_latency_seconds_count: '0',
    websocket_latency_seconds_sum: '0',
    'websocket_latency_seconds_bucket{le="+Inf"}': '0'
  })
})

t.test('each number comes under its own name', async (t) => {
  const { register, meter } = await makeServer(t)
  Object.assign(meter, {
    opened: 2, messagesReceived: 3, messagesSent: 4, bytesReceived: 5, bytesSent: 6, invalid: 7, errors: 8, slow: 9, dropped: 10, droppedBytes: 11,
    deflating: 12, deflateDeclined: 13
  })
  for (const reason of ['403', 'FST_WS_FOREIGN_ORIGIN', '403']) meter.noteRefused(reason)
  for (const code of [1000, 1000, 1006]) meter.noteClose(code)
  for (const ms of [2, 30, 30, 60_000]) meter.noteLatency(ms)
  const samples = await scrape(register)
  t.match(samples, {
    websocket_connections_opened_total: '2',
    'websocket_messages_total{direction="received"}': '3',
    'websocket_messages_total{direction="sent"}': '4',
    'websocket_bytes_total{direction="received"}': '5',
    'websocket_bytes_total{direction="sent"}': '6',
    websocket_messages_invalid_total: '7',
    websocket_errors_total: '8',
    websocket_slow_consumers_total: '9',
    websocket_messages_dropped_total: '10',
    websocket_bytes_dropped_total: '11',
    websocket_deflate_connections: '12',
    websocket_deflate_declined_total: '13',
    'websocket_handshakes_refused_total{reason="403"}': '2',
    'websocket_handshakes_refused_total{reason="FST_WS_FOREIGN_ORIGIN"}': '1',
    'websocket_closes_total{code="1000"}': '2',
    'websocket_closes_total{code="1006"}': '1',
    websocket_latency_seconds_count: '4',
    websocket_latency_seconds_sum: '60.062',
    'websocket_latency_seconds_bucket{le="0.001"}': '0',
    'websocket_latency_seconds_bucket{le="0.0025"}': '1',
    'websocket_latency_seconds_bucket{le="0.025"}': '1',
    'websocket_latency_seconds_bucket{le="0.05"}': '3',
    'websocket_latency_seconds_bucket{le="20"}': '3',
    'websocket_latency_seconds_bucket{le="+Inf"}': '4'
  })
  t.equal(Object.keys(samples).filter((name) => name.startsWith('websocket_latency_seconds_bucket')).length, LATENCY_BOUNDS.length + 1)
  t.strictSame(await scrape(register), samples, 'a second scrape counts nothing twice')
  meter.messagesSent = 40
  t.match(await scrape(register), { 'websocket_messages_total{direction="sent"}': '40' })
  register.resetMetrics()
  t.match(await scrape(register), { 'websocket_messages_total{direction="sent"}': '40' }, 'a reset of the registry forgets nothing')
})

t.test('real connections, scraped by a route', async (t) => {
  const { app, register, listen } = await makeServer(t)
  app.get('/echo', { websocket: true }, (connection) => { connection.on('message', (message) => { connection.send(message) }) })
  app.get('/metrics', async (_request, reply) => {
    reply.header('content-type', register.contentType)
    return await register.metrics()
  })
  const port = await listen()
  const client = await openFrames({ port, path: '/echo' })
  t.teardown(() => client.destroy())
  await client.write(encodeFrame({ opcode: 1, payload: 'hello' }))
  await client.untilFrames(1)
  const read = async (): Promise<Record<string, string>> => samplesOf((await app.inject('/metrics')).body)
  t.match(await read(), {
    websocket_connections: '1',
    websocket_connections_opened_total: '1',
    'websocket_messages_total{direction="received"}': '1',
    'websocket_messages_total{direction="sent"}': '1',
    'websocket_bytes_total{direction="received"}': '11',
    'websocket_bytes_total{direction="sent"}': '7'
  })
  client.reset()
  await until(() => app.websocket.connections.size === 0)
  t.match(await read(), { websocket_connections: '0', websocket_connections_opened_total: '1', 'websocket_closes_total{code="1006"}': '1' })
})

t.test('the module comes as a namespace or as its default, and the global registry is the default', async (t) => {
  const { app } = await makeApp(t)
  registerPrometheus(app, promClientDefault)
  t.teardown(() => promClient.register.clear())
  t.match(await scrape(promClient.register), { websocket_connections: '0' })
})

t.test('what cannot be used is named, and nothing is registered', async (t) => {
  const { app } = await makeApp(t, { plugin: false })
  const register = new promClient.Registry()
  const rows: ReadonlyArray<[name: string, promClient: unknown, options: unknown, message: RegExp]> = [
    ['no module', undefined, undefined, /^invalid argument: promClient must be the module prom-client/],
    ['an empty one', {}, undefined, /promClient must be/],
    ['one inside another', { default: promClient }, undefined, /promClient must be/],
    ['a registry', register, undefined, /promClient must be/],
    ['a class that is none', { ...promClient, Counter: {} }, { registers: [register] }, /promClient must be/],
    ['a module without a registry of its own', { Gauge: promClient.Gauge, Counter: promClient.Counter }, undefined, /promClient must be/],
    ['options that are none', promClient, 5, /options must be an object/],
    ['null', promClient, null, /options must be an object/],
    ['a registry alone', promClient, { registers: register }, /registers must be an array of registries/],
    ['a string', promClient, { registers: 'abc' }, /registers must be/],
    ['no registry in the list', promClient, { registers: [register, {}] }, /registers must be/],
    ['an empty place in the list', promClient, { registers: [register, , register] }, /registers must be/], // eslint-disable-line no-sparse-arrays
    ['a prefix that is none', promClient, { registers: [register], prefix: 5 }, /prefix must be a string/],
    ['a prefix that is in no name', promClient, { registers: [register], prefix: 'a b' }, /prefix must be/]
  ]
  for (const [name, client, options, message] of rows) {
    // A caller in JavaScript.
    t.throws(() => registerPrometheus(app, client as typeof promClient, options as object), { name: 'UsageError', code: 'FST_WS_INVALID_ARGUMENT', message }, name)
  }
  t.same(register.getMetricsAsArray(), [])
  t.same(promClient.register.getMetricsAsArray(), [])
  await app.ready()
})

t.test('a name that is taken leaves all others unregistered', async (t) => {
  const { app } = await makeApp(t)
  for (const taken of ['websocket_connections', 'websocket_closes_total', 'websocket_latency_seconds']) {
    const registers = [new promClient.Registry(), new promClient.Registry()] as const
    const mine = new promClient.Gauge({ name: taken, help: 'mine', registers: [registers[1]] })
    t.throws(() => registerPrometheus(app, promClient, { registers }), {
      code: 'FST_WS_INVALID_ARGUMENT', message: `invalid argument: a metric with the name ${taken} has already been registered; give another prefix or registry`
    })
    t.same(registers[0].getMetricsAsArray(), [])
    t.same(registers[1].getMetricsAsArray(), [mine])
  }
})

t.test('twice on one registry is an error; a prefix makes room for another', async (t) => {
  const { app, register } = await makeServer(t)
  t.throws(() => registerPrometheus(app, promClient, { registers: [register] }), { code: 'FST_WS_INVALID_ARGUMENT', message: /websocket_\w+ has already been registered/ })
  registerPrometheus(app, promClient, { registers: [register], prefix: 'chat_' })
  t.match(await scrape(register), { websocket_connections: '0', chat_websocket_connections: '0', chat_websocket_latency_seconds_count: '0' })
})

t.test('several registries show the same', async (t) => {
  const { app, meter } = await makeServer(t)
  const registers = [new promClient.Registry(), new promClient.Registry()]
  registerPrometheus(app, promClient, { registers })
  meter.opened = 5
  meter.noteLatency(3)
  const [first = {}, second] = await Promise.all(registers.map(scrape))
  t.match(first, { websocket_connections_opened_total: '5', websocket_latency_seconds_count: '1' })
  t.strictSame(first, second)
})

t.test('default labels, OpenMetrics and the sum of a cluster', async (t) => {
  const { app, meter } = await makeServer(t)
  const register = new promClient.Registry<promClient.OpenMetricsContentType>()
  register.setContentType(promClient.Registry.OPENMETRICS_CONTENT_TYPE)
  register.setDefaultLabels({ host: 'a' })
  registerPrometheus(app, promClient, { registers: [register] })
  meter.opened = 2
  meter.noteLatency(3)
  const text = await register.metrics()
  t.match(text, '# TYPE websocket_connections_opened counter\n')
  t.match(text, 'websocket_connections_opened_total{host="a"} 2\n')
  t.match(text, 'websocket_latency_seconds_bucket{le="0.005",host="a"} 1\n')

  const plain = new promClient.Registry()
  registerPrometheus(app, promClient, { registers: [plain] })
  const workers = [await plain.getMetricsAsJSON(), await plain.getMetricsAsJSON()]
  const samples = samplesOf(await promClient.AggregatorRegistry.aggregate(workers).metrics())
  t.match(samples, {
    websocket_connections_opened_total: '4',
    websocket_latency_seconds_count: '2',
    'websocket_latency_seconds_bucket{le="0.005"}': '2',
    'websocket_latency_seconds_bucket{le="0.001"}': '0'
  })
})

t.test('one scrape is one look at the connections', async (t) => {
  const { app, register } = await makeServer(t)
  let calls = 0
  const hub = app.websocket as Hub // as above
  const original = hub.metrics.bind(hub)
  hub.metrics = () => {
    calls++
    return original()
  }
  await register.metrics()
  t.equal(calls, 1)
  await register.metrics()
  t.equal(calls, 2, 'and the next a fresh one')
})

t.test('before the plugin has loaded, and after all is ready', async (t) => {
  const early = new promClient.Registry()
  const app = Fastify()
  t.teardown(() => app.close())
  app.register(websocket)
  registerPrometheus(app, promClient, { registers: [early] })
  t.match(await scrape(early), { websocket_connections: '0' }, 'a scrape that comes too early finds nothing, and no error')
  await app.ready()
  const meter = (app.websocket as Hub).meter // as above
  meter.opened = 3
  t.match(await scrape(early), { websocket_connections_opened_total: '3' })
  const late = new promClient.Registry()
  registerPrometheus(app, promClient, { registers: [late] })
  t.match(await scrape(late), { websocket_connections_opened_total: '3' })
})

t.test('without the plugin it says so', async (t) => {
  const message = /registerPrometheus needs fastify-typed-websocket/
  const make = (): { app: ReturnType<typeof Fastify>, register: promClient.Registry } => {
    const app = Fastify()
    t.teardown(() => app.close())
    return { app, register: new promClient.Registry() }
  }

  const loading = make()
  registerPrometheus(loading.app, promClient, { registers: [loading.register] })
  await t.rejects(async () => await loading.app.ready(), { message }, 'when all has loaded')

  const ready = make()
  await ready.app.ready()
  // Fastify has not started quite yet: it takes a hook, and will not run it.
  registerPrometheus(ready.app, promClient, { registers: [ready.register] })
  await new Promise((resolve) => setImmediate(resolve))
  await t.rejects(ready.register.metrics(), { message }, 'by the first scrape')

  const started = make()
  await started.app.listen({ port: 0, host: '127.0.0.1' })
  t.throws(() => registerPrometheus(started.app, promClient, { registers: [started.register] }), { message }, 'at once')
  t.strictSame(started.register.getMetricsAsArray(), [], 'and leaves nothing behind')
})

t.test('in a context of its own it is that context\'s server', async (t) => {
  const register = new promClient.Registry()
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(async (child) => {
    await child.register(websocket)
    registerPrometheus(child, promClient, { registers: [register] })
    const meter = (child.websocket as Hub).meter // as above
    meter.opened = 1
  })
  await app.ready()
  t.match(await scrape(register), { websocket_connections_opened_total: '1' })
})

t.test('nothing runs between two scrapes: a process ends by itself', async (t) => {
  const lib = new URL('../../lib/index.js', import.meta.url)
  const code = `
    import Fastify from 'fastify'
    import promClient from 'prom-client'
    import websocket from ${JSON.stringify(lib.href)}
    import { registerPrometheus } from ${JSON.stringify(new URL('./plugin/prometheus.js', lib).href)}
    const app = Fastify()
    await app.register(websocket)
    registerPrometheus(app, promClient)
    await app.ready()
    await promClient.register.metrics()`
  const { stderr } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', code], { timeout: 60_000 })
  t.equal(stderr, '')
})
