// A WebSocket route described once and shared by the server and its clients. Imports nothing at run time but
// topics, which import nothing, so that a browser can load it.
import type { CarriedStatic, RawBytes, RawPayload } from '../types/carried.ts'

export { checkTopicName, defineTopic, TopicError, topicName } from './topic.ts'
export type { Topic, TopicArguments, TopicHistory, TopicMessage, TopicParams } from './topic.ts'

/** The schemas of one request and of the reply to it. */
export interface RequestSchemas {
  readonly request?: unknown
  readonly reply?: unknown
}

/** What both ends have to know of a route. */
export interface WebSocketContract {
  /** The path, with its parameters as Fastify writes them: `/chat/:room`. */
  readonly url: string
  readonly schema?: {
    readonly params?: unknown
    readonly querystring?: unknown
    readonly headers?: unknown
    /** Schemas of the messages, named from the server's side. */
    readonly websocket?: {
      readonly receive?: unknown
      readonly send?: unknown
      /** What clients may ask for and get an answer to, by name. */
      readonly requests?: Readonly<Record<string, RequestSchemas>>
    }
  }
  /** `{ binary: true }`: binary messages go beside the JSON ones, both ways. */
  readonly websocket?: true | { readonly binary?: boolean }
}

/** A contract as `fastify.route({ ...contract, handler })` takes it. */
export type WebSocketContractRoute<C extends WebSocketContract> = C & {
  readonly method: 'GET'
  readonly websocket: C extends { readonly websocket: infer Options } ? Options : true
}

/**
 * Completes a contract with what makes it a route: `method` and `websocket`.
 *
 * The contract is copied, so it may be frozen; the schemas themselves are kept by identity.
 */
export function defineWebSocket<const C extends WebSocketContract> (contract: C): WebSocketContractRoute<C> {
  const { schema, websocket = true } = contract
  const route = {
    ...contract,
    // Fastify writes into the schema object of a route, so that a frozen one would make it throw.
    ...(schema === undefined ? {} : { schema: { ...schema } }),
    method: 'GET',
    websocket: websocket === true ? true : { ...websocket }
  }
  // The compiler cannot follow the spread of a generic: `route` has all of C and the two properties.
  return route as unknown as WebSocketContractRoute<C>
}

/** How schemas become types at a client: a type function, applied as `(P & { schema: S })['type']`. */
export interface SchemaTypes {
  readonly schema: unknown
  readonly type: unknown
}

/** The default: the type that a TypeBox schema carries itself. */
export interface CarriedTypes extends SchemaTypes {
  readonly type: CarriedStatic<this['schema']>
}

type Apply<P extends SchemaTypes, S> = (P & { schema: S })['type']

type MessageSchemas<C extends WebSocketContract> = NonNullable<NonNullable<C['schema']>['websocket']>

/** Adds `T` where the contract says `binary: true`. */
type IfBinary<C extends WebSocketContract, T> = C extends { readonly websocket: { readonly binary: true } } ? T : never

/** What a client may send: what the server receives. */
export type ClientSends<C extends WebSocketContract, P extends SchemaTypes = CarriedTypes> =
  MessageSchemas<C> extends { readonly receive: infer S } ? Apply<P, S> | IfBinary<C, RawBytes> : RawPayload

/** What a client gets: what the server sends. Binary messages are ArrayBuffers, as in a browser. */
export type ClientGets<C extends WebSocketContract, P extends SchemaTypes = CarriedTypes> =
  MessageSchemas<C> extends { readonly send: infer S } ? Apply<P, S> | IfBinary<C, ArrayBuffer> : string | ArrayBuffer

/** What a client may ask for: `{ [name]: { request, reply } }` as types. */
export type ClientRequests<C extends WebSocketContract, P extends SchemaTypes = CarriedTypes> =
  MessageSchemas<C> extends { readonly requests: infer R }
    ? { [Name in keyof R]: { request: RequestPart<R[Name], 'request', P>, reply: RequestPart<R[Name], 'reply', P> } }
    : Record<never, never>

/** Nothing at all where there is no schema for what is asked: then there is nothing to say. */
type RequestPart<R, Part extends string, P extends SchemaTypes> =
  R extends { readonly [Name in Part]: infer S } ? Apply<P, S> : Part extends 'request' ? undefined : unknown
