// What nearly every handshake says in the same words. Owns which words those are, and that open connections have one copy of each
// together in place of one each: Node's parser makes strings of its own for every request.
import type { IncomingMessage } from 'node:http'

/** As clients write them: fields that a handshake must have, and what browsers add. In another case a name stays a copy. */
const NAMES = [
  'Host', 'Connection', 'Upgrade', 'Origin', 'Sec-WebSocket-Version', 'Sec-WebSocket-Key', 'Sec-WebSocket-Extensions', 'Sec-WebSocket-Protocol',
  'User-Agent', 'Pragma', 'Cache-Control', 'Accept', 'Accept-Encoding', 'Accept-Language', 'Cookie',
  'Sec-Fetch-Dest', 'Sec-Fetch-Mode', 'Sec-Fetch-Site', 'X-Forwarded-For', 'X-Forwarded-Host', 'X-Forwarded-Proto'
]

const VALUES = [
  'websocket', 'Upgrade', 'upgrade', 'keep-alive, Upgrade', '13', 'no-cache', '*/*', 'gzip, deflate', 'gzip, deflate, br', 'gzip, deflate, br, zstd',
  'permessage-deflate', 'permessage-deflate; client_max_window_bits'
]

const SHARED: ReadonlyMap<string, string> = new Map([...NAMES, ...VALUES].map(text => [text, text]))

/**
 * Puts one string for all requests in the place of each that is equal to it. Nobody can tell the difference but by the memory: some
 * 260 bytes of a connection by the plainest client, 400 and more by a browser. To be called before anybody asks for
 * `request.headers`: Node makes that of these strings when it is first asked for.
 */
export function shareStrings (request: IncomingMessage): void {
  const { rawHeaders } = request
  // What another listener of `upgrade` has frozen stays.
  if (!Object.isFrozen(rawHeaders)) {
    for (let at = 0; at < rawHeaders.length; at++) {
      const shared = SHARED.get(rawHeaders[at] ?? '')
      if (shared !== undefined) rawHeaders[at] = shared
    }
  }
  if (request.httpVersion === '1.1') request.httpVersion = '1.1'
}
