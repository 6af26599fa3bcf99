// What can go wrong with the protocol, by whose fault it is: the peer's, the request's or the caller's.
import { CloseCode } from './close-code.ts'

// `as CloseCode`, because declarations are made file by file (isolatedDeclarations): the value of another file's constant is not seen.
/** One row for each way a peer can break the protocol; a test holds docs/errors.md to it. */
export const PROTOCOL_ERRORS = {
  FST_WS_RESERVED_BITS: { closeCode: CloseCode.ProtocolError as CloseCode, rule: '§5.2', message: 'reserved bit set without an extension that defines it' },
  FST_WS_RESERVED_OPCODE: { closeCode: CloseCode.ProtocolError as CloseCode, rule: '§5.2', message: 'reserved opcode' },
  FST_WS_MASK_MISSING: { closeCode: CloseCode.ProtocolError as CloseCode, rule: '§5.1', message: 'frame from a client without a mask' },
  FST_WS_MASK_FORBIDDEN: { closeCode: CloseCode.ProtocolError as CloseCode, rule: '§5.1', message: 'masked frame from a server' },
  FST_WS_CONTROL_FRAGMENTED: { closeCode: CloseCode.ProtocolError as CloseCode, rule: '§5.5', message: 'fragmented control frame' },
  FST_WS_CONTROL_TOO_LONG: { closeCode: CloseCode.ProtocolError as CloseCode, rule: '§5.5', message: 'control frame over 125 bytes' },
  FST_WS_UNEXPECTED_CONTINUATION: { closeCode: CloseCode.ProtocolError as CloseCode, rule: '§5.4', message: 'continuation frame outside a fragmented message' },
  FST_WS_EXPECTED_CONTINUATION: { closeCode: CloseCode.ProtocolError as CloseCode, rule: '§5.4', message: 'new data frame inside a fragmented message' },
  FST_WS_LENGTH_NOT_MINIMAL: { closeCode: CloseCode.ProtocolError as CloseCode, rule: '§5.2', message: 'payload length not in its shortest form' },
  FST_WS_LENGTH_TOP_BIT: { closeCode: CloseCode.ProtocolError as CloseCode, rule: '§5.2', message: 'payload length with the top bit set' },
  FST_WS_TOO_BIG: { closeCode: CloseCode.MessageTooBig as CloseCode, rule: '§7.4.1', message: 'message over maxPayload' },
  FST_WS_TOO_MANY_EMPTY_FRAGMENTS: { closeCode: CloseCode.PolicyViolation as CloseCode, rule: '§10.4', message: 'too many empty fragments in a row' },
  FST_WS_INVALID_UTF8: { closeCode: CloseCode.InvalidPayload as CloseCode, rule: '§8.1', message: 'text that is not UTF-8' },
  FST_WS_INVALID_DEFLATE: { closeCode: CloseCode.InvalidPayload as CloseCode, rule: 'RFC 7692 §7.2.2', message: 'compressed message that cannot be inflated' },
  FST_WS_CLOSE_PAYLOAD: { closeCode: CloseCode.ProtocolError as CloseCode, rule: '§5.5.1', message: 'close frame with a payload of one byte' },
  FST_WS_CLOSE_CODE: { closeCode: CloseCode.ProtocolError as CloseCode, rule: '§7.4', message: 'close code that may not stand in a frame' }
} as const

/** The peer broke a rule: the connection fails (RFC 6455 §7.1.7) and the peer is told `closeCode`. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError'
  readonly code: keyof typeof PROTOCOL_ERRORS
  readonly closeCode: CloseCode

  constructor (code: keyof typeof PROTOCOL_ERRORS, options?: ErrorOptions) {
    const { closeCode, message, rule } = PROTOCOL_ERRORS[code]
    super(`${message} (${rule.startsWith('§') ? 'RFC 6455 ' : ''}${rule})`, options)
    this.code = code
    this.closeCode = closeCode
  }
}

/** One row for each way the caller of this package can be wrong; held to docs/errors.md too. */
export const USAGE_ERRORS = {
  FST_WS_NOT_OPEN: 'the connection is not open',
  FST_WS_NOT_SENT: 'the message was not sent: maxBufferedAmount was reached',
  FST_WS_INVALID_ARGUMENT: 'invalid argument',
  FST_WS_INVALID_CLOSE_CODE: 'close code that may not stand in a frame',
  FST_WS_REASON_TOO_LONG: 'close reason over 123 bytes of UTF-8',
  FST_WS_CONTROL_DATA_TOO_LONG: 'ping or pong data over 125 bytes',
  FST_WS_UNSUPPORTED_DATA: 'data that cannot be sent',
  FST_WS_TOO_MANY_TOPICS: 'the connection is subscribed to as many topics as it may be',
  FST_WS_TOPIC_FORBIDDEN: 'not allowed on this topic',
  FST_WS_NO_HANDLER: 'no handler for a type of message'
} as const

/** The caller broke the contract of a function of this package: thrown at once, nothing is sent. */
export class UsageError extends TypeError {
  override readonly name = 'UsageError'
  readonly code: keyof typeof USAGE_ERRORS

  /** @param detail - which argument, what it was and what is allowed */
  constructor (code: keyof typeof USAGE_ERRORS, detail?: string, options?: ErrorOptions) {
    super(detail === undefined ? USAGE_ERRORS[code] : `${USAGE_ERRORS[code]}: ${detail}`, options)
    this.code = code
  }
}
