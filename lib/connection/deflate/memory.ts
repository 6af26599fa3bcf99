// What compression holds in this process, and may come to hold: the budget that `maxMemory` is compared with. What zlib's threads use
// while they work on large messages is not counted: `MAX_JOBS` bounds it.
import { DEFLATE_NOW } from './deflate.ts'
import { MAX_DEFLATERS } from './handles.ts'
import { sendHistorySize } from './history.ts'
import { INFLATE_NOW_MESSAGE, INFLATE_NOW_PAYLOAD } from './inflate.ts'
import type { DeflateSettings } from './settings.ts'

/** What each connection has besides its histories (docs/performance.md has what was measured). */
const CONNECTION = 512

/** A decompressor: 32 KiB of window and zlib's state of some 7 KiB. */
const INFLATER = 40_960

/** What all connections share. */
const SHARED = INFLATER + INFLATE_NOW_PAYLOAD + INFLATE_NOW_MESSAGE + 2 * DEFLATE_NOW

/** Counts bytes; a process has one, as zlib's handles are all connections'. */
export class DeflateMemory {
  #used = 0
  /** Compressors that are shared, by what they were made with; they stay. */
  readonly #deflaters = new Set<string>()

  /** Bytes that are taken now. */
  get used (): number {
    return this.#used
  }

  /**
   * Takes what a connection may come to hold, and what all share if it is the first.
   *
   * @param limit - bytes of all connections together
   * @returns false, and nothing is taken, when that is too much
   */
  take (settings: DeflateSettings, limit: number): boolean {
    const { sendsContext, sendBits, level, memLevel } = settings
    const deflater = [Math.max(9, sendBits), level, memLevel].join()
    const isNew = !sendsContext && this.#deflaters.size < MAX_DEFLATERS && !this.#deflaters.has(deflater)
    const shared = (this.#used === 0 && this.#deflaters.size === 0 ? SHARED : 0) + (isNew ? deflaterSize(sendBits, memLevel) : 0)
    const own = sizeOf(settings)
    if (this.#used + shared + own > limit) return false
    this.#used += shared + own
    if (isNew) this.#deflaters.add(deflater)
    return true
  }

  /** Gives back what a connection has taken. */
  giveBack (settings: DeflateSettings): void {
    this.#used -= sizeOf(settings)
  }
}

/** What a connection may come to hold. */
function sizeOf ({ sendsContext, sendBits, receivesContext, receiveBits }: DeflateSettings): number {
  return CONNECTION + (sendsContext ? sendHistorySize(sendBits) : 0) + (receivesContext ? 2 ** receiveBits : 0)
}

/** By the formula of zlib's `zconf.h`. */
function deflaterSize (bits: number, memLevel: number): number {
  return 2 ** (Math.max(9, bits) + 2) + 2 ** (memLevel + 9)
}

/** That of this process. */
export const deflateMemory: DeflateMemory = new DeflateMemory()
