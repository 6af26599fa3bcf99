// What happens when something goes wrong with one open connection. Owns the default policy, and the guard around the application's own.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Connection } from '../connection/connection.ts'
import { LimitError } from '../connection/limit-error.ts'
import { CloseCode, isWireCloseCode } from '../protocol/close-code.ts'
import { cutReason } from '../protocol/close-frame.ts'
import { ProtocolError } from '../protocol/errors.ts'
import type { AnyWebSocketConnection, WebSocketErrorHandler } from '../../types/index.ts'

export type FaultHandler = (error: Error, connection: Connection) => void

/** Errors may say how a connection ends, as HTTP errors say their status. */
type ClosingError = Error & { readonly code?: unknown, readonly closeCode?: unknown }

/** Logs the fault once and closes: with the error's own code and message if it has one, else with 1011 and no details for the peer. */
export function handleFault (error: Error, connection: Connection): void {
  const isPeers = isPeersFault(error, connection)
  if (isPeers) connection.log.info({ err: error }, 'WebSocket connection failed by its peer')
  else connection.log.error({ err: error }, 'WebSocket handler failed')

  const { closeCode } = error as ClosingError
  if (typeof closeCode === 'number' && isWireCloseCode(closeCode)) connection.close(closeCode, cutReason(error.message))
  else connection.close(CloseCode.InternalError, 'internal error')
}

/** Makes a fault handler of the application's `errorHandler`; what goes wrong in there is logged and ends the connection with 1011. */
export function guardErrorHandler (
  errorHandler: WebSocketErrorHandler, instance: FastifyInstance, replyOf: (connection: Connection) => FastifyReply | undefined
): FaultHandler {
  return (error, connection) => {
    const fail = (cause: unknown): void => {
      connection.log.error({ err: cause }, 'the errorHandler of a WebSocket connection failed')
      connection.close(CloseCode.InternalError, 'internal error')
    }
    const reply = replyOf(connection)
    // Each connection of a route has its reply.
    if (reply === undefined) return fail(error)
    try {
      // The core is written without the types of messages; for the application it is the same object with them.
      const result = errorHandler.call(instance, error, connection as unknown as AnyWebSocketConnection, reply.request, reply)
      Promise.resolve(result).catch(fail)
    } catch (cause) {
      fail(cause)
    }
  }
}

/** Tells a fault that the operator need not look at: a broken rule, a limit, an invalid message, a socket that failed. */
function isPeersFault (error: ClosingError, connection: Connection): boolean {
  if (error instanceof ProtocolError || error instanceof LimitError || (error.code === 'FST_ERR_VALIDATION' && typeof error.closeCode === 'number')) return true
  // The same error object, so that a failing socket of the application's own, to a database say, is not taken for the peer's.
  return (connection.request as FastifyRequest).raw.socket.errored === error
}
