import { once } from 'node:events'
import { createHash } from 'node:crypto'
import t from 'tap'
import { Type } from '@sinclair/typebox'
import Fastify from 'fastify'
import websocket, { defineWebSocket } from '../../lib/index.ts'
import { makeApp, until } from '../helpers/app.ts'
import { HANDSHAKE_LINES, handshake, head } from '../helpers/raw-client.ts'

const without = (name: string): string[] => HANDSHAKE_LINES.filter((line) => !line.startsWith(`${name}:`))
const KEY = 'dGhlIHNhbXBsZSBub25jZQ=='

const T32_ROWS: ReadonlyArray<{ name: string, request: string, statusCode: number, headers?: Record<string, string> }> = [
  { name: 'version 8', request: head('GET /ws HTTP/1.1', [...without('Sec-WebSocket-Version'), 'Sec-WebSocket-Version: 8']), statusCode: 426, headers: { 'sec-websocket-version': '13', upgrade: 'websocket' } },
  { name: 'no version', request: head('GET /ws HTTP/1.1', without('Sec-WebSocket-Version')), statusCode: 426, headers: { 'sec-websocket-version': '13' } },
  { name: 'two versions', request: handshake('/ws', ['Sec-WebSocket-Version: 13']), statusCode: 400, headers: { 'sec-websocket-version': '13' } },
  { name: 'no key', request: head('GET /ws HTTP/1.1', without('Sec-WebSocket-Key')), statusCode: 400 },
  { name: 'short key', request: head('GET /ws HTTP/1.1', [...without('Sec-WebSocket-Key'), 'Sec-WebSocket-Key: AAAA']), statusCode: 400 },
  { name: 'two keys', request: handshake('/ws', [`Sec-WebSocket-Key: ${KEY}`]), statusCode: 400 },
  { name: 'no Host', request: head('GET /ws HTTP/1.1', without('Host')), statusCode: 400 },
  { name: 'two Hosts', request: handshake('/ws', ['Host: other']), statusCode: 400 },
  { name: 'HTTP/1.0', request: head('GET /ws HTTP/1.0', HANDSHAKE_LINES), statusCode: 400 },
  { name: 'POST', request: head('POST /ws HTTP/1.1', HANDSHAKE_LINES), statusCode: 405, headers: { allow: 'GET' } },
  { name: 'OPTIONS', request: head('OPTIONS /ws HTTP/1.1', HANDSHAKE_LINES), statusCode: 405, headers: { allow: 'GET' } },
  { name: 'no Upgrade', request: head('GET /ws HTTP/1.1', without('Upgrade')), statusCode: 426, headers: { upgrade: 'websocket', 'sec-websocket-version': '13' } },
  { name: 'no Connection', request: head('GET /ws HTTP/1.1', without('Connection')), statusCode: 426, headers: { upgrade: 'websocket' } },
  { name: 'a body with its length', request: handshake('/ws', ['Content-Length: 5']) + 'hello', statusCode: 400 },
  { name: 'a body in chunks', request: handshake('/ws', ['Transfer-Encoding: chunked']) + '5\r\nhello\r\n0\r\n\r\n', statusCode: 400 },
  { name: 'a body that never comes', request: handshake('/ws', ['Content-Length: 5']), statusCode: 400 },
  { name: 'subprotocols that are none', request: handshake('/ws', ['Sec-WebSocket-Protocol: a b']), statusCode: 400 },
  { name: 'more fields than Node keeps', request: handshake('/ws', Array.from({ length: 1_100 }, (_, n) => `X-${n}: 1`)), statusCode: 431 }
]

for (const { name, request, statusCode, headers = {} } of T32_ROWS) {
  t.test(`T32 ${name}`, async (t) => {
    const { app, listen, open } = await makeApp(t, { server: { http: { maxHeaderSize: 65_536 } } })
    app.get('/ws', { websocket: true }, () => { t.fail('reached') })
    await listen()
    const client = await open()
    client.write(request)
    const [answer] = await client.untilAnswers(1)
    t.equal(answer?.statusCode, statusCode)
    t.match(answer?.headers, headers)
    t.match(JSON.parse(answer?.body ?? ''), { statusCode })
  })
}

t.test('what a refusal says in its headers stays with an error handler of the application', async (t) => {
  const { app, listen, open } = await makeApp(t)
  app.setErrorHandler((_error, _request, reply) => { reply.code(426).send('mine') })
  app.get('/ws', { websocket: true }, () => { t.fail('reached') })
  await listen()
  const client = await open()
  client.write(head('GET /ws HTTP/1.1', without('Sec-WebSocket-Version')))
  t.match((await client.untilAnswers(1))[0], { body: 'mine', headers: { 'sec-websocket-version': '13', upgrade: 'websocket', connection: 'close, Upgrade' } })
})

t.test('T40 what holds on HTTP holds for a handshake, before the 101', async (t) => {
  const { app, listen, open } = await makeApp(t)
  const calls: string[] = []
  for (const hook of ['onRequest', 'preParsing', 'preValidation', 'preHandler'] as const) {
    app.addHook(hook as 'onRequest', async (request) => {
      calls.push(hook)
      if (request.headers['x-refuse'] === hook) throw Object.assign(new Error(`refused in ${hook}`), { statusCode: 403 })
    })
  }
  app.get('/both/:n', {
    schema: {
      params: Type.Object({ n: Type.Integer() }),
      querystring: Type.Object({ q: Type.Optional(Type.String({ maxLength: 2 })) }, { additionalProperties: false }),
      headers: Type.Object({ 'x-required': Type.String() })
    },
    handler: async () => 'http',
    wsHandler: () => { calls.push('socket') }
  })
  await listen()
  const good = 'X-Required: 1'
  const rows: ReadonlyArray<[name: string, path: string, fields: string[], statusCode: number]> = [
    ['params', '/both/x', [good], 400],
    ['query', '/both/1?q=long', [good], 400],
    ['headers', '/both/1', [], 400],
    ['path', '/both', [good], 404],
    ['onRequest', '/both/1', [good, 'X-Refuse: onRequest'], 403],
    ['preParsing', '/both/1', [good, 'X-Refuse: preParsing'], 403],
    ['preValidation', '/both/1', [good, 'X-Refuse: preValidation'], 403],
    ['preHandler', '/both/1', [good, 'X-Refuse: preHandler'], 403]
  ]
  for (const [name, path, fields, statusCode] of rows) {
    const [plain, socket] = [await open(), await open()]
    plain.write(head(`GET ${path} HTTP/1.1`, ['Host: localhost', ...fields]))
    const [http] = await plain.untilAnswers(1)
    const hooksOfHttp = calls.splice(0)
    socket.write(handshake(path, fields))
    const [ws] = await socket.untilAnswers(1)
    t.same(calls.splice(0), hooksOfHttp, `${name}: the same hooks`)
    t.ok(hooksOfHttp.length > 0)
    t.equal(ws?.statusCode, statusCode, name)
    t.same([ws?.statusCode, ws?.body], [http?.statusCode, http?.body], name)
  }
  const [plain, socket] = [await open(), await open()]
  plain.write(head('GET /both/1?q=ab HTTP/1.1', ['Host: localhost', good]))
  t.equal((await plain.untilAnswers(1))[0]?.body, 'http')
  socket.write(handshake('/both/1?q=ab', [good]))
  t.equal((await socket.untilAnswers(1))[0]?.statusCode, 101)
  await until(() => calls.includes('socket'))
  t.same(calls, ['onRequest', 'preParsing', 'preValidation', 'preHandler', 'onRequest', 'preParsing', 'preValidation', 'preHandler', 'socket'])
})

t.test('subprotocols', async (t) => {
  const { app, listen, open } = await makeApp(t, { plugin: { protocols: ['plugin'] } })
  app.get('/plugin', { websocket: true }, (connection) => { connection.send(connection.protocol) })
  app.get('/list', { websocket: { protocols: ['b', 'a'] } }, (connection) => { connection.send(connection.protocol) })
  app.get('/none', { websocket: { protocols: [] } }, (connection) => { connection.send(connection.protocol) })
  app.get('/choose', { websocket: { protocols: (offered, request) => request.headers['x-last'] === undefined ? false : offered.at(-1) } }, (connection) => { connection.send(connection.protocol) })
  app.get('/async', { websocket: { protocols: async (offered) => offered[0] } }, (connection) => { connection.send(connection.protocol) })
  app.get('/wrong', { websocket: { protocols: () => 'stranger' } }, () => { t.fail('reached') })
  app.get('/throws', { websocket: { protocols: async () => { throw new Error('chooser failed') } } }, () => { t.fail('reached') })
  await listen()
  const rows: ReadonlyArray<[path: string, fields: string[], protocol: string | undefined | Error]> = [
    ['/plugin', ['Sec-WebSocket-Protocol: other, plugin'], 'plugin'],
    ['/plugin', ['Sec-WebSocket-Protocol: other'], undefined],
    ['/plugin', [], undefined],
    ['/list', ['Sec-WebSocket-Protocol: a, b'], 'b'],
    ['/list', ['Sec-WebSocket-Protocol: a', 'Sec-WebSocket-Protocol: x'], 'a'],
    ['/none', ['Sec-WebSocket-Protocol: plugin'], undefined],
    ['/choose', ['Sec-WebSocket-Protocol: a, b', 'X-Last: 1'], 'b'],
    ['/choose', ['Sec-WebSocket-Protocol: bearer, secret'], undefined],
    ['/async', ['Sec-WebSocket-Protocol: a, b'], 'a'],
    ['/wrong', ['Sec-WebSocket-Protocol: a'], new Error('500')],
    ['/throws', ['Sec-WebSocket-Protocol: a'], new Error('500')]
  ]
  for (const [path, fields, protocol] of rows) {
    const client = await open()
    client.write(handshake(path, fields))
    const [answer] = await client.untilAnswers(1)
    t.equal(answer?.headers['sec-websocket-protocol'], protocol instanceof Error ? undefined : protocol, `${path} ${fields.join()}`)
    if (protocol instanceof Error) {
      t.equal(answer?.statusCode, 500)
      continue
    }
    await client.until(() => client.text.endsWith(`\r\n\r\n\x81${String.fromCharCode((protocol ?? '').length)}${protocol ?? ''}`))
  }
})

t.test('a WebSocket route and HTTP', async (t) => {
  const { app } = await makeApp(t)
  app.get('/ws', { websocket: true }, () => { t.fail('called for HTTP') })
  app.route({ method: ['GET', 'HEAD'], url: '/list', websocket: true, handler: () => { t.fail('called for HTTP') } })
  app.route({ method: 'HEAD' as 'GET', url: '/head', websocket: true, handler: () => { t.fail('called for HTTP') } })
  app.get('/both', { handler: (_request, reply) => reply.header('x-http', '1').send('http'), wsHandler: () => { t.fail('called for HTTP') } })
  for (const [method, url] of [['GET', '/ws'], ['HEAD', '/ws'], ['GET', '/list'], ['HEAD', '/list'], ['HEAD', '/head']] as const) {
    const { statusCode, headers, body } = await app.inject({ method, url })
    t.equal(statusCode, 426, `${method} ${url}`)
    t.match(headers, { upgrade: 'websocket', connection: 'Upgrade', 'sec-websocket-version': '13' })
    t.equal(body === '', method === 'HEAD')
  }
  t.equal((await app.inject({ url: '/ws', headers: { connection: 'close' } })).headers.connection, 'close, Upgrade')
  t.equal((await app.inject('/both')).body, 'http')
  t.match(await app.inject({ method: 'HEAD', url: '/both' }), { statusCode: 200, headers: { 'x-http': '1' } })
  t.equal((await app.inject({ method: 'POST', url: '/ws' })).statusCode, 404)
})

t.test('routes that cannot be', async (t) => {
  const { app } = await makeApp(t)
  const add = (options: object) => () => app.route({ url: '/x', method: 'GET', handler: () => {}, ...options } as never)
  const rows: ReadonlyArray<[options: object, want: object]> = [
    [{ websocket: true, method: 'POST' }, { code: 'FST_WS_INVALID_ROUTE', message: 'websocket handler can only be declared in GET method', route: 'POST /x' }],
    [{ websocket: true, method: ['GET', 'PUT'] }, { code: 'FST_WS_INVALID_ROUTE', message: 'websocket handler can only be declared in GET method', route: 'GET, PUT /x' }],
    [{ wsHandler: 'x' }, { code: 'FST_WS_INVALID_ROUTE', message: 'invalid wsHandler function', route: 'GET /x' }],
    [{ websocket: 'yes' }, { code: 'FST_WS_INVALID_OPTION', message: /"websocket" of GET \/x: got "yes", must be true/ }],
    [{ websocket: { maxPayload: 0 } }, { code: 'FST_WS_INVALID_OPTION', message: /"maxPayload" of GET \/x: got 0/ }],
    [{ websocket: true, schema: { websocket: { recieve: {} } } }, { code: 'FST_WS_INVALID_OPTION', message: /schema\.websocket\.recieve/ }]
  ]
  for (const [options, want] of rows) t.throws(add(options), want as Error) // a pattern for one
})

t.test('encapsulation: prefix, instance, constraints', async (t) => {
  const { app, listen, open } = await makeApp(t)
  app.register(async (child) => {
    child.decorate('name', 'child')
    child.get('/', { websocket: true }, function (connection) { connection.send(`${this.prefix} ${Reflect.get(this, 'name')}`) })
  }, { prefix: '/child' })
  app.get('/host', { websocket: true, constraints: { host: 'a.example' } }, (connection) => { connection.send('a') })
  app.get('/host', { websocket: true, constraints: { host: 'b.example' } }, (connection) => { connection.send('b') })
  await listen()
  const rows: ReadonlyArray<[request: string, text: string]> = [
    [handshake('/child'), '/child child'],
    [handshake('/child/'), '/child child'],
    [handshake('/host').replace('localhost', 'a.example'), 'a'],
    [handshake('/host').replace('localhost', 'b.example'), 'b']
  ]
  for (const [request, text] of rows) {
    const client = await open()
    client.write(request)
    await client.until(() => client.text.endsWith(`\x81${String.fromCharCode(text.length)}${text}`))
  }
})

t.test('a frozen contract', async (t) => {
  const { app } = await makeApp(t)
  const schema = Object.freeze({ params: Type.Object({ id: Type.String() }), websocket: Object.freeze({ receive: Type.Object({ a: Type.Number() }) }) })
  const contract = Object.freeze(defineWebSocket({ url: '/c/:id', schema }))
  app.route({ ...contract, handler (connection) { connection.on('message', ({ a }) => { connection.send(String(a)) }) } })
  app.get('/d/:id', Object.freeze({ websocket: true, schema }), (connection, request) => { connection.send(request.params.id) })
  const client = await app.injectWS('/c/x')
  client.send('{"a":1}')
  t.equal((await once(client, 'message'))[0], '1')
  const other = await app.injectWS('/d/y')
  t.equal((await once(other, 'message'))[0], 'y')
})

t.test('the schema stays where hooks find it, and is hidden from OpenAPI unless it says otherwise', async (t) => {
  const { app } = await makeApp(t)
  const receive = Type.Object({ a: Type.Number() })
  const seen: unknown[] = []
  app.addHook('onRequest', async (request) => { seen.push(request.routeOptions.schema) })
  app.get('/a', { websocket: true, schema: { websocket: { receive } } }, () => {})
  app.get('/b', { websocket: true, schema: { hide: false } as object }, () => {})
  app.get('/c', { schema: { summary: 'c' } as object, handler: async () => '', wsHandler: () => {} })
  for (const url of ['/a', '/b', '/c']) (await app.injectWS(url)).terminate()
  t.match(seen, [{ hide: true, websocket: { receive } }, { hide: false }, { summary: 'c', hide: undefined }])
})

t.test('T51 a message in the segment of the handshake, async hooks, late listeners: once and in order', async (t) => {
  const { app, listen, open } = await makeApp(t)
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
  app.addHook('preHandler', async () => { await turn() })
  const got: string[][] = []
  app.get('/ws/:n', { websocket: true }, async (connection, request) => {
    const n = Number((request.params as { n: string }).n)
    const messages: string[] = got[n] = []
    for (let i = 0; i < n % 7; i++) await turn()
    connection.on('message', (message) => { messages.push(String(message)) })
  })
  await listen()
  // Masked with zeros, so that the text can be read.
  const frame = (text: string): Buffer => Buffer.concat([Buffer.from([0x81, 0x80 | text.length, 0, 0, 0, 0]), Buffer.from(text)])
  const want = ['one', 'two', 'three']
  for (let n = 0; n < 1_000; n += 20) {
    await Promise.all(Array.from({ length: 20 }, async (_, i) => {
      const client = await open()
      const wire = Buffer.concat([Buffer.from(handshake(`/ws/${n + i}`)), ...want.map(frame)])
      const cut = n % 3 === 0 ? wire.length : wire.length - (i % 12)
      client.write(wire.subarray(0, cut))
      await turn()
      client.write(wire.subarray(cut))
      await until(() => (got[n + i]?.length ?? 0) >= 3)
      client.destroy()
    }))
  }
  t.equal(got.length, 1_000)
  t.same(got.filter((messages) => JSON.stringify(messages) !== JSON.stringify(want)), [])
})

t.test('what a connection is told of its request', async (t) => {
  const { app, logs, listen, open } = await makeApp(t)
  app.get('/ws', { websocket: true }, (connection, request) => {
    connection.log.info('hello')
    connection.send(`${connection.request === request} ${connection.remoteAddress} ${connection.extensions}.`)
  })
  await listen()
  const client = await open()
  client.write(handshake('/ws', ['Sec-WebSocket-Extensions: permessage-deflate']))
  await client.until(() => client.text.endsWith('true 127.0.0.1 .'))
  const line = logs.find(({ msg }) => msg === 'hello')
  t.match(line, { connId: String, reqId: 'req-1' })
})

t.test('the accept key of any key', async (t) => {
  const { app, listen, open } = await makeApp(t)
  app.get('/ws', { websocket: true }, () => {})
  await listen()
  for (let n = 0; n < 20; n++) {
    const key = Buffer.alloc(16, n).toString('base64')
    const client = await open()
    client.write(head('GET /ws HTTP/1.1', [...without('Sec-WebSocket-Key'), `Sec-WebSocket-Key: ${key}`]))
    const [answer] = await client.untilAnswers(1)
    t.equal(answer?.headers['sec-websocket-accept'], createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64'))
  }
})

t.test('maxPayload is the body limit of the route or of the instance, unless an option says otherwise', async (t) => {
  const rows: ReadonlyArray<[path: string, limit: number]> = [['/instance', 100], ['/route', 50], ['/option', 25], ['/plugin/option', 30], ['/plugin/route', 20]]
  const { app, listen, open } = await makeApp(t, { server: { bodyLimit: 100 }, plugin: false })
  await app.register(websocket)
  app.get('/instance', { websocket: true }, (connection) => { connection.on('message', (message) => { connection.send(message) }) })
  app.get('/route', { websocket: true, bodyLimit: 50 }, (connection) => { connection.on('message', (message) => { connection.send(message) }) })
  app.get('/option', { websocket: { maxPayload: 25 }, bodyLimit: 50 }, (connection) => { connection.on('message', (message) => { connection.send(message) }) })
  app.register(async (child) => {
    await child.register(websocket, { maxPayload: 30 })
    child.get('/option', { websocket: true, bodyLimit: 50 }, (connection) => { connection.on('message', (message) => { connection.send(message) }) })
    child.get('/route', { websocket: { maxPayload: 20 } }, (connection) => { connection.on('message', (message) => { connection.send(message) }) })
  }, { prefix: '/plugin' })
  await listen()
  for (const [path, limit] of rows) {
    for (const [length, code] of [[limit, undefined], [limit + 1, 1009]] as const) {
      const client = await open()
      client.write(handshake(path))
      await client.untilAnswers(1)
      client.write(Buffer.concat([Buffer.from([0x82, 0x80 | length, 0, 0, 0, 0]), Buffer.alloc(length)]))
      await client.until(() => client.answers[0]?.body !== '')
      const first = Buffer.from(client.answers[0]?.body ?? '', 'latin1')
      if (code === undefined) t.equal(first[1], length, `${path} takes ${length}`)
      else t.equal(first.readUInt16BE(2), code, `${path} does not take ${length}`)
    }
  }
})

t.test('a route whose plugin never comes is not touched', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  app.get('/x', { websocket: true, handler: (async () => 'as declared') as never })
  t.equal((await app.inject('/x')).body, 'as declared')
})

t.test('an application that takes all listeners off a connection does not keep it among the open ones', async (t) => {
  const { app, listen, open } = await makeApp(t)
  app.get('/ws', { websocket: true }, (connection) => { connection.on('close', () => {}).removeAllListeners() })
  await listen()
  const client = await open()
  client.write(handshake('/ws'))
  await until(() => app.websocket.connections.size === 1)
  client.destroy()
  await until(() => app.websocket.connections.size === 0)
})
