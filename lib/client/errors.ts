// What can go wrong with a client, as errors that say so. Knows neither Node nor a browser. Short, for browsers download it.
import type { MessageFault } from '../validation/errors.ts'

/** What can go wrong: codes less their prefix; a test holds docs/errors.md to it, where each is explained. No bundle has this list. */
export const CLIENT_FAULTS = [
  'OPTION', 'CLOSED', 'LOST', 'UNREACHABLE', 'REFUSED', 'TIMEOUT', 'SILENT', 'QUEUE_FULL', 'UNHEARD', 'NO_HANDLER', 'INVALID_SEND', 'INVALID_MESSAGE'
] as const

export type ClientFault = (typeof CLIENT_FAULTS)[number]

export interface ClientErrorOptions extends ErrorOptions {
  readonly sent?: boolean | undefined
}

/** A fault of this side, of the network, or of a message that came. */
export class ClientError extends Error {
  override readonly name = 'ClientError'
  declare readonly code: `FST_WS_CLIENT_${ClientFault}`
  /** Of a request, a subscription or a publication that failed: true if it may have reached the server. */
  declare readonly sent: boolean
  /** Of a message that does not fit, where `validate` has looked at it. */
  declare readonly validation?: readonly MessageFault[]
  /** Of a refused handshake, in Node: the HTTP answer's. Names of headers are in lower case; of the body there is what came in time. */
  declare readonly statusCode?: number
  declare readonly headers?: Readonly<Record<string, string | string[] | undefined>>
  declare readonly body?: string

  /** The message is the fault's name in small letters, `queue full` say, and the detail. */
  constructor (fault: ClientFault, detail: unknown, options: ClientErrorOptions = {}) {
    super(`${fault.toLowerCase().replace('_', ' ')}: ${detail}`, options)
    this.code = `FST_WS_CLIENT_${fault}`
    this.sent = options.sent ?? false
  }
}

/** Makes an error of what was thrown, if it is none. Never throws: of some objects no string can be made. */
export function toError (reason: unknown): Error {
  try {
    return reason instanceof Error ? reason : new Error(String(reason), { cause: reason })
  } catch (error) {
    return error as Error // that it is one, is all that matters
  }
}

/** The server answered a request, a subscription or a publication with an error. */
export class RequestError extends Error {
  override readonly name = 'RequestError'
  /** The server's own. */
  declare readonly code: string
  declare readonly statusCode: number | undefined
  declare readonly validation: readonly MessageFault[] | undefined

  /** @param error - as the server has written it: all but its message is taken over as it is */
  constructor (error: unknown) {
    const told = Object(error) as RequestError // or anything, and then it has no such property
    super(told.message)
    this.code = told.code
    this.statusCode = told.statusCode
    this.validation = told.validation
  }
}
