import { once } from 'node:events'
import { Type } from '@sinclair/typebox'
import { TypeBoxValidatorCompiler } from '@fastify/type-provider-typebox'
import t from 'tap'
import type { Test } from 'tap'
import type { FastifyInstance } from 'fastify'
import { makeApp } from '../helpers/app.ts'

const A = Type.Object({ a: Type.Number() })

/** What a route makes of a message: the JSON of it, sent back as text, or the close code and reason. */
async function say (app: FastifyInstance, message: string | Buffer, path = '/ws'): Promise<unknown> {
  const client = await app.injectWS(path)
  const answer = Promise.race([once(client, 'message').then(([message]) => message), once(client, 'close').then(([code, reason]) => `${code} ${reason}`)])
  client.send(message)
  const got = await answer
  client.terminate()
  return got
}

/** Adds the route that tells what it got. */
function addRoute (app: FastifyInstance, options: object): void {
  app.get('/ws', { websocket: true, ...options }, (connection) => {
    connection.on('message', (message: unknown) => { connection.send(Buffer.isBuffer(message) ? `bytes ${message.length}` : JSON.stringify(message)) })
  })
}

t.test('receive only: checked, and answers are raw', async (t) => {
  const { app } = await makeApp(t)
  addRoute(app, { schema: { websocket: { receive: A } } })
  t.equal(await say(app, '{"a":1}'), '{"a":1}')
  t.equal(await say(app, '{"a":"1"}'), '1008 message/a Expected number')
  t.match(await say(app, Buffer.from('{}')), /^1003 /)
})

t.test('binary: true lets bytes through', async (t) => {
  const { app } = await makeApp(t)
  addRoute(app, { websocket: { binary: true }, schema: { websocket: { receive: A } } })
  t.equal(await say(app, Buffer.from('{}')), 'bytes 2')
  t.equal(await say(app, '{"a":1}'), '{"a":1}')
})

t.test('send: written by the schema, checked at the caller', async (t) => {
  const { app } = await makeApp(t)
  app.get('/ws', { websocket: true, schema: { websocket: { receive: Type.Unknown(), send: A } } }, (connection) => {
    connection.on('message', (message: unknown) => {
      try {
        connection.send(message as { a: number })
      } catch (error) {
        connection.close(4000, (error as { code: string }).code)
      }
    })
  })
  t.equal(await say(app, '{"a":1}'), '{"a":1}')
  t.equal(await say(app, '{"a":1}'), '{"a":1}', 'a second connection')
  t.equal(await say(app, '{"a":"1"}'), '4000 FST_WS_INVALID_SEND')
})

t.test('plain JSON Schema and $ref to a schema of the instance, never coerced', async (t) => {
  const { app } = await makeApp(t)
  app.addSchema({ $id: 'shared', type: 'object', required: ['a'], properties: { a: { type: 'number' } } })
  app.register(async (child) => {
    child.addSchema({ $id: 'own', type: 'object', required: ['b'], properties: { b: { $ref: 'shared#' } } })
    child.get('/own', { websocket: true, schema: { websocket: { receive: { $ref: 'own#' } } } }, (connection) => {
      connection.on('message', (message) => { connection.send(JSON.stringify(message)) })
    })
  })
  addRoute(app, { schema: { websocket: { receive: Type.Unsafe({ $ref: 'shared#' }) } } })
  t.equal(await say(app, '{"a":1}'), '{"a":1}')
  t.equal(await say(app, '{"a":"1"}'), '1008 message/a must be number')
  t.equal(await say(app, '{"b":{"a":1}}', '/own'), '{"b":{"a":1}}')
  t.match(await say(app, '{"b":{}}', '/own'), /^1008 message\/b must have required property 'a'/)
})

t.test('compilers: the route\'s option, Fastify\'s for the route, the plugin\'s, the instance\'s', async (t) => {
  const compiler = (name: string) => ({ httpPart, method, url }: { httpPart?: string, method?: string, url?: string }) => (value: object) => ({ value: { ...value, name, httpPart, method, url } })
  const rows: ReadonlyArray<[name: string, plugin: object, set: boolean, route: object]> = [
    ['option', { validatorCompiler: compiler('plugin') }, true, { websocket: { validatorCompiler: compiler('option') }, validatorCompiler: compiler('route') }],
    ['route', { validatorCompiler: compiler('plugin') }, true, { validatorCompiler: compiler('route') }],
    ['plugin', { validatorCompiler: compiler('plugin') }, true, {}],
    ['instance', {}, true, {}]
  ]
  for (const [name, plugin, set, route] of rows) {
    const { app } = await makeApp(t, { plugin })
    if (set) app.setValidatorCompiler(compiler('instance') as never)
    addRoute(app, { ...route, schema: { websocket: { receive: A } } })
    t.equal(await say(app, '{}'), `{"name":"${name}","httpPart":"body","method":"GET","url":"/ws"}`)
  }
})

t.test('the compiler of @fastify/type-provider-typebox, set on the instance', async (t) => {
  const { app } = await makeApp(t)
  app.setValidatorCompiler(TypeBoxValidatorCompiler)
  addRoute(app, { schema: { websocket: { receive: A } } })
  t.equal(await say(app, '{"a":1}'), '{"a":1}')
  t.match(await say(app, '{"a":"1"}'), /^1008 /)
})

t.test('serialisers: the route\'s option, Fastify\'s for the route, the plugin\'s, the instance\'s', async (t) => {
  const compiler = (name: string) => ({ method, url }: { method?: string, url?: string }) => () => `${name} ${method} ${url}`
  const rows: ReadonlyArray<[name: string, plugin: object, route: object]> = [
    ['option', { serializerCompiler: compiler('plugin') }, { websocket: { serializerCompiler: compiler('option') }, serializerCompiler: compiler('route') }],
    ['route', { serializerCompiler: compiler('plugin') }, { serializerCompiler: compiler('route') }],
    ['plugin', { serializerCompiler: compiler('plugin') }, {}],
    ['instance', {}, {}]
  ]
  for (const [name, plugin, route] of rows) {
    const { app } = await makeApp(t, { plugin })
    app.setSerializerCompiler(compiler('instance') as never)
    app.get('/ws', { websocket: true, ...route, schema: { websocket: { send: A } } }, (connection) => { connection.send({ a: 1 }) })
    const client = await app.injectWS('/ws')
    t.equal((await once(client, 'message'))[0], `${name} GET /ws`)
  }
})

t.test('the instance\'s rules for poisoned JSON', async (t) => {
  const poisoned = '{"a":1,"__proto__":{"x":1}}'
  for (const [onProtoPoisoning, want] of [['error', /^1007 /], ['remove', '{"a":1}'], ['ignore', /^\{"a":1/]] as const) {
    const { app } = await makeApp(t, { server: { onProtoPoisoning } })
    addRoute(app, { schema: { websocket: { receive: A } } })
    t.match(await say(app, poisoned), want, onProtoPoisoning)
  }
})

async function fails (t: Test, schema: unknown): Promise<unknown> {
  const { app } = await makeApp(t)
  try {
    addRoute(app, { schema })
  } catch (error) {
    return error
  }
  return undefined
}

t.test('schemas that are none fail at registration, and the route is named', async (t) => {
  t.match(await fails(t, { websocket: 'text' }), { code: 'FST_WS_INVALID_OPTION', message: /"schema\.websocket" of GET \/ws/ })
  t.match(await fails(t, { websocket: { receive: A, sent: A } }), { code: 'FST_WS_INVALID_OPTION', message: /"schema\.websocket\.sent" of GET \/ws/ })
  const { app } = await makeApp(t, { plugin: { validatorCompiler: () => { throw new Error('mine') } } })
  t.throws(() => addRoute(app, { schema: { websocket: { receive: A } } }), { code: 'FST_WS_INVALID_SCHEMA', message: /^GET \/ws: .*schema\.websocket\.receive.*mine/ } as unknown as Error)
})

t.test('schemas that do not compile fail the start, and the route is named', async (t) => {
  const rows: ReadonlyArray<[schema: object, message: RegExp]> = [
    [{ receive: Type.Object({ a: Type.String({ pattern: '(' }) }) }, /^GET \/ws: .*schema\.websocket\.receive/],
    [{ receive: { $ref: 'nowhere#' } }, /^GET \/ws: .*schema\.websocket\.receive.*nowhere/],
    [{ send: { type: 'nothing' } }, /^GET \/ws: .*schema\.websocket\.send/]
  ]
  for (const [websocket, message] of rows) {
    const { app } = await makeApp(t)
    addRoute(app, { schema: { websocket } })
    await t.rejects(async () => await app.ready(), { code: 'FST_WS_INVALID_SCHEMA', message })
  }
})

t.test('the instance\'s compiler is used once a schema', async (t) => {
  const compiled: unknown[] = []
  const buildValidator = () => ({ schema }: { schema: unknown }) => {
    compiled.push(schema)
    return () => true
  }
  const { app } = await makeApp(t, { server: { schemaController: { compilersFactory: { buildValidator } } } })
  const schema = { type: 'object', properties: { a: { type: 'number' } } }
  app.get('/send', { websocket: true, schema: { websocket: { send: schema } } }, (connection) => { connection.send({ a: 1 }) })
  for (let n = 0; n < 2; n++) t.equal((await once(await app.injectWS('/send'), 'message'))[0], '{"a":1}')
  t.equal(compiled.filter((one) => one === schema).length, 1)
})

t.test('what the compiler warns of is logged once, with the route', async (t) => {
  const { app, logs } = await makeApp(t)
  const date = Type.Transform(Type.String()).Decode((value) => new Date(value)).Encode((value) => value.toISOString())
  addRoute(app, { schema: { websocket: { receive: Type.Object({ at: date }), send: A } } })
  await app.ready()
  for (let n = 0; n < 2; n++) (await app.injectWS('/ws')).terminate()
  const warnings = logs.filter(({ level }) => level === 40)
  t.equal(warnings.length, 1)
  t.match(warnings[0]?.msg, /^GET \/ws: schema\.websocket\.receive has a Type\.Transform/)
})
