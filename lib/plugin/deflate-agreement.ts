// permessage-deflate on one route: what is agreed on with a client, within the memory that there is for it. Owns the settings that
// connections with the same agreement share.
import { deflateMemory } from '../connection/deflate/memory.ts'
import { deflateSettings } from '../connection/deflate/settings.ts'
import type { DeflateSettings } from '../connection/deflate/settings.ts'
import type { Meter } from '../connection/meter.ts'
import { acceptDeflate } from '../protocol/deflate-offer.ts'
import { formatExtensions } from '../protocol/extensions.ts'
import type { ExtensionOffer } from '../protocol/extensions.ts'
import type { DeflateOptions, RouteSettings } from './options.ts'
import { Place } from './quota.ts'

/** One for each answer that the route has given. */
export interface Agreed {
  /** The answer, as Sec-WebSocket-Extensions has it. */
  readonly field: string
  readonly settings: DeflateSettings
}

export class DeflateAgreements {
  readonly #options: DeflateOptions
  readonly #keepsHandles: boolean
  readonly #meter: Meter
  /** By their field; there are as many as windows and flags can be put together. */
  readonly #known = new Map<string, Agreed>()

  constructor (options: DeflateOptions, keepsHandles: boolean, meter: Meter) {
    this.#options = options
    this.#keepsHandles = keepsHandles
    this.#meter = meter
  }

  /** Makes those of a route; undefined where it has compression off. */
  static of ({ perMessageDeflate, fastPaths }: RouteSettings, meter: Meter): DeflateAgreements | undefined {
    return perMessageDeflate === false ? undefined : new DeflateAgreements(perMessageDeflate, fastPaths.zlibHandles, meter)
  }

  /** Finds the answer to a client's offers; undefined where there is none, and the connection goes uncompressed (RFC 7692 §5). */
  find (offers: readonly ExtensionOffer[]): Agreed | undefined {
    const agreement = acceptDeflate(offers, this.#options)
    if (agreement === undefined) return undefined
    const field = formatExtensions([agreement.extension])
    const known = this.#known.get(field)
    if (known !== undefined) return known
    const settings = deflateSettings(agreement.params, 'server', { ...this.#options, keepsHandles: this.#keepsHandles })
    const agreed = { field, settings }
    this.#known.set(field, agreed)
    return agreed
  }

  /** Takes the memory that a connection may need, until its place is given back; undefined where `maxMemory` leaves none. */
  take ({ settings }: Agreed): Place | undefined {
    const meter = this.#meter
    const giveBack = deflateMemory.take(settings, this.#options.maxMemory)
    if (giveBack === undefined) {
      meter.deflateDeclined++
      return undefined
    }
    meter.deflating++
    return new Place({
      endHandshake () {},
      end () {
        giveBack()
        meter.deflating--
      }
    })
  }
}
