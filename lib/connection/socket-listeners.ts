// Listeners that all sockets share, so that ten thousand of them cost none each. Owns the way from a socket to who uses it.
import type { Duplex } from 'node:stream'
import { shareReads } from './shared-reads.ts'

/** Who uses a socket. */
export interface SocketUser {
  onSocketData (chunk: Buffer): void
  /** So many bytes have come to the front of the buffer that `readSocket` was given. */
  onSocketInput (length: number): void
  /** The peer has ended its side. */
  onSocketEnd (): void
  onSocketError (error: Error): void
  onSocketClose (): void
}

// Nothing is hung on a socket, and `this` tells a listener which one it is.
const users = new WeakMap<Duplex, SocketUser>()

function userOf (socket: Duplex): SocketUser {
  // Only a socket that is in the map has these listeners.
  return users.get(socket)!
}

function onData (this: Duplex, chunk: Buffer): void {
  userOf(this).onSocketData(chunk)
}

function onInput (this: Duplex, length: number): void {
  userOf(this).onSocketInput(length)
}

function onEnd (this: Duplex): void {
  userOf(this).onSocketEnd()
}

function onError (this: Duplex, error: Error): void {
  userOf(this).onSocketError(error)
}

function onClose (this: Duplex): void {
  userOf(this).onSocketClose()
}

/** Tells the one user of a socket of its errors and its close; of a close that has been before, at the end of the tick. */
export function useSocket (socket: Duplex, user: SocketUser): void {
  users.set(socket, user)
  socket.on('error', onError)
  // It tells nobody any more.
  if (socket.closed) process.nextTick(() => user.onSocketClose())
  else socket.on('close', onClose)
}

/**
 * Tells the user of a socket of its bytes and their end too.
 *
 * @param input - where bytes shall come to, if this Node and the socket can do that: see `shareReads`
 * @returns true when they do; what the socket has read already is still to be taken by `read`
 */
export function readSocket (socket: Duplex, input: Uint8Array | undefined): boolean {
  const isShared = input !== undefined && shareReads(socket, input, onInput)
  if (!isShared) socket.on('data', onData)
  socket.on('end', onEnd)
  return isShared
}
