// What can go wrong with an opening handshake (RFC 6455 §4): a row for each way, and the error that carries it.
import { UsageError } from './errors.ts'
import { isFieldValue, isToken } from './header-fields.ts'

/**
 * One row for each reason to refuse a handshake; a test holds docs/errors.md to it.
 *
 * Rows with 502 are the client's: its server answered with something that is no agreement.
 */
export const HANDSHAKE_ERRORS = {
  FST_WS_METHOD_NOT_ALLOWED: { statusCode: 405, rule: 'RFC 6455 §4.2.1', message: 'a WebSocket handshake is a GET request' },
  FST_WS_HTTP_VERSION: { statusCode: 400, rule: 'RFC 6455 §4.2.1', message: 'a WebSocket handshake needs HTTP/1.1 or later' },
  FST_WS_TOO_MANY_HEADERS: { statusCode: 431, rule: 'RFC 6585 §5', message: 'too many header fields' },
  FST_WS_INVALID_HOST: { statusCode: 400, rule: 'RFC 9112 §3.2', message: 'Host must be given once and be a host with an optional port' },
  FST_WS_UPGRADE_REQUIRED: { statusCode: 426, rule: 'RFC 6455 §4.2.1', message: 'Upgrade must list websocket' },
  FST_WS_CONNECTION_WITHOUT_UPGRADE: { statusCode: 426, rule: 'RFC 6455 §4.2.1', message: 'Connection must list upgrade' },
  FST_WS_UNSUPPORTED_VERSION: { statusCode: 426, rule: 'RFC 6455 §4.4', message: 'Sec-WebSocket-Version must be 13' },
  FST_WS_REPEATED_VERSION: { statusCode: 400, rule: 'RFC 6455 §11.3.5', message: 'Sec-WebSocket-Version must be given once' },
  FST_WS_INVALID_KEY: { statusCode: 400, rule: 'RFC 6455 §4.2.1', message: 'Sec-WebSocket-Key must be given once and be the base64 of 16 bytes' },
  FST_WS_UNEXPECTED_BODY: { statusCode: 400, rule: 'RFC 9110 §9.3.1', message: 'a WebSocket handshake has no body' },
  FST_WS_INVALID_SUBPROTOCOLS: { statusCode: 400, rule: 'RFC 6455 §4.1', message: 'Sec-WebSocket-Protocol must be a list of different tokens' },

  FST_WS_REFUSED: { statusCode: 502, rule: 'RFC 6455 §4.1', message: 'the server did not answer the handshake with 101' },
  FST_WS_ANSWER_UPGRADE: { statusCode: 502, rule: 'RFC 6455 §4.1', message: 'the answer\'s Upgrade must be websocket' },
  FST_WS_ANSWER_CONNECTION: { statusCode: 502, rule: 'RFC 6455 §4.1', message: 'the answer\'s Connection must list upgrade' },
  FST_WS_ANSWER_ACCEPT: { statusCode: 502, rule: 'RFC 6455 §4.1', message: 'the answer\'s Sec-WebSocket-Accept must be given once and fit the key' },
  FST_WS_ANSWER_SUBPROTOCOL: { statusCode: 502, rule: 'RFC 6455 §4.1', message: 'the answer\'s Sec-WebSocket-Protocol must be one that was offered' },
  FST_WS_ANSWER_EXTENSIONS: { statusCode: 502, rule: 'RFC 6455 §4.1', message: 'the answer\'s Sec-WebSocket-Extensions must be well-formed and fit what was offered' }
} as const

export type HandshakeErrorCode = keyof typeof HANDSHAKE_ERRORS

/** What a client needs to do better next time: a 426 names the protocol (RFC 9110 §15.5.22), and a version error ours (§4.4). */
const UPGRADE_HEADERS = { upgrade: 'websocket', 'sec-websocket-version': '13' }
const REPLY_HEADERS: Readonly<Partial<Record<HandshakeErrorCode, Readonly<Record<string, string>>>>> = {
  FST_WS_METHOD_NOT_ALLOWED: { allow: 'GET' },
  FST_WS_UPGRADE_REQUIRED: UPGRADE_HEADERS,
  FST_WS_CONNECTION_WITHOUT_UPGRADE: UPGRADE_HEADERS,
  FST_WS_UNSUPPORTED_VERSION: UPGRADE_HEADERS,
  FST_WS_REPEATED_VERSION: { 'sec-websocket-version': '13' }
}

export interface HandshakeErrorOptions extends ErrorOptions {
  /** The status that a refusing server answered with; it takes the place of the row's. */
  readonly answered?: number
  /** More headers for the reply, by name. */
  readonly headers?: Readonly<Record<string, string>>
}

/**
 * A handshake that leads to no connection: on the server the answer to send, on the client what was wrong with the answer.
 *
 * Thrown in a Fastify handler it becomes the JSON reply. Nothing of it comes from the peer, so nothing is echoed.
 */
export class HandshakeError extends Error {
  override readonly name = 'HandshakeError'
  readonly code: HandshakeErrorCode
  readonly statusCode: number
  /** To set on the reply, names in lower case. Without `connection`: that is for the socket's owner, who knows if it closes. */
  readonly headers: Record<string, string>

  /** @throws {UsageError} `FST_WS_INVALID_ARGUMENT` for a header that could not be sent as it is */
  constructor (code: HandshakeErrorCode, options: HandshakeErrorOptions = {}) {
    const { statusCode, message, rule } = HANDSHAKE_ERRORS[code]
    const { headers, answered, ...rest } = options
    super(answered === undefined ? `${message} (${rule})` : `${message} but with ${answered} (${rule})`, rest)
    this.code = code
    this.statusCode = answered ?? statusCode
    this.headers = { ...REPLY_HEADERS[code] }
    for (const [name, value] of Object.entries(headers ?? {})) {
      checkHeader(name, value)
      this.headers[name.toLowerCase()] = value
    }
  }
}

/**
 * Refuses what would break out of a header line, or be cut or changed on its way (RFC 9110 §5.1, §5.5).
 *
 * @throws {UsageError} `FST_WS_INVALID_ARGUMENT`
 */
export function checkHeader (name: string, value: string): void {
  if (!isToken(name)) throw new UsageError('FST_WS_INVALID_ARGUMENT', `a header's name must be a token, not ${JSON.stringify(name)}`)
  if (typeof value === 'string' && isFieldValue(value)) return
  // The value is not shown: headers carry credentials.
  throw new UsageError('FST_WS_INVALID_ARGUMENT', `the header ${name} must be a string of latin1 without CR, LF, NUL or other control characters`)
}
