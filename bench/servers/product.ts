// This package, with its default limits.
import Fastify from 'fastify'
import websocket from '../../lib/index.ts'
import type { WebSocketPerMessageDeflate } from '../../lib/index.ts'
import { report } from './report.ts'
import { readSettings } from './settings.ts'
import type { ServerSettings } from './settings.ts'

const { scenario, plugin = {}, route = {}, payload = '', atOnce = 1, deflate } = readSettings()
const app = Fastify()
await app.register(websocket, { ...plugin, ...(deflate && { perMessageDeflate: deflateOptions(deflate) }) })

if (scenario === 'typed') {
  const { Message } = await import('./typed.ts')
  app.get('/', { websocket: route, schema: { websocket: { receive: Message, send: Message } } }, (connection) => {
    connection.on('message', (message) => { connection.send(message) })
  })
} else {
  app.get('/', { websocket: route }, async (connection) => {
    if (scenario === 'publish') await connection.subscribe('all')
    if (scenario === 'broadcast') connection.on('message', sendToAll)
    else if (scenario === 'publish') connection.on('message', publishToAll)
    else if (scenario === 'await') connection.on('message', async (message) => { connection.send(await message) })
    else connection.on('message', (message) => { connection.send(message) })
  })
}

function deflateOptions ({ level, context = false }: NonNullable<ServerSettings['deflate']>): WebSocketPerMessageDeflate {
  return { threshold: 0, serverNoContextTakeover: !context, clientNoContextTakeover: !context, ...(level !== undefined && { level }) }
}

function sendToAll (): void {
  for (let i = 0; i < atOnce; i++) {
    app.websocket.broadcast(payload)
  }
}

async function publishToAll (): Promise<void> {
  await Promise.all(Array.from({ length: atOnce }, async () => await app.websocket.publish('all', payload)))
}

await app.listen({ host: '127.0.0.1', port: 0 })
report(app.server.address())
