// Two ends of a connection in memory, with as much of a TCP socket's behaviour as HTTP and WebSocket look at.
import { Duplex } from 'node:stream'

export class MemorySocket extends Duplex {
  readonly remoteAddress: string | undefined
  #peer: MemorySocket | undefined
  /** The peer is reading, or has read, the bytes of a write: then the next one may come. */
  #onRead: (() => void) | undefined

  private constructor (remoteAddress: string | undefined) {
    super()
    this.remoteAddress = remoteAddress
  }

  /**
   * Makes a pair: what is written to one end is read at the other.
   *
   * @param remoteAddress - whom the server's end takes for its peer
   */
  static pair (remoteAddress: string): { client: MemorySocket, server: MemorySocket } {
    const client = new MemorySocket(undefined)
    const server = new MemorySocket(remoteAddress)
    client.#peer = server
    server.#peer = client
    return { client, server }
  }

  override _read (): void {
    const onRead = this.#onRead
    this.#onRead = undefined
    onRead?.()
  }

  override _write (chunk: Buffer, _encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    this.#deliver(chunk, callback)
  }

  override _final (callback: (error?: Error | null) => void): void {
    this.#deliver(null, callback)
  }

  override _destroy (error: Error | null, callback: (error?: Error | null) => void): void {
    // As with a FIN: the other end reads what is on its way, and then the end. Nobody here waits for it to arrive.
    if (!this.writableFinished) this.#deliver(null, () => {})
    // What the other end had written and was not read is lost, and holds it up no longer.
    this._read()
    callback(error)
  }

  /** In a tick of its own, as from a network: never while the writer's code is on the stack. */
  #deliver (chunk: Buffer | null, callback: () => void): void {
    const peer = this.#peer
    setImmediate(() => {
      if (peer === undefined || peer.destroyed || peer.readableEnded) return callback()
      if (chunk === null) {
        peer.push(null)
        // Somebody has to ask for it, as net.Socket does, or the end of a paused stream goes unnoticed.
        peer.read(0)
        return callback()
      }
      if (peer.push(chunk)) return callback()
      peer.#onRead = callback
    })
  }
}
