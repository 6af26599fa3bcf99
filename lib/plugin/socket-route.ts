// One WebSocket route: the handler that Fastify calls for it, HTTP request or handshake. Owns the answer to a handshake
// and what its connections share.
import type { Duplex } from 'node:stream'
import type { FastifyInstance, FastifyReply, FastifyRequest, FastifySchema, RouteHandlerMethod } from 'fastify'
import type { MessageCodec } from '../connection/codec.ts'
import { Connection } from '../connection/connection.ts'
import type { ConnectionSettings } from '../connection/connection.ts'
import { channels } from '../connection/diagnostics.ts'
import { Control } from '../hub/control.ts'
import type { ControlRules } from '../hub/control.ts'
import { TopicCalls } from '../hub/topic-calls.ts'
import type { TopicRules } from '../hub/topic-calls.ts'
import { HandshakeError } from '../protocol/handshake-errors.ts'
import { buildResponseHeaders, judgeRequest } from '../protocol/handshake.ts'
import type { Handshake } from '../protocol/handshake.ts'
import { FASTEST, PORTABLE } from '../protocol/scanners.ts'
import { Admission } from './admission.ts'
import { withoutToken } from './bearer.ts'
import { controlRules, requestsNeedInstance } from './control-rules.ts'
import { DeflateAgreements } from './deflate-agreement.ts'
import { ClosingError, InvalidRouteError } from './errors.ts'
import { guardErrorHandler, handleFault } from './fault.ts'
import { makeClosingError } from './handshake-limit.ts'
import type { RetryableError } from './handshake-limit.ts'
import { quieten } from './late-reply.ts'
import { readRouteOptions } from './options.ts'
import type { RouteSettings } from './options.ts'
import type { DeclaredRoute, Registration } from './registration.ts'
import { RouteCodec } from './route-codec.ts'
import type { ServerState } from './server-state.ts'
import { forgetSocket } from './silent-sockets.ts'
import { findUpgrade, isHandshake } from './upgrade.ts'
import type { Upgrade } from './upgrade.ts'

/** The application's handler, whatever its messages are. */
type SocketHandler = (this: FastifyInstance, connection: Connection, request: FastifyRequest) => unknown

/** A route and the registration that serves it. */
interface Served {
  readonly registration: Registration
  readonly options: RouteSettings
  readonly admission: Admission
  readonly onSocket: SocketHandler
  readonly onHttp: RouteHandlerMethod
  /** None where no handshakes come to. */
  readonly codec: RouteCodec | undefined
  /** What clients may say to the server itself; undefined until it is known. */
  control: ControlRules | undefined
  /** Undefined where messages are not compressed. */
  readonly deflate: DeflateAgreements | undefined
  /** What its connections share, from the first handshake on. */
  settings: ConnectionSettings | undefined
}

/** Where errorHandler is the application's, it wants the reply. */
const replies = new WeakMap<Connection, FastifyReply>()

export class SocketRoute {
  readonly instance: FastifyInstance
  /** Method and path, for errors. */
  readonly name: string
  /** True when handshakes may come to it: a HEAD route only answers HTTP. */
  readonly isForSockets: boolean
  /** For Fastify, in place of the declared one. */
  readonly handler: RouteHandlerMethod
  /** For Fastify, in place of the declared one: a copy, as Fastify writes to it and a contract may be frozen. */
  readonly schema: FastifySchema
  readonly #declared: DeclaredRoute
  #served: Served | undefined

  /** @param declared - the options of the route as the application gave them */
  constructor (instance: FastifyInstance, declared: DeclaredRoute) {
    this.instance = instance
    this.#declared = declared
    const methods = [declared.method].flat()
    this.name = `${methods.join(', ')} ${declared.url}`
    this.isForSockets = methods.some(method => method !== 'HEAD')
    // @fastify/swagger leaves it out: nothing in OpenAPI describes it. `hide: false` in the schema is heeded.
    // So it is with the routes of another plugin, but not where its `websocket` says no in a way that is none here.
    const isHttpToo = declared.wsHandler !== undefined || !declared.websocket
    this.schema = { ...(!isHttpToo && { hide: true }), ...declared.schema }
    this.handler = SocketRoute.#handlerOf(this)
  }

  /** Makes the handler: Fastify gives it the instance as `this`. */
  static #handlerOf (route: SocketRoute): RouteHandlerMethod {
    return function (request, reply) { return route.#handle(this, request, reply) }
  }

  /** True when a registration serves it. */
  get isServed (): boolean {
    return this.#served !== undefined
  }

  /**
   * Lets a registration serve the route; the one that came last does.
   *
   * @throws `FST_WS_INVALID_ROUTE`, `FST_WS_INVALID_OPTION`, and what is wrong with a schema
   */
  serve (registration: Registration): void {
    const { websocket, wsHandler, handler, bodyLimit } = this.#declared
    const options = readRouteOptions(websocket, this.name, registration.settings, bodyLimit, this.instance)
    this.#checkMethods()
    // Without a wsHandler the handler is for sockets. Its type is Fastify's, which knows nothing of the option.
    const onSocket = (wsHandler ?? handler) as unknown
    if (typeof onSocket !== 'function') throw this.#cannotBe('invalid wsHandler function')

    // By HEAD no handshake comes; the schemas are compiled, and warned of, with the route for GET.
    const codec = this.isForSockets ? new RouteCodec(this.name, this.#declared, options, this.instance) : undefined
    // Any schema of a request makes Fastify set the instance's compiler up. This one takes all there is.
    if (codec?.needsInstance || (codec !== undefined && requestsNeedInstance(this.#declared, options))) this.schema.params ??= {}
    this.#served = {
      registration,
      options,
      admission: new Admission(options, registration.quota),
      onSocket: onSocket as SocketHandler,
      onHttp: wsHandler === undefined ? requireUpgrade : handler,
      codec,
      control: undefined,
      deflate: DeflateAgreements.of(options, registration.state.hub.meter),
      settings: undefined
    }
  }

  /** @throws `FST_WS_INVALID_ROUTE` */
  #checkMethods (): void {
    if ([this.#declared.method].flat().every(name => name === 'GET' || name === 'HEAD')) return
    throw this.#cannotBe('websocket handler can only be declared in GET method')
  }

  /** Which route it is a property tells: the messages are those of @fastify/websocket, and tests of applications have them. */
  #cannotBe (message: string): Error {
    return Object.assign(new InvalidRouteError(message), { route: this.name })
  }

  /**
   * Lets a handshake in before anything else runs for it, or refuses it.
   *
   * @throws, or rejects with, what becomes the answer
   */
  admit (request: FastifyRequest, reply: FastifyReply): void | Promise<void> {
    const upgrade = findUpgrade(reply.raw)
    // The client has left already, or there is none: hooks run for HTTP as well.
    if (upgrade !== undefined) return this.#served?.admission.admit(upgrade, request, reply)
  }

  #handle (instance: FastifyInstance, request: FastifyRequest, reply: FastifyReply): unknown {
    const served = this.#served
    // The plugin is not here; the options may be another one's.
    if (served === undefined) return this.#declared.handler.call(instance, request, reply)
    if (!isHandshake(reply.raw)) return served.onHttp.call(instance, request, reply)
    const upgrade = findUpgrade(reply.raw)
    // The client left while hooks ran.
    if (upgrade === undefined) return reply.hijack()
    try {
      const answered = this.#judgeHandshake(served, instance, upgrade, request, reply)
      return answered?.then(() => reply, (error: unknown) => refuse(error, upgrade, request, reply))
    } catch (error) {
      return refuse(error, upgrade, request, reply)
    }
  }

  /** Answers at once, or when what the application has to say to it is there. */
  #judgeHandshake (
    served: Served, instance: FastifyInstance, upgrade: Upgrade, request: FastifyRequest, reply: FastifyReply
  ): void | Promise<void> {
    const { state, verifyClient } = served.registration
    if (state.hub.isClosing) throw makeClosingError()
    // A request that Node's server has parsed has all that is looked at.
    const judged = judgeRequest(upgrade.request as Parameters<typeof judgeRequest>[0], state.maxHeaders)
    // A token is no offer: neither told to a function that chooses nor sent back if it is chosen all the same.
    const protocols = withoutToken(judged.protocols)
    const handshake = protocols === judged.protocols ? judged : { ...judged, protocols }
    const settings = this.#settingsFor(served, request, reply)
    const accept = (protocol: string | undefined): void => {
      // Answered without it: the client has left, or the time was up.
      if (findUpgrade(reply.raw) !== upgrade) return void reply.hijack()
      const headers = buildResponseHeaders(handshake, { protocol })
      // Behind all that may throw: from here on it has memory, which the upgrade gives back if no connection comes of it.
      const agreement = served.deflate?.agree(handshake.extensions)
      if (agreement !== undefined) headers['sec-websocket-extensions'] = agreement.field
      const agreed = agreement?.settingsFrom(settings) ?? settings
      reply.code(101).headers(headers)
      upgrade.accept(headers, (socket, head) => this.#open(served, instance, agreed, protocol, reply, socket, head), agreement?.giveBack)
      reply.send()
    }

    if (verifyClient !== undefined) return verifyClient(request, reply).then(() => chooseProtocol(served.options, handshake, request)).then(accept)
    const chosen = chooseProtocol(served.options, handshake, request)
    return chosen instanceof Promise ? chosen.then(accept) : accept(chosen)
  }

  #open (
    served: Served, instance: FastifyInstance, settings: ConnectionSettings, protocol: string | undefined, reply: FastifyReply,
    socket: Duplex, head: Buffer
  ): void {
    const { request } = reply
    const { remoteAddress } = request.raw.socket
    const connection = new Connection(socket, settings, { protocol, request, remoteAddress })
    if (served.options.errorHandler !== undefined) replies.set(connection, reply)
    forgetSocket(instance.server, socket)
    // First the hub: when a listener is attached after `start`, reading begins.
    served.registration.state.hub.add(connection, served.registration)
    if (channels.open.hasSubscribers) channels.open.publish({ connection, request })
    connection.start(head, () => served.onSocket.call(instance, connection, request))
  }

  /**
   * Compiles what could not be compiled before all schemas were added to the instance; to be called when it is ready.
   *
   * @throws `FST_WS_INVALID_SCHEMA`
   */
  async warmUp (): Promise<void> {
    const served = this.#served
    await served?.codec?.warmUp()
    if (served?.codec === undefined) return
    served.control = controlRules(this.name, this.#declared, served.options, this.instance)
    for (const topic of served.control?.topics ?? []) served.registration.state.encoder.prepare(topic, this.instance)
  }

  #settingsFor (served: Served, request: FastifyRequest, reply: FastifyReply): ConnectionSettings {
    const { registration, codec } = served
    served.settings ??= this.#connectionSettings(served, codec?.codecFor(request, reply), registration.state)
    return served.settings
  }

  #connectionSettings ({ options, control }: Served, codec: MessageCodec | undefined, { hub, encoder }: ServerState): ConnectionSettings {
    const { maxPayload, closeTimeout, highWaterMark, concurrency, maxQueuedMessages, errorHandler } = options
    const { maxTopicsPerConnection, authorize } = options
    const { heartbeat, maxLifetime, maxBufferedAmount, slowConsumer, rateLimit, fastPaths, lendPayloads } = options
    const topics = new TopicCalls(hub.topics, {
      max: maxTopicsPerConnection,
      // The core is written without the types of messages; for the application it is the same object with them.
      authorize: authorize as TopicRules['authorize'],
      encode: (topic, message) => encoder.encode(topic, message)
    })
    return Object.freeze({
      role: 'server',
      maxPayload,
      closeTimeout,
      highWaterMark,
      concurrency,
      maxQueuedMessages,
      maxBufferedAmount,
      // As above.
      slowConsumer: slowConsumer as NonNullable<ConnectionSettings['slowConsumer']>,
      scanners: fastPaths.webAssembly ? FASTEST : PORTABLE,
      sharesReads: fastPaths.sharedReadBuffer,
      lendsPayloads: lendPayloads,
      meter: hub.meter,
      topics,
      ...(control !== undefined && { control: new Control(control, topics) }),
      onEnd: (connection: Connection) => hub.remove(connection),
      ...(heartbeat !== false && { heartbeat }),
      ...(maxLifetime !== undefined && { maxLifetime }),
      ...(rateLimit !== false && { rateLimit }),
      ...(codec !== undefined && { codec }),
      onError: errorHandler === undefined
        ? handleFault
        : guardErrorHandler(errorHandler, this.instance, connection => replies.get(connection)),
      // Only routes make connections with these settings, with their request. It has `reqId` already.
      createLog: ({ request, id }: Connection) => (request as FastifyRequest).log.child({ connId: id })
    })
  }
}

/** A handshake that fails here is refused by Fastify with the error; where it has been answered without it meanwhile, nobody is left to hear. */
function refuse (error: unknown, upgrade: Upgrade, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  if (findUpgrade(reply.raw) !== upgrade) {
    request.log.debug({ err: error }, 'a WebSocket handshake failed after it had been answered, or its client had left')
    return reply.hijack()
  }
  // Here, as a custom error handler of the application would not set them.
  if (hasHeaders(error)) reply.headers(error.headers)
  // Fastify logs any 5xx as the application's fault.
  if (error instanceof ClosingError) quieten(reply, 'info')
  const code: unknown = error instanceof Error && 'code' in error ? error.code : undefined
  // Fastify's own codes, and those of the application, are as many as there are statuses, or more.
  if (typeof code === 'string' && code.startsWith('FST_WS_')) upgrade.blame(code)
  throw error
}

function hasHeaders (error: unknown): error is HandshakeError | RetryableError {
  return error instanceof HandshakeError || error instanceof ClosingError
}

/** Answers an HTTP request to a route that is for WebSocket only (RFC 9110 §15.5.22). */
function requireUpgrade (this: FastifyInstance, request: FastifyRequest, reply: FastifyReply): never {
  const error = new HandshakeError('FST_WS_UPGRADE_REQUIRED')
  // HTTP/2 has neither field (RFC 9113 §8.2.2), and Fastify sets what an error brings.
  if (request.raw.httpVersionMajor >= 2) delete error.headers['upgrade']
  else reply.headers({ ...error.headers, connection: request.headers.connection === 'close' ? 'close, Upgrade' : 'Upgrade' })
  throw error
}

/** Asks the application which of the offered subprotocols it speaks (RFC 6455 §4.2.2). */
function chooseProtocol (
  { protocols }: RouteSettings, { protocols: offered }: Handshake, request: FastifyRequest
): string | undefined | Promise<string | undefined> {
  if (protocols === undefined) return undefined
  if (typeof protocols !== 'function') return protocols.find(name => offered.includes(name))
  const chosen = protocols(offered, request)
  return chosen instanceof Promise ? chosen.then(orNone) : orNone(chosen)
}

function orNone (chosen: string | false | undefined): string | undefined {
  return chosen === false ? undefined : chosen
}
