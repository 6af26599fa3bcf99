// Fastify's default compiler without what changes values. Ajv as Fastify sets it up coerces, adds defaults and removes properties
// while it checks: a copy saves the message, but not the verdict. It rejects a good message of a union whose first branch took its
// properties away. So where TypeBox cannot check a schema, a second, bare instance lends its compiler.
import type { CompileSchema, ValidateFunction } from './validator.ts'

/** What is needed of a request of Fastify. */
interface CompilingRequest {
  compileValidationSchema (schema: object, httpPart: 'body'): ValidateFunction
}

/** What is needed of an instance of Fastify. */
export interface CompilingInstance {
  addSchema (schema: unknown): unknown
  get (path: string, handler: (request: CompilingRequest) => string): unknown
  inject (path: string): PromiseLike<unknown>
}

/** Options of Ajv, for `Fastify({ ajv: { customOptions } })`, with which a check changes nothing. */
export interface StrictAjvOptions {
  coerceTypes: false
  useDefaults: false
  removeAdditional: false
}

/**
 * Gets a compiler for plain JSON Schema and for schemas that refer to shared ones, whose checks change nothing.
 *
 * @param createInstance - makes a bare instance; it puts the options it gets over the application's own, where those are known
 * @param sharedSchemas - those of the route's context, as `getSchemas()` lists them
 */
export async function createStrictCompiler (
  createInstance: (customOptions: StrictAjvOptions) => CompilingInstance,
  sharedSchemas: Readonly<Record<string, unknown>> = {}
): Promise<CompileSchema> {
  const instance = createInstance({ coerceTypes: false, useDefaults: false, removeAdditional: false })
  for (const schema of Object.values(sharedSchemas)) instance.addSchema(schema)

  // Only a request can compile, so the instance gets one.
  return new Promise((resolve, reject) => {
    instance.get('/', (request) => {
      resolve((schema) => request.compileValidationSchema(schema as object, 'body')) // Ajv looks at it first
      return ''
    })
    instance.inject('/').then(() => reject(new Error('the bare instance has not called its handler')), reject)
  })
}
