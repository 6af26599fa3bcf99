// A server to be killed: `kill-server.js <port>`, 0 for a free one. Tells its parent the port. On SIGTERM it ends as an
// application does.
import { SoakServer } from './server.ts'

const server = await SoakServer.start({
  port: Number(process.argv[2]),
  heartbeat: { interval: 1_000, timeout: 2_000 },
  shutdownTimeout: 1_500,
  maxConnections: 1_000
})
server.startBroadcast(20)
process.once('SIGTERM', () => {
  void server.app.close().then(() => {
    server.stopBroadcast()
    // Nothing holds the process any more: it ends by itself.
    process.disconnect()
  })
})
process.on('disconnect', () => { server.stopBroadcast() })
process.send?.({ port: server.port })
