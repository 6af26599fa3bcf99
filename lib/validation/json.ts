// Text to value, by the rules that Fastify has for JSON bodies (secure-json-parse). Knows nothing of schemas.
import { parse } from 'secure-json-parse'
import { CloseCode } from '../protocol/close-code.ts'
import { InvalidMessageError, wholeFault } from './errors.ts'

/** What to do with a key that could poison a prototype: refuse the message, drop the key, or let it pass. */
export type PoisoningAction = 'error' | 'remove' | 'ignore'

/** As Fastify names them; both default to 'error'. */
export interface JsonOptions {
  onProtoPoisoning?: PoisoningAction | undefined
  onConstructorPoisoning?: PoisoningAction | undefined
}

const BYTE_ORDER_MARK = 0xfeff

/**
 * Makes a function that reads one JSON text.
 *
 * As with a body, a byte order mark in front is skipped, of two equal keys the last one counts, and a number too large is
 * Infinity, which no number of a schema allows.
 *
 * The function throws an `InvalidMessageError` with `closeCode` 1007 for a text that is not JSON, or has a forbidden key.
 */
export function createJsonReader (options: JsonOptions = {}): (text: string) => unknown {
  const parseOptions = {
    protoAction: options.onProtoPoisoning ?? 'error',
    constructorAction: options.onConstructorPoisoning ?? 'error'
  }
  return function readJson (text) {
    try {
      return isHarmless(text) ? JSON.parse(text) : parse(text, parseOptions)
    } catch (error) {
      // V8 quotes the text, and a log writes an error's cause: what the peer has sent must not get there.
      throw isJson(text)
        ? invalidText('poisoning', 'has a forbidden prototype property', { cause: error })
        : invalidText('json', 'is not valid JSON')
    }
  }
}

/**
 * Tells that a text has neither a mark to skip nor a key to look for, so that plain JSON.parse does the same. Both dangers,
 * `__proto__` and `prototype` in a `constructor`, have «proto» in them, unless an escape hides a letter. Two searches are a third of
 * what the regular expressions of secure-json-parse cost.
 */
function isHarmless (text: string): boolean {
  return !text.includes('proto') && !text.includes('\\u') && text.charCodeAt(0) !== BYTE_ORDER_MARK
}

function isJson (text: string): boolean {
  try {
    JSON.parse(text.charCodeAt(0) === BYTE_ORDER_MARK ? text.slice(1) : text)
    return true
  } catch {
    // The first attempt's error is the one that is reported.
    return false
  }
}

function invalidText (keyword: string, message: string, options?: ErrorOptions): InvalidMessageError {
  return new InvalidMessageError(CloseCode.InvalidPayload, [wholeFault(keyword, message)], options)
}
