// The core of a connection: bytes in; messages, replies and one end out (RFC 6455). No socket, no clock, no zlib:
// whoever owns those hands bytes in, puts replies on the wire, and asks how it ended.
import { CloseCode } from './close-code.ts'
import { cutReason, decodeClose, encodeClose } from './close-frame.ts'
import type { CloseStatus } from './close-frame.ts'
import { ProtocolError } from './errors.ts'
import type { FrameHeader } from './frame-header.ts'
import { FrameParser } from './frame-parser.ts'
import type { FrameReceiver } from './frame-parser.ts'
import { MessageAssembler } from './message-assembler.ts'
import type { MessageData } from './message-assembler.ts'
import { isControl, Opcode } from './opcode.ts'
import type { Role } from './role.ts'
import type { Scanners } from './scanners.ts'
import { nextState } from './state.ts'
import type { Signal, State } from './state.ts'

/** What the core calls while it reads. Nothing here may throw. */
export interface ProtocolSink {
  /** @param data - a string for Text, a Buffer for Binary that belongs to the receiver unless it is lent */
  onMessage (opcode: number, data: MessageData): void
  /**
   * A compressed message (RFC 7692 §7.2.2), which is to be inflated and given to `receiveInflated`. What comes behind it is read all
   * the same: whoever needs time pauses. Called only where `deflate` is given.
   *
   * @param bytes - as they came, without the tail; good until this returns unless `owned`
   */
  onCompressed? (opcode: number, bytes: Buffer, owned: boolean): void
  /** A ping has come; its pong has gone to `onReply` already. */
  onPing (data: Buffer): void
  onPong (data: Buffer): void
  /** The peer's Close frame has come; the answer to it, if one is due, has gone to `onReply` already. */
  onClose (code: CloseCode, reason: string): void
  /** The peer broke a rule, or `failBy` was called. The Close frame that says so has gone to `onReply` already; nothing more is read. */
  onError (error: FailureCause): void
  /** A control frame to put on the wire now, behind what was sent before. `payload` may be kept. */
  onReply (opcode: typeof Opcode.Pong | typeof Opcode.Close, payload: Buffer): void
  /**
   * The peer ends the connection, by a Close frame or by breaking a rule. True puts off the answer, `onClose` or `onError`
   * until `end` is called, so that messages that came before can be answered first (§5.5.1). Absent: never.
   */
  putsOffEnd? (): boolean
}

/** Why a connection fails (§7.1.7): an error that says what the peer is told. */
export interface FailureCause extends Error {
  readonly code: string
  readonly closeCode: CloseCode
}

export interface ProtocolOptions {
  readonly role: Role
  /** Most bytes of one message, fragments together, after inflation. */
  readonly maxPayload: number
  /** Binary messages are lent to the sink: they may be written over when it returns. Default: false. */
  readonly lendsPayloads?: boolean
  /** Present when permessage-deflate was agreed on: messages may be compressed (RFC 7692 §6). How is for whoever inflates them. */
  readonly deflate?: object
  /** What reads the frames, for this package's own use. Default: the quickest that there is in this process. */
  readonly scanners?: Scanners
}

/** How a connection ended (§7.1.4 to §7.1.6). */
export interface Closure extends CloseStatus {
  /** True when both Close frames were exchanged. */
  readonly wasClean: boolean
  /** Who ended it: the first Close frame, the failure or the end of the bytes came from here or from there. */
  readonly initiator: 'local' | 'remote'
}

/** Marks a compressed message, as in `FrameHeader.rsv` (RFC 7692 §6). */
const RSV1 = 0b100

const ABNORMAL: CloseStatus = { code: CloseCode.Abnormal, reason: '' }

export class Protocol implements FrameReceiver {
  readonly role: Role
  readonly allowedRsv: number
  readonly #sink: ProtocolSink
  readonly #parser: FrameParser
  readonly #assembler: MessageAssembler
  #state: State = 'open'
  #initiator: 'local' | 'remote' | undefined
  /** What the peer's Close frame said, or what a failure says; undefined while there is neither. */
  #status: CloseStatus | undefined
  #wasClean = false
  /** An end that the sink has put off: the peer's Close frame, or the rule that it broke. */
  #putOff: CloseStatus | FailureCause | undefined

  /** Starts behind the opening handshake: the state is `open`. */
  constructor (sink: ProtocolSink, options: ProtocolOptions) {
    this.role = options.role
    this.allowedRsv = options.deflate === undefined ? 0 : RSV1
    this.#sink = sink
    this.#assembler = new MessageAssembler(options.maxPayload, options.lendsPayloads)
    this.#parser = new FrameParser(this, options.scanners, options.lendsPayloads)
  }

  get state (): State {
    return this.#state
  }

  get inMessage (): boolean {
    return this.#assembler.inMessage
  }

  /** True while bytes wait for `resume`. */
  get hasUnread (): boolean {
    return this.#parser.hasUnread
  }

  /** How it ended, or will have ended if the bytes end now. */
  get closure (): Closure {
    const { code, reason } = this.#status ?? ABNORMAL
    return { code, reason, wasClean: this.#wasClean, initiator: this.#initiator ?? 'remote' }
  }

  /**
   * Takes bytes from the peer. They are changed in place and belong to the core.
   *
   * What breaks a rule goes to `sink.onError`, behind everything valid that came before it.
   */
  receiveData (chunk: Buffer): void {
    if (!this.#isReading()) return
    try {
      this.#parser.push(chunk)
    } catch (error) {
      this.#onParserError(error)
    }
  }

  /** Takes bytes from the peer that lie in the `input` of the scanner in WebAssembly; otherwise as `receiveData`. For this package's own use. */
  receiveInput (length: number): void {
    if (!this.#isReading()) return
    try {
      this.#parser.pushInput(length)
    } catch (error) {
      this.#onParserError(error)
    }
  }

  /** Takes note that no more bytes will come, for whatever cause. */
  receiveEof (): void {
    // An answer to a Close frame would reach nobody any more; a broken rule is still told here.
    if (this.#putOff instanceof Error) this.end()
    this.#putOff = undefined
    this.#initiator ??= 'remote'
    this.#move('eof')
    this.#letGo()
  }

  /**
   * Tells whether a new Protocol would do as well: the connection is open, and nothing of a frame or message is kept. To be asked
   * while it reads and between two calls.
   */
  isAsNew (): boolean {
    return this.#state === 'open' && this.#putOff === undefined && !this.#assembler.inMessage && this.#parser.isEmpty
  }

  /** Stops calling the sink after the current frame; what has come behind it waits. */
  pause (): void {
    this.#parser.pause()
  }

  /** Goes on where `pause` stopped. */
  resume (): void {
    if (!this.#isReading()) return
    try {
      this.#parser.resume()
    } catch (error) {
      this.#onParserError(error)
    }
  }

  /**
   * Starts the closing handshake (§7.1.2): the Close frame goes to `sink.onReply`. Messages that the peer sends before it
   * answers still go to the sink. Does nothing when the connection closes already.
   *
   * @throws {UsageError} as `encodeClose`
   */
  close (code?: number, reason?: string): void {
    const payload = encodeClose(code, reason)
    this.end()
    if (this.#state !== 'open') return
    this.#initiator = 'local'
    this.#move('sendClose')
    this.#sink.onReply(Opcode.Close, payload)
  }

  /**
   * Fails the connection (§7.1.7): says why in a Close frame, if none has gone yet, and reads no further.
   *
   * @throws {UsageError} as `encodeClose`
   */
  fail (code: CloseCode, reason: string): void {
    const payload = encodeClose(code, reason)
    if (this.#state === 'closed' || this.#state === 'closeDone') return
    const mayClose = this.#state === 'open'
    this.#initiator ??= 'local'
    this.#status = { code, reason }
    this.#move('fail')
    this.#letGo()
    if (mayClose) this.#sink.onReply(Opcode.Close, payload)
  }

  /**
   * Fails the connection for a fault of the peer that is none of this layer: as for a broken rule, behind what it has sent
   * before (`putsOffEnd`), and `sink.onError` is called. Does nothing when the connection has ended or is about to.
   */
  failBy (cause: FailureCause): void {
    if (this.#isReading() && this.#putOff === undefined) this.#endOrPutOff(cause)
  }

  /** True while an end that the sink has put off waits for `end`. */
  get isEnding (): boolean {
    return this.#putOff !== undefined
  }

  /** Does what is left of an end that the sink has put off, if there is one. */
  end (): void {
    const putOff = this.#putOff
    this.#putOff = undefined
    if (putOff !== undefined) this.#endBy(putOff)
  }

  /** Takes note that this side drops the connection without a closing handshake. */
  abort (): void {
    this.#putOff = undefined
    this.#initiator ??= 'local'
    this.receiveEof()
  }

  /**
   * Takes what a compressed message says, in the order of `onCompressed`, and hands it on as any other message: to `onMessage`, unless it
   * breaks a rule. Messages that came whole are delivered even if the bytes have ended meanwhile.
   *
   * @param bytes - good until this returns unless `owned`
   */
  receiveInflated (opcode: number, bytes: Buffer, owned: boolean): void {
    let data: MessageData
    try {
      data = this.#assembler.inflated(opcode, bytes, owned)
    } catch (error) {
      if (this.#isReading()) this.#onParserError(error)
      return
    }
    this.#sink.onMessage(opcode, data)
  }

  checkLength (opcode: number, payloadLength: number, rsv: number): void {
    this.#assembler.checkLength(opcode, payloadLength, rsv)
  }

  onSimpleMessage (opcode: number, data: MessageData): void {
    this.#sink.onMessage(opcode, data)
  }

  onFrame (header: FrameHeader, bytes: Buffer, start: number, ascii: boolean, owned: boolean): void {
    if (isControl(header.opcode)) {
      this.#onControlFrame(header, bytes, start)
    } else if (header.fin && header.opcode !== Opcode.Continuation) {
      if (header.rsv !== 0) this.#sink.onCompressed?.(header.opcode, bytes.subarray(start, start + header.payloadLength), false)
      else this.#sink.onMessage(header.opcode, this.#assembler.single(header, bytes, start, ascii, owned))
    } else {
      this.#assembler.begin(header)
      this.#assembler.append(bytes, start, start + header.payloadLength, ascii, 0)
      this.onFrameEnd(header)
    }
  }

  onFrameStart (header: FrameHeader): void {
    this.#assembler.begin(header)
  }

  onFramePiece (bytes: Buffer, start: number, end: number, ascii: boolean, due: number): void {
    this.#assembler.append(bytes, start, end, ascii, due)
  }

  onFrameEnd (header: FrameHeader): void {
    if (!header.fin) return
    const { opcode, compressed } = this.#assembler
    const data = this.#assembler.finish()
    if (compressed) {
      // The bytes of one, whatever they say.
      if (this.#isReading()) this.#sink.onCompressed?.(opcode, data as Buffer, true)
      return
    }
    if (this.#isReading()) this.#sink.onMessage(opcode, data)
    this.#assembler.takeBack(data)
  }

  /** §5.5: control frames may come between the fragments of a message. */
  #onControlFrame (header: FrameHeader, bytes: Buffer, start: number): void {
    const end = start + header.payloadLength
    if (header.opcode === Opcode.Close) {
      this.#onCloseFrame(decodeClose(bytes, start, end))
      return
    }
    const data = Buffer.from(bytes.subarray(start, end))
    if (header.opcode === Opcode.Pong) {
      this.#sink.onPong(data)
      return
    }
    // §5.5.2: a ping MUST be answered, with its own data, unless the peer has sent its Close frame.
    if (this.#isReading()) this.#sink.onReply(Opcode.Pong, data)
    this.#sink.onPing(data)
  }

  /** §5.5.1: the first Close frame MUST be answered, with its code and reason; the second one ends the handshake. */
  #onCloseFrame (status: CloseStatus): void {
    this.#status = status
    this.#initiator ??= 'remote'
    this.#move('receiveClose')
    this.#endOrPutOff(status)
  }

  #onParserError (error: unknown): void {
    if (!(error instanceof ProtocolError)) throw error
    this.#endOrPutOff(error)
  }

  #endOrPutOff (cause: CloseStatus | FailureCause): void {
    this.#letGo()
    if (this.#sink.putsOffEnd?.() === true) this.#putOff = cause
    else this.#endBy(cause)
  }

  #endBy (cause: CloseStatus | FailureCause): void {
    if (cause instanceof Error) {
      this.fail(cause.closeCode, cutReason(cause.message))
      this.#sink.onError(cause)
      return
    }
    const { code, reason } = cause
    this.#wasClean = true
    if (this.#state === 'closeReceived') {
      this.#move('sendClose')
      this.#sink.onReply(Opcode.Close, code === CloseCode.NoStatus ? encodeClose() : encodeClose(code, reason))
    }
    this.#sink.onClose(code, reason)
  }

  /** True while the peer may still say something that counts. */
  #isReading (): boolean {
    return this.#state === 'open' || this.#state === 'closeSent'
  }

  /** Stops the parser for good and frees what it holds. */
  #letGo (): void {
    this.#parser.end()
    this.#assembler.clear()
  }

  #move (signal: Signal): void {
    this.#state = nextState(this.#state, signal)
  }
}
