import { once } from 'node:events'
import t from 'tap'
import Fastify from 'fastify'
import websocket from '../../lib/index.ts'
import { mergeCompatibleOptions, readCompatibleOptions } from '../../lib/plugin/compat.ts'
import { readPluginOptions, readRouteOptions } from '../../lib/plugin/options.ts'
import { makeApp } from '../helpers/app.ts'

t.test('options that @fastify/websocket takes', async (t) => {
  const { app, logs } = await makeApp(t, {
    plugin: { options: { maxPayload: 10, path: '/x', clientTracking: false, perMessageDeflate: false, skipUTF8Validation: false, noServer: false } as object }
  })
  app.get('/ws', { websocket: true }, () => {})
  app.get('/own', { websocket: { maxPayload: 20 } }, (connection) => { connection.on('message', () => { connection.close(4000) }) })
  t.match(logs.filter(({ level }) => level === 40), [{ msg: 'ws server path option shouldn\'t be provided, use a route instead' }])
  for (const [path, code] of [['/ws', 1009], ['/own', 4000]] as const) {
    const client = await app.injectWS(path)
    const closed = once(client, 'close')
    client.send('x'.repeat(11))
    t.equal((await closed)[0], code)
  }
})

t.test('the same name outside of options goes first', async (t) => {
  const { app } = await makeApp(t, { plugin: { maxPayload: 20, protocols: ['b'], options: { maxPayload: 10, handleProtocols: () => 'a' } } })
  app.get('/ws', { websocket: true }, (connection) => { connection.on('message', (message) => { connection.send(message) }) })
  const client = await app.injectWS('/ws', { protocols: ['a', 'b'] })
  t.equal(client.protocol, 'b')
  client.send('x'.repeat(11))
  t.equal((await once(client, 'message'))[0].length, 11)
})

t.test('handleProtocols is asked when there is something to choose', async (t) => {
  const calls: unknown[] = []
  const { app } = await makeApp(t, {
    plugin: {
      options: {
        handleProtocols: (offered, request) => {
          calls.push([[...offered], request.url])
          return offered.has('a') ? 'a' : false
        }
      }
    }
  })
  app.get('/ws', { websocket: true }, () => {})
  t.equal((await app.injectWS('/ws', { protocols: ['x', 'a'] })).protocol, 'a')
  t.equal((await app.injectWS('/ws', { protocols: 'x' })).protocol, '')
  t.equal((await app.injectWS('/ws')).protocol, '')
  t.same(calls, [[['x', 'a'], '/ws'], [['x'], '/ws']])
})

t.test('perMessageDeflate becomes the option outside', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  const all = readRouteOptions({ perMessageDeflate: true }, 'x', readPluginOptions({}), undefined, app).perMessageDeflate
  const base = { ...(all === false ? {} : all) }
  const rows: ReadonlyArray<[given: unknown, want: unknown, outside?: unknown, route?: unknown]> = [
    [undefined, false],
    [false, false],
    [true, base],
    [{}, base],
    [{ zlibDeflateOptions: {} }, base],
    [
      { threshold: 5, serverNoContextTakeover: false, clientNoContextTakeover: false, serverMaxWindowBits: 10, clientMaxWindowBits: 11, zlibDeflateOptions: { level: 3, memLevel: 7 } },
      { ...base, threshold: 5, serverNoContextTakeover: false, clientNoContextTakeover: false, serverMaxWindowBits: 10, clientMaxWindowBits: 11, level: 3, memLevel: 7 }
    ],
    [{ zlibDeflateOptions: { level: -1 } }, { ...base, level: 6 }],
    [{ threshold: undefined, zlibDeflateOptions: { level: undefined, memLevel: 9 } }, { ...base, memLevel: 9 }],
    [
      { zlibDeflateOptions: { chunkSize: 1024, windowBits: 9, strategy: 1, flush: 2, finishFlush: 2, info: false }, zlibInflateOptions: { chunkSize: 1024, level: 0 }, concurrencyLimit: 10, maxPayload: 1 },
      base
    ],
    [{ threshold: 5 }, base, true],
    [{ threshold: 5 }, { ...base, level: 2 }, { level: 2 }],
    [{ threshold: 5 }, false, false],
    [true, { ...base, level: 2 }, undefined, { level: 2 }],
    [{ threshold: 5 }, { ...base, threshold: 5, level: 2 }, undefined, { level: 2 }],
    [true, false, undefined, false]
  ]
  for (const [given, want, outside, route] of rows) {
    const plugin = readPluginOptions({ perMessageDeflate: outside, options: { perMessageDeflate: given } })
    const settings = mergeCompatibleOptions(plugin, readCompatibleOptions(plugin.options, app))
    t.strictSame(readRouteOptions({ perMessageDeflate: route }, 'x', settings, undefined, app).perMessageDeflate, want)
  }
})

t.test('verifyClient, in each form', async (t) => {
  const infos: unknown[] = []
  const forms: Record<string, object> = {
    plain: { verifyClient: ({ origin, secure, req }: { origin: string, secure: boolean, req: { url: string } }) => { infos.push([origin, secure, req.url]); return origin !== 'https://evil.example' } },
    callback: {
      verifyClient: ({ origin }: { origin: string }, done: (verified: boolean, ...rest: unknown[]) => void) => {
        setImmediate(() => origin === 'https://evil.example' ? done(false, 403, 'not you', { 'x-why': 'origin' }) : done(true))
      }
    }
  }
  const wants = {
    plain: { statusCode: 401, body: /verifyClient refused/ },
    callback: { statusCode: 403, body: /not you/, headers: { 'x-why': 'origin' } }
  }
  for (const [name, options] of Object.entries(forms)) {
    const { app } = await makeApp(t, { plugin: { options, protocols: ['a'], allowedOrigins: true } })
    app.get('/ws', { websocket: true }, () => {})
    const client = await app.injectWS('/ws', { protocols: 'a', headers: { origin: 'https://good.example' } })
    t.equal(client.protocol, 'a', name)
    await t.rejects(app.injectWS('/ws', { headers: { origin: 'https://evil.example' } }), { response: wants[name as keyof typeof wants] } as unknown as Error, name)
    await app.injectWS('/ws')
  }
  t.same(infos, [['https://good.example', false, '/ws'], ['https://evil.example', false, '/ws'], ['', false, '/ws']])

  const { app } = await makeApp(t, { plugin: { options: { verifyClient: () => { throw new Error('mine') } } } })
  app.get('/ws', { websocket: true }, () => {})
  await t.rejects(app.injectWS('/ws'), { message: 'Unexpected server response: 500' })
})

t.test('options that mean nothing here', async (t) => {
  const rows: ReadonlyArray<[options: object, message: RegExp]> = [
    [{ noServer: true }, /"noServer" of the plugin's options.options: a WebSocket server apart from Fastify/],
    [{ maxPayload: 0 }, /"maxPayload" of the plugin's options.options: got 0, must be an integer from 1/],
    [{ perMessageDeflate: 1 }, /"perMessageDeflate".*got 1, must be true, false or an object of options/],
    [{ perMessageDeflate: { threshold: Infinity } }, /"perMessageDeflate.threshold".*got Infinity, must be an integer from 0/],
    [{ perMessageDeflate: { clientMaxWindowBits: 7 } }, /"perMessageDeflate.clientMaxWindowBits".*got 7, must be an integer from 8 to 15/],
    [{ perMessageDeflate: { maxMemory: 1 } }, /"perMessageDeflate.maxMemory".*there is no such option, only threshold, .*, zlibDeflateOptions, /],
    [{ perMessageDeflate: { level: 1 } }, /"perMessageDeflate.level".*there is no such option/],
    [{ perMessageDeflate: { zlibDeflateOptions: true } }, /"perMessageDeflate.zlibDeflateOptions".*got true, must be an object/],
    [{ perMessageDeflate: { zlibDeflateOptions: { level: 0 } } }, /"perMessageDeflate.zlibDeflateOptions.level".*got 0, must be an integer from 1 to 9, or -1/],
    [{ perMessageDeflate: { zlibDeflateOptions: { memLevel: 10 } } }, /"perMessageDeflate.zlibDeflateOptions.memLevel".*got 10, must be an integer from 1 to 9/],
    [{ perMessageDeflate: { zlibDeflateOptions: { dictionary: Buffer.of(1) } } }, /"perMessageDeflate.zlibDeflateOptions.dictionary".*there is no such option, only flush, /],
    [{ perMessageDeflate: { zlibInflateOptions: { dictionary: Buffer.of(1) } } }, /"perMessageDeflate.zlibInflateOptions.dictionary".*there is no such option/],
    [{ skipUTF8Validation: true }, /"skipUTF8Validation"/],
    [{ server: 1 }, /"server".*must be an HTTP server/],
    [{ verifyClient: true }, /"verifyClient".*must be a function/],
    [{ handleProtocols: [] }, /"handleProtocols".*must be a function/],
    [{ clientTracking: 1 }, /"clientTracking".*must be true or false/],
    [{ port: 8080 }, /"port".*there is no such option/]
  ]
  for (const [options, message] of rows) {
    const app = Fastify()
    await t.rejects(async () => await app.register(websocket, { options }), { code: 'FST_WS_INVALID_OPTION', message })
  }
})
