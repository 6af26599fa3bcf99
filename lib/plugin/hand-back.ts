// Upgrades that nobody wants, such as `Upgrade: h2c`. They are to be ignored (RFC 9110 §7.8), so that the route answers as if the header
// were absent. Node has taken its HTTP parser off the socket by then; here the socket goes back to the HTTP server.
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { Server as TlsServer } from 'node:tls'
import { HandshakeError } from '../protocol/handshake-errors.ts'
import { hasListMember, isSameToken, readFieldLines, splitList } from '../protocol/header-fields.ts'
import { UnreadableHeadError } from './errors.ts'
import type { Refusal } from './upgrade.ts'

/** What `http.Server` keeps unless `maxHeadersCount` says otherwise. */
export const DEFAULT_MAX_HEADERS = 1_000

/** Tells whether a request asks to upgrade to WebSocket, in whatever form; the handshake is judged later. */
export function asksForWebSocket (request: IncomingMessage): boolean {
  // Not by `request.headers`, which Node only makes when it is asked for: most handshakes go without.
  return hasListMember(readFieldLines(request.rawHeaders, 'upgrade'), 'websocket')
}

/**
 * Gives a socket back to its HTTP server with the request as if it had not asked for an upgrade: body, keep-alive and
 * requests behind it go on as usual. `connection` listeners of the server are told of the socket a second time.
 *
 * @param head - bytes that were read behind the request
 * @returns why it cannot be given back, if it cannot: then nothing has been done
 */
export function handBack (server: Server, request: IncomingMessage, socket: Duplex, head: Buffer): Refusal | undefined {
  const maxHeaders = server.maxHeadersCount ?? DEFAULT_MAX_HEADERS
  // Node drops fields over the limit without a word. Among them may be the length of the body.
  if (maxHeaders > 0 && request.rawHeaders.length >= 2 * maxHeaders) return new HandshakeError('FST_WS_TOO_MANY_HEADERS')
  const lines = writeHeadWithoutUpgrade(request)
  // Only a lenient parser lets a line break into a field.
  if (lines.some(line => /[\r\n\0]/.test(line))) return new UnreadableHeadError()
  const bytes = Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1')
  socket.unshift(Buffer.concat([bytes, head]))
  // Behind TLS the socket is the decrypted one, which the server knows by another event.
  server.emit(server instanceof TlsServer ? 'secureConnection' : 'connection', socket)
  return undefined
}

/** Writes the lines of a request's head down again, without the upgrade. */
function writeHeadWithoutUpgrade ({ method = '', url = '', httpVersion, rawHeaders }: IncomingMessage): string[] {
  const lines = [`${method} ${url} HTTP/${httpVersion}`]
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? ''
    const value = rawHeaders[at + 1] ?? ''
    if (isSameToken(name, 'upgrade')) continue
    if (!isSameToken(name, 'connection')) {
      lines.push(`${name}: ${value}`)
      continue
    }
    const rest = splitList(value).filter(option => !isSameToken(option, 'upgrade'))
    if (rest.length > 0) lines.push(`${name}: ${rest.join(', ')}`)
  }
  return lines
}

/** A server with the option of newer Nodes to say which upgrades it wants. */
interface SelectiveServer {
  shouldUpgradeCallback: (request: IncomingMessage) => boolean
}

/**
 * Lets the HTTP server itself ignore the upgrades that nobody wants and that have a body, where Node can: newer Nodes read
 * the body before they hand the socket over, and then it cannot be given back. Without a body it can, and is the better way:
 * what Node ignores, it loses what was read behind. A request that was lost so is one the peer sends again when it hears that
 * this answer was the connection's last (RFC 9112 §9.3.2).
 *
 * @param others - how many other listeners there are for `upgrade`; what they want is not known
 * @returns undoes it
 */
export function ignoreUpgradesWithBody (server: Server, others: () => number): () => void {
  if (!isSelective(server)) return () => {}
  const before = server.shouldUpgradeCallback
  const ignored = new WeakSet<IncomingMessage>()
  const callback = (request: IncomingMessage): boolean => {
    if (asksForWebSocket(request)) return true
    if (others() > 0) return before.call(server, request)
    if (!hasBody(request)) return true
    ignored.add(request)
    return false
  }
  const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
    if (ignored.has(request)) response.shouldKeepAlive = false
  }
  server.shouldUpgradeCallback = callback
  // In front of Fastify, whose answer may be out when it returns.
  server.prependListener('request', onRequest)
  return () => {
    server.off('request', onRequest)
    if (server.shouldUpgradeCallback === callback) server.shouldUpgradeCallback = before
  }
}

/** RFC 9112 §6.3 */
function hasBody ({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0'
}

function isSelective (server: object): server is SelectiveServer {
  return 'shouldUpgradeCallback' in server && typeof server.shouldUpgradeCallback === 'function'
}

/** The answer that is being written to a socket, as Node itself keeps it there; of any listener of `upgrade` that made one. */
export function findAnswer (socket: Duplex): ServerResponse | undefined {
  // Undocumented, and the only way to see that an answer, or another listener, has the socket.
  return (socket as { _httpMessage?: ServerResponse | null })._httpMessage ?? undefined
}
