// The server of the conformance tests: the real plugin on a real port, with the shortest echoes that one can write.
import type { AddressInfo } from 'node:net'
import { Type } from '@sinclair/typebox'
import Fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import websocket from '../../lib/index.ts'

/** A connection's side of the application, as far as the tests need it. */
interface Closing {
  on (event: 'close', listener: () => void): unknown
}

/** Counts connections that the application got, and their `close` events. */
export class Census {
  opened = 0
  /** Events, so more than `opened` if one comes twice. */
  closed = 0
  #wake: (() => void) | undefined

  add (connection: Closing): void {
    this.opened++
    connection.on('close', () => {
      this.closed++
      if (this.closed >= this.opened) this.#wake?.()
    })
  }

  /** Resolves when there have been as many `close` events as connections, or that many milliseconds have gone. */
  async untilIdle (deadline = 20_000): Promise<void> {
    if (this.closed >= this.opened) return
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, deadline)
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }
}

/** What a test calls at the server's end of a connection, with arguments of any type. */
export interface HeldConnection {
  readonly readyState: number
  readonly OPEN: number
  send (...args: never[]): unknown
  sendAndWait (...args: never[]): Promise<unknown>
  ping (...args: never[]): unknown
  pong (...args: never[]): unknown
  close (...args: never[]): unknown
}

export interface EchoServer {
  readonly app: FastifyInstance
  readonly port: number
  readonly census: Census
  /** Server's ends of the connections to `/held`, in the order of their arrival. */
  readonly held: HeldConnection[]
  close (): Promise<void>
}

const Note = Type.Object({ type: Type.Literal('note'), text: Type.String({ maxLength: 20 }) })
const Count = Type.Object({ type: Type.Literal('count'), n: Type.Integer({ minimum: 0 }) })
const Message = Type.Union([Note, Count])

/** `maxPayload` of `/small`. */
export const SMALL = 10_000

/** Every message compressed, and each looks back to those before it. */
const TAKEOVER = { threshold: 0, serverNoContextTakeover: false, clientNoContextTakeover: false }

/**
 * Starts a server with routes that echo: `/echo` by listener, `/pulled` by iteration, `/typed` with schemas; `/deflated` with compression
 * as it is by default, `/small` with a limit besides, `/takeover` with all that it may be; `/held` does nothing itself.
 */
export async function startEchoServer ({ fastPaths = true } = {}): Promise<EchoServer> {
  const app = Fastify()
  const census = new Census()
  const held: HeldConnection[] = []
  // a server that only waits for its closeTimeout must fail a test, so that is longer than the client's deadline
  await app.register(websocket, { maxPayload: 16 * 1024 * 1024, maxBufferedAmount: 64 * 1024 * 1024, closeTimeout: 60_000, fastPaths })
  app.get('/echo', { websocket: true }, (connection) => {
    census.add(connection)
    connection.on('message', (message) => { connection.send(message) })
  })
  app.get('/pulled', { websocket: true }, async (connection) => {
    census.add(connection)
    for await (const message of connection) connection.send(message)
  })
  app.get('/typed', { websocket: true, schema: { websocket: { receive: Message, send: Message } } }, (connection) => {
    census.add(connection)
    connection.on('message', (message) => { connection.send(message) })
  })
  const deflated = [['/deflated', { perMessageDeflate: true }], ['/takeover', { perMessageDeflate: TAKEOVER }], ['/small', { perMessageDeflate: true, maxPayload: SMALL }]] as const
  for (const [path, options] of deflated) {
    app.get(path, { websocket: options }, (connection) => {
      census.add(connection)
      connection.on('message', (message) => { connection.send(message) })
    })
  }
  app.get('/held', { websocket: true }, (connection) => {
    census.add(connection)
    held.push(connection)
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo // it listens on TCP
  return { app, port, census, held, close: async () => { await app.close() } }
}
