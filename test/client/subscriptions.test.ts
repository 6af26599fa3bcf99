// Subscriptions apart from any connection: places in a history, and what is asked when.
import t from 'tap'
import type { Waiter } from '../../lib/client/calls.ts'
import { ClientError, RequestError } from '../../lib/client/errors.ts'
import { Subscriptions } from '../../lib/client/subscriptions.ts'
import type { Control, SubscriptionsOwner } from '../../lib/client/subscriptions.ts'

class Owner implements SubscriptionsOwner {
  isOpen = true
  readonly asked: Array<Control & { readonly waiter: Waiter }> = []
  readonly told: unknown[] = []
  call (control: Control, waiter: Waiter): void { this.asked.push({ ...control, waiter }) }
  emit (event: string, detail: unknown): void { this.told.push([event, detail]) }
  isValid (_schema: unknown, message: unknown): boolean { return message !== 'invalid' }
  onFault (reason: unknown): void { this.told.push(['fault', reason]) }

  /** Answers the question of that number. */
  answer (index: number, answer: object = {}): void {
    this.asked[index]?.waiter.resolve(answer as never)
  }
}

function message (offset: number | undefined, text: unknown, epoch?: string): Control {
  return { type: 'ws:message', topic: 'a', message: text, ...(offset !== undefined && { offset }), ...(epoch !== undefined && { epoch }) }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

t.test('the place is that of the last message that was seen', async (t) => {
  const owner = new Owner()
  const subscriptions = new Subscriptions(owner)
  const heard: unknown[] = []
  void subscriptions.open('a', undefined, (text: unknown) => { heard.push(text) }, { data: { nick: 'ann' } })
  t.match(owner.asked[0], { type: 'ws:subscribe', topic: 'a', data: { nick: 'ann' }, since: undefined })
  owner.answer(0, { epoch: 'e', offset: 5, members: [{ id: 'x', data: 1 }] })
  subscriptions.renew()
  t.strictSame(owner.asked[1]?.['since'], { epoch: 'e', offset: 5 })
  owner.answer(1, { epoch: 'e', offset: 8, recovered: true })
  subscriptions.onMessage(message(6, 'six'))
  subscriptions.renew()
  t.strictSame(owner.asked[2]?.['since'], { epoch: 'e', offset: 6 }, 'not that of what was promised')
  owner.answer(2, { epoch: 'e', offset: 8, recovered: true })
  for (const offset of [6, 7, 7, 8]) subscriptions.onMessage(message(offset, offset))
  subscriptions.onMessage(message(1, 'new epoch', 'f'))
  subscriptions.onMessage(message(2, 'invalid'))
  subscriptions.onMessage(message(undefined, 'none'))
  subscriptions.onMessage({ ...message(3, 'other'), topic: 'b' })
  await turn()
  t.strictSame(heard, ['six', 7, 8, 'new epoch', 'none'])
  subscriptions.renew()
  t.strictSame(owner.asked[3]?.['since'], { epoch: 'f', offset: 2 })
  owner.answer(3, { epoch: 'g', offset: 40, recovered: false })
  subscriptions.renew()
  t.strictSame(owner.asked[4]?.['since'], { epoch: 'g', offset: 40 })
  t.strictSame(owner.told, [['recovered', 'a'], ['recovered', 'a'], ['lost', 'a']])
})

t.test('what the server has lost is told, and what comes is behind it', async (t) => {
  const owner = new Owner()
  const subscriptions = new Subscriptions(owner)
  const heard: unknown[] = []
  const opening = subscriptions.open('a', undefined, (text: unknown) => { heard.push(text) })
  owner.answer(0, { epoch: 'e', offset: 1 })
  const subscription = await opening
  subscription.on('lost', (topic: unknown) => { heard.push(['lost', topic]) })
  subscriptions.onMessage({ type: 'ws:lost', topic: 'a', epoch: 'e', offset: 4 })
  subscriptions.onMessage({ type: 'ws:later', topic: 'a', epoch: 'e', offset: 9 })
  for (const offset of [4, 5]) subscriptions.onMessage(message(offset, offset, 'e'))
  await turn()
  t.strictSame(heard, [['lost', 'a'], 5], 'and a message of a kind that this client does not know is passed over')
  t.strictSame(owner.told, [['lost', 'a']])
  subscriptions.onMessage({ type: 'ws:lost', topic: 'a' })
  subscriptions.renew()
  t.equal(owner.asked[1]?.['since'], undefined, 'where the server does not know either, there is no place to come back to')
})

t.test('a place that is known from before is asked for at once', async (t) => {
  for (const [recovered, told, heard] of [[true, 'recovered', [6]], [false, 'lost', []]] as const) {
    const owner = new Owner()
    const subscriptions = new Subscriptions(owner)
    const texts: unknown[] = []
    const opened = subscriptions.open('a', undefined, (text: unknown) => { texts.push(text) }, { since: { epoch: 'e', offset: 5 } })
    t.strictSame(owner.asked[0]?.['since'], { epoch: 'e', offset: 5 })
    owner.answer(0, { epoch: 'e', offset: 6, recovered })
    subscriptions.onMessage(message(5, 5))
    subscriptions.onMessage(message(6, 6))
    await opened
    t.strictSame(owner.told, [[told, 'a']])
    t.strictSame(texts, heard)
  }
})

t.test('a publication of one\'s own is seen if nothing is missing before it', async (t) => {
  const owner = new Owner()
  const subscriptions = new Subscriptions(owner)
  void subscriptions.open('a')
  owner.answer(0, { epoch: 'e', offset: 5 })
  const since = (): unknown => {
    subscriptions.renew()
    return owner.asked.at(-1)?.['since']
  }
  subscriptions.onMessage({ type: '', topic: 'a', epoch: 'e', offset: 7 })
  t.strictSame(since(), { epoch: 'e', offset: 5 }, 'the sixth may still come')
  subscriptions.onMessage({ type: '', topic: 'a', epoch: 'f', offset: 6 })
  t.strictSame(since(), { epoch: 'e', offset: 5 })
  subscriptions.onMessage({ type: '', topic: 'a', epoch: 'e', offset: 6 })
  t.strictSame(since(), { epoch: 'e', offset: 6 })
  subscriptions.onMessage({ type: '', topic: 'b', epoch: 'e', offset: 7 })
  subscriptions.onMessage({ type: '', topic: 'a', epoch: undefined, offset: undefined })
  t.strictSame(since(), { epoch: 'e', offset: 6 })
})

t.test('what was asked before it was left, and answered after, is for nobody', async (t) => {
  const owner = new Owner()
  const subscriptions = new Subscriptions(owner)
  const opened = subscriptions.open('a')
  owner.answer(0)
  const subscription = await opened
  subscriptions.renew()
  void subscription.unsubscribe()
  t.match(owner.asked[2], { type: 'ws:unsubscribe', topic: 'a' })
  const again = subscriptions.open('a')
  t.equal(owner.asked.length, 4)
  owner.asked[1]?.waiter.reject(new RequestError({ code: 'LATE' }))
  owner.answer(3)
  await again
  t.strictSame(owner.told, [['error', new RequestError({ code: 'LATE' })]])
  t.equal(subscriptions.size, 1)
})

t.test('left without a connection, nothing is asked', async (t) => {
  const owner = new Owner()
  const subscriptions = new Subscriptions(owner)
  const opened = subscriptions.open('a')
  owner.asked[0]?.waiter.reject(new ClientError('LOST', 'sent', { sent: true }))
  owner.isOpen = false
  subscriptions.renew()
  owner.answer(1)
  await (await opened).unsubscribe()
  t.equal(owner.asked.length, 2)
  t.equal(subscriptions.size, 0)
})

t.test('the end of the client is theirs', async (t) => {
  const owner = new Owner()
  const subscriptions = new Subscriptions(owner)
  const opened = subscriptions.open('a')
  owner.answer(0)
  const subscription = await opened
  const waiting = t.rejects(subscriptions.open('b'), { message: 'over' })
  subscriptions.close(new Error('over'))
  await waiting
  for await (const text of subscription) t.fail(String(text))
})

t.test('faults of listeners, and messages that nobody listens for', async (t) => {
  const owner = new Owner()
  const subscriptions = new Subscriptions(owner)
  void subscriptions.open('a', undefined, () => { throw new Error('thrown') })
  subscriptions.onMessage(message(undefined, 1))
  void subscriptions.open('b')
  for (let n = 0; n < 1_001; n++) subscriptions.onMessage({ ...message(undefined, n), topic: 'b' })
  owner.answer(0)
  owner.answer(1)
  t.match(owner.told, [['fault', { message: 'thrown' }], ['error', { code: 'FST_WS_CLIENT_UNHEARD', message: 'unheard: b' }]])
})

t.test('what is not confirmed in time is left, and the server told', async (t) => {
  const owner = new Owner()
  const subscriptions = new Subscriptions(owner)
  await t.rejects(subscriptions.open('a', undefined, undefined, { timeout: 5 }), { code: 'FST_WS_CLIENT_TIMEOUT', message: 'timeout: 5 ms', sent: true })
  t.equal(subscriptions.size, 0)
  const unsubscribes = (): number => owner.asked.filter(({ type, topic }) => type === 'ws:unsubscribe' && topic === 'a').length
  t.equal(unsubscribes(), 1)
  owner.answer(0, { epoch: 'e', offset: 1 })
  t.equal(unsubscribes(), 2, 'again behind a late answer: the server may have taken them the other way round')
  t.strictSame(owner.told, [])
})

t.test('a late answer is not for who has subscribed again', async (t) => {
  const owner = new Owner()
  const subscriptions = new Subscriptions(owner)
  await t.rejects(subscriptions.open('a', undefined, undefined, { timeout: 5, since: { epoch: 'e', offset: 1 } }))
  const opened = subscriptions.open('a')
  owner.answer(0, { epoch: 'e', offset: 1, recovered: true })
  t.strictSame(owner.told, [])
  t.equal(owner.asked.length, 3, 'nothing is taken back')
  owner.answer(2)
  await opened
})

t.test('without a connection time runs as well, and nothing is asked', async (t) => {
  const owner = new Owner()
  owner.isOpen = false
  const subscriptions = new Subscriptions(owner)
  await t.rejects(subscriptions.open('a', undefined, undefined, { timeout: 5 }), { code: 'FST_WS_CLIENT_TIMEOUT', sent: false })
  subscriptions.renew()
  t.strictSame(owner.asked, [])
})

t.test('each waits for itself', async (t) => {
  const owner = new Owner()
  const subscriptions = new Subscriptions(owner)
  const heard: unknown[] = []
  const patient = subscriptions.open('a', undefined, (text: unknown) => { heard.push(text) })
  await t.rejects(subscriptions.open('a', undefined, (text: unknown) => { heard.push(`hasty ${String(text)}`) }, { timeout: 5 }), { code: 'FST_WS_CLIENT_TIMEOUT' })
  t.equal(owner.asked.length, 1)
  owner.answer(0)
  subscriptions.onMessage(message(undefined, 1))
  await patient
  t.strictSame(heard, [1])
  await subscriptions.open('a', undefined, undefined, { timeout: 5 })
  await new Promise((resolve) => setTimeout(resolve, 10))
  t.equal(subscriptions.size, 1, 'a time that was kept is over')
})

t.test('signals', async (t) => {
  const owner = new Owner()
  const subscriptions = new Subscriptions(owner)
  const aborter = new AbortController()
  const reason = new Error('enough')
  const aborted = t.rejects(subscriptions.open('a', undefined, undefined, { signal: aborter.signal }), reason)
  aborter.abort(reason)
  await aborted
  t.strictSame(owner.asked.map(({ type }) => type), ['ws:subscribe', 'ws:unsubscribe'])
  await t.rejects(subscriptions.open('b', undefined, undefined, { signal: aborter.signal }), reason)
  t.equal(owner.asked.length, 2)
})

t.test('what cannot be asked leaves nothing behind', async (t) => {
  const owner = new Owner()
  const subscriptions = new Subscriptions(owner)
  const reason = new TypeError('no JSON')
  owner.call = (_control, waiter) => waiter.reject(reason)
  await t.rejects(subscriptions.open('a'), reason)
  t.equal(subscriptions.size, 0)
  owner.isOpen = false
  const later = t.rejects(subscriptions.open('a'), reason)
  subscriptions.renew()
  await later
  t.equal(subscriptions.size, 0)
})
