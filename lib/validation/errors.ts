// What is wrong with a message, and the two errors that say so: to the peer's account when it came in, to the caller's
// when it was to go out.
import type { CloseCode } from '../protocol/close-code.ts'

/** One reason why a message does not fit, in the form that Fastify gives for a body. */
export interface MessageFault {
  /** JSON pointer into the message; '' is the whole of it. */
  readonly instancePath: string
  /** JSON pointer into the schema, `#` first; '' where it is not known. */
  readonly schemaPath: string
  /** The keyword of JSON Schema that was broken; `json`, `poisoning`, `binary` and `depth` are judged before any schema. */
  readonly keyword: string
  readonly params: Readonly<Record<string, unknown>>
  readonly message?: string
}

// A property's name may be as long as the message itself; texts go to logs and into close reasons.
const MAX_TEXT_LENGTH = 500

/** Cuts a text that has the peer's words in it to a length fit for logs. */
export function clip (text: string): string {
  return text.length > MAX_TEXT_LENGTH ? `${text.slice(0, MAX_TEXT_LENGTH)}…` : text
}

function describe (subject: string, faults: readonly MessageFault[]): string {
  const texts = faults.map((fault) => `${subject}${fault.instancePath} ${fault.message ?? fault.keyword}`)
  return clip(texts.length === 0 ? `${subject} does not fit the schema` : texts.join(', '))
}

/** The peer sent a message that is not JSON, is binary where text is due, or does not fit the schema. */
export class InvalidMessageError extends Error {
  override readonly name = 'InvalidMessageError'
  readonly code = 'FST_ERR_VALIDATION'
  readonly statusCode = 400
  readonly validationContext = 'message'
  readonly validation: readonly MessageFault[]
  readonly closeCode: CloseCode

  constructor (closeCode: CloseCode, validation: readonly MessageFault[], options?: ErrorOptions) {
    super(describe('message', validation), options)
    this.closeCode = closeCode
    this.validation = validation
  }
}

/** The application tried to send a message that does not fit the route's `send` schema: thrown at the caller, nothing is sent. */
export class InvalidSendError extends Error {
  override readonly name = 'InvalidSendError'
  readonly code = 'FST_WS_INVALID_SEND'
  readonly statusCode = 500
  readonly validationContext = 'send'
  readonly validation: readonly MessageFault[]

  constructor (validation: readonly MessageFault[], options?: ErrorOptions) {
    super(describe('send', validation), options)
    this.validation = validation
  }
}

/** Makes a fault of the whole message that no schema has a word for. */
export function wholeFault (keyword: string, message: string): MessageFault {
  return { instancePath: '', schemaPath: '', keyword, params: {}, message }
}

/** Tells that the stack has run out. Any other RangeError is of somebody who asked for an array of length -1, say. */
export function isStackOverflow (error: unknown): boolean {
  return error instanceof RangeError && error.message === 'Maximum call stack size exceeded'
}

/** A value nested so deeply that reading or checking it needs more stack than there is. */
export const DEPTH_FAULT: MessageFault = wholeFault('depth', 'is nested too deeply')
