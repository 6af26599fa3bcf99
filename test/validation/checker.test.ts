import { FormatRegistry, Type } from '@sinclair/typebox'
import type { TSchema } from '@sinclair/typebox'
import t from 'tap'
import { compileChecker, isBeyondTypeBox, nameFailure } from '../../lib/validation/checker.ts'
import type { CompileSchema } from '../../lib/validation/validator.ts'

FormatRegistry.Set('checker-test-known', () => true)
t.teardown(() => FormatRegistry.Delete('checker-test-known'))

const accepting: CompileSchema = () => () => true

const rows: Array<{ name: string, schema: unknown, isBeyond: boolean, reason?: RegExp }> = [
  { name: 'a TypeBox schema', schema: Type.Object({ a: Type.String() }), isBeyond: false },
  { name: 'recursion', schema: Type.Recursive((This) => Type.Array(This)), isBeyond: false },
  { name: 'a registered format', schema: Type.String({ format: 'checker-test-known' }), isBeyond: false },
  { name: 'a format of Ajv only', schema: Type.String({ format: 'date-time' }), isBeyond: true, reason: /format 'date-time' at # is not in TypeBox's FormatRegistry/ },
  { name: 'Type.Ref to a shared schema', schema: Type.Object({ a: Type.Ref('shared') }), isBeyond: true, reason: /shared/ },
  { name: 'Type.Unsafe', schema: Type.Unsafe({ type: 'string' }), isBeyond: true, reason: /cannot check it: / },
  { name: 'plain JSON Schema inside', schema: Type.Array({ type: 'string' } as unknown as TSchema), isBeyond: true, reason: /cannot check it: / },
  { name: 'plain JSON Schema', schema: { type: 'string' }, isBeyond: true, reason: /it was not made by TypeBox 0\.34/ },
  { name: 'a typebox 1.x schema', schema: Object.defineProperty({ type: 'string' }, '~kind', { value: 'String' }), isBeyond: true, reason: /it was not made by TypeBox 0\.34/ },
  { name: 'no schema', schema: null, isBeyond: true, reason: /it was not made by TypeBox 0\.34/ }
]

for (const { name, schema, isBeyond, reason } of rows) {
  t.test(name, async t => {
    t.equal(isBeyondTypeBox(schema), isBeyond)
    t.equal(compileChecker(schema, { compileWithInstance: accepting }).kind, isBeyond ? 'validator' : 'typebox')
    t.equal(compileChecker(schema, { validatorCompiler: accepting, compileWithInstance: () => { throw new Error('not asked') } }).kind, 'validator', 'one\'s own compiler goes first')
    if (reason === undefined) t.equal(compileChecker(schema).kind, 'typebox')
    else t.throws(() => compileChecker(schema, {}, 'schema.x'), { code: 'FST_WS_INVALID_ARGUMENT', message: reason })
  })
}

t.test('a schema that nobody can compile is named, with the reason', async t => {
  const cause = new Error('unknown keyword')
  const failing: CompileSchema = () => { throw cause }
  t.throws(() => compileChecker({ type: 'x' }, { compileWithInstance: failing }, 'schema.x'), {
    code: 'FST_WS_INVALID_ARGUMENT',
    message: 'invalid argument: schema.x does not compile: unknown keyword',
    cause
  })
  const unsafe = Type.String({ format: 'x' })
  const aside = 'nor can TypeBox check it: format \'x\' at # is not in TypeBox\'s FormatRegistry'
  t.throws(() => compileChecker(unsafe, { compileWithInstance: failing }, 'schema.x'), { message: `invalid argument: schema.x does not compile (${aside}): unknown keyword` })
  t.throws(() => compileChecker(unsafe, { compileWithInstance: () => { throw new Error('is not in TypeBox\'s FormatRegistry') } }, 'schema.x'), {
    message: 'invalid argument: schema.x does not compile: is not in TypeBox\'s FormatRegistry'
  }, 'and says nothing twice')
  t.throws(() => compileChecker(Type.String(), { validatorCompiler: failing }, 'schema.x'), {
    code: 'FST_WS_INVALID_ARGUMENT', message: 'invalid argument: schema.x does not compile: unknown keyword', cause
  })
})

t.test('a strict compiler takes the place of the instance\'s, for the schemas that it is found for', async t => {
  const plain = { type: 'string' }
  const refusing: CompileSchema = () => () => false
  const options = { compileWithInstance: accepting, findStrict: (schema: unknown) => schema === plain ? refusing : undefined }
  for (const [schema, fits] of [[plain, false], [{ type: 'number' }, true]] as const) {
    const checker = compileChecker(schema, options)
    t.equal(checker.kind === 'validator' && checker.judge(1).fits, fits)
  }
  const own = compileChecker(plain, { ...options, validatorCompiler: accepting })
  t.equal(own.kind === 'validator' && own.judge(1).fits, true, 'not of one\'s own')
})

t.test('names a failure of others, whatever they throw', async t => {
  t.equal(nameFailure('it', () => 1), 1)
  t.throws(() => nameFailure('it', () => { throw 'text' }), { code: 'FST_WS_INVALID_ARGUMENT', message: 'invalid argument: it: text' }) // oxlint-disable-line no-throw-literal
})
