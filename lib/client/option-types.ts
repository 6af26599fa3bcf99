// What `connect` takes, typed by the contract. Knows neither Node nor a browser.
import type { DeflateChoices } from '../../types/deflate.ts'
import type { CarriedTypes, SchemaTypes, WebSocketContract } from '../contract.ts'

/** A value, or a function that gives one for each attempt to connect. */
export type PerAttempt<T> = T | (() => T | Promise<T>)

/** When to connect again. Times in ms. */
export interface ReconnectOptions {
  /** What the first wait is at most; each is drawn from nothing to twice the most of the one before. Default: 500. */
  readonly minDelay?: number
  /** What any wait is at most. Default: 30,000. */
  readonly maxDelay?: number
  /** Attempts in a row that may fail before the client closes. Default: Infinity. */
  readonly maxAttempts?: number
  /** How long a connection must have been open for the next wait to be a first one again. Default: 5,000. */
  readonly resetAfter?: number
  /**
   * Decides whether an end is for good; `undefined` leaves it to the default. That is: close codes 1000, 1003, 1007, 1008, 1009 and
   * 1010, and HTTP answers (Node only) from 400 to 499 but 408, 425 and 429. What it throws is the end as well.
   *
   * @param error - a refusal has its `statusCode`
   */
  isTerminal? (code: number, reason: string, error: Error | undefined): boolean | undefined
}

/** What waits at most while there is no connection; the bytes also bound what waits in an open one, renewed subscriptions aside. */
export interface QueueOptions {
  /** Default: 1,000. */
  readonly messages?: number
  /** Of payloads, as UTF-8. Default: 1,048,576. */
  readonly bytes?: number
}

/** When to look whether the server is still there. Times in ms. */
export interface PingOptions {
  /** Default: 25,000. */
  readonly interval?: number
  /** How long nothing may come after a ping. Default: 20,000. */
  readonly timeout?: number
  /**
   * Pings are messages, `{ type: 'ws:ping', id }`, which the server must know how to answer: the only ones that a browser can send.
   * Default: false, and then Node sends those of the protocol, a browser none.
   */
  readonly application?: boolean
}

/** Of permessage-deflate (RFC 7692): a route's options. */
export type ClientDeflateOptions = DeflateChoices

type Secret = string | Uint8Array

/** What `tls.connect` of Node takes; the commonest by name. */
export interface ClientTlsOptions {
  readonly ca?: Secret | readonly Secret[]
  readonly cert?: Secret
  readonly key?: Secret
  readonly pfx?: Secret
  readonly passphrase?: string
  readonly servername?: string
  readonly rejectUnauthorized?: boolean
  readonly [option: string]: unknown
}

/** The constructor of a WHATWG WebSocket. */
export interface WebSocketConstructor {
  new (url: string, protocols?: string[]): object
}

/**
 * Checks values by schemas: `typebox()` of `fastify-typed-websocket/client/typebox`, or a function of the application's own, which
 * throws. What it throws is thrown by `send`, or told as `invalid`.
 */
export interface ClientValidator {
  (schema: unknown, value: unknown, fault: 'INVALID_SEND' | 'INVALID_MESSAGE'): void
}

/** What the client has been told, whatever the contract is. */
export interface ConnectSettings {
  /**
   * Where the server is: http(s) or ws(s), with a path if the server's is not the root. In a page it may be left out and is
   * the page's own origin. A function is called for each attempt.
   */
  readonly baseUrl?: PerAttempt<string | URL>
  /** Subprotocols, the preferred one first. */
  readonly protocols?: string | readonly string[]
  /** Node only, for a browser has no way to send any. */
  readonly headers?: PerAttempt<Readonly<Record<string, string | readonly string[]>>>
  /** A bearer token, asked for at each attempt: Node sends it in `Authorization`, a browser as the subprotocol behind `bearer`. */
  readonly auth?: () => string | Promise<string>
  /** False: the first connection is the last one. Default: it reconnects. */
  readonly reconnect?: boolean | ReconnectOptions
  readonly queue?: QueueOptions
  readonly ping?: boolean | 'application' | PingOptions
  /** Ends the client when it is aborted, in whatever state. */
  readonly signal?: AbortSignal
  /** How long an attempt may take, functions of these options included. Default: 10,000. */
  readonly handshakeTimeout?: number
  /** How long the server may take to answer a Close frame. Default: 5,000. */
  readonly closeTimeout?: number
  /** Checks what is sent and what comes. Default: nothing is checked here, for the server does. */
  readonly validate?: ClientValidator
  /** Node only: compresses messages if the server agrees. Default: false. */
  readonly perMessageDeflate?: boolean | ClientDeflateOptions
  /** Node only: most bytes of a message that comes. Default: 104,857,600. */
  readonly maxPayload?: number
  /** Node only: for `tls.connect`. */
  readonly tls?: ClientTlsOptions
  /** Takes the place of the global one in a browser, and of this package's own engine in Node. */
  readonly webSocket?: WebSocketConstructor
}

type IsAny<T> = 0 extends 1 & T ? true : false

/** The contract's schema of that name as a type; `unknown` where there is none. */
type PartOf<C extends WebSocketContract, Name extends 'params' | 'querystring', P extends SchemaTypes> =
  NonNullable<C['schema']> extends { readonly [N in Name]: infer S } ? (P & { schema: S })['type'] : unknown

type UrlValue = string | number | boolean

/** Names of the parameters of a path. */
type PathParam<Path extends string> =
  Path extends `${infer Segment}/${infer Rest}` ? PathParam<Segment> | PathParam<Rest>
    : Path extends `${string}:${infer Param}` ? PlainName<Param> : never

/** Only names that nothing stands behind; others are not told apart. */
type PlainName<Param extends string> = Param extends `${string}${'(' | '?' | '-' | '.' | ':'}${string}` ? string : Param

type AnyParams<Path extends string> =
  string extends Path ? Readonly<Record<string, UrlValue>> | undefined
    : [PathParam<Path>] extends [never] ? Readonly<Record<string, UrlValue>> | undefined
      : { readonly [Name in PathParam<Path>]: UrlValue }

/** The path's parameters: by their schema, else by the path itself. */
type ParamsOf<C extends WebSocketContract, P extends SchemaTypes> =
  unknown extends PartOf<C, 'params', P> ? AnyParams<C['url']> : PartOf<C, 'params', P>

type QueryOf<C extends WebSocketContract, P extends SchemaTypes> =
  unknown extends PartOf<C, 'querystring', P>
    ? Readonly<Record<string, UrlValue | readonly UrlValue[] | undefined>> | undefined
    : PartOf<C, 'querystring', P>

/** May be left out if nothing in it has to be there. */
type Field<Name extends string, T> =
  IsAny<T> extends true ? { readonly [N in Name]?: T }
    : undefined extends T ? { readonly [N in Name]?: PerAttempt<NonNullable<T>> }
      : Record<never, never> extends T ? { readonly [N in Name]?: PerAttempt<T> }
        : { readonly [N in Name]: PerAttempt<T> }

/** What `connect` takes for a contract. */
export type ConnectOptions<C extends WebSocketContract, P extends SchemaTypes = CarriedTypes> =
  ConnectSettings & Field<'params', ParamsOf<C, P>> & Field<'query', QueryOf<C, P>>

/** The options as an argument, which may be left out if nothing in them has to be there. */
export type ConnectArguments<C extends WebSocketContract> =
  Record<never, never> extends ConnectOptions<C> ? [options?: ConnectOptions<C>] : [options: ConnectOptions<C>]
