// The validator compiler of a Fastify instance, as a plugin gets it: from a request.
import Fastify from 'fastify'
import type { FastifyServerOptions } from 'fastify'
import type { CompileSchema, ValidateFunction } from '../../lib/validation/validator.ts'

/** Starts an instance without a port and takes the compiler of its route; Ajv as Fastify sets it up, unless `options` say otherwise. */
export async function borrowCompiler (sharedSchemas: Record<string, object> = {}, options: FastifyServerOptions = {}): Promise<CompileSchema> {
  const app = Fastify(options)
  for (const schema of Object.values(sharedSchemas)) app.addSchema(schema)
  let compile: CompileSchema | undefined
  app.get('/', (request, reply) => {
    compile = (schema) => request.compileValidationSchema(schema as Record<string, unknown>, 'body') as ValidateFunction // an object, and a function like Ajv's
    reply.send('')
  })
  await app.inject('/')
  if (compile === undefined) throw new Error('the route was not reached')
  return compile
}
