// What can go wrong with a client, as errors that say so. Knows neither Node nor a browser. Short, for browsers download it.
import type { MessageFault } from '../validation/errors.ts'

/** What can go wrong: codes less their prefix; a test holds docs/errors.md to it, where each is explained. No bundle has this list. */
export const CLIENT_FAULTS = [
  'OPTION', 'CLOSED', 'LOST', 'UNREACHABLE', 'TIMEOUT', 'SILENT', 'QUEUE_FULL', 'UNHEARD', 'NO_HANDLER', 'INVALID_SEND', 'INVALID_MESSAGE'
] as const

export type ClientFault = (typeof CLIENT_FAULTS)[number]

export interface ClientErrorOptions extends ErrorOptions {
  readonly sent?: boolean
}

/** A fault of this side, of the network, or of a message that came. */
export class ClientError extends Error {
  override readonly name = 'ClientError'
  readonly code: `FST_WS_CLIENT_${ClientFault}`
  /** Of a request, a subscription or a publication that failed: true if it may have reached the server. */
  readonly sent: boolean

  /** The message is the fault's name in small letters, `queue full` say, and the detail. */
  constructor (fault: ClientFault, detail: unknown, options?: ClientErrorOptions) {
    super(`${fault.toLowerCase().replace('_', ' ')}: ${String(detail)}`, options)
    this.code = `FST_WS_CLIENT_${fault}`
    this.sent = options?.sent ?? false
  }
}

/** A message, or the payload of a request or reply, does not fit its schema. */
export class ValidationError extends ClientError {
  readonly validation: readonly MessageFault[]

  constructor (fault: 'INVALID_SEND' | 'INVALID_MESSAGE', detail: string, validation: readonly MessageFault[]) {
    super(fault, detail)
    this.validation = validation
  }
}

/** The server answered a request, a subscription or a publication with an error. */
export class RequestError extends Error {
  override readonly name = 'RequestError'
  /** The server's own. */
  readonly code: string
  readonly statusCode: number | undefined
  readonly validation: readonly MessageFault[] | undefined

  /** @param error - as the server has written it: all but its message is taken over as it is */
  constructor (error: unknown) {
    const { code, message, statusCode, validation } = (error ?? {}) as RequestError // or anything, and then it has no such property
    super(String(message))
    this.code = code
    this.statusCode = statusCode
    this.validation = validation
  }
}

/** The server refused the handshake with an HTTP answer. Only Node sees it; a browser tells 1006 and nothing else. */
export class RefusedError extends Error {
  override readonly name = 'RefusedError'
  readonly code = 'FST_WS_REFUSED'
  readonly statusCode: number
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  /** As text, what there was of it in time. */
  readonly body: string

  constructor (statusCode: number, headers: Readonly<Record<string, string | string[] | undefined>>, body: string) {
    super(readMessage(body) ?? `the server refused the handshake with ${statusCode}`)
    this.statusCode = statusCode
    this.headers = headers
    this.body = body
  }
}

/** Finds what a body in the form of Fastify's errors says. */
function readMessage (body: string): string | undefined {
  try {
    const { message } = JSON.parse(body)
    return typeof message === 'string' ? message : undefined
  } catch {
    return undefined
  }
}
