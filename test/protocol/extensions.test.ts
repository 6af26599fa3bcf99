import t from 'tap'
import { findStranger, formatExtensions, parseAgreedExtensions, parseExtensions } from '../../lib/protocol/extensions.ts'
import type { ExtensionOffer } from '../../lib/protocol/extensions.ts'

const offer = (name: string, ...params: ExtensionOffer['params']): ExtensionOffer => ({ name, params })
const NEXT = 'permessage-deflate; client_max_window_bits=10'
const next = offer('permessage-deflate', { name: 'client_max_window_bits', value: '10' })

const good: Array<{ name: string, value: string, want: ExtensionOffer[] }> = [
  { name: 'a name alone', value: 'foo', want: [offer('foo')] },
  { name: 'a parameter without a value', value: 'foo; bar', want: [offer('foo', { name: 'bar' })] },
  { name: 'a token value', value: 'foo; bar=baz', want: [offer('foo', { name: 'bar', value: 'baz' })] },
  { name: 'a quoted value', value: 'foo; bar="baz"', want: [offer('foo', { name: 'bar', value: 'baz', quoted: true })] },
  { name: 'a quoted value with escapes', value: 'foo; bar="\\1\\0"', want: [offer('foo', { name: 'bar', value: '10', quoted: true })] },
  { name: 'no white space', value: 'foo;bar;baz=2,x', want: [offer('foo', { name: 'bar' }, { name: 'baz', value: '2' }), offer('x')] },
  {
    name: 'white space at every joint',
    value: '\t foo ;\tbar = 1 ; baz\t=\t"2" \t',
    want: [offer('foo', { name: 'bar', value: '1' }, { name: 'baz', value: '2', quoted: true })]
  },
  {
    name: 'a repeated parameter stays repeated',
    value: 'foo; a=1; b; a=1; a',
    want: [offer('foo', { name: 'a', value: '1' }, { name: 'b' }, { name: 'a', value: '1' }, { name: 'a' })]
  },
  { name: 'a repeated offer stays repeated, in order', value: 'foo; a, bar, foo', want: [offer('foo', { name: 'a' }), offer('bar'), offer('foo')] },
  { name: 'case is kept', value: 'Foo; BAR=Baz', want: [offer('Foo', { name: 'BAR', value: 'Baz' })] },
  { name: 'odd but legal tokens', value: "!#$%&'*+-.^_`|~09; ~=^", want: [offer("!#$%&'*+-.^_`|~09", { name: '~', value: '^' })] },
  { name: 'empty members of the list', value: ', foo,, ,bar,', want: [offer('foo'), offer('bar')] },
  { name: 'names of Object.prototype', value: '__proto__; constructor=toString', want: [offer('__proto__', { name: 'constructor', value: 'toString' })] }
]
for (const { name, value, want } of good) {
  t.test(`§9.1 ${name}`, async t => {
    t.strictSame(parseExtensions(value), want)
    t.strictSame(parseAgreedExtensions(value), want)
    t.strictSame(parseExtensions(formatExtensions(want)), want, 'written and read again')
    t.strictSame(parseExtensions([value, NEXT]), [...want, next], 'over two lines')
  })
}

const bad = [
  { name: 'a parameter without an extension', value: '; bar' },
  { name: 'a value without a parameter', value: 'foo; =bar' },
  { name: 'an equals sign without a parameter', value: 'foo=bar' },
  { name: 'an empty parameter', value: 'foo;' },
  { name: 'an empty parameter between others', value: 'foo; a;; b' },
  { name: 'an empty value', value: 'foo; bar=' },
  { name: 'an empty value before the next parameter', value: 'foo; bar=; baz' },
  { name: 'an empty quoted value', value: 'foo; bar=""' },
  { name: 'a quoted value that is no token', value: 'foo; bar="a b"' },
  { name: 'a quoted value with a comma', value: 'foo; bar="a,b"' },
  { name: 'a quoted value with an escaped quote', value: 'foo; bar="a\\"b"' },
  { name: 'a quoted value with a line break', value: 'foo; bar="a\r\nb"' },
  { name: 'a quoted name', value: '"foo"' },
  { name: 'a quoted parameter', value: 'foo; "bar"=1' },
  { name: 'text behind a quoted value', value: 'foo; bar="a"b' },
  { name: 'text behind a token value', value: 'foo; bar=a b' },
  { name: 'two values', value: 'foo; bar=a=b' },
  { name: 'two names', value: 'foo bar' },
  { name: 'two names of a parameter', value: 'foo; a b' },
  { name: 'a delimiter', value: 'foo/1; a' },
  { name: 'a control character', value: 'foo\u0000' },
  { name: 'a character beyond ASCII', value: 'foo; b\u00e4r' },
  { name: 'white space that is none', value: 'foo;\u00a0bar' },
  { name: 'a quote that nothing closes', value: 'foo; bar="a' },
  { name: 'a quote that nothing closes, escaped', value: 'foo; bar="a\\"' },
  { name: 'a quote in the middle', value: 'fo"o' },
  { name: 'a backslash', value: 'foo\\; bar' }
]
for (const { name, value } of bad) {
  t.test(`§9.1 T22 ${name} spoils its own offer only`, async t => {
    t.strictSame(parseExtensions(value), [])
    t.strictSame(parseExtensions(`${value}, ${NEXT}`), [next], 'the next offer')
    t.strictSame(parseExtensions(`${NEXT},${value}`), [next], 'the offer before')
    t.strictSame(parseExtensions([value, NEXT]), [next], 'the next line')
    t.equal(parseAgreedExtensions(value), undefined, 'a server must not answer so')
    t.equal(parseAgreedExtensions(`${NEXT}, ${value}`), undefined, 'nor with a good one before it')
  })
}

t.test('§9.1 no offers', async t => {
  t.strictSame(parseExtensions([]), [])
  t.strictSame(parseExtensions(''), [])
  t.strictSame(parseExtensions(' ,, '), [])
  t.equal(parseAgreedExtensions(''), undefined, 'a server that agrees to none leaves the field out')
  t.equal(parseAgreedExtensions(', ,'), undefined)
})

t.test('§9.1 what is written', async t => {
  t.equal(formatExtensions([]), '')
  t.equal(formatExtensions([offer('foo', { name: 'a' }, { name: 'b', value: '1' }, { name: 'c', value: '2', quoted: true }), offer('bar')]), 'foo; a; b=1; c="2", bar')
  for (const wrong of ['', 'a b', 'a,b', 'a\r\nb', 'a"', '\u00e4', '\u0100']) {
    const refusal = { code: 'FST_WS_INVALID_ARGUMENT' }
    t.throws(() => formatExtensions([offer(wrong)]), refusal, `as a name: ${JSON.stringify(wrong)}`)
    t.throws(() => formatExtensions([offer('foo', { name: wrong })]), refusal, 'as a parameter')
    t.throws(() => formatExtensions([offer('foo', { name: 'a', value: wrong })]), refusal, 'as a value')
    t.throws(() => formatExtensions([offer('foo', { name: 'a', value: wrong, quoted: true })]), refusal, 'as a quoted value')
  }
})

t.test('§9.1 an extension that nobody offered is found by its name', async t => {
  const stranger = offer('bar')
  t.equal(findStranger([offer('foo', { name: 'a' }), stranger], [offer('foo')]), stranger)
  t.equal(findStranger([stranger], []), stranger)
  t.equal(findStranger([offer('FOO')], [offer('foo')])?.name, 'FOO', 'as written')
  t.equal(findStranger([offer('foo', { name: 'a' })], [offer('x'), offer('foo')]), undefined)
  t.equal(findStranger([], []), undefined)
})
