// A message for many connections: made a frame once, and compressed once for all that have agreed on the same.
import { Opcode } from '../protocol/opcode.ts'
import { DEFLATE_NOW, deflateNow } from './deflate/deflate.ts'
import type { DeflateSettings } from './deflate/settings.ts'
import { logBytes, logText } from './frame-log.ts'
import type { FrameRange } from './frame-log.ts'

/** Marks a compressed message in its first byte (RFC 7692 §6). */
export const RSV1 = 0x40

export class SharedMessage {
  /** A string goes as text. Bytes are left as they are until all have been sent to. */
  readonly data: string | Buffer
  /** In bytes. */
  readonly size: number
  #plain: FrameRange | undefined
  /** Null where it would be no smaller. */
  #compressed: Map<DeflateSettings, FrameRange | null> | undefined

  constructor (data: string | Buffer) {
    this.data = data
    this.size = typeof data === 'string' ? Buffer.byteLength(data) : data.length
  }

  /** Its frame as a server sends it. */
  get frame (): FrameRange {
    return (this.#plain ??= typeof this.data === 'string' ? logText(this.data) : logBytes(Opcode.Binary, this.data))
  }

  /**
   * Its frame for a connection with permessage-deflate. Undefined for one that keeps its context, and where it is so large that another
   * thread should compress it.
   */
  frameFor (settings: DeflateSettings): FrameRange | undefined {
    if (this.size < settings.threshold) return this.frame
    if (settings.sendsContext || this.size > DEFLATE_NOW) return undefined
    let frame = this.#compressed?.get(settings)
    if (frame === undefined) {
      frame = this.#compress(settings) ?? null
      this.#compressed ??= new Map()
      this.#compressed.set(settings, frame)
    }
    return frame ?? this.frame
  }

  #compress (settings: DeflateSettings): FrameRange | undefined {
    const payload = deflateNow(this.data, settings, undefined)
    return payload && logBytes((typeof this.data === 'string' ? Opcode.Text : Opcode.Binary) | RSV1, payload)
  }
}
