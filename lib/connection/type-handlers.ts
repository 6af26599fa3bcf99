// `connection.handle`: one function for each type of message. Owns who is called.
import { UsageError } from '../protocol/errors.ts'
import { describeData } from './data.ts'

/** Functions by the `type` of the messages that they take. */
export type TypeHandlers = Readonly<Record<string, (message: never) => unknown>>

/** @throws {UsageError} `FST_WS_INVALID_ARGUMENT` for what is no object of functions */
export function checkHandlers (handlers: TypeHandlers): void {
  if (typeof handlers !== 'object' || handlers === null) throw new UsageError('FST_WS_INVALID_ARGUMENT', `handlers must be an object of functions, got ${describeData(handlers)}`)
  for (const [type, handler] of Object.entries(handlers)) {
    if (typeof handler !== 'function') throw new UsageError('FST_WS_INVALID_ARGUMENT', `the handler of '${type}' must be a function, got ${typeof handler}`)
  }
}

/**
 * Makes a listener of `message` that calls `handlers[message.type](message)`. Binary messages, which have no type, pass by.
 * It throws `FST_WS_NO_HANDLER` for a type without a function.
 *
 * @throws {UsageError} `FST_WS_INVALID_ARGUMENT` for a handler that is not a function
 */
export function listenByType (handlers: TypeHandlers): (message: { readonly type?: unknown }, isBinary: boolean) => unknown {
  checkHandlers(handlers)
  return (message, isBinary) => {
    if (isBinary) return undefined
    const type = String(message?.type).slice(0, 100)
    const handler = Object.hasOwn(handlers, type) ? handlers[type] : undefined
    if (handler === undefined) throw new UsageError('FST_WS_NO_HANDLER', `got a message of type '${type}', handlers are there for ${Object.keys(handlers).join(', ')}`)
    return handler(message as never) // the key says which type the message has
  }
}
