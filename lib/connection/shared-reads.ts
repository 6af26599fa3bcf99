// Reads of all sockets into one buffer, where Node allows it: without it each read costs a fresh 64 KiB. Owns what is known of
// Node's internals for that, and whether they are as expected; knows nothing of frames.
import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'

/**
 * What `net.Socket` does with its documented option `onread` is kept under these symbols; the option itself is for sockets that a
 * program opens, not for those that a server accepts. Node 20 to 26 have them alike.
 */
interface ReadSymbols {
  /** The buffer of the next read. */
  readonly buffer: symbol
  /** Called with the number of bytes read into it. */
  readonly callback: symbol
}

/** The handle's part of the same option. */
interface ReadHandle {
  useUserBuffer (buffer: Uint8Array): void
}

const SYMBOLS: ReadSymbols | undefined = findSymbols()

function findSymbols (): ReadSymbols | undefined {
  // On Windows a read takes its buffer before its bytes have come: it cannot be everybody's.
  if (process.platform === 'win32') return undefined
  const socket = new Socket()
  const find = (name: string): symbol | undefined => Object.getOwnPropertySymbols(socket)
    .find((symbol) => symbol.description === name && Reflect.get(socket, symbol) === null)
  const [buffer, callback, generator] = ['kBuffer', 'kBufferCb', 'kBufferGen'].map(find)
  return buffer !== undefined && callback !== undefined && generator !== undefined ? { buffer, callback } : undefined
}

/** Finds the handle of a plain TCP or pipe socket that can read into a given buffer. */
function readHandleOf (socket: Duplex): ReadHandle | undefined {
  // One over TLS decrypts into buffers of its own, and a subclass may be anything.
  if (Object.getPrototypeOf(socket) !== Socket.prototype) return undefined
  // Undocumented, for which there is no type. Without `Reflect`, which every handshake would pay for.
  const { _handle: handle } = socket as Duplex & { readonly _handle?: unknown }
  if (typeof handle !== 'object' || handle === null) return undefined
  return 'useUserBuffer' in handle && typeof handle.useUserBuffer === 'function' ? handle as ReadHandle : undefined
}

/**
 * Lets a socket read into `buffer`, which may be that of any number of sockets: each read is over when `onRead` returns, so
 * nothing that it calls may run the event loop. There are no 'data' events then; `pause`, `resume` and 'end' are as before.
 * What the socket has read already is still to be taken by `read`.
 *
 * @param onRead - called on the socket with the number of bytes at the front of `buffer`
 * @returns false where that is not possible; nothing has changed then
 */
export function shareReads (socket: Duplex, buffer: Uint8Array, onRead: (this: Duplex, length: number) => void): boolean {
  const handle = SYMBOLS === undefined ? undefined : readHandleOf(socket)
  // As above.
  const fields = socket as unknown as Record<symbol, unknown>
  if (SYMBOLS === undefined || handle === undefined || fields[SYMBOLS.buffer] !== null) return false
  // Somebody looks at the bytes as well.
  if (socket.listenerCount('data') + socket.listenerCount('readable') > 0) return false
  fields[SYMBOLS.buffer] = buffer
  fields[SYMBOLS.callback] = onRead
  handle.useUserBuffer(buffer)
  return true
}
