// The answer to an upgrade. Owns one rule: only a 101 leaves the connection open, and every other answer says so.
import { ServerResponse } from 'node:http'
import type { IncomingMessage, OutgoingHttpHeader, OutgoingHttpHeaders } from 'node:http'

type Headers = OutgoingHttpHeaders | OutgoingHttpHeader[]

/** What the 101 says and no refusal may: a handshake that had been agreed on fails when an onSend hook does. */
const AGREEMENT = ['sec-websocket-accept', 'sec-websocket-protocol', 'sec-websocket-extensions']

export class UpgradeResponse extends ServerResponse {
  constructor (request: IncomingMessage) {
    super(request)
    this.shouldKeepAlive = false
  }

  override writeHead (statusCode: number, reason?: string | Headers, headers?: Headers): this {
    // As in Node, the reason may be left out.
    const given = typeof reason === 'string' ? headers : reason
    const own = statusCode === 101 ? given : this.#refusalHeaders(given)
    return typeof reason === 'string' ? super.writeHead(statusCode, reason, own) : super.writeHead(statusCode, own)
  }

  /** What follows an answer other than 101 is never read as a request: the peer must not send one. */
  #refusalHeaders (given: Headers | undefined): Headers | undefined {
    // Raw header lists are Node's own business; Fastify gives an object.
    if (Array.isArray(given)) return given
    const headers: OutgoingHttpHeaders = {}
    for (const [name, value] of Object.entries(given ?? {})) headers[name.toLowerCase()] = value
    if (headers['sec-websocket-accept'] !== undefined) delete headers['upgrade']
    for (const name of AGREEMENT) delete headers[name]
    // RFC 9110 §7.8: who sends Upgrade says so in Connection.
    headers['connection'] = headers['upgrade'] === undefined ? 'close' : 'close, Upgrade'
    return headers
  }
}
