// The outbox of a connection with permessage-deflate: messages are compressed on their way to it (RFC 7692 §7.2.1). A large one is
// compressed on another thread, and what is sent meanwhile waits behind it. Owns that order.
import type { Duplex } from 'node:stream'
import { isLent } from '../../protocol/payload-buffer.ts'
import { Opcode } from '../../protocol/opcode.ts'
import { neverTaken, Outbox } from '../outbox.ts'
import type { OutboxOptions, OutboxOwner, Waiter } from '../outbox.ts'
import { DEFLATE_NOW, deflateLater, deflateNow } from './deflate.ts'
import type { History } from './history.ts'
import { RSV1 } from '../shared-message.ts'
import type { SharedMessage } from '../shared-message.ts'
import type { DeflateSettings } from './settings.ts'

export interface DeflatingOutboxOwner extends OutboxOwner {
  /** All that was held has been queued. */
  onNoneHeld (): void
}

/** A message, or a Close frame, that waits. */
interface Held {
  readonly opcode: number
  readonly message: string | Buffer
  /** In bytes. */
  readonly size: number
  readonly compresses: boolean
  /** Those who wait for it to be taken. */
  waiters: Waiter[] | undefined
}

export class DeflatingOutbox extends Outbox {
  readonly #settings: DeflateSettings
  readonly #history: History | undefined
  readonly #owner: DeflatingOutboxOwner
  /** The first one is with zlib. */
  #queue: Held[] = []

  /** @param history - of what this end has sent, where it keeps its context */
  constructor (socket: Duplex, options: OutboxOptions, owner: DeflatingOutboxOwner, settings: DeflateSettings, history: History | undefined) {
    super(socket, options, owner)
    this.#settings = settings
    this.#history = history
    this.#owner = owner
  }

  override get isHolding (): boolean {
    return this.#queue.length > 0
  }

  override sendText (text: string, compresses = true): void {
    this.#send(Opcode.Text, text, compresses)
  }

  override sendBinary (bytes: Buffer, compresses = true): void {
    this.#send(Opcode.Binary, bytes, compresses)
  }

  override sendShared (message: SharedMessage): void {
    const frame = this.isHolding || this.role === 'client' ? undefined : message.frameFor(this.#settings)
    if (frame === undefined) this.sendData(message.data)
    else this.sendRange(frame)
  }

  override sendClose (payload: Buffer): void {
    if (this.isHolding) this.#hold(Opcode.Close, payload, payload.length, false)
    else super.sendClose(payload)
  }

  override whenTaken (): Promise<void> {
    const behind = this.#queue.at(-1)
    if (behind === undefined) return super.whenTaken()
    return new Promise((resolve, reject) => {
      (behind.waiters ??= []).push((error) => error == null ? resolve() : reject(error))
    })
  }

  override end (): void {
    const left = this.#queue
    this.#queue = []
    this.held = 0
    super.end()
    for (const { waiters } of left) {
      for (const waiter of waiters ?? []) waiter(neverTaken())
    }
  }

  /** Large messages go as they are: there is no time to compress them. */
  protected override sendHeld (): void {
    if (!this.isHolding) return
    const held = this.#queue
    this.#queue = []
    for (const entry of held) this.#put(entry, entry.compresses && entry.size <= DEFLATE_NOW)
    this.#owner.onNoneHeld()
  }

  #send (opcode: number, message: string | Buffer, mayCompress: boolean): void {
    const { threshold } = this.#settings
    const size = typeof message === 'string' ? sizeOf(message, threshold) : message.length
    const compresses = mayCompress && size >= threshold
    if (this.isHolding || (compresses && size > DEFLATE_NOW)) this.#hold(opcode, message, size, compresses)
    else if (!compresses || !this.#sendCompressed(opcode, message)) this.#sendPlain(opcode, message)
  }

  #hold (opcode: number, message: string | Buffer, size: number, compresses: boolean): void {
    const kept = typeof message !== 'string' && (isLent(message) || size < DEFLATE_NOW) ? Buffer.from(message) : message
    this.held += size
    if (this.#queue.push({ opcode, message: kept, size, compresses, waiters: undefined }) === 1) this.#work()
  }

  /** Queues what is first, until that takes another thread. */
  #work (): void {
    for (let entry = this.#queue[0]; entry !== undefined; entry = this.#queue[0]) {
      if (entry.compresses && entry.size > DEFLATE_NOW) {
        this.#compressLater(entry)
        return
      }
      this.#queue.shift()
      this.#put(entry, entry.compresses)
    }
    this.#owner.onNoneHeld()
  }

  #compressLater (entry: Held): void {
    const done = (payload: Buffer | undefined): void => {
      // It has gone without, or never will.
      if (this.#queue[0] !== entry) return
      this.#queue.shift()
      if (payload === undefined) this.#put(entry, false)
      else {
        this.held -= entry.size
        super.sendBytes(entry.opcode | RSV1, payload)
        this.#remember(entry.message)
        this.#tellWaiters(entry)
      }
      this.#work()
    }
    // Where zlib cannot, for want of memory, the message goes as it is.
    deflateLater(entry.message, this.#settings, this.#history?.bytes).then(done, () => done(undefined))
  }

  #put (entry: Held, compresses: boolean): void {
    const { opcode, message, size } = entry
    this.held -= size
    if (!compresses || !this.#sendCompressed(opcode, message)) this.#sendPlain(opcode, message)
    this.#tellWaiters(entry)
  }

  #tellWaiters ({ waiters }: Held): void {
    for (const waiter of waiters ?? []) super.onTaken(waiter)
  }

  /** @returns false when it would be no smaller, and nothing is sent */
  #sendCompressed (opcode: number, message: string | Buffer): boolean {
    const payload = deflateNow(message, this.#settings, this.#history?.bytes)
    if (payload === undefined) return false
    super.sendBytes(opcode | RSV1, payload)
    this.#remember(message)
    return true
  }

  #sendPlain (opcode: number, message: string | Buffer): void {
    if (typeof message === 'string') super.sendText(message)
    else super.sendBytes(opcode, message)
  }

  /** What was compressed is what a later message may look back to; the peer keeps the same. */
  #remember (message: string | Buffer): void {
    this.#history?.add(typeof message === 'string' ? Buffer.from(message) : message)
  }
}

/** Bytes of a text; where even three for each unit are too few to be compressed, its length will do. */
function sizeOf (text: string, threshold: number): number {
  return text.length * 3 < threshold ? text.length : Buffer.byteLength(text)
}
