// Messages as they are printed: one a line for programs; for people with marks, colours and JSON over several lines. Owns what of a
// message may reach a terminal; knows no socket.
import type { Writable } from 'node:stream'
import { styleText } from 'node:util'

export type Printed = string | ArrayBuffer | Uint8Array

export type Direction = 'in' | 'out'

export type Style = Parameters<typeof styleText>[0] & string

/** A stream that may be a terminal. */
export type Output = Writable & { readonly isTTY?: boolean, readonly columns?: number }

export interface PrinterOptions {
  /** JSON over several lines, where the output is a terminal. */
  readonly json?: boolean
  readonly timestamps?: boolean
  /** `<` and `>` before messages. */
  readonly marks?: boolean
  /** The time in ms; a test has its own. */
  readonly now?: () => number
}

/** Bytes of a binary message that people get to see. */
const MOST_BYTES = 64

/** All that moves a cursor, rings, or changes what is shown, but what joins emoji: a server must not write into somebody's terminal. */
const CONTROLS = /(?![\n\t\u200d])[\p{Cc}\p{Cf}\u2028\u2029]/gu

export class Printer {
  readonly #output: Output
  readonly #options: PrinterOptions
  readonly #isTerminal: boolean

  constructor (output: Output, options: PrinterOptions = {}) {
    this.#output = output
    this.#options = options
    this.#isTerminal = output.isTTY === true
  }

  /** Prints a message. @returns false when the output wants no more for now; `drain` follows */
  print (message: Printed, direction: Direction = 'in'): boolean {
    return this.#output.write(`${this.format(message, direction)}\n`)
  }

  /** Makes what `print` prints, without the line's end. */
  format (message: Printed, direction: Direction = 'in'): string {
    const { timestamps = false, marks = false, now = Date.now } = this.#options
    const time = timestamps ? `${paint(this.#output, 'dim', new Date(now()).toISOString())} ` : ''
    const mark = marks ? `${paint(this.#output, direction === 'in' ? 'green' : 'cyan', direction === 'in' ? '<' : '>')} ` : ''
    return time + mark + this.#formatBody(message)
  }

  #formatBody (message: Printed): string {
    if (typeof message !== 'string') return this.#isTerminal ? describeBytes(message) : toBuffer(message).toString('base64')
    if (!this.#isTerminal) return toLine(message)
    return escapeControls(this.#options.json === true ? prettify(message) : message)
  }
}

/** Colours text where the stream is a terminal that has colours, and neither NO_COLOR nor FORCE_COLOR says otherwise. */
export function paint (stream: Output, style: Style, text: string): string {
  return styleText(style, text, { stream })
}

/**
 * Says something on stderr. What a server has said may be in it.
 *
 * @param style - of the name before it
 */
export function tell (stderr: Output, text: string, style?: Style): void {
  stderr.write(`${style === undefined ? 'ftws:' : paint(stderr, style, 'ftws:')} ${stderr.isTTY === true ? escapeControls(text) : text}\n`)
}

/** Writes control characters as JSON would. */
export function escapeControls (text: string): string {
  return text.replaceAll(CONTROLS, (character) => `\\u${character.codePointAt(0)?.toString(16).padStart(4, '0')}`)
}

/** Makes one line of a text. In JSON line breaks are space between tokens, for none may stand in a string; elsewhere they are escaped. */
export function toLine (text: string): string {
  if (!/[\r\n]/.test(text)) return text
  return parse(text) === undefined ? text.replaceAll('\r', '\\r').replaceAll('\n', '\\n') : text.replaceAll(/[\r\n]+/g, ' ')
}

function prettify (text: string): string {
  const value = parse(text)
  return value === undefined ? text : JSON.stringify(value, undefined, 2)
}

/** @returns undefined for what is no JSON */
function parse (text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function describeBytes (message: ArrayBuffer | Uint8Array): string {
  const bytes = toBuffer(message)
  const shown = bytes.toString('hex', 0, MOST_BYTES).replaceAll(/(..)(?=.)/g, '$1 ')
  return `(${bytes.length} ${bytes.length === 1 ? 'byte' : 'bytes'}) ${shown}${bytes.length > MOST_BYTES ? ' ...' : ''}`
}

function toBuffer (message: ArrayBuffer | Uint8Array): Buffer {
  return message instanceof ArrayBuffer ? Buffer.from(message) : Buffer.from(message.buffer, message.byteOffset, message.byteLength)
}
