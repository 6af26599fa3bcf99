// The validator compiler of a Fastify context, also where it has none yet. Owns what is known of Fastify's internals for that.
import type { FastifyInstance } from 'fastify'

type Compiler = NonNullable<FastifyInstance['validatorCompiler']>

/** What keeps a context's compiler, under a symbol; alike in all of Fastify 5. */
interface SchemaController {
  /** Does nothing where it is done. */
  setupValidator (options: unknown): void
}

/**
 * Returns the compiler of a context that is ready. Fastify sets it up with the context's first route that has a schema, or for
 * `request.compileValidationSchema`: where there is neither, it is set up as that does.
 *
 * @returns undefined where there is none and Fastify's internals are not as expected
 */
export function compilerOf (instance: FastifyInstance): Compiler | undefined {
  const controller = read(instance, 'fastify.schemaController')
  const options = read(instance, 'fastify.options')
  // Also where the instance has one: it may be that of a context around it, which does not know the schemas of this one.
  if (isController(controller) && options !== undefined) controller.setupValidator(options)
  return instance.validatorCompiler
}

function isController (value: unknown): value is SchemaController {
  return typeof value === 'object' && value !== null && 'setupValidator' in value && typeof value.setupValidator === 'function'
}

/** Reads what the nearest context has under a symbol of that name: one around it is its prototype. */
function read (instance: FastifyInstance, name: string): unknown {
  for (let context: object | null = instance; context !== null; context = Object.getPrototypeOf(context)) {
    const symbol = Object.getOwnPropertySymbols(context).find(({ description }) => description === name)
    if (symbol !== undefined) return Reflect.get(context, symbol)
  }
  return undefined
}
