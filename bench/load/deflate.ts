// Compressed messages of the benchmarks (RFC 7692), made and read by node:zlib: what the server gets wrong is not repaired here.
import { constants, deflateRawSync, inflateRawSync } from 'node:zlib'

/** No context on either side: what most servers are set to, and what makes every answer the same. */
export const OFFER = 'permessage-deflate; server_no_context_takeover; client_no_context_takeover'

const TAIL = Buffer.from('0000ffff', 'hex')

/** As a browser does, at zlib's own level. */
export function compress (payload: string | Buffer): Buffer {
  return deflateRawSync(payload, { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -TAIL.length)
}

/** What a compressed message of one frame says; throws for any other. */
export function inflateFrame (frame: Buffer): Buffer {
  if ((frame[0]! & 0xf0) !== 0xc0) throw new Error('the answer is not compressed')
  const length = frame[1]! & 0x7f
  const payload = frame.subarray(length < 126 ? 2 : length === 126 ? 4 : 10)
  return inflateRawSync(Buffer.concat([payload, TAIL]), { finishFlush: constants.Z_SYNC_FLUSH })
}

/** Counts a server's frames by their headers, however they are cut. */
export class FrameCounter {
  #header = Buffer.alloc(0)
  /** Bytes of the frame that are still to come. */
  #due = 0

  /** @returns how many frames have come to their end in these bytes */
  count (bytes: Buffer): number {
    let frames = 0
    let at = 0
    while (at < bytes.length) {
      if (this.#due === 0) {
        const head = Buffer.concat([this.#header, bytes.subarray(at, at + 10 - this.#header.length)])
        const length = frameLengthOf(head)
        if (length === undefined) {
          this.#header = head
          return frames
        }
        // The part of the frame that lies before these bytes.
        const before = this.#header.length
        this.#header = Buffer.alloc(0)
        this.#due = length - before
      }
      const taken = Math.min(this.#due, bytes.length - at)
      at += taken
      this.#due -= taken
      if (this.#due === 0) frames++
    }
    return frames
  }
}

/** Bytes of the whole frame that begins here, as soon as its header says so. */
export function frameLengthOf (head: Buffer): number | undefined {
  if (head.length < 2) return undefined
  const length = head[1]! & 0x7f
  if (length < 126) return 2 + length
  if (length === 126) return head.length < 4 ? undefined : 4 + head.readUInt16BE(2)
  return head.length < 10 ? undefined : 10 + Number(head.readBigUInt64BE(2))
}
