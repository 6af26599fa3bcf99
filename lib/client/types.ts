// What `connect` gives, typed by the contract: the client, its events and its subscriptions. Knows neither Node nor a browser.
import type { ClientGets, ClientRequests, ClientSends, CarriedTypes, SchemaTypes, WebSocketContract } from '../contract.ts'
import type { Topic, TopicMessage, TopicParams } from '../topic.ts'
import type { MessageHandlers, MessageOf, MessageType } from '../../types/messages.ts'

export type ClientState = 'connecting' | 'open' | 'waiting' | 'closing' | 'closed'

/** How the client came to its end. */
export interface ClientClose {
  /** The server's close code, or this side's; 1006 where there was no Close frame. */
  readonly code: number
  readonly reason: string
  readonly wasClean: boolean
  /** Who ended it: `close`, an aborted signal and a message that does not fit are `local`. */
  readonly initiator: 'local' | 'remote'
  /** What went wrong, where that is known; the reason of an aborted signal. */
  readonly error?: unknown
  /** Messages that were never sent. */
  readonly unsent: number
}

/** What went wrong, and what follows. */
export interface ClientRetry {
  /** 1 for the first one in a row. */
  readonly attempt: number
  /** Until then, in ms. */
  readonly delay: number
  readonly code: number
  readonly reason: string
  /** Where it is known: in Node; a browser gives no reason. */
  readonly error?: Error | undefined
}

/** Events of a client with what their listeners get, beside `message` and `message:<type>`. */
export interface ClientEvents {
  /** There is a connection: subscriptions are asked for anew and the queue is on its way. */
  open: [details: { readonly reconnected: boolean }]
  /** An attempt begins; `attempt` is 0 for the first one, then that of `reconnecting`, and 0 again where the network has come back. */
  connecting: [details: { readonly attempt: number }]
  /** There is none any more, or an attempt failed, and another follows, at the latest after the delay. */
  reconnecting: [details: ClientRetry]
  /** The end, once. */
  close: [code: number, reason: string, details: ClientClose]
  /** A failed attempt, an error that the server told, and what a listener threw: that is thrown where nobody listens. */
  error: [error: Error]
  /** A message that is no JSON or does not fit. With a listener it is passed over; without one the client closes. */
  invalid: [error: Error]
  /** A subscription was renewed and has missed nothing. */
  recovered: [topic: string]
  /** A subscription was renewed and may have missed messages, or the server has. */
  lost: [topic: string]
}

/** How an answer is waited for. */
export interface RequestOptions {
  /** Until the answer, time without a connection included, in ms; Infinity for none. Default: 30,000. */
  readonly timeout?: number | undefined
  readonly signal?: AbortSignal | undefined
}

/** Its timeout and signal end with the server's confirmation. */
export interface SubscribeOptions extends RequestOptions {
  /** Until the confirmation, time without a connection included, in ms. Default: Infinity. */
  readonly timeout?: number | undefined
  /** What others see of this subscriber, where the server tells. */
  readonly data?: unknown
  /**
   * Where the topic was left, by another client perhaps: what was missed since then comes first. `recovered` or `lost` of the client
   * tells whether the server still had it.
   */
  readonly since?: TopicPlace | undefined
}

/** One place in a topic's history. */
export interface TopicPlace {
  readonly epoch: string
  readonly offset: number
}

/** Where a publication has its place, if the topic has a history. */
export interface Published {
  readonly epoch: string | undefined
  readonly offset: number | undefined
}

/** A subscriber of a topic, as the server tells of it. */
export interface TopicMember {
  readonly id: string
  readonly data?: unknown
}

/** Events of a subscription. */
export interface SubscriptionEvents<Message> {
  message: [message: Message]
  /** The connection was renewed, and all that was missed follows, if anything was. */
  recovered: [topic: string]
  /** It was renewed, and messages may have been missed: begin anew. */
  lost: [topic: string]
  join: [member: TopicMember]
  leave: [member: TopicMember]
  /** The server did not renew it: this is its end. */
  error: [error: Error]
}

/** One subscription of a topic; it outlives connections. */
export interface Subscription<Message = unknown> extends AsyncIterable<Message> {
  /** The whole name. */
  readonly topic: string
  /** Who is there and shows itself, as the server has told; empty where it does not. */
  readonly members: readonly TopicMember[]
  on<E extends keyof SubscriptionEvents<Message>> (event: E, listener: (...args: SubscriptionEvents<Message>[E]) => unknown): this
  once<E extends keyof SubscriptionEvents<Message>> (event: E, listener: (...args: SubscriptionEvents<Message>[E]) => unknown): this
  off<E extends keyof SubscriptionEvents<Message>> (event: E, listener: (...args: SubscriptionEvents<Message>[E]) => unknown): this
  /** Ends it. Resolves when the server knows, or need not be told. */
  unsubscribe (): Promise<void>
  [Symbol.asyncIterator] (): AsyncIterableIterator<Message>
}

type MessageListener<Gets> = (message: Gets, isBinary: boolean) => unknown
type TypeListener<Gets, T extends string> = (message: NoInfer<MessageOf<Gets, T>>) => unknown
type EventListener<E extends keyof ClientEvents> = (...args: ClientEvents[E]) => unknown

/** The payload, which may be left out where the contract has no schema for it. */
type RequestArguments<R> =
  R extends { request: infer Request }
    ? undefined extends Request ? [payload?: Request, options?: RequestOptions] : [payload: Request, options?: RequestOptions]
    : never

type ReplyOf<R> = R extends { reply: infer Reply } ? Reply : never

type TopicListener<T extends Topic> = (message: TopicMessage<T>) => unknown

/** True where a topic's name has no parameter. */
type IsPlain<T extends Topic> = Record<never, never> extends TopicParams<T['name']> ? true : false

type SubscribeArguments<T extends Topic> =
  IsPlain<T> extends true
    ? [listener: TopicListener<T>, options?: SubscribeOptions] | [params?: Record<never, never> | undefined, listener?: TopicListener<T> | undefined, options?: SubscribeOptions]
    : [params: TopicParams<T['name']>, listener?: TopicListener<T> | undefined, options?: SubscribeOptions]

/** The parameters go before the message where the name has any. */
type PublishArguments<T extends Topic> =
  IsPlain<T> extends true
    ? [message: TopicMessage<T>, options?: RequestOptions]
    : [params: TopicParams<T['name']>, message: TopicMessage<T>, options?: RequestOptions]

/**
 * A connection to one route that comes back by itself, typed by the route's contract.
 *
 * As any socket it keeps a process of Node alive, also while it waits to reconnect: until it has closed.
 */
export interface ClientSocket<C extends WebSocketContract, P extends SchemaTypes = CarriedTypes> extends AsyncIterable<ClientGets<C, P>> {
  readonly state: ClientState
  /** The subprotocol that was agreed on, or ''; of the last connection where there is none. */
  readonly protocol: string
  /** Resolves with the next connection, or at once if there is one; rejects when the client closes without. */
  readonly opened: Promise<void>
  /** Resolves at the end, however it comes. */
  readonly closed: Promise<ClientClose>
  /** Messages that wait for a connection. */
  readonly queued: number
  /** Bytes that were sent and still wait in this process. */
  readonly bufferedAmount: number

  on (event: 'message', listener: MessageListener<ClientGets<C, P>>): this
  on<E extends keyof ClientEvents> (event: E, listener: EventListener<E>): this
  on<T extends MessageType<ClientGets<C, P>>> (event: `message:${T}`, listener: TypeListener<ClientGets<C, P>, T>): this

  once (event: 'message', listener: MessageListener<ClientGets<C, P>>): this
  once<E extends keyof ClientEvents> (event: E, listener: EventListener<E>): this
  once<T extends MessageType<ClientGets<C, P>>> (event: `message:${T}`, listener: TypeListener<ClientGets<C, P>, T>): this

  off (event: 'message', listener: MessageListener<ClientGets<C, P>>): this
  off<E extends keyof ClientEvents> (event: E, listener: EventListener<E>): this
  off<T extends MessageType<ClientGets<C, P>>> (event: `message:${T}`, listener: TypeListener<ClientGets<C, P>, T>): this

  /** Listens by message type: every `type` of the union must have its handler, and no other. */
  handle (handlers: MessageHandlers<ClientGets<C, P>>): this

  /**
   * Sends one message, or keeps it until there is a connection. Messages leave in call order, each to one connection: what was handed
   * to one that then breaks is not sent again, and whether it arrived nobody knows.
   *
   * @returns true if it was handed to the connection, false if it waits
   * @throws `FST_WS_CLIENT_QUEUE_FULL`, `FST_WS_CLIENT_CLOSED`; `FST_WS_CLIENT_INVALID_SEND`
   */
  send (message: ClientSends<C, P>): boolean

  /**
   * Asks the server. The answer waits for no handler of messages.
   *
   * Rejects with `RequestError`, the server's answer; with `FST_WS_CLIENT_LOST` if the connection broke behind it (`sent` is true);
   * with `FST_WS_CLIENT_TIMEOUT`, the signal's reason, and where `send` throws. Not sent yet, it waits for the next connection.
   */
  request<Name extends keyof ClientRequests<C, P> & string> (name: Name, ...args: RequestArguments<ClientRequests<C, P>[Name]>): Promise<ReplyOf<ClientRequests<C, P>[Name]>>

  /**
   * Subscribes to a topic, for as long as the client lives. Its messages wait for no handler but its own.
   *
   * Resolves when the server has confirmed; rejects with `RequestError` when it refused, with `FST_WS_CLIENT_TIMEOUT` or the signal's
   * reason, behind which nothing is subscribed to, and when the client closes before.
   */
  subscribe<T extends Topic> (topic: T, ...args: SubscribeArguments<T>): Promise<Subscription<TopicMessage<T>>>
  subscribe (topic: string, listener: (message: unknown) => unknown, options?: SubscribeOptions): Promise<Subscription>
  subscribe (topic: string, params?: undefined, listener?: (message: unknown) => unknown, options?: SubscribeOptions): Promise<Subscription>

  /** Publishes to a topic; resolves when the server has taken it, and rejects as `request` does. */
  publish<T extends Topic> (topic: T, ...args: PublishArguments<T>): Promise<Published>
  publish (topic: string, message: unknown, options?: RequestOptions): Promise<Published>

  /** Closes for good. What waits is thrown away, and counted in `closed`. Codes: 1000, or 3000 to 4999. */
  close (code?: number, reason?: string): void

  /** Takes messages one by one, over all connections; the loop ends when the client has closed. */
  [Symbol.asyncIterator] (): AsyncIterableIterator<ClientGets<C, P>>
}
