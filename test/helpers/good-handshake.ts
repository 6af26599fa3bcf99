// Handshakes that are right, to spoil a field of, and what comes of judging them.
import { HandshakeError } from '../../lib/protocol/handshake-errors.ts'

/** Fields of a request, with RFC 6455's own key. */
export const GOOD_REQUEST: readonly string[] = [
  'Host', 'server.example.com', 'Upgrade', 'websocket', 'Connection', 'Upgrade', 'Sec-WebSocket-Key', 'dGhlIHNhbXBsZSBub25jZQ==', 'Sec-WebSocket-Version', '13'
]
/** Fields of the answer to it. */
export const GOOD_ANSWER: readonly string[] = ['Upgrade', 'websocket', 'Connection', 'Upgrade', 'Sec-WebSocket-Accept', 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=']

/** Runs a judge and tells what came of it; anything but a HandshakeError goes on to fail the test. */
export function judge<T> (act: () => T): T | HandshakeError {
  try {
    return act()
  } catch (error) {
    if (error instanceof HandshakeError) return error
    throw error
  }
}
