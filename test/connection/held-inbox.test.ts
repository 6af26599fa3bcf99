// Messages that wait for somebody to hear them: for whom, how many, and what becomes of them.
import t from 'tap'
import { HeldInbox } from '../../lib/connection/held-inbox.ts'
import type { HeldFor } from '../../lib/connection/held-inbox.ts'

interface Made {
  readonly inbox: HeldInbox
  /** What was delivered. */
  readonly got: unknown[]
  /** Messages that were looked at while nobody listened. */
  readonly judged: string[]
  changes (): number
}

/** An inbox whose messages that begin with `bad` are invalid. */
function make (maxQueuedMessages = 4, maxPayload = 1_000): Made {
  const got: unknown[] = []
  const judged: string[] = []
  let changes = 0
  const inbox = new HeldInbox({
    deliver: (data) => { got.push(data); return undefined },
    onRejected () {},
    onFull () { changes++ },
    onSpace () { changes++ },
    onEmpty () {},
    onIdle () {},
    isWanted: (data) => { judged.push(String(data)); return !String(data).startsWith('bad') },
    onHoldChanged () { changes++ }
  }, { concurrency: 1, maxQueuedMessages, maxPayload })
  return { inbox, got, judged, changes: () => changes }
}

t.test('messages wait until they are admitted, and are delivered in order then', async t => {
  const { inbox, got } = make()
  for (const text of ['a', 'b', 'c']) inbox.take(text)
  t.same(got, [])
  t.equal(inbox.isReleased, false)
  inbox.admit()
  t.same(got, ['a', 'b', 'c'])
  t.equal(inbox.isReleased, true)
  inbox.take('d')
  t.same(got, ['a', 'b', 'c', 'd'])
  inbox.withhold()
  inbox.take('e')
  t.equal(inbox.isReleased, false)
  t.equal(got.length, 4)
  inbox.admit()
  t.equal(got.at(-1), 'e')
})

t.test('a pause holds them whatever else is wanted', async t => {
  const { inbox, got, changes } = make()
  inbox.pause()
  t.equal(changes(), 1, 'told that reading may have to stop')
  t.equal(inbox.mayTakeMore(true), false)
  inbox.admit()
  inbox.take('a')
  t.same(got, [])
  inbox.resume()
  t.same(got, ['a'])
  t.equal(inbox.mayTakeMore(false), true)
})

t.test('a resume does not admit', async t => {
  const { inbox, got } = make()
  inbox.pause()
  inbox.take('a')
  inbox.resume()
  t.same(got, [])
  inbox.admit()
  t.same(got, ['a'])
})

// Ten bytes and what is counted for each message besides: ten of them are less than the 1,000, twenty are more.
const TEN = 'x'.repeat(10)
const rows: ReadonlyArray<{ name: string, heldFor: HeldFor, pastFull?: boolean, messages: number, mayTakeMore: boolean, left: number }> = [
  { name: 'a handler: within the queue', heldFor: 'handler', messages: 3, mayTakeMore: true, left: 3 },
  { name: 'a handler: the queue is full', heldFor: 'handler', messages: 4, mayTakeMore: false, left: 4 },
  { name: 'a handler and a pong: past a full queue', heldFor: 'handler', pastFull: true, messages: 10, mayTakeMore: true, left: 10 },
  { name: 'a handler and a pong: not past maxPayload, or 64 KiB', heldFor: 'handler', pastFull: true, messages: 900, mayTakeMore: false, left: 900 },
  { name: 'the end: past a full queue', heldFor: 'end', messages: 10, mayTakeMore: true, left: 10 },
  { name: 'the end: not past maxPayload, and nothing is lost', heldFor: 'end', messages: 900, mayTakeMore: false, left: 900 },
  { name: 'nobody: past a full queue', heldFor: 'nobody', messages: 10, mayTakeMore: true, left: 10 },
  { name: 'nobody: beyond maxPayload they are dropped', heldFor: 'nobody', messages: 20, mayTakeMore: true, left: 0 }
]

for (const { name, heldFor, pastFull = false, messages, mayTakeMore, left } of rows) {
  t.test(`held for ${name}`, async t => {
    const { inbox, got } = make()
    inbox.holdFor(heldFor)
    for (let i = 0; i < messages; i++) inbox.take(TEN)
    t.equal(inbox.mayTakeMore(pastFull), mayTakeMore)
    t.equal(inbox.length, left)
    if (left > 0) t.same(got, [])
  })
}

t.test('behind a peer that does not read messages wait, if it is handlers that send', async t => {
  const { inbox, got } = make()
  inbox.admit()
  inbox.waitForPeer()
  inbox.take('a')
  t.same(got, ['a'], 'nothing is with the application: what it sends is of its own')
  const busy: { inbox: HeldInbox, got: unknown[] } = makeBusy()
  busy.inbox.take('a')
  busy.inbox.take('b')
  t.same(busy.got, ['a'], 'sent more than the peer reads while it handled a')
  busy.inbox.goOn()
  t.same(busy.got, ['a', 'b'])
  busy.inbox.pause()
  busy.inbox.goOn()
  busy.inbox.take('c')
  t.same(busy.got, ['a', 'b'], 'a pause is a pause')
  busy.inbox.resume()
  t.same(busy.got, ['a', 'b', 'c'])
})

/** An inbox whose handlers always send more than the peer reads. */
function makeBusy (): { inbox: HeldInbox, got: unknown[] } {
  const got: unknown[] = []
  const inbox: HeldInbox = new HeldInbox({
    deliver (data) {
      got.push(data)
      inbox.waitForPeer()
      return undefined
    },
    onRejected () {},
    onFull () {},
    onSpace () {},
    onEmpty () {},
    onIdle () {},
    isWanted: () => true,
    onHoldChanged () {}
  }, { concurrency: 1, maxQueuedMessages: 4, maxPayload: 1_000 })
  inbox.admit()
  return { inbox, got }
}

t.test('for whom they wait only becomes less', async t => {
  const { inbox, judged } = make()
  inbox.holdFor('nobody')
  inbox.holdFor('end')
  inbox.take('bad')
  t.same(judged, ['bad'], 'still nobody')
  t.equal(inbox.length, 0)
})

t.test('what is invalid is not kept for nobody, whether it came before or behind', async t => {
  const { inbox, judged, got } = make()
  for (const text of ['a', 'bad 1', 'b']) inbox.take(text)
  t.same(judged, [], 'a handler is still to come')
  inbox.holdFor('nobody')
  t.same(judged, ['a', 'bad 1', 'b'])
  for (const text of ['bad 2', 'c']) inbox.take(text)
  inbox.admit()
  t.same(got, ['a', 'b', 'c'])
  inbox.take('bad 3')
  t.equal(got.at(-1), 'bad 3', 'whoever listens gets it')
})

t.test('at the end those that wait for nobody are dropped, others are not', async t => {
  const forNobody = make()
  forNobody.inbox.holdFor('nobody')
  forNobody.inbox.take('a')
  forNobody.inbox.end()
  t.equal(forNobody.inbox.length, 0)
  for (const what of ['handler', 'end'] as const) {
    const { inbox, got } = make()
    inbox.holdFor(what)
    inbox.take('a')
    inbox.end()
    t.equal(inbox.length, 1)
    inbox.admit()
    t.same(got, ['a'])
  }
})

t.test('it is at rest when messages go through and nothing waits', async t => {
  const { inbox } = make()
  t.equal(inbox.isAtRest, false, 'messages would be held')
  inbox.admit()
  t.equal(inbox.isAtRest, true)
  inbox.withhold()
  t.equal(inbox.isAtRest, false)
  inbox.take('a')
  inbox.admit()
  t.equal(inbox.isAtRest, true)
  inbox.pause()
  t.equal(inbox.isAtRest, false)
  inbox.resume()
  t.equal(inbox.isAtRest, true)

  let settle = (): void => {}
  const busy = new HeldInbox({
    deliver: () => new Promise<void>((resolve) => { settle = resolve }),
    onRejected () {}, onFull () {}, onSpace () {}, onEmpty () {}, onIdle () {}, isWanted: () => true, onHoldChanged () {}
  }, { concurrency: 1, maxQueuedMessages: 4, maxPayload: 1_000 })
  busy.admit()
  busy.take('a')
  t.equal(busy.isAtRest, false, 'a handler runs')
  busy.waitForPeer()
  settle()
  await new Promise((resolve) => setImmediate(resolve))
  t.equal(busy.isAtRest, false, 'the peer has to read first')
  busy.goOn()
  t.equal(busy.isAtRest, true)
})
