// Frames that go to many connections, one behind the other in pages of memory: what is sent to the same peers in one tick lies
// together, and is one write for each of them. Bytes in a page are written once and never again.
import { encodeFrame, frameLength, textFrameBound, writeFrame, writeTextFrame } from '../protocol/frame-builder.ts'
import { Opcode } from '../protocol/opcode.ts'
import type { Chunk } from './chunk.ts'

export const PAGE_SIZE = 65_536

/** A frame that may take more is a Buffer of its own. */
const OWN_FROM = 16_384

/** Where a frame lies, and its bytes there: a chunk that any outbox may take as it is. */
export interface FrameRange extends Readonly<Chunk> {
  readonly bytes: Buffer
}

let page: Buffer = Buffer.alloc(0)
let used = 0

/** Writes an unmasked text message. */
export function logText (text: string): FrameRange {
  const bound = textFrameBound(text)
  if (bound > OWN_FROM) return whole(encodeFrame({ role: 'server', opcode: Opcode.Text }, text))
  makeRoom(bound)
  return logged(writeTextFrame(page, used, 'server', text))
}

/** Writes an unmasked message of bytes, which are copied. @param opcode - with the reserved bits as they stand on the wire */
export function logBytes (opcode: number, bytes: Buffer): FrameRange {
  const length = frameLength(bytes.length, 'server')
  if (length <= OWN_FROM) makeRoom(length)
  const target = length > OWN_FROM ? Buffer.allocUnsafeSlow(length) : page
  if (target !== page) {
    writeFrame(target, 0, 'server', opcode, bytes)
    return whole(target)
  }
  return logged(writeFrame(page, used, 'server', opcode, bytes))
}

function makeRoom (length: number): void {
  if (used + length <= page.length) return
  page = Buffer.allocUnsafeSlow(PAGE_SIZE)
  used = 0
}

function logged (end: number): FrameRange {
  const range = { page, start: used, end, bytes: page.subarray(used, end), slab: undefined }
  used = end
  return range
}

function whole (frame: Buffer): FrameRange {
  return { page: frame, start: 0, end: frame.length, bytes: frame, slab: undefined }
}
