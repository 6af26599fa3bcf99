// Sockets of an HTTP server on which nobody has asked for anything, or not all of it: `server.close()` waits for them, for
// ever. Owns which sockets those are; when they have to go the shutdown says.
import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import { Server as TlsServer } from 'node:tls'
import { findAnswer } from './hand-back.ts'

// Nothing is hung on the server: this leads from it to its sockets.
const watches = new WeakMap<object, SilentSockets>()

/** Takes note that a socket has become a WebSocket connection, which has an end of its own. */
export function forgetSocket (server: object, socket: unknown): void {
  watches.get(server)?.forget(socket)
}

/** So many sockets that have closed may be kept, or as many as are open, before they are looked for. */
const MAX_CLOSED = 64

export class SilentSockets {
  readonly #server: Server
  readonly #isSecure: boolean
  /** Closed ones leave when there are many: a listener on each would cost every handshake more than a look now and then. */
  readonly #sockets = new Set<unknown>()
  /** When there are so many, the closed ones are taken out. */
  #sweepAt = MAX_CLOSED
  /** Those on which TLS has not been agreed on, by their peer: what comes of one is another object. */
  readonly #insecure = new Map<string, { readonly socket: Socket, readonly onClose: () => void }>()
  #isOver = false

  constructor (server: Server) {
    this.#server = server
    this.#isSecure = server instanceof TlsServer
    watches.set(server, this)
    server.on('connection', this.#isSecure ? this.#onInsecure : this.#onConnection)
    if (this.#isSecure) server.on('secureConnection', this.#onConnection)
  }

  forget (socket: unknown): void {
    this.#sockets.delete(socket)
  }

  /** Destroys them, and whatever comes from now on; one with an answer under way when that is out. */
  destroy (): void {
    this.#isOver = true
    for (const { socket } of this.#insecure.values()) socket.destroy()
    // Only sockets are put in.
    for (const socket of this.#sockets as Set<Socket>) {
      if (isSilent(socket)) socket.destroy()
      else findAnswer(socket)?.once('close', () => { if (isSilent(socket)) socket.end(() => socket.destroy()) })
    }
  }

  /** Lets go of the server. */
  end (): void {
    for (const event of ['connection', 'secureConnection']) this.#server.off(event, this.#onInsecure).off(event, this.#onConnection)
    watches.delete(this.#server)
  }

  readonly #onInsecure = (socket: Socket): void => {
    if (this.#isOver) {
      socket.destroy()
      return
    }
    const peer = peerOf(socket)
    const onClose = (): void => this.#forgetInsecure(peer)
    this.#insecure.set(peer, { socket, onClose })
    socket.once('close', onClose)
  }

  #forgetInsecure (peer: string): void {
    const found = this.#insecure.get(peer)
    found?.socket.off('close', found.onClose)
    this.#insecure.delete(peer)
  }

  readonly #onConnection = (socket: Socket): void => {
    if (this.#isSecure) this.#forgetInsecure(peerOf(socket))
    if (this.#isOver) {
      socket.destroy()
      return
    }
    // A socket that was handed back to the server is told of again.
    this.#sockets.add(socket)
    if (this.#sockets.size >= this.#sweepAt) this.#sweep()
  }

  #sweep (): void {
    // As above.
    for (const socket of this.#sockets as Set<Socket>) if (socket.destroyed) this.#sockets.delete(socket)
    this.#sweepAt = Math.max(MAX_CLOSED, this.#sockets.size * 2)
  }
}

function peerOf ({ remoteAddress = '', remotePort = 0 }: Socket): string {
  return `${remoteAddress} ${remotePort}`
}

/**
 * Tells a socket without a request under way from one that is answered, and from one that another listener of `upgrade` or
 * `connect` has taken. One behind a refused handshake is silent too: it waits for the peer to end it.
 */
function isSilent (socket: Socket): boolean {
  if (findAnswer(socket) !== undefined) return false
  // Undocumented, as `findAnswer`: the HTTP parser of a socket, which it loses by an upgrade.
  const { parser } = socket as { parser?: unknown }
  return socket.writableEnded || parser != null
}
