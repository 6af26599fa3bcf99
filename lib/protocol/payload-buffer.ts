// Bytes of a message that arrive in pieces. Owns how they are kept: memory follows the bytes, never the number of pieces, and
// never what was announced alone.

const SMALLEST_PAGE = 512
const LARGEST_PAGE = 65_536
/** Bytes for which memory may be taken before they come, besides as many as have come. */
const AHEAD = 4096
const EMPTY: Buffer = Buffer.alloc(0)

/**
 * Takes `bytes[start, end)` out of a larger chunk for a receiver that may keep it.
 *
 * A view where the chunk may be kept and the payload is at least a quarter of the memory behind it, otherwise a copy, so that a
 * small payload never keeps a whole chunk alive.
 */
export function takeBytes (bytes: Buffer, start: number, end: number, owned: boolean): Buffer {
  const length = end - start
  if (owned && length * 4 >= bytes.buffer.byteLength) return bytes.subarray(start, end)
  if (length === 0) return EMPTY
  const copy = Buffer.allocUnsafe(length)
  bytes.copy(copy, 0, start, end)
  return copy
}

/** Pages of messages that were lent, for others. What is in them nobody gets to see: a message is what was written. */
const spares: Buffer[] = []
/** From this many bytes on a page is worth keeping. */
const SPARE_FROM = 16_384
/** Bytes of a spare page, and how many of them there are. */
const LARGEST_SPARE = 1_048_576
const MAX_SPARES = 8

/** Gives the memory of a message, as `PayloadBuffer.take` returned it, to the next ones: nobody may hold it any more. */
export function givePage (payload: Buffer): void {
  const { buffer, byteLength } = payload
  const isWhole = payload.byteOffset === 0 && byteLength === buffer.byteLength
  if (isWhole && byteLength >= SPARE_FROM && byteLength <= LARGEST_SPARE && spares.length < MAX_SPARES) spares.push(payload)
}

/** Makes a page, out of a spare one of that very size if there is one: messages of one sender are mostly of one size. */
function makePage (size: number): Buffer {
  const at = size < SPARE_FROM ? -1 : spares.findIndex(({ length }) => length === size)
  // Found: it is there.
  return at === -1 ? Buffer.allocUnsafeSlow(size) : spares.splice(at, 1)[0]!
}

/**
 * Collects pieces and hands them out as one Buffer.
 *
 * Pieces are copied into one page. It grows to the size that was announced as soon as half of that is there, before that to
 * twice what is there; beyond 64 KiB pages are put aside until then, so that large messages are moved once. What is kept alive
 * is at most twice the bytes held plus some 4 KiB.
 */
export class PayloadBuffer {
  /** Full pages in front of the one that is written to. */
  #pages: Buffer[] | undefined
  #page: Buffer = EMPTY
  /** Bytes in `#page`. */
  #used = 0
  #length = 0

  get length (): number {
    return this.#length
  }

  /**
   * Copies `bytes[start, end)`.
   *
   * @param due - bytes that are announced to come behind these, and may never come
   */
  append (bytes: Buffer, start: number, end: number, due: number): void {
    const length = end - start
    if (length > this.#page.length - this.#used) this.#makeRoom(length, due)
    bytes.copy(this.#page, this.#used, start, end)
    this.#used += length
    this.#length += length
  }

  /** Takes everything out as one Buffer and leaves this empty. */
  take (): Buffer {
    const isTight = this.#pages === undefined && this.#used * 2 >= this.#page.length
    const whole = isTight ? this.#page.subarray(0, this.#used) : this.#copyInto(Buffer.allocUnsafe(this.#length))
    this.clear()
    return whole
  }

  clear (): void {
    this.#pages = undefined
    this.#page = EMPTY
    this.#used = 0
    this.#length = 0
  }

  #makeRoom (length: number, due: number): void {
    const needed = this.#length + length
    const isMostlyHere = due <= needed + AHEAD
    if (!isMostlyHere && this.#length >= LARGEST_PAGE) {
      this.#pages ??= []
      this.#pages.push(this.#page.subarray(0, this.#used))
      this.#page = makePage(Math.max(length, LARGEST_PAGE))
      this.#used = 0
      return
    }
    // At least twice what was there, so that what is moved for many small pieces is no more than they are.
    const size = Math.max(needed + (isMostlyHere ? due : needed), this.#length * 2, SMALLEST_PAGE)
    this.#page = this.#copyInto(makePage(size))
    this.#pages = undefined
    this.#used = this.#length
  }

  /** Copies all that is here to the front of `target`. */
  #copyInto (target: Buffer): Buffer {
    let at = 0
    for (const page of this.#pages ?? []) at += page.copy(target, at)
    this.#page.copy(target, at, 0, this.#used)
    return target
  }
}
