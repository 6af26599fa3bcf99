// Header fields as HTTP writes them (RFC 9110 §5): field lines, tokens, quoted strings, lists.
// Knows the grammar and no field by name. Input is the peer's: each function looks at a character a fixed number of times.

const CODE_TAB = 0x09
const CODE_SPACE = 0x20
const CODE_QUOTE = 0x22
const CODE_COMMA = 0x2c
const CODE_BACKSLASH = 0x5c

/** 1 for each code of a token character (RFC 9110 §5.6.2): visible ASCII without the delimiters. */
const TOKEN_CODES = new Uint8Array(128)
for (const char of "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") TOKEN_CODES[char.charCodeAt(0)] = 1

/** Tells whether all of `text` is one token (§5.6.2). */
export function isToken (text: string): boolean {
  return text.length > 0 && findTokenEnd(text, 0) === text.length
}

/** Finds the index behind the token that starts at `start`; `start` itself when none does. */
export function findTokenEnd (text: string, start: number): number {
  let at = start
  while (TOKEN_CODES[text.charCodeAt(at)] === 1) at++
  return at
}

/** Tells whether `text` may stand as a field's value (§5.5): latin1 without control characters, tab excepted. */
export function isFieldValue (text: string): boolean {
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if ((code < CODE_SPACE && code !== CODE_TAB) || code === 0x7f || code > 0xff) return false
  }
  return true
}

/** Finds the first index from `start` on that is not a space or a tab (§5.6.3, OWS). */
export function skipWhitespace (text: string, start: number): number {
  let at = start
  while (isWhitespace(text.charCodeAt(at))) at++
  return at
}

/** Takes spaces and tabs off both ends; not `trim()`, which takes U+00A0 and more. */
export function trimWhitespace (text: string): string {
  const start = skipWhitespace(text, 0)
  let end = text.length
  while (end > start && isWhitespace(text.charCodeAt(end - 1))) end--
  return text.slice(start, end)
}

/**
 * Finds the index behind the quoted string whose opening quote is at `start` (§5.6.4).
 *
 * @returns -1 when no quote closes it
 */
export function findQuotedStringEnd (text: string, start: number): number {
  for (let at = start + 1; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === CODE_QUOTE) return at + 1
    if (code === CODE_BACKSLASH) at++
  }
  return -1
}

/** Takes quotes and backslashes off a whole quoted string, as found by `findQuotedStringEnd` (§5.6.4). */
export function unquote (quoted: string): string {
  const inner = quoted.slice(1, -1)
  return inner.includes('\\') ? inner.replaceAll(/\\([^])/g, '$1') : inner
}

/**
 * Splits a list at its commas (§5.6.1), those inside quoted strings excepted.
 *
 * A quote that nothing closes begins no quoted string, so the commas behind it count: one broken member never swallows the next.
 *
 * @returns the members in order, trimmed, without the empty ones
 */
export function splitList (line: string): string[] {
  const members: string[] = []
  let start = 0
  let mayQuote = true
  for (let at = 0; at < line.length; at++) {
    const code = line.charCodeAt(at)
    if (code === CODE_COMMA) {
      addMember(members, line.slice(start, at))
      start = at + 1
    } else if (code === CODE_QUOTE && mayQuote) {
      const end = findQuotedStringEnd(line, at)
      // When this one is not closed, each quote behind it follows a backslash that escapes it, and would for a quoted string
      // that starts later too: none of those closes either. Not looking again keeps the time linear.
      if (end === -1) mayQuote = false
      else at = end - 1
    }
  }
  addMember(members, line.slice(start))
  return members
}

/** Tells whether a list, over all its field lines, has a member that is the token `name` (lower case) in any case. */
export function hasListMember (lines: readonly string[], name: string): boolean {
  // A list of one member needs no splitting.
  return lines.some(line => isSameToken(line, name) || splitList(line).some(member => isSameToken(member, name)))
}

/**
 * Tells whether `text` is the token `name`, which is given in lower case, in any ASCII case.
 *
 * Only ASCII: U+212A (Kelvin) has `k` as its lower case, and is no token character.
 */
export function isSameToken (text: string, name: string): boolean {
  return text === name || (text.length === name.length && isToken(text) && text.toLowerCase() === name)
}

const NO_LINES: readonly string[] = []

/**
 * Reads the lines of one field, so that a repeated one stays visible: their values, trimmed, in order of arrival.
 *
 * @param rawHeaders - name, value, name, value..., as in `http.IncomingMessage`
 * @param name - in lower case
 */
export function readFieldLines (rawHeaders: readonly string[], name: string): readonly string[] {
  let lines: string[] | undefined
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const given = rawHeaders[at] ?? ''
    // Few names have the same length, and only those are looked at.
    if (given.length !== name.length || given.toLowerCase() !== name) continue
    lines ??= []
    lines.push(trimWhitespace(rawHeaders[at + 1] ?? ''))
  }
  return lines ?? NO_LINES
}

/** Reads a field that must have exactly one line; `undefined` for none and for more. */
export function readSingle (rawHeaders: readonly string[], name: string): string | undefined {
  const lines = readFieldLines(rawHeaders, name)
  return lines.length === 1 ? lines[0] : undefined
}

function isWhitespace (code: number): boolean {
  return code === CODE_SPACE || code === CODE_TAB
}

function addMember (members: string[], text: string): void {
  const member = trimWhitespace(text)
  if (member !== '') members.push(member)
}
