import Fastify from 'fastify'
import type { FastifyServerOptions } from 'fastify'
import t from 'tap'
import { createStrictFinder } from '../../lib/validation/strict.ts'
import type { AjvSettings, CompilingInstance, FindStrict } from '../../lib/validation/strict.ts'
import type { CompileSchema } from '../../lib/validation/validator.ts'
import { borrowCompiler } from './borrow-compiler.ts'

const createInstance = (ajv: AjvSettings): CompilingInstance => Fastify({ ajv }) as unknown as CompilingInstance
const closed = (type: string, more: object = {}): object =>
  ({ type: 'object', required: ['type', ...Object.keys(more)], properties: { type: { const: type }, ...more }, additionalProperties: false })
const text = { type: 'string' }
const shared = {
  Text: { $id: 'Text', type: 'string', minLength: 2 },
  List: { $id: 'List', type: 'object', properties: { v: { type: 'integer' }, next: { $ref: 'List#' } } },
  Names: { $id: 'Names', type: 'object', properties: { v: { type: 'string', minLength: 2 }, next: { $ref: 'Names#' } } },
  Noted: { $id: 'Noted', type: 'object', properties: { v: { 'x-own': 1, type: 'string' }, next: { $ref: 'Noted#' } } }
}

type Ajv = NonNullable<FastifyServerOptions['ajv']>

async function findFor (ajv: Ajv = {}): Promise<{ find: FindStrict, lent: CompileSchema }> {
  const lent = await borrowCompiler(shared, { ajv: { ...ajv, customOptions: { logger: false, ...ajv.customOptions } } as Ajv }) // one kind of options or the other
  return { find: await createStrictFinder(lent, createInstance, shared), lent }
}

interface Row { name: string, schema: object, good?: unknown[], bad?: unknown[] }

const rows: Row[] = [
  { name: 'a shared schema', schema: { type: 'object', properties: { text: { $ref: 'Text' } } }, good: [{ text: 'ab' }, {}], bad: [{ text: 'a' }, { text: 1 }] },
  { name: 'a format', schema: { type: 'string', format: 'date-time' }, good: ['2026-01-01T00:00:00Z'], bad: ['x'] },
  { name: 'a format of numbers', schema: { type: 'number', format: 'int32' }, good: [1], bad: [2 ** 40] },
  { name: 'a default, for a property that must be there', schema: { type: 'object', required: ['d'], properties: { d: { type: 'number', default: 1 } } }, good: [{ d: 2 }], bad: [{}, { d: '1' }] },
  { name: 'properties of one kind', schema: { type: 'object', additionalProperties: { type: 'number' } }, good: [{ a: 1 }], bad: [{ a: 'x' }] },
  { name: 'a closed object', schema: closed('a'), good: [{ type: 'a' }], bad: [{ type: 'a', x: 1 }] },
  { name: 'a union within', schema: { type: 'array', items: { anyOf: [closed('a', { a: text }), closed('b', { b: text })] } }, good: [[{ type: 'b', b: '' }, { type: 'a', a: '' }]], bad: [[{ type: 'b', a: '' }]] },
  { name: 'a union of numbers and texts', schema: { type: 'object', properties: { v: { anyOf: [{ type: 'integer' }, text] } } }, good: [{ v: '5' }, { v: 5 }], bad: [{ v: null }] },
  { name: 'a circle', schema: { $ref: 'List#' }, good: [{ v: 1, next: { v: 2 } }], bad: [{ next: { v: '1' } }] }
]

const settings: Record<string, Ajv> = {
  'Fastify\'s own': {},
  'coerceTypes only': { customOptions: { coerceTypes: true, useDefaults: false, removeAdditional: false } },
  'useDefaults only': { customOptions: { coerceTypes: false, useDefaults: 'empty', removeAdditional: false } },
  'removeAdditional failing': { customOptions: { coerceTypes: false, useDefaults: false, removeAdditional: 'failing' } },
  'removeAdditional all': { customOptions: { removeAdditional: 'all' } },
  'allErrors and strictNumbers': { customOptions: { allErrors: true, strictNumbers: false } },
  'a keyword that only notes': { customOptions: { keywords: ['x-own'] } }
}

for (const [what, ajv] of Object.entries(settings)) {
  t.test(`changes nothing where the instance has ${what}`, async t => {
    const { find } = await findFor(ajv)
    for (const { name, schema, good = [], bad = [] } of rows) {
      const validate = find(schema)?.(schema)
      if (validate === undefined) {
        t.fail(`no strict compiler: ${name}`)
        continue
      }
      for (const [values, want] of [[good, true], [bad, false]] as const) {
        for (const value of values) {
          const before = JSON.stringify(value)
          t.equal(validate(value), want, `${name}: ${before}`)
          t.equal(JSON.stringify(value), before, name)
        }
      }
    }
  })
}

t.test('the options that it keeps', async t => {
  const all = (await findFor({ customOptions: { allErrors: true, strictNumbers: false } })).find
  const required = { type: 'object', required: ['a', 'b'], properties: { a: text, b: text } }
  const validate = all(required)?.(required)
  t.equal(validate?.({}), false)
  t.match(validate?.errors, { length: 2 })
  t.equal(all({ type: 'number' })?.({ type: 'number' })(Infinity), true)
  t.equal((await findFor()).find({ type: 'number' })?.({ type: 'number' })(Infinity), false)
})

t.test('formats are those of the instance: new ones, and Fastify\'s own replaced', async t => {
  const { find } = await findFor({
    customOptions: { formats: { nick: /^[a-z]+$/, even: { type: 'number', validate: (n: number) => n % 2 === 0 }, free: true } },
    onCreate: (ajv) => { ajv.addFormat('email', (value: string) => value.endsWith('@example.com')) }
  })
  const schema = { type: 'object', properties: { nick: { type: 'string', format: 'nick' }, n: { type: 'number', format: 'even' }, to: { type: 'string', format: 'email' }, free: { type: 'string', format: 'free' } } }
  const validate = find(schema)?.(schema)
  for (const [value, want] of [
    [{ nick: 'ann', n: 2, to: 'a@example.com', free: '' }, true], [{ nick: 'Ann' }, false], [{ n: 3 }, false], [{ n: '2' }, false], [{ to: 'a@example.org' }, false]
  ] as const) t.equal(validate?.(value), want, JSON.stringify(value))
})

t.test('a keyword that only notes, and a property of the name of a format', async t => {
  const { find } = await findFor({ onCreate: (ajv) => { ajv.addKeyword('x-own') } })
  const schema = { type: 'object', 'x-own': { any: 1 }, properties: { format: { type: 'string' }, 'odd name': { const: { format: 'x' } } }, definitions: { constructor: { type: 'string' } }, $ref: 'Noted#' }
  t.equal(find(schema)?.(schema)({ format: 'a', 'odd name': { format: 'x' } }), true)
})

const check = { keyword: 'x-own', validate: () => false } as const
const kept: Array<{ name: string, ajv: Ajv, schema?: object, other?: object }> = [
  { name: 'an Ajv that changes nothing', ajv: { customOptions: { coerceTypes: false, useDefaults: false, removeAdditional: false } } },
  { name: 'a keyword of its own', ajv: { onCreate: (ajv) => { ajv.addKeyword(check) } }, schema: { 'x-own': 1 }, other: { type: 'string' } },
  { name: 'a keyword of its own in a shared schema', ajv: { onCreate: (ajv) => { ajv.addKeyword(check) } }, schema: { type: 'object', properties: { noted: { $ref: 'Noted#' } } }, other: { type: 'string' } },
  { name: 'a keyword of Ajv\'s that was replaced', ajv: { onCreate: (ajv) => { ajv.removeKeyword('minLength').addKeyword({ keyword: 'minLength', validate: () => true }) } }, schema: { $ref: 'Text#' }, other: { type: 'string' } },
  { name: 'the same, in a shared schema', ajv: { onCreate: (ajv) => { ajv.removeKeyword('minLength').addKeyword({ keyword: 'minLength', validate: () => true }) } }, schema: { type: 'object', properties: { names: { $ref: 'Names#' } } }, other: { type: 'string' } },
  { name: '$data', ajv: { customOptions: { $data: true } }, schema: { type: 'object', properties: { a: { const: { $data: '1/b' } } } }, other: { type: 'string' } },
  { name: 'a schema that is none', ajv: {}, schema: { type: 'nothing' }, other: { type: 'string' } },
  { name: 'a reference to nowhere', ajv: {}, schema: { $ref: 'nowhere' }, other: { type: 'string' } }
]

for (const { name, ajv, schema = { type: 'string' }, other } of kept) {
  t.test(`keeps the instance's compiler for ${name}`, async t => {
    const { find } = await findFor(ajv)
    t.equal(find(schema), undefined)
    if (other !== undefined) t.ok(find(other), 'and only for that')
  })
}

t.test('keeps a compiler that is not Ajv, or will not say', async t => {
  for (const lent of [() => () => true, () => { throw new Error('not mine') }]) {
    const find = await createStrictFinder(lent, () => { throw new Error('asked') })
    t.equal(find({ type: 'string' }), undefined)
  }
})

t.test('keeps the instance\'s compiler where no bare instance can be had', async t => {
  const { lent } = await findFor()
  const never = (inject: CompilingInstance['inject']) => () => ({ addSchema () {}, get () {}, inject })
  for (const [create, schemas] of [
    [createInstance, { Bad: { $id: 'Bad' }, Same: { $id: 'Bad' } }],
    [never(async () => {}), {}],
    [never(async () => { throw new Error('no') }), {}],
    // Fastify's Ajv may come from elsewhere, by `schemaController`.
    [() => Fastify(), {}]
  ] as const) t.equal((await createStrictFinder(lent, create as typeof createInstance, schemas))({ type: 'string' }), undefined)
})
