// Messages on stdout, at the pace of whoever reads it. Owns when that is too slow, and when nobody reads any more; where messages come
// from is the command's.
import { Printer } from './printer.ts'
import type { Output, Printed, PrinterOptions } from './printer.ts'

/** What messages come from. */
export interface Source {
  /** Nothing more, please, until `resume`. */
  pause (): void
  resume (): void
  /** No message can be printed any more: whoever read them has enough, or the disk is full, which `main` tells. */
  onBroken (): void
}

export class Outlet {
  readonly #printer: Printer
  readonly #source: Source
  #isBroken = false

  constructor (output: Output, options: PrinterOptions, source: Source) {
    this.#printer = new Printer(output, options)
    this.#source = source
    output.on('drain', () => source.resume())
    output.on('error', () => {
      if (this.#isBroken) return
      this.#isBroken = true
      source.onBroken()
    })
  }

  /** True when no message can be printed any more. */
  get isBroken (): boolean {
    return this.#isBroken
  }

  print (message: Printed): void {
    if (!this.#isBroken && !this.#printer.print(message)) this.#source.pause()
  }
}
