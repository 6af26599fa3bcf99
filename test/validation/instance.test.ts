import { Type } from '@sinclair/typebox'
import t from 'tap'
import { compileWithInstance } from '../../lib/validation/instance.ts'
import type { CompileSchema, ValidateFunction } from '../../lib/validation/validator.ts'
import { borrowCompiler } from './borrow-compiler.ts'

const shared = {
  Text: { $id: 'Text', type: 'string', minLength: 2 },
  Closed: { $id: 'Closed', type: 'object', properties: { n: { type: 'number' }, d: { type: 'number', default: 1 } }, additionalProperties: false }
}
// Ajv would write a line for each schema that leaves a type out.
const off = { coerceTypes: false, useDefaults: false, removeAdditional: false, logger: false } as const
const loose = await borrowCompiler(shared, { ajv: { customOptions: { logger: false } } })
const strict = await borrowCompiler(shared, { ajv: { customOptions: off } })

const object = (properties: object, more: object = {}): object => ({ type: 'object', properties, ...more })
const branch = (type: string, more: object = {}): object =>
  object({ type: { const: type }, ...more }, { required: ['type', ...Object.keys(more)], additionalProperties: false })
const union = { anyOf: [branch('ping'), branch('chat', { text: { type: 'string' } })] }

interface Row { name: string, schema: object, good?: unknown[], bad?: Array<[value: unknown, text: string]> }

// With Fastify's default Ajv and with one that changes nothing the answers are the same.
const rows: Row[] = [
  {
    name: 'nothing is coerced',
    schema: object({ n: { type: 'number' }, b: { type: 'boolean' }, s: { type: 'string' }, l: { type: 'array', items: { type: 'number' } }, z: { type: 'null' } }),
    good: [{ n: 1, b: true, s: 'a', l: [1], z: null }, {}],
    bad: [
      [{ n: '1' }, '/n must be number'], [{ n: null }, '/n must be number'], [{ n: true }, '/n must be number'],
      [{ b: 0 }, '/b must be boolean'], [{ s: 1 }, '/s must be string'], [{ s: null }, '/s must be string'], [{ l: 1 }, '/l must be array'],
      [{ l: ['1'] }, '/l/0 must be number'], [{ z: '' }, '/z must be null'], [{ n: [1] }, '/n must be number']
    ]
  },
  { name: 'nor the message itself', schema: { type: 'number' }, good: [1], bad: [['1', ' must be number'], [null, ' must be number']] },
  { name: 'a shared schema', schema: { $ref: 'Text' }, good: ['ab'], bad: [['a', ' must NOT have fewer than 2 characters']] },
  { name: 'defaults are not added', schema: object({ d: { type: 'number', default: 1 }, o: { $ref: 'Closed' } }), good: [{}, { o: {} }, { d: 2, o: { d: 3 } }] },
  {
    name: 'properties are not removed',
    schema: object({ n: { type: 'number' }, o: { $ref: 'Closed' } }, { additionalProperties: false }),
    good: [{ n: 1, o: { n: 1 } }],
    bad: [[{ n: 1, x: 1 }, ' must NOT have additional properties'], [{ o: { x: 1 } }, '/o must NOT have additional properties']]
  },
  {
    name: 'a union of closed branches, whose first would strip the second',
    schema: union,
    good: [{ type: 'ping' }, { type: 'chat', text: 'a' }],
    bad: [
      [{ type: 'chat', text: 1 }, '/text must be string'], [{ type: 'chat' }, ' must have required property \'text\''],
      [{ type: 'ping', x: 1 }, ' must NOT have additional properties'], [{ type: 'x' }, '/type Expected one of \'ping\', \'chat\''],
      [{}, '/type Expected one of \'ping\', \'chat\''], [[], ' must be object'], [null, ' must be object'], ['ping', ' must be object']
    ]
  },
  {
    name: 'the same by oneOf, with a type and a title beside it',
    schema: { title: 'In', type: 'object', oneOf: union.anyOf },
    good: [{ type: 'chat', text: 'a' }],
    bad: [[{ type: 'chat', text: 1 }, '/text must be string']]
  },
  {
    name: 'TypeBox\'s own, for a format',
    schema: Type.Union([Type.Object({ type: Type.Literal('a') }), Type.Object({ type: Type.Literal('b'), to: Type.String({ format: 'email' }) })]),
    good: [{ type: 'a' }, { type: 'b', to: 'a@example.com' }],
    bad: [[{ type: 'b', to: 'x' }, '/to must match format "email"']]
  },
  {
    name: 'a union with references to shared schemas',
    schema: { anyOf: [branch('a'), branch('b', { text: { $ref: 'Text#' } })] },
    good: [{ type: 'b', text: 'ab' }],
    bad: [[{ type: 'b', text: 'a' }, '/text must NOT have fewer than 2 characters']]
  },
  {
    name: 'a union with something beside it is checked as a whole',
    schema: { type: 'object', anyOf: [object({ type: { const: 'a' } }, { required: ['type'] }), object({ type: { const: 'b' } }, { required: ['type'] })], minProperties: 2 },
    good: [{ type: 'a', x: 1 }],
    bad: [[{ type: 'a' }, ' must NOT have fewer than 2 properties']]
  },
  {
    name: 'a union that may be of other things than objects, too',
    schema: { anyOf: [{ required: ['type'], properties: { type: { const: 'a' } } }, { required: ['type'], properties: { type: { const: 'b' } } }] },
    good: [{ type: 'a' }, 'a', null]
  },
  {
    name: 'and one whose branches may be null',
    schema: { anyOf: [{ ...branch('a'), nullable: true }, { ...branch('b') }] },
    good: [{ type: 'a' }, null]
  },
  {
    name: 'and one with references into itself',
    schema: { definitions: { N: { type: 'number' } }, anyOf: [object({ type: { const: 'a' }, n: { $ref: '#/definitions/N' } }, { required: ['type'] }), object({ type: { const: 'b' } }, { required: ['type'] })] },
    good: [{ type: 'a', n: 1 }, { type: 'b' }],
    bad: [[{ type: 'a', n: 'x' }, '/n must be number']]
  },
  {
    name: 'and one with branches of the same tag',
    schema: { anyOf: [object({ type: { const: 'a' }, n: { type: 'number' } }, { required: ['type', 'n'] }), object({ type: { const: 'a' }, s: { type: 'string' } }, { required: ['type', 's'] }), branch('b')] },
    good: [{ type: 'a', n: 1 }, { type: 'a', s: '' }, { type: 'b' }]
  }
]

for (const [what, compile] of Object.entries({ 'Fastify\'s default': loose, 'one that changes nothing': strict })) {
  for (const { name, schema, good = [], bad = [] } of rows) {
    t.test(`${name} (${what})`, async t => {
      const { judge, wantsJson } = compileWithInstance(schema, compile)
      t.equal(wantsJson, true)
      for (const value of good) {
        const before = JSON.stringify(value)
        const verdict = judge(value)
        t.match(verdict, { fits: true }, before)
        t.equal(verdict.value, value, 'the message itself')
        t.equal(JSON.stringify(verdict.value), before, 'as it was sent')
      }
      for (const [value, text] of bad) {
        const { fits, faults } = judge(value)
        t.equal(fits, false, JSON.stringify(value))
        t.equal(faults.map((fault) => `${fault.instancePath} ${fault.message}`).join(), text)
      }
    })
  }
}

t.test('a union that is a part of itself is checked as a whole', async t => {
  // Fastify's Ajv does not find a schema's own `#`, unless it is told to remember the schemas that it has compiled.
  const compile = await borrowCompiler({}, { ajv: { customOptions: { addUsedSchema: true, logger: false } } })
  for (const [more, $ref] of [[{}, '#'], [{ $id: 'Chain' }, 'Chain']] as const) {
    const a = object({ type: { const: 'a' }, next: { $ref } }, { required: ['type'] })
    const { judge } = compileWithInstance({ ...more, anyOf: [a, object({ type: { const: 'b' } }, { required: ['type'] })] }, compile)
    t.equal(judge({ type: 'a', next: { type: 'b' } }).fits, true)
    t.equal(judge({ type: 'a', next: { type: 'c' } }).fits, false)
  }
})

t.test('faults of a branch point into the whole schema', async t => {
  const { judge } = compileWithInstance(union, strict)
  t.match(judge({ type: 'chat', text: 1 }).faults, [{ schemaPath: '#/anyOf/1/properties/text/type' }])
  const refs = compileWithInstance({ oneOf: [branch('a'), branch('b', { text: { $ref: 'Text#' } })] }, strict)
  t.match(refs.judge({ type: 'b', text: 'a' }).faults, [{ schemaPath: 'Text#/minLength' }], 'or into the shared one')
})

// Each of the options that change a value is found out, alone.
for (const [name, customOptions] of Object.entries({
  coerceTypes: { ...off, coerceTypes: true },
  useDefaults: { ...off, useDefaults: true },
  removeAdditional: { ...off, removeAdditional: true },
  'removeAdditional all': { ...off, removeAdditional: 'all' },
  'removeAdditional failing': { ...off, removeAdditional: 'failing' }
} as const)) {
  t.test(`Ajv with ${name} does not get the message itself`, async t => {
    const compile = await borrowCompiler({}, { ajv: { customOptions } })
    const schema = object({ n: { type: 'number' }, d: { type: 'number', default: 1 }, o: object({}, { additionalProperties: { type: 'number' } }) })
    const value = { n: 1, o: {} }
    const { judge } = compileWithInstance(schema, compile)
    t.same(judge(value), { fits: true, value: { n: 1, o: {} }, faults: [] })
    const odd = { n: '1', o: { x: 'a' }, y: 1 }
    judge(odd)
    t.same(odd, { n: '1', o: { x: 'a' }, y: 1 })
  })
}

t.test('Ajv that changes nothing gets the message itself, without a copy', async t => {
  let got: unknown
  const watching: CompileSchema = (schema) => {
    const validate = strict(schema)
    const watch: ValidateFunction = (value, place) => {
      got = value
      return validate(value, place)
    }
    return Object.assign(watch, { schemaEnv: validate.schemaEnv })
  }
  const value = {}
  compileWithInstance({ type: 'object' }, watching).judge(value)
  t.equal(got, value)
})

t.test('a compiler like Ajv that fails on plain JSON Schema is not trusted', async t => {
  const schema = { type: 'object' }
  const compile: CompileSchema = (given) => {
    if (given !== schema) throw new Error('not mine')
    return Object.assign(((value: Record<string, unknown>) => { value.added = 1 }) as ValidateFunction, { schemaEnv: {} })
  }
  const value = {}
  t.same(compileWithInstance(schema, compile).judge(value), { fits: true, value: {}, faults: [] })
})

t.test('a change within one type is a fault too', async t => {
  const schema = object({})
  const { judge } = compileWithInstance(schema, (given) => {
    if (given !== schema) throw new Error('not mine')
    return Object.assign(((value: { s: string }) => { value.s = value.s.trim() }) as ValidateFunction, { schemaEnv: {} })
  })
  t.match(judge({ s: ' a' }).faults, [{ instancePath: '/s', keyword: 'change', message: 'must be as the schema would change it' }])
  t.equal(judge({ s: 'a' }).fits, true)
})

t.test('a compiler of another make gets the message itself, and its { value } counts', async t => {
  const value = { a: 1 }
  const { judge, wantsJson } = compileWithInstance({}, () => (given) => ({ value: [given] }))
  t.equal(wantsJson, false)
  t.same(judge(value).value, [value])
})

t.test('T58 depth: copying and comparing end in a RangeError, or with an answer', async t => {
  const { judge } = compileWithInstance(object({ deep: {} }), loose)
  const deep: unknown = JSON.parse(`{"deep":${'['.repeat(200_000)}${']'.repeat(200_000)}}`)
  t.throws(() => judge(deep), RangeError)
})

t.test('T58 keys that are names of Object.prototype', async t => {
  const { judge } = compileWithInstance(object({ n: { type: 'number' } }), loose)
  const value: unknown = JSON.parse('{"n":1,"__proto__":{"a":1},"toString":1,"hasOwnProperty":2}')
  t.equal(judge(value).value, value)
})
