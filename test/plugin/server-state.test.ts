import dns from 'node:dns'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import { connect as connectHttp2 } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { Duplex } from 'node:stream'
import { mock } from 'node:test'
import Fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import type { Test } from 'tap'
import websocket from '../../lib/index.ts'
import { makeApp, until } from '../helpers/app.ts'
import { cert, key } from '../helpers/certificate.ts'
import { HANDSHAKE_LINES, RawClient, handshake, head } from '../helpers/raw-client.ts'

async function open (t: Test, port: number, options?: { tls?: boolean, host?: string }): Promise<RawClient> {
  const client = await RawClient.connect(port, options)
  t.teardown(() => client.destroy())
  return client
}

/** The status of a handshake; the text of the first message is checked when there is one to be. */
async function shake (client: RawClient, path: string, text?: string): Promise<number | undefined> {
  client.write(handshake(path))
  const [answer] = await client.untilAnswers(1)
  if (text !== undefined) await client.until(() => client.text.endsWith(text))
  return answer?.statusCode
}

const T31_ROWS: ReadonlyArray<[name: string, request: string, statusCode: number]> = [
  ['unknown path', handshake('/nope'), 404],
  ['HTTP-only route', handshake('/rest'), 404],
  ['HTTP-only route with parameters', handshake('/rest/1'), 404],
  ['HTTP-only wildcard', handshake('/any/thing'), 404],
  ['HTTP-only route of a child', handshake('/child/rest'), 404],
  ['HTTP-only route with a HEAD of its own', handshake('/head'), 404],
  ['POST route', handshake('/post'), 404],
  ['POST to a POST route', head('POST /post HTTP/1.1', HANDSHAKE_LINES), 405],
  ['websocket: false', handshake('/false'), 404]
]

for (const [name, request, statusCode] of T31_ROWS) {
  t.test(`T31 handshake to an ${name}`, async (t) => {
    const { app, listen, open } = await makeApp(t)
    const handler = async (): Promise<string> => {
      t.fail('reached')
      return ''
    }
    app.get('/rest', handler)
    app.get('/rest/:id', handler)
    app.get('/any/*', handler)
    app.head('/head', handler)
    app.get('/head', handler)
    app.post('/post', handler)
    app.get('/false', { websocket: false, handler })
    app.register(async (child) => { child.get('/rest', handler) }, { prefix: '/child' })
    app.get('/ws', { websocket: true }, () => { t.fail('reached') })
    await listen()
    const client = await open()
    client.write(request)
    t.equal(await client.untilEnd(), 'fin')
    t.equal(client.answers[0]?.statusCode, statusCode)
    t.match(JSON.parse(client.answers[0]?.body ?? ''), { statusCode })
  })
}

t.test('T31 an HTTP route outside of the context that has the plugin answers as HTTP', async (t) => {
  const { app, listen, open } = await makeApp(t, { plugin: false })
  app.get('/rest', async () => 'rest')
  await app.register(async (child) => {
    await child.register(websocket)
    child.get('/ws', { websocket: true }, () => {})
  })
  await listen()
  const client = await open()
  client.write(handshake('/rest'))
  await client.untilEnd()
  t.match(client.answers, [{ statusCode: 200, body: 'rest', headers: { connection: 'close' } }])
})

t.test('a custom 404 handler sees handshakes', async (t) => {
  const { app, listen, open } = await makeApp(t)
  app.setNotFoundHandler((request, reply) => { reply.code(404).send(`nothing at ${request.url}, ${request.ws}`) })
  await listen()
  const client = await open()
  t.equal(await shake(client, '/nope'), 404)
  t.equal(client.answers[0]?.body, 'nothing at /nope, true')
})

t.test('other listeners of upgrade', async (t) => {
  /** As `ws` does it: answers its own path at once or later, and leaves others alone. */
  const other = (path: string, isLate: boolean) => (request: { url?: string }, socket: Duplex): void => {
    if (request.url !== path) return
    const answer = (): void => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nX-Other: 1\r\n\r\n')
      socket.on('data', () => {}).on('end', () => socket.end())
    }
    if (isLate) setImmediate(answer)
    else answer()
  }
  for (const isFirst of [true, false]) {
    for (const isLate of [true, false]) {
      await t.test(`one that comes ${isFirst ? 'before' : 'after'} the plugin and answers ${isLate ? 'later' : 'at once'}`, async (t) => {
        const { app, listen, open } = await makeApp(t, { plugin: false })
        if (isFirst) app.server.on('upgrade', other('/other', isLate))
        await app.register(websocket)
        if (!isFirst) app.server.on('upgrade', other('/other', isLate))
        app.get('/ws', { websocket: true }, (connection) => { connection.send('ours') })
        await listen()
        const [theirs, ours] = [await open(), await open()]
        t.equal(await shake(theirs, '/other'), 101)
        t.equal(theirs.answers[0]?.headers['x-other'], '1')
        t.equal(await shake(ours, '/ws', 'ours'), 101)
        t.equal(theirs.answers.length, 1)
        t.equal(theirs.ending, undefined)
      })
    }
  }

  await t.test('one that answers with a ServerResponse of its own', async (t) => {
    const { app, listen, open } = await makeApp(t, { plugin: false })
    app.server.on('upgrade', (request, socket) => {
      socket.end('HTTP/1.1 418 Mine\r\nContent-Length: 0\r\n\r\n')
      Object.assign(socket, { _httpMessage: { req: request } })
    })
    await app.register(websocket)
    app.get('/ws', { websocket: true }, () => { t.fail('reached') })
    await listen()
    const client = await open()
    t.equal(await shake(client, '/ws'), 418)
  })
})

t.test('a handshake that no listener takes does not stay open', async (t) => {
  const { app, listen, open } = await makeApp(t)
  app.server.on('upgrade', () => {})
  await listen()
  const [lost, taken] = [await open(), await open()]
  const sockets: Duplex[] = []
  app.server.prependListener('upgrade', (request, socket) => {
    sockets.push(socket)
    if (request.url === '/taken') socket.on('data', () => {}).on('end', () => socket.end())
  })
  mock.timers.enable({ apis: ['setTimeout'] })
  t.teardown(() => mock.timers.reset())
  lost.write(handshake('/lost'))
  await until(() => sockets.length === 1)
  taken.write(handshake('/taken'))
  await until(() => sockets.length === 2)
  mock.timers.tick(9_999)
  t.equal(sockets[0]?.destroyed, false)
  mock.timers.tick(1)
  t.equal(sockets[0]?.destroyed, true)
  t.equal(sockets[1]?.destroyed, false)
  await lost.untilEnd()
  t.equal(lost.text, '')
})

t.test('one listener a server, and none after close', async (t) => {
  const app = Fastify()
  await app.register(websocket)
  await app.register(websocket)
  await app.register(async (child) => { await child.register(websocket) })
  await app.ready()
  t.equal(app.server.listenerCount('upgrade'), 1)
  await app.close()
  t.equal(app.server.listenerCount('upgrade'), 0)
})

t.test('two instances in one process', async (t) => {
  const ports: number[] = []
  const apps: FastifyInstance[] = []
  for (const name of ['first', 'second']) {
    const { app, listen } = await makeApp(t, { plugin: { shutdownTimeout: 50 } })
    app.get('/ws', { websocket: true }, (connection) => { connection.send(name) })
    app.get(`/${name}`, { websocket: true }, (connection) => { connection.send(name) })
    apps.push(app)
    ports.push(await listen())
  }
  const [first = 0, second = 0] = ports
  t.equal(await shake(await open(t, first), '/ws', 'first'), 101)
  t.equal(await shake(await open(t, second), '/ws', 'second'), 101)
  t.equal(await shake(await open(t, second), '/first'), 404)
  t.same(apps.map((app) => app.websocket.connections.size), [1, 1])
  await apps[0]?.close()
  t.equal(await shake(await open(t, second), '/ws', 'second'), 101)
})

t.test('a server of the application, as options.server', async (t) => {
  const server = createServer()
  t.teardown(() => server.close())
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(websocket, { shutdownTimeout: 50, options: { server } })
  app.get('/ws', { websocket: true }, (connection) => { connection.send('hi') })
  await app.ready()
  t.equal(await shake(await open(t, port), '/ws', 'hi'), 101)

  const second = Fastify()
  t.teardown(() => second.close())
  await t.rejects(async () => await second.register(websocket, { options: { server } }), { code: 'FST_WS_SERVER_TAKEN' })
  await app.close()
  t.equal(server.listenerCount('upgrade'), 0)
  const third = Fastify()
  t.teardown(() => third.close())
  await third.register(websocket, { options: { server } })
  third.get('/ws', { websocket: true }, (connection) => { connection.send('third') })
  await third.ready()
  t.equal(await shake(await open(t, port), '/ws', 'third'), 101)
})

t.test('serverFactory', async (t) => {
  let made: Server | undefined
  const app = Fastify({ serverFactory: (handler) => (made = createServer((request, response) => { handler(request, response) })) })
  t.teardown(() => app.close())
  await app.register(websocket)
  app.get('/ws', { websocket: true }, (connection) => { connection.send('hi') })
  await app.listen({ port: 0, host: '127.0.0.1' })
  t.equal(made, app.server)
  t.equal(await shake(await open(t, (app.server.address() as AddressInfo).port), '/ws', 'hi'), 101)
})

t.test('http2 with allowHTTP1', async (t) => {
  const app = Fastify({ http2: true, https: { key, cert, allowHTTP1: true } })
  t.teardown(() => app.close())
  await app.register(websocket)
  app.get('/ws', { websocket: true }, (connection, request) => { connection.send(request.protocol) })
  app.get('/rest', async () => 'rest')
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as unknown as AddressInfo
  t.equal(await shake(await open(t, port, { tls: true }), '/ws', 'https'), 101)
  const h2c = await open(t, port, { tls: true })
  h2c.write(head('GET /rest HTTP/1.1', ['Host: localhost', 'Connection: Upgrade', 'Upgrade: h2c']))
  t.match(await h2c.untilAnswers(1), [{ statusCode: 200, body: 'rest' }])
})

t.test('http2 without HTTP/1: only injectWS gets in', async (t) => {
  const app = Fastify({ http2: true })
  t.teardown(() => app.close())
  await app.register(websocket)
  app.get('/ws', { websocket: true }, (connection) => { connection.send('hi') })
  app.get('/rest', async () => 'rest')
  await app.listen({ port: 0, host: '127.0.0.1' })
  t.equal((await once(await app.injectWS('/ws'), 'message'))[0], 'hi')
  const { port } = app.server.address() as unknown as AddressInfo
  const session = connectHttp2(`http://127.0.0.1:${port}`)
  t.teardown(() => session.close())
  for (const [path, status] of [['/rest', 200], ['/ws', 426]] as const) {
    const stream = session.request({ ':path': path })
    const [headers] = await once(stream, 'response')
    t.equal(headers[':status'], status)
    stream.resume()
  }
})

t.test('several listeners', async (t) => {
  // This machine's localhost may have one address only.
  const { lookup } = dns
  t.teardown(() => { dns.lookup = lookup })
  dns.lookup = ((host: string, options: object, done: (error: Error | null, addresses: unknown) => void) => {
    if (host === 'localhost' && 'all' in options) done(null, [{ address: '127.0.0.1', family: 4 }, { address: '127.0.0.2', family: 4 }])
    else Reflect.apply(lookup, dns, [host === 'localhost' ? '127.0.0.1' : host, options, done])
  }) as typeof lookup
  const { app } = await makeApp(t)
  app.get('/ws', { websocket: true }, (connection) => { connection.send('hi') })
  app.get('/rest', async () => 'rest')
  await app.listen({ port: 0, host: 'localhost' })
  const addresses = app.addresses() as AddressInfo[]
  t.equal(addresses.length, 2)
  const clients: RawClient[] = []
  for (const { address, port } of addresses) {
    const client = await open(t, port, { host: address })
    t.equal(await shake(client, '/ws', 'hi'), 101, address)
    clients.push(client)
    const h2c = await open(t, port, { host: address })
    h2c.write(head('GET /rest HTTP/1.1', ['Host: localhost', 'Connection: Upgrade', 'Upgrade: h2c']))
    t.match(await h2c.untilAnswers(1), [{ statusCode: 200, body: 'rest' }])
    h2c.destroy()
  }
  t.equal(app.websocket.connections.size, 2)
  const closed = app.close()
  for (const client of clients) {
    // Close, 1001 and its reason.
    await client.until(() => client.text.includes('\x03\xe9the server is closing'))
    client.end()
  }
  await closed
})

t.test('what throws before any hook ends the handshake, not the process', async (t) => {
  const { app, logs, listen, open } = await makeApp(t, { server: { genReqId: () => { throw new Error('no id') } } })
  app.get('/ws', { websocket: true }, () => { t.fail('reached') })
  await listen()
  const client = await open()
  client.write(handshake('/ws'))
  await client.untilEnd()
  t.match(logs.find(({ msg }) => /routing/.test(msg)), { level: 50, err: { message: 'no id' } })
})

t.test('rewriteUrl is heeded', async (t) => {
  const { app, listen, open } = await makeApp(t, { server: { rewriteUrl: (request: { url: string }) => request.url.replace('/old', '/ws') } })
  app.get('/ws', { websocket: true }, (connection, request) => { connection.send(request.originalUrl) })
  await listen()
  t.equal(await shake(await open(), '/old', '/old'), 101)
})

t.test('the socket may be any stream', async (t) => {
  const { app } = await makeApp(t)
  app.get('/ws', { websocket: true }, (connection) => { connection.send('hi') })
  await app.ready()
  const written: Buffer[] = []
  const socket = new Duplex({ read () {}, write (chunk: Buffer, _encoding, callback) { written.push(chunk); callback() } })
  const front = createServer()
  const [, request] = [front.on('upgrade', (...args) => app.server.emit('upgrade', ...args)), handshake('/ws')]
  front.emit('connection', socket)
  socket.push(request)
  await until(() => Buffer.concat(written).toString('latin1').endsWith('hi'))
  const closed = once(socket, 'close')
  socket.destroy()
  await closed
})
