// Sec-WebSocket-Extensions (RFC 6455 §9.1): text to offers and back. Knows the grammar and no extension:
// what a parameter means, and which offer is taken, is for the extension to say.
import { UsageError } from './errors.ts'
import {
  findQuotedStringEnd, findTokenEnd, isToken, skipWhitespace, splitList, unquote
} from './header-fields.ts'

/** A parameter as it was written: without a value (`value` is absent), with a token, or with a quoted string. */
export interface ExtensionParam {
  readonly name: string
  /** A token in either form, unescaped; never the empty string. */
  readonly value?: string
  /** Present when the value came, or shall go, as a quoted string. */
  readonly quoted?: true
}

/** One extension with its parameters, offered by a client or agreed to by a server. */
export interface ExtensionOffer {
  /** As written; compared so too. */
  readonly name: string
  /** In order; a repeated parameter stays repeated, for the extension to judge. */
  readonly params: readonly ExtensionParam[]
}

/**
 * Reads a client's offers, in its order of preference, and leaves out the ones that break the grammar.
 *
 * A bad offer ends at the next comma outside a quoted string and touches no other: it cannot fail a handshake.
 *
 * @param lines - the field's value, or one for each line
 */
export function parseExtensions (lines: string | readonly string[]): ExtensionOffer[] {
  if (lines.length === 0) return []
  return (typeof lines === 'string' ? [lines] : lines).flatMap(splitList).map(readExtension).filter(offer => offer !== undefined)
}

/**
 * Reads the extensions that a server agreed to; here nothing is left out.
 *
 * @returns `undefined` when any of them breaks the grammar, and for none at all: a list has at least one member
 */
export function parseAgreedExtensions (value: string): ExtensionOffer[] | undefined {
  const members = splitList(value).map(readExtension)
  const offers = members.filter(offer => offer !== undefined)
  return offers.length > 0 && offers.length === members.length ? offers : undefined
}

/** Finds an extension that was agreed to without having been offered (§4.1, §9.1). Looks at names only: parameters are for the extension. */
export function findStranger (agreed: readonly ExtensionOffer[], offered: readonly ExtensionOffer[]): ExtensionOffer | undefined {
  const names = new Set(offered.map(({ name }) => name))
  return agreed.find(({ name }) => !names.has(name))
}

/**
 * Writes offers, or extensions agreed to, as one field value; the empty string for none.
 *
 * @throws {UsageError} `FST_WS_INVALID_ARGUMENT` for a name or a value that is not a token
 */
export function formatExtensions (offers: readonly ExtensionOffer[]): string {
  return offers.map(({ name, params }) => [checkToken(name), ...params.map(formatParam)].join('; ')).join(', ')
}

function formatParam ({ name, value, quoted }: ExtensionParam): string {
  if (value === undefined) return checkToken(name)
  // §9.1: a quoted value is a token as well, so nothing in it needs a backslash.
  return quoted ? `${checkToken(name)}="${checkToken(value)}"` : `${checkToken(name)}=${checkToken(value)}`
}

function checkToken (text: string): string {
  if (isToken(text)) return text
  throw new UsageError('FST_WS_INVALID_ARGUMENT', `extension names, parameters and values must be tokens, not ${JSON.stringify(text)}`)
}

/** Reads one member of the list: `extension-token *( ";" extension-param )`, `undefined` for anything else. */
function readExtension (member: string): ExtensionOffer | undefined {
  let at = findTokenEnd(member, 0)
  if (at === 0) return undefined
  const name = member.slice(0, at)
  const params: ExtensionParam[] = []
  while ((at = skipWhitespace(member, at)) < member.length) {
    if (member[at] !== ';') return undefined
    const found = readParam(member, skipWhitespace(member, at + 1))
    if (found === undefined) return undefined
    params.push(found.param)
    at = found.end
  }
  return { name, params }
}

/** Reads `token [ "=" ( token | quoted-string ) ]` at `start`. Spaces may stand around `=`: §9.1 has RFC 2616's implied LWS. */
function readParam (member: string, start: number): { param: ExtensionParam, end: number } | undefined {
  const nameEnd = findTokenEnd(member, start)
  if (nameEnd === start) return undefined
  const name = member.slice(start, nameEnd)
  const equals = skipWhitespace(member, nameEnd)
  if (member[equals] !== '=') return { param: { name }, end: nameEnd }

  const valueStart = skipWhitespace(member, equals + 1)
  if (member[valueStart] !== '"') {
    const end = findTokenEnd(member, valueStart)
    return end === valueStart ? undefined : { param: { name, value: member.slice(valueStart, end) }, end }
  }
  const end = findQuotedStringEnd(member, valueStart)
  if (end === -1) return undefined
  const value = unquote(member.slice(valueStart, end))
  // §9.1: what is left after unescaping must be a token again.
  return isToken(value) ? { param: { name, value, quoted: true }, end } : undefined
}
