// The client's half of the opening handshake (RFC 6455 §4.1): build the request, judge the answer.
// Knows no socket and no URL: text out, header fields in.
import { randomBytes } from 'node:crypto'
import { UsageError } from './errors.ts'
import { findStranger, formatExtensions, parseAgreedExtensions } from './extensions.ts'
import type { ExtensionOffer } from './extensions.ts'
import { HandshakeError, checkHeader } from './handshake-errors.ts'
import { WEBSOCKET_VERSION, checkSubprotocol, computeAcceptKey, isHost, isKey } from './handshake.ts'
import { hasListMember, isSameToken, readFieldLines, readSingle } from './header-fields.ts'

/** What a client offers, and asks its server for. */
export interface HandshakeOffer {
  readonly key: string
  /** In order of preference. */
  readonly protocols?: readonly string[] | undefined
  /** In order of preference. */
  readonly extensions?: readonly ExtensionOffer[] | undefined
}

export interface HandshakeRequest extends HandshakeOffer {
  /** From the first `/` of the URL to before its `#`, already percent-encoded. */
  readonly path: string
  /** With `:port` unless it is the scheme's own (§4.1). */
  readonly host: string
  readonly origin?: string | undefined
  /** Fields of the application's own, such as Authorization or Cookie; a list becomes a line for each. */
  readonly headers?: Readonly<Record<string, string | readonly string[]>> | undefined
}

/** What the client looks at, as an `http.IncomingMessage` has it. */
export interface ResponseHead {
  readonly statusCode: number
  /** Name, value, name, value... */
  readonly rawHeaders: readonly string[]
}

/** What the server chose. */
export interface HandshakeAgreement {
  /** The empty string for none. */
  readonly protocol: string
  readonly extensions: readonly ExtensionOffer[]
}

/** Fields that make a handshake, or the end of its head: never the application's. Neither is any `sec-websocket-...`. */
const OWN_FIELDS: ReadonlySet<string> = new Set([
  'host', 'upgrade', 'connection', 'content-length', 'transfer-encoding', 'trailer', 'te', 'expect', 'keep-alive', 'http2-settings'
])
const OWN_PREFIX = 'sec-websocket-'

/** Visible ASCII but `#`: a fragment has no place in a `ws:` URI (§3). */
const PATH = /^\/[!"$-~]*$/
/** A serialised origin, or `null` (RFC 6454 §7): visible ASCII. */
const ORIGIN = /^[!-~]+$/

/** Draws a new Sec-WebSocket-Key: 16 random bytes as base64 (§4.1). */
export function generateKey (): string {
  return randomBytes(16).toString('base64')
}

/**
 * Builds the head of the request, the empty line included. All of it is latin1, and is to be written as such.
 *
 * @throws {UsageError} `FST_WS_INVALID_ARGUMENT` for what could not be sent as it is, and for a header of the handshake's own
 */
export function buildRequest (request: HandshakeRequest): string {
  const { path, host, key, origin, protocols = [], extensions = [], headers = {} } = request
  if (!PATH.test(path)) throw invalid('the path must begin with / and have visible ASCII only, without #')
  if (!isHost(host)) throw invalid('the host must be a host name or address with an optional port')
  if (!isKey(key)) throw invalid('the key must be the base64 of 16 bytes')
  const lines = [
    `GET ${path} HTTP/1.1`,
    `Host: ${host}`,
    'Upgrade: websocket',
    'Connection: Upgrade',
    `Sec-WebSocket-Key: ${key}`,
    `Sec-WebSocket-Version: ${WEBSOCKET_VERSION}`
  ]
  if (origin !== undefined) {
    if (!ORIGIN.test(origin)) throw invalid('the origin must be visible ASCII')
    lines.push(`Origin: ${origin}`)
  }
  if (protocols.length > 0) lines.push(`Sec-WebSocket-Protocol: ${joinSubprotocols(protocols)}`)
  if (extensions.length > 0) lines.push(`Sec-WebSocket-Extensions: ${formatExtensions(extensions)}`)
  addHeaders(lines, headers, origin !== undefined)
  return `${lines.join('\r\n')}\r\n\r\n`
}

/**
 * Judges the server's answer by §4.1.
 *
 * @param offer - what the request had: the server may agree to nothing else
 * @throws {HandshakeError} the first rule that is broken; `FST_WS_REFUSED` has the answer's own `statusCode`
 */
export function judgeResponse (response: ResponseHead, offer: HandshakeOffer): HandshakeAgreement {
  if (response.statusCode !== 101) throw new HandshakeError('FST_WS_REFUSED', { answered: response.statusCode })
  const { rawHeaders } = response
  // The whole value here, while a request may list more: the server has chosen.
  if (!isSameToken(readSingle(rawHeaders, 'upgrade') ?? '', 'websocket')) throw new HandshakeError('FST_WS_ANSWER_UPGRADE')
  if (!hasListMember(readFieldLines(rawHeaders, 'connection'), 'upgrade')) throw new HandshakeError('FST_WS_ANSWER_CONNECTION')
  if (readSingle(rawHeaders, 'sec-websocket-accept') !== computeAcceptKey(offer.key)) throw new HandshakeError('FST_WS_ANSWER_ACCEPT')
  return {
    protocol: readSubprotocol(readFieldLines(rawHeaders, 'sec-websocket-protocol'), offer.protocols ?? []),
    extensions: readExtensions(readFieldLines(rawHeaders, 'sec-websocket-extensions'), offer.extensions ?? [])
  }
}

/** §11.3.4: at most one line in an answer, and it names one subprotocol. */
function readSubprotocol (lines: readonly string[], offered: readonly string[]): string {
  const [protocol, ...more] = lines
  if (protocol === undefined) return ''
  if (more.length > 0 || !offered.includes(protocol)) throw new HandshakeError('FST_WS_ANSWER_SUBPROTOCOL')
  return protocol
}

/** §11.3.2: at most one line in an answer. */
function readExtensions (lines: readonly string[], offered: readonly ExtensionOffer[]): ExtensionOffer[] {
  const [value, ...more] = lines
  if (value === undefined) return []
  const agreed = parseAgreedExtensions(value)
  if (more.length > 0 || agreed === undefined || findStranger(agreed, offered) !== undefined) throw new HandshakeError('FST_WS_ANSWER_EXTENSIONS')
  return agreed
}

function joinSubprotocols (protocols: readonly string[]): string {
  for (const protocol of protocols) checkSubprotocol(protocol)
  if (new Set(protocols).size !== protocols.length) throw invalid('a subprotocol is offered twice')
  return protocols.join(', ')
}

/** Appends the application's fields. Names are compared in lower case, so that `HoSt` is no way round. */
function addHeaders (lines: string[], headers: Readonly<Record<string, string | readonly string[]>>, hasOrigin: boolean): void {
  const seen = new Set<string>(hasOrigin ? ['origin'] : [])
  for (const [name, values] of Object.entries(headers)) {
    const lower = name.toLowerCase()
    if (OWN_FIELDS.has(lower) || lower.startsWith(OWN_PREFIX)) throw invalid(`the header ${name} belongs to the handshake`)
    if (seen.has(lower)) throw invalid(`the header ${name} is given twice`)
    seen.add(lower)
    for (const value of typeof values === 'object' ? values : [values]) {
      checkHeader(name, value)
      lines.push(`${name}: ${value}`)
    }
  }
}

function invalid (detail: string): UsageError {
  return new UsageError('FST_WS_INVALID_ARGUMENT', detail)
}
