// Bytes of a message that arrive in pieces. Owns how they are kept: memory follows the bytes, never the number of pieces, and
// never what was announced alone.

const SMALLEST_PAGE = 512
const LARGEST_PAGE = 65_536
/** Bytes for which memory may be taken before they come, besides as many as have come. */
const AHEAD = 4096
const EMPTY: Buffer = Buffer.alloc(0)

/** Tells whether so many of these bytes are enough of the memory behind them to keep it alive: a quarter. */
export function mayKeep (bytes: Buffer, length: number): boolean {
  return length * 4 >= bytes.buffer.byteLength
}

/**
 * Takes `bytes[start, end)` out of a larger chunk for a receiver that may keep it.
 *
 * A view where the chunk may be kept and the payload is at least a quarter of the memory behind it, otherwise a copy, so that a
 * small payload never keeps a whole chunk alive.
 */
export function takeBytes (bytes: Buffer, start: number, end: number, owned: boolean): Buffer {
  const length = end - start
  if (owned && mayKeep(bytes, length)) return bytes.subarray(start, end)
  if (length === 0) return EMPTY
  const copy = Buffer.allocUnsafe(length)
  bytes.copy(copy, 0, start, end)
  return copy
}

/** Pages that nobody needs any more, for others. What is in them nobody gets to see: a message is what was written. */
const spares: Buffer[] = []
/** From this many bytes on a page is worth keeping. */
const SPARE_FROM = 16_384
/** Bytes of all spare pages together. */
export const MAX_SPARE = 4_194_304
let spareBytes = 0
/** Memory that others write to next: what is in it is good until whoever lent it goes on. */
const lent = new WeakSet<ArrayBufferLike>()
/** Memory that was lent and is still looked at. */
const kept = new WeakSet<ArrayBufferLike>()

/** Says that the memory of these bytes is lent to the application, for good or until `givePage`. */
export function lendMemory (bytes: Buffer): void {
  lent.add(bytes.buffer)
}

/** Tells whether bytes have to be copied, or used up, before the application returns. */
export function isLent (bytes: Buffer): boolean {
  return lent.has(bytes.buffer)
}

/** Says of bytes that they are needed for longer than they were lent: their memory is not given to others. */
export function keepPage (bytes: Buffer): void {
  kept.add(bytes.buffer)
}

/** Gives a page, or the memory of a message that `PayloadBuffer.take` returned, to the next ones: nobody may hold it any more. */
export function givePage (page: Buffer): void {
  const { length } = page
  lent.delete(page.buffer)
  if (length < SPARE_FROM || length !== page.buffer.byteLength || spareBytes + length > MAX_SPARE || kept.has(page.buffer)) return
  spares.push(page)
  spareBytes += length
}

/** Makes a page, out of a spare one of that very size if there is one: messages of one sender are mostly of one size. */
function makePage (size: number): Buffer {
  const at = size < SPARE_FROM ? -1 : spares.findIndex(({ length }) => length === size)
  if (at === -1) return Buffer.allocUnsafeSlow(size)
  spareBytes -= size
  // Found: it is there.
  return spares.splice(at, 1)[0]!
}

/**
 * Collects pieces and hands them out as one Buffer.
 *
 * Pieces are copied into one page. It grows to the size that was announced as soon as half of that is there, before that to
 * twice what is there, and from 32 KiB on by pages of 64 KiB, so that large messages are moved once. What is kept alive is at
 * most twice the bytes held plus such a page.
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
    if (end - start > this.#page.length - this.#used) this.#makeRoom(end - start, due)
    this.#length += end - start
    let at = start
    while (at < end) {
      if (this.#used === this.#page.length) this.#turnPage()
      const copied = bytes.copy(this.#page, this.#used, at, end)
      this.#used += copied
      at += copied
    }
  }

  /** Takes everything out as one Buffer and leaves this empty. */
  take (): Buffer {
    const isTight = this.#pages === undefined && this.#used * 2 >= this.#page.length
    if (!isTight) this.#moveTo(Buffer.allocUnsafe(this.#length))
    const whole = this.#page.subarray(0, this.#used)
    this.clear()
    return whole
  }

  clear (): void {
    this.#pages = undefined
    this.#page = EMPTY
    this.#used = 0
    this.#length = 0
  }

  /** Makes room for all that is announced, or for some more than there is; or for none, where more pages are to follow. */
  #makeRoom (length: number, due: number): void {
    const needed = this.#length + length
    const isMostlyHere = due <= needed + AHEAD
    if (!isMostlyHere && needed > LARGEST_PAGE / 2) return
    // At least twice what was there, so that what is moved for many small pieces is no more than they are.
    this.#moveTo(makePage(Math.max(needed + (isMostlyHere ? due : needed), this.#length * 2, SMALLEST_PAGE)))
  }

  #turnPage (): void {
    if (this.#used > 0) (this.#pages ??= []).push(this.#page)
    this.#page = makePage(LARGEST_PAGE)
    this.#used = 0
  }

  /** Copies all that is here to the front of a page, which takes the place of the others. */
  #moveTo (target: Buffer): void {
    let at = 0
    for (const page of this.#pages ?? []) {
      at += page.copy(target, at)
      givePage(page)
    }
    this.#page.copy(target, at, 0, this.#used)
    if (this.#pages !== undefined) givePage(this.#page)
    this.#pages = undefined
    this.#page = target
    this.#used = this.#length
  }
}
