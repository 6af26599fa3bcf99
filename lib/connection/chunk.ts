// Bytes that wait for a flush.
import type { Slab } from './slab.ts'

/** A closed stretch of a slab, frames in a page of the log, or a Buffer that stays as it is. */
export interface Chunk {
  readonly page: Buffer
  readonly start: number
  /** Moves on where `bytes` is undefined: frames that lie behind it in the same page are put to it. */
  end: number
  /** All of it. Such a chunk may be shared by many outboxes, and stays as it is. */
  readonly bytes: Buffer | undefined
  readonly slab: Slab | undefined
}

/** Copies chunks into one of their own, as when many connections are sent to in turns, each one message at a time. */
export function gather (chunks: readonly Chunk[], length: number): Chunk {
  const bytes = Buffer.allocUnsafe(length)
  let at = 0
  for (const chunk of chunks) {
    at += chunk.page.copy(bytes, at, chunk.start, chunk.end)
    chunk.slab?.release(false)
  }
  return wholeChunk(bytes)
}

export function wholeChunk (bytes: Buffer): Chunk {
  return { page: bytes, start: 0, end: bytes.length, bytes, slab: undefined }
}

export function bytesOf ({ page, start, end, bytes }: Chunk): Buffer {
  return bytes ?? page.subarray(start, end)
}
