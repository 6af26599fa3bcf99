// From a route's schema to the types of its messages. Owns the type functions; knows nothing of connections.
import type { FastifyTypeProvider } from 'fastify'
import type { CarriedStatic, RawBytes, RawPayload } from './carried.ts'

export type { MessageHandlers, MessageOf, MessageType } from './messages.ts'

/** `schema.websocket` of a route: the schemas of its messages, named from the server's side. */
export interface WebSocketSchema {
  /** Schema of the messages that the server receives. */
  receive?: unknown
  /** Schema of the messages that the server sends. */
  send?: unknown
  /** What clients may ask for, by name: the schema of what they say, and of the reply. */
  requests?: Readonly<Record<string, { readonly request?: unknown, readonly reply?: unknown }>>
}

/** A message on a route that has no `receive` schema: a text message is a string, a binary one a Buffer. */
export type RawMessage = string | Buffer

// Aliases, because `this` may not be written inside a type literal.
type Validated<P extends FastifyTypeProvider, S> = (P & { schema: S })['validator']
type Serialized<P extends FastifyTypeProvider, S> = (P & { schema: S })['serializer']

/** The type provider's answer first; where it has none, the type that the schema carries. */
type OrCarried<T, S> = unknown extends T ? CarriedStatic<S> : T

/** The instance's type provider, completed by the types that the schemas carry themselves. */
export interface CarriedTypeProvider<P extends FastifyTypeProvider> extends FastifyTypeProvider {
  readonly validator: OrCarried<Validated<P, this['schema']>, this['schema']>
  readonly serializer: OrCarried<Serialized<P, this['schema']>, this['schema']>
}

/** Adds `T` on a route whose options say `binary: true`; `boolean`, so an option that is not a literal, adds nothing. */
type IfBinary<Binary extends boolean, T> = [Binary] extends [true] ? T : never

/** What a route receives: the generic `Receive`, else what `schema.websocket.receive` says, else raw messages. */
export type ReceivedOf<P extends FastifyTypeProvider, S, G, Binary extends boolean = boolean> =
  G extends { Receive: infer R } ? R
    : S extends { websocket: { receive: infer R } } ? OrCarried<Validated<P, R>, R> | IfBinary<Binary, Buffer>
      : RawMessage

/** What a route may send: the generic `Send`, else what `schema.websocket.send` says, else raw payloads. */
export type SentOf<P extends FastifyTypeProvider, S, G, Binary extends boolean = boolean> =
  G extends { Send: infer R } ? R
    : S extends { websocket: { send: infer R } } ? OrCarried<Serialized<P, R>, R> | IfBinary<Binary, RawBytes>
      : RawPayload

/** One handler for each of the route's requests: what it returns is the reply. */
export type RequestHandlersOf<P extends FastifyTypeProvider, S> =
  S extends { websocket: { requests: infer R } } ? { [Method in keyof R]: (payload: RequestOf<P, R[Method]>) => MaybePromise<ReplyOf<P, R[Method]>> } : Record<never, never>

type MaybePromise<T> = T | Promise<T>

type RequestOf<P extends FastifyTypeProvider, R> = R extends { request: infer S } ? OrCarried<Validated<P, S>, S> : unknown

type ReplyOf<P extends FastifyTypeProvider, R> = R extends { reply: infer S } ? OrCarried<Serialized<P, S>, S> : unknown
