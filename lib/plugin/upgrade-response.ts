// The answer to an upgrade. Owns four rules: a 101 says what was agreed on; without an agreement there is none; it alone leaves
// the connection open, and every other answer says so; an answer that was given is not added to by whoever comes late.
import { ServerResponse } from 'node:http'
import type { IncomingMessage, OutgoingHttpHeader, OutgoingHttpHeaders } from 'node:http'
import type { Upgrade } from './upgrade.ts'

type Headers = OutgoingHttpHeaders | OutgoingHttpHeader[]

/** What the 101 says and no refusal may: a handshake that had been agreed on fails when an onSend hook does. */
const AGREEMENT = ['sec-websocket-accept', 'sec-websocket-protocol', 'sec-websocket-extensions']

/** What hooks have no say in when the answer is 101: the fields above, and those of a body, as it has none (RFC 9110 §8.6, RFC 9112 §6.1). */
const SETTLED: ReadonlySet<string> = new Set([...AGREEMENT, 'connection', 'upgrade', 'content-length', 'transfer-encoding'])

/** Whether the answer has been given, as Node has it. */
const readEnded = findGetter(ServerResponse.prototype, 'writableEnded')

export class UpgradeResponse extends ServerResponse {
  /** What waits for this answer, until that is over. */
  upgrade: Upgrade | undefined
  #agreement: Readonly<Record<string, string>> | undefined
  #isSealed = false
  #misanswer: number | undefined
  #hearsDrain = false

  static {
    // What Fastify goes by: an answer that is sealed is none of its business any more. Defined so, as Node's types have a property
    // where Node has an accessor, and a class cannot override the one with the other.
    Object.defineProperty(UpgradeResponse.prototype, 'writableEnded', {
      get (this: UpgradeResponse) { return this.#isSealed || readEnded.call(this) }
    })
  }

  constructor (request: IncomingMessage, upgrade?: Upgrade) {
    super(request)
    this.upgrade = upgrade
    this.shouldKeepAlive = false
  }

  /** The status below 200 that somebody has given without an agreement, in place of which the peer got 500. */
  get misanswer (): number | undefined {
    return this.#misanswer
  }

  /** Says what a 101 has to say; hooks may add to it. */
  agree (headers: Readonly<Record<string, string>>): void {
    this.#agreement = headers
  }

  /**
   * Takes nothing more from Fastify, hooks and handlers, to which it looks as if it had been given. What they have set on it is for
   * another answer, and is not sent.
   */
  seal (): void {
    this.#isSealed = true
    for (const name of this.getHeaderNames()) this.removeHeader(name)
  }

  /** Gives the answer, past the seal and for good. */
  finishWith (statusCode: number, headers: OutgoingHttpHeaders, body: string): void {
    this.#isSealed = false
    this.writeHead(statusCode, headers)
    super.end(body)
    this.#isSealed = true
  }

  override setHeader (name: string, value: number | string | readonly string[]): this {
    return this.#isSealed ? this : super.setHeader(name, value)
  }

  override write (chunk: unknown, ...rest: unknown[]): boolean {
    if (this.#isSealed) return true
    // An overload for each way to leave something out; they go on as they came.
    const hasRoom = super.write(chunk, ...rest as never[])
    if (!hasRoom) this.#hearDrain()
    return hasRoom
  }

  /** Node's own server does this for answers that are streamed. */
  #hearDrain (): void {
    if (this.#hearsDrain) return
    this.#hearsDrain = true
    this.socket?.on('drain', () => this.emit('drain'))
  }

  override end (...args: unknown[]): this {
    return this.#isSealed ? this : super.end(...args as never[])
  }

  override writeHead (statusCode: number, reason?: string | Headers, headers?: Headers): this {
    if (this.#isSealed) return this
    // As in Node, the reason may be left out.
    const given = typeof reason === 'string' ? headers : reason
    if (statusCode < 200 && (statusCode !== 101 || this.#agreement === undefined)) return this.#misanswered(statusCode, given)
    const own = statusCode === 101 ? this.#switchHeaders(given) : this.#refusalHeaders(given)
    return typeof reason === 'string' ? super.writeHead(statusCode, reason, own) : super.writeHead(statusCode, own)
  }

  /** No answer that ends the handshake: the peer would take what follows, or nothing, for one. Fastify lets a hook give it all the same. */
  #misanswered (statusCode: number, given: Headers | undefined): this {
    this.#misanswer = statusCode
    this.removeHeader('upgrade')
    const { upgrade: _, ...headers } = withLowerCaseNames(Array.isArray(given) ? {} : given)
    return this.writeHead(500, headers)
  }

  #switchHeaders (given: Headers | undefined): Headers | undefined {
    // As below.
    if (this.#agreement === undefined || Array.isArray(given)) return given
    for (const name of this.getHeaderNames()) if (SETTLED.has(name)) this.removeHeader(name)
    if (given === undefined) return this.#agreement
    // Mostly hooks add nothing, and what was agreed on goes as it is.
    let headers: OutgoingHttpHeaders | undefined
    for (const name of Object.keys(given)) {
      const lowerCase = name.toLowerCase()
      if (!SETTLED.has(lowerCase)) (headers ??= { ...this.#agreement })[lowerCase] = given[name]
    }
    return headers ?? this.#agreement
  }

  /** What follows an answer other than 101 is never read as a request: the peer must not send one. */
  #refusalHeaders (given: Headers | undefined): Headers | undefined {
    // Raw header lists are Node's own business; Fastify gives an object.
    if (Array.isArray(given)) return given
    const headers = withLowerCaseNames(given)
    if (headers['sec-websocket-accept'] !== undefined) delete headers['upgrade']
    for (const name of AGREEMENT) delete headers[name]
    // RFC 9110 §7.8: who sends Upgrade says so in Connection.
    headers['connection'] = headers['upgrade'] === undefined ? 'close' : 'close, Upgrade'
    return headers
  }
}

/** Finds what reads an accessor, which may be an inherited one: asked for several times by each answer, it is looked for once. */
function findGetter (prototype: object, name: string): (this: object) => unknown {
  for (let owner: object | null = prototype; owner !== null; owner = Object.getPrototypeOf(owner) as object | null) {
    const getter = Object.getOwnPropertyDescriptor(owner, name)?.get
    if (getter !== undefined) return getter
  }
  return function () { return Reflect.get(prototype, name, this) }
}

function withLowerCaseNames (given: OutgoingHttpHeaders = {}): OutgoingHttpHeaders {
  return Object.fromEntries(Object.entries(given).map(([name, value]) => [name.toLowerCase(), value]))
}
