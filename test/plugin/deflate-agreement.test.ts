// permessage-deflate on a route: what is agreed on, what connections with the same agreement share, and the memory for them.
import Fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import type { Test } from 'tap'
import { deflateMemory } from '../../lib/connection/deflate/memory.ts'
import { Meter } from '../../lib/connection/meter.ts'
import websocket from '../../lib/index.ts'
import type { WebSocketPluginOptions, WebSocketRouteOptions } from '../../lib/index.ts'
import { DeflateAgreements } from '../../lib/plugin/deflate-agreement.ts'
import { readDeflateOptions } from '../../lib/plugin/options.ts'
import { parseExtensions } from '../../lib/protocol/extensions.ts'
import { settingsWith } from '../helpers/connection-pair.ts'

async function start (t: Test, plugin: WebSocketPluginOptions, route: true | WebSocketRouteOptions = true): Promise<FastifyInstance> {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(websocket, plugin)
  app.get('/', { websocket: route }, (connection) => {
    connection.on('message', (message) => { connection.send(message) })
  })
  return app
}

const all = { perMessageDeflate: true }
const both = 'permessage-deflate; server_no_context_takeover; client_no_context_takeover'
const rows: ReadonlyArray<{ name: string, plugin: WebSocketPluginOptions, route?: WebSocketRouteOptions, offers?: false, want: string }> = [
  { name: 'it is off by default', plugin: {}, want: '' },
  { name: 'the plugin has it', plugin: all, want: both },
  { name: 'the client does not offer it', plugin: all, offers: false, want: '' },
  { name: 'the route has it', plugin: {}, route: all, want: both },
  { name: 'the route has none', plugin: all, route: { perMessageDeflate: false }, want: '' },
  { name: 'a route takes the fields of the plugin', plugin: { perMessageDeflate: { serverNoContextTakeover: false } }, route: all, want: 'permessage-deflate; client_no_context_takeover' },
  {
    name: 'a route goes before the plugin, field by field',
    plugin: { perMessageDeflate: { serverNoContextTakeover: false, serverMaxWindowBits: 10 } },
    route: { perMessageDeflate: { clientNoContextTakeover: false, clientMaxWindowBits: 9 } },
    want: 'permessage-deflate; server_max_window_bits=10; client_max_window_bits=9'
  }
]

for (const { name, plugin, route = {}, offers = true, want } of rows) {
  t.test(name, async (t) => {
    const app = await start(t, plugin, route)
    const wish = { serverNoContextTakeover: false, clientNoContextTakeover: false }
    const client = await app.injectWS('/', offers ? { perMessageDeflate: wish } : {})
    t.equal(client.extensions, want)
    const [server] = app.websocket.connections
    t.equal(server?.extensions, want)
    t.equal(app.websocket.metrics().deflating, want === '' ? 0 : 1)
    const text = 'a message that is long enough to be compressed. '.repeat(50)
    const answer = new Promise((resolve) => { client.once('message', resolve) })
    client.send(text)
    t.equal(await answer, text)
    const { bytesReceived, bytesSent } = app.websocket.metrics()
    t.equal(bytesReceived < text.length / 4, want !== '', 'compressed on its way in')
    t.equal(bytesSent < text.length / 4, want !== '', 'and out')
  })
}

t.test('compress: false sends one message as it is', async (t) => {
  const app = await start(t, all)
  const client = await app.injectWS('/', all)
  const [server] = app.websocket.connections
  const text = 'again and again, '.repeat(100)
  const got: unknown[] = []
  const done = new Promise<void>((resolve) => {
    client.on('message', (message) => { if (got.push(message) === 3) resolve() })
  })
  server?.send(text, { compress: false })
  await server?.sendAndWait(text, { compress: false })
  const { bytesSent } = app.websocket.metrics()
  t.ok(bytesSent >= 2 * text.length)
  server?.send(text)
  await done
  t.strictSame(got, [text, text, text])
  t.ok(app.websocket.metrics().bytesSent - bytesSent < text.length / 4)
})

t.test('an option of injectWS that is none', async (t) => {
  const app = await start(t, all)
  await t.rejects(app.injectWS('/', { perMessageDeflate: { level: 10 } }), { code: 'FST_WS_INVALID_OPTION', message: /perMessageDeflate\.level.*injectWS/ })
})

const offers = (value: string): ReturnType<typeof parseExtensions> => parseExtensions(value)
const options = (given: object): Exclude<ReturnType<typeof readDeflateOptions>, false> => {
  const read = readDeflateOptions(given, 'the test')
  if (read === false) throw new Error('it is on')
  return read
}

t.test('connections that agree on the same share their settings', t => {
  const agreements = new DeflateAgreements(options({}), true, new Meter())
  const route = settingsWith()
  const [one, same, other] = ['permessage-deflate', 'x, permessage-deflate', 'permessage-deflate; server_max_window_bits=9'].map((value) => agreements.agree(offers(value)))
  t.equal(one?.settingsFrom(route), same?.settingsFrom(route))
  t.not(one?.settingsFrom(route), other?.settingsFrom(route))
  t.match(one?.settingsFrom(route), { deflate: { sendBits: 15, sendsContext: false } })
  t.match(other?.settingsFrom(route), { extensions: `${both}; server_max_window_bits=9`, deflate: { sendBits: 9 } })
  for (const agreement of [one, same, other]) agreement?.giveBack()
  t.end()
})

t.test('no offer, and none that can be kept', t => {
  const meter = new Meter()
  const agreements = new DeflateAgreements(options({}), true, meter)
  t.equal(agreements.agree([]), undefined)
  t.equal(agreements.agree(offers('permessage-deflate; server_max_window_bits=7')), undefined)
  t.match(meter, { deflating: 0, deflateDeclined: 0 })
  t.end()
})

t.test('T25 beyond maxMemory connections go uncompressed, and it comes back with their end', async (t) => {
  const { used } = deflateMemory
  const app = await start(t, { perMessageDeflate: { maxMemory: 2_000_000, serverNoContextTakeover: false, clientNoContextTakeover: false } })
  const wish = { perMessageDeflate: { serverNoContextTakeover: false, clientNoContextTakeover: false } }
  const clients = []
  for (let i = 0; i < 60; i++) clients.push(await app.injectWS('/', wish))
  const compressed = clients.filter(({ extensions }) => extensions !== '')
  const { deflating, deflateDeclined, deflateMemory: taken } = app.websocket.metrics()
  t.equal(deflating, compressed.length)
  t.equal(deflating + deflateDeclined, 60)
  t.ok(deflateDeclined > 0)
  t.ok(taken <= 2_000_000 && taken > 1_950_000, `${taken} bytes`)

  const plain = clients.find(({ extensions }) => extensions === '')
  const answer = new Promise((resolve) => { plain?.once('message', resolve) })
  plain?.send('x'.repeat(5_000))
  t.equal(await answer, 'x'.repeat(5_000), 'which works')

  const closed = compressed.slice(0, 3).map((client) => new Promise((resolve) => { client.once('close', resolve) }))
  for (const client of compressed.slice(0, 3)) client.terminate()
  await Promise.all(closed)
  while (app.websocket.metrics().deflating === deflating) await new Promise((resolve) => { setImmediate(resolve) })
  t.not((await app.injectWS('/', wish)).extensions, '', 'there is room again')
  await app.close()
  t.equal(app.websocket.metrics().deflating, 0)
  // What all connections share stays.
  t.ok(deflateMemory.used - used < 800_000, `${deflateMemory.used - used} bytes`)
})

t.test('a handshake that is not answered with a 101 gives back what it took', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(websocket, all)
  app.addHook('onSend', async (_request, reply) => {
    if (reply.statusCode === 101) throw new Error('not this one')
  })
  app.get('/', { websocket: true }, () => {})
  await t.rejects(app.injectWS('/', all), { message: 'Unexpected server response: 500' })
  await app.close()
  t.equal(app.websocket.metrics().deflating, 0)
})
