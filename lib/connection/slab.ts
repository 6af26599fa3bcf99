// One block of memory that all connections of this process build their frames in, so that many small messages leave in
// one write and no message costs a Buffer. Owns which bytes of it are still needed.

/** Large enough for all that one read of 64 KiB may answer. */
export const SLAB_SIZE = 131_072

/** Who builds frames in the slab: it is told to close its stretch when another one wants to build. */
export interface SlabWriter {
  closeStretch (): void
}

/**
 * Hands out its bytes in order. The writer of the moment has an open stretch, from `#start` to `used`, behind the closed
 * ones that wait for their flush; when the last of those is released, it starts again from the front.
 */
export class Slab {
  readonly buffer: Buffer = Buffer.allocUnsafeSlow(SLAB_SIZE)
  /** Where the next frame goes; whoever has the open stretch moves it on. */
  used = 0
  #start = 0
  #closedStretches = 0
  #writer: SlabWriter | undefined
  /** True once the kernel, or a stream, keeps some of these bytes: they are not written over then. */
  #lent = false

  /** Opens a stretch for `writer`, behind whatever the last one wrote. */
  open (writer: SlabWriter): void {
    if (this.#writer === writer) return
    this.#writer?.closeStretch()
    this.#writer = writer
    this.#start = this.used
  }

  isOpenFor (writer: SlabWriter): boolean {
    return this.#writer === writer
  }

  /** Closes the open stretch and returns its bytes, in use until `release`; undefined when nothing was written. */
  close (): Buffer | undefined {
    this.#writer = undefined
    if (this.used === this.#start) return undefined
    this.#closedStretches++
    return this.buffer.subarray(this.#start, this.used)
  }

  /** Takes a closed stretch back. @param lent - true when somebody still reads from it */
  release (lent: boolean): void {
    this.#closedStretches--
    if (lent) this.#lent = true
    if (this.#closedStretches > 0 || this.#writer !== undefined) return
    // What is lent stays as it is; behind it there may be room.
    if (this.#lent) return
    this.used = 0
    this.#start = 0
    if (this !== current && spares.length < MAX_SPARES) spares.push(this)
  }
}

/** Slabs that were filled and are empty again: a tick of many connections fills several. */
const spares: Slab[] = []
const MAX_SPARES = 8

let current = new Slab()

/** The slab to write to, with at least `length` bytes free; `length` is at most `SLAB_SIZE`. */
export function slabWith (length: number): Slab {
  if (current.used + length > SLAB_SIZE) current = spares.pop() ?? new Slab()
  return current
}
