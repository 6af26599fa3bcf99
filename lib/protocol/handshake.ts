// The server's half of the opening handshake (RFC 6455 §4.2): judge a request, build the 101.
// Knows no socket and no Fastify: header fields in, header fields out.
import { hash } from 'node:crypto'
import { UsageError } from './errors.ts'
import { findStranger, parseAgreedExtensions, parseExtensions } from './extensions.ts'
import type { ExtensionOffer } from './extensions.ts'
import { HandshakeError } from './handshake-errors.ts'
import { hasListMember, isToken, readFieldLines, readSingle, splitList } from './header-fields.ts'

/** What the server looks at, as an `http.IncomingMessage` has it. */
export interface RequestHead {
  readonly method: string
  readonly httpVersion: string
  /** Name, value, name, value...: repeated fields must be visible, so the joined `headers` will not do. */
  readonly rawHeaders: readonly string[]
}

/** A handshake that may be accepted, and what the client asked for in it. */
export interface Handshake {
  readonly key: string
  /** In the client's order of preference, no two the same. */
  readonly protocols: readonly string[]
  /** In the client's order of preference, without the malformed ones. */
  readonly extensions: readonly ExtensionOffer[]
}

/** What the application and the extensions chose; absent means none. */
export interface HandshakeChoice {
  readonly protocol?: string | undefined
  /** A field value, as `formatExtensions` writes it. */
  readonly extensions?: string | undefined
}

/** The only version there is (§4.1). */
export const WEBSOCKET_VERSION = '13'

/** What `http.Server` keeps by default. Node drops what lies beyond `maxHeadersCount` without a word. */
const MAX_HEADER_FIELDS = 1000

/** §1.3 */
const ACCEPT_GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'

/**
 * 16 bytes as base64: 22 digits and the padding. The last digit's four spare bits may be anything: a decoder may ignore them
 * (RFC 4648 §3.5), a server need not decode at all (§4.2.1), and the answer is made of the text.
 */
const KEY = /^[A-Za-z0-9+/]{22}==$/

/**
 * `uri-host [ ":" port ]` (RFC 3986 §3.2). No comma, though a registered name might have one: it is what an intermediary makes
 * of two Host lines. The classes leave out the colon, so that there is one way to match and the time is linear.
 */
const HOST = /^(?:\[[\w.~!$&'()*+;=%:-]+\]|[\w.~!$&'()*+;=%-]+)(?::\d*)?$/

/**
 * Judges a request by all that RFC 6455 §4.2.1 asks of an opening handshake.
 *
 * Wrong extension offers are left out; anything else that is wrong refuses the handshake.
 *
 * @param maxHeaderFields - the HTTP server's `maxHeadersCount`, 0 for no limit. A request that has as many is refused: Node may
 * have dropped fields that would have changed the judgement, for us and for every hook that looked at the headers
 * @throws {HandshakeError} the first rule that is broken, as an HTTP answer
 */
export function judgeRequest (request: RequestHead, maxHeaderFields: number = MAX_HEADER_FIELDS): Handshake {
  if (request.method !== 'GET') throw new HandshakeError('FST_WS_METHOD_NOT_ALLOWED')
  // RFC 9110 §7.8: from HTTP/1.0 an Upgrade is to be ignored. Not 505, which is about major versions (§15.6.6).
  if (!isHttp11OrLater(request.httpVersion)) throw new HandshakeError('FST_WS_HTTP_VERSION')
  if (maxHeaderFields > 0 && request.rawHeaders.length >= 2 * maxHeaderFields) throw new HandshakeError('FST_WS_TOO_MANY_HEADERS')

  const { rawHeaders } = request
  if (!isHost(readSingle(rawHeaders, 'host'))) throw new HandshakeError('FST_WS_INVALID_HOST')
  // `websocket/13` is not accepted: the field must have the value "websocket", and the version has a field of its own.
  if (!hasListMember(readFieldLines(rawHeaders, 'upgrade'), 'websocket')) throw new HandshakeError('FST_WS_UPGRADE_REQUIRED')
  if (!hasListMember(readFieldLines(rawHeaders, 'connection'), 'upgrade')) throw new HandshakeError('FST_WS_CONNECTION_WITHOUT_UPGRADE')
  // Before the key, which other versions write differently: their clients should learn which version to speak (§4.4).
  checkVersion(readFieldLines(rawHeaders, 'sec-websocket-version'))
  const key = readSingle(rawHeaders, 'sec-websocket-key')
  if (!isKey(key)) throw new HandshakeError('FST_WS_INVALID_KEY')
  checkNoBody(rawHeaders)
  const protocols = readSubprotocols(readFieldLines(rawHeaders, 'sec-websocket-protocol'))
  const extensions = parseExtensions(readFieldLines(rawHeaders, 'sec-websocket-extensions'))
  return { key, protocols, extensions }
}

/**
 * Builds the header fields of the 101 (§4.2.2), names in lower case.
 *
 * A subprotocol or extension is named only when it was chosen: an offer alone is never echoed.
 *
 * @throws {UsageError} `FST_WS_INVALID_ARGUMENT` for a choice that the client did not offer
 */
export function buildResponseHeaders (handshake: Handshake, chosen: HandshakeChoice = {}): Record<string, string> {
  const { protocol, extensions } = chosen
  const headers: Record<string, string> = {
    upgrade: 'websocket',
    connection: 'Upgrade',
    'sec-websocket-accept': computeAcceptKey(handshake.key)
  }
  if (protocol !== undefined) {
    checkSubprotocol(protocol)
    // The message names no subprotocol: some clients put a credential among them.
    if (!handshake.protocols.includes(protocol)) throw invalid('the subprotocol must be one that the client offered')
    headers['sec-websocket-protocol'] = protocol
  }
  if (extensions !== undefined) {
    const agreed = parseAgreedExtensions(extensions)
    if (agreed === undefined) throw invalid(`malformed extensions ${JSON.stringify(extensions)}`)
    const stranger = findStranger(agreed, handshake.extensions)
    if (stranger !== undefined) throw invalid(`the client did not offer the extension ${stranger.name}`)
    headers['sec-websocket-extensions'] = extensions
  }
  return headers
}

/** Computes the Sec-WebSocket-Accept that answers a key (§4.2.2). */
export function computeAcceptKey (key: string): string {
  return hash('sha1', key + ACCEPT_GUID, 'base64')
}

/** Tells whether `key` is a Sec-WebSocket-Key: the base64 of 16 bytes (§4.2.1). */
export function isKey (key: string | undefined): key is string {
  return key !== undefined && KEY.test(key)
}

/** Tells whether `host` is a host, with or without a port, as Host has it; the empty one is none, as a `ws:` URI must name one (§3). */
export function isHost (host: string | undefined): host is string {
  return host !== undefined && HOST.test(host)
}

/**
 * Checks a subprotocol's name from the application: a token (§4.1).
 *
 * @throws {UsageError} `FST_WS_INVALID_ARGUMENT`
 */
export function checkSubprotocol (name: unknown): asserts name is string {
  if (typeof name === 'string' && isToken(name)) return
  throw invalid('a subprotocol must be a token: visible ASCII without spaces and without any of "(),/:;<=>?@[\\]{}')
}

function isHttp11OrLater (version: string): boolean {
  if (version === '1.1') return true
  const [major, minor = '0'] = version.split('.')
  return Number(major) > 1 || (Number(major) === 1 && Number(minor) >= 1)
}

function checkVersion (lines: readonly string[]): void {
  // §11.3.5: one line, even if the second says the same.
  if (lines.length > 1) throw new HandshakeError('FST_WS_REPEATED_VERSION')
  if (lines[0] !== WEBSOCKET_VERSION) throw new HandshakeError('FST_WS_UNSUPPORTED_VERSION')
}

/** What follows the head are frames (§4.1). With a body announced, an intermediary could take them for it, and we the body for frames. */
function checkNoBody (rawHeaders: readonly string[]): void {
  const hasLength = readFieldLines(rawHeaders, 'content-length').some(length => length !== '0')
  if (hasLength || readFieldLines(rawHeaders, 'transfer-encoding').length > 0) throw new HandshakeError('FST_WS_UNEXPECTED_BODY')
}

/** Reads the offered subprotocols; the field may have several lines (§11.3.4), but a line without a name is none (§4.1). */
function readSubprotocols (lines: readonly string[]): string[] {
  if (lines.length === 0) return []
  const protocols = lines.flatMap(splitList)
  const malformed = protocols.length === 0
  // §4.1: all unique. Names that differ in case are different names.
  if (malformed || !protocols.every(isToken) || new Set(protocols).size !== protocols.length) {
    throw new HandshakeError('FST_WS_INVALID_SUBPROTOCOLS')
  }
  return protocols
}

function invalid (detail: string): UsageError {
  return new UsageError('FST_WS_INVALID_ARGUMENT', detail)
}
