import t from 'tap'
import { listenByType } from '../../lib/connection/type-handlers.ts'
import type { TypeHandlers } from '../../lib/connection/type-handlers.ts'

t.test('each message goes to the function of its type, with what that returns', async t => {
  const listener = listenByType({ a: (message: { n: number }) => message.n, 'b c': () => Promise.resolve('later') })
  const message = { type: 'a', n: 7 }
  t.equal(listener(message, false), 7)
  t.equal(await listener({ type: 'b c' }, false), 'later')
  t.equal(listener({ type: 'a' }, true), undefined, 'a binary message passes by')
})

const strangers = [
  { name: 'another type', message: { type: 'b' }, told: 'b' },
  { name: 'no type', message: {}, told: 'undefined' },
  { name: 'null', message: null, told: 'undefined' },
  { name: 'what every object has', message: { type: 'constructor' }, told: 'constructor' },
  { name: '__proto__', message: { type: '__proto__' }, told: '__proto__' },
  { name: 'a long one', message: { type: 'x'.repeat(500) }, told: 'x'.repeat(100) }
]
for (const { name, message, told } of strangers) {
  t.test(`no function for ${name}`, async t => {
    const listener = listenByType({ a: () => 1 })
    // What a peer sends is of any shape.
    t.throws(() => listener(message as { type?: unknown }, false), { code: 'FST_WS_NO_HANDLER', message: new RegExp(`type '${told}', handlers are there for a$`) })
  })
}

for (const handlers of [undefined, null, 'a', () => {}, { a: 1 }, { a: undefined }]) {
  t.test(`handlers cannot be ${JSON.stringify(handlers)}`, async t => {
    t.throws(() => listenByType(handlers as unknown as TypeHandlers), { code: 'FST_WS_INVALID_ARGUMENT' }) // the type forbids them
  })
}
