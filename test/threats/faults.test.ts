// Code of the application that throws or rejects, wherever the plugin calls it, and sockets that fail at any moment: one
// log line, the policy's close code, and the process goes on.
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { Type } from '@sinclair/typebox'
import t from 'tap'
import type { Test } from 'tap'
import type { AnyWebSocketConnection, WebSocketErrorHandler } from '../../lib/index.ts'
import { makeApp, until } from '../helpers/app.ts'
import type { TestApp } from '../helpers/app.ts'
import { turns } from '../helpers/connection-pair.ts'
import { openFrames } from '../helpers/frame-client.ts'
import type { FrameClient } from '../helpers/frame-client.ts'
import { escaped, settleEscapes } from '../helpers/guard.ts'
import { handshake } from '../helpers/raw-client.ts'
import { closeCodeOf, closePayload, encodeFrame } from '../helpers/wire-frames.ts'

t.setTimeout(300_000)

const boom = (): never => { throw new Error('secret') }
const reject = async (): Promise<never> => { await turns(1); return boom() }

/** The ways in which a function of the application can fail. */
const ways: ReadonlyArray<{ how: string, fail: () => unknown }> = [
  { how: 'throws', fail: boom },
  { how: 'rejects before its first await', fail: async () => boom() },
  { how: 'rejects behind an await', fail: reject },
  { how: 'throws undefined', fail: () => { throw undefined } },
  { how: 'rejects with a string', fail: async () => { throw 'secret' } },
  { how: 'returns a thenable whose then throws', fail: () => ({ then: boom }) } // oxlint-disable-line unicorn/no-thenable
]

interface Place {
  readonly where: string
  /** Runs as the route's handler. */
  readonly handler: (connection: AnyWebSocketConnection, fail: () => unknown) => unknown
  readonly path?: '/raw' | '/typed'
  /** What the client sends. */
  readonly send?: Buffer
  /** Messages that come back before the end. */
  readonly answers?: readonly string[]
  /** Close code that the client gets. */
  readonly code?: number
  /** Places where only what is thrown, or only what is returned, is seen. */
  readonly only?: RegExp
}

const text = (payload: string): Buffer => encodeFrame({ opcode: 1, payload })
const five = Buffer.concat(['1', '2', '3', '4', '5'].map(text))

const places: readonly Place[] = [
  { where: 'the handler', handler: (_connection, fail) => fail() },
  { where: 'the handler, with a listener attached', handler: (connection, fail) => { connection.on('message', () => {}); return fail() }, send: five },
  {
    where: 'a listener of the first message',
    handler: (connection, fail) => { connection.on('message', () => fail()) },
    send: text('1')
  },
  {
    where: 'a listener of the fourth message',
    handler: (connection, fail) => {
      connection.on('message', (message: unknown) => {
        if (message === '4') return fail()
        return connection.send(message as never)
      })
    },
    send: five,
    answers: ['1', '2', '3']
  },
  {
    where: 'a listener attached by once',
    handler: (connection, fail) => { connection.once('message', () => fail()) },
    send: text('1')
  },
  {
    where: 'a listener of a message\'s type',
    path: '/typed',
    handler: (connection, fail) => { connection.on('message:a' as 'message', () => fail()) },
    send: text('{"type":"a"}')
  },
  {
    where: 'a handler of handle()',
    path: '/typed',
    handler: (connection, fail) => { connection.handle({ a: () => fail() } as never) },
    send: text('{"type":"a"}')
  },
  {
    where: 'a loop over the messages',
    handler: async (connection, fail) => {
      for await (const message of connection) {
        if (message === '3') await fail()
        connection.send(message as never)
      }
    },
    send: five,
    answers: ['1', '2']
  },
  { where: 'a listener of ping', handler: (connection, fail) => { connection.on('ping', () => fail()) }, send: encodeFrame({ opcode: 9, payload: 'p' }) },
  { where: 'a listener of pong', handler: (connection, fail) => { connection.on('pong', () => fail()) }, send: encodeFrame({ opcode: 10 }) },
  {
    where: 'a listener of invalid',
    path: '/typed',
    handler: (connection, fail) => { connection.on('invalid', () => fail()) },
    send: text('{"type":"b"}')
  },
  {
    where: 'a listener of close',
    handler: (connection, fail) => { connection.on('close', () => fail()) },
    send: encodeFrame({ opcode: 8, payload: closePayload(4001, 'bye') }),
    code: 4001
  },
  {
    where: 'a listener of drain',
    handler: (connection, fail) => {
      connection.on('drain', () => fail())
      // more than the high-water mark: drain follows when it has left
      connection.send(Buffer.alloc(70_000))
    },
    answers: ['\0'.repeat(70_000)]
  },
  {
    where: 'a listener of a stream\'s data',
    handler: (connection, fail) => { connection.createStream().on('data', () => { fail() }) },
    send: text('1'),
    only: /^throws/
  }
]

interface FaultApp extends TestApp {
  readonly port: number
  readonly bystander: FrameClient
}

/** An app with the routes, and one more client on another route, whom nothing of it may touch. */
async function startApp (t: Test, handler: (connection: AnyWebSocketConnection) => unknown, errorHandler?: WebSocketErrorHandler): Promise<FaultApp> {
  const site = await makeApp(t, { plugin: errorHandler === undefined ? {} : { errorHandler } })
  const { app } = site
  app.get('/raw', { websocket: true }, (connection) => handler(connection) as void)
  app.get('/typed', { websocket: true, schema: { websocket: { receive: Type.Object({ type: Type.Literal('a') }) } } }, (connection) => handler(connection as unknown as AnyWebSocketConnection) as void)
  app.get('/echo', { websocket: true }, (connection) => { connection.on('message', (message) => { connection.send(message) }) })
  const port = await site.listen()
  const bystander = await openFrames({ port, path: '/echo' })
  t.teardown(() => bystander.destroy())
  return { ...site, port, bystander }
}

/** Answers the server's Close as a client does, and resolves with its code when the connection has ended. */
async function untilClosed (client: FrameClient): Promise<number | undefined> {
  while (!client.isOver) await client.untilFrames(client.frames.length + 1)
  if (client.closeFrame !== undefined) await client.write(encodeFrame({ opcode: 8, payload: client.closeFrame.payload }))
  await client.untilEnd()
  return client.closeFrame === undefined ? undefined : closeCodeOf(client.closeFrame.payload)
}

async function checkBystander (t: Test, { app, bystander }: FaultApp): Promise<void> {
  await until(() => app.websocket.connections.size === 1)
  const before = bystander.frames.length
  await bystander.write(text('still here'))
  await bystander.untilFrames(before + 1)
  t.equal(bystander.frames.at(-1)?.payload.toString(), 'still here', 'another connection goes on')
  await settleEscapes()
  t.same(escaped, [])
}

for (const { where, handler, path = '/raw', send, answers = [], code = 1011, only } of places) {
  for (const { how, fail } of ways) {
    if (only?.test(how) === false) continue
    t.test(`T50 ${where} ${how}`, async (t) => {
      let calls = 0
      const site = await startApp(t, (connection) => handler(connection, () => {
        if (++calls === 1) return fail()
        return undefined
      }))
      const client = await openFrames({ port: site.port, path })
      if (send !== undefined) await client.write(send)
      t.equal(await untilClosed(client), code)
      t.same(client.frames.filter(({ opcode }) => opcode < 8).map(({ payload }) => payload.toString()), answers)
      t.notMatch(client.raw.toString('latin1'), 'secret', 'the peer is told nothing of it')
      await checkBystander(t, site)
      t.match(site.logs.filter(({ level }) => level >= 40), [{ level: 50, err: Object, connId: String, reqId: String }])
      t.equal(site.logs.filter(({ level }) => level >= 40).length, 1, 'one log line')
    })
  }
}

for (const { how, fail } of ways) {
  t.test(`T50 an error handler that ${how}: 1011, one log line of its own`, async (t) => {
    let calls = 0
    const site = await startApp(t, boom, () => {
      calls++
      return fail()
    })
    const client = await openFrames({ port: site.port, path: '/raw' })
    t.equal(await untilClosed(client), 1011)
    await checkBystander(t, site)
    t.equal(calls, 1)
    t.equal(site.logs.filter(({ level }) => level >= 40).length, 1)
  })

  t.test(`T50 a listener of error that ${how}, beside a handler that throws`, async (t) => {
    const site = await startApp(t, (connection) => {
      connection.on('error', () => fail())
      boom()
    })
    const client = await openFrames({ port: site.port, path: '/raw' })
    t.equal(await untilClosed(client), 1011)
    await checkBystander(t, site)
    t.equal(site.logs.filter(({ level }) => level >= 40).length, 2, 'two faults, two lines')
  })
}

t.test('T50 an error handler that swallows everything: the connection stays and the next messages come', async (t) => {
  const errors: string[] = []
  const site = await startApp(t, (connection) => {
    connection.on('message', async (message: unknown) => {
      if (message === '2' || message === '4') boom()
      connection.send(message as never)
    })
  }, (error) => { errors.push(error.message) })
  const client = await openFrames({ port: site.port, path: '/raw' })
  await client.write(five)
  await client.untilFrames(3)
  t.same(client.frames.map(({ payload }) => payload.toString()), ['1', '3', '5'])
  t.same(errors, ['secret', 'secret'])
  client.destroy()
})

/** Moments in the life of a connection; each resolves with its server's socket. */
const moments: ReadonlyArray<{ when: string, reach: (t: Test) => Promise<{ socket: Socket, app: TestApp['app'] }> }> = [
  {
    when: 'while hooks run',
    async reach (t) {
      const { app, open, listen } = await makeApp(t)
      const hook = new Promise<Socket>((resolve) => {
        app.addHook('onRequest', async (request) => {
          resolve(request.raw.socket)
          await new Promise(() => {})
        })
      })
      app.get('/ws', { websocket: { handshakeTimeout: 300 } }, () => {})
      await listen()
      const client = await open()
      client.write(handshake('/ws'))
      return { app, socket: await hook }
    }
  },
  ...(['open, with no listener at all', 'while a handler runs', 'behind its own close', 'behind the peer\'s close'] as const).map((when) => ({
    when,
    async reach (t: Test) {
      const { app, open, listen } = await makeApp(t)
      const opened = new Promise<{ socket: Socket, connection: AnyWebSocketConnection }>((resolve) => {
        app.get('/ws', { websocket: true }, async (connection, request) => {
          resolve({ socket: request.raw.socket, connection })
          if (when === 'while a handler runs') await once(connection, 'close')
        })
      })
      await listen()
      const client = await open()
      await client.write(handshake('/ws')).untilAnswers(1)
      const { socket, connection } = await opened
      if (when === 'behind its own close') connection.close(1000)
      if (when === 'behind the peer\'s close') {
        client.write(encodeFrame({ opcode: 8 }))
        await client.untilEnd()
      }
      return { app, socket }
    }
  }))
]

for (const { when, reach } of moments) {
  t.test(`T59 a socket that fails ${when}`, async (t) => {
    const { app, socket } = await reach(t)
    t.ok(socket.listenerCount('error') > 0, 'somebody hears of it')
    const closed = once(socket, 'close').catch(() => {})
    socket.destroy(new Error('the socket failed'))
    await closed
    await until(() => app.websocket.connections.size === 0)
    // and of what comes behind the end
    t.ok(socket.listenerCount('error') > 0, 'as long as it lives')
    socket.emit('error', new Error('too late'))
    await settleEscapes()
    t.same(escaped, [])
  })
}

t.test('T59 a thousand connections that end in every way leave no timer and no socket', async (t) => {
  const { app, listen } = await makeApp(t, { server: { logger: false }, plugin: { closeTimeout: 50 } })
  app.get('/ws', { websocket: true }, (connection) => {
    connection.on('message', (message) => {
      if (message === 'close') connection.close(4000)
      if (message === 'terminate') connection.terminate()
      if (message === 'throw') boom()
      if (message === 'ping') connection.ping('p')
    })
  })
  const port = await listen()
  const resources = (): string[] => process.getActiveResourcesInfo().filter((name) => name === 'Timeout' || name === 'TCPSocketWrap')
  // of the tests before
  await until(() => !resources().includes('TCPSocketWrap'))
  const before = resources()
  const endings: ReadonlyArray<(client: FrameClient) => unknown> = [
    (client) => client.write(text('close')), (client) => client.write(text('terminate')), (client) => client.write(text('throw')),
    (client) => client.write(text('ping')).then(() => client.reset()), (client) => client.write(encodeFrame({ opcode: 8 })), (client) => client.write(encodeFrame({ opcode: 3 })),
    (client) => client.write(encodeFrame({ opcode: 1, announced: 100n })), (client) => client.reset(), (client) => client.end(), (client) => client.destroy()
  ]
  for (let round = 0; round < 20; round++) {
    const clients = await Promise.all(Array.from({ length: 50 }, () => openFrames({ port, path: '/ws' })))
    await Promise.all(clients.map(async (client, i) => endings[i % endings.length]?.(client)))
    await turns(5)
    for (const client of clients) client.destroy()
  }
  await until(() => app.websocket.connections.size === 0)
  await until(() => resources().length <= before.length)
  t.same(resources(), before)
  t.same(escaped, [])
})
