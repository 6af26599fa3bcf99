// What comes, held against a contract: what does not fit is told, and with --strict it is the end. Prints no messages.

/** Says what is wrong with a message, if anything is. */
export type Judge = (message: string | ArrayBuffer) => string | undefined

export interface IncomingOptions {
  /** Absent: anything fits. */
  readonly judge: Judge | undefined
  readonly isStrict: boolean
  tell (text: string): void
  /** With `isStrict`: to be ended. May be called again. */
  onRefused (): void
}

export class Incoming {
  readonly #options: IncomingOptions
  #count = 0
  #isRefused = false

  constructor (options: IncomingOptions) {
    this.#options = options
  }

  /** True when something has come that is not put up with. */
  get isRefused (): boolean {
    return this.#isRefused
  }

  /** Looks at the next message that came. */
  look (message: string | ArrayBuffer): void {
    const { judge, isStrict, tell, onRefused } = this.#options
    this.#count++
    const fault = judge?.(message)
    if (fault === undefined) return
    tell(`message ${this.#count} that came does not fit the contract: ${fault}`)
    if (!isStrict) return
    this.#isRefused = true
    onRefused()
  }
}
