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
  const told: string[] = []
  queue.push('a', () => { told.push('a') })
  const withdraw = queue.push('b', () => { told.push('b') })
  queue.push('c')
  withdraw()
  withdraw()
  t.equal(queue.length, 2)
  t.strictSame(flush(queue), ['a', 'c'])
  t.strictSame(told, ['a'])
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
  const withdraw = few.push('a')
  t.throws(() => few.push('b'), full)
  withdraw()
  few.push('b')
  const small = new OutgoingQueue({ messages: 10, bytes: 4 })
  small.push('ü')
  t.throws(() => small.push('abc'), full)
  small.push('ü')
  t.throws(() => small.push('a'), { ...full, message: 'queue full: 2 messages, 4 bytes and 1 more' })
  small.clear()
  t.equal(small.length, 0)
  small.push('abcd')
  t.strictSame(flush(small), ['abcd'])
})
