import { Type } from '@sinclair/typebox'
import Fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import type { Test } from 'tap'
import websocket, { defineTopic } from '../../lib/index.ts'
import { controlRules } from '../../lib/plugin/control-rules.ts'
import { readPluginOptions, readRouteOptions } from '../../lib/plugin/options.ts'
import type { DeclaredRoute } from '../../lib/plugin/registration.ts'

function rulesOf (t: Test, requests: unknown, websocket: unknown = true): ReturnType<typeof controlRules> {
  const app = Fastify()
  t.teardown(() => app.close())
  const declared = { method: 'GET', url: '/', schema: { websocket: { requests } }, handler () {} } as unknown as DeclaredRoute
  return controlRules('GET /', declared, readRouteOptions(websocket, 'GET /', readPluginOptions({}), undefined, app), app)
}

t.test('only a route that has topics or requests has rules', async (t) => {
  t.equal(rulesOf(t, undefined), undefined)
  t.equal(rulesOf(t, {}), undefined)
  t.match(rulesOf(t, { add: {} }), { topics: [], mayPublish: false, seeMembers: false })
  const news = defineTopic({ name: 'news' })
  t.match(rulesOf(t, undefined, { topics: [news] }), { topics: [news], mayPublish: false, seeMembers: false })
  t.match(rulesOf(t, undefined, { topics: { allow: [news], publish: true, presence: true } }), { topics: [news], mayPublish: true, seeMembers: true })
})

t.test('a request is checked as it is, its reply is checked and written', async (t) => {
  const rule = rulesOf(t, { add: { request: Type.Object({ a: Type.Number() }), reply: Type.Number() } })?.requests.get('add')
  const payload = { a: 1 }
  t.equal(rule?.check(payload), payload)
  t.throws(() => rule?.check({ a: '1' }), { code: 'FST_ERR_VALIDATION', statusCode: 400 })
  t.equal(rule?.write(4), '4')
  t.throws(() => rule?.write('4'), { code: 'FST_WS_INVALID_SEND' })
  const free = rulesOf(t, { any: {} })?.requests.get('any')
  t.equal(free?.check('x'), 'x')
  t.equal(free?.write(undefined), 'null')
  t.equal(free?.write({ b: [] }), '{"b":[]}')
})

async function startWith (requests: unknown): Promise<FastifyInstance> {
  const app = Fastify()
  await app.register(websocket)
  app.get('/', { websocket: true, schema: { websocket: { requests } } } as never, () => {})
  return await app
}

const wrong: ReadonlyArray<{ name: string, requests: unknown, message: RegExp }> = [
  { name: 'no object', requests: [], message: /schema\.websocket\.requests is an array, must be an object/ },
  { name: 'a request that is none', requests: { add: 1 }, message: /requests\.add is a number/ },
  { name: 'a part that there is not', requests: { add: { response: {} } }, message: /requests\.add\.response.*only request and reply/ },
  { name: 'a schema that is none', requests: { add: { reply: 'x' } }, message: /requests\.add\.reply is a string/ }
]

for (const { name, requests, message } of wrong) {
  t.test(`${name}: registration fails`, async (t) => {
    await t.rejects(startWith(requests), { message })
  })
}

t.test('a schema that does not compile fails the start and not a handshake', async (t) => {
  const app = await startWith({ add: { request: { type: 'nonsense' } } })
  t.teardown(() => app.close())
  await t.rejects(Promise.resolve(app.ready()), { code: 'FST_WS_INVALID_SCHEMA', message: /requests\.add/ })
})

t.test('the schema of a topic that does not compile fails the start and not the first who publishes', async (t) => {
  for (const topics of [[{ name: 'news', schema: { type: 'nonsense' } }], { allow: [{ name: 'news', schema: { $ref: 'nowhere#' } }] }]) {
    const app = Fastify()
    t.teardown(() => app.close())
    await app.register(websocket)
    app.get('/', { websocket: { topics } }, () => {})
    await t.rejects(Promise.resolve(app.ready()), { code: 'FST_WS_INVALID_SCHEMA', message: /the topic news/ })
  }
})

t.test('plain JSON Schema is checked by the instance', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(websocket)
  const requests = { add: { request: { type: 'object', properties: { a: { type: 'number' } }, required: ['a'] } } }
  app.get('/', { websocket: true, schema: { websocket: { requests } } }, (connection) => {
    connection.handleRequests({ add: (payload: unknown) => payload } as never)
  })
  const client = await app.injectWS('/')
  const got: string[] = []
  const done = new Promise<void>((resolve) => { client.on('message', (message) => { if (got.push(String(message)) === 2) resolve() }) })
  client.send('{"type":"ws:request","id":1,"method":"add","payload":{"a":1}}')
  client.send('{"type":"ws:request","id":2,"method":"add","payload":{"a":"1"}}')
  await done
  t.equal(got[0], '{"type":"ws:reply","id":1,"payload":{"a":1}}')
  t.match(JSON.parse(got[1] ?? ''), { type: 'ws:error', id: 2, error: { code: 'FST_ERR_VALIDATION', statusCode: 400 } })
})
