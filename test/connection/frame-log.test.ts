import t from 'tap'
import { logBytes, logText, PAGE_SIZE } from '../../lib/connection/frame-log.ts'
import { encodeFrame } from '../helpers/wire-frames.ts'

const frameOf = (opcode: number, payload: string | Buffer, rsv = 0): Buffer => encodeFrame({ opcode, payload, rsv, mask: null })

t.test('frames are what a server sends, whatever their length', async (t) => {
  for (const length of [0, 1, 125, 126, 300, 5_000, 16_000, 16_384, 70_000]) {
    const text = 'é'.repeat(length)
    t.ok(logText(text).bytes.equals(frameOf(1, text)), `text of ${length}`)
    const bytes = Buffer.alloc(length, 'bytes')
    t.ok(logBytes(2, bytes).bytes.equals(frameOf(2, bytes)), `${length} bytes`)
    t.ok(logBytes(0x41, bytes).bytes.equals(frameOf(1, bytes, 0b100)), `${length} bytes, compressed`)
  }
})

t.test('frames lie one behind the other until a page is full', async (t) => {
  const before = logText('before')
  const one = logText('one')
  const two = logBytes(2, Buffer.from('two'))
  t.equal(one.page, two.page)
  t.equal(one.end, two.start)
  t.equal(before.end, one.start)
  const pages = new Set(Array.from({ length: 100 }, () => logText('x'.repeat(1_000)).page))
  t.ok(pages.size >= 2 && pages.size <= 4, `${pages.size} pages`)
  for (const page of pages) t.equal(page.length, PAGE_SIZE)
  t.ok(one.bytes.equals(frameOf(1, 'one')), 'nothing is written over')
  t.ok(two.bytes.equals(frameOf(2, 'two')))
})

t.test('a large frame is a Buffer of its own', async (t) => {
  const { page, bytes, start, end } = logBytes(2, Buffer.alloc(20_000))
  t.equal(page, bytes)
  t.same([start, end], [0, 20_004])
})

t.test('bytes are copied', async (t) => {
  for (const length of [10, 20_000]) {
    const bytes = Buffer.alloc(length, 1)
    const range = logBytes(2, bytes)
    bytes.fill(2)
    t.ok(range.bytes.equals(frameOf(2, Buffer.alloc(length, 1))))
  }
})
