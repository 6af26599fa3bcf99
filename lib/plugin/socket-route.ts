// One WebSocket route: the handler that Fastify calls for it, HTTP request or handshake. Owns the answer to a handshake
// and what its connections share.
import type { FastifyInstance, FastifyReply, FastifyRequest, FastifySchema, RouteHandlerMethod } from 'fastify'
import type { MessageCodec } from '../connection/codec.ts'
import { Connection } from '../connection/connection.ts'
import type { ConnectionSettings } from '../connection/connection.ts'
import { HandshakeError } from '../protocol/handshake-errors.ts'
import { buildResponseHeaders, judgeRequest } from '../protocol/handshake.ts'
import type { Handshake } from '../protocol/handshake.ts'
import { ClosingError, InvalidRouteError } from './errors.ts'
import { guardErrorHandler, handleFault } from './fault.ts'
import { readRouteOptions } from './options.ts'
import type { RouteSettings } from './options.ts'
import type { DeclaredRoute, Registration } from './registration.ts'
import { RouteCodec } from './route-codec.ts'
import { findUpgrade, isHandshake } from './upgrade.ts'
import type { Upgrade } from './upgrade.ts'

/** The application's handler, whatever its messages are. */
type SocketHandler = (this: FastifyInstance, connection: Connection, request: FastifyRequest) => unknown

/** A route and the registration that serves it. */
interface Served {
  readonly registration: Registration
  readonly options: RouteSettings
  readonly onSocket: SocketHandler
  readonly onHttp: RouteHandlerMethod
  /** None where no handshakes come to. */
  readonly codec: RouteCodec | undefined
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
    if (codec?.needsInstance) this.schema.params ??= {}
    this.#served = {
      registration,
      options,
      onSocket: onSocket as SocketHandler,
      onHttp: wsHandler === undefined ? requireUpgrade : handler,
      codec,
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

  #handle (instance: FastifyInstance, request: FastifyRequest, reply: FastifyReply): unknown {
    const served = this.#served
    // The plugin is not here; the options may be another one's.
    if (served === undefined) return this.#declared.handler.call(instance, request, reply)
    if (!isHandshake(request.raw)) return served.onHttp.call(instance, request, reply)
    const upgrade = findUpgrade(request.raw)
    // The client left while hooks ran.
    if (upgrade === undefined) return reply.hijack()
    return this.#answerHandshake(served, instance, upgrade, request, reply)
  }

  #answerHandshake (served: Served, instance: FastifyInstance, upgrade: Upgrade, request: FastifyRequest, reply: FastifyReply): unknown {
    const { state, verifyClient } = served.registration
    if (state.hub.isClosing) throw new ClosingError()
    const handshake = judge(upgrade, state.maxHeaders, reply)
    const settings = this.#settingsFor(served, request, reply)
    const accept = (protocol: string | undefined): void => {
      const headers = buildResponseHeaders(handshake, { protocol })
      reply.code(101).headers(headers)
      upgrade.accept(headers, (socket, head) => {
        const { remoteAddress } = request.raw.socket
        const opening = { protocol: protocol ?? '', request, ...(remoteAddress !== undefined && { remoteAddress }) }
        const connection = new Connection(socket, settings, opening)
        if (served.options.errorHandler !== undefined) replies.set(connection, reply)
        // First the hub: when a listener is attached after `start`, reading begins.
        state.hub.add(connection, served.registration)
        connection.start(head, () => served.onSocket.call(instance, connection, request))
      })
      reply.send()
    }

    const chosen = verifyClient === undefined
      ? chooseProtocol(served.options, handshake, request)
      : verifyClient(request, reply).then(() => chooseProtocol(served.options, handshake, request))
    if (!(chosen instanceof Promise)) return accept(chosen)
    return chosen.then((protocol) => {
      accept(protocol)
      return reply
    })
  }

  /**
   * Compiles what could not be compiled before all schemas were added to the instance; to be called when it is ready.
   *
   * @throws `FST_WS_INVALID_SCHEMA`
   */
  async warmUp (): Promise<void> {
    await this.#served?.codec?.warmUp()
  }

  #settingsFor (served: Served, request: FastifyRequest, reply: FastifyReply): ConnectionSettings {
    served.settings ??= this.#connectionSettings(served.options, served.codec?.codecFor(request, reply))
    return served.settings
  }

  #connectionSettings (options: RouteSettings, codec: MessageCodec | undefined): ConnectionSettings {
    const { maxPayload, closeTimeout, highWaterMark, concurrency, maxQueuedMessages, errorHandler } = options
    return Object.freeze({
      role: 'server',
      maxPayload,
      closeTimeout,
      highWaterMark,
      concurrency,
      maxQueuedMessages,
      ...(codec !== undefined && { codec }),
      onError: errorHandler === undefined
        ? handleFault
        : guardErrorHandler(errorHandler, this.instance, connection => replies.get(connection)),
      // Only routes make connections with these settings, with their request. It has `reqId` already.
      createLog: ({ request, id }: Connection) => (request as FastifyRequest).log.child({ connId: id })
    })
  }
}

/** Judges the handshake; what is wrong becomes the answer. */
function judge (upgrade: Upgrade, maxHeaders: number, reply: FastifyReply): Handshake {
  try {
    // A request that Node's server has parsed has all three of them.
    return judgeRequest(upgrade.request as Parameters<typeof judgeRequest>[0], maxHeaders)
  } catch (error) {
    // Here, as a custom error handler of the application would not set them.
    if (error instanceof HandshakeError) reply.headers(error.headers)
    throw error
  }
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
