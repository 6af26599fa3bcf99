// Close codes (RFC 6455 §7.4): their names, and which of them may stand in a Close frame.

/** Close codes with a name (§7.4.1 and the IANA registry). */
export const CloseCode = {
  Normal: 1000,
  GoingAway: 1001,
  ProtocolError: 1002,
  UnsupportedData: 1003,
  /** Never on the wire: the peer's Close frame had no code (§7.1.5). */
  NoStatus: 1005,
  /** Never on the wire: the connection ended without a Close frame (§7.1.5). */
  Abnormal: 1006,
  InvalidPayload: 1007,
  PolicyViolation: 1008,
  MessageTooBig: 1009,
  MandatoryExtension: 1010,
  InternalError: 1011,
  ServiceRestart: 1012,
  TryAgainLater: 1013,
  BadGateway: 1014
} as const

/** A close code: one of the named ones, or 3000 to 4999, which belong to libraries and applications (§7.4.2). */
export type CloseCode = number

/** Most bytes of UTF-8 that a Close frame's reason may have: a control frame's 125 less the code's 2 (§5.5). */
export const MAX_REASON_LENGTH = 123

/**
 * Tells whether a code may stand in a Close frame (§7.4): 1000 to 1014 without 1004, 1005 and 1006, and 3000 to 4999.
 */
export function isWireCloseCode (code: number): boolean {
  if (code >= 1000 && code <= 1014) return code < 1004 || code > 1006
  return code >= 3000 && code <= 4999
}
