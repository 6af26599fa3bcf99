import t from 'tap'
import { Calls } from '../../lib/client/calls.ts'
import type { RequestOptions } from '../../lib/client/types.ts'

interface Asked {
  readonly answer: Promise<unknown>
  readonly id: number
  readonly outgoing: { sent: boolean }
  readonly dropn: () => boolean
}

function ask (calls: Calls, options?: RequestOptions): Asked {
  let asked: Omit<Asked, 'answer'> | undefined
  let isWithdrawn = false
  const answer = new Promise((resolve, reject) => {
    calls.open((id) => {
      const outgoing = { sent: false, drop: () => { isWithdrawn = true } }
      asked = { id, outgoing, dropn: () => isWithdrawn }
      return outgoing
    }, { resolve, reject }, options)
  })
  answer.catch(() => {})
  return { answer, ...asked! } // `open` has called
}

t.test('answers find whoever asked, at once', async (t) => {
  const calls = new Calls()
  const [first, second] = [ask(calls), ask(calls)]
  t.equal(calls.size, 2)
  t.not(first.id, second.id)
  calls.settle(second.id, 'resolve', 'b')
  t.equal(calls.size, 1)
  t.equal(calls.settle(first.id, 'reject', 'a'), true)
  t.equal(calls.settle(first.id, 'reject', 'a'), false)
  calls.settle('nobody', 'resolve', 1)
  t.equal(await second.answer, 'b')
  await first.answer.then(() => t.fail(), (reason) => { t.equal(reason, 'a') })
})

t.test('deadlines: what was not sent is taken back', async (t) => {
  const calls = new Calls()
  const waiting = ask(calls, { timeout: 5 })
  const sent = ask(calls, { timeout: 5 })
  sent.outgoing.sent = true
  await t.rejects(waiting.answer, { code: 'FST_WS_CLIENT_TIMEOUT', message: 'timeout: 5 ms', sent: false })
  await t.rejects(sent.answer, { code: 'FST_WS_CLIENT_TIMEOUT', sent: true })
  t.equal(waiting.dropn(), true)
  t.equal(calls.size, 0)
  const patient = ask(calls, { timeout: Infinity })
  await new Promise((resolve) => setTimeout(resolve, 10))
  t.equal(calls.size, 1)
  calls.settle(patient.id, 'resolve', 1)
})

t.test('signals', async (t) => {
  const calls = new Calls()
  const aborter = new AbortController()
  const { answer, dropn } = ask(calls, { signal: aborter.signal })
  const reason = new Error('enough')
  aborter.abort(reason)
  await t.rejects(answer, reason)
  t.equal(dropn(), true)
  t.throws(() => calls.open(() => t.fail('nothing is asked') as never, { resolve: () => t.fail(), reject: () => t.fail() }, { signal: aborter.signal }), reason)
  t.equal(calls.size, 0)
})

t.test('all of them, or those that a reason is made for', async (t) => {
  const calls = new Calls()
  const [first, second] = [ask(calls), ask(calls)]
  second.outgoing.sent = true
  calls.reject((sent) => sent && new Error('lost'))
  await second.answer.then(() => t.fail(), (reason) => { t.equal(reason.message, 'lost') })
  t.equal(calls.size, 1)
  calls.reject(() => new Error('closed'))
  await first.answer.then(() => t.fail(), (reason) => { t.equal(reason.message, 'closed') })
})

t.test('what cannot be sent was not asked', async (t) => {
  const calls = new Calls()
  t.throws(() => calls.open(() => { throw new Error('full') }, { resolve () {}, reject () {} }), { message: 'full' })
  t.equal(calls.size, 0)
})
