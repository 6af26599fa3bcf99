// The instance's Ajv without what changes values. As Fastify sets it up, Ajv coerces, adds defaults and removes properties while
// it checks: a copy saves the message, but not the verdict. It rejects a good message of a union whose first branch took its
// properties away, or made an integer of its text. So a bare instance lends an Ajv that changes nothing.
import { scanSchema } from './schema-scan.ts'
import { isAjv } from './validator.ts'
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

/** What is needed of an Ajv. */
interface OpenAjv {
  addFormat (name: string, format: AjvFormat): unknown
  addKeyword (name: string): unknown
}

type AjvFormat = true | { type: 'string', validate: (value: string) => boolean } | { type: 'number', validate: (value: number) => boolean }

/** Options of Ajv that a compiler's answers tell. */
interface AjvOptions {
  coerceTypes: boolean | 'array'
  useDefaults: boolean | 'empty'
  removeAdditional: boolean | 'all' | 'failing'
  allErrors: boolean
  strictNumbers: boolean
}

/** For `Fastify({ ajv })`. */
export interface AjvSettings {
  customOptions: AjvOptions & { logger: false }
  onCreate (ajv: OpenAjv): void
}

/** Finds the compiler to take for a schema in place of the instance's; `undefined` where it must be the instance's itself. */
export type FindStrict = (schema: unknown) => CompileSchema | undefined

interface Lender {
  readonly compile: CompileSchema
  readonly ajv: OpenAjv
}

const CHANGES_NOTHING = { coerceTypes: false, useDefaults: false, removeAdditional: false } as const

/**
 * Gets a compiler whose checks change nothing and are else those of the instance's Ajv.
 *
 * Fastify keeps the options of its Ajv to itself, so they are told from what that does, formats are borrowed from it, and the
 * code that it makes of a schema must be what an Ajv with the same options makes. These keep the instance's own compiler:
 * one that is not Ajv, one that changes nothing anyway, and, schema by schema, what takes an Ajv that the application has
 * taught keywords of its own or has given other options (`$data`, `discriminator`, `ajv-errors`), or where schemas come from a
 * store of its own that Fastify's would not take.
 *
 * @param lent - the instance's compiler
 * @param createInstance - makes a bare instance
 * @param sharedSchemas - those of the route's context, as `getSchemas()` lists them
 */
export async function createStrictFinder (
  lent: CompileSchema,
  createInstance: (ajv: AjvSettings) => CompilingInstance,
  sharedSchemas: Readonly<Record<string, unknown>> = {}
): Promise<FindStrict> {
  const options = readOptions(lent)
  if (options === undefined) return () => undefined
  const shared = Object.values(sharedSchemas)
  let twin: Lender
  let strict: Lender
  try {
    twin = await borrow(createInstance, options, shared)
    strict = await borrow(createInstance, { ...options, ...CHANGES_NOTHING }, shared)
  } catch {
    // Schemas from a store of the application's may be such as Fastify does not add.
    return () => undefined
  }
  const teach = createTeacher(lent, [twin.ajv, strict.ajv])
  teach(shared)

  return function findStrict (schema) {
    try {
      teach(schema)
      return codeOf(twin.compile(schema)) === codeOf(lent(schema)) ? strict.compile : undefined
    } catch {
      // A schema that is none: the instance's own compiler says what is wrong.
      return undefined
    }
  }
}

async function borrow (createInstance: (ajv: AjvSettings) => CompilingInstance, options: AjvOptions, shared: readonly unknown[]): Promise<Lender> {
  let ajv: OpenAjv | undefined
  // What there is to log of a schema the instance's own Ajv has logged.
  const instance = createInstance({ customOptions: { ...options, logger: false }, onCreate: (created) => { ajv = created } })
  for (const schema of shared) instance.addSchema(schema)

  // Only a request can compile, so the instance gets one.
  const compile = await new Promise<CompileSchema>((resolve, reject) => {
    instance.get('/', (request) => {
      resolve((schema) => request.compileValidationSchema(schema as object, 'body')) // Ajv looks at it first
      return ''
    })
    instance.inject('/').then(() => reject(new Error('the bare instance has not called its handler')), reject)
  })
  compile({})
  if (ajv === undefined) throw new Error('the bare instance has made no Ajv')
  return { compile, ajv }
}

type Probe = { [Name in keyof typeof CHANGES_NOTHING]: [name: Name, setting: AjvOptions[Name], schema: object, json: string] }[keyof typeof CHANGES_NOTHING]

/** Values that Ajv changes with an option set so; of several settings of an option the first one that shows. */
const PROBES: readonly Probe[] = [
  ['coerceTypes', 'array', { type: 'object', properties: { v: { type: 'array', items: { type: 'number' } } } }, '{"v":1}'],
  ['coerceTypes', true, { type: 'object', properties: { v: { type: 'number' } } }, '{"v":"1"}'],
  ['useDefaults', 'empty', { type: 'object', properties: { v: { type: 'string', default: 'a' } } }, '{"v":""}'],
  ['useDefaults', true, { type: 'object', properties: { v: { type: 'string', default: 'a' } } }, '{}'],
  ['removeAdditional', 'all', { type: 'object', properties: { v: { type: 'number' } } }, '{"x":1}'],
  ['removeAdditional', 'failing', { type: 'object', additionalProperties: { type: 'boolean' } }, '{"x":{}}'],
  ['removeAdditional', true, { type: 'object', additionalProperties: false }, '{"x":1}']
]

/** Tells the options of a compiler's Ajv; `undefined` for one that is no Ajv, or changes nothing. */
function readOptions (compile: CompileSchema): AjvOptions | undefined {
  const options: AjvOptions = { ...CHANGES_NOTHING, allErrors: false, strictNumbers: true }
  try {
    if (!isAjv(compile({ type: 'object' }))) return undefined
    for (const [name, setting, schema, json] of PROBES) {
      const value: unknown = JSON.parse(json)
      compile(schema)(value)
      if (options[name] === false && JSON.stringify(value) !== json) Object.assign(options, { [name]: setting })
    }
    const required = compile({ type: 'object', properties: { a: { type: 'number' }, b: { type: 'number' } }, required: ['a', 'b'] })
    required({})
    options.allErrors = Array.isArray(required.errors) && required.errors.length > 1
    options.strictNumbers = compile({ type: 'number' })(Infinity) === false
  } catch {
    // A compiler that does not take plain JSON Schema is not one that could be made again.
    return undefined
  }
  return options.coerceTypes || options.useDefaults || options.removeAdditional ? options : undefined
}

/**
 * Makes a function that tells other Ajvs the formats of a compiler's Ajv and, as keywords that check nothing, whatever may be one
 * in a schema. Whether the compiler's own Ajv knows it, and what for, shows when it compiles the schema.
 */
function createTeacher (lent: CompileSchema, ajvs: readonly OpenAjv[]): (schema: unknown) => void {
  const formats = new Set<string>()
  const keywords = new Set<string>()
  return function teach (schema) {
    for (const part of scanSchema(schema).pointers.keys()) {
      if (Array.isArray(part)) continue
      for (const [key, value] of Object.entries(part)) {
        if (key === 'format' && typeof value === 'string' && !formats.has(value)) {
          formats.add(value)
          attempt(() => {
            const format = borrowFormat(lent, value)
            for (const ajv of ajvs) ajv.addFormat(value, format)
          })
        } else if (!keywords.has(key)) {
          keywords.add(key)
          attempt(() => {
            for (const ajv of ajvs) ajv.addKeyword(key)
          })
        }
      }
    }
  }
}

function attempt (teach: () => void): void {
  try {
    teach()
  } catch {
    // No format, no name for a keyword, or one that every Ajv has. Otherwise the schema does not compile.
  }
}

/** Takes a format as the other Ajv has it: one of Ajv's own may have been replaced by a stricter one of the application. */
function borrowFormat (lent: CompileSchema, format: string): AjvFormat {
  const forText = lent({ type: 'string', format })
  if (codeOf(forText) === codeOf(lent({ type: 'string' }))) return true
  // In front of its check Ajv asks for the type that the format is of. For one that it asks otherwise the codes would differ.
  if (!String(forText).includes('typeof data == "number"')) return { type: 'string', validate: (value) => forText(value) === true }
  const forNumber = lent({ type: 'number', format })
  return { type: 'number', validate: (value) => forNumber(value) === true }
}

/** The code that Ajv has made of a schema and of those it refers to, without the numbers that names get in the order of their making. */
function codeOf (validate: ValidateFunction): string {
  const codes = new Map<ValidateFunction, string>()
  function walk (validate: ValidateFunction): void {
    if (codes.has(validate)) return
    // A format may be a pattern, a function or an object with either.
    codes.set(validate, String(validate).replaceAll(/\d+/g, '').replaceAll(/\bformats\.(?:test|validate)\(/g, 'formats('))
    // Ajv's `SchemaEnv`: what could not be written in place is a function of its own.
    const { refs = {} } = (validate.schemaEnv ?? {}) as { refs?: Record<string, { validate?: unknown } | boolean> }
    for (const ref of Object.values(refs)) {
      if (typeof ref === 'object' && typeof ref.validate === 'function') walk(ref.validate as ValidateFunction)
    }
  }
  walk(validate)
  return Array.from(codes.values()).join('\n')
}
