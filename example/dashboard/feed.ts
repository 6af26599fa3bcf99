// Prices that change, made up: so many changes a second, however late the timer is. Knows nothing of who looks at them.
import type { Price } from './messages.ts'

/** The made-up names: AX, AY, AZ, BX and so on. */
const SYMBOLS = [...'ABCDEFGHIJKL'].flatMap(first => [...'XYZ'].map(second => first + second))

/** Milliseconds. */
const TICK = 10
/** If the process was held up for longer, what should have happened meanwhile is left out. */
const LONGEST_LAG = 250

export class Feed {
  readonly #latest = new Map<string, Price>()
  readonly #perSecond: number
  readonly #onPrice: (price: Price) => void
  #timer: NodeJS.Timeout | undefined
  #before = 0
  #due = 0

  constructor (perSecond: number, onPrice: (price: Price) => void) {
    this.#perSecond = perSecond
    this.#onPrice = onPrice
    for (const symbol of SYMBOLS) this.#latest.set(symbol, { symbol, cents: 10_000, at: Date.now() })
  }

  /** The newest price of each symbol. */
  get latest (): Price[] {
    return [...this.#latest.values()]
  }

  start (): void {
    this.#before = performance.now()
    this.#timer = setInterval(() => this.#tick(), TICK)
  }

  stop (): void {
    clearInterval(this.#timer)
  }

  #tick (): void {
    const now = performance.now()
    this.#due += Math.min(now - this.#before, LONGEST_LAG) * this.#perSecond / 1000
    this.#before = now
    for (; this.#due >= 1; this.#due--) this.#change()
  }

  #change (): void {
    const symbol = SYMBOLS[Math.floor(Math.random() * SYMBOLS.length)]! // one of them
    const before = this.#latest.get(symbol)?.cents ?? 10_000
    const price = { symbol, cents: Math.max(1, before + Math.round((Math.random() - 0.5) * 40)), at: Date.now() }
    this.#latest.set(symbol, price)
    this.#onPrice(price)
  }
}
