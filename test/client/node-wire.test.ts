// What only Node's wire does: the handshake and its refusals, TLS, compression, the heartbeat, a network that fails.
import '../helpers/guard.ts'
import { createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import t from 'tap'
import type { Test } from 'tap'
import { WebSocket } from 'ws'
import { ClientError, connect } from '../../lib/client/node.ts'
import type { ClientRetry, ClientSocket, ConnectSettings } from '../../lib/client/node.ts'
import { defineWebSocket } from '../../lib/contract.ts'
import { makeApp, until } from '../helpers/app.ts'
import type { AppOptions } from '../helpers/app.ts'
import { cert } from '../helpers/certificate.ts'
import { ChaosProxy } from '../helpers/chaos-proxy.ts'
import { ControlServer } from '../helpers/control-server.ts'

const raw = defineWebSocket({ url: '/raw' })
type RawSocket = ClientSocket<typeof raw>

const QUICK = { minDelay: 1, maxDelay: 20 }

function open (t: Test, baseUrl: string, options: ConnectSettings = {}): RawSocket {
  const socket = connect(raw, { baseUrl, reconnect: QUICK, ...options })
  t.teardown(async () => {
    socket.close()
    await socket.closed
  })
  return socket
}

function next<T = unknown> (socket: RawSocket, event: 'message' | 'reconnecting'): Promise<T> {
  // The events' types differ; what is wanted says the caller.
  return new Promise((resolve) => { socket.once(event as 'message', resolve as () => void) })
}

/** Serves echo, on a port of its own. */
async function serveEcho (t: Test, options: AppOptions = {}): Promise<{ port: number, fields: Record<string, unknown>[] }> {
  const { app, listen } = await makeApp(t, options)
  const fields: Record<string, unknown>[] = []
  app.get('/raw', { websocket: { protocols: ['v2', 'bearer'] } }, (connection, request) => {
    fields.push(request.headers)
    // Together with the 101.
    connection.send(`extensions: ${connection.extensions}`)
    connection.on('message', (message) => { connection.send(message) })
  })
  return { port: await listen(), fields }
}

/** A server that answers a request with these bytes, or none. */
async function serveBytes (t: Test, answer: (socket: Socket) => void): Promise<string> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {}).once('data', () => answer(socket))
  }).listen(0, '127.0.0.1')
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  await new Promise((resolve) => server.once('listening', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}` // it listens on TCP
}

t.test('headers, token and subprotocols', async (t) => {
  const { port, fields } = await serveEcho(t)
  const socket = open(t, `http://127.0.0.1:${port}`, { headers: { 'X-One': '1', 'X-Two': ['a', 'b'] }, auth: () => 'a.b', protocols: ['v1', 'v2'] })
  await socket.opened
  t.equal(socket.protocol, 'v2')
  t.match(fields[0], { 'x-one': '1', 'x-two': 'a, b', authorization: 'Bearer a.b', host: `127.0.0.1:${port}` })
  t.equal(fields[0]?.['origin'], undefined)
  const basic = open(t, `http://ann:s%C3%A4cret@127.0.0.1:${port}`, { protocols: 'v2' })
  await basic.opened
  t.equal(fields[1]?.['authorization'], `Basic ${Buffer.from('ann:säcret').toString('base64')}`)
})

t.test('what comes together with the 101 is heard behind open', async (t) => {
  const { port } = await serveEcho(t)
  const socket = open(t, `http://127.0.0.1:${port}`)
  const heard: unknown[] = []
  socket.on('open', () => { heard.push('open') }).on('message', (message) => { heard.push(message) })
  await until(() => heard.length === 2)
  t.strictSame(heard, ['open', 'extensions: '])
})

t.test('TLS, with the options of Node', async (t) => {
  const { port } = await serveEcho(t, { tls: true })
  const url = `https://localhost:${port}`
  t.equal(await next(open(t, url, { tls: { ca: cert } }), 'message'), 'extensions: ')
  t.match(await next(open(t, url), 'reconnecting'), { error: { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' } })
  t.equal(await next(open(t, `wss://127.0.0.1:${port}`, { tls: { ca: cert } }), 'message'), 'extensions: ')
})

t.test('permessage-deflate, when both want it', async (t) => {
  const { port } = await serveEcho(t, { plugin: { perMessageDeflate: true } })
  for (const perMessageDeflate of [true, { threshold: 0, serverNoContextTakeover: false, clientNoContextTakeover: false, clientMaxWindowBits: 10 }]) {
    const socket = open(t, `http://127.0.0.1:${port}`, { perMessageDeflate })
    const [first, ...rest] = [await next(socket, 'message')]
    t.match(first, /^extensions: permessage-deflate/)
    for (const text of ['x'.repeat(100_000), 'short']) {
      socket.send(text)
      t.equal(await next(socket, 'message'), text)
    }
    t.same(rest, [])
  }
  t.equal(await next(open(t, `http://127.0.0.1:${port}`), 'message'), 'extensions: ')
})

t.test('options that cannot be are refused at once', async (t) => {
  const rows: ConnectSettings[] = [
    { maxPayload: -1 }, { handshakeTimeout: Number.NaN }, { closeTimeout: '1' as unknown as number }, { reconnect: { minDelay: -1 } }, { queue: { messages: -1 } },
    { ping: { interval: -1 } }, { perMessageDeflate: { level: 0 } }, { perMessageDeflate: { clientMaxWindowBits: 16 } }, { webSocket: class {}, headers: {} }
  ]
  for (const options of rows) t.throws(() => connect(raw, { baseUrl: 'http://127.0.0.1', ...options }), { code: 'FST_WS_CLIENT_OPTION' }, JSON.stringify(options))
  t.throws(() => connect(raw), { code: 'FST_WS_CLIENT_OPTION', message: /baseUrl is missing/ })
  t.throws(() => connect(raw, { baseUrl: 'nowhere' }), TypeError)
  t.throws(() => connect(defineWebSocket({ url: '/:a' }), { baseUrl: 'http://a' } as never), { code: 'FST_WS_CLIENT_OPTION', message: /params.a/ })
})

t.test('headers that cannot be sent are the end, and not a reason to try again', async (t) => {
  for (const options of [{ headers: { 'x-a': 'a\r\nb' } }, { headers: { upgrade: 'h2c' } }, { auth: () => 'a\nb' }]) {
    const socket = open(t, 'http://127.0.0.1:1', options)
    t.match(await socket.closed, { code: 1006, error: { code: 'FST_WS_CLIENT_OPTION', cause: { code: 'FST_WS_INVALID_ARGUMENT' } } })
  }
})

t.test('a refusal tells its status, its message and its body', async (t) => {
  const server = await ControlServer.start(t, { refuse: () => 401 })
  const socket = open(t, server.url)
  const opened = t.rejects(socket.opened, { name: 'ClientError', code: 'FST_WS_CLIENT_REFUSED', statusCode: 401, message: 'refused: no: 401' })
  const { error, ...end } = await socket.closed
  await opened
  t.match(end, { code: 1006, wasClean: false, initiator: 'remote' })
  t.ok(error instanceof ClientError)
  const { body, headers } = error as ClientError
  t.match(JSON.parse(String(body)), { statusCode: 401 })
  t.match(headers, { 'content-type': /json/ })
})

t.test('a refusal that is not for good: the next attempt has a fresh token', async (t) => {
  const server = await ControlServer.start(t, { refuse: ({ headers }) => headers.authorization === 'Bearer 3' ? undefined : 401 })
  let calls = 0
  const socket = open(t, server.url, {
    auth: async () => String(++calls),
    reconnect: { ...QUICK, isTerminal: (_code, _reason, error) => (error as Partial<ClientError> | undefined)?.statusCode === 401 ? false : undefined }
  })
  const refusals: unknown[] = []
  socket.on('reconnecting', ({ attempt, error }) => { refusals.push([attempt, (error as ClientError).statusCode]) })
  await socket.opened
  t.strictSame(refusals, [[1, 401], [2, 401]])
  t.equal(calls, 3)
})

const statuses = [
  { status: 400, isTerminal: true }, { status: 403, isTerminal: true }, { status: 404, isTerminal: true }, { status: 408, isTerminal: false },
  { status: 429, isTerminal: false }, { status: 500, isTerminal: false }, { status: 503, isTerminal: false }, { status: 302, isTerminal: false }
]

t.test('which refusals are for good', async (t) => {
  let status = 0
  const server = await ControlServer.start(t, { refuse: () => status })
  for (const row of statuses) {
    status = row.status
    const socket = open(t, server.url)
    const first = await Promise.race([socket.closed, next<ClientRetry>(socket, 'reconnecting')])
    t.equal('unsent' in first, row.isTerminal, String(status))
    t.match(first.error, { statusCode: status })
    socket.close()
  }
})

const oddities: Array<{ name: string, answer: (socket: Socket) => void, error: object }> = [
  { name: 'nothing but an end', answer: (socket) => socket.end(), error: { code: 'ECONNRESET' } },
  { name: 'no HTTP', answer: (socket) => socket.end('SSH-2.0-OpenSSH\r\n'), error: { code: /^HPE_/ } },
  { name: 'a head without end', answer: (socket) => socket.write(`HTTP/1.1 101 X\r\n${'X: y\r\n'.repeat(20_000)}`), error: { code: 'HPE_HEADER_OVERFLOW' } },
  { name: 'a 101 for another key', answer: (socket) => socket.write('HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: AAAA\r\n\r\n'), error: { code: 'FST_WS_ANSWER_ACCEPT' } },
  { name: 'a 101 for another protocol', answer: (socket) => socket.write('HTTP/1.1 101 X\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n'), error: { code: 'FST_WS_ANSWER_UPGRADE' } },
  { name: '200', answer: (socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi'), error: { statusCode: 200, body: 'hi', message: 'refused: 200' } },
  { name: 'a body that is longer than anybody wants', answer: (socket) => socket.write(`HTTP/1.1 500 X\r\n\r\n${'x'.repeat(200_000)}`), error: { statusCode: 500, body: 'x'.repeat(65_536) } },
  { name: 'a body that is cut', answer: (socket) => socket.end('HTTP/1.1 500 X\r\nContent-Length: 20\r\n\r\npart'), error: { statusCode: 500, body: 'part' } },
  { name: 'JSON without a message', answer: (socket) => socket.end('HTTP/1.1 500 X\r\nContent-Length: 4\r\n\r\nnull'), error: { message: 'refused: 500' } },
  { name: 'silence', answer: () => {}, error: { code: 'FST_WS_CLIENT_UNREACHABLE', message: 'unreachable: in 100 ms' } }
]

for (const { name, answer, error } of oddities) {
  t.test(`a server that answers with ${name}`, async (t) => {
    const url = await serveBytes(t, answer)
    const socket = open(t, url, { handshakeTimeout: name === 'silence' ? 100 : 5_000, reconnect: { minDelay: 60_000 } })
    t.match((await next<ClientRetry>(socket, 'reconnecting')).error, error)
    t.equal(socket.state, 'waiting')
  })
}

t.test('a message over maxPayload ends it with 1009', async (t) => {
  const { port } = await serveEcho(t)
  const socket = open(t, `http://127.0.0.1:${port}`, { maxPayload: 100 })
  await next(socket, 'message')
  socket.send('x'.repeat(101))
  t.match(await socket.closed, { code: 1009, error: { code: 'FST_WS_TOO_BIG' } })
})

t.test('the heartbeat finds a network that no longer forwards, and the client comes back by another connection', async (t) => {
  const server = await ControlServer.start(t, { history: ['kept'] })
  const proxy = await ChaosProxy.start(server.port)
  t.teardown(() => proxy.close())
  const socket = open(t, `http://127.0.0.1:${proxy.port}`, { ping: { interval: 30, timeout: 300 } })
  const heard: unknown[] = []
  await socket.subscribe('kept', (message) => { heard.push(message) })
  server.publish('kept', 1)
  await until(() => heard.length === 1)
  const link = await proxy.link(0)
  link.stop()
  server.publish('kept', 2)
  const retry = await next<ClientRetry>(socket, 'reconnecting')
  t.match(retry, { code: 1006, error: { code: 'FST_WS_HEARTBEAT_TIMEOUT' } })
  server.publish('kept', 3)
  await until(() => heard.length === 3)
  t.strictSame(heard, [1, 2, 3])
})

t.test('slow handlers do not keep answers to pings that are messages', async (t) => {
  const server = await ControlServer.start(t)
  const socket = open(t, server.url, { ping: { application: true, interval: 30, timeout: 200 } })
  let release = (): void => {}
  socket.on('message', () => new Promise<void>((resolve) => { release = resolve }))
  await socket.opened
  await until(() => server.connections.size === 1)
  for (let n = 0; n < 100; n++) server.send(n)
  await until(() => server.controls.length === 10)
  t.equal(socket.state, 'open')
  t.equal(server.requests.length, 1)
  socket.close()
  release()
})

t.test('a close that nobody answers ends after closeTimeout, aborted at once', async (t) => {
  const server = await ControlServer.start(t)
  const proxy = await ChaosProxy.start(server.port)
  t.teardown(() => proxy.close())
  const socket = open(t, `http://127.0.0.1:${proxy.port}`, { closeTimeout: 50, ping: false })
  await socket.opened
  for (const { up } of proxy.links) up.stop()
  socket.close(4000, 'bye')
  t.match(await socket.closed, { code: 1006, wasClean: false, initiator: 'local' })
})

t.test('resets are survived', async (t) => {
  const server = await ControlServer.start(t)
  const proxy = await ChaosProxy.start(server.port)
  t.teardown(() => proxy.close())
  const socket = open(t, `http://127.0.0.1:${proxy.port}`)
  for (let n = 0; n < 3; n++) {
    await socket.opened
    const link = await proxy.link(n)
    const retry = next(socket, 'reconnecting')
    link.reset('client')
    t.match(await retry, { code: 1006 })
  }
  await socket.opened
})

t.test('another WebSocket in place of the engine', async (t) => {
  const { port, fields } = await serveEcho(t)
  const socket = open(t, `http://127.0.0.1:${port}`, { webSocket: WebSocket, auth: () => 'a.b' })
  t.equal(await next(socket, 'message'), 'extensions: ')
  t.equal(socket.protocol, 'bearer')
  t.equal(fields[0]?.['sec-websocket-protocol'], 'bearer,a.b')
  socket.send(new Uint8Array([1, 2]))
  t.strictSame(await next(socket, 'message'), new Uint8Array([1, 2]).buffer)
})
