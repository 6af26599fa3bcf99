import fc from 'fast-check'
import t from 'tap'
import { History } from '../../../lib/connection/deflate/history.ts'
import { parameters } from '../../helpers/arbitrary-frames.ts'
import { noise } from '../../helpers/deflate.ts'

t.test('nothing is kept at first, nor of nothing', async t => {
  const history = new History(256)
  t.equal(history.bytes, undefined)
  history.add(Buffer.alloc(0))
  t.equal(history.bytes, undefined)
})

t.test('it keeps the last bytes of all messages, however they come', async () => {
  const sizes = fc.array(fc.oneof(fc.nat(20), fc.nat(300), fc.nat(2000)), { maxLength: 30 })
  fc.assert(fc.property(fc.constantFrom(1, 256, 512, 1000), sizes, (size, lengths) => {
    const history = new History(size)
    let all = Buffer.alloc(0)
    return lengths.every((length, n) => {
      const message = noise(length, n)
      const before = Buffer.from(message)
      history.add(message)
      all = Buffer.concat([all, message])
      const want = all.subarray(-size)
      return message.equals(before) && (want.length === 0 ? history.bytes === undefined : history.bytes?.equals(want) === true)
    })
  }), parameters(300))
})

t.test('messages may be written over when they have been added', async t => {
  const history = new History(8)
  const message = Buffer.from('abc')
  history.add(message)
  message.fill(0)
  t.equal(history.bytes?.toString(), 'abc')
})

t.test('memory follows what is kept', async t => {
  const history = new History(32_768)
  history.add(Buffer.from('a'))
  t.ok((history.bytes?.buffer.byteLength ?? 0) <= 256)
  for (let n = 0; n < 100; n++) history.add(Buffer.alloc(1000))
  t.equal(history.bytes?.buffer.byteLength, 32_768)
})
