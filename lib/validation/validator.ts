// Validate functions of other makers, as Fastify knows them: calls one and reads its answer.
import { findDiscriminator, listUnion } from './discriminator.ts'
import type { Tag } from './discriminator.ts'
import { clip } from './errors.ts'
import type { MessageFault } from './errors.ts'
import { tagFault } from './typebox-faults.ts'

/** What a compiler of Fastify's kind returns; Ajv's functions have `schemaEnv`. Answers false with `errors`, or `{ error }`, or `{ value }`, or true. */
export interface ValidateFunction {
  (value: unknown, place?: { parentData: object, parentDataProperty: string }): unknown
  errors?: unknown
  schemaEnv?: unknown
}

export type CompileSchema = (schema: unknown) => ValidateFunction

/** What came of a check: the value to go on with, or the faults, or the error that the validator made itself. */
export interface Verdict {
  readonly fits: boolean
  readonly value: unknown
  readonly faults: readonly MessageFault[]
  readonly error?: Error
}

export interface Validator {
  /** Wants plain JSON values, as Ajv does: not a message with a Date in it, but what the peer will read. */
  readonly wantsJson: boolean
  /** Judges a value that was read from JSON and that nobody else holds. */
  judge (value: unknown): Verdict
}

/**
 * Compiles a schema with the application's own compiler, whose word counts: the value that it returns is the message, and
 * what its Ajv coerces or adds stays.
 */
export function compileOwn (schema: unknown, compile: CompileSchema): Validator {
  const validate = compile(schema)
  return { wantsJson: isAjv(validate), judge: (value) => run(validate, value, schema) }
}

/** Tells a function of Ajv, which may change the value that it checks. */
export function isAjv (validate: ValidateFunction): boolean {
  return validate.schemaEnv !== undefined
}

export function accept (value: unknown): Verdict {
  return { fits: true, value, faults: [] }
}

export function refuse (faults: readonly MessageFault[], error?: Error): Verdict {
  return error === undefined ? { fits: false, value: undefined, faults } : { fits: false, value: undefined, faults, error }
}

/**
 * Calls a validate function and reads its answer as Fastify does for a body.
 *
 * @param schema - what the function was made of, to find in a union's faults those that matter
 */
export function run (validate: ValidateFunction, value: unknown, schema: unknown): Verdict {
  const holder = { message: value }
  const answer = isAjv(validate)
    ? validate(value, { parentData: holder, parentDataProperty: 'message' })
    : validate(value)
  if (answer === false) return refuse(pickFaults(readFaults(validate.errors), value, schema))
  if (typeof answer !== 'object' || answer === null) return accept(holder.message)
  if ('then' in answer && typeof answer.then === 'function') return refuseAsync(answer as PromiseLike<unknown>) // as far as anyone can tell
  if ('error' in answer && answer.error) {
    return answer.error instanceof Error ? refuse([], answer.error) : refuse(readFaults(answer.error))
  }
  return accept('value' in answer ? answer.value : holder.message)
}

function refuseAsync (answer: PromiseLike<unknown>): never {
  // Nobody waits for it, and a rejection must not end the process.
  answer.then(undefined, () => {})
  throw new TypeError('the validator of a message must answer at once, not with a promise')
}

function readFaults (errors: unknown): MessageFault[] {
  const list: readonly unknown[] = Array.isArray(errors) ? errors : [errors]
  return list.map((error) => {
    const given: Partial<MessageFault> = typeof error === 'object' && error !== null ? error : { message: String(error ?? 'is invalid') }
    const fault = { instancePath: '', schemaPath: '', keyword: 'invalid', params: {}, ...given }
    return { ...fault, instancePath: clip(String(fault.instancePath)), params: clipParams(fault.params ?? {}) }
  })
}

/** Cuts the names of the peer's properties, which Ajv repeats. */
function clipParams (params: MessageFault['params']): MessageFault['params'] {
  return Object.fromEntries(Object.entries(params).map(([key, value]) => [key, typeof value === 'string' ? clip(value) : value]))
}

/** Of a union's faults, keeps those of the branch that the message names, since Ajv reports every branch. */
function pickFaults (faults: MessageFault[], value: unknown, schema: unknown): readonly MessageFault[] {
  const branches = listUnion(schema)
  const discriminator = findDiscriminator(branches, (branch) => branch)
  if (discriminator === undefined || typeof value !== 'object' || value === null) return faults
  const indexes = discriminator.branches.get((value as Record<string, Tag>)[discriminator.key] as Tag) // any other value is simply not in the map
  if (indexes === undefined) return [tagFault('', discriminator.key, discriminator.branches.keys())]
  const isOf = (fault: MessageFault, index: number): boolean =>
    fault.schemaPath.startsWith(`#/anyOf/${index}/`) || fault.schemaPath.startsWith(`#/oneOf/${index}/`)
  const meant = faults.filter((fault) => indexes.some((index) => isOf(fault, index)))
  if (meant.length > 0) return meant
  // Faults in a shared schema do not say which branch they came from; those of the other branches do.
  const left = faults.filter((fault) => !/^#\/(?:any|one)Of(?:\/|$)/.test(fault.schemaPath))
  return left.length > 0 ? left : faults
}
