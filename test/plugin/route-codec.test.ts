import { subscribe, unsubscribe } from 'node:diagnostics_channel'
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
  const rows: ReadonlyArray<[schema: unknown, message: string]> = [
    ['text', 'schema.websocket is a string, must be an object with receive or send'],
    [[], 'schema.websocket is an array, must be an object with receive or send'],
    [null, 'schema.websocket is null, must be an object with receive or send'],
    [{ receive: null }, 'schema.websocket.receive is null, must be a schema: an object, true or false'],
    [{ receive: [] }, 'schema.websocket.receive is an array, must be a schema: an object, true or false'],
    [{ send: 'x' }, 'schema.websocket.send is a string, must be a schema: an object, true or false'],
    [{ receive: A, send: 5 }, 'schema.websocket.send is a number, must be a schema: an object, true or false']
  ]
  for (const [websocket, message] of rows) t.match(await fails(t, { websocket }), { code: 'FST_WS_INVALID_SCHEMA', message: `GET /ws: ${message}` })
  t.equal(await fails(t, { websocket: { receive: true, send: undefined } }), undefined)
  t.match(await fails(t, { websocket: { receive: A, sent: A } }), { code: 'FST_WS_INVALID_OPTION', message: /"schema\.websocket\.sent" of GET \/ws/ })
  const { app } = await makeApp(t, { plugin: { validatorCompiler: () => { throw new Error('mine') } } })
  t.throws(() => addRoute(app, { schema: { websocket: { receive: A } } }), { code: 'FST_WS_INVALID_SCHEMA', message: 'GET /ws: schema.websocket.receive does not compile: mine' } as unknown as Error)
})

t.test('schemas that do not compile fail the start, and the route is named', async (t) => {
  const rows: ReadonlyArray<[schema: object, message: RegExp]> = [
    [{ receive: Type.Object({ a: Type.String({ pattern: '(' }) }) }, /^GET \/ws: schema\.websocket\.receive does not compile.*: Invalid regular expression/],
    [{ receive: { $ref: 'nowhere#' } }, /^GET \/ws: schema\.websocket\.receive does not compile: can't resolve reference nowhere/],
    [{ receive: Type.Object({ a: Type.String({ format: 'nick' }) }) }, /^GET \/ws: schema\.websocket\.receive does not compile \(nor can TypeBox check it: format 'nick' .* is not in TypeBox's FormatRegistry\): unknown format/],
    [{ send: { type: 'nothing' } }, /^GET \/ws: schema\.websocket\.send does not compile: /]
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

const closed = (type: string, more: object = {}): object =>
  ({ type: 'object', required: ['type'], properties: { type: { const: type }, ...more }, additionalProperties: false })
const plainA = closed('a', { a: { type: 'string' } })
const plainB = closed('b', { b: { type: 'string' } })
const TypeBoxB = Type.Object({ type: Type.Literal('b'), b: Type.String({ format: 'date-time' }) }, { additionalProperties: false })
const a = { type: 'a', a: '1' }
const b = { type: 'b', b: '2' }
const b1 = { type: 'b', b: 1 }

interface UnionRow { name: string, shared?: object[], schema: object, good: unknown[], bad: unknown[] }

const unions: UnionRow[] = [
  { name: 'anyOf within', schema: { type: 'object', properties: { m: { anyOf: [plainA, plainB] } } }, good: [{ m: a }, { m: b }], bad: [{ m: b1 }, { m: { ...b, x: 1 } }] },
  { name: 'oneOf in items', schema: { type: 'array', items: { oneOf: [plainA, plainB] } }, good: [[a, b]], bad: [[a, b1]] },
  { name: '$ref to shared schemas', shared: [{ $id: 'A', ...plainA }, { $id: 'B', ...plainB }], schema: { anyOf: [{ $ref: 'A#' }, { $ref: 'B#' }] }, good: [a, b], bad: [b1] },
  { name: '$ref to a shared union', shared: [{ $id: 'M', oneOf: [plainA, plainB] }], schema: { $ref: 'M#' }, good: [a, b], bad: [b1] },
  { name: '$ref to definitions', schema: { definitions: { A: plainA, B: plainB }, anyOf: [{ $ref: '#/definitions/A' }, { $ref: '#/definitions/B' }] }, good: [a, b], bad: [b1] },
  { name: 'Type.Ref to shared schemas', shared: [{ $id: 'A', ...plainA }, { $id: 'B', ...plainB }], schema: Type.Union([Type.Ref('A'), Type.Ref('B')]), good: [a, b], bad: [b1] },
  { name: 'a TypeBox union with a format in it', schema: Type.Object({ m: Type.Union([Type.Object({ type: Type.Literal('a') }, { additionalProperties: false }), TypeBoxB]) }), good: [{ m: { type: 'b', b: '2020-01-01T00:00:00Z' } }], bad: [{ m: b }] },
  { name: 'a union without a discriminator', schema: { anyOf: [{ type: 'object', properties: { a: {} }, additionalProperties: false }, { type: 'object', properties: { b: {} }, additionalProperties: false }] }, good: [{ a: 1 }, { b: 1 }], bad: [{ c: 1 }] },
  { name: 'a number or a text', schema: { type: 'object', properties: { v: { anyOf: [{ type: 'integer' }, { type: 'string' }] } } }, good: [{ v: '5' }, { v: 5 }], bad: [{ v: true }] },
  { name: 'null or a text', schema: { type: 'object', properties: { v: { anyOf: [{ type: 'null' }, { type: 'string' }] } } }, good: [{ v: '' }, { v: null }], bad: [{ v: 0 }] },
  { name: 'required, with a default', schema: { type: 'object', required: ['d'], properties: { d: { type: 'number', default: 1 } } }, good: [{ d: 2 }], bad: [{}] }
]

for (const { name, shared = [], schema, good, bad } of unions) {
  t.test(`Fastify's own Ajv neither changes nor misjudges: ${name}`, async (t) => {
    const { app } = await makeApp(t, { server: { ajv: { customOptions: { logger: false } } } })
    // Schemas of a context are its own.
    app.register(async (child) => {
      for (const one of shared) child.addSchema(one)
      addRoute(child, { schema: { websocket: { receive: schema } } })
      child.get('/out', { websocket: true, schema: { websocket: { receive: Type.Any(), send: schema } } }, (connection) => {
        connection.on('message', (message: unknown) => {
          try {
            connection.send(message as never)
          } catch (error) {
            connection.close(4000, (error as { code: string }).code)
          }
        })
      })
    })
    for (const value of good) {
      t.equal(await say(app, JSON.stringify(value), '/out'), JSON.stringify(value))
      t.equal(await say(app, JSON.stringify(value)), JSON.stringify(value))
    }
    for (const value of bad) {
      t.equal(await say(app, JSON.stringify(value), '/out'), '4000 FST_WS_INVALID_SEND')
      t.match(await say(app, JSON.stringify(value)), /^1008 /)
    }
  })
}

t.test('each context has its own shared schemas, and one Ajv for all its routes', async (t) => {
  let made = 0
  const count = (): void => { made++ }
  subscribe('fastify.initialization', count)
  t.teardown(() => unsubscribe('fastify.initialization', count))
  const { app } = await makeApp(t)
  for (const [name, of] of [['numbers', 'number'], ['texts', 'string']] as const) {
    app.register(async (child) => {
      child.addSchema({ $id: 'A', ...closed('a', { a: { type: of } }) })
      child.addSchema({ $id: 'B', ...closed('b', { b: { type: of } }) })
      for (const path of [name, `${name}/again`]) {
        child.get(`/${path}`, { websocket: true, schema: { websocket: { receive: { anyOf: [{ $ref: 'A#' }, { $ref: 'B#' }] } } } }, (connection) => {
          connection.on('message', (message) => { connection.send(JSON.stringify(message)) })
        })
      }
    })
  }
  for (const [path, good, bad] of [['/numbers', b1, b], ['/texts', b, b1], ['/texts/again', b, b1]] as const) {
    t.equal(await say(app, JSON.stringify(good), path), JSON.stringify(good))
    t.match(await say(app, JSON.stringify(bad), path), /^1008 /)
  }
  t.equal(made, 1 + 2 * 2, 'the application, and two for each context')
})

t.test('formats and keywords that the application gave to Fastify\'s Ajv', async (t) => {
  const ajv = { customOptions: { formats: { nick: /^[a-z]+$/ } }, onCreate: (ajv: { addKeyword (definition: object): void }) => { ajv.addKeyword({ keyword: 'even', validate: (_: unknown, n: number) => n % 2 === 0 }) } }
  const { app } = await makeApp(t, { server: { ajv } })
  addRoute(app, { schema: { websocket: { receive: { type: 'object', properties: { nick: { type: 'string', format: 'nick' }, n: { type: 'number', even: true } } } } } })
  t.equal(await say(app, '{"nick":"ann","n":2}'), '{"nick":"ann","n":2}')
  for (const bad of ['{"nick":"Ann"}', '{"n":3}', '{"n":"2"}']) t.match(await say(app, bad), /^1008 /, bad)
})
