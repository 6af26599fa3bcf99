import { once } from 'node:events'
import { Type } from '@sinclair/typebox'
import t from 'tap'
import websocket from '../../lib/index.ts'
import type { WebSocketErrorHandler } from '../../lib/index.ts'
import { makeApp, until } from '../helpers/app.ts'
import { handshake } from '../helpers/raw-client.ts'

const fail = (error: object): never => { throw Object.assign(new Error('mine'), error) }

const rows: ReadonlyArray<{ name: string, path: string, send?: string | Buffer, code: number, reason: string | RegExp, level: number }> = [
  { name: 'T50 a handler that throws', path: '/throws', code: 1011, reason: 'internal error', level: 50 },
  { name: 'T50 a handler that rejects', path: '/rejects', code: 1011, reason: 'internal error', level: 50 },
  { name: 'T50 a listener that throws', path: '/listener', send: 'x', code: 1011, reason: 'internal error', level: 50 },
  { name: 'T50 a listener that rejects', path: '/listener', send: 'async', code: 1011, reason: 'internal error', level: 50 },
  { name: 'an error with a close code of its own', path: '/code', code: 4321, reason: 'mine', level: 50 },
  { name: 'an error with a close code that no frame may have', path: '/bad-code', code: 1011, reason: 'internal error', level: 50 },
  { name: 'an error of the system that is not the socket\'s', path: '/system', code: 1011, reason: 'internal error', level: 50 },
  { name: 'a message that is not JSON', path: '/typed', send: '{', code: 1007, reason: 'message is not valid JSON', level: 30 },
  { name: 'a binary message', path: '/typed', send: Buffer.from('{}'), code: 1003, reason: /binary/, level: 30 },
  { name: 'a message that does not fit', path: '/typed', send: '{"a":"x"}', code: 1008, reason: 'message/a Expected number', level: 30 },
  { name: 'a message that does not fit, with much to say', path: '/typed', send: `{"${'ü'.repeat(300)}":1}`, code: 1008, reason: /^message\/ü+$/, level: 30 },
  { name: 'a broken rule', path: '/small', send: 'x'.repeat(11), code: 1009, reason: /over maxPayload/, level: 30 }
]

for (const { name, path, send, code, reason, level } of rows) {
  t.test(name, async (t) => {
    const { app, logs } = await makeApp(t)
    app.get('/throws', { websocket: true }, () => { throw new Error('secret') })
    app.get('/rejects', { websocket: true }, async () => { throw new Error('secret') })
    app.get('/listener', { websocket: true }, (connection) => {
      connection.on('message', (message) => {
        if (message === 'async') return Promise.reject(new Error('secret'))
        throw new Error('secret')
      })
    })
    app.get('/code', { websocket: true }, () => fail({ closeCode: 4321 }))
    app.get('/bad-code', { websocket: true }, () => fail({ closeCode: 1006 }))
    app.get('/system', { websocket: true }, () => fail({ code: 'ECONNRESET', syscall: 'read' }))
    app.get('/typed', { websocket: true, schema: { websocket: { receive: Type.Object({ a: Type.Optional(Type.Number()) }, { additionalProperties: false }) } } }, () => {})
    app.get('/small', { websocket: { maxPayload: 10 } }, () => {})
    const client = await app.injectWS(path)
    const closed = once(client, 'close')
    if (send !== undefined) client.send(send)
    const [gotCode, gotReason] = await closed
    t.equal(gotCode, code)
    t.match(gotReason, reason)
    t.ok(Buffer.byteLength(gotReason) <= 123)
    await until(() => app.websocket.connections.size === 0)
    const lines = logs.filter(({ err }) => err !== undefined)
    t.match(lines, [{ level, connId: String, reqId: 'req-1' }], 'one log line')
    t.equal(lines.length, 1)
    t.notMatch(gotReason, 'secret')
  })
}

t.test('a socket that fails is its peer\'s fault', async (t) => {
  const { app, logs, listen, open } = await makeApp(t)
  app.get('/ws', { websocket: true }, (connection) => { connection.on('message', () => {}) })
  await listen()
  const client = await open()
  client.write(handshake('/ws'))
  await client.untilAnswers(1)
  client.reset()
  await until(() => app.websocket.connections.size === 0)
  t.match(logs.filter(({ err }) => err !== undefined), [{ level: 30, err: { code: 'ECONNRESET' } }])
})

t.test('an errorHandler gets the error, connection, request and reply, and decides', async (t) => {
  const calls: unknown[] = []
  const note = (who: string): WebSocketErrorHandler => function (error, connection, request, reply) {
    calls.push([who, error.message, connection.request === request, reply.request === request, this.prefix, connection.readyState])
    connection.close(4000, who)
  }
  const { app, logs } = await makeApp(t, { plugin: { errorHandler: note('plugin') } })
  app.register(async (child) => {
    child.get('/plugin', { websocket: true }, () => { throw new Error('a') })
    child.get('/route', { websocket: { errorHandler: note('route') } }, async () => { throw new Error('b') })
    await child.register(websocket, { errorHandler: note('child') })
    child.get('/child', { websocket: true }, () => { throw new Error('c') })
  }, { prefix: '/x' })
  for (const name of ['route', 'child']) {
    t.same((await once(await app.injectWS(`/x/${name}`), 'close')).slice(0, 2), [4000, name])
  }
  t.same(calls, [['route', 'b', true, true, '/x', 1], ['child', 'c', true, true, '/x', 1]])
  t.same(logs.filter(({ level }) => level >= 40), [], 'logging is the handler\'s business')
})

t.test('the error handler gets what has ended the connection already', async (t) => {
  const calls: unknown[] = []
  const { app, logs, listen, open } = await makeApp(t, {
    plugin: { errorHandler: (error, connection) => { calls.push([(error as { code?: string }).code, connection.readyState]); connection.close(4000) } }
  })
  app.get('/ws', { websocket: true }, () => {})
  await listen()
  const client = await open()
  client.write(handshake('/ws'))
  await client.untilAnswers(1)
  client.write(Buffer.from([0x81, 0x00]))
  // 1002, of the engine.
  await client.until(() => client.text.includes('\x03\xea'))
  t.same(calls, [['FST_WS_MASK_MISSING', 2]])
  t.same(logs.filter(({ level }) => level >= 40), [])
})

t.test('an errorHandler that fails itself', async (t) => {
  for (const [name, errorHandler] of Object.entries({
    throws: () => { throw new Error('second') },
    rejects: async () => { throw new Error('second') }
  })) {
    const { app, logs } = await makeApp(t, { plugin: { errorHandler } })
    app.get('/ws', { websocket: true }, () => { throw new Error('first') })
    const [code] = await once(await app.injectWS('/ws'), 'close')
    t.equal(code, 1011, name)
    t.match(logs.filter(({ level }) => level === 50), [{ err: { message: 'second' }, msg: /errorHandler/ }], name)
  }
})
