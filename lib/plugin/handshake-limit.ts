// Handshakes beyond a limit: the error that says so, when the client may come again, and who is told. Whether a limit is reached is
// known elsewhere.
import type { FastifyError } from '@fastify/error'
import type { FastifyRequest } from 'fastify'
import { channels } from '../connection/diagnostics.ts'
import {
  ClosingError, HandshakeTimeoutError, TooManyConnectionsError, TooManyConnectionsPerIpError, TooManyHandshakesError
} from './errors.ts'
import type { WebSocketLimitName } from '../../types/index.ts'

/** An error whose answer says when to come again. */
export type RetryableError = FastifyError & { readonly statusCode: number, readonly headers: Readonly<Record<string, string>> }

export type HandshakeLimit = 'maxPendingHandshakes' | 'handshakeTimeout' | 'maxConnections' | 'maxConnectionsPerIp'

/**
 * What is said beyond each, and after how many seconds the client may come again: handshakes are short, so that places come free at
 * once; connections are not.
 */
const LIMITS: Readonly<Record<HandshakeLimit, { readonly Error: new () => FastifyError, readonly retryAfter: number }>> = {
  maxPendingHandshakes: { Error: TooManyHandshakesError, retryAfter: 1 },
  handshakeTimeout: { Error: HandshakeTimeoutError, retryAfter: 5 },
  maxConnections: { Error: TooManyConnectionsError, retryAfter: 10 },
  maxConnectionsPerIp: { Error: TooManyConnectionsPerIpError, retryAfter: 10 }
}

/** In seconds, too. */
const RETRY_AFTER_CLOSING = 5

/** Makes the error of a handshake beyond a limit, and tells it to the channel `limit`. */
export function makeLimitError (limit: HandshakeLimit, request: FastifyRequest | undefined): RetryableError {
  const { Error, retryAfter } = LIMITS[limit]
  const error = retryLater(new Error(), retryAfter)
  tellLimit(limit, error, request)
  return error
}

/** Tells the channel `limit`. A subscriber that throws is Node's to deal with: nothing comes back here. */
export function tellLimit (limit: WebSocketLimitName, error: Error, request: FastifyRequest | undefined): void {
  if (channels.limit.hasSubscribers) channels.limit.publish({ limit, error, ...(request !== undefined && { request }) })
}

/** Makes the error of a handshake that came as the server closes: another one, in its place, may take it. */
export function makeClosingError (): RetryableError {
  return retryLater(new ClosingError(), RETRY_AFTER_CLOSING)
}

/** Adds the header that says when to come again: Fastify's own error handler sets it, the plugin's refusals without Fastify as well. */
function retryLater (error: FastifyError, seconds: number): RetryableError {
  return Object.assign(error, { statusCode: error.statusCode ?? 503, headers: { 'retry-after': String(seconds) } })
}
