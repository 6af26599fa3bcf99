// @fastify/helmet with WebSocket routes: its headers are for pages, harmless in a 101, and right on refusals.
import helmet from '@fastify/helmet'
import t from 'tap'
import type { Test } from 'tap'
import { WebSocket } from 'ws'
import { makeApp } from '../helpers/app.ts'
import type { TestApp } from '../helpers/app.ts'
import { openFrames } from '../helpers/frame-client.ts'
import { shake, text } from './shake.ts'

/** All that helmet sets, whatever it is set to. */
const NAMES = [
  'content-security-policy', 'cross-origin-opener-policy', 'cross-origin-resource-policy', 'origin-agent-cluster', 'referrer-policy',
  'strict-transport-security', 'x-content-type-options', 'x-dns-prefetch-control', 'x-download-options', 'x-frame-options',
  'x-permitted-cross-domain-policies', 'x-xss-protection'
]

async function build (t: Test, options: { enableCSPNonces?: boolean } = {}): Promise<TestApp> {
  const made = await makeApp(t)
  const { app } = made
  await app.register(helmet, options)
  app.route({
    method: 'GET',
    url: '/both',
    handler: async () => ({ ok: true }),
    wsHandler: (connection) => { connection.send('welcome') }
  })
  app.get('/refused', {
    websocket: true,
    onRequest: async (_request, reply) => reply.code(403).send({ error: 'no' })
  }, () => {})
  // Both make helmet change the route's config.
  app.get('/without', { websocket: true, helmet: false }, (connection) => { connection.send('welcome') })
  app.get('/own', { websocket: true, helmet: { frameguard: { action: 'deny' } } }, (connection) => { connection.send('welcome') })
  return made
}

function helmetsOf (headers: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(NAMES.map((name) => [name, headers[name]]))
}

t.test('its headers are in the 101, in refusals and in answers of REST, and the connection works', async (t) => {
  const made = await build(t)
  const port = await made.listen()
  const expected = helmetsOf((await made.app.inject('/both')).headers)
  for (const name of NAMES) t.type(expected[name], 'string', name)
  for (const { path, status } of [{ path: '/both', status: 101 }, { path: '/refused', status: 403 }, { path: '/nowhere', status: 404 }]) {
    const answer = await shake(made, path)
    t.equal(answer.statusCode, status)
    t.strictSame(helmetsOf(answer.headers), expected)
  }
  const client = await openFrames({ port, path: '/both' })
  t.equal(await text(client), 'welcome')
  client.destroy()
  const socket = new WebSocket(`ws://127.0.0.1:${port}/both`)
  t.teardown(() => socket.terminate())
  t.equal(String(await new Promise((resolve) => { socket.once('message', resolve) })), 'welcome')
})

t.test('a route may be without them, or have its own', async (t) => {
  const made = await build(t)
  const port = await made.listen()
  t.equal((await shake(made, '/both')).headers['x-frame-options'], 'SAMEORIGIN')
  t.equal((await shake(made, '/own')).headers['x-frame-options'], 'DENY')
  t.strictSame(Object.keys((await shake(made, '/without')).headers).filter(name => NAMES.includes(name)), [])
  for (const path of ['/own', '/without']) {
    const client = await openFrames({ port, path })
    t.equal(await text(client), 'welcome')
    client.destroy()
  }
})

t.test('nonces, and injectWS', async (t) => {
  const made = await build(t, { enableCSPNonces: true })
  await made.listen()
  t.match((await shake(made, '/both')).headers['content-security-policy'], /'nonce-[\da-f]{32}'/)
  const client = await made.app.injectWS('/both')
  for await (const message of client) {
    t.equal(message, 'welcome')
    client.terminate()
  }
})
