// Bun's own server, where its package is installed. Plain JavaScript, run from where it is: nothing here needs Bun's types.
import { TypeCompiler } from '@sinclair/typebox/compiler'
import { Type } from '@sinclair/typebox'

const { scenario, payload = '', atOnce = 1, liveObjects = 0, deflate } = JSON.parse(process.argv[2] ?? '{"scenario":"echo"}')
globalThis.live = Array.from({ length: liveObjects }, (_, i) => ({ id: i, name: `object ${i}`, at: { x: i, y: -i }, tags: [i] }))

const checker = TypeCompiler.Compile(Type.Object({
  type: Type.Literal('said'),
  id: Type.Integer({ minimum: 0 }),
  room: Type.String({ maxLength: 50 }),
  user: Type.Object({ name: Type.String({ maxLength: 50 }), isModerator: Type.Boolean() }),
  at: Type.Number(),
  text: Type.String({ maxLength: 500 })
}))

const handlers = {
  echo (socket, data) { socket.send(data, deflate !== undefined) },
  string (socket, data) { socket.send(data) },
  async await (socket, data) { socket.send(await data) },
  typed (socket, data) {
    const value = JSON.parse(data)
    if (!checker.Check(value)) throw new Error('the message does not fit')
    socket.send(JSON.stringify(value))
  },
  broadcast () {
    for (let i = 0; i < atOnce; i++) server.publish('all', payload, deflate !== undefined)
  }
}
handlers.publish = handlers.broadcast

const server = globalThis.Bun.serve({
  port: 0,
  hostname: '127.0.0.1',
  fetch (request, server) {
    return server.upgrade(request) ? undefined : new Response('no upgrade', { status: 400 })
  },
  websocket: {
    perMessageDeflate: deflate !== undefined,
    // As much as the others take before they hold back.
    maxPayloadLength: 16 * 1024 * 1024,
    backpressureLimit: 64 * 1024 * 1024,
    open (socket) { socket.subscribe('all') },
    message: handlers[scenario]
  }
})

// As bench/servers/report.ts.
process.on('message', () => {
  const { user, system } = process.cpuUsage()
  process.send({ user, system, rss: process.memoryUsage().rss })
})
process.on('disconnect', () => process.exit())
process.send({ port: server.port })
