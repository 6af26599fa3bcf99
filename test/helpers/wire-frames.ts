// WebSocket frames as the tests write and read them (RFC 6455 §5). Shares nothing with lib/: what lib/ gets wrong must
// not be repaired or repeated here.
import { isUtf8 } from 'node:buffer'

/** A frame as it is to go on the wire; everything but the opcode has the legal value unless it is given. */
export interface FrameToSend {
  readonly opcode: number
  readonly payload?: Uint8Array | string
  readonly fin?: boolean
  /** RSV1, RSV2, RSV3 as the bits 0b100, 0b010, 0b001. */
  readonly rsv?: number
  /** `null` for a frame without a mask. */
  readonly mask?: Uint8Array | null
  /** Bits of the length field; the shortest that fits unless given. */
  readonly lengthForm?: 7 | 16 | 64
  /** The length that the header tells; that of the payload unless given. */
  readonly announced?: bigint
}

/** A frame as it came from the server. */
export interface ReceivedFrame {
  readonly fin: boolean
  readonly opcode: number
  /** As it came, compressed or not. */
  readonly payload: Buffer
  /** True in the first frame of a compressed message (RFC 7692 §6). */
  readonly compressed?: true
}

/** The masking key of RFC 6455 §5.7's examples: four different bytes, so a shifted key shows. */
const MASK = Buffer.from('37fa213d', 'hex')

/** Applies a masking key (§5.3); returns new bytes. By words, since some messages have 16 MiB. */
export function maskBytes (bytes: Uint8Array, key: Uint8Array): Buffer {
  // Buffer.alloc never takes from the pool, so the words are aligned
  const masked = Buffer.alloc(bytes.length)
  masked.set(bytes)
  const words = new Uint32Array(masked.buffer, 0, bytes.length >>> 2)
  const [keyWord = 0] = new Uint32Array(Uint8Array.from(key).buffer)
  for (let i = 0; i < words.length; i++) words[i] = (words[i] ?? 0) ^ keyWord
  for (let i = words.length * 4; i < bytes.length; i++) masked[i] = (bytes[i] ?? 0) ^ (key[i & 3] ?? 0)
  return masked
}

/** Encodes one frame, legal or not (§5.2). */
export function encodeFrame (frame: FrameToSend): Buffer {
  const { opcode, payload = '', fin = true, rsv = 0, mask = MASK } = frame
  const bytes = typeof payload === 'string' ? Buffer.from(payload) : payload
  const length = frame.announced ?? BigInt(bytes.length)
  const form = frame.lengthForm ?? (length < 126n ? 7 : length < 65_536n ? 16 : 64)
  const extended = Buffer.alloc(form === 7 ? 0 : form / 8)
  if (form === 16) extended.writeUInt16BE(Number(length))
  if (form === 64) extended.writeBigUInt64BE(length)
  const length7 = form === 7 ? Number(length) : form === 16 ? 126 : 127
  const head = Buffer.from([(fin ? 0x80 : 0) | (rsv << 4) | opcode, (mask === null ? 0 : 0x80) | length7])
  if (mask === null) return Buffer.concat([head, extended, bytes])
  return Buffer.concat([head, extended, mask, maskBytes(bytes, mask)])
}

/** Encodes the payload of a Close frame (§5.5.1): two bytes of code, and the reason. */
export function closePayload (code: number, reason: Uint8Array | string = ''): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16BE(code)
  return Buffer.concat([bytes, Buffer.from(reason)])
}

/** The code of a Close frame's payload, or 1005 where it has none (§7.1.5). */
export function closeCodeOf (payload: Buffer): number {
  return payload.length < 2 ? 1005 : payload.readUInt16BE()
}

/** Reads what a server sends and throws where a server may not send it. Keeps every byte of an unfinished frame. */
export class FrameReader {
  #chunks: Buffer[] = []
  #size = 0
  #needed = 2
  #fragmented: number | undefined
  #closed = false
  readonly #allowsCompressed: boolean

  /** @param allowsCompressed - permessage-deflate was agreed on, so that the first frame of a message may have RSV1 */
  constructor (allowsCompressed = false) {
    this.#allowsCompressed = allowsCompressed
  }

  /** Takes the next bytes and returns the frames that they complete. */
  receiveData (chunk: Buffer): ReceivedFrame[] {
    this.#chunks.push(chunk)
    this.#size += chunk.length
    if (this.#size < this.#needed) return []
    const frames: ReceivedFrame[] = []
    let bytes = Buffer.concat(this.#chunks)
    for (;;) {
      const length = frameLength(bytes)
      this.#needed = length
      if (bytes.length < length) break
      frames.push(this.#check(bytes.subarray(0, length)))
      bytes = bytes.subarray(length)
    }
    this.#chunks = [bytes]
    this.#size = bytes.length
    return frames
  }

  #check (bytes: Buffer): ReceivedFrame {
    const first = bytes.readUInt8(0)
    const opcode = first & 0xf
    const fin = (first & 0x80) !== 0
    const payload = bytes.subarray(headerLength(bytes))
    const compressed = this.#allowsCompressed && (opcode === 1 || opcode === 2) && (first & 0x40) !== 0
    const whole = encodeFrame({ opcode, fin, payload, mask: null, rsv: compressed ? 4 : 0 })
    const start = `${bytes.subarray(0, 16).toString('hex')}...`
    // one comparison for the reserved bits, the mask and the shortest length
    if (!whole.equals(bytes)) throw new Error(`not the only encoding of its frame: ${start}`)
    // §5.5.2: a ping is answered until the other side's Close has come, so pongs may stand behind one's own
    if (this.#closed && opcode !== 10) throw new Error(`a frame after Close: ${start}`)
    if (opcode >= 8) {
      if (opcode > 10) throw new Error(`reserved opcode: ${start}`)
      if (!fin || payload.length > 125) throw new Error(`control frame fragmented or too long: ${start}`)
    } else {
      if (opcode > 2) throw new Error(`reserved opcode: ${start}`)
      if ((opcode === 0) !== (this.#fragmented !== undefined)) throw new Error(`out of the fragments' order: ${start}`)
      if (fin && opcode === 1 && !compressed && !isUtf8(payload)) throw new Error(`text that is not UTF-8: ${start}`)
      this.#fragmented = fin ? undefined : opcode
    }
    if (opcode === 8) {
      this.#closed = true
      if (payload.length === 1 || !isUtf8(payload.subarray(2))) throw new Error(`bad Close payload: ${start}`)
    }
    return compressed ? { fin, opcode, payload, compressed } : { fin, opcode, payload }
  }
}

/** Bytes of the header at the start of `bytes`, the masking key included; more bytes may be needed to know. */
function headerLength (bytes: Buffer): number {
  const second = bytes.length < 2 ? 0 : bytes.readUInt8(1)
  const length7 = second & 0x7f
  return 2 + (length7 === 126 ? 2 : length7 === 127 ? 8 : 0) + ((second & 0x80) === 0 ? 0 : 4)
}

/** Bytes of the frame at the start of `bytes`, or of its header while that is not all there. */
function frameLength (bytes: Buffer): number {
  const header = headerLength(bytes)
  if (bytes.length < header) return header
  const length7 = bytes.readUInt8(1) & 0x7f
  if (length7 === 126) return header + bytes.readUInt16BE(2)
  if (length7 === 127) return header + Number(bytes.readBigUInt64BE(2))
  return header + length7
}
