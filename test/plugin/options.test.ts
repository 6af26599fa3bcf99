import Fastify from 'fastify'
import t from 'tap'
import websocket from '../../lib/index.ts'
import { readPluginOptions, readRouteOptions } from '../../lib/plugin/options.ts'

const fn = (): void => {}

/** Each option with values that are allowed and some that are not. */
const ROUTE_ROWS: ReadonlyArray<{ name: string, good: readonly unknown[], bad: readonly unknown[], allowed: string }> = [
  { name: 'maxPayload', good: [1, 2 ** 40], bad: [0, -1, 1.5, '1', NaN, Infinity, null, 2 ** 53], allowed: 'an integer from 1 on (bytes)' },
  { name: 'closeTimeout', good: [0, 2 ** 31 - 1], bad: [-1, 2 ** 31, '5s', Infinity], allowed: 'an integer from 0 to 2147483647 (milliseconds)' },
  { name: 'highWaterMark', good: [0, 1e9], bad: [-1, 0.5], allowed: 'an integer from 0 on (bytes)' },
  { name: 'concurrency', good: [1, 100], bad: [0, true], allowed: 'an integer from 1 on' },
  { name: 'maxQueuedMessages', good: [0, 1], bad: [-1, []], allowed: 'an integer from 0 on' },
  { name: 'binary', good: [true, false], bad: [1, 'true'], allowed: 'true or false' },
  { name: 'protocols', good: [[], ['a', 'b'], fn], bad: ['a', ['a', 'a'], ['a b'], [''], [1], {}], allowed: 'an array of different subprotocol names (tokens) or a function' },
  { name: 'errorHandler', good: [fn], bad: [{}, 'x'], allowed: 'a function' },
  { name: 'validatorCompiler', good: [fn], bad: [{}], allowed: 'a function' },
  { name: 'serializerCompiler', good: [fn], bad: [{}], allowed: 'a function' }
]
const PLUGIN_ROWS: typeof ROUTE_ROWS = [
  ...ROUTE_ROWS,
  { name: 'shutdownTimeout', good: [0, 60_000], bad: [-1, 2 ** 31], allowed: 'an integer from 0 to 2147483647 (milliseconds)' },
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
  return text.replace(/[()]/g, '\\$&')
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
    code: 'FST_WS_INVALID_OPTION', message: `invalid option "shutdownTimeout" of GET /x: there is no such option, only ${ROUTE_ROWS.map(({ name }) => name).join(', ')}`
  })
})

t.test('what Fastify reads from the same object, and what is undefined, is no option', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(websocket, { prefix: '/x', logLevel: 'warn', logSerializers: {}, maxPayload: undefined } as object)
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
