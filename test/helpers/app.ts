// Fastify with the plugin on a port of its own, for tests: closed at the end, with what it logged at hand.
import type { AddressInfo } from 'node:net'
import Fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import websocket from '../../lib/index.ts'
import type { WebSocketPluginOptions } from '../../lib/index.ts'
import { cert, key } from './certificate.ts'
import { RawClient } from './raw-client.ts'

export interface LogLine {
  readonly level: number
  readonly msg: string
  readonly [field: string]: unknown
}

export interface AppOptions {
  /** For Fastify(). */
  readonly server?: Record<string, unknown>
  /** False leaves the registration to the test. */
  readonly plugin?: WebSocketPluginOptions | false
  readonly tls?: boolean
}

export interface TestApp {
  readonly app: FastifyInstance
  /** What was logged so far, from debug on. */
  readonly logs: LogLine[]
  /** Listens, on 127.0.0.1 and a free port. */
  listen (): Promise<number>
  /** Opens a raw connection, destroyed with the test. */
  open (): Promise<RawClient>
}

/** Makes an instance; routes are the test's to add. */
export async function makeApp (t: Test, { server = {}, plugin = {}, tls = false }: AppOptions = {}): Promise<TestApp> {
  const logs: LogLine[] = []
  const stream = { write: (line: string) => { logs.push(JSON.parse(line) as LogLine) } }
  const options = { logger: { level: 'debug', stream }, ...(tls && { https: { key, cert } }), ...server }
  // An overload for each kind of server; tests look at what all of them have.
  const app = Fastify(options) as unknown as FastifyInstance
  t.teardown(() => app.close())
  if (plugin !== false) await app.register(websocket, plugin)
  return {
    app,
    logs,
    async listen () {
      await app.listen({ port: 0, host: '127.0.0.1' })
      return (app.server.address() as AddressInfo).port
    },
    async open () {
      const { port } = app.server.address() as AddressInfo
      const client = await RawClient.connect(port, { tls })
      t.teardown(() => client.destroy())
      return client
    }
  }
}

/** Waits until `isTrue`, a turn of the event loop at a time. */
export async function until (isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await new Promise((resolve) => setImmediate(resolve))
}
