// One HTTP server: its one listener of `upgrade` and its connections, however often the plugin is registered. Owns which
// upgrades go to Fastify, how many of them at once, and for how long; knows nothing of routes.
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import { Hub } from '../hub/hub.ts'
import { HandshakeError } from '../protocol/handshake-errors.ts'
import { ServerTakenError } from './errors.ts'
import { DEFAULT_MAX_HEADERS, asksForWebSocket, findAnswer, handBack, ignoreUpgradesWithBody } from './hand-back.ts'
import { makeClosingError, makeLimitError } from './handshake-limit.ts'
import type { PluginSettings } from './options.ts'
import { shareStrings } from './shared-strings.ts'
import { TopicEncoder } from './topic-encoder.ts'
import { Upgrade, hasReader } from './upgrade.ts'
import type { Refusal, UpgradeOwner } from './upgrade.ts'

/** How long, in ms, another listener of `upgrade` may take to begin with a socket that was left to it. */
const LEFT_TO_OTHERS = 10_000

// Nothing is hung on the server: this leads from it to its state.
const states = new WeakMap<Server, ServerState>()

/**
 * Finds the state of a server, or begins one for the first registration.
 *
 * @throws `FST_WS_SERVER_TAKEN` when the server's upgrades belong to another Fastify instance
 */
export function useServer (server: Server, fastify: FastifyInstance, settings: PluginSettings): ServerState {
  const existing = states.get(server)
  // The same function in all contexts of one instance.
  if (existing !== undefined && existing.routing !== fastify.routing) throw new ServerTakenError()
  const state = existing ?? new ServerState(server, fastify, settings)
  state.widen(settings)
  return state
}

export class ServerState implements UpgradeOwner {
  readonly hub: Hub
  /** Serialises messages of topics. */
  readonly encoder: TopicEncoder
  readonly routing: (request: IncomingMessage, response: ServerResponse) => void
  readonly #server: Server
  readonly #log: FastifyInstance['log']
  /** Handshakes that have no answer yet, and had none when the router returned: few. */
  readonly #pending = new Set<Upgrade>()
  /** All that have no answer yet. */
  #pendingCount = 0
  /** Sockets with a handshake whose turn has not come, or that another listener may take. */
  readonly #waiting = new Map<Duplex, NodeJS.Timeout>()
  /** Sockets that hooks have hijacked and serve themselves: when the server closes, nobody else ends them. */
  readonly #hijacked = new Set<Duplex>()
  #maxPending = 0
  #handshakeTimeout = 0
  readonly #abandonTimers: NodeJS.Timeout[] = []
  readonly #restore: () => void

  constructor (server: Server, fastify: FastifyInstance, settings: PluginSettings) {
    const { shutdownTimeout, shutdownStagger, topicEngine } = settings
    this.#server = server
    this.#log = fastify.log
    // Fastify hands plain http requests in as well, whatever the instance's type says.
    this.routing = fastify.routing as ServerState['routing']
    this.encoder = new TopicEncoder(fastify, settings)
    this.hub = new Hub(shutdownTimeout, shutdownStagger, {
      engine: topicEngine,
      encode: (topic, message) => this.encoder.encode(topic, message),
      onError: (error) => this.#log.error({ err: error }, 'carrying topics failed')
    })
    this.hub.pendingHandshakes = () => this.#pendingCount
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

  /** Takes in the limits of one more registration. Before a route is known nobody can say whose handshake it is: the widest hold. */
  widen ({ maxPendingHandshakes, handshakeTimeout }: PluginSettings): void {
    this.#maxPending = Math.max(this.#maxPending, maxPendingHandshakes)
    this.#handshakeTimeout = Math.max(this.#handshakeTimeout, handshakeTimeout)
  }

  /** Takes every upgrade that belongs to this plugin to Fastify's router. */
  readonly onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    this.#take(request, socket, head, performance.now())
  }

  #take (request: IncomingMessage, socket: Duplex, head: Buffer, startedAt: number): void {
    const answer = findAnswer(socket)
    if (answer?.req === request) return // Another listener answers it.
    const isWebSocket = asksForWebSocket(request)
    if (!isWebSocket && this.hasCompany) return // It may be one of theirs.
    if (answer !== undefined) {
      this.#wait(socket, this.#handshakeTimeout)
      afterAnswer(socket, answer, () => {
        this.#stopWaiting(socket)
        this.#take(request, socket, head, startedAt)
      })
      return
    }
    if (isWebSocket) {
      const upgrade = this.#begin(request, socket, head, startedAt)
      this.#route(upgrade)
      if (upgrade.wait() && upgrade.isCounted) this.#pending.add(upgrade)
      return
    }
    const refusal = handBack(this.#server, request, socket, head)
    if (refusal === undefined) return
    const upgrade = this.#begin(request, socket, head, startedAt)
    upgrade.refuse(refusal)
    upgrade.wait()
  }

  onSettled (upgrade: Upgrade): void {
    if (!upgrade.isCounted) return
    this.#pendingCount--
    this.#pending.delete(upgrade)
  }

  onRefused (_upgrade: Upgrade, reason: string): void {
    this.hub.meter.noteRefused(reason)
  }

  onHijacked (socket: Duplex): void {
    this.hub.meter.noteRefused('hijacked')
    this.#hijacked.add(socket)
    socket.once('close', () => this.#hijacked.delete(socket))
  }

  onMisanswered ({ reply, request }: Upgrade, statusCode: number): void {
    const log = reply?.request.log ?? this.#log
    log.error({ url: pathOf(request) }, `a WebSocket handshake was answered with ${statusCode} by a hook, and refused with 500: only its route can accept it`)
  }

  onGone (upgrade: Upgrade, error: Error | undefined): void {
    this.hub.meter.noteRefused('gone')
    this.#log.debug({ err: error, url: pathOf(upgrade.request) }, 'the client left before its WebSocket handshake was answered')
  }

  onOverdue ({ reply, request, response }: Upgrade): Refusal {
    const log = reply?.request.log ?? this.#log
    log.info({ url: pathOf(request), isAnswering: response.headersSent }, 'a WebSocket handshake was given up: its answer has not left within handshakeTimeout')
    return makeLimitError('handshakeTimeout', reply?.request)
  }

  /**
   * Leaves the socket of an upgrade to other listeners, unanswered.
   *
   * One that nobody begins to read is destroyed in the end: it may have been nobody's.
   */
  leaveToOthers (upgrade: Upgrade): void {
    this.#wait(upgrade.release(), LEFT_TO_OTHERS)
  }

  /** Destroys the sockets of all handshakes that have no answer after `timeout` ms, or had it from a hook that hijacked them. */
  abandonHandshakes (timeout: number): void {
    this.#abandonTimers.push(setTimeout(() => this.#abandonAll(), timeout).unref())
  }

  /** Lets go of the server. Handshakes that no server had to wait for, those of `injectWS`, end here. */
  end (): void {
    for (const timer of this.#abandonTimers.splice(0)) clearTimeout(timer)
    this.#abandonAll()
    this.#server.off('upgrade', this.onUpgrade)
    this.#restore()
    states.delete(this.#server)
  }

  #abandonAll (): void {
    for (const upgrade of this.#pending) upgrade.abandon('FST_WS_CLOSING')
    for (const socket of this.#waiting.keys()) this.#giveUp(socket)
    for (const socket of this.#hijacked) socket.destroy()
  }

  #route (upgrade: Upgrade): void {
    const { request } = upgrade
    // The cheapest way out there is. One that is refused so does not wait: it holds no place.
    if (this.#pendingCount >= this.#maxPending) return upgrade.refuse(makeLimitError('maxPendingHandshakes', undefined))
    upgrade.isCounted = true
    this.#pendingCount++
    // Fastify would look for a route of that method, and might find one that knows nothing of handshakes.
    if (request.method !== 'GET') return upgrade.refuse(new HandshakeError('FST_WS_METHOD_NOT_ALLOWED'))
    // Fastify says the same, unless `return503OnClosing` is off; then `close()` would wait for the new connection.
    if (this.hub.isClosing) return upgrade.refuse(makeClosingError())
    // The request stays as long as the connection.
    shareStrings(request)
    try {
      this.routing(request, upgrade.response)
    } catch (error) {
      // A function of the application that runs before all hooks: genReqId, rewriteUrl, a constraint.
      this.#log.error({ err: error }, 'routing a WebSocket handshake failed')
      upgrade.abandon('500')
    }
  }

  #begin (request: IncomingMessage, socket: Duplex, head: Buffer, startedAt: number): Upgrade {
    return new Upgrade(request, socket, head, this, { startedAt, timeout: this.#handshakeTimeout })
  }

  /** Bounds the time that a socket may spend in nobody's hands. */
  #wait (socket: Duplex, timeout: number): void {
    this.#waiting.set(socket, setTimeout(() => this.#giveUp(socket), timeout).unref())
    socket.once('close', () => this.#stopWaiting(socket))
  }

  #stopWaiting (socket: Duplex): void {
    clearTimeout(this.#waiting.get(socket))
    this.#waiting.delete(socket)
  }

  #giveUp (socket: Duplex): void {
    this.#stopWaiting(socket)
    // Unless another listener has taken it.
    if (!hasReader(socket)) socket.destroy()
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

/** The path for a log. A browser can send a token hardly anywhere but in the query, and what the application redacts is `req.url`. */
function pathOf ({ url = '' }: IncomingMessage): string {
  return url.replace(/[?;].*/s, '')
}
