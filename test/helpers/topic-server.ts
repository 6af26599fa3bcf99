// The real control route on a port that it keeps, with an engine of topics that outlives its restarts as a broker does: what clients are
// tested against from end to end. Its restarts are as abrupt as the death of a process: the sockets go first.
import type { AddressInfo, Socket } from 'node:net'
import Fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import { Type } from '@sinclair/typebox'
import { defineTopic, defineWebSocket } from '../../lib/contract.ts'
import { MemoryEngine } from '../../lib/hub/memory-engine.ts'
import websocket from '../../lib/index.ts'
import type { TopicPosition, TopicRecord } from '../../types/topics.ts'

export const route = defineWebSocket({
  url: '/topics',
  schema: {
    websocket: {
      receive: Type.Object({ type: Type.Literal('note'), n: Type.Number() }),
      send: Type.Object({ type: Type.Literal('noted'), n: Type.Number() }),
      requests: { double: { request: Type.Number(), reply: Type.Number() } }
    }
  }
})

export const kept = defineTopic({ name: 'kept/:room', history: { size: 10_000 } })

class KeptEngine extends MemoryEngine {
  onTake: () => void = () => {}
  onTaken: () => void = () => {}

  override publish (record: TopicRecord): TopicPosition | undefined {
    this.onTake()
    const position = super.publish(record)
    this.onTaken()
    return position
  }

  override close (): void {}
}

export class TopicServer {
  /** Its `onTake` and `onTaken` are called before and after it takes a message, which is not acknowledged yet. */
  readonly engine = new KeptEngine()
  /** Calls of `double`, by what was asked. */
  readonly doubled: number[] = []
  /** Called in `double`. */
  onDouble: (n: number) => unknown = () => {}
  readonly #sockets = new Set<Socket>()
  #app: FastifyInstance | undefined
  #port = 0

  static async start (t: Test): Promise<TopicServer> {
    const server = new TopicServer()
    await server.open()
    t.teardown(() => server.stop())
    return server
  }

  get url (): string {
    return `http://127.0.0.1:${this.#port}`
  }

  async open (): Promise<void> {
    const app = Fastify()
    await app.register(websocket, { allowedOrigins: '*', topicEngine: this.engine, shutdownTimeout: 100 })
    app.route({
      ...route,
      websocket: { topics: { allow: [kept], publish: true, presence: true } },
      handler: (connection) => {
        connection.on('message:note', ({ n }) => connection.send({ type: 'noted', n }))
        connection.handleRequests({
          double: async (n) => {
            this.doubled.push(n)
            await this.onDouble(n)
            return 2 * n
          }
        })
      }
    })
    app.server.on('connection', (socket) => {
      this.#sockets.add(socket)
      socket.on('close', () => this.#sockets.delete(socket))
    })
    await app.listen({ port: this.#port, host: '127.0.0.1' })
    this.#port = (app.server.address() as AddressInfo).port // it listens on TCP
    this.#app = app
  }

  /** Resets all sockets, whatever is on its way. */
  cut (): void {
    for (const socket of this.#sockets) socket.resetAndDestroy()
  }

  async stop (): Promise<void> {
    this.cut()
    await this.#app?.close()
  }

  async restart (): Promise<void> {
    await this.stop()
    await this.open()
  }
}
