import t from 'tap'
import { decode, isControl, toBytes, typeOf } from '../../lib/client/message.ts'

/** No string can be made of its type. */
const ODD = { type: { toString: 1 } }

t.test('bytes, in whatever they come, and not copied', async (t) => {
  const { buffer } = new Uint8Array([1, 2, 3, 4])
  const rows = [
    { given: buffer, want: [1, 2, 3, 4] },
    { given: new Uint8Array(buffer, 1, 2), want: [2, 3] },
    { given: new DataView(buffer, 3), want: [4] },
    { given: new Uint16Array(buffer, 2), want: [3, 4] }
  ]
  for (const { given, want } of rows) {
    t.strictSame([...toBytes(given) ?? []], want)
    t.equal(toBytes(given)?.buffer, buffer)
  }
  for (const given of ['text', 1, null, undefined, [1], { byteLength: 1 }]) t.equal(toBytes(given), undefined)
})

t.test('JSON, and what is none', async (t) => {
  t.strictSame(['{"a":1}', 'null', '"text"'].map(decode), [{ a: 1 }, null, 'text'])
  for (const text of ['', 'undefined', '{']) t.equal(decode(text), undefined)
})

t.test('what is for the client itself', async (t) => {
  for (const message of [{ type: 'ws:message' }, { type: 'ws:' }]) t.ok(isControl(message))
  for (const message of [null, undefined, 'ws:message', 1, [], {}, { type: 'said' }, { type: ' ws:' }, { type: 1 }, ODD]) t.notOk(isControl(message))
})

t.test('a type is a string, and there may be none', async (t) => {
  t.equal(typeOf({ type: 'said' }), 'said')
  for (const message of [ODD, { type: 1 }, { type: null }, { type: ['said'] }, {}, null, undefined, 'said', 1]) t.equal(typeOf(message), undefined)
})
