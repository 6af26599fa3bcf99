import { once } from 'node:events'
import { Readable } from 'node:stream'
import t from 'tap'
import { makeApp, until } from '../helpers/app.ts'
import { handshake, head } from '../helpers/raw-client.ts'

const ADMIN = head('GET /admin HTTP/1.1', ['Host: localhost'])
const VERSION_8 = head('GET /ws HTTP/1.1', [
  'Host: localhost', 'Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 8', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=='
])

for (const tls of [false, true]) {
  const refusals = [
    { name: 'by a hook that replies', request: handshake('/hook/replies'), statusCode: 401, body: 'no' },
    { name: 'by a hook that throws', request: handshake('/hook/throws'), statusCode: 500, body: /"message":"hook failed"/ },
    { name: 'by an async hook', request: handshake('/hook/late'), statusCode: 403, body: 'later' },
    { name: 'by validation', request: handshake('/number/x'), statusCode: 400, body: /FST_ERR_VALIDATION/ },
    { name: 'by an onSend hook, after it had been agreed on', request: handshake('/send'), statusCode: 500, body: /"message":"onSend failed"/ },
    { name: 'by the handshake rules', request: VERSION_8, statusCode: 426, body: /FST_WS_UNSUPPORTED_VERSION/, connection: 'close, Upgrade' },
    { name: 'by its method', request: handshake('/ws').replace('GET', 'PUT'), statusCode: 405, body: /FST_WS_METHOD_NOT_ALLOWED/ },
    { name: 'as the path is unknown', request: handshake('/nope'), statusCode: 404, body: /not found/ },
    { name: 'as the route is for HTTP', request: handshake('/admin'), statusCode: 404, body: /FST_WS_NO_SOCKET_ROUTE/ },
    { name: 'as the URL is malformed', request: handshake('/%zz'), statusCode: 400, body: /Bad Request/ }
  ]
  for (const { name, request, statusCode, body, connection = 'close' } of refusals) {
    t.test(`T33 refused ${name}, ${tls ? 'https' : 'http'}: one answer, then FIN`, async (t) => {
      const { app, listen, open } = await makeApp(t, { tls })
      let reached = 0
      app.get('/admin', async () => { reached++ })
      app.get('/ws', { websocket: true }, () => { reached++ })
      app.get('/hook/replies', { websocket: true, onRequest: (_request, reply) => { reply.code(401).send('no') } }, () => { reached++ })
      app.get('/hook/throws', { websocket: true, preHandler: async () => { throw new Error('hook failed') } }, () => { reached++ })
      app.get('/hook/late', {
        websocket: true,
        preValidation: async (_request, reply) => {
          await new Promise((resolve) => setImmediate(resolve))
          return reply.code(403).send('later')
        }
      }, () => { reached++ })
      app.get('/number/:n', { websocket: true, schema: { params: { type: 'object', properties: { n: { type: 'integer' } } } } }, () => { reached++ })
      app.get('/send', { websocket: true, onSend: async (_request, reply) => { if (reply.statusCode === 101) throw new Error('onSend failed') } }, () => { reached++ })
      await listen()

      const client = await open()
      client.write(request + ADMIN + ADMIN)
      t.equal(await client.untilEnd(), 'fin')
      const [answer, ...more] = client.answers
      t.same(more, [])
      t.equal(answer?.statusCode, statusCode)
      t.equal(answer?.headers.connection, connection)
      t.match(answer?.body, body)
      t.notOk(answer?.headers['sec-websocket-accept'])
      t.equal(client.text.match(/^HTTP\//gm)?.length, 1)
      t.equal(reached, 0)
      await until(() => client.socket.destroyed || client.socket.readableEnded)
    })
  }
}

t.test('T33 bytes that come after the refusal are not answered with a reset', async (t) => {
  const { app, listen, open } = await makeApp(t)
  app.get('/admin', async () => t.fail('reached'))
  await listen()
  const connected = once(app.server, 'connection')
  const client = await open()
  const [socket] = await connected
  client.write(handshake('/nope'))
  await client.untilAnswers(1)
  for (let n = 0; n < 20; n++) {
    client.write(ADMIN)
    await new Promise((resolve) => setImmediate(resolve))
  }
  t.equal(await client.untilEnd(), 'fin')
  const start = performance.now()
  client.end()
  await once(socket, 'close')
  t.ok(performance.now() - start < 900, 'they were read, so that the end was')
  t.equal(client.answers.length, 1)
})

t.test('a refusal that is streamed, larger than any buffer', async (t) => {
  const { app, listen, open } = await makeApp(t)
  const chunk = Buffer.alloc(65_536, 'x')
  app.get('/ws', {
    websocket: true,
    onRequest: (_request, reply) => { reply.code(403).send(Readable.from(Array.from({ length: 32 }, () => chunk))) }
  }, () => {})
  await listen()
  const client = await open()
  client.write(handshake('/ws'))
  t.equal(await client.untilEnd(), 'fin')
  t.equal(client.answers[0]?.statusCode, 403)
  t.equal(client.answers[0]?.body.length, 32 * 65_536)
})

t.test('the 101 is an ordinary reply', async (t) => {
  const { app, logs, listen, open } = await makeApp(t)
  const called: unknown[] = []
  app.addHook('onSend', async (_request, reply) => {
    reply.header('set-cookie', 'session=1')
    called.push(['onSend', reply.getHeader('sec-websocket-accept')])
  })
  app.addHook('onResponse', async (_request, reply) => { called.push(['onResponse', reply.statusCode]) })
  app.get('/ws', { websocket: true }, (connection) => { connection.send('hi') })
  await listen()
  const client = await open()
  client.write(handshake('/ws'))
  const [answer] = await client.untilAnswers(1)
  t.equal(answer?.statusCode, 101)
  // RFC 6455 §1.3 has this pair.
  t.match(answer?.headers, { upgrade: 'websocket', connection: 'Upgrade', 'sec-websocket-accept': 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=', 'set-cookie': 'session=1' })
  t.notOk(answer?.headers['content-length'])
  await client.until(() => client.text.endsWith('\x81\x02hi'))
  await until(() => called.length === 2)
  t.same(called, [['onSend', 's3pPLMBiTxaQ9kYGzzhZRbK+xOo='], ['onResponse', 101]])
  await until(() => logs.some(({ msg }) => msg === 'request completed'))
  t.match(logs.filter(({ msg }) => msg === 'request completed'), [{ level: 30, res: { statusCode: 101 } }])
})

t.test('request.ws, before and after', async (t) => {
  const { app, listen, open } = await makeApp(t)
  const seen: boolean[] = []
  app.addHook('onRequest', async (request) => { seen.push(request.ws) })
  app.addHook('onResponse', async (request) => { seen.push(request.ws) })
  app.get('/ws', { websocket: true }, (connection, request) => { connection.send(String(request.ws)) })
  app.get('/rest', async (request) => request.ws)
  await listen()
  const client = await open()
  client.write(head('GET /rest HTTP/1.1', ['Host: localhost']))
  const [answer] = await client.untilAnswers(1)
  t.equal(answer?.body, 'false')
  client.write(handshake('/ws'))
  await client.until(() => client.text.endsWith('true'))
  await until(() => seen.length === 4)
  t.same(seen, [false, false, true, true])
})

t.test('a client that leaves while a hook runs is heard of', async (t) => {
  const { app, logs, listen, open } = await makeApp(t)
  const aborted: string[] = []
  app.addHook('onRequestAbort', async (request) => { aborted.push(request.url) })
  const signals: AbortSignal[] = []
  let goOn = (): void => {}
  const mayGoOn = new Promise<void>((resolve) => { goOn = resolve })
  app.get('/ws', {
    websocket: true,
    onRequest: async (request) => {
      signals.push(request.signal)
      await mayGoOn
    }
  }, () => { t.fail('the handler of a connection that is gone') })
  await listen()
  for (const [leave, name] of [['end', 'FIN'], ['reset', 'RST']] as const) {
    const client = await open()
    client.write(handshake(`/ws?${name}`))
    await until(() => signals.length === (name === 'FIN' ? 1 : 2))
    client[leave]()
    await until(() => signals.at(-1)?.aborted === true)
    await until(() => aborted.at(-1) === `/ws?${name}`)
  }
  goOn()
  await until(() => logs.filter(({ msg }) => /left before/.test(msg)).length === 2)
  t.match(logs.filter(({ msg }) => /left before/.test(msg)), [{ level: 20 }, { level: 20, err: { code: 'ECONNRESET' } }])
  t.equal(app.websocket.connections.size, 0)
})

t.test('a handshake pipelined behind a request waits for its answer', async (t) => {
  const { app, listen, open } = await makeApp(t)
  const chunk = Buffer.alloc(65_536, 'x')
  app.get('/slow', async () => {
    await new Promise((resolve) => setImmediate(resolve))
    return Readable.from(Array.from({ length: 16 }, () => chunk))
  })
  app.get('/ws', { websocket: true }, (connection) => { connection.send('hi') })
  await listen()
  const client = await open()
  client.write(head('GET /slow HTTP/1.1', ['Host: localhost']) + head('GET /slow HTTP/1.1', ['Host: localhost']) + handshake('/ws'))
  const answers = await client.untilAnswers(3)
  t.same(answers.map(({ statusCode }) => statusCode), [200, 200, 101])
  t.equal(answers[1]?.body.length, 16 * 65_536)
  await client.until(() => client.text.endsWith('hi'))
})

t.test('a handshake pipelined behind the last request of a connection is not served', async (t) => {
  const { app, listen, open } = await makeApp(t)
  app.get('/last', async (_request, reply) => {
    await new Promise((resolve) => setImmediate(resolve))
    return reply.header('connection', 'close').send('bye')
  })
  app.get('/ws', { websocket: true, onRequest: async () => { t.fail('reached') } }, () => {})
  await listen()
  const client = await open()
  client.write(head('GET /last HTTP/1.1', ['Host: localhost']) + handshake('/ws'))
  t.equal(await client.untilEnd(), 'fin')
  t.same(client.answers.map(({ body }) => body), ['bye'])
})

t.test('timeouts of the HTTP server do not hit an open connection', async (t) => {
  const { app, listen, open } = await makeApp(t, {
    server: { connectionTimeout: 50, keepAliveTimeout: 50, requestTimeout: 50, handlerTimeout: 50, http: { headersTimeout: 50, connectionsCheckingInterval: 20 } }
  })
  app.get('/ws', { websocket: true }, (connection) => { setTimeout(() => connection.send('hi'), 200) })
  await listen()
  const client = await open()
  client.write(handshake('/ws'))
  await client.until(() => client.text.endsWith('hi'))
  t.equal(client.ending, undefined)
})

t.test('nor does connectionTimeout call onTimeout hooks for it, or while hooks run', async (t) => {
  const { app, listen, open } = await makeApp(t, { server: { connectionTimeout: 40 } })
  app.addHook('onTimeout', async () => { t.fail('onTimeout') })
  const wait = (): Promise<void> => new Promise((resolve) => { setTimeout(resolve, 120) })
  app.get('/ws', { websocket: true, onRequest: wait }, async (connection) => {
    await wait()
    connection.send('hi')
  })
  await listen()
  const client = await open()
  client.write(handshake('/ws'))
  await client.until(() => client.text.endsWith('hi'))
})

t.test('a client that leaves while the 101 is on its way gets no handler', async (t) => {
  const { app, listen, open } = await makeApp(t)
  let sockets = 0
  app.get('/ws', {
    websocket: true,
    // As slow a client as there can be: it has left when the answer is written.
    onSend: async (request) => {
      request.raw.socket.push(null)
      request.raw.socket.read(0)
      request.raw.socket.removeAllListeners('end')
    }
  }, () => { sockets++ })
  await listen()
  const client = await open()
  client.write(handshake('/ws'))
  await client.untilEnd()
  t.equal(sockets, 0)
  t.equal(app.websocket.connections.size, 0)
})

t.test('a refused client that neither reads to the end nor leaves is dropped', async (t) => {
  const { app, listen, open } = await makeApp(t)
  await listen()
  const connected = once(app.server, 'connection')
  const client = await open()
  const [socket] = await connected
  client.write(handshake('/nope'))
  await client.untilEnd()
  t.equal(socket.destroyed, false, 'its FIN is awaited')
  const start = performance.now()
  await once(socket, 'close')
  t.ok(performance.now() - start < 2_000)
})

t.test('an onSend hook adds to a 101 and takes nothing of it away', async (t) => {
  const { app, listen, open } = await makeApp(t)
  app.get('/ws', {
    websocket: true,
    onSend: async (_request, reply, payload) => {
      reply.headers({ connection: 'keep-alive', upgrade: 'h2c', 'sec-websocket-protocol': 'x', 'set-cookie': ['a=1', 'b=2'] })
      reply.removeHeader('sec-websocket-accept')
      return payload
    }
  }, (connection) => { connection.send('hi') })
  await listen()
  const client = await open()
  client.write(handshake('/ws'))
  const [answer] = await client.untilAnswers(1)
  t.equal(answer?.statusCode, 101)
  t.same({ ...answer?.headers, date: '' }, {
    date: '', upgrade: 'websocket', connection: 'Upgrade', 'sec-websocket-accept': 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=', 'set-cookie': 'a=1, b=2'
  })
  await client.until(() => client.text.endsWith('hi'))
})
