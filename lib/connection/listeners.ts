// Listeners of a connection: called so that neither a throw nor a rejection of one escapes. Owns who is called for a
// message; knows nothing of sockets.
import { EventEmitter } from 'node:events'

/** A listener of any event: its event says what it is called with. */
export type Listener = (...args: never[]) => unknown

type Callable = (...args: unknown[]) => unknown

const TYPE_PREFIX = 'message:'

/** Tells whether listeners of `event` get messages. */
export function isMessageEvent (event: string | symbol): boolean {
  return event === 'message' || (typeof event === 'string' && event.startsWith(TYPE_PREFIX))
}

/** Makes an Error of whatever was thrown. Does not throw. */
export function toError (reason: unknown): Error {
  return isError(reason) ? reason : new Error(`not an Error was thrown: ${textOf(reason)}`, { cause: reason })
}

function isError (reason: unknown): reason is Error {
  try {
    return reason instanceof Error
  } catch {
    // A Proxy may throw at any look.
    return false
  }
}

function textOf (reason: unknown): string {
  try {
    return String(reason)
  } catch {
    // Not everything can become a string: an object without a prototype cannot.
    return typeof reason
  }
}

/** Tells a promise, of whatever make, from other values. */
export function isThenable (value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}

/**
 * The table that an EventEmitter keeps its listeners in, without a prototype. Node makes it as a literal, which V8 keeps as a hash
 * table of 184 bytes; objects of a class share their shape, and one with two events takes 40.
 */
class EventTable {
  static {
    Object.setPrototypeOf(EventTable.prototype, null)
    // Else it would have a listener for an event of that name.
    Reflect.deleteProperty(EventTable.prototype, 'constructor')
  }
}

/**
 * EventEmitter for many small objects. Its constructor makes three fields that it does without, and the table; its methods, which are
 * made for emitters that have never called it, need these two.
 */
const LeanEmitter = function (this: { _events: EventTable, _eventsCount: number }): void {
  this._events = new EventTable()
  this._eventsCount = 0
} as unknown as typeof EventEmitter // as it has its prototype, next
LeanEmitter.prototype = Object.create(EventEmitter.prototype)

/**
 * An EventEmitter whose own events go out by `dispatch` and `dispatchMessage` only.
 *
 * Listeners are cast to `Callable` where they meet EventEmitter's own signatures: an event's name says what it is called with.
 */
export abstract class Listeners extends LeanEmitter {
  /** Listeners of `message`, one or many; undefined when they have changed since they were last asked for. */
  #ofMessage: Callable | Callable[] | undefined
  /** Listeners of `message:<type>` by type; a type without a listener has no entry, whatever peers send. */
  #ofType: Map<string, Callable[]> | undefined

  /** Called after a listener was added. */
  protected abstract onAttach (event: string | symbol): void

  /** Called after the last listener of messages was taken away. */
  protected abstract onUnheard (): void

  /** Called with what a listener threw or rejected with. */
  protected abstract onFault (reason: unknown): void

  override on (event: string | symbol, listener: Listener): this {
    super.on(event, listener as Callable)
    return this.#added(event)
  }

  override addListener (event: string | symbol, listener: Listener): this {
    return this.on(event, listener)
  }

  override prependListener (event: string | symbol, listener: Listener): this {
    super.prependListener(event, listener as Callable)
    return this.#added(event)
  }

  override off (event: string | symbol, listener: Listener): this {
    super.off(event, listener as Callable)
    this.#refresh(event)
    if (isMessageEvent(event) && !this.hasMessageListeners()) this.onUnheard()
    return this
  }

  override removeListener (event: string | symbol, listener: Listener): this {
    return this.off(event, listener)
  }

  override removeAllListeners (event?: string | symbol): this {
    if (event === undefined) super.removeAllListeners()
    else super.removeAllListeners(event)
    this.#ofMessage = undefined
    if (event === undefined) this.#ofType = undefined
    else this.#refresh(event)
    if (!this.hasMessageListeners()) this.onUnheard()
    return this
  }

  /**
   * Calls the listeners of an event; each fault goes to `onFault`, and the others are called all the same.
   *
   * @returns a promise when one of them returned one: it resolves when all have settled
   */
  protected dispatch (
    event: string, args: unknown[], onFault: (reason: unknown) => void = (reason) => this.onFault(reason)
  ): Promise<unknown> | undefined {
    if (this.listenerCount(event) === 0) return undefined
    let pending: Promise<unknown>[] | undefined
    // A copy: `once` takes listeners away while they are called.
    for (const listener of this.rawListeners(event)) {
      try {
        const result: unknown = Reflect.apply(listener, this, args)
        if (isThenable(result)) (pending ??= []).push(Promise.resolve(result).catch(onFault))
      } catch (reason) {
        onFault(reason)
      }
    }
    return pending && Promise.all(pending)
  }

  /**
   * Calls the listeners of a message, of its type too where it has one.
   *
   * @returns a promise when one of them returned one; it rejects as that one does
   */
  protected dispatchMessage (message: unknown, isBinary: boolean): Promise<unknown> | undefined {
    const ofMessage = this.#ofMessage ?? this.#readMessageListeners()
    let pending: Promise<unknown> | undefined
    if (typeof ofMessage === 'function') pending = this.#call(ofMessage, message, isBinary, undefined)
    else for (const listener of ofMessage) pending = this.#call(listener, message, isBinary, pending)
    if (this.#ofType === undefined || typeof message !== 'object' || message === null || !('type' in message)) return pending
    const ofType = typeof message.type === 'string' ? this.#ofType.get(message.type) : undefined
    if (ofType === undefined) return pending
    for (const listener of ofType) pending = this.#call(listener, message, isBinary, pending)
    return pending
  }

  /** Tells whether anybody listens for messages. */
  protected hasMessageListeners (): boolean {
    return this.listenerCount('message') > 0 || (this.#ofType?.size ?? 0) > 0
  }

  #readMessageListeners (): Callable | Callable[] {
    const listeners = this.rawListeners('message') as Callable[]
    return (this.#ofMessage = listeners.length === 1 ? listeners[0]! : listeners)
  }

  #call (listener: Callable, message: unknown, isBinary: boolean, pending: Promise<unknown> | undefined): Promise<unknown> | undefined {
    try {
      const result = listener.call(this, message, isBinary)
      if (!isThenable(result)) return pending
      const promise = result instanceof Promise ? result : Promise.resolve(result)
      return pending === undefined ? promise : this.#both(pending, promise)
    } catch (reason) {
      this.onFault(reason)
      return pending
    }
  }

  /** Settles when both have; what either is rejected with is a fault. */
  #both (first: Promise<unknown>, second: Promise<unknown>): Promise<unknown> {
    const onFault = (reason: unknown): void => this.onFault(reason)
    return Promise.all([first.catch(onFault), second.catch(onFault)])
  }

  #added (event: string | symbol): this {
    this.#refresh(event)
    this.onAttach(event)
    return this
  }

  #refresh (event: string | symbol): void {
    if (event === 'message') this.#ofMessage = undefined
    else if (isMessageEvent(event)) this.#refreshType(event as string) // a symbol is no message event
  }

  #refreshType (event: string): void {
    const type = event.slice(TYPE_PREFIX.length)
    this.#ofType ??= new Map()
    const listeners = this.rawListeners(event) as Callable[]
    if (listeners.length > 0) this.#ofType.set(type, listeners)
    else this.#ofType.delete(type)
  }
}
