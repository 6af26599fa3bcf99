// This package's own engine in the client role as a wire: TCP or TLS, the opening handshake, a Connection. Owns the socket until the
// Connection has it, and what becomes of a refusal.
import { request as httpRequest } from 'node:http'
import type { ClientRequest, IncomingMessage } from 'node:http'
import { connect as connectTcp, isIP } from 'node:net'
import type { Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { Connection } from '../connection/connection.ts'
import type { ConnectionSettings } from '../connection/connection.ts'
import { DEFLATE_DEFAULTS, deflateSettings } from '../connection/deflate/settings.ts'
import type { DeflateTuning } from '../connection/deflate/settings.ts'
import { offerDeflate, readDeflateAnswer } from '../protocol/deflate-offer.ts'
import type { DeflateWish } from '../protocol/deflate-offer.ts'
import { UsageError } from '../protocol/errors.ts'
import { buildRequest, generateKey, judgeResponse } from '../protocol/handshake-client.ts'
import type { HandshakeOffer } from '../protocol/handshake-client.ts'
import { openNative } from './browser-wire.ts'
import { ClientError } from './errors.ts'
import { readNumbers, readPingTimes, usesApplicationPings } from './options.ts'
import type { ConnectSettings } from './option-types.ts'
import type { Loss, Wire, WireEvents, WireTarget } from './wire.ts'

/** Most bytes of a refusal's body that are read, and how long, in ms, it may take. */
const MOST_BODY = 65_536
const BODY_TIMEOUT = 2_000

const MAX_PAYLOAD = 104_857_600

/** Messages that may wait for slow handlers before the connection is not read any more. */
const MOST_WAITING = 16

/** From where to where each may be. */
const DEFLATE_RANGES: ReadonlyArray<readonly [name: keyof (DeflateWish & DeflateTuning), least: number, most: number]> = [
  ['threshold', 0, Number.MAX_SAFE_INTEGER], ['level', 1, 9], ['memLevel', 1, 9], ['serverMaxWindowBits', 8, 15], ['clientMaxWindowBits', 8, 15]
]

/** @throws {ClientError} `FST_WS_CLIENT_OPTION` */
export function checkNode (options: ConnectSettings): void {
  if (options.baseUrl === undefined) throw new ClientError('OPTION', 'baseUrl is missing')
  readDeflate(options)
  readNumbers(options, { maxPayload: MAX_PAYLOAD })
  if (options.webSocket !== undefined && options.headers !== undefined) {
    throw new ClientError('OPTION', 'headers: a WHATWG WebSocket, given as webSocket, sends none')
  }
}

/** Begins to connect. @throws {ClientError} `FST_WS_CLIENT_OPTION` for a header or token that cannot be sent */
export function openNode (target: WireTarget, events: WireEvents, options: ConnectSettings): Wire {
  if (options.webSocket !== undefined) return openNative(target, events, options)
  return new NodeWire(target, events, options)
}

/** Tells an HTTP answer of 4xx on the request, but for those that say: too slow, too early, too many. */
export function isRefusal (error: unknown): boolean {
  return error instanceof ClientError && error.code === 'FST_WS_CLIENT_REFUSED' && /^4(?!08|25|29)/.test(`${error.statusCode}`)
}

/** What only this wire has, a command line uses. */
export class NodeWire implements Wire {
  readonly #events: WireEvents
  readonly #options: ConnectSettings
  readonly #deflate: (DeflateWish & DeflateTuning) | false
  readonly #offer: HandshakeOffer
  readonly #request: ClientRequest
  readonly #socket: Socket
  #connection: Connection | undefined
  #error: Error | undefined
  #isOver = false
  #isHeldBack = false

  constructor (target: WireTarget, events: WireEvents, options: ConnectSettings) {
    this.#events = events
    this.#options = options
    this.#deflate = readDeflate(options)
    const extensions = this.#deflate === false ? [] : [offerDeflate(this.#deflate)]
    this.#offer = { key: generateKey(), protocols: target.protocols, extensions }
    const fields = describeRequest(target, this.#offer)
    const socket = openSocket(target.url, options)
    this.#socket = socket
    const request = httpRequest({ createConnection: () => socket, path: pathOf(target.url), headers: fields })
    request.on('error', (error) => this.#end({ code: 1006, reason: '', wasClean: false, error }))
    request.on('response', (response) => { this.#onRefusal(response) })
    request.on('upgrade', (response, _socket, head) => this.#onUpgrade(response, head))
    request.end()
    this.#request = request
  }

  get protocol (): string {
    return this.#connection?.protocol ?? ''
  }

  get readyState (): number {
    return this.#connection?.readyState ?? Connection.CONNECTING
  }

  get bufferedAmount (): number {
    return this.#connection?.bufferedAmount ?? 0
  }

  send (data: string | Uint8Array): void {
    this.#connection?.send(data)
  }

  /** Sends; resolves when the socket has taken it. Rejects if it never will. */
  async sendAndWait (data: string | Uint8Array): Promise<void> {
    await this.#connection?.sendAndWait(data)
  }

  /** Sends a ping of the protocol. @param onPong - gets the time until its answer, in ms */
  ping (onPong: (latency: number) => void): void {
    const connection = this.#connection
    const sentAt = performance.now()
    const listener = (data: Buffer): void => {
      if (data.toString() !== String(sentAt)) return
      connection?.off('pong', listener)
      onPong(performance.now() - sentAt)
    }
    connection?.on('pong', listener).ping(String(sentAt))
  }

  close (code?: number, reason?: string): void {
    this.#connection?.close(code, reason)
  }

  /** Closes; what the server has sent before it heard of it still comes. */
  closeAfterDelivery (code: number): void {
    this.#connection?.closeAfterDelivery(code)
  }

  terminate (): void {
    this.#isOver = true
    this.#request.destroy()
    if (this.#connection === undefined) this.#socket.destroy()
    else this.#connection.terminate()
  }

  onWaiting (count: number): void {
    // Answers to pings that are messages come behind the others.
    const mustWait = count > MOST_WAITING && !usesApplicationPings(this.#options)
    if (mustWait === this.#isHeldBack) return
    this.#isHeldBack = mustWait
    if (mustWait) this.pause()
    else this.resume()
  }

  pause (): void {
    this.#connection?.pause()
  }

  resume (): void {
    this.#connection?.resume()
  }

  #onUpgrade ({ statusCode = 0, rawHeaders }: IncomingMessage, head: Buffer): void {
    try {
      const { protocol, extensions } = judgeResponse({ statusCode, rawHeaders }, this.#offer)
      const agreed = this.#deflate === false ? undefined : readDeflateAnswer(extensions, this.#deflate)
      const settings = this.#settings()
      const deflate = this.#deflate !== false && agreed !== undefined ? { deflate: deflateSettings(agreed, 'client', this.#deflate) } : {}
      const connection = new Connection(this.#socket, { ...settings, ...deflate }, { protocol })
      this.#connection = connection
      connection.on('message', (data: string | Buffer) => this.#events.onMessage(typeof data === 'string' ? data : toArrayBuffer(data)))
      connection.on('close', (code: number, reason: string, { wasClean }: { readonly wasClean: boolean }) => {
        this.#end({ code, reason, wasClean, error: this.#error })
      })
      // What has come with the handshake is told behind `open`.
      this.#events.onOpen()
      if (!this.#isOver) connection.start(head)
    } catch (error) {
      this.#socket.destroy()
      this.#end({ code: 1006, reason: '', wasClean: false, error: error as Error }) // a HandshakeError
    }
  }

  async #onRefusal (response: IncomingMessage): Promise<void> {
    const { statusCode = 0, headers } = response
    const body = await readBody(response)
    this.#end({ code: 1006, reason: '', wasClean: false, error: Object.assign(new ClientError('REFUSED', readMessage(body) ?? statusCode), { statusCode, headers, body }) })
    this.terminate()
  }

  #settings (): ConnectionSettings {
    const { closeTimeout = 5_000, maxPayload = MAX_PAYLOAD, ping } = this.#options
    return {
      role: 'client',
      maxPayload,
      closeTimeout,
      highWaterMark: 65_536,
      concurrency: 1,
      maxQueuedMessages: 1_000,
      ...(ping !== false && !usesApplicationPings(this.#options) && { heartbeat: readPingTimes(this.#options) }),
      // What the client's listeners throw stays in it: this is the server's, the socket's or the heartbeat's.
      onError: (error) => { this.#error ??= error }
    }
  }

  #end (loss: Loss): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#events.onClose(loss)
  }
}

function openSocket ({ protocol, hostname, port }: URL, { tls }: ConnectSettings): Socket {
  const host = hostname.replace(/^\[|\]$/g, '')
  const isTls = protocol === 'wss:'
  const address = { host, port: port === '' ? (isTls ? 443 : 80) : Number(port) }
  // A name is sent to the server, and an address may not be (RFC 6066 §3).
  const socket = isTls
    ? connectTls({ ALPNProtocols: ['http/1.1'], ...(isIP(host) === 0 && { servername: host }), ...tls as object, ...address })
    : connectTcp(address)
  return socket.setNoDelay()
}

/**
 * Builds the request as text, which checks all of it, and takes it apart again for Node's client.
 *
 * @throws {ClientError} `FST_WS_CLIENT_OPTION`
 */
function describeRequest (target: WireTarget, offer: HandshakeOffer): string[] {
  const { url, token, headers = {} } = target
  const hasOwn = Object.keys(headers).some((name) => name.toLowerCase() === 'authorization')
  const credentials = token !== undefined ? `Bearer ${token}` : url.username !== '' && !hasOwn ? basicOf(url) : undefined
  try {
    const text = buildRequest({
      path: pathOf(url), host: url.host, ...offer, headers: { ...headers, ...(credentials !== undefined && { Authorization: credentials }) }
    })
    return text.trimEnd().split('\r\n').slice(1).flatMap((line) => {
      const colon = line.indexOf(':')
      return [line.slice(0, colon), line.slice(colon + 1).trim()]
    })
  } catch (error) {
    if (error instanceof UsageError) throw new ClientError('OPTION', error.message, { cause: error })
    throw error
  }
}

function pathOf ({ pathname, search }: URL): string {
  return pathname + search
}

/** RFC 7617 §2. */
function basicOf ({ username, password }: URL): string {
  return `Basic ${Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString('base64')}`
}

/** Reads as much of a body as comes in time and is wanted. */
async function readBody (response: IncomingMessage): Promise<string> {
  const timer = setTimeout(() => response.destroy(), BODY_TIMEOUT)
  const chunks: Buffer[] = []
  let length = 0
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) { // no encoding is set
      chunks.push(chunk)
      length += chunk.length
      if (length >= MOST_BODY) break
    }
  } catch {
    // What there is of it may tell something all the same.
  }
  clearTimeout(timer)
  return Buffer.concat(chunks).toString('utf8', 0, MOST_BODY)
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

/** @throws {ClientError} `FST_WS_CLIENT_OPTION` */
function readDeflate ({ perMessageDeflate }: ConnectSettings): (DeflateWish & DeflateTuning) | false {
  if (perMessageDeflate === undefined || perMessageDeflate === false) return false
  const deflate = { ...DEFLATE_DEFAULTS, ...(typeof perMessageDeflate === 'object' && perMessageDeflate) }
  for (const [name, least, most] of DEFLATE_RANGES) {
    const value = deflate[name]
    if (!Number.isSafeInteger(value) || Number(value) < least || Number(value) > most) {
      throw new ClientError('OPTION', `perMessageDeflate.${name} must be an integer from ${least} to ${most}, got ${String(value)}`)
    }
  }
  return deflate
}

/** Copies: the bytes may be part of a larger buffer. */
function toArrayBuffer ({ buffer, byteOffset, byteLength }: Buffer): ArrayBuffer {
  return buffer.slice(byteOffset, byteOffset + byteLength) as ArrayBuffer // a message lies in no shared memory
}
