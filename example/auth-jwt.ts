// A JSON Web Token opens the connection: a program sends it in the Authorization header, a browser as a subprotocol. REST
// routes take the same token in the same hook. Run: npm run compile && node build/example/auth-jwt.js
import { fileURLToPath } from 'node:url'
import jwt from '@fastify/jwt'
import Fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import websocket, { bearerToken } from '../lib/index.ts' // in your project: from 'fastify-typed-websocket'

/** What is in a token; `exp` is the time it expires, in seconds. */
export interface JwtUser {
  name: string
  exp: number
}

declare module '@fastify/jwt' {
  interface FastifyJWT {
    payload: { name: string }
    user: JwtUser
  }
}

export async function build (lifetime = '10m'): Promise<FastifyInstance> {
  const app = Fastify()
  // Browsers give up when they offer subprotocols and the answer has none: so 'bearer' is agreed on, and the token never is.
  await app.register(websocket, { protocols: ['bearer'] })
  await app.register(jwt, { secret: 'from your environment', sign: { expiresIn: lifetime } })

  // Where passwords are checked is another matter: here everybody is who they say.
  app.post<{ Querystring: { name: string } }>('/login', async (request, reply) => ({ token: await reply.jwtSign({ name: request.query.name }) }))

  await app.register(async (members) => {
    members.addHook('onRequest', async (request) => {
      const token = bearerToken(request)
      // For the plugin it is the same then, and so are its errors.
      if (token !== undefined) request.headers.authorization = `Bearer ${token}`
      await request.jwtVerify()
    })
    members.route({
      method: 'GET',
      url: '/me',
      handler: async (request) => ({ name: request.user.name }),
      wsHandler: (connection, { user }) => {
        // The token was good for the handshake; the connection must not outlive it. The client comes back with a new one.
        const left = Math.min(user.exp * 1000 - Date.now(), 2 ** 31 - 1) // what a timer can
        const timer = setTimeout(() => connection.close(4001, 'token expired'), left)
        connection.on('close', () => clearTimeout(timer))
        connection.on('message', (message) => { connection.send(`${user.name}: ${String(message)}`) })
        connection.send(`hello ${user.name}`)
      }
    })
  })
  return app
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const app = await build()
  const url = await app.listen({ host: '127.0.0.1', port: Number(process.env['PORT'] ?? 3000) })
  const { token } = (await app.inject({ method: 'POST', url: '/login?name=ann' })).json<{ token: string }>()
  console.log(`${url.replace('http', 'ws')}/me with the header "Authorization: Bearer ${token}"`)
}
