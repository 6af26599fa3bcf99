// What makes many small messages cheap, counted: all that is sent while one read is handled, or in one tick, leaves in one write.
// A count says it on any machine, where a time would only say it on a quiet one.
import { Type } from '@sinclair/typebox'
import Fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import type { Test } from 'tap'
import websocket from '../../lib/index.ts'
import '../helpers/guard.ts'
import { encodeFrame } from '../helpers/wire-frames.ts'
import { CountingSocket } from './counting-socket.ts'

const COUNT = 100

async function makeApp (t: Test): Promise<FastifyInstance> {
  const app = Fastify()
  t.teardown(() => app.close())
  // Nobody answers Close frames.
  await app.register(websocket, { shutdownTimeout: 0 })
  const Said = Type.Object({ text: Type.String() })
  app.get('/echo', { websocket: true }, (connection) => {
    connection.on('message', (message) => { connection.send(message) })
  })
  app.get('/await', { websocket: { concurrency: COUNT } }, (connection) => {
    connection.on('message', async (message) => { connection.send(await message) })
  })
  app.get('/typed', { websocket: true, schema: { websocket: { receive: Said, send: Said } } }, (connection) => {
    connection.on('message', (message) => { connection.send(message) })
  })
  app.get('/pings', { websocket: true }, (connection) => { connection.on('message', () => {}) })
  app.get('/all', { websocket: true }, (connection) => {
    connection.on('message', (message) => {
      for (let i = 0; i < 8; i++) {
        for (const peer of app.websocket.connections) peer.send(message)
      }
    })
  })
  return app
}

function framesOf (payload: string | Buffer, count = COUNT): Buffer {
  return Buffer.concat(Array.from({ length: count }, () => encodeFrame({ opcode: typeof payload === 'string' ? 1 : 2, payload })))
}

const answerLength = (payload: string | Buffer): number => encodeFrame({ opcode: 1, payload, mask: null }).length

const text20 = 'twenty bytes of text'
const typed = JSON.stringify({ text: 'typed and checked' })

const rows = [
  { name: '100 texts of 20 bytes', path: '/echo', payload: text20 },
  { name: '100 binary messages of 20 bytes', path: '/echo', payload: Buffer.alloc(20) },
  { name: '100 texts of 125 bytes', path: '/echo', payload: 'x'.repeat(125) },
  { name: '60 messages of 1 KiB', path: '/echo', payload: Buffer.alloc(1_024), count: 60 },
  { name: '100 typed messages', path: '/typed', payload: typed },
  { name: '100 replies behind an await', path: '/await', payload: text20 }
]

for (const { name, path, payload, count = COUNT } of rows) {
  t.test(`${name} in one read are answered in one write`, async (t) => {
    const app = await makeApp(t)
    const socket = await CountingSocket.open(app, path)
    const chunk = framesOf(payload, count)
    for (let read = 1; read <= 3; read++) {
      await socket.receive(Buffer.from(chunk))
      t.equal(socket.bytesWritten, read * count * answerLength(payload), 'all of them')
      t.equal(socket.writes, read)
    }
  })
}

t.test('eight broadcasts in one tick are one write for each connection', async (t) => {
  const app = await makeApp(t)
  const sockets = [await CountingSocket.open(app, '/all'), await CountingSocket.open(app, '/all'), await CountingSocket.open(app, '/all')]
  await sockets[0]!.receive(framesOf(text20, 1))
  for (const socket of sockets) {
    t.equal(socket.bytesWritten, 8 * answerLength(text20))
    t.equal(socket.writes, 1)
  }
})

t.test('100 pings in one read are at most two writes: one pong, and the newest of those that waited', async (t) => {
  const app = await makeApp(t)
  const socket = await CountingSocket.open(app, '/pings')
  await socket.receive(Buffer.concat(Array.from({ length: COUNT }, () => encodeFrame({ opcode: 9, payload: 'x' }))))
  t.ok(socket.writes <= 2, `${socket.writes} writes`)
  t.ok(socket.bytesWritten > 0)
})
