// The server of the soak: a route for each way that an application uses connections, well or badly, and with short limits, so
// that each of them is reached. Counts what must come once, and which connections the collector has not taken.
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { Type } from '@sinclair/typebox'
import Fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import websocket from '../../lib/index.ts'
import type { AnyWebSocketConnection } from '../../lib/index.ts'
import { TO_ALL } from './lives.ts'

export interface ServerSettings {
  readonly port?: number
  /** Times in ms, and the limit of the whole server. */
  readonly heartbeat: { readonly interval: number, readonly timeout: number }
  readonly shutdownTimeout: number
  readonly maxConnections: number
}

const Note = Type.Object({ type: Type.Literal('note'), text: Type.String({ maxLength: 2_000 }) })
const Count = Type.Object({ type: Type.Literal('count'), n: Type.Integer({ minimum: 0 }) })
const Typed = { receive: Type.Union([Note, Count]), send: Type.Union([Note, Count]) }

/** What handlers throw on purpose; any other error is one of the package or of the soak. */
export const ON_PURPOSE = 'on purpose'

/** Times so long that what a connection of a route with a short life leaves on the wheel is seen. */
const LONG = { heartbeat: { interval: 600_000 }, maxLifetime: 600_000 }

/** Log lines of errors that are no peer's fault and that nobody made on purpose, at most so many. */
const MOST_LINES = 20

export class SoakServer {
  readonly app: FastifyInstance
  /** What the application saw and should not have. */
  readonly wrong: string[]
  opened = 0
  closed = 0
  /** Connections that the garbage collector has not taken yet. */
  uncollected = 0
  readonly #registry = new FinalizationRegistry<undefined>(() => { this.uncollected-- })
  readonly #typed = new WeakSet<object>()
  #timer: NodeJS.Timeout | undefined

  private constructor (app: FastifyInstance, wrong: string[]) {
    this.app = app
    this.wrong = wrong
  }

  /** Starts a server on 127.0.0.1. */
  static async start (settings: ServerSettings): Promise<SoakServer> {
    const wrong: string[] = []
    const app = Fastify({
      logger: { level: 'error', stream: { write: (line: string) => noteLine(line, wrong) } },
      // Half of a request, and what keeps an HTTP connection open for nothing, are Node's to end.
      http: { connectionsCheckingInterval: 500, headersTimeout: 10_000, requestTimeout: 12_000 },
      keepAliveTimeout: 1_000
    })
    const { heartbeat, shutdownTimeout, maxConnections, port = 0 } = settings
    const server = new SoakServer(app, wrong)
    await app.register(websocket, {
      heartbeat, shutdownTimeout, maxConnections,
      maxPayload: 65_536, maxBufferedAmount: 262_144, closeTimeout: 3_000, handshakeTimeout: 2_000
    })
    server.#addRoutes()
    server.#addBadRoutes()
    server.#addLimitedRoutes()
    await app.listen({ port, host: '127.0.0.1' })
    return server
  }

  get port (): number {
    return (this.app.server.address() as AddressInfo).port // it listens on TCP
  }

  /** Sends to all connections every so many ms, until `stopBroadcast`. */
  startBroadcast (period: number): void {
    this.#timer = setInterval(() => {
      this.app.websocket.connections.forEach((connection) => {
        connection.send(this.#typed.has(connection) ? TO_ALL.typed : TO_ALL.raw)
      })
    }, period)
  }

  stopBroadcast (): void {
    clearInterval(this.#timer)
  }

  #watch (connection: AnyWebSocketConnection): void {
    this.opened++
    this.uncollected++
    this.#registry.register(connection, undefined)
    let closes = 0
    connection.on('close', () => {
      this.closed++
      if (++closes > 1) this.wrong.push('a second close event')
    })
  }

  #addRoutes (): void {
    const { app } = this
    app.get('/rest', async () => 'rest')
    app.get('/raw', { websocket: true }, (connection) => {
      this.#watch(connection)
      connection.on('message', (message) => { connection.send(message) })
    })
    app.get('/typed', { websocket: true, schema: { websocket: Typed } }, (connection) => {
      this.#watch(connection)
      this.#typed.add(connection)
      connection.handle({
        note: (message) => { connection.send(message) },
        count: (message) => { connection.send(message) }
      })
    })
    app.get('/pulled', { websocket: true }, async (connection) => {
      this.#watch(connection)
      for await (const message of connection) connection.send(message)
    })
    app.get('/async', { websocket: { concurrency: 4 } }, (connection) => {
      this.#watch(connection)
      connection.on('message', async (message) => {
        await sleep(String(message).length % 4)
        connection.send(message)
      })
    })
    app.get('/waits', { websocket: true }, (connection) => {
      this.#watch(connection)
      connection.on('message', async (message) => { await connection.sendAndWait(message).catch(() => {}) })
    })
    app.get('/stream', { websocket: true }, (connection) => {
      this.#watch(connection)
      const stream = connection.createStream({ objectMode: true })
      stream.on('error', () => {})
      stream.pipe(stream)
    })
    app.get('/slow', { websocket: { maxQueuedMessages: 4 } }, (connection) => {
      this.#watch(connection)
      connection.on('message', async (message) => {
        await sleep(60)
        connection.send(message)
      })
    })
  }

  #addBadRoutes (): void {
    const { app } = this
    app.get('/throws', { websocket: true }, (connection) => {
      this.#watch(connection)
      connection.on('message', (message) => {
        if (message === 'throw') throw new Error(ON_PURPOSE)
        if (message === 'reject') return Promise.reject(new Error(ON_PURPOSE))
        if (message === 'close') connection.close(4001, 'as told')
        if (message === 'terminate') connection.terminate()
        connection.send(message)
        return undefined
      })
    })
    app.get('/throws-first', { websocket: LONG }, (connection) => {
      this.#watch(connection)
      throw new Error(ON_PURPOSE)
    })
    app.get('/throws-late', { websocket: LONG }, async (connection) => {
      this.#watch(connection)
      await sleep(20)
      throw new Error(ON_PURPOSE)
    })
    app.get('/breaks', { websocket: true }, async (connection) => {
      this.#watch(connection)
      for await (const message of connection) {
        connection.send(message)
        break
      }
    })
    app.get('/deaf', { websocket: true }, (connection) => { this.#watch(connection) })
    app.get('/pauses', { websocket: true }, (connection) => {
      this.#watch(connection)
      connection.on('message', async (message) => {
        connection.pause()
        await sleep(30)
        connection.resume()
        connection.send(message)
      })
    })
    app.get('/firehose', { websocket: true }, (connection) => {
      this.#watch(connection)
      this.#pour(connection)
    })
    app.get('/firehose-drop', { websocket: { slowConsumer: 'drop' } }, (connection) => {
      this.#watch(connection)
      this.#pour(connection)
    })
  }

  /** Sends far more than a peer reads that does not read. */
  #pour (connection: AnyWebSocketConnection): void {
    const timer = setInterval(() => { connection.send('x'.repeat(40_000)) }, 40)
    connection.on('close', () => clearInterval(timer))
  }

  #addLimitedRoutes (): void {
    const { app } = this
    const echo = (connection: AnyWebSocketConnection): void => {
      this.#watch(connection)
      connection.on('message', (message: unknown) => { connection.send(message) })
    }
    app.get('/few', { websocket: { maxConnections: 5 } }, echo)
    app.get('/limited', { websocket: { rateLimit: { messages: 20 } } }, echo)
    app.get('/paced', { websocket: { rateLimit: { messages: 20, bytes: 10_000, onLimit: 'pause' } } }, echo)
    app.get('/short', { websocket: { ...LONG, maxLifetime: 700 } }, echo)
    app.get('/hooked', { websocket: true, onRequest: async () => { await sleep(50) }, preValidation: async () => { await sleep(150) } }, echo)
    app.get('/hung', { websocket: true, preHandler: () => new Promise(() => {}) }, echo)
    app.get('/hook-throws', { websocket: true, preHandler: async () => { throw new Error(ON_PURPOSE) } }, echo)
  }
}

function noteLine (line: string, wrong: string[]): void {
  // Fastify logs a 503 as an error, and here they are the limits' that are there to be reached.
  if (line.includes(ON_PURPOSE) || line.includes('"statusCode":503') || wrong.length >= MOST_LINES) return
  wrong.push(`logged: ${line.slice(0, 600)}`)
}
