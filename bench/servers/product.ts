// This package on a raw route, with its default limits.
import Fastify from 'fastify'
import websocket from '../../lib/index.ts'
import { report } from './report.ts'

const app = Fastify()
await app.register(websocket)
app.get('/', { websocket: { maxPayload: 16 * 1024 * 1024 } }, (connection) => {
  connection.on('message', (message) => { connection.send(message) })
})
await app.listen({ host: '127.0.0.1', port: 0 })
report(app.server.address())
