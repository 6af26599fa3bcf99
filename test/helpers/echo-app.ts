// A server for clients of the command line: echo, refusals, closes.
import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import { makeApp } from './app.ts'

export interface EchoApp {
  readonly app: FastifyInstance
  readonly url: string
  readonly port: number
  /** Fields of the handshakes. */
  readonly headers: Array<Readonly<Record<string, unknown>>>
  readonly received: unknown[]
}

/**
 * Serves `/echo`; `/greet`, which says hello and nothing else; `/close/:code`, which closes on the first message; `/refuse`, a 401;
 * `/cut`, which drops the connection on the first message.
 */
export async function serveEcho (t: Test, { tls = false } = {}): Promise<EchoApp> {
  const { app, listen } = await makeApp(t, { tls, plugin: { allowedOrigins: '*', perMessageDeflate: true, shutdownTimeout: 500 } })
  const headers: Array<Readonly<Record<string, unknown>>> = []
  const received: unknown[] = []
  app.addHook('onRequest', async (request) => { headers.push(request.headers) })
  app.get('/echo', { websocket: { protocols: ['v1', 'v2'] } }, (connection) => {
    connection.on('message', (message) => {
      received.push(message)
      connection.send(message)
    })
  })
  app.get('/echo/', { websocket: true }, (connection) => { connection.on('message', () => { connection.send('with a slash') }) })
  app.get('/greet', { websocket: true }, (connection) => {
    connection.send('hello')
    connection.send(Buffer.from('bytes'))
    connection.send('{"type":"ws:ack","id":1}')
    connection.on('message', (message) => { received.push(message) })
  })
  app.get('/close/:code', { websocket: true, schema: { params: { type: 'object', properties: { code: { type: 'integer' } } } } }, (connection, request) => {
    connection.on('message', () => connection.close((request.params as { code: number }).code, 'as asked'))
  })
  app.get('/cut', { websocket: true }, (connection) => { connection.on('message', () => connection.terminate()) })
  app.get('/refuse', { websocket: true, onRequest: async (_request, reply) => reply.code(401).send({ message: 'who are you?' }) }, () => {})
  app.get('/rest', async () => 'no WebSocket')
  const port = await listen()
  return { app, port, url: `${tls ? 'wss' : 'ws'}://127.0.0.1:${port}`, headers, received }
}
