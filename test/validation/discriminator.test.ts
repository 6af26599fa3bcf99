import { Type } from '@sinclair/typebox'
import t from 'tap'
import { findDiscriminator, formatTags, listUnion } from '../../lib/validation/discriminator.ts'

const object = Type.Object
const literal = Type.Literal
const same = (schema: unknown): unknown => schema

const cyclic: { anyOf: unknown[] } = { anyOf: [] }
cyclic.anyOf.push(cyclic, cyclic)

const rows: Array<{ name: string, branches: unknown[], key?: string, tags?: Array<[unknown, number[]]> }> = [
  {
    name: 'a literal `type`',
    branches: [object({ type: literal('a') }), object({ type: literal('b'), x: Type.String() })],
    key: 'type',
    tags: [['a', [0]], ['b', [1]]]
  },
  {
    name: '`type` before another literal, wherever it stands',
    branches: [object({ op: literal(1), type: literal('a') }), object({ op: literal(2), type: literal('b') })],
    key: 'type',
    tags: [['a', [0]], ['b', [1]]]
  },
  {
    name: 'another literal if `type` is the same everywhere',
    branches: [object({ type: literal('m'), op: literal(true) }), object({ type: literal('m'), op: literal(false) })],
    key: 'op',
    tags: [[true, [0]], [false, [1]]]
  },
  {
    name: 'another literal if `type` leaves several branches and it does not',
    branches: [object({ type: literal('m'), op: literal(0) }), object({ type: literal('m'), op: literal(1) }), object({ type: literal('n'), op: literal(2) })],
    key: 'op',
    tags: [[0, [0]], [1, [1]], [2, [2]]]
  },
  {
    name: '`type` if all leave several',
    branches: [object({ v: literal(1), type: literal('m') }), object({ v: literal(1), type: literal('m') }), object({ v: literal(2), type: literal('n') })],
    key: 'type',
    tags: [['m', [0, 1]], ['n', [2]]]
  },
  {
    name: 'several literals for one branch',
    branches: [object({ type: Type.Union([literal('a'), literal('b')]) }), object({ type: literal('c') })],
    key: 'type',
    tags: [['a', [0]], ['b', [0]], ['c', [1]]]
  },
  {
    name: 'nested unions and intersections',
    branches: [
      Type.Union([object({ type: literal('a') }), object({ type: literal('b') })]),
      Type.Intersect([object({ x: Type.String() }), object({ type: literal('c') })])
    ],
    key: 'type',
    tags: [['a', [0]], ['b', [0]], ['c', [1]]]
  },
  {
    name: 'plain JSON Schema with const and enum',
    branches: [
      { type: 'object', required: ['kind'], properties: { kind: { const: 'a' } } },
      { type: 'object', required: ['kind'], properties: { kind: { enum: ['b', 'c'] } } }
    ],
    key: 'kind',
    tags: [['a', [0]], ['b', [1]], ['c', [1]]]
  },
  { name: 'none: one branch', branches: [object({ type: literal('a') })] },
  { name: 'none: no branches', branches: [] },
  { name: 'none: an optional property', branches: [object({ type: literal('a') }), object({ type: Type.Optional(literal('b')) })] },
  { name: 'none: a property that one branch lacks', branches: [object({ type: literal('a') }), object({ x: literal('b') })] },
  { name: 'none: not a literal', branches: [object({ type: literal('a') }), object({ type: Type.String() })] },
  { name: 'none: an enum with null', branches: [{ required: ['t'], properties: { t: { const: 'a' } } }, { required: ['t'], properties: { t: { enum: ['b', null] } } }] },
  { name: 'none: the same literal everywhere', branches: [object({ type: literal('a') }), object({ type: literal('a') })] },
  { name: 'none: not all are objects', branches: [object({ type: literal('a') }), Type.Null()] },
  { name: 'none: required but not declared', branches: [{ required: ['toString'], properties: {} }, { required: ['toString'], properties: {} }] },
  { name: 'none: a circle', branches: [cyclic, cyclic] },
  { name: 'none: not schemas', branches: [1, null] }
]

for (const { name, branches, key, tags } of rows) {
  t.test(name, async t => {
    const found = findDiscriminator(branches, same)
    t.equal(found?.key, key)
    t.strictSame(found && Array.from(found.branches), tags)
  })
}

t.test('references are followed by the function given', async t => {
  const known: Record<string, unknown> = { A: object({ type: literal('a') }), B: object({ type: literal('b') }) }
  const resolve = (schema: unknown): unknown => known[(schema as { $ref: string }).$ref] ?? schema
  t.equal(findDiscriminator([Type.Ref('A'), Type.Ref('B')], resolve)?.key, 'type')
  t.equal(findDiscriminator([Type.Ref('A'), Type.Ref('C')], resolve), undefined)
})

t.test('lists a union\'s branches', async t => {
  t.same(listUnion({ anyOf: [1] }), [1])
  t.same(listUnion({ oneOf: [1] }), [1])
  t.same(listUnion({ type: 'string' }), [])
  t.same(listUnion(null), [])
})

t.test('writes tags', async t => t.equal(formatTags(['a', 1, true]), "'a', 1, true"))
