// One HTTP server: its one listener of `upgrade` and its connections, however often the plugin is registered. Owns which
// upgrades go to Fastify; knows nothing of routes.
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import { Hub } from '../hub/hub.ts'
import { HandshakeError } from '../protocol/handshake-errors.ts'
import { ClosingError, ServerTakenError } from './errors.ts'
import { DEFAULT_MAX_HEADERS, asksForWebSocket, findAnswer, handBack, ignoreUpgradesWithBody } from './hand-back.ts'
import { Upgrade } from './upgrade.ts'
import type { UpgradeOwner } from './upgrade.ts'

// Nothing is hung on the server: this leads from it to its state.
const states = new WeakMap<Server, ServerState>()

/**
 * Finds the state of a server, or begins one for the first registration.
 *
 * @throws `FST_WS_SERVER_TAKEN` when the server's upgrades belong to another Fastify instance
 */
export function useServer (server: Server, fastify: FastifyInstance, shutdownTimeout: number): ServerState {
  const existing = states.get(server)
  if (existing === undefined) return new ServerState(server, fastify, shutdownTimeout)
  // The same function in all contexts of one instance.
  if (existing.routing !== fastify.routing) throw new ServerTakenError()
  return existing
}

export class ServerState implements UpgradeOwner {
  readonly hub: Hub
  readonly routing: (request: IncomingMessage, response: ServerResponse) => void
  readonly #server: Server
  readonly #log: FastifyInstance['log']
  /** Upgrades that have no answer yet. */
  readonly #pending = new Set<Upgrade>()
  readonly #restore: () => void

  constructor (server: Server, fastify: FastifyInstance, shutdownTimeout: number) {
    this.#server = server
    this.#log = fastify.log
    // Fastify hands plain http requests in as well, whatever the instance's type says.
    this.routing = fastify.routing as ServerState['routing']
    this.hub = new Hub(shutdownTimeout)
    states.set(server, this)
    server.on('upgrade', this.onUpgrade)
    this.#restore = ignoreUpgradesWithBody(server, () => this.#others)
  }

  /** Most header fields that a request may have had; as many may mean that Node has dropped some. 0 for no limit. */
  get maxHeaders (): number {
    return this.#server.maxHeadersCount ?? DEFAULT_MAX_HEADERS
  }

  /** True when this plugin is not the only one who listens for upgrades. */
  get hasCompany (): boolean {
    return this.#others > 0
  }

  get #others (): number {
    return this.#server.listenerCount('upgrade') - 1
  }

  /** Takes every upgrade that belongs to this plugin to Fastify's router. */
  readonly onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    const answer = findAnswer(socket)
    if (answer?.req === request) return // Another listener answers it.
    const isWebSocket = asksForWebSocket(request)
    if (!isWebSocket && this.hasCompany) return // It may be one of theirs.
    if (answer !== undefined) {
      afterAnswer(socket, answer, () => this.onUpgrade(request, socket, head))
      return
    }
    if (isWebSocket) {
      this.#route(request, socket, head)
      return
    }
    const refusal = handBack(this.#server, request, socket, head)
    if (refusal !== undefined) new Upgrade(request, socket, head, this).refuse(refusal)
  }

  onSettled (upgrade: Upgrade): void {
    this.#pending.delete(upgrade)
  }

  onGone (upgrade: Upgrade, error: Error | undefined): void {
    this.#log.debug({ err: error, url: upgrade.request.url }, 'the client left before its WebSocket handshake was answered')
  }

  /** Destroys the sockets of all handshakes that have no answer after `timeout` ms. */
  abandonHandshakes (timeout: number): void {
    if (this.#pending.size === 0) return
    const timer = setTimeout(() => {
      for (const upgrade of this.#pending) upgrade.destroy()
    }, timeout)
    timer.unref()
  }

  /** Lets go of the server. */
  end (): void {
    this.#server.off('upgrade', this.onUpgrade)
    this.#restore()
    states.delete(this.#server)
  }

  #route (request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const upgrade = new Upgrade(request, socket, head, this)
    this.#pending.add(upgrade)
    // Fastify would look for a route of that method, and might find one that knows nothing of handshakes.
    if (request.method !== 'GET') return upgrade.refuse(new HandshakeError('FST_WS_METHOD_NOT_ALLOWED'))
    // Fastify says the same, unless `return503OnClosing` is off; then `close()` would wait for the new connection.
    if (this.hub.isClosing) return upgrade.refuse(new ClosingError())
    try {
      this.routing(request, upgrade.response)
    } catch (error) {
      // A function of the application that runs before all hooks: genReqId, rewriteUrl, a constraint.
      this.#log.error({ err: error }, 'routing a WebSocket handshake failed')
      upgrade.destroy()
    }
  }
}

/**
 * Waits for the answer to an earlier request on the same connection, behind which an upgrade was pipelined.
 *
 * Node calls the listeners of `upgrade` before that answer is out.
 */
function afterAnswer (socket: Duplex, answer: ServerResponse, next: () => void): void {
  const onError = (): void => { socket.destroy() }
  const onDrain = (): void => { answer.emit('drain') }
  socket.on('error', onError)
  socket.on('drain', onDrain)
  answer.once('close', () => {
    socket.off('drain', onDrain)
    // The answer may have been the connection's last.
    if (socket.destroyed || socket.writableEnded) return
    socket.off('error', onError)
    if (socket.readableEnded) socket.destroy()
    else next()
  })
}
