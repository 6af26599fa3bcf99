import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { parse } from 'secure-json-parse'
import t from 'tap'
import { InvalidMessageError } from '../../lib/validation/errors.ts'
import { createJsonReader } from '../../lib/validation/json.ts'
import type { PoisoningAction } from '../../lib/validation/json.ts'

const readJson = createJsonReader()

const good: Array<{ name: string, text: string, want: unknown }> = [
  { name: 'an object', text: ' {"a":[1,true,null,"x"]} ', want: { a: [1, true, null, 'x'] } },
  { name: 'a scalar', text: '1', want: 1 },
  { name: 'null', text: 'null', want: null },
  { name: 'a byte order mark in front', text: '\ufeff{"a":1}', want: { a: 1 } },
  { name: 'escapes', text: '{"\\u0061":"\\u20ac\\n"}', want: { a: '€\n' } },
  { name: 'T58 duplicate keys, the last one counts', text: '{"a":1,"a":2}', want: { a: 2 } },
  { name: 'T58 1e400, which no number of a schema allows', text: '1e400', want: Infinity },
  { name: 'T58 -1e400', text: '[-1e400]', want: [-Infinity] },
  { name: '__proto__ as a text', text: '{"a":"__proto__"}', want: { a: '__proto__' } },
  { name: 'constructor without a prototype', text: '{"constructor":{"a":1}}', want: { constructor: { a: 1 } } },
  { name: 'prototype alone', text: '{"prototype":1}', want: { prototype: 1 } }
]

for (const { name, text, want } of good) {
  t.test(`reads ${name}`, async t => t.ok(isDeepStrictEqual(readJson(text), want)))
}

const PROTO = '{"a":{"__proto__":{"admin":true}},"b":1}'
const CONSTRUCTOR = '{"a":{"constructor":{"prototype":{"admin":true}}},"b":1}'

const bad = [
  { name: 'nothing', text: '', keyword: 'json' },
  { name: 'half an object', text: '{"a":', keyword: 'json' },
  { name: 'a word', text: 'hello', keyword: 'json' },
  { name: 'undefined', text: 'undefined', keyword: 'json' },
  { name: 'NaN', text: '{"a":NaN}', keyword: 'json' },
  { name: 'a trailing comma', text: '[1,]', keyword: 'json' },
  { name: 'two values', text: '1 2', keyword: 'json' },
  { name: 'two byte order marks', text: '\ufeff\ufeff1', keyword: 'json' },
  { name: 'a byte order mark alone', text: '\ufeff', keyword: 'json' },
  { name: 'a broken escape', text: '"\\u00"', keyword: 'json' },
  { name: 'T58 __proto__', text: PROTO, keyword: 'poisoning' },
  { name: 'T58 __proto__ behind a byte order mark', text: `\ufeff${PROTO}`, keyword: 'poisoning' },
  { name: 'T58 __proto__ spelt with escapes', text: '{"\\u005f\\u005f\\u0070r\\u006fto__" : 1}', keyword: 'poisoning' },
  { name: 'T58 constructor.prototype', text: CONSTRUCTOR, keyword: 'poisoning' },
  { name: 'T58 constructor.prototype spelt with escapes', text: '{"c\\u006fnstructor":{"pr\\u006ftotype":1}}', keyword: 'poisoning' }
]

for (const { name, text, keyword } of bad) {
  t.test(`refuses ${name}`, async t => {
    const want = keyword === 'json' ? 'message is not valid JSON' : 'message has a forbidden prototype property'
    t.throws(() => readJson(text), {
      message: want,
      code: 'FST_ERR_VALIDATION',
      closeCode: 1007,
      validation: [{ instancePath: '', keyword }],
      // V8's own error quotes the text, and logs write causes.
      cause: keyword === 'json' ? undefined : { name: 'SyntaxError' }
    })
    t.throws(() => readJson(text), InvalidMessageError)
  })
}

t.test('T58 poisoning by the instance\'s options', async t => {
  const removing = createJsonReader({ onProtoPoisoning: 'remove', onConstructorPoisoning: 'remove' })
  t.equal(JSON.stringify(removing(PROTO)), '{"a":{},"b":1}')
  t.equal(JSON.stringify(removing(CONSTRUCTOR)), '{"a":{},"b":1}')

  const ignoring = createJsonReader({ onProtoPoisoning: 'ignore', onConstructorPoisoning: 'ignore' })
  t.equal(JSON.stringify(ignoring(PROTO)), PROTO)
  t.equal(JSON.stringify(ignoring(CONSTRUCTOR)), CONSTRUCTOR)
  t.equal(({} as { admin?: boolean }).admin, undefined)

  const mixed = createJsonReader({ onProtoPoisoning: 'ignore' })
  t.equal(JSON.stringify(mixed(PROTO)), PROTO)
  t.throws(() => mixed(CONSTRUCTOR), { code: 'FST_ERR_VALIDATION', closeCode: 1007 })

  const silent = createJsonReader({ onProtoPoisoning: undefined, onConstructorPoisoning: undefined })
  t.throws(() => silent(PROTO), { code: 'FST_ERR_VALIDATION', closeCode: 1007 })
})

t.test('T58 depth: a million brackets are read without recursion', async t => {
  const depth = 500_000
  let value = readJson('['.repeat(depth) + ']'.repeat(depth))
  let levels = 0
  while (Array.isArray(value)) {
    value = value[0] as unknown
    levels++
  }
  t.equal(levels, depth)
  t.throws(() => readJson('['.repeat(depth) + '{"__proto__":1}' + ']'.repeat(depth)), { code: 'FST_ERR_VALIDATION', closeCode: 1007 }, 'and searched without')
  t.throws(() => readJson('['.repeat(depth)), { code: 'FST_ERR_VALIDATION', closeCode: 1007 })
})

t.test('T58 huge strings', async t => {
  const text = 'x'.repeat(8 * 1024 * 1024)
  t.equal(readJson(JSON.stringify(text)), text)
  t.throws(() => readJson(`"${text}`), { closeCode: 1007, message: 'message is not valid JSON' })
})

// Texts near the dangerous ones: keys in pieces, with letters escaped, white space, marks.
const escaped = fc.constantFrom('__proto__', 'constructor', 'prototype', 'proto', 'a').chain((key) =>
  fc.array(fc.boolean(), { minLength: key.length, maxLength: key.length }).map((flags) =>
    Array.from(key, (letter, i) => flags[i] === true ? `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}` : letter).join('')))
const { text: anyText } = fc.letrec<{ text: string }>((tie) => ({
  text: fc.oneof({ depthSize: 'small' },
    fc.constantFrom('1', 'null', '"__proto__"', '{', ''),
    fc.json(),
    fc.tuple(escaped, fc.constantFrom('', ' ', '\n\t'), tie('text')).map(([key, space, value]) => `{"${key}"${space}:${value}}`),
    fc.tuple(tie('text'), tie('text')).map(([a, b]) => `[${a},${b}]`))
}))
const anyAction = fc.constantFrom<PoisoningAction>('error', 'remove', 'ignore')

t.test('reads as secure-json-parse does, whatever the text and the options', async () => {
  fc.assert(fc.property(fc.constantFrom('', '\ufeff'), anyText, anyAction, anyAction, (mark, text, protoAction, constructorAction) => {
    const outcome = (read: () => unknown): unknown => {
      try {
        return { value: read() }
      } catch (error) {
        return error instanceof InvalidMessageError || error instanceof SyntaxError ? 'refused' : error
      }
    }
    const reader = createJsonReader({ onProtoPoisoning: protoAction, onConstructorPoisoning: constructorAction })
    return isDeepStrictEqual(
      outcome(() => reader(mark + text)),
      outcome(() => parse(mark + text, { protoAction, constructorAction }) as unknown))
  }), { numRuns: 5000 })
})
