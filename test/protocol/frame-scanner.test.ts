// The portable scanner and the one in WebAssembly: the same table for the same bytes, and the same bytes after it.
import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import t from 'tap'
import { BITS, FIELDS, IS_ASCII, MAX_FRAMES, PortableScanner } from '../../lib/protocol/frame-scanner.ts'
import type { FrameScanner } from '../../lib/protocol/frame-scanner.ts'
import { INPUT_SIZE, INPUT_START, WasmScanner } from '../../lib/protocol/wasm-scanner.ts'
import { anyFrame, legalFrames, parameters, SEED } from '../helpers/arbitrary-frames.ts'
import { hex } from '../helpers/hex.ts'
import { encodeFrame } from '../helpers/wire-frames.ts'

t.comment(`seed ${SEED}`)

const wasm = WasmScanner.create()
if (wasm === undefined) throw new Error('this Node has no WebAssembly with vectors')

interface Place {
  readonly name: string
  readonly scanner: FrameScanner
  /** Where the bytes are to be, and their start. */
  put (wire: Buffer): { bytes: Buffer, start: number }
}

const NEXT = hex('a5a5a5a5 a5a5a5a5 a5a5a5a5 a5a5a5a5 a5')

/** Each has other bytes behind the wire's, which nobody may touch. */
const places: readonly Place[] = [
  { name: 'portable', scanner: new PortableScanner(), put: (wire) => ({ bytes: Buffer.concat([hex('ffff'), wire, NEXT]), start: 2 }) },
  { name: 'portable, unmasked elsewhere', scanner: new PortableScanner(wasm, 0), put: (wire) => ({ bytes: Buffer.concat([hex('ffff'), wire, NEXT]), start: 2 }) },
  {
    name: 'WebAssembly',
    scanner: wasm,
    put (wire) {
      wasm.memory.set(wire, INPUT_START)
      wasm.memory.set(NEXT, INPUT_START + wire.length)
      return { bytes: wasm.memory, start: INPUT_START }
    }
  }
]

interface Scanned {
  /** `<first byte> <second byte> <payload as hex> <ascii or not>` */
  readonly frames: string[]
  /** What the bytes are afterwards. */
  readonly after: string
  /** And after the frames from `from` on have been undone. */
  readonly undone: string
}

function scan ({ scanner, put }: Place, wire: Buffer, most = MAX_FRAMES, undoFrom = 0): Scanned {
  const { bytes, start } = put(wire)
  const end = start + wire.length
  const count = scanner.scan(bytes, start, end, most)
  const frames = Array.from({ length: count }, (_, frame) => {
    const [payload = 0, length = 0, bits = 0] = scanner.table.subarray(frame * FIELDS, frame * FIELDS + BITS + 1)
    const text = bytes.toString('hex', payload, payload + length)
    return `${(bits & 0xff).toString(16)} ${((bits >> 8) & 0xff).toString(16)} ${text} ${(bits & IS_ASCII) === 0 ? '' : 'ascii'}`
  })
  const after = bytes.toString('hex', start, end + NEXT.length)
  if (undoFrom < count) scanner.undo(bytes, undoFrom, count)
  return { frames, after, undone: bytes.toString('hex', start, end + NEXT.length) }
}

const mask = hex('37fa213d')
const rows: ReadonlyArray<{ name: string, wire: Buffer, want: string[] }> = [
  { name: '§5.7 masked Hello', wire: hex('81 85 37fa213d 7f9f4d5158'), want: ['81 85 48656c6c6f ascii'] },
  { name: '§5.7 unmasked Hello', wire: hex('81 05 48656c6c6f'), want: ['81 5 48656c6c6f ascii'] },
  { name: '§5.2 not ASCII in the last byte', wire: encodeFrame({ opcode: 1, payload: Buffer.from(`${'a'.repeat(15)}\u00ff`, 'latin1'), mask }), want: [`81 90 ${'61'.repeat(15)}ff `] },
  { name: '§5.6 nothing in it', wire: hex('82 80 00000000 81 00'), want: ['82 80  ascii', '81 0  ascii'] },
  { name: '§5.2 the shortest 16-bit length', wire: encodeFrame({ opcode: 2, payload: 'x'.repeat(126), mask }), want: [`82 fe ${'78'.repeat(126)} ascii`] },
  { name: '§5.2 a 16-bit length that is not minimal is left', wire: hex('82 01 61 82 7e 0001 61'), want: ['82 1 61 ascii'] },
  { name: '§5.2 a 64-bit length is left', wire: hex('82 01 61 82 7f 0000000000000001 61'), want: ['82 1 61 ascii'] },
  { name: 'what is against the rules is told as it stands', wire: hex('f3 01 61'), want: ['f3 1 61 ascii'] },
  { name: 'no byte at all, and one', wire: hex('81'), want: [] }
]

for (const place of places) {
  t.test(place.name, async t => {
    for (const { name, wire, want } of rows) {
      t.strictSame(scan(place, wire).frames, want, name)
      for (let cut = 0; cut < wire.length; cut++) {
        const { frames } = scan(place, wire.subarray(0, cut))
        if (!isDeepStrictEqual(frames, want.slice(0, frames.length)) || frames.length > want.length) t.fail(`${name}, cut at ${cut}: ${frames.join()}`)
      }
    }
    const many = Buffer.concat(Array.from({ length: MAX_FRAMES + 9 }, () => encodeFrame({ opcode: 1, payload: 'x', mask })))
    t.equal(scan(place, many).frames.length, MAX_FRAMES, 'not more frames than there is room for')
    t.equal(scan(place, many, 3).frames.length, 3, 'nor than are asked for')
    const large = encodeFrame({ opcode: 2, payload: Buffer.alloc(INPUT_SIZE - 8, 0xc3), mask })
    t.equal(scan(place, large).frames.length, 1, 'as large as an input can be')
  })

  t.test(`${place.name}: short texts are read together, and each is its own`, async t => {
    const texts = Array.from({ length: 200 }, (_, n) => `${n}-${'y'.repeat(n % 40)}`)
    texts.push('z'.repeat(5000), 'last')
    const { bytes, start } = place.put(Buffer.concat(texts.map((payload) => encodeFrame({ opcode: 1, payload, mask }))))
    const { scanner } = place
    const count = scanner.scan(bytes, start, bytes.length, MAX_FRAMES)
    const read = (frame: number): string => {
      const payload = scanner.table[frame * FIELDS] ?? NaN
      return scanner.readAscii(payload, payload + (scanner.table[frame * FIELDS + 1] ?? NaN))
    }
    t.ok(count >= texts.length)
    t.strictSame(texts.map((_, frame) => read(frame)), texts, 'in order')
    t.strictSame([150, 3, 0, 201, 77].map(read), [150, 3, 0, 201, 77].map((frame) => texts[frame]), 'and in any')
  })
}

t.test('T06 a short text keeps no more than 1 KiB of other texts alive', async t => {
  // Whatever reads them together asks for so many bytes at once at most.
  const bytes = Buffer.concat(Array.from({ length: 200 }, () => encodeFrame({ opcode: 1, payload: 'x'.repeat(60), mask })))
  const asked: number[] = []
  bytes.toString = function (encoding, start = 0, end = 0) {
    asked.push(end - start)
    return Buffer.prototype.toString.call(this, encoding, start, end)
  }
  const scanner = new PortableScanner()
  const count = scanner.scan(bytes, 0, bytes.length, MAX_FRAMES)
  for (let frame = 0; frame < count; frame++) {
    const payload = scanner.table[frame * FIELDS] ?? NaN
    t.equal(scanner.readAscii(payload, payload + 60), 'x'.repeat(60))
  }
  t.ok(Math.max(...asked) <= 1024 && asked.length < 20, asked.join())
})

for (const { name, scanner, put } of places) {
  t.test(`${name}: short payloads are copied together, and none is of the bytes that were scanned`, async t => {
    for (const round of [0, 100]) {
      const payloads = Array.from({ length: 150 }, (_, n) => Buffer.alloc(n * 7 % 300, n + round))
      payloads.push(Buffer.alloc(5000, 1 + round), Buffer.alloc(3, 2 + round))
      const { bytes, start } = put(Buffer.concat(payloads.map((payload) => encodeFrame({ opcode: 2, payload, mask }))))
      scanner.scan(bytes, start, bytes.length, MAX_FRAMES)
      const take = (frame: number): Buffer => {
        const payload = scanner.table[frame * FIELDS] ?? NaN
        return scanner.takeBinary(payload, payload + (scanner.table[frame * FIELDS + 1] ?? NaN), false)
      }
      t.strictSame(take(77), payloads[77], 'not what was there when it was scanned last')
      const taken = payloads.map((_, frame) => take(frame))
      const again = [100, 3, 151, 0, 77].map(take)
      bytes.fill(0xee, start, Math.min(start + 60_000, bytes.length))
      t.strictSame(taken, payloads)
      t.strictSame(again, [100, 3, 151, 0, 77].map((frame) => payloads[frame]), 'in any order')
      t.ok(taken.every(({ buffer, length }) => buffer.byteLength <= Math.max(8192, Buffer.allocUnsafe(1).buffer.byteLength, length)), 'T06 8 KiB at most are kept alive, or as many as Node\'s own pool has')
      t.ok(new Set(taken.map(({ buffer }) => buffer)).size < 20, 'by few Buffers')
    }
  })
}

t.test('any frames, any cut: the same table, the same bytes, and undone as before', async () => {
  const frames = fc.array(fc.oneof(legalFrames, fc.tuple(anyFrame)), { maxLength: 4 })
  fc.assert(fc.property(frames, fc.uint8Array({ minLength: 4, maxLength: 4 }), fc.nat(400), fc.nat(6), (lists, key, cut, undoFrom) => {
    const all = Buffer.concat(lists.flat().map((frame) => encodeFrame({ ...frame, mask: Buffer.from(key) })))
    const wire = all.subarray(0, Math.max(0, all.length - cut))
    const [portable, elsewhere, vectors] = places.map((place) => scan(place, wire, MAX_FRAMES, undoFrom))
    const untouched = places.map((place) => scan(place, wire).undone)
    return isDeepStrictEqual(portable, vectors) && isDeepStrictEqual(elsewhere, vectors) && untouched.every((bytes) => bytes === Buffer.concat([wire, NEXT]).toString('hex'))
  }), parameters(2500))
})

t.test('a piece is unmasked alike, wherever it lies', async () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), fc.integer(), fc.nat(20), fc.nat(20), (payload, key, before, after) => {
    const [portable, elsewhere, vectors] = places.map(({ scanner, put }) => {
      const { bytes, start } = put(Buffer.from(payload))
      const end = Math.max(start + before, start + payload.length - after)
      const ascii = scanner.unmask(bytes, start + before, end, key | 0)
      return [ascii, bytes.toString('hex', start, start + payload.length + NEXT.length)]
    })
    return isDeepStrictEqual(portable, vectors) && isDeepStrictEqual(elsewhere, vectors)
  }), parameters(2000))
})

t.test('short stretches are unmasked here, and long ones elsewhere', async t => {
  const lengths: number[] = []
  const scanner = new PortableScanner({ unmaskElsewhere (_bytes, start, end) { lengths.push(end - start); return true } })
  for (const length of [0, 100, 1023, 1024, 70_000]) scanner.unmask(Buffer.alloc(length), 0, length, 1)
  t.strictSame(lengths, [1024, 70_000])
})
