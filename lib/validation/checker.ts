// Which compiler checks a schema: the application's own, TypeBox's where that does the schema justice, else the instance's.
import type { TSchema } from '@sinclair/typebox'
import { UsageError } from '../protocol/errors.ts'
import { compileWithInstance } from './instance.ts'
import { isTypeBox, scanSchema } from './schema-scan.ts'
import type { SchemaScan } from './schema-scan.ts'
import type { FindStrict } from './strict.ts'
import { compileTypeBox } from './typebox.ts'
import type { TypeBoxChecker } from './typebox.ts'
import { compileOwn } from './validator.ts'
import type { CompileSchema, Validator } from './validator.ts'

export interface CheckerOptions {
  /** The application's own compiler: of the route, of the plugin, or set on the instance. It gets every schema, and its word counts. */
  validatorCompiler?: CompileSchema | undefined
  /** The instance's compiler, for what TypeBox's cannot do. It never changes a message. */
  compileWithInstance?: CompileSchema | undefined
  /** A compiler to take in place of the instance's where that would change values while it checks. */
  findStrict?: FindStrict | undefined
}

/** A check of messages: TypeBox's, which changes nothing, or another compiler's. */
export type Checker =
  | ({ readonly kind: 'typebox' } & TypeBoxChecker)
  | ({ readonly kind: 'validator' } & Validator)

/** Tells that a schema cannot be checked by TypeBox alone: it takes the instance's compiler, and so its shared schemas. */
export function isBeyondTypeBox (schema: unknown): boolean {
  return tryTypeBox(schema, scanSchema(schema)).checker === undefined
}

/**
 * Compiles a schema to a check.
 *
 * @param name - what the schema is called in errors
 * @throws {UsageError} `FST_WS_INVALID_ARGUMENT` for a schema that cannot be compiled
 */
export function compileChecker (schema: unknown, options: CheckerOptions = {}, name = 'schema', scan: SchemaScan = scanSchema(schema)): Checker {
  const { validatorCompiler, compileWithInstance: compile, findStrict } = options
  if (validatorCompiler !== undefined) {
    return nameFailure(`${name} does not compile`, () => ({ kind: 'validator', ...compileOwn(schema, validatorCompiler) }))
  }
  const { checker, obstacle } = tryTypeBox(schema, scan)
  if (checker !== undefined) return { kind: 'typebox', ...checker }
  if (compile === undefined) {
    throw new UsageError('FST_WS_INVALID_ARGUMENT', `${name} needs the validator compiler of the instance, for TypeBox cannot check it: ${obstacle}`)
  }
  return nameFailure(`${name} does not compile`,
    () => ({ kind: 'validator', ...compileWithInstance(schema, findStrict?.(schema) ?? compile) }),
    // Of a schema of another make there is nothing to say.
    isTypeBox(schema) ? `nor can TypeBox check it: ${obstacle}` : undefined)
}

/**
 * Runs a compiler of others; an error of it comes out as a `UsageError` that says which schema it was about.
 *
 * @param aside - what else there is to know, unless the error says it
 */
export function nameFailure<T> (what: string, compile: () => T, aside?: string): T {
  try {
    return compile()
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    // Often both say the same.
    const more = aside === undefined || aside.endsWith(reason) ? '' : ` (${aside})`
    throw new UsageError('FST_WS_INVALID_ARGUMENT', `${what}${more}: ${reason}`, { cause: error })
  }
}

function tryTypeBox (schema: unknown, scan: SchemaScan): { checker?: TypeBoxChecker, obstacle?: string } {
  if (scan.obstacle !== undefined) return { obstacle: scan.obstacle }
  if (!isTypeBox(schema)) return { obstacle: 'it was not made by TypeBox 0.34' }
  try {
    return { checker: compileTypeBox(schema as unknown as TSchema, scan) } // it has a Kind, and the compiler looks at the rest
  } catch (error) {
    // A reference to a shared schema, a kind that is not TypeBox's: the instance's compiler is for those.
    return { obstacle: error instanceof Error ? error.message : String(error) }
  }
}
