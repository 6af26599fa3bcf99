// What went wrong, in words for whoever sits in front of it, and the exit codes. Knows nothing of commands.
import { STATUS_CODES } from 'node:http'
import { ClientError, RequestError } from '../client/errors.ts'

export const ExitCode = {
  Fine: 0,
  /** The connection failed, was refused, or came to another end than a clean one. */
  Failed: 1,
  /** The command line, or a message to be sent, is wrong. */
  Usage: 2
} as const

export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode]

/** The command line, or what it names, is wrong. */
export class UsageFault extends Error {
  override readonly name = 'UsageFault'
}

/** Something failed that has been found out already: its message says all of it. */
export class Failure extends Error {
  override readonly name = 'Failure'
  readonly exitCode: ExitCode

  constructor (message: string, exitCode: ExitCode = ExitCode.Failed) {
    super(message)
    this.exitCode = exitCode
  }
}

/** How a connection came to its end. */
export interface End {
  readonly code: number
  readonly reason: string
  readonly error?: unknown
  /** `local`: this side has closed it. */
  readonly initiator?: 'local' | 'remote'
}

const CLEAN_CODES: readonly number[] = [1000, 1001, 1005]

/** Errors of the system and of OpenSSL by their code; `*` is the place. */
const CAUSES: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused: nothing listens on *',
  ENOTFOUND: 'no such host: *',
  EAI_AGAIN: 'the name of * cannot be looked up now',
  ECONNRESET: 'the connection to * was reset',
  EPIPE: 'the connection to * was reset',
  ETIMEDOUT: '* does not answer',
  EHOSTUNREACH: 'there is no way to *',
  ENETUNREACH: 'there is no way to *',
  EACCES: 'not allowed: *',
  EADDRINUSE: 'something listens on * already',
  EADDRNOTAVAIL: 'this machine has no address *',
  ERR_SSL_WRONG_VERSION_NUMBER: '* speaks no TLS: is it ws:// or http://?',
  ERR_SSL_PACKET_LENGTH_TOO_LONG: '* speaks no TLS: is it ws:// or http://?',
  EPROTO: '* speaks no TLS: is it ws:// or http://?'
}

/** Codes by which Node refuses a certificate, all that begin or end so. */
const CERTIFICATE = /^(CERT_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|ERR_TLS_CERT_|HOSTNAME_MISMATCH)|_CERT$/

/** Tells the exit code of a connection. */
export function exitCodeOf ({ code, error }: End): ExitCode {
  if (isUsage(error)) return ExitCode.Usage
  return CLEAN_CODES.includes(code) ? ExitCode.Fine : ExitCode.Failed
}

/** Tells whose fault it is: an option that cannot be sent is the caller's. */
export function isUsage (error: unknown): boolean {
  return error instanceof UsageFault || (error instanceof ClientError && error.code === 'FST_WS_CLIENT_OPTION')
}

/** Says why a connection ended, or never came to be. */
export function describeEnd (end: End, place: string): string {
  const { code, reason, error, initiator } = end
  if (error !== undefined) return describeError(error, place)
  if (code === 1006) return `the connection to ${place} was lost (1006)`
  return `closed by ${initiator === 'local' ? 'this side' : 'the server'}: ${code}${reason === '' ? '' : ` ${reason}`}`
}

/** @param place - host and port, or whatever could not be had */
export function describeError (error: unknown, place: string): string {
  if (error instanceof ClientError && error.statusCode !== undefined) return describeRefusal(error, place)
  if (error instanceof ClientError && error.code === 'FST_WS_CLIENT_UNREACHABLE') return error.message.replace('unreachable:', `${place} does not answer`)
  if (error instanceof RequestError) return `the server refuses: ${error.message}${error.code === undefined ? '' : ` (${error.code})`}`
  if (!(error instanceof Error)) return String(error)
  // All addresses of a host have failed: of the last ones the first tells it as well as any.
  const { code = '', message } = (error instanceof AggregateError ? error.errors[0] ?? error : error) as NodeJS.ErrnoException
  if (CERTIFICATE.test(code)) return `the certificate of ${place} is not trusted: ${message} (${code}); --insecure takes it all the same`
  const cause = CAUSES[code]
  if (cause !== undefined) return `${cause.replace('*', place)} (${code})`
  if (code.startsWith('HPE_')) return `${place} answers with something that is not HTTP: ${message}`
  if (message === 'socket hang up') return `${place} hung up during the handshake`
  return message
}

function describeRefusal ({ statusCode = 0, message, body = '' }: ClientError, place: string): string {
  const status = `${statusCode} ${STATUS_CODES[statusCode] ?? ''}`.trim()
  const isHttp = statusCode < 400 ? ': is there a WebSocket route at this path?' : ''
  // Without a message in the body that of the error repeats the status.
  const told = message.replace(/^refused: /, '')
  const detail = told === String(statusCode) ? firstLine(body) : told
  return `${place} refused the handshake: ${status}${detail === '' || statusCode < 400 ? '' : `: ${detail}`}${isHttp}`
}

function firstLine (body: string): string {
  const line = body.trimStart().split('\n', 1)[0] ?? ''
  return line.startsWith('<') ? '' : line.slice(0, 200)
}
