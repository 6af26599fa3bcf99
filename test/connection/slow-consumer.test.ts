import { channel } from 'node:diagnostics_channel'
import t from 'tap'
import { Meter } from '../../lib/connection/meter.ts'
import { SlowConsumer } from '../../lib/connection/slow-consumer.ts'
import type { SlowDetails } from '../../lib/connection/slow-consumer.ts'

interface Made {
  readonly connection: object
  readonly consumer: SlowConsumer<object>
  readonly meter: Meter
  readonly told: SlowDetails[]
  readonly faults: unknown[]
  closes (): number
}

function make (onSlow: (details: SlowDetails) => void = () => {}): Made {
  const connection = {}
  const meter = new Meter()
  const told: SlowDetails[] = []
  const faults: unknown[] = []
  let closes = 0
  const consumer = new SlowConsumer<object>(connection, {
    bufferedAmount: 77,
    onSlow (details) {
      told.push(details)
      onSlow(details)
    },
    onTooSlow () { closes++ },
    onFault: (reason) => { faults.push(reason) }
  }, meter)
  return { connection, consumer, meter, told, faults, closes: () => closes }
}

t.test('each message is counted and told, with bytes of UTF-8', async t => {
  const { consumer, meter, told, closes } = make()
  consumer.refuse('drop', 'é')
  consumer.refuse('drop', Buffer.alloc(10))
  t.strictSame(told, [{ dropped: 1, droppedBytes: 2, bufferedAmount: 77 }, { dropped: 2, droppedBytes: 12, bufferedAmount: 77 }])
  t.match(meter, { dropped: 2, droppedBytes: 12, slow: 1 })
  t.equal(closes(), 0)
})

t.test('a new time of slowness begins when all that waited has left', async t => {
  const { consumer, meter } = make()
  consumer.refuse('drop', 'a')
  consumer.refuse('drop', 'b')
  t.equal(meter.slow, 1)
  consumer.noteDrain()
  consumer.refuse('drop', 'c')
  t.equal(meter.slow, 2)
})

t.test('`close` fails the connection, and is told of as well', async t => {
  const { consumer, told, closes } = make()
  consumer.refuse('close', 'abc')
  t.equal(closes(), 1)
  t.equal(told.length, 1)
})

t.test('a function gets the connection and the message, but no pings', async t => {
  const { connection, consumer } = make()
  const calls: unknown[][] = []
  const policy = (...args: unknown[]): void => { calls.push(args) }
  consumer.refuse(policy, '{"a":1}', { a: 1 })
  consumer.refuse(policy, Buffer.alloc(4))
  t.strictSame(calls, [[connection, { a: 1 }]])
  t.equal(calls[0]?.[0], connection)
})

t.test('what is refused while the application is told is counted and nothing more', async t => {
  const { consumer, told, meter } = make(() => { consumer.refuse('drop', 'again') })
  const calls: unknown[] = []
  const policy = (_connection: object, message: unknown): void => {
    calls.push(message)
    consumer.refuse(policy, 'and again', 'and again')
  }
  consumer.refuse(policy, 'first', 'first')
  t.strictSame(calls, ['first'])
  t.equal(told.length, 1)
  t.equal(meter.dropped, 3)
  consumer.refuse(policy, 'second', 'second')
  t.equal(told.at(-1)?.dropped, 4, 'it goes on afterwards, with all of them')
})

for (const [name, policy] of [
  ['throws', () => { throw new Error('of the policy') }],
  ['rejects', () => Promise.reject(new Error('of the policy'))]
] as const) {
  t.test(`a function that ${name} is a fault`, async t => {
    const { consumer, faults, told } = make()
    consumer.refuse(policy, 'a', 'a')
    await new Promise((resolve) => setImmediate(resolve))
    t.match(faults, [{ message: 'of the policy' }])
    consumer.refuse('drop', 'b')
    t.equal(told.length, 2, 'and the next one is told again')
  })
}

t.test('the channel `slow` tells of it', async t => {
  const messages: unknown[] = []
  const listener = (message: unknown): void => { messages.push(message) }
  channel('fastify-typed-websocket:slow').subscribe(listener)
  t.teardown(() => channel('fastify-typed-websocket:slow').unsubscribe(listener))
  const { connection, consumer } = make()
  consumer.refuse('drop', 'abc')
  t.strictSame(messages, [{ connection, dropped: 1, droppedBytes: 3, bufferedAmount: 77 }])
})
