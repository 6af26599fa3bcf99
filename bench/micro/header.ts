// A header in front of a payload (RFC 6455 §5.2).
import { strict as assert } from 'node:assert'
import { writeFrameHeader } from '../../lib/protocol/frame-header.ts'
import type { Subject } from './compare.ts'

type Write = (target: Buffer, length: number) => Buffer

const TEXT = 0x81

function byMethods (target: Buffer, length: number): Buffer {
  target.writeUInt8(TEXT, 0)
  if (length < 126) {
    target.writeUInt8(length, 1)
    return target
  }
  target.writeUInt8(length < 0x1_0000 ? 126 : 127, 1)
  if (length < 0x1_0000) target.writeUInt16BE(length, 2)
  else target.writeBigUInt64BE(BigInt(length), 2)
  return target
}

function onItsOwn (_target: Buffer, length: number): Buffer {
  const header = Buffer.allocUnsafe(length < 126 ? 2 : length < 0x1_0000 ? 4 : 10)
  writeFrameHeader(header, 0, TEXT, length, false)
  return header
}

function byDataView (target: Buffer, length: number): Buffer {
  const view = new DataView(target.buffer, target.byteOffset, 10)
  view.setUint8(0, TEXT)
  view.setUint8(1, length < 126 ? length : length < 0x1_0000 ? 126 : 127)
  if (length >= 126 && length < 0x1_0000) view.setUint16(2, length)
  if (length >= 0x1_0000) view.setBigUint64(2, BigInt(length))
  return target
}

const WAYS: ReadonlyArray<{ readonly name: string, readonly word: string, readonly write: Write }> = [
  {
    name: 'lib/protocol/frame-header.ts',
    word: 'used: bytes by index, into the buffer of the frame',
    write (target, length) {
      writeFrameHeader(target, 0, TEXT, length, false)
      return target
    }
  },
  { name: 'methods of Buffer', word: 'each checks its arguments', write: byMethods },
  { name: 'DataView', word: 'an object for each header', write: byDataView },
  { name: 'a Buffer of its own', word: 'as ws does for large payloads; then two writes, or a writev', write: onItsOwn }
]

export const subjects: readonly Subject[] = [20, 1_024, 1_048_576].map((length) => {
  const target = Buffer.alloc(16)
  const expected = Buffer.alloc(16)
  const end = writeFrameHeader(expected, 0, TEXT, length, false)
  return {
    name: `header of a payload of ${length.toLocaleString('en')} B`,
    variants: WAYS.map(({ name, word, write }) => ({
      name,
      word,
      batch (count: number) {
        let sum = 0
        for (let i = 0; i < count; i++) sum += write(target, length)[1]!
        return sum
      },
      check () { assert.deepEqual(write(target, length).subarray(0, end), expected.subarray(0, end), name) }
    }))
  }
})
