import { once } from 'node:events'
import { createRequire } from 'node:module'
import Fastify from 'fastify'
import type { FastifyInstance, FastifyPluginAsync } from 'fastify'
import t from 'tap'
import type { Test } from 'tap'
import websocket from '../../lib/index.ts'

// Without its types, which would be in force for the whole program.
const peer = createRequire(import.meta.url)('@fastify/websocket') as FastifyPluginAsync

function make (t: Test): FastifyInstance {
  const app = Fastify()
  t.teardown(() => app.close())
  return app
}

/** The first message that a route sends. */
async function ask (app: FastifyInstance, path: string): Promise<unknown> {
  const client = await app.injectWS(path)
  const [message] = await once(client, 'message')
  client.terminate()
  return message
}

/** Adds `/ws` to a context: it tells what is configured there, in ways that only a served route can. */
function addRoute (context: FastifyInstance, path = '/ws'): void {
  context.get(path, { websocket: true }, function (connection, request) {
    connection.send(`${this.prefix}${path} ${request.ws} ${this.websocket.connections.size}`)
  })
}

const ORDERS: ReadonlyArray<{ name: string, register: (app: FastifyInstance, askFrom: (context: FastifyInstance) => void) => unknown, routes: readonly string[] }> = [
  {
    name: 'plugin awaited, then route',
    register: async (app) => {
      await app.register(websocket)
      addRoute(app)
    },
    routes: ['/ws']
  },
  {
    name: 'plugin not awaited, route in the next line',
    register: (app) => {
      app.register(websocket)
      addRoute(app)
    },
    routes: ['/ws']
  },
  {
    name: 'route before the plugin',
    register: (app) => {
      addRoute(app)
      app.register(websocket)
    },
    routes: ['/ws']
  },
  {
    name: 'route long before the plugin',
    register: async (app) => {
      addRoute(app)
      await app.register(async () => {})
      await app.register(websocket)
    },
    routes: ['/ws']
  },
  {
    name: 'route in after()',
    register: (app) => { app.register(websocket).after(() => addRoute(app)) },
    routes: ['/ws']
  },
  {
    name: 'route in a child that was registered after the plugin, and in a grandchild',
    register: (app) => {
      app.register(websocket)
      app.register(async (child) => {
        addRoute(child)
        child.register(async (grandchild) => { addRoute(grandchild) }, { prefix: '/b' })
      }, { prefix: '/a' })
    },
    routes: ['/a/ws', '/a/b/ws']
  },
  {
    name: 'route in a child that was registered before the plugin',
    register: async (app) => {
      await app.register(async (child) => { addRoute(child) }, { prefix: '/a' })
      await app.register(websocket)
    },
    routes: ['/a/ws']
  },
  {
    name: 'plugin in a child only, its routes before and after',
    register: (app, askFrom) => {
      app.register(async (child) => {
        askFrom(child)
        addRoute(child, '/1/ws')
        child.register(websocket)
        addRoute(child, '/2/ws')
        await child.after()
        addRoute(child, '/3/ws')
      })
    },
    routes: ['/1/ws', '/2/ws', '/3/ws']
  },
  {
    name: 'plugin twice in one context',
    register: (app) => {
      app.register(websocket)
      app.register(websocket)
      addRoute(app)
    },
    routes: ['/ws']
  },
  {
    name: 'plugin in parent and child',
    register: (app) => {
      app.register(websocket)
      addRoute(app)
      app.register(async (child) => {
        await child.register(websocket)
        addRoute(child)
      }, { prefix: '/a' })
    },
    routes: ['/ws', '/a/ws']
  },
  {
    name: 'plugin in a child first, then in its parent',
    register: async (app) => {
      await app.register(async (child) => {
        await child.register(websocket)
        addRoute(child)
      }, { prefix: '/a' })
      await app.register(websocket)
      addRoute(app)
    },
    routes: ['/ws', '/a/ws']
  }
]

for (const { name, register, routes } of ORDERS) {
  t.test(name, async (t) => {
    const app = make(t)
    let context = app
    await register(app, (child) => { context = child })
    await app.ready()
    for (const route of routes) t.equal(await ask(context, route), `${route} true 1`, route)
    t.equal(app.server.listenerCount('upgrade'), 1)
  })
}

t.test('siblings share server and hub, each with options of its own', async (t) => {
  const app = make(t)
  const contexts: FastifyInstance[] = []
  for (const [prefix, maxPayload] of [['/a', 10], ['/b', 20]] as const) {
    app.register(async (child) => {
      contexts.push(child)
      await child.register(websocket, { maxPayload })
      child.get('/ws', { websocket: true }, (connection) => { connection.on('message', (message) => { connection.send(String(message.length)) }) })
    }, { prefix })
  }
  await app.ready()
  const [a, b] = contexts
  t.equal(app.server.listenerCount('upgrade'), 1)
  t.equal(app.hasDecorator('websocket'), false)
  if (a === undefined || b === undefined) throw new Error('not loaded')
  t.equal(a.websocket, b.websocket)
  // Either can be asked for a route of the other: there is one server.
  const [toA, toB] = [await a.injectWS('/a/ws'), await a.injectWS('/b/ws')]
  t.equal(b.websocket.connections.size, 2)
  toA.send('x'.repeat(11))
  toB.send('x'.repeat(11))
  t.equal((await once(toB, 'message'))[0], '11')
  t.equal((await once(toA, 'close'))[0], 1009)
})

t.test('a nested registration that comes after its routes brings them its options', async (t) => {
  const app = make(t)
  app.register(websocket, { maxPayload: 100 })
  app.register(async (child) => {
    child.register(websocket, { maxPayload: 10 })
    child.get('/early', { websocket: true }, () => {})
  })
  await app.ready()
  const client = await app.injectWS('/early')
  client.send('x'.repeat(11))
  t.equal((await once(client, 'close'))[0], 1009)
})

t.test('early routes are checked like any other', async (t) => {
  const rows: ReadonlyArray<[options: object, code: string]> = [
    [{ websocket: { maxPayload: -1 } }, 'FST_WS_INVALID_OPTION'],
    [{ websocket: true, method: 'POST' }, 'FST_WS_INVALID_ROUTE'],
    [{ wsHandler: 1 }, 'FST_WS_INVALID_ROUTE']
  ]
  for (const [options, code] of rows) {
    const app = make(t)
    app.register(websocket)
    app.route({ url: '/x', method: 'GET', handler: () => {}, ...options } as never)
    await t.rejects(async () => await app.ready(), { code })
  }
})

t.test('early routes run all hooks and validation, whatever was added when', async (t) => {
  const app = make(t)
  const calls: string[] = []
  app.register(websocket)
  app.get('/x/:n', { websocket: true, schema: { params: { type: 'object', properties: { n: { type: 'integer' } } } } }, (connection, request) => {
    connection.send(JSON.stringify(request.params))
  })
  app.addHook('onRequest', async () => { calls.push('onRequest') })
  app.addHook('preHandler', async () => { calls.push('preHandler') })
  app.addHook('onSend', async () => { calls.push('onSend') })
  await app.ready()
  t.equal(await ask(app, '/x/1'), '{"n":1}')
  t.same(calls, ['onRequest', 'preHandler', 'onSend'])
  await t.rejects(app.injectWS('/x/y'), { message: 'Unexpected server response: 400' })
})

t.test('a WebSocket route outside of every registration fails the start, and is named', async (t) => {
  const app = make(t)
  app.register(async (child) => {
    await child.register(websocket)
    addRoute(child)
  }, { prefix: '/in' })
  app.register(async (child) => {
    addRoute(child)
    child.get('/both', { handler: async () => '', wsHandler: () => {} })
    child.get('/rest', async () => '')
  }, { prefix: '/out' })
  await t.rejects(async () => await app.ready(), { code: 'FST_WS_UNREACHABLE_ROUTE', message: /^GET \/out\/ws, GET \/out\/both: .*Register the plugin/ })
})

t.test('routes of @fastify/websocket are none of ours', async (t) => {
  const app = make(t)
  await app.register(async (child) => {
    await child.register(peer)
    child.get('/theirs', { websocket: true }, () => {})
  })
  await app.register(async (child) => { await child.register(websocket) })
  await app.ready()
})

t.test('routes of @fastify/websocket may have values of websocket that are none here', async (t) => {
  const app = make(t)
  let hidden: unknown = 'not seen'
  await app.register(peer)
  app.addHook('onRoute', ({ schema }) => { hidden = Reflect.get(schema ?? {}, 'hide') })
  app.get('/theirs', { websocket: null as unknown as boolean }, async () => 'rest')
  await app.register(async (child) => { child.get('/null', { websocket: null as unknown as boolean }, async () => 'rest') })
  t.equal((await app.inject('/theirs')).body, 'rest')
  t.equal((await app.inject('/null')).body, 'rest')
  t.equal(hidden, undefined)
})

t.test('an onRoute hook that copies routes', async (t) => {
  const app = make(t)
  app.addHook('onRoute', function (route) {
    if (route.url.startsWith('/v1/') && route.method === 'GET') this.route({ ...route, url: route.url.replace('/v1/', '/v2/') })
  })
  await app.register(websocket)
  app.get('/v1/x', { websocket: true }, (connection, request) => { connection.send(request.url) })
  t.equal(await ask(app, '/v2/x'), '/v2/x')
  t.equal(await ask(app, '/v1/x'), '/v1/x')
  t.equal((await app.inject('/v2/x')).statusCode, 426)
})

t.test('message schemas on a route that says nothing of WebSocket: a forgotten option, named at registration', async (t) => {
  const app = make(t)
  await app.register(websocket)
  const schema = { websocket: { receive: { type: 'object' } } }
  t.throws(() => app.get('/typo', { schema }, async () => 'x'), { code: 'FST_WS_INVALID_ROUTE', message: /^GET \/typo: has schema\.websocket/ })
  app.get('/off', { schema, websocket: false }, async () => 'on purpose')
  app.route({ method: 'GET', url: '/both', schema, handler: async () => 'http', wsHandler () {} })
  t.equal((await app.inject('/off')).body, 'on purpose')
  t.equal((await app.inject('/both')).body, 'http')
})
