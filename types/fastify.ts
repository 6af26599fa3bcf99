// What this package adds to Fastify's own types. Owns the augmentation and nothing else.
import type {
  ContextConfigDefault,
  FastifyBaseLogger,
  FastifyTypeProvider,
  FastifyTypeProviderDefault,
  RawReplyDefaultExpression,
  RawRequestDefaultExpression,
  RawServerBase,
  RawServerDefault,
  RouteGenericInterface
} from 'fastify'
import type { WebSocketConnection } from './connection.ts'
import type { HandlerSignature } from './handler.ts'
import type { InjectWebSocketHooks, InjectWebSocketOptions, WebSocketHub, WebSocketServerView } from './hub.ts'
import type { WebSocketRouteOptions } from './options.ts'
import type { WebSocketSchema } from './schema.ts'

declare module 'fastify' {
  interface FastifySchema {
    /** Schemas of the messages of a WebSocket route. */
    websocket?: WebSocketSchema
  }

  interface RequestGenericInterface {
    /** Type of the messages that a WebSocket route receives, where no schema gives it. */
    Receive?: unknown
    /** Type of the messages that a WebSocket route sends, where no schema gives it. */
    Send?: unknown
    /** Type of `connection.data` on a WebSocket route. */
    Data?: unknown
  }

  interface FastifyRequest {
    /** The request is a WebSocket handshake. */
    ws: boolean
  }

  interface RouteShorthandOptions<
    RawServer extends RawServerBase = RawServerDefault,
    RawRequest extends RawRequestDefaultExpression<RawServer> = RawRequestDefaultExpression<RawServer>,
    RawReply extends RawReplyDefaultExpression<RawServer> = RawReplyDefaultExpression<RawServer>,
    RouteGeneric extends RouteGenericInterface = RouteGenericInterface,
    ContextConfig = ContextConfigDefault,
    SchemaCompiler extends FastifySchema = FastifySchema,
    TypeProvider extends FastifyTypeProvider = FastifyTypeProviderDefault,
    Logger extends FastifyBaseLogger = FastifyBaseLogger
  > {
    /** Makes `handler` the handler of WebSocket connections, with options of this route. Beside `wsHandler` it only gives the options. */
    websocket?: boolean | WebSocketRouteOptions
    /** The handler of WebSocket connections, where `handler` answers HTTP requests on the same path. */
    wsHandler?: HandlerSignature<RawServer, RawRequest, RawReply, RouteGeneric, ContextConfig, NoInfer<SchemaCompiler>, TypeProvider, Logger, boolean>['handle']
  }

  // Overloads that are merged into an interface are tried before its own. Where `websocket` is missing they fail on the options
  // alone, so that a REST route goes on to Fastify's overloads and keeps its types. `NoInfer` keeps a handler that was declared
  // apart from deciding the schema's type (TypeScript 5.4 and 5.5).
  interface RouteShorthandMethod<
    RawServer extends RawServerBase = RawServerDefault,
    RawRequest extends RawRequestDefaultExpression<RawServer> = RawRequestDefaultExpression<RawServer>,
    RawReply extends RawReplyDefaultExpression<RawServer> = RawReplyDefaultExpression<RawServer>,
    TypeProvider extends FastifyTypeProvider = FastifyTypeProviderDefault,
    Logger extends FastifyBaseLogger = FastifyBaseLogger
  > {
    <
      RouteGeneric extends RouteGenericInterface = RouteGenericInterface,
      ContextConfig = ContextConfigDefault,
      const SchemaCompiler extends FastifySchema = FastifySchema,
      Binary extends boolean = boolean
    >(
      path: string,
      opts: WebSocketShorthandOptions<Binary> & RouteShorthandOptions<RawServer, RawRequest, RawReply, RouteGeneric, ContextConfig, SchemaCompiler, TypeProvider, Logger>,
      handler: HandlerSignature<RawServer, RawRequest, RawReply, RouteGeneric, ContextConfig, NoInfer<SchemaCompiler>, TypeProvider, Logger, Binary>['handle']
    ): FastifyInstance<RawServer, RawRequest, RawReply, Logger, TypeProvider>

    <
      RouteGeneric extends RouteGenericInterface = RouteGenericInterface,
      ContextConfig = ContextConfigDefault,
      const SchemaCompiler extends FastifySchema = FastifySchema,
      Binary extends boolean = boolean
    >(
      path: string,
      opts: WebSocketShorthandOptions<Binary> & RouteShorthandOptions<RawServer, RawRequest, RawReply, RouteGeneric, ContextConfig, SchemaCompiler, TypeProvider, Logger> & {
        handler: HandlerSignature<RawServer, RawRequest, RawReply, RouteGeneric, ContextConfig, NoInfer<SchemaCompiler>, TypeProvider, Logger, Binary>['handle']
      }
    ): FastifyInstance<RawServer, RawRequest, RawReply, Logger, TypeProvider>
  }

  interface FastifyInstance<RawServer, RawRequest, RawReply, Logger, TypeProvider> {
    /** All WebSocket connections of this server. */
    readonly websocket: WebSocketHub
    /** For users of @fastify/websocket; `fastify.websocket` says more. */
    readonly websocketServer: WebSocketServerView

    /**
     * Opens a client's connection through hooks, validation and handler of a route, without a port: real frames over a
     * stream in memory. The client has no schemas: it sends and gets what is on the wire.
     *
     * @param path - default: `/`
     * @returns the client's end, open; rejects with the response when the handshake is refused
     */
    injectWS (path?: string, options?: InjectWebSocketOptions, hooks?: InjectWebSocketHooks): Promise<WebSocketConnection>

    route<
      RouteGeneric extends RouteGenericInterface = RouteGenericInterface,
      ContextConfig = ContextConfigDefault,
      const SchemaCompiler extends FastifySchema = FastifySchema,
      Binary extends boolean = boolean
    > (opts: WebSocketShorthandOptions<Binary> & RouteShorthandOptions<RawServer, RawRequest, RawReply, RouteGeneric, ContextConfig, SchemaCompiler, TypeProvider, Logger> & {
      method: WebSocketMethod
      url: string
      handler: HandlerSignature<RawServer, RawRequest, RawReply, RouteGeneric, ContextConfig, NoInfer<SchemaCompiler>, TypeProvider, Logger, Binary>['handle']
    }): FastifyInstance<RawServer, RawRequest, RawReply, Logger, TypeProvider>
  }
}

/** What tells a WebSocket route from any other. First of an intersection, so that a REST route fails here before its hooks are compared. */
interface WebSocketShorthandOptions<Binary extends boolean> {
  // `object`, because every option may be missing: `false` would fit.
  websocket: true | (object & WebSocketRouteOptions<Binary>)
  /** With a `wsHandler`, `handler` answers HTTP: Fastify's own overloads apply. */
  wsHandler?: never
}

type WebSocketMethod = 'GET' | 'get' | Array<'GET' | 'get' | 'HEAD' | 'head'>
