import t from 'tap'
import { OutgoingQueue } from '../../lib/client/outgoing-queue.ts'
import type { Payload } from '../../lib/client/outgoing-queue.ts'

function flush (queue: OutgoingQueue): Payload[] {
  const sent: Payload[] = []
  queue.flush((data) => { sent.push(data) })
  return sent
}

t.test('in order, once, and with word of it', async (t) => {
  const queue = new OutgoingQueue({ messages: 10, bytes: 100 })
  const a = queue.push('a')
  const b = queue.push('b')
  queue.push('c')
  b.drop?.()
  b.drop?.()
  t.equal(queue.length, 2)
  t.strictSame(flush(queue), ['a', 'c'])
  t.strictSame([a.sent, b.sent], [true, false])
  t.strictSame(flush(queue), [])
})

t.test('bytes are copied', async (t) => {
  const queue = new OutgoingQueue({ messages: 1, bytes: 10 })
  const bytes = new Uint8Array([1, 2])
  queue.push(bytes)
  bytes.fill(0)
  t.strictSame(flush(queue), [new Uint8Array([1, 2])])
})

t.test('limits: messages, and bytes of UTF-8', async (t) => {
  const full = { code: 'FST_WS_CLIENT_QUEUE_FULL' }
  const few = new OutgoingQueue({ messages: 1, bytes: 10 })
  const { drop } = few.push('a')
  t.throws(() => few.push('b'), full)
  drop?.()
  few.push('b')
  const small = new OutgoingQueue({ messages: 10, bytes: 4 })
  small.push('ü')
  t.throws(() => small.push('abc'), full)
  small.push('ü')
  t.throws(() => small.push('a'), { ...full, message: 'queue full: 2 messages' })
  flush(small)
  t.equal(small.length, 0)
  small.push('abcd')
  t.strictSame(flush(small), ['abcd'])
})
