// A client as the application sees it: its messages, requests and subscriptions, over one connection after the other. Knows neither
// Node nor a browser; what it is typed as is in types.ts.
import { fillTopic, hasParams } from '../topic.ts'
import type { Topic } from '../topic.ts'
import type { WebSocketContract } from '../contract.ts'
import { paramError } from './address.ts'
import { Calls, TIMEOUT } from './calls.ts'
import type { Waiter } from './calls.ts'
import { defer } from './deferred.ts'
import { ClientError, RequestError, toError } from './errors.ts'
import { Inbox } from './inbox.ts'
import type { Listener } from './inbox.ts'
import { Link } from './link.ts'
import type { LinkEvents } from './link.ts'
import { readOptions } from './options.ts'
import type { AnyConnectOptions } from './options.ts'
import { decode, isControl, toBytes, typeOf } from './message.ts'
import { OutgoingQueue } from './outgoing-queue.ts'
import type { Outgoing, Payload } from './outgoing-queue.ts'
import { makePinger } from './pinger.ts'
import type { Pinger } from './pinger.ts'
import { Subscriptions } from './subscriptions.ts'
import type { Control, SubscriptionsOwner, TopicSubscription } from './subscriptions.ts'
import type { ClientValidator } from './option-types.ts'
import type { ClientClose, ClientRetry, ClientState, Published, RequestOptions, SubscribeOptions } from './types.ts'
import type { Platform } from './wire.ts'

/** In the text of every control message, whatever the order of its fields. */
const CONTROL_MARK = '"ws:'

type MessageSchemas = NonNullable<NonNullable<WebSocketContract['schema']>['websocket']>

/** Methods that are not in the public types are for the link, and for subscriptions. */
export class Client extends Inbox implements LinkEvents, SubscriptionsOwner {
  readonly #schemas: MessageSchemas
  /** Bytes go beside the JSON messages. */
  readonly #takesBinary: boolean | undefined
  readonly #validate: ClientValidator | undefined
  readonly #link: Link
  readonly #queue: OutgoingQueue
  readonly #calls = new Calls()
  readonly #subscriptions: Subscriptions
  readonly #pinger: Pinger | undefined
  readonly #closed = defer<ClientClose>()
  #opened = defer()
  #hasBeenOpen = false

  /** @throws {ClientError} `FST_WS_CLIENT_OPTION` */
  constructor (contract: WebSocketContract, options: AnyConnectOptions, platform: Platform) {
    super()
    const settings = readOptions(contract, options, platform)
    this.#schemas = contract.schema?.websocket ?? {}
    this.#takesBinary = (contract.websocket as { readonly binary?: boolean } | undefined)?.binary // `true` has no such property
    this.#validate = options.validate
    this.#queue = new OutgoingQueue(settings.queue)
    this.#link = new Link(settings, this)
    this.#subscriptions = new Subscriptions(this)
    const { ping } = settings
    // Calls have numbers from 1 on; what answers is not looked at, as long as it comes.
    const sendPing = (): void => this.#link.wire?.send(JSON.stringify({ type: 'ws:ping', id: 0 }))
    this.#pinger = ping && makePinger(ping, sendPing, () => this.#link.drop(new ClientError('SILENT', 'no pong')))
    const { signal } = options
    const onAbort = (): void => this.#link.abort(signal?.reason)
    this.closed.then(() => signal?.removeEventListener('abort', onAbort))
    signal?.addEventListener('abort', onAbort)
    this.#link.start()
    if (signal?.aborted) onAbort()
  }

  get state (): ClientState {
    return this.#link.state
  }

  get protocol (): string {
    return this.#link.wire?.protocol ?? ''
  }

  get opened (): Promise<void> {
    return this.#opened.promise
  }

  get closed (): Promise<ClientClose> {
    return this.#closed.promise
  }

  get queued (): number {
    return this.#queue.length
  }

  get bufferedAmount (): number {
    return this.#link.wire?.bufferedAmount ?? 0
  }

  handle (handlers: Readonly<Record<string, (message: never) => unknown>>): this {
    return this.on('message', (message: unknown, isBinary: boolean) => {
      if (isBinary) return undefined
      const type = typeOf(message)! // or undefined, of which there is no handler either
      if (!Object.hasOwn(handlers, type)) throw new ClientError('NO_HANDLER', type)
      return handlers[type]!(message as never) // the key says which type the message has
    })
  }

  send (message: unknown): boolean {
    const schema = this.#schemas.receive
    let data: Payload | undefined = toBytes(message)
    if (schema !== undefined && !(data && this.#takesBinary)) {
      this.#check(schema, message)
      data = JSON.stringify(message) as string | undefined // which is what it gives for a function, say
    } else if (typeof message === 'string') data = message
    if (data === undefined) throw new ClientError('INVALID_SEND', typeof message)
    this.#checkRoom()
    return this.#put(data).sent
  }

  async request (method: string, payload?: unknown, options?: RequestOptions): Promise<unknown> {
    const schemas = this.#schemas.requests?.[method]
    this.#check(schemas?.request, payload)
    const { payload: reply } = await this.#ask<Control>({ type: 'ws:request', method, payload }, options)
    this.#check(schemas?.reply, reply, 'INVALID_MESSAGE')
    return reply
  }

  async subscribe (topic: string | Topic, ...args: unknown[]): Promise<TopicSubscription> {
    const params = typeof args[0] === 'function' ? undefined : args.shift()
    const [listener, options] = args as [Listener | undefined, SubscribeOptions | undefined] // what the overloads let through
    this.#checkRoom()
    return await this.#subscriptions.open(nameOf(topic, params), (topic as Topic).schema, listener, options) // a string has none
  }

  async publish (topic: string | Topic, ...args: unknown[]): Promise<Published> {
    const name = nameOf(topic, hasParams((topic as Topic).name) ? args.shift() : undefined) // as above
    const [message, options] = args as [unknown, RequestOptions | undefined]
    this.#check((topic as Topic).schema, message)
    const { epoch, offset } = await this.#ask<Control & Published>({ type: 'ws:publish', topic: name, message }, options)
    this.#subscriptions.onMessage({ type: '', topic: name, epoch, offset })
    return { epoch, offset }
  }

  /** For a platform that knows that a connection may be had now, or that the one there is may be dead. */
  onNetwork (): void {
    if (this.isOpen) this.#pinger?.start(0)
    else this.#link.retry()
  }

  close (code = 1000, reason = ''): void {
    this.#link.close(code, reason)
    this.clear()
  }

  /** For subscriptions: what they ask for is of no use on another connection. */
  get isOpen (): boolean {
    return this.#link.isOpen
  }

  /** Asks, on this connection or the next, and waits for the answer. */
  #ask<Answer> (control: Control, options?: RequestOptions): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#checkRoom()
      this.call(control, { resolve, reject }, { ...options, timeout: options?.timeout ?? TIMEOUT })
    })
  }

  /** As `#ask`, for who must know at once. */
  call (control: Control, waiter: Waiter, options?: RequestOptions): void {
    try {
      this.#calls.open((id) => this.#put(JSON.stringify({ ...control, id })), waiter, options)
    } catch (reason) {
      waiter.reject(reason)
    }
    this.onChange()
  }

  /** Hands a payload to the connection, or keeps it. What subscriptions say always has room: one that cannot be renewed ends. */
  #put (data: Payload): Outgoing {
    if (!this.isOpen) return this.#queue.push(data)
    this.#link.wire?.send(data)
    return { sent: true }
  }

  /** Looks whether anything may be sent, or kept, now. */
  #checkRoom (): void {
    if (this.#link.isClosing) throw new ClientError('CLOSED', this.state)
    if (this.isOpen && this.bufferedAmount > this.#queue.limits.bytes) throw new ClientError('QUEUE_FULL', `${this.bufferedAmount} bytes`)
  }

  onOpen (): void {
    // Subscriptions first, so that they miss nothing of what the queue brings about.
    this.#subscriptions.renew()
    this.#queue.flush((data) => this.#link.wire?.send(data))
    this.#pinger?.start()
    this.#opened.resolve()
    this.emit('open', { reconnected: this.#hasBeenOpen })
    this.#hasBeenOpen = true
  }

  onLost (): void {
    this.#pinger?.stop()
    this.#opened = defer()
    this.#calls.reject((sent) => sent && new ClientError('LOST', 'sent', { sent }))
  }

  onRetry (retry: ClientRetry): void {
    if (retry.error) this.emit('error', retry.error)
    // That may have made somebody close it.
    if (this.state === 'waiting') this.emit('reconnecting', retry)
  }

  onConnecting (attempt: number): void {
    this.emit('connecting', { attempt })
  }

  onClosed (link: Omit<ClientClose, 'unsent'>): void {
    const end = { ...link, unsent: this.#queue.length }
    const { code, reason, error } = end
    this.#closed.resolve(end)
    const makeError = (sent?: boolean): ClientError => new ClientError('CLOSED', `${code} ${reason}`, { cause: error, sent })
    this.#opened.reject(error ?? makeError())
    this.#calls.reject(makeError)
    this.#subscriptions.close(makeError())
    // To nobody.
    this.#queue.flush(() => {})
    if (error && end.initiator === 'remote') this.emit('error', error)
    this.emit('close', code, reason, end)
    this.end()
  }

  onMessage (data: string | ArrayBuffer): void {
    this.#pinger?.receive()
    const schema = this.#schemas.send
    const isBinary = typeof data !== 'string'
    const isAsItIs = schema === undefined || (isBinary && this.#takesBinary)
    // On a raw route most texts are no JSON, and nobody asks them to be.
    const message = isBinary || (isAsItIs && !data.includes(CONTROL_MARK)) ? data : decode(data)
    if (isControl(message)) return void this.#isFine(() => this.#onControl(message))
    if (isAsItIs) return this.receive(data, isBinary)
    if (isBinary) return this.#onInvalid(4003, new ClientError('INVALID_MESSAGE', 'binary'))
    if (message === undefined) return this.#onInvalid(4007, new ClientError('INVALID_MESSAGE', 'not JSON'))
    if (this.isValid(schema, message)) this.receive(message)
  }

  #onControl (control: Control): void {
    const { type, id, topic, error } = control
    if (type === 'ws:error') {
      const reason = new RequestError(error)
      if (!this.#calls.settle(id, 'reject', reason) && !this.#subscriptions.end(topic, reason)) this.emit('error', reason)
    // What comes by itself has no number.
    } else if (id === undefined) this.#subscriptions.onMessage(control)
    // Nor is a question of its own an answer: a route that echoes sends it back.
    else if (/:(ack|reply)/.test(type)) this.#calls.settle(id, 'resolve', control)
  }

  /** Lets the server wait while handlers are busy, unless one of them may wait for the server. */
  override onChange (): void {
    this.#link.wire?.onWaiting?.(this.#calls.size + this.#subscriptions.size > 0 || !this.isHeard('message') ? 0 : this.waiting)
  }

  override onUnheard (): void {
    this.emit('error', new ClientError('UNHEARD', 'message'))
  }

  /** What a listener threw must not vanish: where nobody listens for errors, or that one threw, it is thrown. */
  override onFault (reason: unknown, event?: string): void {
    if (event !== 'error' && this.isHeard('error')) this.emit('error', toError(reason))
    else queueMicrotask(() => { throw reason })
  }

  /** Throws what the validator throws. */
  #check (schema: unknown, message: unknown, fault: 'INVALID_SEND' | 'INVALID_MESSAGE' = 'INVALID_SEND'): void {
    if (schema !== undefined) this.#validate?.(schema, message, fault)
  }

  isValid (schema: unknown, message: unknown): boolean {
    return this.#isFine(() => this.#check(schema, message, 'INVALID_MESSAGE'))
  }

  /** Looks at a message. @returns false if that threw */
  #isFine (look: () => void): boolean {
    try {
      look()
      return true
    } catch (error) {
      this.#onInvalid(4008, error as Error)
      return false
    }
  }

  /**
   * A server that breaks its contract will do so again: unless somebody takes over, that is the end.
   *
   * @param closeCode - 3000 more than the one of the protocol, which scripts may not use
   */
  #onInvalid (closeCode: number, error: Error): void {
    if (this.isHeard('invalid')) {
      this.emit('invalid', error)
      return
    }
    this.emit('error', error)
    this.#link.close(closeCode, '', error)
  }
}

function nameOf (topic: string | Topic, params: unknown): string {
  return typeof topic === 'string' ? topic : fillTopic(topic.name, params as object | undefined, paramError) // it looks at each
}
