import Fastify from 'fastify'
import t from 'tap'
import { createStrictCompiler } from '../../lib/validation/strict.ts'
import type { CompilingInstance } from '../../lib/validation/strict.ts'

const shared = { Text: { $id: 'Text', type: 'string', minLength: 2 } }

t.test('lends a compiler whose checks change nothing', async t => {
  const compile = await createStrictCompiler((customOptions) => Fastify({ ajv: { customOptions } }), shared)
  const validate = compile({
    type: 'object', properties: { text: { $ref: 'Text' }, at: { type: 'string', format: 'date-time' }, d: { type: 'number', default: 1 } }, additionalProperties: false
  })
  const good = { text: 'ab', at: '2026-01-01T00:00:00Z' }
  t.equal(validate(good), true)
  t.same(good, { text: 'ab', at: '2026-01-01T00:00:00Z' })
  for (const bad of [{ text: 1 }, { text: 'a' }, { at: 'x' }, { d: '1' }, { x: 1 }]) {
    const before = JSON.stringify(bad)
    t.equal(validate(bad), false, before)
    t.equal(JSON.stringify(bad), before)
  }
  t.throws(() => compile({ $ref: 'nowhere' }), /nowhere/)
})

t.test('with the application\'s own options of Ajv under those that change nothing', async t => {
  const own = { coerceTypes: true, formats: { nick: /^[a-z]+$/ } }
  const compile = await createStrictCompiler((customOptions) => Fastify({
    ajv: {
      customOptions: { ...own, ...customOptions },
      onCreate: (ajv) => { ajv.addKeyword('x-note') }
    }
  }))
  const validate = compile({ type: 'string', format: 'nick', 'x-note': 1 })
  t.equal(validate('ann'), true)
  t.equal(validate('Ann'), false)
  t.equal(validate(1), false)
  t.throws(() => compile({ type: 'string', 'x-other': 1 }), /unknown keyword/, 'and as strict on keywords')
})

t.test('rejects where the instance cannot be had', async t => {
  await t.rejects(createStrictCompiler((customOptions) => Fastify({ ajv: { customOptions } }), { Bad: { $id: 'Bad', $ref: 1 }, Same: { $id: 'Bad' } }), { code: 'FST_ERR_SCH_ALREADY_PRESENT' })
  const never = (inject: CompilingInstance['inject']): CompilingInstance => ({ addSchema () {}, get () {}, inject })
  await t.rejects(createStrictCompiler(() => never(async () => {})), { message: 'the bare instance has not called its handler' })
  await t.rejects(createStrictCompiler(() => never(async () => { throw new Error('no') })), { message: 'no' })
})
