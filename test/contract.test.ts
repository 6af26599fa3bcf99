import t from 'tap'
import Fastify from 'fastify'
import { Type } from '@sinclair/typebox'
import { defineWebSocket } from '../lib/contract.ts'
import type { WebSocketContract } from '../lib/contract.ts'
import websocket from '../lib/index.ts'

const receive = Type.Object({ type: Type.Literal('chat'), text: Type.String() })
const send = Type.Object({ type: Type.Literal('said'), text: Type.String() })

const rows: Array<{ name: string, contract: WebSocketContract, want: object }> = [
  { name: 'url alone', contract: { url: '/raw' }, want: { url: '/raw', method: 'GET', websocket: true } },
  {
    name: 'schemas',
    contract: { url: '/:room', schema: { params: receive, websocket: { receive, send } } },
    want: { url: '/:room', method: 'GET', websocket: true, schema: { params: receive, websocket: { receive, send } } }
  },
  { name: 'websocket: true', contract: { url: '/', websocket: true }, want: { url: '/', method: 'GET', websocket: true } },
  { name: 'binary', contract: { url: '/', websocket: { binary: true } }, want: { url: '/', method: 'GET', websocket: { binary: true } } }
]

for (const { name, contract, want } of rows) {
  t.test(`defineWebSocket: ${name}`, async (t) => {
    // Frozen: to write into it would throw.
    for (const part of [contract, contract.schema, contract.schema?.websocket, contract.websocket]) Object.freeze(part)
    t.strictSame(defineWebSocket(contract), want)
  })
}

t.test('defineWebSocket copies what Fastify writes to and keeps the schemas by identity', async (t) => {
  const contract = { url: '/chat', schema: { websocket: { receive, send } }, websocket: { binary: true } } as const
  const route = defineWebSocket(contract)
  t.not(route, contract)
  t.not(route.schema, contract.schema)
  t.not(route.websocket, contract.websocket)
  t.equal(route.schema.websocket.receive, receive)
  t.equal(route.schema.websocket.send, send)
})

t.test('a frozen contract serves several instances', async (t) => {
  const schema = Object.freeze({ querystring: Type.Object({ nick: Type.String() }), websocket: Object.freeze({ receive, send }) })
  const chat = defineWebSocket(Object.freeze({ url: '/chat', schema }))
  for (const nick of ['a', 'b']) {
    const app = Fastify()
    t.teardown(() => app.close())
    await app.register(websocket)
    app.route({
      ...chat,
      handler (connection, request) {
        connection.on('message:chat', ({ text }) => connection.send({ type: 'said', text: `${request.query.nick}: ${text}` }))
      }
    })
    const client = await app.injectWS('/chat', { query: { nick } })
    const answer = new Promise((resolve) => { client.once('message', resolve) })
    client.send('{"type":"chat","text":"hello"}')
    t.equal(await answer, `{"type":"said","text":"${nick}: hello"}`)
    await t.rejects(app.injectWS('/chat'), new Error('Unexpected server response: 400'))
  }
})
