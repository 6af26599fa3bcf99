// A client of the `ws` package, whose messages are taken one by one.
import { on, once } from 'node:events'
import type { Test } from 'tap'
import { WebSocket } from 'ws'

export class Client {
  readonly socket: WebSocket
  readonly #messages: AsyncIterator<[data: Buffer, isBinary: boolean]>
  readonly #closed: Promise<[code: number, reason: Buffer]>

  constructor (url: string, headers: Record<string, string> = {}) {
    this.socket = new WebSocket(url, { headers })
    // Both as ws documents its events. Listening starts here, so nothing is missed.
    this.#messages = on(this.socket, 'message') as AsyncIterator<[Buffer, boolean]>
    this.#closed = once(this.socket, 'close') as Promise<[number, Buffer]>
    // A refused handshake is reported by `open`, and by nobody else.
    this.#closed.catch(() => {})
  }

  /** Connects to a path of a server; rejects when the handshake is refused. */
  static async open (t: Test, origin: string, path: string, headers?: Record<string, string>): Promise<Client> {
    const client = new Client(`${origin.replace('http', 'ws')}${path}`, headers)
    t.teardown(() => client.socket.terminate())
    await once(client.socket, 'open')
    return client
  }

  sendJson (message: unknown): void {
    this.socket.send(JSON.stringify(message))
  }

  /** Takes the next message: text as a string, binary as a Buffer. */
  async take (): Promise<string | Buffer> {
    const { value: [data, isBinary] } = await this.#messages.next()
    return isBinary ? data : data.toString()
  }

  async takeJson (): Promise<unknown> {
    return JSON.parse(String(await this.take()))
  }

  /** Waits for the end: the close code and the reason. */
  async closed (): Promise<{ code: number, reason: string }> {
    const [code, reason] = await this.#closed
    return { code, reason: reason.toString() }
  }
}
