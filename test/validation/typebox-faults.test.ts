import { FormatRegistry, Kind, Type, TypeRegistry } from '@sinclair/typebox'
import type { TSchema } from '@sinclair/typebox'
import { Errors } from '@sinclair/typebox/errors'
import t from 'tap'
import { scanSchema } from '../../lib/validation/schema-scan.ts'
import { tagFault, toFault } from '../../lib/validation/typebox-faults.ts'
import type { MessageFault } from '../../lib/validation/errors.ts'

FormatRegistry.Set('faults-test-never', () => false)
TypeRegistry.Set('FaultsTestKind', () => false)
t.teardown(() => {
  FormatRegistry.Delete('faults-test-never')
  TypeRegistry.Delete('FaultsTestKind')
})

function faultOf (schema: TSchema, value: unknown): MessageFault | undefined {
  const error = Errors(schema, value).First()
  return error && toFault(error, { pointers: scanSchema(schema).pointers, resolve: (part) => part })
}

const any = Type.Any()
const number = Type.Number()
const two = Type.Object({ a: Type.Optional(any), b: Type.Optional(any) }, { minProperties: 2, maxProperties: 2 })

// As Ajv has them, so that one error handler can read both.
const rows: Array<{ schema: TSchema, value: unknown, keyword: string, params: Record<string, unknown>, at?: string, path?: string }> = [
  { schema: Type.String(), value: 1, keyword: 'type', params: { type: 'string' } },
  { schema: number, value: '1', keyword: 'type', params: { type: 'number' } },
  { schema: Type.Integer(), value: 1.5, keyword: 'type', params: { type: 'integer' } },
  { schema: Type.Boolean(), value: 1, keyword: 'type', params: { type: 'boolean' } },
  { schema: Type.Null(), value: 1, keyword: 'type', params: { type: 'null' } },
  { schema: Type.Object({}), value: [], keyword: 'type', params: { type: 'object' } },
  { schema: Type.Array(any), value: {}, keyword: 'type', params: { type: 'array' } },
  { schema: Type.Tuple([any]), value: {}, keyword: 'type', params: { type: 'array' } },
  { schema: Type.Date(), value: 1, keyword: 'type', params: { type: 'Date' } },
  { schema: Type.Tuple([any]), value: [], keyword: 'items', params: { limit: 1 } },
  { schema: Type.String({ minLength: 2 }), value: 'a', keyword: 'minLength', params: { limit: 2 } },
  { schema: Type.String({ maxLength: 0 }), value: 'a', keyword: 'maxLength', params: { limit: 0 } },
  { schema: Type.String({ pattern: 'b' }), value: 'a', keyword: 'pattern', params: { pattern: 'b' } },
  { schema: Type.String({ format: 'faults-test-never' }), value: 'a', keyword: 'format', params: { format: 'faults-test-never' } },
  { schema: Type.String({ format: 'faults-test-unknown' }), value: 'a', keyword: 'format', params: { format: 'faults-test-unknown' } },
  { schema: Type.RegExp(/b/), value: 'a', keyword: 'pattern', params: { pattern: 'b' } },
  { schema: Type.Number({ minimum: 2 }), value: 1, keyword: 'minimum', params: { comparison: '>=', limit: 2 } },
  { schema: Type.Number({ maximum: 0 }), value: 1, keyword: 'maximum', params: { comparison: '<=', limit: 0 } },
  { schema: Type.Number({ exclusiveMinimum: 1 }), value: 1, keyword: 'exclusiveMinimum', params: { comparison: '>', limit: 1 } },
  { schema: Type.Number({ exclusiveMaximum: 1 }), value: 1, keyword: 'exclusiveMaximum', params: { comparison: '<', limit: 1 } },
  { schema: Type.Number({ multipleOf: 2 }), value: 1, keyword: 'multipleOf', params: { multipleOf: 2 } },
  { schema: Type.Integer({ minimum: 2 }), value: 1, keyword: 'minimum', params: { comparison: '>=', limit: 2 } },
  { schema: Type.Integer({ maximum: 0 }), value: 1, keyword: 'maximum', params: { comparison: '<=', limit: 0 } },
  { schema: Type.Integer({ exclusiveMinimum: 1 }), value: 1, keyword: 'exclusiveMinimum', params: { comparison: '>', limit: 1 } },
  { schema: Type.Integer({ exclusiveMaximum: 1 }), value: 1, keyword: 'exclusiveMaximum', params: { comparison: '<', limit: 1 } },
  { schema: Type.Integer({ multipleOf: 2 }), value: 1, keyword: 'multipleOf', params: { multipleOf: 2 } },
  { schema: Type.Array(any, { minItems: 1 }), value: [], keyword: 'minItems', params: { limit: 1 } },
  { schema: Type.Array(any, { maxItems: 0 }), value: [1], keyword: 'maxItems', params: { limit: 0 } },
  { schema: Type.Array(any, { uniqueItems: true }), value: [1, 1], keyword: 'uniqueItems', params: {} },
  { schema: Type.Array(any, { contains: number }), value: ['a'], keyword: 'contains', params: {} },
  { schema: Type.Array(any, { contains: number, minContains: 2 }), value: [1], keyword: 'minContains', params: { limit: 2 } },
  { schema: Type.Array(any, { contains: number, maxContains: 1 }), value: [1, 2], keyword: 'maxContains', params: { limit: 1 } },
  { schema: two, value: { a: 1 }, keyword: 'minProperties', params: { limit: 2 } },
  { schema: two, value: { a: 1, b: 1, c: 1 }, keyword: 'maxProperties', params: { limit: 2 } },
  {
    schema: Type.Object({ 'a/~': any }), value: {}, path: '/a~1~0', keyword: 'required', params: { missingProperty: 'a/~' }, at: '#'
  },
  {
    schema: Type.Object({}, { additionalProperties: false }), value: { 'x/y': 1 }, path: '/x~1y', keyword: 'additionalProperties', params: { additionalProperty: 'x/y' }
  },
  { schema: Type.Literal('a'), value: 'b', keyword: 'const', params: { allowedValue: 'a' } },
  { schema: Type.Not(number), value: 1, keyword: 'not', params: {} },
  { schema: Type.Never(), value: 1, keyword: 'not', params: {} },
  {
    schema: Type.Intersect([Type.Object({ a: any }), Type.Object({ b: any })], { unevaluatedProperties: false }),
    value: { a: 1, b: 1, c: 1 },
    path: '/c',
    keyword: 'unevaluatedProperties',
    params: { unevaluatedProperty: 'c' }
  },
  { schema: { [Kind]: 'FaultsTestKind' } as unknown as TSchema, value: 1, keyword: 'kind', params: { kind: 'FaultsTestKind' } },
  { schema: Type.Union([Type.Object({ a: any }), Type.Object({ b: any })]), value: {}, keyword: 'anyOf', params: {} },
  { schema: Type.Union([Type.Literal('a'), Type.Literal(1)]), value: 'b', keyword: 'enum', params: { allowedValues: ['a', 1] } },
  {
    schema: Type.Object({ o: Type.Array(Type.Union([Type.Object({ n: number }), Type.Null()])) }),
    value: { o: [null, { n: 'x' }] },
    path: '/o/1/n',
    keyword: 'type',
    params: { type: 'number' },
    at: '#/properties/o/items/anyOf/0/properties/n'
  },
  { schema: Type.Union([Type.Array(number), Type.Integer()]), value: ['x'], path: '/0', keyword: 'type', params: { type: 'number' }, at: '#/anyOf/0/items' },
  { schema: Type.Union([Type.Array(any), Type.Integer({ minimum: 2 })]), value: 1, keyword: 'minimum', params: { comparison: '>=', limit: 2 }, at: '#/anyOf/1' },
  { schema: Type.Union([Type.Null(), Type.Object({}), Type.Object({ a: any })]), value: null, keyword: '', params: {} }
]

for (const { schema, value, keyword, params, at = '#', path = '' } of rows) {
  t.test(`${schema[Kind]}: ${keyword === '' ? 'no fault' : keyword}`, async t => {
    const fault = faultOf(schema, value)
    if (keyword === '') return t.equal(fault, undefined)
    t.match(fault, { instancePath: path, schemaPath: `${at}/${keyword}`, keyword, message: String })
    t.strictSame(fault?.params, params)
  })
}

t.test('a union is traced by one property after the other', async t => {
  const schema = Type.Object({
    e: Type.Union([
      Type.Object({ type: Type.Literal('b'), name: Type.Literal('y'), n: Type.Number() }),
      Type.Object({ type: Type.Literal('a'), name: Type.Literal('x'), n: Type.Number() }),
      Type.Object({ type: Type.Literal('a'), name: Type.Literal('y'), n: Type.Number() })
    ])
  })
  t.match(faultOf(schema, { e: { type: 'a', name: 'y' } }), { instancePath: '/e/n', schemaPath: '#/properties/e/anyOf/2/required' })
  t.match(faultOf(schema, { e: { type: 'a', name: 'z' } }), { instancePath: '/e/name', params: { tag: 'name', allowedValues: ['x', 'y'] } })
  t.match(faultOf(schema, { e: {} }), { instancePath: '/e/type', schemaPath: '#/properties/e/anyOf' })
})

t.test('a schema that is not on the map has no pointer', async t => {
  const error = Errors(Type.String(), 1).First()
  t.equal(error && toFault(error, { pointers: new Map(), resolve: (part) => part }).schemaPath, '')
})

t.test('long paths are cut', async t => {
  const fault = faultOf(Type.Record(Type.String(), number), { ['k'.repeat(10_000)]: 'x' })
  t.equal(fault?.instancePath.length, 501)
})

t.test('a tag\'s fault names what is allowed', async t => {
  t.equal(tagFault('', 'a/b', []).instancePath, '/a~1b')
  t.strictSame(tagFault('/a', 'op', new Map<string | number, string>([['x', ''], [1, '']]).keys()), {
    instancePath: '/a/op', schemaPath: '#/anyOf', keyword: 'discriminator', params: { tag: 'op', allowedValues: ['x', 1] }, message: 'Expected one of \'x\', 1'
  })
})
