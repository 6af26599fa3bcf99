import { SerializerSelector } from '@fastify/fast-json-stringify-compiler'
import { Type } from '@sinclair/typebox'
import type { TSchema } from '@sinclair/typebox'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import { TypeSystemPolicy } from '@sinclair/typebox/system'
import fc from 'fast-check'
import t from 'tap'
import { COMPILED_IS_FASTER, createSerializer, stringify } from '../../lib/validation/serializer.ts'
import type { CompileSerializer } from '../../lib/validation/serializer.ts'

// Fastify's own way to fast-json-stringify.
const compileFast = SerializerSelector()({}, {})
const compile: CompileSerializer = (schema) => compileFast({ schema: schema as object, method: 'GET', url: '/', httpStatus: '200' }) // a plain schema

/** Counts what goes through compiled serialisers, so that a test of equal bytes cannot pass on JSON.stringify alone. */
function counting (): { compile: CompileSerializer, calls: () => number } {
  let calls = 0
  return {
    calls: () => calls,
    compile: (schema) => {
      const write = compile(schema)
      return (value) => {
        calls++
        return write(value)
      }
    }
  }
}

const Said = Type.Object({ type: Type.Literal('said'), id: Type.Integer(), nick: Type.Optional(Type.String()), text: Type.String() })
const tree = { a: 'x' }

class Point {
  x = 1
  get y (): number { return 2 }
}

class Custom {
  x = 1
  toJSON (): unknown { return { other: true } }
}

const hidden = Object.defineProperty({ type: 'said', id: 1, text: '' }, 'nick', { value: 'n', enumerable: false })
const withGetter = { type: 'said', get id () { return 1 }, text: '' }
const listWithToJson = Object.assign(['a'], { toJSON: () => 'list' })

const rows: Array<{ name: string, schema: TSchema, value: unknown, isCompiled: boolean }> = [
  { name: 'keys in the schema\'s order', schema: Said, value: { type: 'said', id: 1, nick: 'a', text: 'x' }, isCompiled: true },
  { name: 'an optional one left out', schema: Said, value: { type: 'said', id: 1, text: 'x' }, isCompiled: true },
  { name: 'an optional one undefined', schema: Said, value: { type: 'said', id: 1, nick: undefined, text: 'x' }, isCompiled: true },
  { name: 'keys in another order', schema: Said, value: { text: 'x', type: 'said', id: 1 }, isCompiled: false },
  { name: 'a key more', schema: Said, value: { type: 'said', id: 1, text: 'x', extra: { a: [1] } }, isCompiled: false },
  { name: 'a key that is not enumerable', schema: Said, value: hidden, isCompiled: false },
  { name: 'an inherited key', schema: Said, value: Object.assign(Object.create({ nick: 'a' }), { type: 'said', id: 1, text: '' }), isCompiled: false },
  { name: 'an object without a prototype', schema: Said, value: Object.assign(Object.create(null), { type: 'said', id: 1, text: '' }), isCompiled: true },
  { name: 'a getter', schema: Said, value: withGetter, isCompiled: true },
  { name: 'texts that need escapes', schema: Said, value: { type: 'said', id: 1, text: '"\\\u0000\n\u2028\ud800 \ud83d\ude00/' }, isCompiled: true },
  { name: 'a class with a getter', schema: Type.Object({ x: Type.Number(), y: Type.Number() }), value: new Point(), isCompiled: false },
  { name: 'toJSON', schema: Type.Object({ x: Type.Number() }), value: new Custom(), isCompiled: false },
  { name: 'toJSON inside', schema: Type.Object({ p: Type.Object({ x: Type.Number() }) }), value: { p: new Custom() }, isCompiled: false },
  { name: 'toJSON of a list', schema: Type.Object({ l: Type.Array(Type.String()) }), value: { l: listWithToJson }, isCompiled: false },
  { name: 'a property called toJSON', schema: Type.Object({ toJSON: Type.String() }), value: { toJSON: 'x' }, isCompiled: true },
  { name: 'lists', schema: Type.Array(Type.Object({ a: Type.String() })), value: [tree, tree, { a: '' }], isCompiled: true },
  { name: 'an odd one in a list', schema: Type.Array(Type.Object({ a: Type.String() })), value: [tree, { a: 'x', b: 1 }], isCompiled: false },
  { name: 'an empty list', schema: Type.Array(Type.Boolean()), value: [], isCompiled: true },
  { name: 'a long list of texts', schema: Type.Array(Type.String()), value: Array.from({ length: 200 }, String), isCompiled: true },
  { name: 'a long list of numbers', schema: Type.Array(Type.Number()), value: Array.from({ length: 600 }, (_, i) => i / 7), isCompiled: true },
  { name: 'numbers', schema: Type.Array(Type.Number()), value: [0, -0, 1e21, 1e-7, 5e-324, 1.7976931348623157e308, 2 ** 60], isCompiled: true },
  { name: 'integers', schema: Type.Array(Type.Integer()), value: [-0, 1e21, -1], isCompiled: true },
  { name: 'an empty object', schema: Type.Object({}), value: {}, isCompiled: true },
  { name: 'a null that may be', schema: Type.Object({ a: Type.Union([Type.String(), Type.Null()]), b: Type.Union([Type.Null(), Type.Object({})]) }), value: { a: null, b: null }, isCompiled: true },
  { name: 'a value where null may be', schema: Type.Object({ a: Type.Union([Type.String(), Type.Null()]), b: Type.Union([Type.Null(), Type.Object({})]) }), value: { a: 'x', b: {} }, isCompiled: true },
  { name: 'an enumeration', schema: Type.Object({ a: Type.Union([Type.Literal('x'), Type.Literal('y'), Type.Null()]) }), value: { a: 'y' }, isCompiled: true },
  { name: 'scalars of two types', schema: Type.Object({ a: Type.Union([Type.Literal('x'), Type.Number()]) }), value: { a: 1 }, isCompiled: false },
  { name: 'two shapes', schema: Type.Object({ a: Type.Union([Type.Object({ x: Type.String() }), Type.Object({})]) }), value: { a: {} }, isCompiled: false },
  { name: 'a default', schema: Type.Object({ a: Type.Optional(Type.String({ default: 'x' })) }), value: {}, isCompiled: true },
  { name: 'a format', schema: Type.Object({ a: Type.String({ format: 'unsafe' }) }), value: { a: '"' }, isCompiled: true },
  { name: 'keys like numbers', schema: Type.Object({ b: Type.Null(), 1: Type.Null() }), value: { b: null, 1: null }, isCompiled: true },
  { name: 'keys that need escapes', schema: Type.Object({ 'a"\\\n\'`${x}': Type.Null() }), value: { 'a"\\\n\'`${x}': null }, isCompiled: true },
  { name: 'anything', schema: Type.Object({ a: Type.Any() }), value: { a: () => 1 }, isCompiled: false },
  { name: 'a date', schema: Type.Object({ a: Type.Date() }), value: { a: new Date(0) }, isCompiled: false },
  { name: 'a tuple', schema: Type.Tuple([Type.String()]), value: ['a'], isCompiled: false },
  { name: 'a record', schema: Type.Record(Type.String(), Type.String()), value: tree, isCompiled: false },
  { name: 'an intersection', schema: Type.Intersect([Type.Object({ a: Type.String() })]), value: tree, isCompiled: true },
  { name: 'recursion', schema: Type.Recursive((This) => Type.Object({ a: Type.String(), next: Type.Optional(This) })), value: tree, isCompiled: false },
  { name: 'a scalar', schema: Type.String(), value: 'a', isCompiled: false },
  { name: 'a union\'s branch', schema: Type.Union([Said, Type.Object({ type: Type.Literal('any'), a: Type.Any() })]), value: { type: 'said', id: 1, text: '' }, isCompiled: true },
  { name: 'a branch that cannot be', schema: Type.Union([Said, Type.Object({ type: Type.Literal('any'), a: Type.Any() })]), value: { type: 'any', a: 1 }, isCompiled: false },
  { name: 'branches of one tag', schema: Type.Union([Said, Type.Object({ type: Type.Literal('said'), x: Type.Null() }), Type.Object({ type: Type.Literal('z') })]), value: { type: 'said', id: 1, text: '' }, isCompiled: false },
  { name: 'a union without compiled branches', schema: Type.Union([Type.Object({ type: Type.Literal('a'), x: Type.Any() }), Type.Object({ type: Type.Literal('b'), x: Type.Any() })]), value: { type: 'a', x: 1 }, isCompiled: false },
  { name: 'plain JSON Schema', schema: { type: 'object', properties: { a: { type: 'string' } } } as unknown as TSchema, value: tree, isCompiled: false }
]

for (const { name, schema, value, isCompiled } of rows) {
  t.test(`${name}: ${isCompiled ? 'compiled' : 'JSON.stringify'}`, async t => {
    const counter = counting()
    t.equal(createSerializer(schema, counter.compile)(value), JSON.stringify(value))
    t.equal(counter.calls() > 0, isCompiled)
  })
}

t.test('what is no JSON is none', async t => t.equal(stringify(undefined), undefined))

t.test('a compiler that fails is not needed', async t => {
  const serialize = createSerializer(Said, () => { throw new Error('no') })
  t.equal(serialize({ type: 'said', id: 1, text: '' }), '{"type":"said","id":1,"text":""}')
})

t.test('NaN, where TypeBox is told to allow it', async t => {
  TypeSystemPolicy.AllowNaN = true
  t.teardown(() => { TypeSystemPolicy.AllowNaN = false })
  const schema = Type.Object({ n: Type.Number() })
  t.equal(TypeCompiler.Compile(schema).Check({ n: NaN }), true)
  t.equal(createSerializer(schema, compile)({ n: NaN }), '{"n":null}')
})

t.test('is used on the engines where it was seen to be faster', async t => {
  t.equal(COMPILED_IS_FASTER, Number(process.versions.node.split('.')[0]) < 22)
})

// A schema with values that fit it. Now and then a value is what only a program can make: keys in disorder, undefined, a class.
interface Sample { schema: TSchema, value: fc.Arbitrary<unknown> }
const anyText = fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.constantFrom('\ud800', '"\\/\b\f\n\r\t', '\u2028', 'x'.repeat(6000)))
const anyNumber = fc.double({ noNaN: true, noDefaultInfinity: true })
const anyKey = fc.oneof(fc.constantFrom('type', 'a', 'b', 'toJSON', '0', '10', 'constructor', 'valueOf', ''), fc.string({ maxLength: 4 })).filter((key) => key !== '__proto__')

class Fields {
  constructor (fields: object) { Object.assign(this, fields) }
}

const arrange = (entries: Array<[string, unknown]>): fc.Arbitrary<unknown> => fc.oneof(
  { weight: 4, arbitrary: fc.constant(Object.fromEntries(entries)) },
  fc.shuffledSubarray(entries, { minLength: entries.length }).map((shuffled) => Object.fromEntries(shuffled)),
  fc.constant(new Fields(Object.fromEntries(entries))),
  fc.constant(Object.assign(Object.create(null) as object, Object.fromEntries(entries))),
  fc.constant({ ...Object.fromEntries(entries), 'one more': [1] }))

const anyScalar: fc.Arbitrary<Sample> = fc.constantFrom<Sample>(
  { schema: Type.String(), value: anyText },
  { schema: Type.Number(), value: anyNumber },
  { schema: Type.Integer(), value: fc.oneof(fc.integer(), fc.constantFrom(-0, 1e21, 2 ** 53)) },
  { schema: Type.Boolean(), value: fc.boolean() },
  { schema: Type.Null(), value: fc.constant(null) },
  { schema: Type.Literal('"'), value: fc.constant('"') },
  { schema: Type.Union([Type.Literal('a'), Type.Literal('b'), Type.Null()]), value: fc.constantFrom('a', 'b', null) },
  { schema: Type.Union([Type.Literal(1), Type.String()]), value: fc.constantFrom(1, 'x') },
  { schema: Type.Date(), value: fc.date({ noInvalidDate: true }) },
  { schema: Type.Any(), value: fc.oneof(fc.jsonValue(), fc.constantFrom(undefined, NaN, Infinity)) })

const { sample: anySample } = fc.letrec<{ sample: Sample, object: Sample }>((tie) => ({
  object: fc.uniqueArray(fc.tuple(anyKey, tie('sample'), fc.boolean()), { maxLength: 5, selector: ([key]) => key }).map((rows_) => ({
    schema: Type.Object(Object.fromEntries(rows_.map(([key, { schema }, isOptional]) => [key, isOptional ? Type.Optional(schema) : schema]))),
    value: fc.tuple(...rows_.map(([key, { value }, isOptional]) =>
      (isOptional ? fc.oneof(value, fc.constantFrom(undefined, 'absent')) : value).map((field): [string, unknown] => [key, field])))
      .chain((entries) => arrange(entries.filter(([, field]) => field !== 'absent')))
  })),
  sample: fc.oneof({ depthSize: 'small', withCrossShrink: true },
    anyScalar,
    tie('object'),
    tie('object'),
    tie('sample').map(({ schema, value }) => ({ schema: Type.Array(schema), value: fc.array(value, { maxLength: 10 }) })),
    tie('sample').map(({ schema, value }) => ({ schema: Type.Union([schema, Type.Null()]), value: fc.oneof(value, fc.constant(null)) })),
    fc.tuple(tie('sample'), tie('sample')).map(([a, b]) => {
      const tagged = [a, b].map(({ schema }, tag) => Type.Object({ tag: Type.Literal(tag), x: schema }))
      const values = [a, b].map(({ value }, tag) => value.map((x) => ({ tag, x })))
      return { schema: Type.Union(tagged), value: fc.oneof(...values) }
    }))
}))

t.test('every value that fits its schema is written in the very bytes of JSON.stringify', async t => {
  const counter = counting()
  let checked = 0
  fc.assert(fc.property(anySample.chain(({ schema, value }) => fc.tuple(fc.constant(schema), fc.array(value, { minLength: 1, maxLength: 8 }))), ([schema, values]) => {
    const fits = TypeCompiler.Compile(schema)
    const serialize = createSerializer(schema, counter.compile)
    return values.every((value) => {
      if (!fits.Check(value)) return true
      checked++
      return serialize(value) === JSON.stringify(value)
    })
  }), { numRuns: 1500 })
  t.ok(checked > 3000, `${checked} values fitted`)
  t.ok(counter.calls() > 300, `${counter.calls()} of them went through compiled serialisers`)
})
