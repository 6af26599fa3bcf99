// One contract at both ends: a client that sends, asks, subscribes, and comes back when the server does.
// Run: npm run compile && node build/example/client.js
import { fileURLToPath } from 'node:url'
import { Type } from '@sinclair/typebox'
import Fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import { connect } from '../lib/client/node.ts' // in your project: from 'fastify-typed-websocket/client'
import { defineTopic, defineWebSocket } from '../lib/contract.ts' // in your project: from 'fastify-typed-websocket/contract'
import websocket from '../lib/index.ts' // in your project: from 'fastify-typed-websocket'

// ---- shared by server and clients

const Price = Type.Object({ item: Type.String(), cents: Type.Integer() })

export const shop = defineWebSocket({
  url: '/shops/:shop',
  schema: {
    params: Type.Object({ shop: Type.String() }),
    websocket: {
      receive: Type.Object({ type: Type.Literal('hello'), name: Type.String() }),
      send: Type.Object({ type: Type.Literal('welcome'), text: Type.String() }),
      requests: {
        order: { request: Type.Object({ item: Type.String(), count: Type.Integer({ minimum: 1 }) }), reply: Type.Object({ id: Type.Integer() }) }
      }
    }
  }
})

export const prices = defineTopic({ name: 'prices/:shop', schema: Price, history: { size: 100 } })

// ---- the server

export async function build (): Promise<FastifyInstance> {
  const app = Fastify()
  await app.register(websocket)
  let orders = 0
  app.route({
    ...shop,
    websocket: { topics: { allow: [prices], publish: true } },
    handler (connection, request) {
      connection.on('message:hello', ({ name }) => { connection.send({ type: 'welcome', text: `${name}, welcome to ${request.params.shop}` }) })
      connection.handleRequests({
        order ({ item }) {
          if (item === 'moon') throw Object.assign(new Error('not for sale'), { code: 'SHOP_NOT_FOR_SALE', statusCode: 409 })
          return { id: ++orders }
        }
      })
    }
  })
  return app
}

// ---- a client

export async function visit (baseUrl: string, print: (...words: unknown[]) => void): Promise<void> {
  const socket = connect(shop, { baseUrl, params: { shop: 'corner' }, reconnect: { maxDelay: 5_000 } })
  socket.on('error', (error) => print('error:', error.message))
  socket.on('reconnecting', ({ delay }) => print(`no connection; the next attempt is in ${delay} ms`))

  socket.send({ type: 'hello', name: 'Ann' })                    // waits for the connection
  for await (const message of socket) {
    print(message.text)
    break
  }
  print('order', (await socket.request('order', { item: 'bread', count: 2 })).id)
  await socket.request('order', { item: 'moon', count: 1 }).catch((error: Error & { code?: string }) => print(error.code, error.message))

  const subscription = await socket.subscribe(prices, { shop: 'corner' })
  const other = connect(shop, { baseUrl, params: { shop: 'corner' } })
  await other.publish(prices, { shop: 'corner' }, { item: 'bread', cents: 250 })
  for await (const { item, cents } of subscription) {
    print(item, cents)
    break
  }
  other.close()
  socket.close()
  print('closed', (await socket.closed).code)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const app = await build()
  await visit(await app.listen({ host: '127.0.0.1', port: Number(process.env['PORT'] ?? 3000) }), console.log)
  await app.close()
}
