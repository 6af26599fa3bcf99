// The handler of a WebSocket route. Owns how a route's schema, generics and options become the types of its arguments.
import type {
  ContextConfigDefault,
  FastifyBaseLogger,
  FastifyInstance,
  FastifyRequest,
  FastifySchema,
  FastifyTypeProvider,
  FastifyTypeProviderDefault,
  RawReplyDefaultExpression,
  RawRequestDefaultExpression,
  RawServerBase,
  RawServerDefault,
  RouteGenericInterface
} from 'fastify'
import type { WebSocketConnection, WebSocketConnectionData } from './connection.ts'
import type { CarriedTypeProvider, ReceivedOf, RequestHandlersOf, SentOf } from './schema.ts'

/** `connection.data` on a route: the generic `Data`, else what the program declared for all. */
type DataOf<G> = G extends { Data: infer D } ? D : WebSocketConnectionData

/**
 * The handler's type as a member. Overloads take it from here and not from the alias below: two instantiations of one alias are
 * compared by its arguments up to TypeScript 6, and a handler for raw messages would pass where the schema says others.
 */
export interface HandlerSignature<
  RawServer extends RawServerBase,
  RawRequest extends RawRequestDefaultExpression<RawServer>,
  RawReply extends RawReplyDefaultExpression<RawServer>,
  RouteGeneric extends RouteGenericInterface,
  ContextConfig,
  SchemaCompiler extends FastifySchema,
  TypeProvider extends FastifyTypeProvider,
  Logger extends FastifyBaseLogger,
  Binary extends boolean
> {
  handle: (
    this: FastifyInstance<RawServer, RawRequest, RawReply, Logger, TypeProvider>,
    connection: WebSocketConnection<
      ReceivedOf<TypeProvider, SchemaCompiler, RouteGeneric, Binary>,
      SentOf<TypeProvider, SchemaCompiler, RouteGeneric, Binary>,
      DataOf<RouteGeneric>,
      RequestHandlersOf<TypeProvider, SchemaCompiler>
    >,
    request: FastifyRequest<RouteGeneric, RawServer, RawRequest, SchemaCompiler, CarriedTypeProvider<TypeProvider>, ContextConfig, Logger>
  ) => unknown
}

/** Handles one connection. It is called when the connection is open; no message is delivered before it has attached a listener. */
export type WebSocketHandler<
  RawServer extends RawServerBase = RawServerDefault,
  RawRequest extends RawRequestDefaultExpression<RawServer> = RawRequestDefaultExpression<RawServer>,
  RawReply extends RawReplyDefaultExpression<RawServer> = RawReplyDefaultExpression<RawServer>,
  RouteGeneric extends RouteGenericInterface = RouteGenericInterface,
  ContextConfig = ContextConfigDefault,
  SchemaCompiler extends FastifySchema = FastifySchema,
  TypeProvider extends FastifyTypeProvider = FastifyTypeProviderDefault,
  Logger extends FastifyBaseLogger = FastifyBaseLogger,
  Binary extends boolean = boolean
> = HandlerSignature<RawServer, RawRequest, RawReply, RouteGeneric, ContextConfig, SchemaCompiler, TypeProvider, Logger, Binary>['handle']
