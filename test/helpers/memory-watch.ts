// The memory of this process while something happens: what is held at the end, and what it was at its height.
import type { Test } from 'tap'
import { memoryUsed } from './connection-pair.ts'

const MiB = 1_048_576
/** How often, in ms, the height is looked at; a busy event loop looks less often. */
const PERIOD = 10

/** Waits until something holds, without the garbage that turns of the event loop would leave in the figures. */
export async function settled (holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise<void>((resolve) => { setTimeout(resolve, PERIOD) })
}

export class MemoryWatch {
  readonly #before: number
  readonly #rssBefore: number
  #rssPeak: number
  #heapPeak = 0
  #heldPeak = 0
  readonly #timer: NodeJS.Timeout

  private constructor (before: number) {
    this.#before = before
    this.#rssBefore = this.#rssPeak = process.memoryUsage.rss()
    this.#timer = setInterval(() => this.#look(), PERIOD)
  }

  /** Takes the present for the beginning, after a collection. */
  static async start (): Promise<MemoryWatch> {
    return new MemoryWatch(await memoryUsed())
  }

  /** Bytes of heap and buffers that are held now and were not at the beginning; garbage does not count. */
  async grown (): Promise<number> {
    this.#look()
    const grown = await memoryUsed() - this.#before
    this.#heldPeak = Math.max(this.#heldPeak, grown)
    return grown
  }

  /** Ends the watch and writes down its figures: the height has garbage in it, what was held whenever one asked has none. */
  async report (t: Test, what: string): Promise<number> {
    const held = await this.grown()
    clearInterval(this.#timer)
    const inMiB = (bytes: number): string => `${(bytes / MiB).toFixed(1)} MiB`
    t.comment(`peak ${what}: heap and buffers +${inMiB(this.#heldPeak)} held (with garbage +${inMiB(this.#heapPeak - this.#before)}); RSS +${inMiB(this.#rssPeak - this.#rssBefore)}`)
    return held
  }

  #look (): void {
    const { heapUsed, external, rss } = process.memoryUsage()
    this.#heapPeak = Math.max(this.#heapPeak, heapUsed + external)
    this.#rssPeak = Math.max(this.#rssPeak, rss)
  }
}
