// What can go wrong on Fastify's side: at registration, at start-up, and with a request that no socket route may answer.
import createError from '@fastify/error'
import type { FastifyError } from '@fastify/error'

/** One row for each error of the plugin; a test holds docs/errors.md to it. `%s` stands for what the error is about. */
export const PLUGIN_ERRORS = {
  FST_WS_INVALID_OPTION: { statusCode: 500, message: 'invalid option "%s" of %s: %s' },
  FST_WS_INVALID_ROUTE: { statusCode: 500, message: '%s' },
  FST_WS_INVALID_SCHEMA: { statusCode: 500, message: '%s: %s' },
  FST_WS_UNREACHABLE_ROUTE: { statusCode: 500, message: '%s' },
  FST_WS_SERVER_TAKEN: { statusCode: 500, message: 'the server given as options.server serves the WebSocket routes of another Fastify instance already' },
  FST_WS_NO_SOCKET_ROUTE: { statusCode: 404, message: 'no WebSocket route at %s' },
  FST_WS_CLOSING: { statusCode: 503, message: 'the server is closing' },
  FST_WS_UNREADABLE_HEAD: { statusCode: 400, message: 'the request cannot be served without its Upgrade' },
  FST_WS_VERIFICATION_FAILED: { statusCode: 401, message: 'verifyClient refused the handshake' },
  FST_WS_FOREIGN_ORIGIN: { statusCode: 403, message: 'WebSocket connections from this origin are not allowed' },
  FST_WS_HANDSHAKE_TIMEOUT: { statusCode: 503, message: 'the handshake took longer than handshakeTimeout' },
  FST_WS_TOO_MANY_CONNECTIONS: { statusCode: 503, message: 'too many connections are open' },
  FST_WS_TOO_MANY_CONNECTIONS_PER_IP: { statusCode: 503, message: 'too many connections are open from this address' },
  FST_WS_TOO_MANY_HANDSHAKES: { statusCode: 503, message: 'too many handshakes are waiting for their answer' }
} as const

export type PluginErrorCode = keyof typeof PLUGIN_ERRORS

function errorClass<Args extends unknown[]> (code: PluginErrorCode): ErrorClass<Args> {
  const { message, statusCode } = PLUGIN_ERRORS[code]
  return createError<PluginErrorCode, Args>(code, message, statusCode)
}

/** A constructor as @fastify/error makes it. */
type ErrorClass<Args extends unknown[]> = new (...args: Args) => FastifyError

/** An option has a value that is not allowed, or no option has that name: whose option, and what is allowed. */
export const InvalidOptionError: ErrorClass<[option: string, owner: string, allowed: string]> = errorClass('FST_WS_INVALID_OPTION')
/** A route cannot be a WebSocket route as it was declared. */
export const InvalidRouteError: ErrorClass<[detail: string]> = errorClass('FST_WS_INVALID_ROUTE')
/** The message schemas of a route do not compile. */
export const InvalidSchemaError: ErrorClass<[route: string, reason: string, options?: ErrorOptions]> = errorClass('FST_WS_INVALID_SCHEMA')
/** A route asks for WebSocket where the plugin cannot serve it. */
export const UnreachableRouteError: ErrorClass<[detail: string]> = errorClass('FST_WS_UNREACHABLE_ROUTE')
export const ServerTakenError: ErrorClass<[]> = errorClass('FST_WS_SERVER_TAKEN')
/** A handshake came to a route that speaks HTTP only. */
export const NoSocketRouteError: ErrorClass<[where: string]> = errorClass('FST_WS_NO_SOCKET_ROUTE')
export const ClosingError: ErrorClass<[]> = errorClass('FST_WS_CLOSING')
/** An upgrade to something else came in a head that cannot be written down again without changing its meaning. */
export const UnreadableHeadError: ErrorClass<[]> = errorClass('FST_WS_UNREADABLE_HEAD')
export const VerificationFailedError: ErrorClass<[]> = errorClass('FST_WS_VERIFICATION_FAILED')
/** `Origin` names a site that `allowedOrigins` does not. The message does not repeat it. */
export const ForeignOriginError: ErrorClass<[]> = errorClass('FST_WS_FOREIGN_ORIGIN')
/** Hooks, or whatever else stands before the 101, took longer than `handshakeTimeout`. */
export const HandshakeTimeoutError: ErrorClass<[]> = errorClass('FST_WS_HANDSHAKE_TIMEOUT')
export const TooManyConnectionsError: ErrorClass<[]> = errorClass('FST_WS_TOO_MANY_CONNECTIONS')
export const TooManyConnectionsPerIpError: ErrorClass<[]> = errorClass('FST_WS_TOO_MANY_CONNECTIONS_PER_IP')
/** More handshakes are under way than `maxPendingHandshakes`. */
export const TooManyHandshakesError: ErrorClass<[]> = errorClass('FST_WS_TOO_MANY_HANDSHAKES')
