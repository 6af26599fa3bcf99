// Frames out, in order: gathers what is sent during one read or one tick into one write, and tells how much waits.
// The only writer to the socket. Owns the bytes between `send` and the socket; knows nothing of messages or state.
import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { encodeFrame, frameLength, textFrameBound, writeFrame, writeHeaderOf, writeTextFrame } from '../protocol/frame-builder.ts'
import { UsageError } from '../protocol/errors.ts'
import { MAX_HEADER_LENGTH } from '../protocol/frame-header.ts'
import { isLent, keepPage } from '../protocol/payload-buffer.ts'
import { Opcode } from '../protocol/opcode.ts'
import type { Role } from '../protocol/role.ts'
import { bytesOf, gather, wholeChunk } from './chunk.ts'
import type { Chunk } from './chunk.ts'
import type { FrameRange } from './frame-log.ts'
import type { Meter } from './meter.ts'
import type { SharedMessage } from './shared-message.ts'
import { SLAB_SIZE, slabWith } from './slab.ts'
import type { Slab, SlabWriter } from './slab.ts'

/** From this many bytes on a payload is written from where it is; below, a copy into the slab is cheaper. */
const BY_REFERENCE_FROM = 65_536

/** Pieces of up to so many bytes in all are put together: one write of few bytes is cheaper than a vector of fewer. */
const GATHER_UP_TO = 16_384

const NO_BYTES: Buffer = Buffer.alloc(0)
const NO_CHUNKS: readonly Chunk[] = []

export type Waiter = (error?: Error | null) => void

export interface OutboxOwner {
  /** Everything has been written, after `isOverHighWaterMark` was true or `hasRoomFor` false. */
  onDrain (): void
  /** After the same: no more than `highWaterMark` bytes wait. Behind `onDrain` where both are due. */
  onRoom (): void
}

/** Sizes in bytes. */
export interface OutboxOptions {
  readonly role: Role
  readonly highWaterMark: number
  /** Bytes that may wait. Absent: no limit. */
  readonly maxBufferedAmount?: number
  readonly meter?: Meter
}

/** Outboxes with something to write when the tick ends; one callback serves them all. */
let dirty: Outbox[] = []

function flushDirty (): void {
  const outboxes = dirty
  dirty = []
  for (const outbox of outboxes) outbox.flush()
}

export class Outbox implements SlabWriter {
  readonly #socket: Duplex
  protected readonly role: Role
  readonly #options: OutboxOptions
  readonly #owner: OutboxOwner
  readonly #highWaterMark: number
  /** True for a plain TCP or pipe socket: what the kernel took at once is out of this process. Any other stream may keep bytes. */
  readonly #kernelCopies: boolean
  /** What waits for a flush: mostly one chunk, which takes no list. */
  #first: Chunk | undefined
  /** Those behind it. */
  #others: Chunk[] | undefined
  #slab: Slab | undefined
  #pending = 0
  /** Bytes of messages that are no frames yet. */
  protected held = 0
  /** The socket may have bytes of ours that it has not written. False is certain, and spares the question for each message. */
  #isBacklogged = false
  #corked = false
  #scheduled = false
  #drainDue = false
  #waiters: Waiter[] | undefined
  /** Those of writes that the socket has not answered yet. */
  #unanswered: Set<Waiter[]> | undefined
  /** §5.5.3: of pings that wait only the newest need be answered. One pong is on its way, one may wait behind it. */
  #pongOnItsWay = false
  #nextPong: Buffer | undefined

  constructor (socket: Duplex, options: OutboxOptions, owner: OutboxOwner) {
    this.#socket = socket
    this.role = options.role
    this.#options = options
    this.#owner = owner
    // Whoever heeds `send` must never come to the limit: up to here it says yes.
    this.#highWaterMark = Math.min(options.highWaterMark, options.maxBufferedAmount ?? Infinity)
    this.#kernelCopies = Object.getPrototypeOf(socket) === Socket.prototype
  }

  /** Bytes of frames that wait in this process, those in the socket's queue included, and of messages that will be frames. */
  get bufferedAmount (): number {
    return this.#socket.writableLength + this.#pending + this.held + (this.#nextPong?.length ?? 0)
  }

  /** True while messages wait to be made frames. */
  get isHolding (): boolean {
    return false
  }

  /** Asks whether the sender should stop for a while; once true, `onRoom` and `onDrain` follow. */
  isOverHighWaterMark (): boolean {
    if (this.#waiting() <= this.#highWaterMark) return false
    this.#drainDue = true
    return true
  }

  /** Asks the same of the peer, once the above is true: the socket is offered everything, and what it does not take is for a peer that does not read. */
  isHeldUp (): boolean {
    this.#offer()
    return this.#waiting() > this.#highWaterMark
  }

  /**
   * Asks whether a payload may wait behind what waits already; once false, `onRoom` and `onDrain` follow. What the socket has not
   * been offered yet is offered to it first. Where no more than `highWaterMark` bytes wait any payload may, however large: `send`
   * has not told to stop.
   *
   * @param data - its bytes, or the text that they will be
   */
  hasRoomFor (data: string | Buffer): boolean {
    const { maxBufferedAmount } = this.#options
    if (maxBufferedAmount === undefined) return true
    // A UTF-16 unit is at most three bytes of UTF-8.
    const bound = typeof data === 'string' ? data.length * 3 : data.length
    if (this.#waiting() + bound <= maxBufferedAmount) return true
    this.sendHeld()
    const wasDue = this.#drainDue
    this.#offer()
    const waiting = this.bufferedAmount
    if (waiting > this.#highWaterMark && waiting + Buffer.byteLength(data) > maxBufferedAmount) return false
    this.#drainDue = wasDue
    return true
  }

  /** Queues a text message. @param _compresses - for an outbox that can */
  sendText (text: string, _compresses?: boolean): void {
    const bound = textFrameBound(text)
    if (bound > SLAB_SIZE) {
      this.#sendLarge(Opcode.Text, Buffer.from(text, 'utf8'))
      return
    }
    const slab = this.#reserve(bound)
    this.#wrote(slab, writeTextFrame(slab.buffer, slab.used, this.role, text))
  }

  /** Queues a binary message, as `sendBytes` does. @param _compresses - for an outbox that can */
  sendBinary (bytes: Buffer, _compresses?: boolean): void {
    this.sendBytes(Opcode.Binary, bytes)
  }

  /** Queues a message that others get too. */
  sendShared (message: SharedMessage): void {
    // A client's frames are masked, each by itself.
    if (this.role === 'client') this.sendData(message.data)
    else this.sendRange(message.frame)
  }

  /** Queues a text or binary message. */
  protected sendData (data: string | Buffer): void {
    if (typeof data === 'string') this.sendText(data)
    else this.sendBinary(data)
  }

  /** Queues a ready frame, where it is. */
  protected sendRange (range: FrameRange): void {
    this.closeStretch()
    const { page, start, end } = range
    const others = this.#others
    const last = others === undefined ? this.#first : others.at(-1)
    if (last?.page !== page || last.end !== start) {
      this.#append(range)
    } else if (last.bytes === undefined) {
      last.end = end
    } else {
      // That one is not ours alone.
      const grown = { page, start: last.start, end, bytes: undefined, slab: undefined }
      if (others === undefined) this.#first = grown
      else others[others.length - 1] = grown
    }
    this.#queued(end - start)
  }

  /** Queues a Close frame, behind all messages. */
  sendClose (payload: Buffer): void {
    this.sendBytes(Opcode.Close, payload)
  }

  /** Queues a frame of bytes, its opcode with the reserved bits as they stand on the wire. From 64 KiB on the bytes are not copied, unless they are lent: the caller leaves them as they are until they are written. */
  sendBytes (opcode: number, bytes: Buffer): void {
    const length = frameLength(bytes.length, this.role)
    if (bytes.length >= BY_REFERENCE_FROM && (length > SLAB_SIZE || !isLent(bytes))) {
      this.#sendLarge(opcode, bytes)
      if (isLent(bytes)) this.#writeLent(bytes)
      return
    }
    const slab = this.#reserve(length)
    this.#wrote(slab, writeFrame(slab.buffer, slab.used, this.role, opcode, bytes))
  }

  /** Queues a pong; while earlier bytes wait for the peer to read, a newer pong takes the place of an older one. */
  sendPong (data: Buffer): void {
    if (this.#socket.writableLength === 0 && !this.#pongOnItsWay) {
      this.sendBytes(Opcode.Pong, data)
      return
    }
    this.#nextPong = data
    this.#isBacklogged = true
    if (!this.#pongOnItsWay) this.#sendNextPong()
  }

  /** Tells when the socket has taken what was queued just before; rejects if it never will. */
  whenTaken (): Promise<void> {
    return new Promise((resolve, reject) => {
      this.onTaken((error) => error == null ? resolve() : reject(error))
    })
  }

  /** As `whenTaken`, by a callback, with the error if the socket never takes it. */
  onTaken (callback: Waiter): void {
    this.#waiters ??= []
    this.#waiters.push(callback)
    if (this.#pending > 0) return
    // What was lent has been written already: one more write, of nothing, tells when that has left.
    const socket = this.#socket
    if (socket.destroyed || socket.writableEnded) this.#drop()
    else socket.write(NO_BYTES, this.#takeCallback())
  }

  /** Holds back every flush until `uncork`: all that is sent during one read leaves in one write. */
  cork (): void {
    this.#corked = true
  }

  uncork (): void {
    this.#corked = false
    this.flush()
  }

  /** Writes all that waits, in one write where it is in one piece, otherwise in one writev. */
  flush (): void {
    this.#scheduled = false
    this.closeStretch()
    // A connection that falls silent must not keep a slab alive that others have left.
    this.#slab = undefined
    const first = this.#first
    if (first === undefined) return
    const others = this.#others
    this.#first = undefined
    this.#others = undefined
    const { meter } = this.#options
    const length = this.#pending
    if (meter !== undefined) meter.bytesSent += length
    this.#pending = 0
    if (this.#socket.destroyed || this.#socket.writableEnded) this.#drop(first, others)
    else if (others !== undefined && length <= GATHER_UP_TO) this.#write(gather([first, ...others], length), NO_CHUNKS)
    else this.#write(first, others ?? NO_CHUNKS)
  }

  /** Takes note that the socket is gone: whoever still waits is told. Streams may forget about a write when they are destroyed. */
  end (): void {
    this.flush()
    for (const waiters of this.#unanswered ?? []) this.#answer(waiters, neverTaken())
  }

  /** The slab asks for it when another writer's turn comes. */
  closeStretch (): void {
    const slab = this.#slab
    if (slab === undefined || !slab.isOpenFor(this)) return
    const bytes = slab.close()
    if (bytes !== undefined) this.#append({ page: bytes, start: 0, end: bytes.length, bytes, slab })
  }

  /** Makes frames of the messages that wait for anything but the peer. */
  protected sendHeld (): void {}

  #sendLarge (opcode: number, bytes: Buffer): void {
    if (this.role === 'client') {
      // A client's payload is masked, in a copy: the caller's bytes stay as they are.
      this.#add(encodeFrame({ role: 'client', opcode }, bytes))
      return
    }
    const slab = this.#reserve(MAX_HEADER_LENGTH)
    this.#wrote(slab, writeHeaderOf(slab.buffer, slab.used, opcode, bytes.length))
    this.#add(bytes)
  }

  /** Writes what was queued as long as its bytes are good; what the socket does not take at once has to be kept. */
  #writeLent (bytes: Buffer): void {
    const wasDue = this.#drainDue
    // So that there is a write to tell of a drain, should one be asked for.
    this.#offer()
    this.#drainDue = wasDue
    if (!this.#kernelCopies || this.#socket.writableLength > 0) keepPage(bytes)
  }

  /** Queues bytes that are in no slab, behind what was written to one. */
  #add (bytes: Buffer): void {
    this.closeStretch()
    this.#append(wholeChunk(bytes))
    this.#queued(bytes.length)
  }

  #append (chunk: Chunk): void {
    if (this.#first === undefined) this.#first = chunk
    else (this.#others ??= []).push(chunk)
  }

  /**
   * Finds a slab with room for `length` bytes. When another one was in use, what is in it is written first, but for a few bytes, which
   * may be in it by the thousands: those that many connections are sent in turns.
   */
  #reserve (length: number): Slab {
    let slab = slabWith(length)
    if (this.#slab !== slab && this.#pending > GATHER_UP_TO) {
      this.flush()
      slab = slabWith(length)
    }
    if (this.#slab !== slab) this.closeStretch()
    slab.open(this)
    this.#slab = slab
    return slab
  }

  #wrote (slab: Slab, end: number): void {
    const length = end - slab.used
    slab.used = end
    this.#queued(length)
  }

  #queued (length: number): void {
    this.#pending += length
    if (this.#corked || this.#scheduled) return
    this.#scheduled = true
    if (dirty.push(this) === 1) process.nextTick(flushDirty)
  }

  #write (first: Chunk, others: readonly Chunk[]): void {
    const socket = this.#socket
    const inPlace = this.#kernelCopies && socket.writableLength === 0
    const callback = this.#takeCallback()
    if (others.length > 0) socket.cork()
    let bytes = leaving(first, inPlace)
    for (const chunk of others) {
      socket.write(bytes)
      bytes = leaving(chunk, inPlace)
    }
    if (callback === undefined) socket.write(bytes)
    else socket.write(bytes, callback)
    if (others.length > 0) socket.uncork()
    this.#isBacklogged = socket.writableLength > 0
    const lent = inPlace && this.#isBacklogged
    first.slab?.release(lent)
    for (const { slab } of others) slab?.release(lent)
  }

  /** Writes all that waits, and has the last of the writes tell when it is done: from here on `onDrain` is due. */
  #offer (): void {
    const wasDue = this.#drainDue
    this.#drainDue = true
    if (this.#pending > 0) {
      this.flush()
      return
    }
    // Bytes that wait were written when nobody asked: one more write, of nothing, tells when they have left. One: whoever is refused asks again and again.
    const socket = this.#socket
    if (!wasDue && socket.writableLength > 0 && !socket.destroyed && !socket.writableEnded) socket.write(NO_BYTES, this.#takeCallback())
  }

  /** As `bufferedAmount`. */
  #waiting (): number {
    const own = this.#pending + this.held
    if (!this.#isBacklogged) return own
    const waiting = this.bufferedAmount
    this.#isBacklogged = waiting > own
    return waiting
  }

  #drop (first?: Chunk, others: readonly Chunk[] = NO_CHUNKS): void {
    first?.slab?.release(false)
    for (const { slab } of others) slab?.release(false)
    this.#takeCallback()?.(neverTaken())
  }

  /** Makes the callback of the last write of a flush, if somebody waits for it. */
  #takeCallback (): Waiter | undefined {
    const waiters = this.#waiters
    if (waiters === undefined && !this.#drainDue) return undefined
    this.#waiters = undefined
    if (waiters !== undefined) (this.#unanswered ??= new Set()).add(waiters)
    return (error) => {
      // Node tells of a write that a destroyed socket had not done as of one that it had.
      const outcome = error ?? (this.#socket.destroyed ? this.#socket.errored ?? neverTaken() : undefined)
      if (waiters !== undefined) this.#answer(waiters, outcome)
      this.#drain()
    }
  }

  #answer (waiters: Waiter[], error?: Error | null): void {
    if (this.#unanswered?.delete(waiters) !== true) return
    for (const waiter of waiters) waiter(error)
  }

  #drain (): void {
    if (!this.#drainDue || this.#socket.destroyed) return
    const waiting = this.bufferedAmount
    if (waiting === 0) {
      // First: whoever has room may fill it up again, and is told anew then.
      this.#drainDue = false
      this.#owner.onDrain()
    }
    if (waiting <= this.#highWaterMark) this.#owner.onRoom()
  }

  #sendNextPong (): void {
    const data = this.#nextPong
    if (data === undefined || this.#socket.destroyed || this.#socket.writableEnded) return
    this.#nextPong = undefined
    this.#pongOnItsWay = true
    this.flush()
    const frame = encodeFrame({ role: this.role, opcode: Opcode.Pong }, data)
    if (this.#options.meter !== undefined) this.#options.meter.bytesSent += frame.length
    this.#socket.write(frame, () => {
      this.#pongOnItsWay = false
      this.#sendNextPong()
      // Pongs count as bytes that wait: the last message may have left before this one.
      this.#drain()
    })
  }
}

/** What does not leave at once is copied out of the slab or page, so that a slow peer does not keep those alive. */
function leaving (chunk: Chunk, inPlace: boolean): Buffer {
  const bytes = bytesOf(chunk)
  return inPlace || (chunk.slab === undefined && bytes.length === chunk.page.length) ? bytes : Buffer.from(bytes)
}

export function neverTaken (): UsageError {
  return new UsageError('FST_WS_NOT_OPEN', 'it closed before the bytes were written')
}
