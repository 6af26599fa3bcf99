import t from 'tap'
import { bytesOf, gather, wholeChunk } from '../../lib/connection/chunk.ts'
import { slabWith } from '../../lib/connection/slab.ts'

t.test('the bytes of a chunk: those that it has, or a part of its page', async (t) => {
  const page = Buffer.from('0123456789')
  const whole = wholeChunk(page)
  t.equal(bytesOf(whole), page)
  t.same([whole.start, whole.end], [0, 10])
  t.equal(bytesOf({ page, start: 2, end: 5, bytes: undefined, slab: undefined }).toString(), '234')
})

t.test('chunks are gathered in order, in a copy, and slabs get their stretches back', async (t) => {
  const slab = slabWith(100)
  const before = slab.used
  slab.open({ closeStretch: () => {} })
  slab.used += slab.buffer.write('stretch', slab.used)
  const bytes = slab.close()!
  const page = Buffer.from('0123456789')
  const gathered = gather([
    { page: bytes, start: 0, end: bytes.length, bytes, slab },
    { page, start: 8, end: 10, bytes: undefined, slab: undefined },
    wholeChunk(Buffer.from(' end'))
  ], 13)
  t.equal(slab.used, before, 'nobody has bytes in it any more')
  bytes.fill(0)
  page.fill(0)
  t.equal(bytesOf(gathered).toString(), 'stretch89 end')
  t.equal(gathered.slab, undefined)
})
