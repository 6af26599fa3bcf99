import { TypeBoxValidatorCompiler } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import t from 'tap'
import { accept, compileOwn, isAjv, refuse } from '../../lib/validation/validator.ts'
import type { CompileSchema, ValidateFunction } from '../../lib/validation/validator.ts'
import { borrowCompiler } from './borrow-compiler.ts'

const answering = (answer: unknown, errors?: unknown): CompileSchema => () => Object.assign((() => answer) as ValidateFunction, { errors })
const failure = new RangeError('too much')

const rows: Array<{ name: string, compile: CompileSchema, want: Record<string, unknown> }> = [
  { name: 'true', compile: answering(true), want: { fits: true, value: 'sent' } },
  { name: 'nothing', compile: answering(undefined), want: { fits: true, value: 'sent' } },
  { name: 'null', compile: answering(null), want: { fits: true, value: 'sent' } },
  { name: '{ value }', compile: answering({ value: 'made' }), want: { fits: true, value: 'made' } },
  { name: '{ value: undefined }', compile: answering({ value: undefined }), want: { fits: true, value: undefined } },
  { name: 'an object without either', compile: answering({}), want: { fits: true, value: 'sent' } },
  { name: '{ error: undefined }', compile: answering({ error: undefined }), want: { fits: true, value: 'sent' } },
  { name: '{ error } of its own', compile: answering({ error: failure }), want: { fits: false, error: failure, faults: [] } },
  {
    name: '{ error } with faults',
    compile: answering({ error: [{ instancePath: '/a', message: 'is bad' }] }),
    want: { fits: false, faults: [{ instancePath: '/a', schemaPath: '', keyword: 'invalid', params: {}, message: 'is bad' }] }
  },
  { name: '{ error } with one fault', compile: answering({ error: { message: 'is bad' } }), want: { faults: [{ instancePath: '', message: 'is bad' }] } },
  { name: '{ error } with a text', compile: answering({ error: 'is bad' }), want: { faults: [{ instancePath: '', message: 'is bad' }] } },
  { name: 'false with errors', compile: answering(false, [{ instancePath: '/a', schemaPath: '#/x', keyword: 'x', params: { y: 1 }, message: 'z' }]), want: { fits: false, faults: [{ instancePath: '/a', schemaPath: '#/x', keyword: 'x', params: { y: 1 }, message: 'z' }] } },
  { name: 'false without errors', compile: answering(false, null), want: { fits: false, faults: [{ message: 'is invalid' }] } }
]

for (const { name, compile, want } of rows) {
  t.test(`an answer of ${name}`, async t => {
    const { judge, wantsJson } = compileOwn({}, compile)
    t.equal(wantsJson, false)
    const verdict = judge('sent')
    t.match(verdict, want)
    if ('error' in want) t.equal(verdict.error, want.error, 'the very same error')
  })
}

t.test('a promise is refused, and its rejection stays silent', async t => {
  const { judge } = compileOwn({}, () => () => Promise.reject(new Error('late')))
  t.throws(() => judge(1), { name: 'TypeError', message: 'the validator of a message must answer at once, not with a promise' })
  await new Promise((resolve) => { setImmediate(resolve) })
})

t.test('the compiler gets the schema itself', async t => {
  const schema = {}
  let got: unknown
  compileOwn(schema, (given) => {
    got = given
    return () => true
  })
  t.equal(got, schema)
})

t.test('the type provider\'s compiler', async t => {
  const schema = Type.Object({ text: Type.String() })
  // Its type wants more of a schema than it looks at.
  const { judge, wantsJson } = compileOwn(schema, (given) => TypeBoxValidatorCompiler({ schema: given as typeof schema, httpPart: 'body', method: 'GET', url: '/' }) as ValidateFunction)
  t.equal(wantsJson, false)
  const message = { text: 'a' }
  t.equal(judge(message).value, message)
  t.match(judge({ text: 1 }), { fits: false, faults: [{ instancePath: '/text', message: 'Expected string' }] })
})

t.test('Ajv of the application\'s own: what it changes, the root included, is the message', async t => {
  const compile = await borrowCompiler()
  t.equal(compileOwn({ type: 'number' }, compile).wantsJson, true)
  t.same(compileOwn({ type: 'number' }, compile).judge('1'), accept(1))
  const schema = { type: 'object', properties: { n: { type: 'number' }, d: { default: 1 } }, additionalProperties: false }
  t.same(compileOwn(schema, compile).judge({ n: '2', x: 1 }), accept({ n: 2, d: 1 }))
  t.match(compileOwn(schema, compile).judge({ n: 'x' }), refuse([{ instancePath: '/n', schemaPath: '#/properties/n/type', keyword: 'type', params: { type: 'number' }, message: 'must be number' }]))
})

t.test('of Ajv\'s faults in a union, those of the branch that was meant', async t => {
  const compile = await borrowCompiler({ Text: { $id: 'Text', type: 'string', minLength: 2 } })
  const branch = (type: string, more: object): object => ({ type: 'object', required: ['type', ...Object.keys(more)], properties: { type: { const: type }, ...more } })
  for (const word of ['anyOf', 'oneOf']) {
    const { judge } = compileOwn({ [word]: [branch('a', { n: { type: 'number' } }), branch('b', { s: { $ref: 'Text' } })] }, compile)
    t.match(judge({ type: 'a', n: 'x' }).faults, [{ schemaPath: `#/${word}/0/properties/n/type` }])
    t.equal(judge({ type: 'a', n: 'x' }).faults.length, 1)
    t.match(judge({ type: 'b', s: '' }).faults, [{ instancePath: '/s', keyword: 'minLength' }])
    t.equal(judge({ type: 'b', s: '' }).faults.length, 1, 'in a shared schema too')
    t.match(judge({ type: 'c' }).faults, [{ instancePath: '/type', message: 'Expected one of \'a\', \'b\'' }])
    t.ok(judge(1).faults.length > 1, 'no branch was meant')
  }
  const { judge } = compileOwn({ type: 'object', anyOf: [branch('a', {}), branch('b', {})], minProperties: 2 }, compile)
  t.match(judge({ type: 'a' }).faults, [{ keyword: 'minProperties' }])
})

t.test('Ajv is told by what its functions have', async t => {
  t.equal(isAjv(Object.assign((() => true) as ValidateFunction, { schemaEnv: {} })), true)
  t.equal(isAjv(() => true), false)
})
