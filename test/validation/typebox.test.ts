import { FormatRegistry, Kind, Type } from '@sinclair/typebox'
import type { TSchema } from '@sinclair/typebox'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import fc from 'fast-check'
import t from 'tap'
import { scanSchema } from '../../lib/validation/schema-scan.ts'
import { compileTypeBox } from '../../lib/validation/typebox.ts'

const compile = (schema: TSchema): ReturnType<typeof compileTypeBox> => compileTypeBox(schema, scanSchema(schema))

FormatRegistry.Set('typebox-test-even', (text) => text.length % 2 === 0)
FormatRegistry.Set('typebox-test-broken', () => { throw new TypeError('broken format') })
t.teardown(() => {
  FormatRegistry.Delete('typebox-test-even')
  FormatRegistry.Delete('typebox-test-broken')
})

const Ping = Type.Object({ type: Type.Literal('ping') }, { additionalProperties: false })
const Chat = Type.Object({ type: Type.Literal('chat'), text: Type.String(), to: Type.Optional(Type.String()) }, { additionalProperties: false })
const Circle = Type.Object({ kind: Type.Literal('circle'), r: Type.Number() })
const Square = Type.Object({ kind: Type.Literal('square'), w: Type.Number() })
const EventA = Type.Object({ type: Type.Literal('event'), name: Type.Literal('a'), n: Type.Number() })
const EventB = Type.Object({ type: Type.Literal('event'), name: Type.Literal('b'), s: Type.String() })
const module_ = Type.Module({
  Leaf: Type.Object({ type: Type.Literal('leaf'), n: Type.Number() }),
  Node: Type.Object({ type: Type.Literal('node'), children: Type.Array(Type.Ref('Tree')) }),
  Tree: Type.Union([Type.Ref('Leaf'), Type.Ref('Node')])
})
const Recursive = Type.Recursive((This) => Type.Union([
  Type.Object({ type: Type.Literal('leaf'), n: Type.Number() }),
  Type.Object({ type: Type.Literal('node'), children: Type.Array(This) })
]))

interface Row { good: unknown[], bad: Array<[value: unknown, text: string]> }

const rows: Array<{ name: string, schema: TSchema } & Row> = [
  {
    name: 'a union told apart by `type`',
    schema: Type.Union([Ping, Chat]),
    good: [{ type: 'ping' }, { type: 'chat', text: 'a' }, { type: 'chat', text: 'a', to: 'b' }],
    bad: [
      [{ type: 'chat', text: 1 }, '/text Expected string'],
      [{ type: 'chat' }, '/text Expected required property'],
      [{ type: 'ping', text: 'a' }, '/text Unexpected property'],
      [{ type: 'shout' }, '/type Expected one of \'ping\', \'chat\''],
      [{ type: null }, '/type Expected one of \'ping\', \'chat\''],
      [{}, '/type Expected one of \'ping\', \'chat\''],
      [{ type: ['ping'] }, '/type Expected one of \'ping\', \'chat\''],
      [[], ' Expected object'],
      [null, ' Expected object'],
      ['ping', ' Expected object'],
      [1, ' Expected object']
    ]
  },
  {
    name: 'with an $id, as Fastify\'s users like to have',
    schema: Type.Union([Ping, Chat], { $id: 'ChatIn' }),
    good: [{ type: 'ping' }],
    bad: [[{ type: 'chat', text: 1 }, '/text Expected string'], [{ type: 'x' }, '/type Expected one of \'ping\', \'chat\'']]
  },
  {
    name: 'numbers and booleans as tags, which are not their texts',
    schema: Type.Union([Type.Object({ op: Type.Literal(0) }), Type.Object({ op: Type.Literal(true) }), Type.Object({ op: Type.Literal('1') })]),
    good: [{ op: 0 }, { op: -0 }, { op: true }, { op: '1' }],
    bad: [[{ op: '0' }, '/op Expected one of 0, true, \'1\''], [{ op: 1 }, '/op Expected one of 0, true, \'1\''], [{ op: false }, '/op Expected one of 0, true, \'1\'']]
  },
  {
    name: 'branches told apart by a second property',
    schema: Type.Union([EventA, EventB, Ping]),
    good: [{ type: 'event', name: 'a', n: 1 }, { type: 'event', name: 'b', s: '' }, { type: 'ping' }],
    bad: [
      [{ type: 'event', name: 'a', n: '1' }, '/n Expected number'],
      [{ type: 'event', name: 'c' }, '/name Expected one of \'a\', \'b\''],
      [{ type: 'pong' }, '/type Expected one of \'event\', \'ping\'']
    ]
  },
  {
    name: 'branches that nothing tells apart',
    schema: Type.Union([
      Type.Object({ type: Type.Literal('a'), x: Type.Number() }),
      Type.Object({ type: Type.Literal('a'), y: Type.Number() }),
      Ping
    ]),
    good: [{ type: 'a', x: 1 }, { type: 'a', y: 1 }, { type: 'ping' }],
    bad: [[{ type: 'a', z: 1 }, ' Expected union value'], [{ type: 'b' }, '/type Expected one of \'a\', \'ping\'']]
  },
  {
    name: 'a union in a union',
    schema: Type.Union([Type.Union([Ping, Chat]), EventA]),
    good: [{ type: 'ping' }, { type: 'chat', text: '' }, { type: 'event', name: 'a', n: 1 }],
    bad: [[{ type: 'chat', text: 1 }, '/text Expected string'], [{ type: 'x' }, '/type Expected one of \'ping\', \'chat\', \'event\'']]
  },
  {
    name: 'a union in a property',
    schema: Type.Object({ shape: Type.Union([Circle, Square]), note: Type.Union([Type.String(), Type.Null()]) }),
    good: [{ shape: { kind: 'circle', r: 1 }, note: null }],
    bad: [
      [{ shape: { kind: 'circle', r: '1' }, note: '' }, '/shape/r Expected number'],
      [{ shape: { kind: 'oval' }, note: '' }, '/shape/kind Expected one of \'circle\', \'square\''],
      [{ shape: null, note: '' }, '/shape Expected union value'],
      [{ shape: { kind: 'square', w: 1 }, note: 1 }, '/note Expected union value']
    ]
  },
  {
    name: 'an intersection as a branch',
    schema: Type.Union([Ping, Type.Intersect([Type.Object({ type: Type.Literal('x') }), Type.Object({ n: Type.Number() })])]),
    good: [{ type: 'ping' }, { type: 'x', n: 1 }],
    bad: [[{ type: 'x', n: '1' }, '/n Expected number'], [{ type: 'y' }, '/type Expected one of \'ping\', \'x\'']]
  },
  {
    name: 'a module',
    schema: module_.Import('Tree'),
    good: [{ type: 'leaf', n: 1 }, { type: 'node', children: [{ type: 'leaf', n: 1 }, { type: 'node', children: [] }] }],
    bad: [
      [{ type: 'leaf', n: '1' }, '/n Expected number'],
      [{ type: 'node', children: [{ type: 'leaf' }] }, '/children/0/n Expected required property'],
      [{ type: 'node', children: [{ type: 'tree' }] }, '/children/0/type Expected one of \'leaf\', \'node\''],
      [{ type: 'x' }, '/type Expected one of \'leaf\', \'node\'']
    ]
  },
  {
    name: 'a recursive union',
    schema: Recursive,
    good: [{ type: 'leaf', n: 1 }, { type: 'node', children: [{ type: 'leaf', n: 1 }] }],
    bad: [
      [{ type: 'node', children: [{ type: 'leaf', n: '1' }] }, '/children/0/n Expected number'],
      [{ type: 'x' }, '/type Expected one of \'leaf\', \'node\'']
    ]
  },
  {
    name: 'a union with a recursive branch',
    schema: Type.Union([Ping, Type.Recursive((This) => Type.Object({ type: Type.Literal('list'), next: Type.Optional(This) }))]),
    good: [{ type: 'list', next: { type: 'list' } }],
    bad: [[{ type: 'list', next: { type: 'ping' } }, '/next/type Expected \'list\'']]
  },
  {
    name: 'a transform is checked as it is on the wire',
    schema: Type.Union([Ping, Type.Object({ type: Type.Literal('at'), at: Type.Transform(Type.String()).Decode((text) => new Date(text)).Encode(String) })]),
    good: [{ type: 'at', at: 'anything' }],
    bad: [[{ type: 'at', at: 1 }, '/at Expected string']]
  },
  {
    name: 'template literals, enums, tuples, records',
    schema: Type.Object({
      id: Type.TemplateLiteral('user-${number}'),
      level: Type.Enum({ low: 'low', high: 'high' }),
      pair: Type.Tuple([Type.Number(), Type.String()]),
      counts: Type.Record(Type.String(), Type.Number())
    }),
    good: [{ id: 'user-1', level: 'low', pair: [1, 'a'], counts: { a: 1 } }],
    bad: [
      [{ id: 'x', level: 'low', pair: [1, 'a'], counts: {} }, '/id Expected string to match \'^user-(0|[1-9][0-9]*)$\''],
      [{ id: 'user-1', level: 'mid', pair: [1, 'a'], counts: {} }, '/level Expected one of \'low\', \'high\''],
      [{ id: 'user-1', level: 'low', pair: [1], counts: {} }, '/pair Expected tuple to have 2 elements'],
      [{ id: 'user-1', level: 'low', pair: [1, 'a'], counts: { a: 'x' } }, '/counts/a Expected number']
    ]
  },
  {
    name: 'a record\'s keys with line breaks are checked too',
    schema: Type.Object({ counts: Type.Record(Type.String(), Type.Number()) }),
    good: [{ counts: { 'a\nb': 1 } }],
    bad: [[{ counts: { 'a\nb': 'x' } }, '/counts/a\nb Expected number'], [{ counts: { 'a\rb': {} } }, '/counts/a\rb Expected number']]
  },
  {
    name: 'a registered format',
    schema: Type.String({ format: 'typebox-test-even' }),
    good: ['ab'],
    bad: [['a', ' Expected string to match \'typebox-test-even\' format']]
  },
  {
    name: 'numbers that JSON reads as infinite',
    schema: Type.Object({ n: Type.Number() }),
    good: [{ n: 1e308 }],
    bad: [[JSON.parse('{"n":1e400}'), '/n Expected number']]
  },
  {
    name: 'scalars',
    schema: Type.Union([Type.String({ maxLength: 2 }), Type.Number()]),
    good: ['ab', 1],
    bad: [['abc', ' Expected string length less or equal to 2'], [null, ' Expected union value']]
  }
]

for (const { name, schema, good, bad } of rows) {
  t.test(name, async t => {
    const { check, explain } = compile(schema)
    for (const value of good) t.equal(check(value), true, JSON.stringify(value))
    for (const [value, text] of bad) {
      t.equal(check(value), false, JSON.stringify(value))
      const faults = explain(value)
      t.equal(faults.length, 1)
      t.equal(`${faults[0]?.instancePath} ${faults[0]?.message}`, text)
    }
  })
}

t.test('a fault says where in the schema', async t => {
  t.match(compile(Type.String()).explain(1), [{ schemaPath: '#/type' }])
  const { explain } = compile(Type.Union([Ping, Chat]))
  t.strictSame(explain({ type: 'chat', text: 1 }), [{
    instancePath: '/text', schemaPath: '#/anyOf/1/properties/text/type', keyword: 'type', params: { type: 'string' }, message: 'Expected string'
  }])
  t.strictSame(explain({ type: 'x' }), [{
    instancePath: '/type',
    schemaPath: '#/anyOf',
    keyword: 'discriminator',
    params: { tag: 'type', allowedValues: ['ping', 'chat'] },
    message: 'Expected one of \'ping\', \'chat\''
  }])
})

const faulty = {
  'a reference to a schema that is elsewhere': Type.Object({ a: Type.Ref('shared') }),
  'Type.Unsafe': Type.Object({ a: Type.Unsafe({ type: 'string' }) }),
  'plain JSON Schema inside': Type.Object({ a: { type: 'string' } as unknown as TSchema }),
  'a kind that nobody registered': Type.Union([Ping, { [Kind]: 'TypeBoxTestUnknown' } as unknown as TSchema])
}

for (const [name, schema] of Object.entries(faulty)) {
  t.test(`does not compile: ${name}`, async t => t.throws(() => compile(schema)))
}

t.test('T58 depth: a check without stack throws a RangeError, the search for the reason gives one', async t => {
  const { check, explain } = compile(Recursive)
  const text = (depth: number): string => '{"type":"node","children":['.repeat(depth) + ']}'.repeat(depth)
  t.equal(check(JSON.parse(text(100))), true)
  const deep: unknown = JSON.parse(text(100_000))
  t.throws(() => check(deep), RangeError)
  t.match(explain(deep), [{ keyword: 'depth', message: 'is nested too deeply' }])
})

t.test('an error of the application\'s own format is not an answer', async t => {
  const { check, explain } = compile(Type.String({ format: 'typebox-test-broken' }))
  t.throws(() => check('a'), { message: 'broken format' })
  t.throws(() => explain('a'), { message: 'broken format' })
})

t.test('the schema is not changed, frozen or not', async t => {
  const schema = Object.freeze(Type.Record(Type.String(), Type.Number()))
  const before = JSON.stringify(schema)
  compile(schema)
  t.equal(JSON.stringify(schema), before)
})

// Unions of objects with few property names and few literals, so that they often collide.
const anyTag = fc.constantFrom<string | number | boolean>('a', 'b', 'c', 0, 1, true)
const anyProperty = fc.oneof(
  anyTag.map((tag) => Type.Literal(tag)),
  fc.uniqueArray(anyTag, { minLength: 2, maxLength: 3 }).map((tags) => Type.Union(tags.map((tag) => Type.Literal(tag)))),
  fc.constant(Type.String()),
  fc.constant(Type.Number()))
const anyObject = fc.tuple(
  fc.dictionary(fc.constantFrom('type', 'op', 'x'), fc.tuple(anyProperty, fc.boolean()), { minKeys: 1, noNullPrototype: true }),
  fc.boolean()
).map(([properties, isClosed]): TSchema => Type.Object(
  Object.fromEntries(Object.entries(properties).map(([key, [schema, isOptional]]) => [key, isOptional ? Type.Optional(schema) : schema])),
  isClosed ? { additionalProperties: false } : {}))
const { union: anyUnion } = fc.letrec<{ union: TSchema }>((tie) => ({
  union: fc.array(fc.oneof({ depthSize: 'small' },
    anyObject, anyObject, anyObject, fc.tuple(anyObject, anyObject).map(([a, b]) => Type.Intersect([a, b])), fc.constant(Type.Null()), tie('union')
  ), { minLength: 2, maxLength: 5 }).map((branches) => Type.Union(branches))
}))
const anyMessage = fc.oneof(
  { weight: 9, arbitrary: fc.dictionary(fc.constantFrom('type', 'op', 'x', 'y'), fc.oneof(anyTag, fc.constantFrom('z', 2, null)), { noNullPrototype: true }) },
  fc.constantFrom(null, 'a', 1, []))

t.test('a union checked by branch accepts exactly what it accepts as a whole, and explains the rest', async () => {
  fc.assert(fc.property(anyUnion, fc.array(anyMessage, { minLength: 1, maxLength: 20 }), (schema, messages) => {
    const { check, explain } = compile(schema)
    const whole = TypeCompiler.Compile(schema)
    return messages.every((message) => {
      const fits = whole.Check(message)
      return check(message) === fits && (fits || explain(message).length === 1)
    })
  }), { numRuns: 300 })
})
