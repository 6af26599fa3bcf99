// The order in which one subscriber gets what it has missed and what comes meanwhile; with topics around it, see topics.test.ts.
import '../helpers/guard.ts'
import t from 'tap'
import { MAX_BACKLOG, MAX_BACKLOG_SIZE, Subscriber } from '../../lib/hub/subscriber.ts'
import { OutgoingMessage } from '../../lib/hub/topic-message.ts'
import type { TopicRecord } from '../../types/topics.ts'
import { turns } from '../helpers/connection-pair.ts'
import { FakeSubscriber } from '../helpers/subscriber.ts'

function record (offset: number, more: Partial<TopicRecord> = {}): TopicRecord {
  return { topic: 'a', data: String(offset), isJson: false, position: { epoch: 'e', offset }, ...more }
}

const message = (offset: number): OutgoingMessage => new OutgoingMessage(record(offset))

t.test('messages go as they come, in its form', async (t) => {
  for (const isWrapped of [false, true]) {
    const peer = new FakeSubscriber()
    const subscriber = new Subscriber(peer.asConnection, 'a', isWrapped)
    const one = message(1)
    subscriber.hand(one)
    t.strictSame(peer.messages, [isWrapped ? one.wrapped : one.plain])
  }
})

t.test('what is held comes behind what was missed, without what is part of it', async (t) => {
  const peer = new FakeSubscriber()
  const subscriber = new Subscriber(peer.asConnection, 'a', false)
  subscriber.hold()
  for (const offset of [2, 3, 4]) subscriber.hand(message(offset))
  t.strictSame(peer.texts, [])
  await subscriber.catchUp([record(1), record(2), record(3, { exclude: [peer.id] })], { epoch: 'e', offset: 3 })
  subscriber.hand(message(5))
  t.strictSame(peer.texts, ['1', '2', '4', '5'])
})

t.test('what is held goes nowhere when it is released', async (t) => {
  const peer = new FakeSubscriber()
  const subscriber = new Subscriber(peer.asConnection, 'a', false)
  subscriber.hold()
  subscriber.hand(message(1))
  subscriber.release()
  subscriber.hand(message(2))
  t.strictSame(peer.texts, ['2'])
})

t.test('more than may wait: of messages, and of what is in them', async (t) => {
  for (const [data, most] of [['', MAX_BACKLOG], ['x'.repeat(1_048_576), MAX_BACKLOG_SIZE / 1_048_576]] as const) {
    const subscriber = new Subscriber(new FakeSubscriber().asConnection, 'a', false)
    subscriber.hold()
    for (let n = 0; n < most; n++) subscriber.hand(new OutgoingMessage(record(n, { data })))
    t.doesNotThrow(() => subscriber.checkBacklog())
    subscriber.hand(new OutgoingMessage(record(most, { data })))
    t.throws(() => subscriber.checkBacklog(), { message: /more than may wait/ })
  }
})

t.test('the end ends a wait for the peer', async (t) => {
  const peer = new FakeSubscriber()
  peer.room = 1
  const subscriber = new Subscriber(peer.asConnection, 'a', false)
  subscriber.hold()
  const catchingUp = subscriber.catchUp([record(1), record(2)], undefined)
  catchingUp.catch(() => {})
  await turns(1)
  t.strictSame([peer.texts, peer.waiting], [['1'], 1])
  subscriber.end()
  await t.rejects(catchingUp, { code: 'FST_WS_NOT_OPEN', message: /the subscription to a ended/ })
  t.equal(peer.waiting, 0)
  t.throws(() => subscriber.checkStands(), { code: 'FST_WS_NOT_OPEN' })
})
