// Who may connect is decided in a hook, as for any route: an answer in there refuses the upgrade with that very answer.
// Run: npm run compile && node build/example/auth-hook.js
import { fileURLToPath } from 'node:url'
import Fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import websocket from '../lib/index.ts' // in your project: from 'fastify-typed-websocket'

// A browser cannot set the header of a handshake: there a cookie does the same.
const users = new Map([['Bearer token-of-ann', 'ann'], ['Bearer token-of-ben', 'ben']])

export async function build (): Promise<FastifyInstance> {
  const app = Fastify()
  await app.register(websocket)
  app.decorateRequest('caller', '')

  app.addHook('onRequest', async (request, reply) => {
    const user = users.get(request.headers.authorization ?? '')
    if (user === undefined) {
      return reply.code(401).header('www-authenticate', 'Bearer').send({ message: 'who are you?' })
    }
    request.setDecorator('caller', user)
  })

  app.get('/private', { websocket: true }, (connection, request) => {
    const user = request.getDecorator<string>('caller')
    connection.send(`hello ${user}`)
    connection.on('message', (message) => { connection.send(`${user}: ${String(message)}`) })
  })
  return app
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const app = await build()
  const url = await app.listen({ host: '127.0.0.1', port: Number(process.env['PORT'] ?? 3000) })
  console.log(`${url.replace('http', 'ws')}/private with the header "Authorization: Bearer token-of-ann"`)
}
