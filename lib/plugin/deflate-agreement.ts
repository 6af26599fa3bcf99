// permessage-deflate on one route: what is agreed on with a client, within the memory that there is for it. Owns the settings that
// connections with the same agreement share.
import type { Connection, ConnectionSettings } from '../connection/connection.ts'
import { deflateMemory } from '../connection/deflate/memory.ts'
import { deflateSettings } from '../connection/deflate/settings.ts'
import type { DeflateSettings } from '../connection/deflate/settings.ts'
import type { Meter } from '../connection/meter.ts'
import { acceptDeflate } from '../protocol/deflate-offer.ts'
import { formatExtensions } from '../protocol/extensions.ts'
import type { ExtensionOffer } from '../protocol/extensions.ts'
import type { DeflateOptions, RouteSettings } from './options.ts'

/** An answer that the route has given, and the memory for a connection with it. */
export class Agreement {
  /** The answer, as Sec-WebSocket-Extensions has it. */
  readonly field: string
  readonly #deflate: DeflateSettings
  readonly #maxMemory: number
  readonly #meter: Meter
  #settings: ConnectionSettings | undefined

  constructor (field: string, deflate: DeflateSettings, maxMemory: number, meter: Meter) {
    this.field = field
    this.#deflate = deflate
    this.#maxMemory = maxMemory
    this.#meter = meter
  }

  /** Takes what a connection may need, until `giveBack`. @returns false where `maxMemory` leaves no room for it */
  take (): boolean {
    const isTaken = deflateMemory.take(this.#deflate, this.#maxMemory)
    if (isTaken) this.#meter.deflating++
    else this.#meter.deflateDeclined++
    return isTaken
  }

  readonly giveBack = (): void => {
    deflateMemory.giveBack(this.#deflate)
    this.#meter.deflating--
  }

  /** The settings of connections that have agreed on this: those of the route, and the memory goes back at their end. */
  settingsFrom (route: ConnectionSettings): ConnectionSettings {
    this.#settings ??= Object.freeze({
      ...route,
      extensions: this.field,
      deflate: this.#deflate,
      onEnd: (connection: Connection) => {
        this.giveBack()
        route.onEnd?.(connection)
      }
    })
    return this.#settings
  }
}

export class DeflateAgreements {
  readonly #options: DeflateOptions
  readonly #keepsHandles: boolean
  readonly #meter: Meter
  /** By their field; there are as many as windows and flags can be put together. */
  readonly #known = new Map<string, Agreement>()

  constructor (options: DeflateOptions, keepsHandles: boolean, meter: Meter) {
    this.#options = options
    this.#keepsHandles = keepsHandles
    this.#meter = meter
  }

  /** Makes those of a route; undefined where it has compression off. */
  static of ({ perMessageDeflate, fastPaths }: RouteSettings, meter: Meter): DeflateAgreements | undefined {
    return perMessageDeflate === false ? undefined : new DeflateAgreements(perMessageDeflate, fastPaths.zlibHandles, meter)
  }

  /**
   * Agrees with one of a client's offers, and takes the memory for it. Undefined where no offer can be kept, or where there is no
   * memory: the connection goes uncompressed (RFC 7692 §5).
   */
  agree (offers: readonly ExtensionOffer[]): Agreement | undefined {
    if (offers.length === 0) return undefined
    const accepted = acceptDeflate(offers, this.#options)
    if (accepted === undefined) return undefined
    const field = formatExtensions([accepted.extension])
    let agreement = this.#known.get(field)
    if (agreement === undefined) {
      const settings = deflateSettings(accepted.params, 'server', { ...this.#options, keepsHandles: this.#keepsHandles })
      agreement = new Agreement(field, settings, this.#options.maxMemory, this.#meter)
      this.#known.set(field, agreement)
    }
    return agreement.take() ? agreement : undefined
  }
}
