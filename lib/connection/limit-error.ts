// What a peer can do within the protocol and is still not let do: a row for each limit on an open connection, and the error that carries it.
import { CloseCode } from '../protocol/close-code.ts'

/** One row for each limit whose excess ends a connection; a test holds docs/errors.md to it. 1006 stands for no Close frame at all: nobody would read it. */
export const LIMIT_ERRORS = {
  FST_WS_RATE_LIMIT: { closeCode: CloseCode.PolicyViolation as CloseCode, option: 'rateLimit', message: 'the peer sends more than rateLimit allows' },
  FST_WS_SLOW_CONSUMER: { closeCode: CloseCode.TryAgainLater as CloseCode, option: 'maxBufferedAmount', message: 'the peer reads too slowly: maxBufferedAmount was reached' },
  FST_WS_HEARTBEAT_TIMEOUT: { closeCode: CloseCode.Abnormal as CloseCode, option: 'heartbeat', message: 'the peer is dead: no byte came within the heartbeat\'s timeout' }
} as const

/** A limit on an open connection was reached by its peer: the connection fails with `closeCode`. */
export class LimitError extends Error {
  override readonly name = 'LimitError'
  readonly code: keyof typeof LIMIT_ERRORS
  readonly closeCode: CloseCode

  constructor (code: keyof typeof LIMIT_ERRORS) {
    const { closeCode, message } = LIMIT_ERRORS[code]
    super(message)
    this.code = code
    this.closeCode = closeCode
  }
}
