// A TCP or TLS socket that writes what it is told and keeps what it gets. Knows just enough HTTP to tell one answer from the
// next; adds no header and mends nothing.
import { connect as connectTcp } from 'node:net'
import type { Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'

/** The shortest handshake that is one, RFC 6455's own key included. */
export const HANDSHAKE_LINES: readonly string[] = [
  'Host: localhost', 'Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=='
]

/** Writes a request head: the request line, and the fields as given. */
export function head (requestLine: string, fields: readonly string[] = []): string {
  return [requestLine, ...fields, '', ''].join('\r\n')
}

/** Writes a handshake for a path, with more fields behind those it needs. */
export function handshake (path: string, fields: readonly string[] = []): string {
  return head(`GET ${path} HTTP/1.1`, [...HANDSHAKE_LINES, ...fields])
}

export interface RawAnswer {
  readonly statusCode: number
  /** Names in lower case; a repeated field's values joined with ', '. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

export type RawEnding = 'fin' | 'error'

export class RawClient {
  readonly socket: Socket
  readonly #tcp: Socket
  /** How the connection ended for reading, if it has. */
  ending: RawEnding | undefined
  #received = Buffer.alloc(0)
  #wake: Array<() => void> = []

  private constructor (socket: Socket, tcp: Socket) {
    this.socket = socket
    this.#tcp = tcp
    socket.on('data', (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk])
      this.#changed()
    })
    socket.on('end', () => this.#end('fin'))
    socket.on('error', () => this.#end('error'))
    socket.on('close', () => this.#end('error'))
  }

  /** Connects to a port of this machine. It never half-closes by itself. */
  static async connect (port: number, options: { tls?: boolean, host?: string } = {}): Promise<RawClient> {
    const { tls = false, host = '127.0.0.1' } = options
    const tcp = connectTcp({ port, host, allowHalfOpen: true })
    // The test's own certificate is signed by nobody.
    const socket = tls ? connectTls({ socket: tcp, rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] }) : tcp
    const client = new RawClient(socket, tcp)
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject).once(tls ? 'secureConnect' : 'connect', () => resolve())
    })
    return client
  }

  /** All bytes that came, one character a byte. */
  get text (): string {
    return this.#received.toString('latin1')
  }

  /** The answers that have come whole, those without a length when the connection has ended. */
  get answers (): RawAnswer[] {
    return readAnswers(this.text, this.ending !== undefined)
  }

  write (bytes: string | Uint8Array): this {
    this.socket.write(bytes as string) // either is fine; the types have an overload for each
    return this
  }

  /** Resolves when `isEnough` is true; rejects when the connection ends before. */
  async until (isEnough: (client: this) => boolean): Promise<this> {
    while (!isEnough(this)) {
      if (this.ending !== undefined) throw new Error(`the connection ended (${this.ending}) after ${JSON.stringify(this.text)}`)
      await new Promise<void>((resolve) => { this.#wake.push(resolve) })
    }
    return this
  }

  /** Resolves with the first `count` answers. */
  async untilAnswers (count: number): Promise<RawAnswer[]> {
    await this.until(() => this.answers.length >= count)
    return this.answers
  }

  /** Resolves with how the connection ended for reading. */
  async untilEnd (): Promise<RawEnding> {
    while (this.ending === undefined) await new Promise<void>((resolve) => { this.#wake.push(resolve) })
    return this.ending
  }

  /** Sends FIN. */
  end (): void {
    this.socket.end()
  }

  /** Sends RST. */
  reset (): void {
    this.#tcp.resetAndDestroy()
  }

  destroy (): void {
    this.socket.destroy()
  }

  #end (ending: RawEnding): void {
    this.ending ??= ending
    this.#changed()
  }

  #changed (): void {
    const waiting = this.#wake
    this.#wake = []
    for (const wake of waiting) wake()
  }
}

function readAnswers (text: string, isAll: boolean): RawAnswer[] {
  const answers: RawAnswer[] = []
  let rest = text
  for (;;) {
    const headEnd = rest.indexOf('\r\n\r\n')
    if (headEnd === -1) return answers
    const [statusLine = '', ...lines] = rest.slice(0, headEnd).split('\r\n')
    const statusCode = Number(/^HTTP\/1\.1 (\d{3})/.exec(statusLine)?.[1])
    const headers = readFields(lines)
    rest = rest.slice(headEnd + 4)
    // What follows a 101 is no HTTP.
    if (statusCode === 101) return [...answers, { statusCode, headers, body: rest }]
    const found = readBody(rest, statusCode, headers, isAll)
    if (found === undefined) return answers
    answers.push({ statusCode, headers, body: found.body })
    rest = rest.slice(found.end)
  }
}

function readFields (lines: readonly string[]): Record<string, string> {
  const headers: Record<string, string> = {}
  for (const line of lines) {
    const colon = line.indexOf(':')
    const name = line.slice(0, colon).toLowerCase()
    const value = line.slice(colon + 1).trim()
    headers[name] = headers[name] === undefined ? value : `${headers[name]}, ${value}`
  }
  return headers
}

function readBody (rest: string, statusCode: number, headers: Readonly<Record<string, string>>, isAll: boolean): { body: string, end: number } | undefined {
  if (statusCode < 200) return { body: '', end: 0 }
  if (headers['transfer-encoding'] === 'chunked') return readChunks(rest)
  if (headers['content-length'] === undefined) return isAll ? { body: rest, end: rest.length } : undefined
  const length = Number(headers['content-length'])
  return rest.length < length ? undefined : { body: rest.slice(0, length), end: length }
}

function readChunks (rest: string): { body: string, end: number } | undefined {
  let body = ''
  let at = 0
  for (;;) {
    const lineEnd = rest.indexOf('\r\n', at)
    if (lineEnd === -1) return undefined
    const size = parseInt(rest.slice(at, lineEnd), 16)
    const next = lineEnd + 2 + size + 2
    if (rest.length < next) return undefined
    if (size === 0) return { body, end: next }
    body += rest.slice(lineEnd + 2, lineEnd + 2 + size)
    at = next
  }
}
