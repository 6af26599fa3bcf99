// Messages in, in order: at most `concurrency` of them with the application at a time, a bounded queue behind them.
// Owns the queue; whoever owns the socket stops reading when it is full.
import type { MessageData } from '../protocol/message-assembler.ts'

/** Counted for each queued message besides its bytes, so that empty messages do not queue for nothing. */
const MESSAGE_OVERHEAD = 64

/** Bytes that may always wait, however small the largest message is. */
export const LEAST_BYTES = 65_536

export interface InboxOptions {
  /** Messages whose handlers may run at the same time. */
  readonly concurrency: number
  /** Messages that may wait behind them; then `onFull` is called. */
  readonly maxQueuedMessages: number
  /** Bytes of one message; as many, and 64 KiB at least, may wait behind running handlers, then `onFull` is called too. */
  readonly maxPayload: number
  /** Bytes are lent by whoever pushes them: those that have to wait are copied. Default: false. */
  readonly lendsPayloads?: boolean
}

export interface InboxOwner {
  /** Hands one message to the application; a promise tells when its handlers have settled. Does not throw. */
  deliver (data: MessageData): Promise<unknown> | undefined
  /** That promise was rejected. */
  onRejected (reason: unknown): void
  /** The queue is full: by the count of its messages or by their bytes. */
  onFull (): void
  /** The queue has gone down to half after `onFull`. */
  onSpace (): void
  /** Nothing waits any more. */
  onEmpty (): void
  /** Nothing waits, and the handlers of all messages have settled. */
  onIdle (): void
}

export class Inbox {
  readonly #owner: InboxOwner
  readonly #options: InboxOptions
  readonly #maxBytes: number
  #queue: MessageData[] = []
  /** Place of the first message that waits in `#queue`; what lies before it is gone. */
  #head = 0
  /** More than none as soon as a message waits. */
  #bytes = 0
  #running = 0
  /** True while `deliver` is on the stack: whatever it calls, the next message waits for it to return. */
  #delivering = false
  #held = false
  #full = false
  /** Made once, at the first handler that returns a promise. */
  #onSettled: (() => void) | undefined
  #onRejected: ((reason: unknown) => void) | undefined

  constructor (owner: InboxOwner, options: InboxOptions) {
    this.#owner = owner
    this.#options = options
    this.#maxBytes = Math.max(options.maxPayload, LEAST_BYTES)
  }

  /** Messages that wait. */
  get length (): number {
    return this.#queue.length - this.#head
  }

  /** Bytes of the messages that wait, with some for each message. */
  get bytes (): number {
    return this.#bytes
  }

  /** True while a message is with the application: its handlers are being called, or have not settled. */
  get isBusy (): boolean {
    return this.#delivering || this.#running > 0
  }

  /** True when nothing waits and no handler runs. */
  get isIdle (): boolean {
    return this.length === 0 && this.#running === 0
  }

  /** True from `onFull` to `onSpace`. */
  get isFull (): boolean {
    return this.#full
  }

  /** Takes one message: it is delivered at once when nothing is in its way. */
  push (data: MessageData): void {
    if (this.#bytes > 0 || !this.#mayDeliver()) {
      this.#queue.push(this.#options.lendsPayloads === true && typeof data !== 'string' ? Buffer.from(data) : data)
      this.#bytes += data.length + MESSAGE_OVERHEAD
      this.#checkFull()
      return
    }
    this.#deliver(data)
    // Mostly its handlers have returned and left nothing behind.
    if (this.#running > 0 || this.#bytes > 0 || this.#held) this.#checkFull()
  }

  /** Lets messages wait until `release`. */
  hold (): void {
    this.#held = true
  }

  release (): void {
    if (!this.#held) return
    this.#held = false
    this.#deliverWaiting()
  }

  /** Throws away those that wait and for which `isWanted` is false; it is asked in order. */
  keep (isWanted: (data: MessageData) => boolean): void {
    const waiting = this.#queue.slice(this.#head)
    this.clear()
    for (const data of waiting) {
      if (isWanted(data)) this.push(data)
    }
  }

  /** Throws away what waits. */
  clear (): void {
    if (this.length === 0) return
    this.#queue = []
    this.#head = 0
    this.#bytes = 0
    this.#checkSpace()
    this.#owner.onEmpty()
  }

  #mayDeliver (): boolean {
    return !this.#held && !this.#delivering && this.#running < this.#options.concurrency
  }

  #deliver (data: MessageData): void {
    this.#delivering = true
    const settled = this.#owner.deliver(data)
    this.#delivering = false
    if (settled === undefined) return
    this.#running++
    this.#onSettled ??= () => this.#settle()
    this.#onRejected ??= (reason) => {
      this.#owner.onRejected(reason)
      this.#settle()
    }
    settled.then(this.#onSettled, this.#onRejected)
  }

  #settle (): void {
    this.#running--
    this.#deliverWaiting()
    if (this.isIdle) this.#owner.onIdle()
  }

  #deliverWaiting (): void {
    const before = this.length
    while (this.length > 0 && this.#mayDeliver()) this.#deliver(this.#take())
    this.#checkSpace()
    if (before > 0 && this.length === 0) this.#owner.onEmpty()
  }

  #take (): MessageData {
    // `deliverWaiting` has looked: the queue is not empty.
    const data = this.#queue[this.#head]!
    this.#queue[this.#head++] = ''
    this.#bytes -= data.length + MESSAGE_OVERHEAD
    if (this.#head === this.#queue.length) {
      this.#queue.length = 0
      this.#head = 0
    } else if (this.#head > 16 && this.#head * 2 > this.#queue.length) {
      this.#queue = this.#queue.slice(this.#head)
      this.#head = 0
    }
    return data
  }

  /** Full means that the next message would have to wait, and that as many as may wait do. */
  #checkFull (): void {
    if (this.#full || this.#hasRoom()) return
    this.#full = true
    this.#owner.onFull()
  }

  #checkSpace (): void {
    if (!this.#full || this.length > this.#options.maxQueuedMessages >> 1 || this.#bytes > this.#maxBytes / 2 || !this.#hasRoom()) return
    this.#full = false
    this.#owner.onSpace()
  }

  #hasRoom (): boolean {
    if (this.length === 0 && this.#mayDeliver()) return true
    return this.length < this.#options.maxQueuedMessages && this.#bytes <= this.#maxBytes
  }
}
