import t from 'tap'
import { OutgoingMessage } from '../../lib/hub/topic-message.ts'
import type { TopicRecord } from '../../types/topics.ts'

const position = { epoch: 'a "b"', offset: 7 }

const rows: Array<{ name: string, record: TopicRecord, wrapped: unknown }> = [
  { name: 'JSON', record: { topic: 'room/a', data: '{"n":1}', isJson: true }, wrapped: { type: 'ws:message', topic: 'room/a', message: { n: 1 } } },
  { name: 'text', record: { topic: 'room/"a"', data: 'it says "hi"\u2028', isJson: false }, wrapped: { type: 'ws:message', topic: 'room/"a"', message: 'it says "hi"\u2028' } },
  { name: 'text that looks like JSON', record: { topic: 'a', data: '{"n":1}', isJson: false }, wrapped: { type: 'ws:message', topic: 'a', message: '{"n":1}' } },
  { name: 'JSON with its place', record: { topic: 'a', data: 'null', isJson: true, position }, wrapped: { type: 'ws:message', topic: 'a', ...position, message: null } }
]

for (const { name, record, wrapped } of rows) {
  t.test(name, async (t) => {
    const message = new OutgoingMessage(record)
    t.equal(message.plain.data, record.data)
    t.strictSame(JSON.parse(String(message.wrapped.data)), wrapped)
    t.equal(message.plain, message.plain, 'made once')
    t.equal(message.wrapped, message.wrapped)
    t.not(message.plain, message.wrapped)
  })
}

t.test('in place of messages that are lost', async (t) => {
  t.strictSame(JSON.parse(String(OutgoingMessage.lost('room/a', position).wrapped.data)), { type: 'ws:lost', topic: 'room/a', ...position })
  t.strictSame(JSON.parse(String(OutgoingMessage.lost('room/a', undefined).wrapped.data)), { type: 'ws:lost', topic: 'room/a' })
})

t.test('bytes go as they are in both forms, and are not copied', async (t) => {
  const bytes = new Uint8Array([9, 0, 255, 9]).subarray(1, 3)
  const message = new OutgoingMessage({ topic: 'a', data: bytes, isJson: false, position })
  t.equal(message.wrapped, message.plain)
  t.ok(Buffer.from([0, 255]).equals(message.plain.data as Buffer))
  t.equal((message.plain.data as Buffer).buffer, bytes.buffer)
})

t.test('excluded is who is named', async (t) => {
  const excludes = (id: string | undefined, exclude?: readonly string[]): boolean => (
    new OutgoingMessage({ topic: 'a', data: '', isJson: false, ...(exclude && { exclude }) }).excludes(id)
  )
  for (const exclude of [undefined, [], ['x'], ['x', 'y']]) t.equal(excludes('ann', exclude), false)
  for (const exclude of [['ann'], ['x', 'ann'], ['ann', 'ann']]) {
    t.equal(excludes('ann', exclude), true)
    t.equal(excludes(undefined, exclude), false)
  }
})

t.test('who is excluded is looked up, not searched for in the list for each subscriber', async (t) => {
  let reads = 0
  const ids = Array.from({ length: 100 }, (_, n) => `id-${n}`)
  const exclude = new Proxy(ids, { get (target, key) { reads++; return Reflect.get(target, key) as unknown } })
  const message = new OutgoingMessage({ topic: 'a', data: '', isJson: false, exclude })
  for (let n = 0; n < 100; n++) message.excludes(`id-${n}`)
  t.ok(reads < 1_000, `${reads} reads`)
})
