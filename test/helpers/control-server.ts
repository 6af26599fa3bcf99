// A server that speaks the control envelope by hand, on a raw route of this package: what clients are tested against. Its topics
// outlive its restarts, as those of a broker do; it repairs nothing and keeps what it has got.
import type { AddressInfo } from 'node:net'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import Fastify from 'fastify'
import type { Test } from 'tap'
import websocket from '../../lib/index.ts'
import type { WebSocketConnection, WebSocketPluginOptions } from '../../lib/index.ts'

type Control = Readonly<Record<string, unknown>> & { readonly type: string, readonly id: number }

interface Kept {
  readonly epoch: string
  readonly messages: unknown[]
}

export interface ControlServerOptions {
  readonly plugin?: WebSocketPluginOptions
  /** Topics whose messages are kept. */
  readonly history?: readonly string[]
  /** Refuses handshakes: an HTTP status, or undefined. */
  readonly refuse?: (request: FastifyRequest) => number | undefined
  readonly protocols?: readonly string[]
}

export class ControlServer {
  /** Application messages, of all connections, as they came. */
  readonly received: unknown[] = []
  /** Control messages, of all connections. */
  readonly controls: Control[] = []
  readonly requests: FastifyRequest[] = []
  /** Answers of requests by their name; what they throw is answered as an error. */
  readonly methods: Record<string, (payload: never, connection: WebSocketConnection) => unknown> = {}
  readonly connections = new Set<WebSocketConnection>()
  /** Called for an application message. */
  onMessage: (message: unknown, connection: WebSocketConnection) => void = () => {}
  onConnection: (connection: WebSocketConnection) => void = () => {}
  /** False: control messages are kept and not answered. */
  answers = true
  #app: FastifyInstance | undefined
  #port = 0
  readonly #options: ControlServerOptions
  readonly #kept = new Map<string, Kept>()
  readonly #subscribers = new Map<string, Set<WebSocketConnection>>()

  private constructor (options: ControlServerOptions) {
    this.#options = options
    for (const topic of options.history ?? []) this.forget(topic)
  }

  static async start (t: Test, options: ControlServerOptions = {}): Promise<ControlServer> {
    const server = new ControlServer(options)
    await server.open()
    t.teardown(() => server.close())
    return server
  }

  get port (): number {
    return this.#port
  }

  get url (): string {
    return `http://127.0.0.1:${this.#port}`
  }

  /** Listens, on the port that it had before. */
  async open (): Promise<void> {
    const app = Fastify()
    await app.register(websocket, { shutdownTimeout: 500, allowedOrigins: '*', ...this.#options.plugin })
    const protocols = this.#options.protocols
    app.get('/*', {
      websocket: protocols === undefined ? true : { protocols },
      preValidation: async (request, reply) => {
        const status = this.#options.refuse?.(request)
        if (status !== undefined) return reply.code(status).send({ statusCode: status, message: `no: ${status}` })
      }
    }, (connection, request) => this.#serve(connection, request))
    await app.listen({ port: this.#port, host: '127.0.0.1' })
    this.#port = (app.server.address() as AddressInfo).port // it listens on TCP
    this.#app = app
  }

  async close (): Promise<void> {
    await this.#app?.close()
    this.#app = undefined
  }

  async restart (): Promise<void> {
    await this.close()
    await this.open()
  }

  /** Loses a topic's messages: from here on they are counted anew. */
  forget (topic: string): void {
    this.#kept.set(topic, { epoch: `e${Math.random()}`, messages: [] })
  }

  publish (topic: string, message: unknown, except?: WebSocketConnection): { epoch?: string, offset?: number } {
    const kept = this.#kept.get(topic)
    const place = kept === undefined ? {} : { epoch: kept.epoch, offset: kept.messages.push(message) }
    for (const connection of this.#subscribers.get(topic) ?? []) if (connection !== except) send(connection, { type: 'ws:message', topic, message, ...place })
    return place
  }

  /** Destroys all connections, without a word. */
  cut (): void {
    for (const connection of this.connections) connection.terminate()
  }

  /** Sends an application message, or a control, to all connections. */
  send (message: unknown): void {
    for (const connection of this.connections) send(connection, message)
  }

  #serve (connection: WebSocketConnection, request: FastifyRequest): void {
    this.requests.push(request)
    this.connections.add(connection)
    connection.on('close', () => {
      this.connections.delete(connection)
      for (const subscribers of this.#subscribers.values()) subscribers.delete(connection)
    })
    connection.on('message', (data) => {
      const message: unknown = typeof data === 'string' ? JSON.parse(data) : data
      const isControl = typeof message === 'object' && message !== null && 'type' in message && String(message.type).startsWith('ws:')
      if (isControl) return this.#control(connection, message as Control)
      this.received.push(message)
      this.onMessage(message, connection)
    })
    this.onConnection(connection)
  }

  async #control (connection: WebSocketConnection, control: Control): Promise<void> {
    this.controls.push(control)
    if (!this.answers) return
    const { id } = control
    const topic = String(control['topic'])
    switch (control.type) {
      case 'ws:ping': return send(connection, { type: 'ws:pong', id })
      case 'ws:request': return await this.#request(connection, control)
      case 'ws:publish': return send(connection, { type: 'ws:ack', id, ...this.publish(topic, control['message'], connection) })
      case 'ws:unsubscribe':
        this.#subscribers.get(topic)?.delete(connection)
        return send(connection, { type: 'ws:ack', id })
      case 'ws:subscribe': return this.#subscribe(connection, topic, control)
    }
  }

  #subscribe (connection: WebSocketConnection, topic: string, { id, since }: Control): void {
    if (topic.startsWith('secret')) return send(connection, { type: 'ws:error', id, error: { code: 'FORBIDDEN', message: 'not for you', statusCode: 403 } })
    const subscribers = this.#subscribers.get(topic) ?? new Set()
    this.#subscribers.set(topic, subscribers.add(connection))
    const kept = this.#kept.get(topic)
    if (kept === undefined) return send(connection, { type: 'ws:ack', id, topic })
    const { epoch, messages } = kept
    const from = since as { readonly epoch: string, readonly offset: number } | undefined
    const recovered = from?.epoch === epoch
    send(connection, { type: 'ws:ack', id, topic, epoch, offset: messages.length, ...(from !== undefined && { recovered }) })
    if (from === undefined || !recovered) return
    for (const [index, message] of messages.entries()) if (index >= from.offset) send(connection, { type: 'ws:message', topic, offset: index + 1, message })
  }

  async #request (connection: WebSocketConnection, { id, method, payload }: Control): Promise<void> {
    try {
      send(connection, { type: 'ws:reply', id, payload: await this.methods[String(method)]?.(payload as never, connection) })
    } catch (error) {
      send(connection, { type: 'ws:error', id, error })
    }
  }
}

function send (connection: WebSocketConnection, message: unknown): void {
  connection.send(message instanceof Uint8Array ? message : JSON.stringify(message))
}
