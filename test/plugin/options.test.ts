import Fastify from 'fastify'
import t from 'tap'
import { MemoryEngine } from '../../lib/hub/memory-engine.ts'
import websocket from '../../lib/index.ts'
import { readPluginOptions, readRouteOptions } from '../../lib/plugin/options.ts'

const fn = (): void => {}
const CIRCULAR: unknown[] = []
CIRCULAR.push(CIRCULAR)

/** Each option with values that are allowed and some that are not. */
const ROUTE_ROWS: ReadonlyArray<{ name: string, good: readonly unknown[], bad: readonly unknown[], allowed: string }> = [
  { name: 'maxPayload', good: [1, 2 ** 40], bad: [0, -1, 1.5, '1', NaN, Infinity, null, 2 ** 53], allowed: 'an integer from 1 on (bytes)' },
  { name: 'closeTimeout', good: [0, 2 ** 31 - 1], bad: [-1, 2 ** 31, '5s', Infinity], allowed: 'an integer from 0 to 2147483647 (milliseconds)' },
  { name: 'highWaterMark', good: [0, 1e9], bad: [-1, 0.5], allowed: 'an integer from 0 on (bytes)' },
  { name: 'concurrency', good: [1, 100], bad: [0, true], allowed: 'an integer from 1 on' },
  { name: 'maxQueuedMessages', good: [0, 1], bad: [-1, []], allowed: 'an integer from 0 on' },
  { name: 'heartbeat', good: [false, {}, { interval: 1 }, { timeout: 2 ** 31 - 1 }, { interval: 5, timeout: undefined }], bad: [true, 25_000, null, [], '25s'], allowed: 'false or an object with interval and timeout' },
  { name: 'handshakeTimeout', good: [1, 2 ** 31 - 1], bad: [0, -1, 2 ** 31, false, Infinity], allowed: 'an integer from 1 to 2147483647 (milliseconds)' },
  { name: 'maxLifetime', good: [1, 2 ** 31 - 1], bad: [0, false, 2 ** 31], allowed: 'an integer from 1 to 2147483647 (milliseconds)' },
  { name: 'maxBufferedAmount', good: [1, 2 ** 40], bad: [0, -1, Infinity, '1mb'], allowed: 'an integer from 1 on (bytes)' },
  { name: 'slowConsumer', good: ['close', 'drop', fn], bad: ['Close', true, false, null, {}], allowed: "'close', 'drop' or a function" },
  {
    name: 'rateLimit',
    good: [false, { messages: 1 }, { bytes: 1 }, { messages: 10, bytes: 1e6, perSeconds: 0.5, onLimit: 'pause' }, { messages: 1, bytes: undefined }],
    bad: [true, 10, null, {}, { perSeconds: 1 }, { messages: undefined, bytes: undefined }, [1]],
    allowed: 'false or an object with messages, bytes or both'
  },
  {
    name: 'allowedOrigins',
    good: [true, '*', 'same-origin', 'null', 'https://example.org', 'HTTPS://Example.ORG:443', 'http://[::1]:3000', 'chrome-extension://abcdef', 'file://', /x/g, fn, async () => true, [], ['same-origin', /x/]],
    bad: [false, null, 1, {}, new Set(['https://example.org']), [true], [fn], [['https://example.org']], [undefined], [,], ['https://example.org', , /x/], CIRCULAR], // eslint-disable-line no-sparse-arrays
    allowed: 'true, an origin, a regular expression, a list of both or a function'
  },
  { name: 'maxConnections', good: [1, 1e6], bad: [0, -1, Infinity, null, false], allowed: 'an integer from 1 on' },
  { name: 'maxConnectionsPerIp', good: [1], bad: [0, '1'], allowed: 'an integer from 1 on' },
  { name: 'maxPendingHandshakes', good: [1], bad: [0, Infinity], allowed: 'an integer from 1 on' },
  { name: 'fastPaths', good: [true, false, {}, { webAssembly: false }, { webAssembly: true, sharedReadBuffer: false, zlibHandles: false }], bad: [1, null, 'all', []], allowed: 'true, false or an object with webAssembly, sharedReadBuffer and zlibHandles' },
  { name: 'lendPayloads', good: [true, false], bad: [1, 'true'], allowed: 'true or false' },
  {
    name: 'perMessageDeflate',
    good: [
      true, false, {}, { threshold: 0, level: 1, memLevel: 1, serverMaxWindowBits: 8, clientMaxWindowBits: 8, maxMemory: 0 },
      { threshold: 2 ** 40, level: 9, memLevel: 9, serverMaxWindowBits: 15, clientMaxWindowBits: 15, maxMemory: 2 ** 40 },
      { serverNoContextTakeover: false, clientNoContextTakeover: false, level: undefined }
    ],
    bad: [1, null, 'true', [], new Map()],
    allowed: 'true, false or an object of options'
  },
  { name: 'topics', good: [[], [{ name: 'news' }], { allow: [] }, { allow: [{ name: 'a/:b' }], publish: true, presence: true }], bad: [true, 'news', ['news'], [null], {}, { publish: true }], allowed: 'an array of topics, as defineTopic returns them, or an object with allow, publish and presence' },
  { name: 'maxTopicsPerConnection', good: [1, 1e6], bad: [0, -1, Infinity, '128', false], allowed: 'an integer from 1 on' },
  { name: 'authorize', good: [fn, async () => true], bad: [true, {}, null], allowed: 'a function' },
  { name: 'binary', good: [true, false], bad: [1, 'true'], allowed: 'true or false' },
  { name: 'protocols', good: [[], ['a', 'b'], fn], bad: ['a', ['a', 'a'], ['a b'], [''], [1], {}, [,]], // eslint-disable-line no-sparse-arrays
    allowed: 'an array of different subprotocol names (tokens) or a function' },
  { name: 'errorHandler', good: [fn], bad: [{}, 'x'], allowed: 'a function' },
  { name: 'validatorCompiler', good: [fn], bad: [{}], allowed: 'a function' },
  { name: 'serializerCompiler', good: [fn], bad: [{}], allowed: 'a function' }
]
const PLUGIN_ROWS: typeof ROUTE_ROWS = [
  ...ROUTE_ROWS,
  { name: 'shutdownTimeout', good: [0, 60_000], bad: [-1, 2 ** 31], allowed: 'an integer from 0 to 2147483647 (milliseconds)' },
  { name: 'shutdownStagger', good: [0, 10_000], bad: [-1, 2 ** 31, true], allowed: 'an integer from 0 to 2147483647 (milliseconds)' },
  {
    name: 'topicEngine',
    good: [new MemoryEngine()],
    bad: [true, null, {}, 'redis', fn, { start: fn, publish: fn }],
    allowed: 'an object with start, publish, subscribe, unsubscribe, history, join, leave, presence, close'
  },
  { name: 'preClose', good: [fn, async () => {}], bad: ['x'], allowed: 'a function' },
  { name: 'options', good: [{}, Object.create(null)], bad: [[], 1, null, new Map()], allowed: 'an object' }
]

for (const { name, good, bad, allowed } of PLUGIN_ROWS) {
  t.test(`plugin option ${name}`, async (t) => {
    for (const value of good) {
      const app = Fastify()
      await app.register(websocket, { [name]: value } as object)
      await app.close()
    }
    for (const value of bad) {
      const app = Fastify()
      await t.rejects(async () => await app.register(websocket, { [name]: value } as object), {
        code: 'FST_WS_INVALID_OPTION', message: new RegExp(`^invalid option "${name}" of the plugin: got .+, must be ${escape(allowed)}$`)
      })
    }
  })
}

for (const { name, good, bad, allowed } of ROUTE_ROWS) {
  t.test(`route option ${name}`, async (t) => {
    const app = Fastify()
    t.teardown(() => app.close())
    await app.register(websocket)
    const add = (value: unknown, url: string) => () => app.route({ method: 'GET', url, websocket: { [name]: value } as object, handler: fn })
    for (const [n, value] of good.entries()) t.doesNotThrow(add(value, `/good/${n}`))
    for (const value of bad) {
      t.throws(add(value, '/bad'), { code: 'FST_WS_INVALID_OPTION', message: new RegExp(`^invalid option "${name}" of GET /bad: got .+, must be ${escape(allowed)}$`) } as unknown as Error)
    }
  })
}

/** What `websocket` may be on a route, with what a handler for HTTP then answers, if it is one. */
const WEBSOCKET_ROWS: ReadonlyArray<{ values: readonly unknown[], statusCode: number | undefined }> = [
  { values: [true, {}, Object.freeze({ maxPayload: 1 }), Object.create(null)], statusCode: 426 },
  { values: [undefined, false], statusCode: 200 },
  { values: [0, 1, null, '', 'true', NaN, [], [true], new Map(), Object.create({ maxPayload: 1 }), fn, 0n, Symbol('x')], statusCode: undefined }
]

for (const order of ['before', 'after'] as const) {
  t.test(`a route's websocket: true, false or an object, for routes declared ${order} the plugin has loaded`, async (t) => {
    for (const { values, statusCode } of WEBSOCKET_ROWS) {
      for (const value of values) {
        const app = Fastify()
        t.teardown(() => app.close())
        const registered = app.register(websocket)
        if (order === 'after') await registered
        const start = async (): Promise<number> => {
          app.route({ method: 'GET', url: '/x', websocket: value as boolean, handler: async () => 'x' })
          return (await app.inject('/x')).statusCode
        }
        if (statusCode !== undefined) t.equal(await start(), statusCode)
        else await t.rejects(start, { code: 'FST_WS_INVALID_OPTION', message: /^invalid option "websocket" of GET \/x: got .+, must be true, false or an object of options$/ })
      }
    }
  })
}

function escape (text: string): string {
  return text.replace(/[().]/g, '\\$&')
}

t.test('an option that does not exist', async (t) => {
  for (const name of ['maxPayloads', 'toString', 'maxConnection', '__proto__x']) {
    const app = Fastify()
    await t.rejects(async () => await app.register(websocket, { [name]: 1 } as object), {
      code: 'FST_WS_INVALID_OPTION', message: `invalid option "${name}" of the plugin: there is no such option, only ${PLUGIN_ROWS.map(({ name }) => name).join(', ')}`
    })
  }
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(websocket)
  t.throws(() => app.get('/x', { websocket: { shutdownTimeout: 1 } as object }, fn), {
    code: 'FST_WS_INVALID_OPTION', message: 'invalid option "shutdownTimeout" of GET /x: it is an option of the plugin only'
  })
  t.throws(() => app.get('/x', { websocket: { maxPayloads: 1 } as object }, fn), {
    code: 'FST_WS_INVALID_OPTION', message: `invalid option "maxPayloads" of GET /x: there is no such option, only ${ROUTE_ROWS.map(({ name }) => name).join(', ')}`
  })
  t.doesNotThrow(() => app.get('/x', { websocket: { shutdownTimeout: undefined } as object }, fn))
})

t.test('what Fastify reads from the same object, and what is undefined, is no option', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(websocket, { prefix: '/x', logLevel: 'warn', logSerializers: {}, maxPayload: undefined } as object)
})

/** What is in an option is named with it. */
const NESTED_ROWS: ReadonlyArray<[options: object, name: string, rest: string]> = [
  [{ heartbeat: { interval: 0 } }, 'heartbeat.interval', 'got 0, must be an integer from 1 to 2147483647 (milliseconds)'],
  [{ heartbeat: { timeout: '1s' } }, 'heartbeat.timeout', 'got "1s", must be an integer from 1 to 2147483647 (milliseconds)'],
  [{ heartbeat: { every: 1 } }, 'heartbeat.every', 'there is no such option, only interval, timeout'],
  [{ rateLimit: { messages: 0 } }, 'rateLimit.messages', 'got 0, must be an integer from 1 on'],
  [{ rateLimit: { messages: null } }, 'rateLimit.messages', 'got null, must be an integer from 1 on'],
  [{ rateLimit: { bytes: Infinity } }, 'rateLimit.bytes', 'got Infinity, must be an integer from 1 on'],
  [{ rateLimit: { messages: 1, perSeconds: 0 } }, 'rateLimit.perSeconds', 'got 0, must be a number over 0'],
  [{ rateLimit: { messages: 1, perSeconds: '1' } }, 'rateLimit.perSeconds', 'got "1", must be a number over 0'],
  [{ rateLimit: { messages: 1, onLimit: 'drop' } }, 'rateLimit.onLimit', 'got "drop", must be \'close\' or \'pause\''],
  [{ rateLimit: { messages: 1, burst: 1 } }, 'rateLimit.burst', 'there is no such option, only messages, bytes, perSeconds, onLimit'],
  ...([
    ['threshold', [-1, 0.5, '1kb', Infinity], 'an integer from 0 on (bytes)'],
    ['level', [0, 10, -1, 1.5, '6'], 'an integer from 1 to 9'],
    ['memLevel', [0, 10, true], 'an integer from 1 to 9'],
    ['serverNoContextTakeover', [1, 'true', null], 'true or false'],
    ['clientNoContextTakeover', [0], 'true or false'],
    ['serverMaxWindowBits', [7, 16, true, '15', 9.5], 'an integer from 8 to 15'],
    ['clientMaxWindowBits', [7, 16, false], 'an integer from 8 to 15'],
    ['maxMemory', [-1, '64mb', NaN], 'an integer from 0 on (bytes)']
  ] as const).flatMap(([name, values, allowed]) => values.map((value): [object, string, string] => (
    [{ perMessageDeflate: { [name]: value } }, `perMessageDeflate.${name}`, `got ${typeof value === 'string' ? `"${value}"` : value}, must be ${allowed}`]
  ))),
  [{ perMessageDeflate: { windowBits: 9 } }, 'perMessageDeflate.windowBits', 'there is no such option, only threshold, level, memLevel, serverNoContextTakeover, clientNoContextTakeover, serverMaxWindowBits, clientMaxWindowBits, maxMemory']
]

t.test('wrong values inside of options', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(websocket)
  for (const [options, name, rest] of NESTED_ROWS) {
    t.throws(() => readPluginOptions(options), { code: 'FST_WS_INVALID_OPTION', message: `invalid option "${name}" of the plugin: ${rest}` })
    t.throws(() => app.get('/x', { websocket: options }, fn), { code: 'FST_WS_INVALID_OPTION', message: `invalid option "${name}" of GET /x: ${rest}` })
  }
})

t.test('route over plugin over defaults', async (t) => {
  const app = Fastify({ bodyLimit: 1_000 })
  t.teardown(() => app.close())
  const defaults = { closeTimeout: 5_000, highWaterMark: 65_536, concurrency: 1, maxQueuedMessages: 16, binary: false, maxPayload: 1_000 }
  const plugin = readPluginOptions({ closeTimeout: 1, concurrency: 2 })
  t.equal(readPluginOptions({}).shutdownTimeout, 10_000)
  t.match(readRouteOptions(true, 'x', readPluginOptions({}), undefined, app), defaults)
  t.match(readRouteOptions({ concurrency: 3, binary: undefined }, 'x', plugin, 500, app), { ...defaults, closeTimeout: 1, concurrency: 3, maxPayload: 500 })
  t.match(readRouteOptions({ maxPayload: 7 }, 'x', readPluginOptions({ maxPayload: 9 }), 500, app), { maxPayload: 7 })
  t.match(readRouteOptions(undefined, 'x', readPluginOptions({ maxPayload: 9 }), 500, app), { maxPayload: 9 })
  const plain = Fastify()
  t.equal(readRouteOptions(true, 'x', plugin, undefined, plain).maxPayload, 1_048_576)
  await plain.close()
})

t.test('defaults of the limits', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  const plugin = readPluginOptions({})
  t.match(plugin, { shutdownTimeout: 10_000, shutdownStagger: 0, maxPendingHandshakes: 1_000 })
  const route = readRouteOptions(true, 'x', plugin, undefined, app)
  t.match(route, {
    heartbeat: { interval: 25_000, timeout: 20_000 },
    handshakeTimeout: 10_000,
    maxBufferedAmount: 1_048_576,
    slowConsumer: 'close',
    rateLimit: false,
    allowedOrigins: 'same-origin',
    fastPaths: { webAssembly: true, sharedReadBuffer: true, zlibHandles: true },
    lendPayloads: false,
    perMessageDeflate: false,
    maxTopicsPerConnection: 128
  })
  for (const name of ['maxLifetime', 'maxConnections', 'maxConnectionsPerIp', 'maxPendingHandshakes']) t.notOk(name in route, name)
})

t.test('heartbeats: field by field, and switched off and on again', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  const rows: ReadonlyArray<[plugin: unknown, route: unknown, expected: unknown]> = [
    [{ interval: 5 }, undefined, { interval: 5, timeout: 20_000 }],
    [{ interval: 5 }, {}, { interval: 5, timeout: 20_000 }],
    [{ interval: 5 }, { timeout: 6 }, { interval: 5, timeout: 6 }],
    [{ interval: 5, timeout: 6 }, { timeout: 7, interval: undefined }, { interval: 5, timeout: 7 }],
    [{ interval: 5 }, false, false],
    [false, undefined, false],
    [false, {}, { interval: 25_000, timeout: 20_000 }],
    [false, { timeout: 6 }, { interval: 25_000, timeout: 6 }],
    [undefined, false, false]
  ]
  for (const [plugin, route, expected] of rows) {
    t.same(readRouteOptions({ heartbeat: route }, 'x', readPluginOptions({ heartbeat: plugin }), undefined, app).heartbeat, expected)
  }
})

t.test('fast paths: field by field, and all at once', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  const all = (webAssembly: boolean, sharedReadBuffer: boolean, zlibHandles: boolean): object => ({ webAssembly, sharedReadBuffer, zlibHandles })
  const rows: ReadonlyArray<[plugin: unknown, route: unknown, expected: unknown]> = [
    [undefined, undefined, all(true, true, true)],
    [false, undefined, all(false, false, false)],
    [false, true, all(true, true, true)],
    [{ sharedReadBuffer: false }, undefined, all(true, false, true)],
    [{ sharedReadBuffer: false }, { webAssembly: false }, all(false, false, true)],
    [{ zlibHandles: false }, { webAssembly: false }, all(false, true, false)],
    [{ sharedReadBuffer: false }, { sharedReadBuffer: true, webAssembly: undefined }, all(true, true, true)],
    [undefined, false, all(false, false, false)]
  ]
  for (const [plugin, route, expected] of rows) {
    t.same(readRouteOptions({ fastPaths: route }, 'x', readPluginOptions({ fastPaths: plugin }), undefined, app).fastPaths, expected)
  }
  t.throws(() => readPluginOptions({ fastPaths: { wasm: true } }), { code: 'FST_WS_INVALID_OPTION', message: /"fastPaths\.wasm" of the plugin: there is no such option, only webAssembly, sharedReadBuffer, zlibHandles/ })
})

t.test('compression: field by field, and switched on and off', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  const defaults = {
    threshold: 1_024, level: 1, memLevel: 8, serverNoContextTakeover: true, clientNoContextTakeover: true, serverMaxWindowBits: 15, clientMaxWindowBits: 15, maxMemory: 67_108_864
  }
  const others = {
    threshold: 0, level: 9, memLevel: 9, serverNoContextTakeover: false, clientNoContextTakeover: false, serverMaxWindowBits: 8, clientMaxWindowBits: 9, maxMemory: 0
  }
  const rows: ReadonlyArray<[plugin: unknown, route: unknown, expected: unknown]> = [
    [undefined, undefined, false],
    [undefined, true, defaults],
    [undefined, {}, defaults],
    [undefined, false, false],
    [true, undefined, defaults],
    [true, {}, defaults],
    [true, { level: 6 }, { ...defaults, level: 6 }],
    [true, false, false],
    [false, undefined, false],
    [false, true, defaults],
    [false, { threshold: 0, maxMemory: undefined }, { ...defaults, threshold: 0 }],
    [others, undefined, others],
    [others, {}, others],
    [others, true, others],
    [others, false, false],
    [{ level: 6, clientNoContextTakeover: false }, { clientNoContextTakeover: true, memLevel: 9, level: undefined }, { ...defaults, level: 6, memLevel: 9 }],
    ...Object.keys(others).flatMap((name): Array<[unknown, unknown, unknown]> => {
      const [own, changed] = [{ [name]: Reflect.get(others, name) }, { ...defaults, [name]: Reflect.get(others, name) }]
      return [[own, undefined, changed], [own, {}, changed], [true, own, changed], [others, { ...defaults, ...own }, changed]]
    })
  ]
  for (const [plugin, route, expected] of rows) {
    const settings = readRouteOptions({ perMessageDeflate: route }, 'x', readPluginOptions({ perMessageDeflate: plugin }), undefined, app)
    t.strictSame(settings.perMessageDeflate, expected)
  }
})

t.test('rate limits: as a whole', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  const rows: ReadonlyArray<[plugin: unknown, route: unknown, expected: unknown]> = [
    [{ messages: 5 }, undefined, { messages: 5, perSeconds: 1, onLimit: 'close' }],
    [{ messages: 5, perSeconds: 10, onLimit: 'pause' }, { bytes: 6 }, { bytes: 6, perSeconds: 1, onLimit: 'close' }],
    [{ messages: 5 }, false, false],
    [false, { messages: 5, bytes: undefined, perSeconds: 0.5, onLimit: 'pause' }, { messages: 5, perSeconds: 0.5, onLimit: 'pause' }],
    [undefined, undefined, false]
  ]
  for (const [plugin, route, expected] of rows) {
    t.strictSame(readRouteOptions({ rateLimit: route }, 'x', readPluginOptions({ rateLimit: plugin }), undefined, app).rateLimit, expected)
  }
})

t.test('caps: a route has its own only', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  const plugin = readPluginOptions({ maxConnections: 5, maxConnectionsPerIp: 2, maxPendingHandshakes: 3 })
  t.match(plugin, { maxConnections: 5, maxConnectionsPerIp: 2, maxPendingHandshakes: 3 })
  const route = readRouteOptions({ maxConnections: 4 }, 'x', plugin, undefined, app)
  t.equal(route.maxConnections, 4)
  for (const name of ['maxConnectionsPerIp', 'maxPendingHandshakes']) t.notOk(name in route, name)
})

t.test('the stagger fits into the shutdown', async (t) => {
  t.equal(readPluginOptions({ shutdownTimeout: 5, shutdownStagger: 5 }).shutdownStagger, 5)
  const code = 'FST_WS_INVALID_OPTION'
  t.throws(() => readPluginOptions({ shutdownTimeout: 5, shutdownStagger: 6 }), { code, message: 'invalid option "shutdownStagger" of the plugin: got 6, must be at most shutdownTimeout, which is 5' })
  t.throws(() => readPluginOptions({ shutdownStagger: 10_001 }), { code, message: 'invalid option "shutdownStagger" of the plugin: got 10001, must be at most shutdownTimeout, which is 10000' })
})

t.test('what the application does to its objects later changes nothing', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  const given = { heartbeat: { interval: 5 }, rateLimit: { messages: 5 }, perMessageDeflate: { level: 5 } }
  const settings = readRouteOptions(given, 'x', readPluginOptions({}), undefined, app)
  given.heartbeat.interval = 0
  given.rateLimit.messages = 0
  given.perMessageDeflate.level = 0
  t.match(settings, { heartbeat: { interval: 5 }, rateLimit: { messages: 5 }, perMessageDeflate: { level: 5 } })
})
