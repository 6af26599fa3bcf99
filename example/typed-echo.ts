// Messages with schemas: parsed, checked and typed on the way in, checked and serialised on the way out.
// Run: npm run compile && node build/example/typed-echo.js
import { fileURLToPath } from 'node:url'
import { Type } from '@sinclair/typebox'
import Fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import websocket from '../lib/index.ts' // in your project: from 'fastify-typed-websocket'

const Echo = Type.Object({ type: Type.Literal('echo'), text: Type.String({ maxLength: 100 }) })
const Add = Type.Object({ type: Type.Literal('add'), a: Type.Number(), b: Type.Number() })
const Sum = Type.Object({ type: Type.Literal('sum'), sum: Type.Number() })

export async function build (): Promise<FastifyInstance> {
  const app = Fastify()
  await app.register(websocket)

  app.get('/echo', {
    websocket: true,
    schema: { websocket: { receive: Type.Union([Echo, Add]), send: Type.Union([Echo, Sum]) } }
  }, (connection) => {
    // One handler a type: the compiler says when one is missing. What fits none of them closes the connection with 1008.
    connection.handle({
      echo (message) { connection.send(message) },
      add ({ a, b }) { connection.send({ type: 'sum', sum: a + b }) }
    })
  })
  return app
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const app = await build()
  const url = await app.listen({ host: '127.0.0.1', port: Number(process.env['PORT'] ?? 3000) })
  console.log(`${url.replace('http', 'ws')}/echo`)
}
