// @fastify/rate-limit with WebSocket routes: handshakes are requests, and count as such.
import rateLimit from '@fastify/rate-limit'
import type { RateLimitPluginOptions } from '@fastify/rate-limit'
import t from 'tap'
import type { Test } from 'tap'
import { makeApp } from '../helpers/app.ts'
import type { TestApp } from '../helpers/app.ts'
import { openFrames } from '../helpers/frame-client.ts'
import type { RawAnswer } from '../helpers/raw-client.ts'
import { encodeFrame } from '../helpers/wire-frames.ts'
import { shake, text } from './shake.ts'

async function build (t: Test, options: RateLimitPluginOptions): Promise<TestApp> {
  const made = await makeApp(t)
  const { app } = made
  await app.register(rateLimit, { timeWindow: 60_000, ...options })
  app.get('/rest', async () => ({ ok: true }))
  app.get('/socket', { websocket: true }, (connection) => { connection.send('welcome') })
  app.get('/narrow', { websocket: true, config: { rateLimit: { max: 1, timeWindow: 60_000 } } }, (connection) => { connection.send('welcome') })
  app.get('/free', { websocket: true, config: { rateLimit: false } }, (connection) => { connection.send('welcome') })
  return made
}

/** What an answer says of the limit. */
function limits ({ statusCode, headers }: Pick<RawAnswer, 'statusCode' | 'headers'>): unknown[] {
  return [statusCode, headers['x-ratelimit-limit'], headers['x-ratelimit-remaining']]
}

t.test('the global limit: REST and handshakes count together, each once', async (t) => {
  const made = await build(t, { max: 3 })
  const port = await made.listen()
  t.strictSame(limits(await shake(made, '/socket')), [101, '3', '2'])
  const { statusCode, headers } = await made.app.inject('/rest')
  t.strictSame([statusCode, String(headers['x-ratelimit-remaining'])], [200, '1'])

  const client = await openFrames({ port, path: '/socket' })
  t.equal(await text(client), 'welcome', 'its headers in the 101 are no harm')

  const refused = await shake(made, '/socket')
  t.strictSame(limits(refused), [429, '3', '0'])
  t.match(refused.headers, { 'retry-after': /^\d+$/, 'x-ratelimit-reset': /^\d+$/, connection: 'close' })
  t.notOk('sec-websocket-accept' in refused.headers)
  const rest = await made.app.inject('/rest')
  t.equal(rest.statusCode, 429)
  t.same(JSON.parse(refused.body), rest.json(), 'the same answer as REST has')

  t.equal(client.ending, undefined, 'open connections stay')
  await client.write(encodeFrame({ opcode: 9, payload: 'still here' }))
  t.equal(await text(client, 1), 'still here')
  client.destroy()
})

t.test('a limit of the route holds for it alone', async (t) => {
  const made = await build(t, { max: 100 })
  await made.listen()
  t.strictSame(limits(await shake(made, '/narrow')), [101, '1', '0'])
  t.strictSame(limits(await shake(made, '/narrow')), [429, '1', '0'])
  t.strictSame(limits(await shake(made, '/socket')), [101, '100', '99'])
  t.strictSame(limits(await shake(made, '/free')), [101, undefined, undefined])
  t.equal((await made.app.inject('/rest')).statusCode, 200)
})

t.test('without global only routes that ask for it are limited', async (t) => {
  const made = await build(t, { max: 1, global: false })
  await made.listen()
  for (const status of [101, 101]) t.equal((await shake(made, '/socket')).statusCode, status)
  for (const status of [101, 429]) t.equal((await shake(made, '/narrow')).statusCode, status)
})

t.test('injectWS is counted by its address', async (t) => {
  const { app } = await build(t, { max: 1 })
  const open = async (remoteAddress: string): Promise<void> => {
    const client = await app.injectWS('/socket', { remoteAddress })
    client.terminate()
  }
  await open('10.0.0.1')
  await t.rejects(open('10.0.0.1'), { code: 'FST_WS_REFUSED', message: /429/ })
  await open('10.0.0.2')
})

t.test('handshakes to unknown paths are limited as requests are', async (t) => {
  const made = await build(t, { max: 2 })
  const { app } = made
  app.setNotFoundHandler({ preHandler: app.rateLimit() }, (_request, reply) => reply.code(404).send({ error: 'not here' }))
  await made.listen()
  for (const status of [404, 404, 429]) t.equal((await shake(made, '/nowhere')).statusCode, status)
  t.equal((await app.inject('/nowhere')).statusCode, 429)
})

t.test('a limit that several connections share, by createRateLimit', async (t) => {
  const made = await makeApp(t)
  const { app } = made
  await app.register(rateLimit, { global: false })
  const check = app.createRateLimit({ max: 3, timeWindow: 60_000, keyGenerator: (request) => request.headers['x-user'] as string }) // each client sends it
  app.get('/', { websocket: true }, (connection, request) => {
    connection.on('message', async () => {
      const limit = await check(request)
      if (!limit.isAllowed && limit.isExceeded) connection.close(1008, 'too many messages')
      else connection.send('ok')
    })
  })
  const port = await made.listen()
  const message = encodeFrame({ opcode: 1, payload: 'hello' })
  const clients = await Promise.all(['ann', 'ann', 'ben'].map(user => openFrames({ port, headers: [`X-User: ${user}`] })))
  const [first, second, other] = clients as [typeof clients[0], typeof clients[0], typeof clients[0]] // three
  t.teardown(() => { for (const client of clients) client.destroy() })
  await first.write(Buffer.concat([message, message]))
  t.equal(await text(first, 1), 'ok')
  await second.write(Buffer.concat([message, message]))
  await second.untilFrames(2)
  t.strictSame(second.frames.map(({ opcode }) => opcode), [1, 8])
  t.equal(second.closeFrame?.payload.readUInt16BE(), 1008)
  await other.write(message)
  t.equal(await text(other), 'ok')
})
