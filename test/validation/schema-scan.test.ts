import { FormatRegistry, Kind, Type, TypeRegistry } from '@sinclair/typebox'
import t from 'tap'
import { escapeKey, isTypeBox, scanSchema, unescapeKey } from '../../lib/validation/schema-scan.ts'

FormatRegistry.Set('scan-test-known', () => true)
TypeRegistry.Set('ScanTestKind', () => true)
t.teardown(() => {
  FormatRegistry.Delete('scan-test-known')
  TypeRegistry.Delete('ScanTestKind')
})

const obstacles = [
  { name: 'plain JSON Schema', schema: { type: 'string' }, want: 'it was not made by TypeBox 0.34' },
  { name: 'no schema at all', schema: 1, want: 'it was not made by TypeBox 0.34' },
  { name: 'null', schema: null, want: 'it was not made by TypeBox 0.34' },
  { name: 'a typebox 1.x schema', schema: { '~kind': 'String', type: 'string' }, want: 'it was not made by TypeBox 0.34' },
  {
    name: 'a format that nobody registered',
    schema: Type.Object({ a: Type.Array(Type.String({ format: 'email' })) }),
    want: 'format \'email\' at #/properties/a/items is not in TypeBox\'s FormatRegistry'
  },
  {
    name: 'a record with a schema for the other keys',
    schema: Type.Record(Type.Number(), Type.String(), { additionalProperties: Type.String() }),
    want: '\'additionalProperties\' with a schema in the record at #'
  },
  {
    name: 'an assertion among the options that TypeBox skips',
    schema: Type.Object({ 'a/b': Type.String({ enum: ['x'] }) }),
    want: '\'enum\' at #/properties/a~1b, which TypeBox does not check on a String'
  },
  { name: 'OpenAPI\'s nullable', schema: Type.Number({ nullable: true }), want: '\'nullable\' at #, which TypeBox does not check on a Number' },
  { name: 'an assertion on anything', schema: Type.Any({ minimum: 1 }), want: '\'minimum\' at #, which TypeBox does not check on a Any' }
]

for (const { name, schema, want } of obstacles) {
  t.test(`obstacle: ${name}`, async t => t.equal(scanSchema(schema).obstacle, want))
}

const clear = {
  'every option that TypeBox heeds': Type.Object({
    array: Type.Array(Type.Any(), { minItems: 1, maxItems: 2, uniqueItems: true, contains: Type.Any(), minContains: 1, maxContains: 2 }),
    tuple: Type.Tuple([Type.Null(), Type.Boolean()]),
    number: Type.Number({ minimum: 1, maximum: 2, exclusiveMinimum: 0, exclusiveMaximum: 3, multipleOf: 0.5 }),
    string: Type.String({ minLength: 1, maxLength: 2, pattern: 'a' }),
    regexp: Type.RegExp(/a/, { minLength: 1 }),
    record: Type.Record(Type.String(), Type.Any(), { minProperties: 1, maxProperties: 2, additionalProperties: false }),
    not: Type.Not(Type.String()),
    never: Type.Never(),
    intersect: Type.Intersect([Type.Object({}), Type.Object({})], { unevaluatedProperties: false }),
    literal: Type.Literal(1),
    enum: Type.Enum({ a: 1, b: 'x' }),
    template: Type.TemplateLiteral('a${string}')
  }, { minProperties: 1, maxProperties: 20, additionalProperties: false }),
  'annotations': Type.String({ title: 'a', description: 'b', default: 1, examples: [{ type: 'string', format: 'x' }], $id: 'x', 'x-foo': 1 }),
  'a registered format': Type.String({ format: 'scan-test-known' }),
  'a registered kind, whatever it has': { [Kind]: 'ScanTestKind', enum: [1], format: 'y' },
  'a property named like a keyword of data': Type.Object({ default: Type.String(), enum: Type.String() })
}

for (const [name, schema] of Object.entries(clear)) {
  t.test(`no obstacle: ${name}`, async t => t.equal(scanSchema(schema).obstacle, undefined))
}

t.test('looks into a property that is named like a keyword of data', async t => {
  t.match(scanSchema(Type.Object({ default: Type.String({ format: 'email' }) })).obstacle, /#\/properties\/default/)
})

t.test('finds transforms, what is not JSON, references and definitions', async t => {
  const transform = Type.Transform(Type.String()).Decode((text) => text.length).Encode(String)
  const scan = scanSchema(Type.Object({ a: Type.Optional(transform), b: Type.Array(Type.Date()) }, { $id: 'Whole' }))
  t.same(scan.transforms, ['#/properties/a'])
  t.same(scan.notJson, ['Date at #/properties/b/items'])
  t.same([...scan.definitions.keys()], ['Whole'])
  t.equal(scan.hasOpenRecord, false)

  const tree = scanSchema(Type.Recursive((This) => Type.Object({ next: Type.Array(This) }), { $id: 'Tree' }))
  t.same([...tree.selfReferences], ['Tree'])
  t.equal(scanSchema(Type.Array(Type.Record(Type.String(), Type.Any()))).hasOpenRecord, true)
  t.equal(scanSchema(Type.Record(Type.Number(), Type.Any())).hasOpenRecord, false)
})

t.test('knows where everything is', async t => {
  const text = Type.String()
  const { pointers } = scanSchema(Type.Union([Type.Object({ 'a/~b': text }), Type.Null()]))
  t.equal(pointers.get(text), '#/anyOf/0/properties/a~1~0b')
})

t.test('circles of objects end, and nothing is changed', async t => {
  const circle: Record<PropertyKey, unknown> = { [Kind]: 'Object', properties: {} }
  circle.self = circle
  t.equal(scanSchema(circle).obstacle, undefined)
  t.doesNotThrow(() => scanSchema(Object.freeze(Type.Object({ a: Object.freeze(Type.Record(Type.String(), Type.Any())) }))))
})

t.test('tells TypeBox by its symbol', async t => {
  t.equal(isTypeBox(Type.Any()), true)
  t.equal(isTypeBox({ type: 'string' }), false)
  t.equal(isTypeBox(undefined), false)
})

t.test('pointers\' escapes (RFC 6901 §3) are undone in the right order', async t => {
  for (const key of ['a', 'a/b', '~', '~1', '~01', '/~']) t.equal(unescapeKey(escapeKey(key)), key)
  t.equal(escapeKey('~1/'), '~01~1')
})
