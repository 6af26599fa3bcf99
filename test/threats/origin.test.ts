// Cross-site hijacking (T36): handshakes as browsers send them from pages of their own and of other sites, through real sockets.
import type { FastifyRequest } from 'fastify'
import t from 'tap'
import type { WebSocketAllowedOrigins } from '../../lib/index.ts'
import { makeApp, until } from '../helpers/app.ts'
import '../helpers/guard.ts'
import { head } from '../helpers/raw-client.ts'
import type { RawAnswer } from '../helpers/raw-client.ts'

/** What Chrome sends, the origin apart. */
function fromBrowser (path: string, host: string, fields: readonly string[]): string {
  return head(`GET ${path} HTTP/1.1`, [
    `Host: ${host}`, 'Connection: Upgrade', 'Pragma: no-cache', 'Cache-Control: no-cache', 'User-Agent: Mozilla/5.0', 'Upgrade: websocket',
    ...fields, 'Sec-WebSocket-Version: 13', 'Accept-Encoding: gzip, deflate, br, zstd', 'Accept-Language: en', 'Cookie: session=of-the-visitor',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', 'Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits'
  ])
}

const REFUSED = { statusCode: 403, code: 'FST_WS_FOREIGN_ORIGIN', error: 'Forbidden', message: 'WebSocket connections from this origin are not allowed' }

function isRefusal (answer: RawAnswer | undefined): boolean {
  return answer?.statusCode === 403 && answer.headers['connection'] === 'close' && JSON.stringify(JSON.parse(answer.body)) === JSON.stringify(REFUSED)
}

/** Routes with policies, for a server whose host is example.org, without TLS. */
const POLICIES: Readonly<Record<string, WebSocketAllowedOrigins | undefined>> = {
  '/default': undefined,
  '/same': ['same-origin'],
  '/list': ['https://app.example', 'http://localhost:5173'],
  '/wild': /^https:\/\/[\w-]+\.example$/g,
  '/null': ['same-origin', 'null'],
  '/any': '*',
  '/none': [],
  '/function': (origin: string, request: FastifyRequest) => origin === `https://app.${request.host}`,
  '/async': async (origin: string) => origin === 'https://app.example'
}

const EVERYWHERE = Object.keys(POLICIES)
const SAME = ['/default', '/same', '/null', '/any']

/** An origin, as field lines, and the routes that let it in; all others refuse it. */
const ORIGINS: ReadonlyArray<[name: string, fields: readonly string[], allowedAt: readonly string[]]> = [
  ['no Origin', [], EVERYWHERE],
  ['the same origin', ['Origin: http://example.org'], SAME],
  ['in another case', ['origin: HTTP://Example.org:80'], SAME],
  ['another scheme', ['Origin: https://example.org'], ['/any']],
  ['another port', ['Origin: http://example.org:8080'], ['/any']],
  ['an address for the name', ['Origin: http://127.0.0.1'], ['/any']],
  ['a name within', ['Origin: http://www.example.org'], ['/any']],
  ['a look-alike in front', ['Origin: http://evil-example.org'], ['/any']],
  ['a look-alike behind', ['Origin: http://example.org.evil.test'], ['/any']],
  ['a look-alike in the user', ['Origin: http://example.org@evil.test'], ['/any']],
  ['a trailing dot', ['Origin: http://example.org.'], ['/any']],
  ['null', ['Origin: null'], ['/null', '/any']],
  ['empty', ['Origin:'], ['/any']],
  ['two lines', ['Origin: http://example.org', 'Origin: http://example.org'], ['/any']],
  ['two lines, one empty', ['Origin:', 'Origin: http://example.org'], ['/any']],
  ['two lines, the second foreign', ['Origin: https://app.example', 'Origin: https://evil.test'], ['/any']],
  ['garbage', ['Origin: \u00ff\u00fe<script>%00'], ['/any']],
  ['very long', [`Origin: http://${'a'.repeat(8_000)}.example.org`], ['/any']],
  ['a listed one', ['Origin: https://app.example'], ['/list', '/wild', '/async', '/any']],
  ['another listed one', ['Origin: http://localhost:5173'], ['/list', '/any']],
  ['one for the expression', ['Origin: https://b.example'], ['/wild', '/any']],
  ['one for the function', ['Origin: https://app.example.org'], ['/function', '/any']]
]

t.test('T36 origin by policy', async (t) => {
  const { app, logs, listen, open } = await makeApp(t)
  let opened = 0
  for (const [url, allowedOrigins] of Object.entries(POLICIES)) {
    app.get(url, { websocket: allowedOrigins === undefined ? true : { allowedOrigins } }, () => { opened++ })
  }
  await listen()
  for (const [name, fields, allowedAt] of ORIGINS) {
    for (const url of EVERYWHERE) {
      logs.length = 0
      opened = 0
      const client = await open()
      client.write(fromBrowser(url, 'example.org', fields))
      const [answer] = await client.untilAnswers(1)
      const isAllowed = allowedAt.includes(url)
      const label = `${name} at ${url}`
      t.equal(isAllowed ? answer?.statusCode === 101 : isRefusal(answer), true, label)
      if (isAllowed) {
        await until(() => opened === 1)
        client.destroy()
        continue
      }
      await client.untilEnd()
      t.equal(opened, 0, label)
      const lines = logs.filter(({ msg }) => msg.startsWith('a WebSocket handshake was refused: its Origin is foreign.'))
      t.match(lines, [{ level: 30, code: 'FST_WS_FOREIGN_ORIGIN', origin: String, expected: String, reqId: String, msg: /name it in the option allowedOrigins/ }], label)
      // Those of Fastify on each request apart.
      const others = logs.filter((line) => line.level > 20 && line !== lines[0] && !['incoming request', 'request completed'].includes(line.msg))
      t.same(others, [], label)
      t.ok(String(lines[0]?.['origin']).length <= 200, label)
    }
  }
})

t.test('T36 nothing of a refused handshake runs, and HTTP is left alone', async (t) => {
  const { app, listen, open } = await makeApp(t, { plugin: { allowedOrigins: ['https://app.example'] } })
  const calls: string[] = []
  app.addHook('preHandler', async (request) => { calls.push(`${request.url} ${request.ws}`) })
  app.route({ method: 'GET', url: '/both', handler: async () => 'http', wsHandler: (connection) => { connection.close() } })
  app.get('/own', { websocket: { allowedOrigins: 'same-origin' } }, (connection) => { connection.close() })
  await listen()
  const rows: ReadonlyArray<[url: string, origin: string, statusCode: number]> = [
    ['/both', 'https://evil.test', 403],
    ['/both', 'http://example.org', 403],
    ['/both', 'https://app.example', 101],
    ['/own', 'https://app.example', 403],
    ['/own', 'http://example.org', 101],
    ['/nowhere', 'https://evil.test', 404]
  ]
  for (const [url, origin, statusCode] of rows) {
    const client = await open()
    client.write(fromBrowser(url, 'example.org', [`Origin: ${origin}`]))
    t.equal((await client.untilAnswers(1))[0]?.statusCode, statusCode, `${url} ${origin}`)
  }
  t.equal((await app.inject({ url: '/both', headers: { origin: 'https://evil.test' } })).body, 'http')
  t.same(calls, ['/both true', '/own true', '/nowhere true', '/both false'])
})

for (const tls of [false, true]) {
  const scheme = tls ? 'https' : 'http'
  t.test(`T36 a page and its server, over ${scheme}`, async (t) => {
    const { app, listen, open } = await makeApp(t, { tls })
    app.get('/ws', { websocket: true }, (connection) => { connection.close() })
    const port = await listen()
    const rows: ReadonlyArray<[host: string, origin: string, statusCode: number]> = [
      [`localhost:${port}`, `${scheme}://localhost:${port}`, 101],
      [`127.0.0.1:${port}`, `${scheme}://127.0.0.1:${port}`, 101],
      [`127.0.0.1:${port}`, `${scheme}://localhost:${port}`, 403],
      [`localhost:${port}`, `${tls ? 'http' : 'https'}://localhost:${port}`, 403],
      [`localhost:${port}`, `${scheme}://localhost`, 403],
      ['localhost', `${scheme}://localhost:${tls ? 443 : 80}`, 101],
      ['localhost', `${scheme}://localhost:${tls ? 80 : 443}`, 403],
      [`localhost:${tls ? 443 : 80}`, `${scheme}://localhost`, 101],
      [`localhost:${port}`, 'null', 403]
    ]
    for (const [host, origin, statusCode] of rows) {
      const client = await open()
      client.write(fromBrowser('/ws', host, [`Origin: ${origin}`]))
      t.equal((await client.untilAnswers(1))[0]?.statusCode, statusCode, `${origin} at ${host}`)
    }
  })
}

const PROXIED = ['X-Forwarded-For: 203.0.113.9', 'X-Forwarded-Host: example.org']
const PROXY_ROWS: ReadonlyArray<{ trustProxy: unknown, fields: readonly string[], origin: string, statusCode: number, log?: RegExp }> = [
  { trustProxy: true, fields: [...PROXIED, 'X-Forwarded-Proto: https'], origin: 'https://example.org', statusCode: 101 },
  { trustProxy: true, fields: [...PROXIED, 'X-Forwarded-Proto: wss'], origin: 'https://example.org', statusCode: 101 },
  { trustProxy: true, fields: [...PROXIED, 'X-Forwarded-Proto: http, https'], origin: 'https://example.org', statusCode: 101 },
  { trustProxy: true, fields: [...PROXIED, 'X-Forwarded-Proto: https'], origin: 'http://example.org', statusCode: 403, log: /trustProxy/ },
  { trustProxy: true, fields: [...PROXIED, 'X-Forwarded-Proto: https'], origin: 'http://10.0.0.1:3000', statusCode: 403 },
  { trustProxy: true, fields: PROXIED, origin: 'https://example.org', statusCode: 403, log: /X-Forwarded-Proto/ },
  { trustProxy: '127.0.0.1', fields: [...PROXIED, 'X-Forwarded-Proto: https'], origin: 'https://example.org', statusCode: 101 },
  // Whoever is not trusted does not say where the request went.
  { trustProxy: '10.0.0.0/8', fields: [...PROXIED, 'X-Forwarded-Proto: https'], origin: 'https://example.org', statusCode: 403, log: /trustProxy/ },
  { trustProxy: false, fields: [...PROXIED, 'X-Forwarded-Proto: https'], origin: 'https://example.org', statusCode: 403, log: /trustProxy/ },
  { trustProxy: false, fields: [...PROXIED, 'X-Forwarded-Proto: https'], origin: 'http://10.0.0.1:3000', statusCode: 101 }
]

for (const { trustProxy, fields, origin, statusCode, log } of PROXY_ROWS) {
  t.test(`T36 behind a proxy: trustProxy ${String(trustProxy)}, ${origin}, ${fields.at(-1)}`, async (t) => {
    const { app, logs, listen, open } = await makeApp(t, { server: { trustProxy } })
    app.get('/ws', { websocket: true }, (connection) => { connection.close() })
    await listen()
    const client = await open()
    client.write(fromBrowser('/ws', '10.0.0.1:3000', [`Origin: ${origin}`, ...fields]))
    t.equal((await client.untilAnswers(1))[0]?.statusCode, statusCode)
    const line = logs.find(({ msg }) => msg.startsWith('a WebSocket handshake was refused: its Origin'))
    t.equal(line === undefined, statusCode === 101)
    if (log !== undefined) t.match(line?.msg, log)
  })
}

t.test('T36 a function that fails lets nobody in', async (t) => {
  const { app, listen, open } = await makeApp(t)
  app.get('/throws', { websocket: { allowedOrigins: () => { throw new Error('no database') } } }, () => { t.fail('reached') })
  app.get('/rejects', { websocket: { allowedOrigins: async () => { throw Object.assign(new Error('not now'), { statusCode: 503 }) } } }, () => { t.fail('reached') })
  await listen()
  for (const [url, statusCode] of [['/throws', 500], ['/rejects', 503]] as const) {
    const client = await open()
    client.write(fromBrowser(url, 'example.org', ['Origin: http://example.org']))
    t.equal((await client.untilAnswers(1))[0]?.statusCode, statusCode)
    t.equal(await client.untilEnd(), 'fin')
  }
})
