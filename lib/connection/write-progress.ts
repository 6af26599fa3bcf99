// How far a stream has come with what it was given to write. Owns the look into Node's sockets that it takes.
import type { Duplex } from 'node:stream'

/** Bytes of the write under way that the kernel has not taken; Node tells a slow write from a stuck one by it. Undocumented, so it may be missing. */
interface SocketInternals {
  readonly bytesWritten?: number
  /** `_parent`: under TLS, the handle of the connection that the encrypted bytes go to. */
  readonly _handle?: { readonly writeQueueSize?: number, readonly _parent?: { readonly writeQueueSize?: number } } | null
}

/** Reads a number that changes whenever bytes leave this process, in the midst of one write too, and not when more is written. */
export function readWriteProgress (stream: Duplex): number {
  // A stream that is no socket has neither.
  const { bytesWritten = 0, _handle } = stream as SocketInternals
  return bytesWritten - stream.writableLength - (_handle?._parent?.writeQueueSize ?? _handle?.writeQueueSize ?? 0)
}
