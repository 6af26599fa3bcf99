import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t from 'tap'
import { givePage, keepPage, MAX_SPARE, PayloadBuffer, takeBytes } from '../../lib/protocol/payload-buffer.ts'

setFlagsFromString('--expose-gc')
// the flag adds a global to contexts made from now on
const collectGarbage = runInNewContext('gc') as () => void

/** Bytes outside the heap and in it, when all that can go has gone. */
function measureMemory (): number {
  // one collection starts to free what lies outside the heap, the next ones wait for it
  for (let n = 0; n < 4; n++) collectGarbage()
  const { arrayBuffers, heapUsed } = process.memoryUsage()
  return arrayBuffers + heapUsed
}

function pattern (length: number, seed = 0): Buffer {
  const bytes = Buffer.allocUnsafeSlow(length)
  for (let at = 0; at < length; at++) bytes[at] = (at * 31 + (at >> 8) + seed) & 0xff
  return bytes
}

const rows: ReadonlyArray<{ name: string, sizes: readonly number[] }> = [
  { name: 'nothing', sizes: [] },
  { name: 'empty pieces', sizes: [0, 0] },
  { name: 'one small piece', sizes: [5] },
  { name: 'one large piece', sizes: [100_000] },
  { name: 'pieces that fill the first page exactly', sizes: [500, 12, 1] },
  { name: 'a small one between two large ones', sizes: [50_000, 3, 50_000] },
  { name: 'large ones between small ones', sizes: [1, 8192, 2, 8192, 3] },
  { name: 'around what may be taken ahead', sizes: [4095, 4096, 4097] },
  { name: 'a megabyte in reads of 64 KiB', sizes: Array.from({ length: 17 }, () => 65_536) },
  { name: 'ever larger', sizes: Array.from({ length: 18 }, (_, power) => 2 ** power) },
  { name: 'many', sizes: Array.from({ length: 3000 }, (_, n) => n % 97) }
]

for (const { name, sizes } of rows) {
  t.test(`§5.4 ${name}`, async t => {
    for (const around of [0, 300, 20_000]) {
      const buffer = new PayloadBuffer()
      const chunks = sizes.map((size, n) => pattern(size + 2 * around, n))
      const want = Buffer.concat(chunks.map(chunk => chunk.subarray(around, chunk.length - around)))
      const ends = (n: number): number => sizes.slice(n + 1).reduce((sum, size) => sum + size, 0)
      // As pieces of one frame, that of what it announces only the next one comes, and as frames of their own.
      for (const due of [ends, (n: number) => sizes[n + 1] ?? 0, () => 2 ** 40, () => 0]) {
        for (const [n, chunk] of chunks.entries()) buffer.append(chunk, around, chunk.length - around, due(n))
        t.equal(buffer.length, want.length)
        t.ok(buffer.take().equals(want), `${around} bytes of the chunk around each piece`)
        t.equal(buffer.length, 0, 'and it can be used again')
      }
      for (const chunk of chunks) buffer.append(chunk, around, chunk.length - around, 0)
      buffer.clear()
      t.equal(buffer.take().length, 0, 'cleared')
    }
  })
}

t.test('pieces are copied: what becomes of their chunk does not matter', async t => {
  const buffer = new PayloadBuffer()
  const chunk = Buffer.from('abcdef')
  buffer.append(chunk, 1, 4, 3)
  chunk.fill(0)
  buffer.append(Buffer.from('xyz'), 0, 3, 0)
  t.equal(buffer.take().toString(), 'bcdxyz')
})

t.test('what was taken stays as it is', async t => {
  const buffer = new PayloadBuffer()
  buffer.append(Buffer.from('first'), 0, 5, 0)
  const first = buffer.take()
  buffer.append(Buffer.from('second'), 0, 6, 0)
  t.equal(first.toString(), 'first')
  t.equal(buffer.take().toString(), 'second')
})

/** Pieces as chunks of their own, or as part of one; how many and how large. */
const floods: ReadonlyArray<{ name: string, count: number, size: number, around: number, due?: number }> = [
  { name: 'T03 1e6 pieces of one byte', count: 1_000_000, size: 1, around: 0 },
  { name: 'T03 pieces of seven bytes in chunks of 64 KiB', count: 2000, size: 7, around: 32_768 },
  { name: 'T03 pieces of 4 KiB, a small part of their chunk', count: 300, size: 4097, around: 30_000 },
  { name: 'T03 pieces of a frame that announces far more', count: 400_000, size: 40, around: 0, due: 2 ** 40 },
  { name: 'T03 pieces of frames that each announce as much again', count: 3000, size: 1000, around: 0, due: 1000 },
  { name: 'T03 large pieces, more than a third of their chunk', count: 40, size: 60_000, around: 55_000 },
  { name: 'T03 large pieces, just half of their chunk', count: 40, size: 60_000, around: 30_000 }
]

for (const { name, count, size, around, due = 0 } of floods) {
  t.test(`${name}: memory is at most twice the bytes and a page`, async t => {
    const buffer = new PayloadBuffer()
    const one = Buffer.allocUnsafeSlow(size)
    const before = measureMemory()
    for (let n = 0; n < count; n++) {
      const chunk = around === 0 ? one : Buffer.allocUnsafeSlow(size + 2 * around)
      buffer.append(chunk, around, around + size, due)
    }
    const grown = measureMemory() - before
    t.equal(buffer.length, count * size)
    // what the collector's own work moves about, besides a page
    const slack = 65_536 + 400_000
    t.ok(grown <= 2 * count * size + slack, `${grown} bytes for ${count * size}`)
    // Pages that messages before have left are used again.
    t.ok(grown > 0.9 * count * size - slack - (due === 0 ? 0 : MAX_SPARE), 'and they are measured')
    t.ok(buffer.length > 0, 'held until here')
  })
}

t.test('T03 time is linear in the pieces', async t => {
  const one = Buffer.alloc(1)
  const fill = (count: number): void => {
    const buffer = new PayloadBuffer()
    for (let n = 0; n < count; n++) buffer.append(one, 0, 1, n % 2)
    if (buffer.take().length !== count) throw new Error('bytes are missing')
  }
  const times = (act: () => void): number => {
    const start = process.hrtime.bigint()
    act()
    return Number(process.hrtime.bigint() - start)
  }
  fill(300_000)
  let ratio = Infinity
  // the best of a few: a busy machine slows one down, never all of one kind
  for (let run = 0; run < 4; run++) {
    const inParts = times(() => { for (let n = 0; n < 50; n++) fill(10_000) })
    ratio = Math.min(ratio, times(() => fill(500_000)) / inParts)
  }
  t.ok(ratio < 5, `${ratio.toFixed(2)} times as long`)
})

t.test('T06 takeBytes: a view of at most four times its size, else a copy', async t => {
  const chunk = pattern(65_536)
  for (const length of [0, 1, 100, 4000, 16_383, 16_384, 16_385, 65_536]) {
    const start = Math.min(7, 65_536 - length)
    const taken = takeBytes(chunk, start, start + length, true)
    t.ok(taken.equals(chunk.subarray(start, start + length)), `${length} bytes`)
    t.equal(taken.buffer === chunk.buffer, length >= 16_384, length >= 16_384 ? 'a view' : 'a copy')
    // Node takes small ones out of a pool that many share
    t.ok(taken.buffer.byteLength <= Math.max(4 * length, Buffer.poolSize), `keeps ${taken.buffer.byteLength} alive`)
    t.not(takeBytes(chunk, start, start + length, false).buffer, chunk.buffer, 'always a copy of a chunk that may not be kept')
  }
})

t.test('a page that is given back is used for the next message of that size, and only whole ones of some size are kept', async t => {
  const collect = (length: number): Buffer => {
    const buffer = new PayloadBuffer()
    buffer.append(pattern(length), 0, length - 1, 1)
    buffer.append(pattern(1), 0, 1, 0)
    return buffer.take()
  }
  const first = collect(70_000)
  givePage(first)
  t.not(collect(70_001).buffer, first.buffer, 'another size')
  t.equal(collect(70_000).buffer, first.buffer)
  t.not(collect(70_000).buffer, first.buffer, 'once')
  for (const length of [10_000, 5_000_000]) {
    const page = collect(length)
    givePage(page)
    t.not(collect(length).buffer, page.buffer, `${length} bytes`)
  }
  const kept = collect(70_000)
  keepPage(kept)
  givePage(kept)
  t.not(collect(70_000).buffer, kept.buffer, 'one that somebody has to keep')
  const part = collect(70_000).subarray(1)
  givePage(part)
  t.not(collect(70_000).buffer, part.buffer, 'a part')
  const many = Array.from({ length: 80 }, () => collect(80_000))
  for (const page of many) givePage(page)
  const buffers = new Set(many.map(({ buffer }) => buffer))
  const used = Array.from({ length: 80 }, () => collect(80_000)).filter(({ buffer }) => buffers.has(buffer))
  t.ok(used.length > 0 && used.length * 80_000 <= MAX_SPARE, `${used.length} of them are kept`)
})
