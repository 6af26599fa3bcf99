// The compressed messages of one connection, one after the other (RFC 7692 §7.2.2). Owns their order, what this thread does of them
// during one read, and the history that they refer to.
import { INFLATE_NOW_MESSAGE, inflateLater, inflateNow } from './inflate.ts'
import { History } from './history.ts'
import type { DeflateSettings } from './settings.ts'

/** Bytes of messages that this thread inflates for one read: 64 KiB of payloads may stand for 64 MiB. Some 2 to 4 ms. */
const MAX_AT_ONCE = 4 * INFLATE_NOW_MESSAGE

/** Counted for each message besides its bytes. */
const MESSAGE_OVERHEAD = 1024

export interface InflaterOwner {
  /** The message is inflated on another thread: none may be taken until `onInflatingEnd`. */
  onInflating (): void
  onInflatingEnd (): void
  /** @param bytes - good until this returns unless `owned` */
  onInflated (opcode: number, bytes: Buffer, owned: boolean): void
  /** A message cannot be inflated: by the peer's fault a `ProtocolError`, else of zlib. None that comes behind it is taken. */
  onInflateError (error: unknown): void
}

export class Inflater {
  readonly #owner: InflaterOwner
  readonly #settings: DeflateSettings
  readonly #maxPayload: number
  readonly #history: History | undefined
  #spent = 0
  #isBusy = false

  /** @param maxPayload - bytes of the largest message that is allowed */
  constructor (owner: InflaterOwner, settings: DeflateSettings, maxPayload: number) {
    this.#owner = owner
    this.#settings = settings
    this.#maxPayload = maxPayload
    if (settings.receivesContext) this.#history = new History(2 ** settings.receiveBits)
  }

  /** True when a new one would do as well. */
  get isAsNew (): boolean {
    return !this.#isBusy && this.#history === undefined
  }

  /** Takes note that another read begins. */
  startRead (): void {
    this.#spent = 0
  }

  /** Inflates a message. @param payload - good until this returns unless `owned` */
  take (opcode: number, payload: Buffer, owned: boolean): void {
    const message = this.#spent < MAX_AT_ONCE ? this.#inflateNow(payload) : undefined
    if (message === null) return
    if (message === undefined) {
      this.#inflateLater(opcode, owned ? payload : Buffer.from(payload))
      return
    }
    this.#spent += message.length + MESSAGE_OVERHEAD
    this.#history?.add(message)
    this.#owner.onInflated(opcode, message, false)
  }

  /** @returns null when it has failed; undefined when it is for another thread */
  #inflateNow (payload: Buffer): Buffer | undefined | null {
    try {
      return inflateNow(payload, this.#maxPayload, this.#history?.bytes, this.#settings.keepsHandles ?? true)
    } catch (error) {
      this.#owner.onInflateError(error)
      return null
    }
  }

  #inflateLater (opcode: number, payload: Buffer): void {
    this.#isBusy = true
    this.#owner.onInflating()
    inflateLater(payload, this.#maxPayload, this.#history?.bytes).then((message) => {
      this.#isBusy = false
      this.#history?.add(message)
      this.#owner.onInflated(opcode, message, true)
      this.#owner.onInflatingEnd()
    }, (error: unknown) => {
      this.#isBusy = false
      this.#owner.onInflateError(error)
      this.#owner.onInflatingEnd()
    })
  }
}
