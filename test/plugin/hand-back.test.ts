import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import Fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import type { Test } from 'tap'
import websocket from '../../lib/index.ts'
import { handBack, ignoreUpgradesWithBody } from '../../lib/plugin/hand-back.ts'
import { cert, key } from '../helpers/certificate.ts'
import { RawClient, handshake, head } from '../helpers/raw-client.ts'

const HOST = 'Host: localhost'
const H2C = ['Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA']

async function listen (t: Test, { tls = false, ...options }: { tls?: boolean } & Record<string, unknown> = {}): Promise<{ app: FastifyInstance, port: number }> {
  // Two overloads of Fastify(); the test looks at neither server.
  const app = (tls ? Fastify({ https: { key, cert }, ...options }) : Fastify(options)) as FastifyInstance
  t.teardown(() => app.close())
  await app.register(websocket)
  app.get('/rest', async (request) => ({ path: request.url, upgrade: request.headers.upgrade, connection: request.headers.connection, ws: request.ws, ip: request.ip }))
  app.post('/rest', async (request) => ({ got: request.body }))
  app.get('/ws', { websocket: true }, () => {})
  await app.listen({ port: 0, host: '127.0.0.1' })
  return { app, port: (app.server.address() as AddressInfo).port }
}

async function open (t: Test, port: number, tls = false): Promise<RawClient> {
  const client = await RawClient.connect(port, { tls })
  t.teardown(() => client.destroy())
  return client
}

const JSON_BODY = '{"a":1}'
const POST = ['Content-Type: application/json', 'Content-Length: 7']
/** Nodes that read the body before they would hand the socket over lose what is read behind it. */
const KEEPS_WITH_BODY = !('shouldUpgradeCallback' in createServer())
const CHUNKED = ['Content-Type: application/json', 'Transfer-Encoding: chunked']

/** Each row: the pieces that are written, a turn of the event loop apart, and the bodies that come back. */
const rows: ReadonlyArray<{ name: string, pieces: readonly string[], want: ReadonlyArray<Record<string, unknown>> }> = [
  {
    name: 'T30 GET as curl --http2 sends it',
    pieces: [head('GET /rest HTTP/1.1', [HOST, 'User-Agent: curl/8.5.0', 'Accept: */*', ...H2C])],
    want: [{ path: '/rest', upgrade: undefined, connection: 'HTTP2-Settings', ws: false, ip: '127.0.0.1' }]
  },
  {
    name: 'T30 GET with a token that nobody knows',
    pieces: [head('GET /rest HTTP/1.1', [HOST, 'Connection: upgrade', 'Upgrade: tls/1.3, foo'])],
    want: [{ path: '/rest' }]
  },
  {
    name: 'T30 POST, body in the same segment',
    pieces: [head('POST /rest HTTP/1.1', [HOST, ...H2C, ...POST]) + JSON_BODY],
    want: [{ got: { a: 1 } }]
  },
  {
    name: 'T30 POST, body later and in pieces',
    pieces: [head('POST /rest HTTP/1.1', [HOST, ...H2C, ...POST]), '{"a"', ':1}'],
    want: [{ got: { a: 1 } }]
  },
  {
    name: 'T30 POST, chunked body in the same segment',
    pieces: [head('POST /rest HTTP/1.1', [HOST, ...H2C, ...CHUNKED]) + '3\r\n{"a\r\n4\r\n":1}\r\n0\r\n\r\n'],
    want: [{ got: { a: 1 } }]
  },
  {
    name: 'T30 POST, chunked body later',
    pieces: [head('POST /rest HTTP/1.1', [HOST, ...H2C, ...CHUNKED]), '3\r\n{"a\r\n', '4\r\n":1}\r\n0\r\n\r\n'],
    want: [{ got: { a: 1 } }]
  },
  {
    name: 'T30 head in pieces',
    pieces: ['GET /rest HT', 'TP/1.1\r\nHost: localhost\r\nConn', 'ection: Upgrade\r\nUpgrade: h2c\r\n\r', '\n'],
    want: [{ path: '/rest' }]
  },
  {
    name: 'T30 the connection is kept: three in a row, all in one segment',
    pieces: [head('GET /rest?1 HTTP/1.1', [HOST, ...H2C]) + head('GET /rest?2 HTTP/1.1', [HOST, ...H2C]) + head('GET /rest?3 HTTP/1.1', [HOST])],
    want: [{ path: '/rest?1' }, { path: '/rest?2' }, { path: '/rest?3' }]
  },
  {
    name: 'T30 behind an ordinary request in the same segment',
    pieces: [head('GET /rest?1 HTTP/1.1', [HOST]) + head('GET /rest?2 HTTP/1.1', [HOST, ...H2C])],
    want: [{ path: '/rest?1' }, { path: '/rest?2' }]
  }
]

for (const tls of [false, true]) {
  for (const { name, pieces, want } of rows) {
    t.test(`${name}, ${tls ? 'https' : 'http'}`, async (t) => {
      const { port } = await listen(t, { tls })
      const client = await open(t, port, tls)
      for (const piece of pieces) {
        client.write(piece)
        await new Promise((resolve) => setImmediate(resolve))
      }
      const answers = await client.untilAnswers(want.length)
      t.same(answers.map(({ statusCode }) => statusCode), want.map(() => 200))
      t.match(answers.map(({ body }) => JSON.parse(body)), want)
      if (KEEPS_WITH_BODY || !pieces[0]?.startsWith('POST')) {
        for (const { headers } of answers) t.match(headers.connection, 'keep-alive')
        t.equal(client.ending, undefined, 'the connection stays open')
      } else {
        t.equal(answers[0]?.headers.connection, 'close')
        t.equal(await client.untilEnd(), 'fin')
      }
    })
  }
}

t.test('T30 a request behind a body, in the same segment, is answered, or the peer told to send it again', async (t) => {
  const { port } = await listen(t)
  const client = await open(t, port)
  client.write(head('POST /rest HTTP/1.1', [HOST, ...H2C, ...POST]) + JSON_BODY + head('GET /rest?2 HTTP/1.1', [HOST, 'Connection: close']))
  t.equal(await client.untilEnd(), 'fin')
  t.match(client.answers.map(({ headers, body }) => [headers.connection, JSON.parse(body)]), KEEPS_WITH_BODY
    ? [['keep-alive', { got: { a: 1 } }], ['close', { path: '/rest?2' }]]
    : [['close', { got: { a: 1 } }]])
})

t.test('T30 a POST without an upgrade keeps its connection', async (t) => {
  const { port } = await listen(t)
  const client = await open(t, port)
  client.write(head('POST /rest HTTP/1.1', [HOST, ...POST]) + JSON_BODY)
  const [answer] = await client.untilAnswers(1)
  t.equal(answer?.headers.connection, 'keep-alive')
})

t.test('T30 Expect: 100-continue is answered before the body comes', async (t) => {
  const { port } = await listen(t)
  const client = await open(t, port)
  client.write(head('POST /rest HTTP/1.1', [HOST, ...H2C, ...POST, 'Expect: 100-continue']))
  const [first] = await client.untilAnswers(1)
  t.equal(first?.statusCode, 100)
  const [, second] = await client.write(JSON_BODY).untilAnswers(2)
  t.same(JSON.parse(second?.body ?? ''), { got: { a: 1 } })
})

t.test('T30 Connection: close beside the upgrade is heeded', async (t) => {
  const { port } = await listen(t)
  const client = await open(t, port)
  client.write(head('GET /rest HTTP/1.1', [HOST, 'Connection: Upgrade, close', 'Upgrade: h2c']))
  t.equal(await client.untilEnd(), 'fin')
  t.equal(client.answers[0]?.statusCode, 200)
  t.match(client.answers[0]?.headers.connection, 'close')
})

t.test('T30 a WebSocket handshake after it, on the same connection', async (t) => {
  const { port } = await listen(t)
  const client = await open(t, port)
  client.write(head('GET /rest HTTP/1.1', [HOST, ...H2C]))
  await client.untilAnswers(1)
  client.write(handshake('/ws'))
  const [, second] = await client.untilAnswers(2)
  t.equal(second?.statusCode, 101)
})

t.test('T30 to a WebSocket route it is an ordinary request', async (t) => {
  const { port } = await listen(t)
  const client = await open(t, port)
  client.write(head('GET /ws HTTP/1.1', [HOST, ...H2C]))
  const [answer] = await client.untilAnswers(1)
  t.equal(answer?.statusCode, 426)
})

t.test('T30 a reset while the body is awaited', async (t) => {
  const { app, port } = await listen(t)
  const client = await open(t, port)
  const connected = once(app.server, 'connection')
  const second = await open(t, port)
  await connected
  client.write(head('POST /rest HTTP/1.1', [HOST, ...H2C, ...POST]) + '{')
  second.write(head('GET /rest HTTP/1.1', [HOST]))
  await second.untilAnswers(1)
  client.reset()
  second.write(head('GET /rest HTTP/1.1', [HOST]))
  t.equal((await second.untilAnswers(2)).length, 2, 'the process lives')
})

t.test('a request that may have lost fields is refused, not served without them', async (t) => {
  const { app, port } = await listen(t)
  app.server.maxHeadersCount = 20
  const client = await open(t, port)
  client.write(head('GET /rest HTTP/1.1', [HOST, ...H2C, ...Array.from({ length: 30 }, (_, n) => `X-${n}: ${n}`)]))
  t.equal(await client.untilEnd(), 'fin')
  // Newer Nodes say so themselves.
  t.equal(client.answers[0]?.statusCode, 431)
})

t.test('a head with a line break in a field is not written down again', async (t) => {
  const server = createServer()
  const request = { method: 'GET', url: '/', httpVersion: '1.1', rawHeaders: ['X', 'a\r\nContent-Length: 3'] }
  // Only what the function looks at.
  t.match(handBack(server, request as never, undefined as never, Buffer.alloc(0)), { code: 'FST_WS_UNREADABLE_HEAD', statusCode: 400 })
})

t.test('other listeners of upgrade keep what is theirs', async (t) => {
  const { app, port } = await listen(t)
  app.server.on('upgrade', (request, socket) => {
    if (request.headers.upgrade === 'mine') setImmediate(() => socket.end('HTTP/1.1 101 Mine\r\n\r\n'))
  })
  const client = await open(t, port)
  client.write(head('GET /rest HTTP/1.1', [HOST, 'Connection: Upgrade', 'Upgrade: mine']))
  await client.untilEnd()
  t.match(client.text, /^HTTP\/1\.1 101 Mine/)
})

t.test('shouldUpgradeCallback, where Node has it, keeps a body with its request', async (t) => {
  const asked: string[] = []
  const server = Object.assign(createServer(), { shouldUpgradeCallback: () => { asked.push('before'); return true } })
  let others = 0
  const before = server.shouldUpgradeCallback
  const restore = ignoreUpgradesWithBody(server, () => others)
  const callback = server.shouldUpgradeCallback as (request: unknown) => boolean
  const ask = (headers: Record<string, string>): boolean => callback.call(server, { headers, rawHeaders: Object.entries(headers).flat() })
  t.equal(ask({ upgrade: 'WebSocket', 'content-length': '1' }), true)
  t.equal(ask({ upgrade: 'h2c, websocket' }), true)
  t.equal(ask({ upgrade: 'h2c' }), true, 'to be handed back')
  t.equal(ask({ upgrade: 'h2c', 'content-length': '0' }), true, 'to be handed back')
  t.equal(ask({ upgrade: 'h2c', 'content-length': '1' }), false)
  t.equal(ask({ upgrade: 'h2c', 'transfer-encoding': 'chunked' }), false)
  t.same(asked, [])
  others = 1
  t.equal(ask({ upgrade: 'h2c', 'content-length': '1' }), true)
  t.same(asked, ['before'])
  t.equal(server.listenerCount('request'), 1)
  restore()
  t.equal(server.listenerCount('request'), 0)
  t.equal(server.shouldUpgradeCallback, before)
})
