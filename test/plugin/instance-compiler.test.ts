import Fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { compilerOf } from '../../lib/plugin/instance-compiler.ts'

const MAIL = { type: 'string', format: 'mail' }

function judge (instance: FastifyInstance, value: unknown, schema: object = MAIL): unknown {
  const check = compilerOf(instance)?.({ schema, method: 'GET', url: '/', httpPart: 'body' }) as ((value: unknown) => unknown) | undefined
  return check?.(value)
}

t.test('a context without a route that has a schema: the compiler that Fastify would have set up, with its options and schemas', async (t) => {
  const app = Fastify({ ajv: { customOptions: { formats: { mail: /@/ } } } })
  t.teardown(() => app.close())
  app.addSchema({ $id: 'mail', ...MAIL })
  let nested: FastifyInstance | undefined
  app.register(async (instance) => {
    nested = instance as unknown as FastifyInstance // overloads are for kinds of servers
    instance.addSchema({ $id: 'mails', type: 'array', items: { $ref: 'mail#' } })
  })
  await app.ready()
  t.equal(app.validatorCompiler, undefined)
  t.strictSame([judge(app, 'a@b'), judge(app, 'a'), judge(app, 'a', { $ref: 'mail#' })], [true, false, false])
  const made = compilerOf(app)
  t.equal(compilerOf(app), made, 'once')
  t.strictSame([judge(nested!, ['a@b'], { $ref: 'mails#' }), judge(nested!, ['a'], { $ref: 'mails#' })], [true, false], 'those of a context within')
})

t.test('one that is set goes before', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  app.setValidatorCompiler(() => (value: unknown) => value === 'yes')
  t.strictSame([judge(app, 'yes'), judge(app, 'a@b')], [true, false])
})

t.test('where Fastify is another one than is known there is none', async (t) => {
  t.equal(compilerOf({} as FastifyInstance), undefined)
  for (const controller of [undefined, null, {}, { setupValidator: 1 }]) {
    t.equal(compilerOf({ [Symbol('fastify.schemaController')]: controller, [Symbol('fastify.options')]: {} } as unknown as FastifyInstance), undefined)
  }
})
