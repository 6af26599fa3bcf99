// Bytes of a message that arrive in pieces. Owns how they are kept: memory follows the bytes, never the number of pieces.

/** From this many bytes on a piece is kept as it is, if that does not hold much more memory alive. */
const KEEP_FROM = 4096
const SMALLEST_PAGE = 512
const LARGEST_PAGE = 65_536
const EMPTY: Buffer = Buffer.alloc(0)

/**
 * Takes `bytes[start, end)` out of a larger chunk for a receiver that may keep it.
 *
 * A view where it is at least a quarter of the memory behind it, otherwise a copy, so that a small payload never keeps
 * a whole chunk alive.
 */
export function takeBytes (bytes: Buffer, start: number, end: number): Buffer {
  const length = end - start
  if (length * 4 >= bytes.buffer.byteLength) return bytes.subarray(start, end)
  if (length === 0) return EMPTY
  const copy = Buffer.allocUnsafe(length)
  bytes.copy(copy, 0, start, end)
  return copy
}

/**
 * Collects pieces and hands them out as one Buffer.
 *
 * Small pieces are copied together into pages that grow with what has arrived; large ones stay where they are. What is
 * kept alive is at most twice the bytes held plus one page.
 */
export class PayloadBuffer {
  readonly #parts: Buffer[] = []
  #page: Buffer = EMPTY
  #pageUsed = 0
  #pageStart = 0
  #length = 0

  get length (): number {
    return this.#length
  }

  /** Adds `bytes[start, end)`; small pieces are copied, large ones kept as views. */
  append (bytes: Buffer, start: number, end: number): void {
    const length = end - start
    if (length === 0) return
    this.#length += length
    if (length >= KEEP_FROM && length * 2 >= bytes.buffer.byteLength) {
      this.#closePage()
      this.#parts.push(bytes.subarray(start, end))
      return
    }
    let at = start
    while (at < end) {
      if (this.#pageUsed === this.#page.length) this.#openPage()
      const copied = bytes.copy(this.#page, this.#pageUsed, at, end)
      this.#pageUsed += copied
      at += copied
    }
  }

  /** Takes everything out as one Buffer and leaves this empty. */
  take (): Buffer {
    this.#closePage()
    const whole = this.#parts.length === 1 ? this.#parts[0]! : Buffer.concat(this.#parts, this.#length)
    this.clear()
    return whole
  }

  clear (): void {
    this.#parts.length = 0
    this.#page = EMPTY
    this.#pageUsed = 0
    this.#pageStart = 0
    this.#length = 0
  }

  /** A page is as large as all that has arrived so far, within bounds: few pages, and never much more than the bytes. */
  #openPage (): void {
    this.#closePage()
    this.#page = Buffer.allocUnsafeSlow(Math.min(Math.max(this.#length, SMALLEST_PAGE), LARGEST_PAGE))
    this.#pageUsed = 0
    this.#pageStart = 0
  }

  /** Moves what was written since the last part into the parts; the rest of the page stays in use. */
  #closePage (): void {
    if (this.#pageUsed > this.#pageStart) this.#parts.push(this.#page.subarray(this.#pageStart, this.#pageUsed))
    this.#pageStart = this.#pageUsed
  }
}
