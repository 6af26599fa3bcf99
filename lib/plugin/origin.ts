// Which sites' scripts may open a connection: `Origin` held against `allowedOrigins`. Owns what an origin is and when two are the
// same; when to ask, and what else refuses a handshake, is not known here.
import { isRegExp } from 'node:util/types'
import type { FastifyRequest } from 'fastify'
import { isThenable } from '../connection/listeners.ts'
import { readFieldLines } from '../protocol/header-fields.ts'
import type { WebSocketAllowedOrigins } from '../../types/options.ts'
import { ForeignOriginError } from './errors.ts'

/** Returns or resolves when the request's origin is allowed. */
export type OriginCheck = (request: FastifyRequest) => void | Promise<void>

type Listed = string | RegExp

/** Longer than any host name with its scheme and port. What is longer is no origin, and no regular expression is run on it. */
const MAX_ORIGIN_LENGTH = 512

/** RFC 1035 §2.3.4, less what only its wire format has; a dot that ends the name is not counted. */
const MAX_HOST_LENGTH = 253

/** What `allowedOrigins` takes for a string that is no origin. */
const KEYWORDS: readonly string[] = ['same-origin', 'null', '*']

/** Of a value that the peer chose, in the log. */
const MAX_LOGGED = 200

/** `scheme "://" host [ ":" port ]`; the classes leave out the colon, so that there is one way to match and the time is linear. */
const ORIGIN = /^([a-z][a-z\d+.-]*):\/\/(\[[\da-f:.]+\]|[\w.~!$&'()*+;=%-]*)(?::(0|[1-9]\d{0,4}))?$/i

/** Schemes of pages whose port need not be said, and whose host must be. */
const DEFAULT_PORTS: Readonly<Record<string, string>> = { http: '80', https: '443' }

/** What some proxies (Traefik) say in X-Forwarded-Proto of an upgrade, where the page's own scheme is meant. */
const PAGE_SCHEMES: Readonly<Record<string, string>> = { ws: 'http', wss: 'https' }

/**
 * Makes the check of one route.
 *
 * A request without `Origin` comes from no browser and passes, always. The field with nothing in it is not absent.
 *
 * @param allowed - has passed `isAllowedOrigins`; what the application does to its list later has no effect
 * @returns a function that throws or rejects with `FST_WS_FOREIGN_ORIGIN`, after it has logged why, and with what `allowed` itself
 * throws if that is a function
 */
export function makeOriginCheck (allowed: WebSocketAllowedOrigins): OriginCheck {
  if (typeof allowed === 'function') return checkByFunction(allowed)
  const listed: readonly Listed[] = allowed === true ? ['*'] : typeof allowed === 'string' || isRegExp(allowed) ? [allowed] : allowed
  if (listed.includes('*')) return () => {}
  return checkByList(listed)
}

function checkByFunction (allows: Extract<WebSocketAllowedOrigins, (...args: never) => unknown>): OriginCheck {
  // Nothing but true lets in: a function may have been written in JavaScript, or return a promise inside of an object.
  const judge = (origin: string, request: FastifyRequest, answer: unknown): void => {
    if (answer !== true) throw refuse(origin, request, { expected: 'what the function allowedOrigins returns true for' })
  }
  return (request) => {
    const { origin } = request.raw.headers
    if (origin === undefined) return
    const answer = allows(origin, request)
    if (!isThenable(answer)) return judge(origin, request, answer)
    return Promise.resolve(answer).then(settled => judge(origin, request, settled))
  }
}

function checkByList (listed: readonly Listed[]): OriginCheck {
  const isListed = makeMatcher(listed)
  const isSameOriginAllowed = listed.includes('same-origin')
  const shown = listed.filter(entry => entry !== 'same-origin').map(String)

  return (request) => {
    const { raw } = request
    // No browser then. `headers` Node only makes when it is asked for.
    if (readFieldLines(raw.rawHeaders, 'origin').length === 0) return
    const { origin } = raw.headers
    if (origin === undefined || isListed(origin)) return
    const own = isSameOriginAllowed ? readOwnOrigin(request) : undefined
    if (own !== undefined && own === normalizeOrigin(origin)) return
    const expected = [...(isSameOriginAllowed ? [cut(own ?? 'same-origin')] : []), ...shown].join(', ')
    throw refuse(origin, request, { expected, own })
  }
}

/** Makes the comparison with all entries that do not depend on the request. */
function makeMatcher (listed: readonly Listed[]): (origin: string) => boolean {
  const names = new Set<string>()
  const patterns: RegExp[] = []
  for (const entry of listed) {
    if (typeof entry !== 'string') patterns.push(new RegExp(entry.source, entry.flags)) // our own: `g` and `y` move lastIndex
    else if (entry !== 'same-origin') names.add(normalizeOrigin(entry) ?? entry) // `null` is none and stands for itself
  }

  return (origin) => {
    // Several field lines, which Node joins, and whatever else no browser sends, are not for a pattern to find something in.
    const name = origin === 'null' ? origin : normalizeOrigin(origin)
    if (name === undefined) return false
    return names.has(name) || patterns.some((pattern) => {
      pattern.lastIndex = 0
      return pattern.test(origin)
    })
  }
}

/** Writes an origin as it is compared: lower case, without the port that its scheme implies; `undefined` when it is none. */
function normalizeOrigin (text: string): string | undefined {
  if (text.length > MAX_ORIGIN_LENGTH) return undefined
  const [matched, scheme = '', host = '', port] = ORIGIN.exec(text.toLowerCase()) ?? []
  if (matched === undefined || isTooLong(host) || Number(port) > 65_535) return undefined
  const defaultPort = DEFAULT_PORTS[scheme]
  if (defaultPort !== undefined && host === '') return undefined
  return port === undefined || port === defaultPort ? `${scheme}://${host}` : `${scheme}://${host}:${port}`
}

function isTooLong (host: string): boolean {
  return host.length > MAX_HOST_LENGTH && host.replace(/\.$/, '').length > MAX_HOST_LENGTH
}

/** The origin that the request was sent to, as Fastify knows it: with `trustProxy`, by what the proxy says. */
function readOwnOrigin ({ protocol, host }: FastifyRequest): string | undefined {
  const scheme = String(protocol).toLowerCase()
  // A port may be empty behind its colon (RFC 3986 §3.2.3).
  return normalizeOrigin(`${PAGE_SCHEMES[scheme] ?? scheme}://${host.replace(/:$/, '')}`)
}

/**
 * Logs the refusal with both origins and what would allow it, none of which the peer is told. That it stays the only line above debug
 * is up to whoever hands the error to Fastify.
 */
function refuse (origin: string, request: FastifyRequest, { expected, own }: { expected: string, own?: string | undefined }): Error {
  const cure = findCure(origin, request, own)
  const error = new ForeignOriginError()
  // Without the error itself, whose stack is always the same: a page of somebody else's decides how many of these lines there are.
  request.log.info({ code: error.code, origin: cut(origin), expected: cut(expected) }, `a WebSocket handshake was refused: its Origin is foreign. ${cure}`)
  return error
}

function findCure (origin: string, request: FastifyRequest, own: string | undefined): string {
  const cure = 'If it is yours, name it in the option allowedOrigins'
  const isSchemeOnly = own !== undefined && withoutScheme(own) === withoutScheme(normalizeOrigin(origin) ?? '')
  const isForwarded = own !== undefined && request.raw.headers['x-forwarded-host'] !== undefined
  if (!isSchemeOnly && !isForwarded) return cure
  return `${cure}; if a proxy stands before the server, let it send X-Forwarded-Proto and X-Forwarded-Host, and set Fastify's option trustProxy`
}

function withoutScheme (origin: string): string {
  return origin.replace(/^[^:]+:/, '')
}

function cut (text: string): string {
  return text.slice(0, MAX_LOGGED)
}

/** Tells whether a value is of the kinds that `allowedOrigins` takes, with nothing but origins for strings. */
export function isAllowedOrigins (value: unknown): value is WebSocketAllowedOrigins {
  if (value === true || typeof value === 'function') return true
  return Array.isArray(value) ? Array.from(value).every(isListable) : isListable(value) // `every` alone passes over gaps
}

/**
 * Explains which string in a value that `isAllowedOrigins` refuses is no origin, and what to write in its place.
 *
 * @returns `undefined` when something else is wrong with the value
 */
export function explainOrigins (value: unknown): string | undefined {
  const wrong: unknown = Array.isArray(value) ? value.find(entry => !isListable(entry)) : value
  if (typeof wrong !== 'string') return undefined
  return `${JSON.stringify(cut(wrong))} is no origin: ${findRemedy(wrong)}. Beside origins there are 'same-origin', 'null', '*', regular expressions and a function`
}

function findRemedy (wrong: string): string {
  const keyword = KEYWORDS.find(word => lettersOf(word) === lettersOf(wrong) && lettersOf(word) !== '')
  if (keyword !== undefined) return `write ${JSON.stringify(keyword)}`
  if (wrong.includes('*')) return 'use a regular expression for more than one, such as /^https:\\/\\/[a-z\\d-]+\\.example\\.org$/'
  if (!/^[a-z][a-z\d+.-]*:\/\//i.test(wrong)) {
    const guess = `https://${wrong.replace(/^\/+/, '')}`
    return `say the scheme, as in ${JSON.stringify(isListable(guess) ? guess : 'https://example.org')}`
  }
  const spelled = spellOrigin(wrong)
  if (isTooLong(/^[^:]+:\/\/([^/?#:]*)/.exec(spelled ?? '')?.[1] ?? '')) return `a host name has ${MAX_HOST_LENGTH} characters at most`
  return spelled === undefined ? 'write scheme://host or scheme://host:port' : `browsers send it as ${JSON.stringify(spelled)}`
}

function lettersOf (text: string): string {
  return text.toLowerCase().replace(/[^a-z]/g, '')
}

function isListable (entry: unknown): entry is Listed {
  if (typeof entry !== 'string') return isRegExp(entry)
  if (KEYWORDS.includes(entry)) return true
  // A character like any other in a name, but not what is meant by it.
  if (entry.includes('*')) return false
  const normalized = normalizeOrigin(entry)
  return normalized !== undefined && normalized === spellOrigin(normalized)
}

/**
 * Writes the origin of a URL as browsers do (RFC 6454 §6.2): names in punycode, addresses in their short form, no path; of a socket's
 * address that of its page. Schemes that are not the web's keep what stands before the path.
 */
function spellOrigin (url: string): string | undefined {
  if (!URL.canParse(url)) return undefined
  const { protocol, host, origin } = new URL(url)
  const pageScheme = PAGE_SCHEMES[protocol.slice(0, -1)]
  if (pageScheme !== undefined) return normalizeOrigin(`${pageScheme}://${host}`)
  return origin === 'null' ? /^[^:]+:\/\/[^/?#]*/.exec(url)?.[0] : origin
}
