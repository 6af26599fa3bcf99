// The token of a request (RFC 6750), where a browser can put one too. Owns how it is found and how it is kept from being sent back;
// whether it is any good is the application's to say.
import type { FastifyRequest } from 'fastify'
import { isToken, splitList } from '../protocol/header-fields.ts'

/** `b64token` (RFC 6750 §2.1), which has one way to match. */
const B64_TOKEN = /^[\w.~+/-]+=*$/

/** `credentials` (RFC 9110 §11.4): a scheme in any case, and what stands behind it. */
const CREDENTIALS = /^bearer(?: +(.*))?$/i

/** The subprotocol whose next one is a token. */
const MARK = 'bearer'

/**
 * Reads the bearer token of a request: that of `Authorization: Bearer x` (RFC 6750 §2.1), else the subprotocol offered behind
 * `bearer`, since a browser's `new WebSocket(url, ['bearer', token])` can set no header.
 *
 * Two tokens are none, so that no two readers of one request can take different ones: `Authorization` given twice, or `bearer`. A
 * token in each of the two places is not that: `Authorization` goes first. If it says Bearer and is malformed, the subprotocols are
 * not looked at; with another scheme (Basic, which browsers add by themselves) they are.
 *
 * @returns `undefined` when there is none, or none that can be one. Nothing is checked but its form
 */
export function bearerToken (request: Pick<FastifyRequest, 'headers' | 'raw'>): string | undefined {
  // Node drops all but the first of several Authorization, so only here they can be seen.
  if (countFields(request.raw.rawHeaders, 'authorization') > 1) return undefined
  const { authorization, 'sec-websocket-protocol': offered } = request.headers
  const credentials = CREDENTIALS.exec(authorization?.trim() ?? '')
  if (credentials !== null) return wellFormed(credentials[1])
  return offered === undefined ? undefined : wellFormed(findOffered(splitList(offered)))
}

/**
 * Leaves out of the offered subprotocols what stands behind `bearer`: for functions that choose one, which must not choose a token.
 *
 * @returns the others in their order, `bearer` itself among them
 */
export function withoutToken (protocols: readonly string[]): readonly string[] {
  if (!protocols.some(isMark)) return protocols
  return protocols.filter((name, index) => isMark(name) || !isMark(protocols[index - 1]))
}

function findOffered (protocols: readonly string[]): string | undefined {
  // What is no list of different tokens is no offer (RFC 6455 §4.1), and the handshake will be refused.
  if (!protocols.every(isToken) || new Set(protocols).size !== protocols.length) return undefined
  const marks = protocols.filter(isMark)
  return marks.length === 1 ? protocols[protocols.findIndex(isMark) + 1] : undefined
}

/** In any case: a client may write it as in Authorization, and its token is to be kept as well. */
function isMark (name: string | undefined): boolean {
  return name?.toLowerCase() === MARK
}

function wellFormed (token: string | undefined): string | undefined {
  return token !== undefined && B64_TOKEN.test(token) ? token : undefined
}

function countFields (rawHeaders: readonly string[], name: string): number {
  return rawHeaders.filter((field, index) => index % 2 === 0 && field.toLowerCase() === name).length
}
