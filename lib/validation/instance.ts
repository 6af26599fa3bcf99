// The instance's compiler, for schemas that TypeBox's cannot check: Ajv by default. What that may do to a message is settled
// here: the handler gets what was sent, never coerced, completed or stripped.
import { findDiscriminator, listUnion } from './discriminator.ts'
import { clip } from './errors.ts'
import type { MessageFault } from './errors.ts'
import { escapeKey, scanSchema } from './schema-scan.ts'
import { tagFault } from './typebox-faults.ts'
import { accept, isAjv, refuse, run } from './validator.ts'
import type { CompileSchema, Validator, Verdict } from './validator.ts'

/**
 * Compiles a schema with the instance's compiler, which may be set up to change values, as Fastify's is by default: then it
 * gets a copy, and a message that fits only with a change does not fit. A property that a `default` would add is no change.
 *
 * A union whose branches a literal property tells apart is compiled branch by branch: Ajv would try them in turn, report all, and
 * what it removes for one would be missing for the next.
 */
export function compileWithInstance (schema: unknown, compile: CompileSchema): Validator {
  const whole = compileWhole(schema, compile)
  const branches = whole.wantsJson ? compileBranches(schema, compile) : undefined
  return branches ?? whole
}

function compileWhole (schema: unknown, compile: CompileSchema): Validator {
  const validate = compile(schema)
  if (!isAjv(validate) || !changesValues(compile)) return { wantsJson: isAjv(validate), judge: (value) => run(validate, value, schema) }
  return {
    wantsJson: true,
    judge (value) {
      const verdict = run(validate, structuredClone(value), schema)
      if (!verdict.fits) return verdict
      const fault = findChange(value, verdict.value, '')
      return fault === undefined ? accept(value) : refuse([fault])
    }
  }
}

function compileBranches (schema: unknown, compile: CompileSchema): Validator | undefined {
  const word = findUnionWord(schema)
  if (word === undefined) return undefined
  const branches = listUnion(schema)
  const discriminator = findDiscriminator(branches, (branch) => branch)
  if (discriminator === undefined) return undefined
  const { key } = discriminator
  const judges = new Map<unknown, Validator['judge']>()
  for (const [tag, [index, other]] of discriminator.branches) {
    // Several branches for one value are again a union.
    if (index === undefined || other !== undefined) return undefined
    const { judge } = compileWhole(branches[index], compile)
    judges.set(tag, (value) => placeFaults(judge(value), `#/${word}/${index}`))
  }
  return {
    wantsJson: true,
    judge (value) {
      if (!isRecord(value)) return refuse([makeFault('', 'type', { type: 'object' }, 'must be object')])
      const judge = judges.get(value[key])
      return judge === undefined ? refuse([tagFault('', key, discriminator.branches.keys())]) : judge(value)
    }
  }
}

/** What may stand beside a union's branches and asserts nothing more than that it is of objects. */
const BESIDE_UNION = ['anyOf', 'oneOf', 'type', '$id', '$schema', '$comment', 'title', 'description', 'examples', 'discriminator']

/** Tells by which keyword a schema is a union of objects, and nothing else, whose branches need nothing outside of themselves. */
function findUnionWord (schema: unknown): 'anyOf' | 'oneOf' | undefined {
  if (!isRecord(schema) || !Object.keys(schema).every((key) => BESIDE_UNION.includes(key))) return undefined
  if (('anyOf' in schema) === ('oneOf' in schema)) return undefined
  const areObjects = schema.type === 'object' || listUnion(schema).every((branch) => isRecord(branch) && branch.type === 'object' && branch.nullable !== true)
  const { pointers, definitions } = scanSchema(schema)
  const isOpen = (part: object): boolean => '$ref' in part && typeof part.$ref === 'string' &&
    // To a place in this schema, or relative to its `$id`.
    (part.$ref.startsWith('#') || definitions.size > 0)
  if (!areObjects || Array.from(pointers.keys()).some(isOpen)) return undefined
  return 'anyOf' in schema ? 'anyOf' : 'oneOf'
}

/** Puts a branch in front of the pointers into its schema. */
function placeFaults (verdict: Verdict, branch: string): Verdict {
  if (verdict.fits) return verdict
  const faults = verdict.faults.map((fault) => fault.schemaPath.startsWith('#') ? { ...fault, schemaPath: branch + fault.schemaPath.slice(1) } : fault)
  return { ...verdict, faults }
}

/** Values that one of Ajv's options would change, each with a schema that gives it the reason. */
const PROBES: ReadonlyArray<readonly [schema: object, json: string]> = [
  [{ type: 'object', properties: { coerced: { type: 'number' } } }, '{"coerced":"1"}'],
  [{ type: 'object', properties: { added: { type: 'number', default: 1 } } }, '{}'],
  [{ type: 'object', properties: { known: { type: 'number' } }, additionalProperties: false }, '{"removed":1}'],
  [{ type: 'object', properties: { known: { type: 'number' } }, additionalProperties: { type: 'boolean' } }, '{"failing":{}}'],
  [{ type: 'object', properties: { known: { type: 'number' } } }, '{"removed":1}']
]

/** Finds out whether a compiler's Ajv coerces, adds defaults or removes properties; if it will not say, it may. */
function changesValues (compile: CompileSchema): boolean {
  return PROBES.some(([schema, json]) => {
    const value: unknown = JSON.parse(json)
    try {
      compile(schema)(value)
    } catch {
      // A compiler that does not take plain JSON Schema is not known well enough to be trusted with the message itself.
      return true
    }
    return JSON.stringify(value) !== json
  })
}

/** Finds the first place where a checked copy is not what was sent, an added property aside, and says why that is a fault. */
function findChange (sent: unknown, checked: unknown, path: string): MessageFault | undefined {
  if (Array.isArray(sent) && Array.isArray(checked) && sent.length === checked.length) {
    return findFirst(sent.keys(), (index) => findChange(sent[index], checked[index], `${path}/${index}`))
  }
  if (isRecord(sent) && isRecord(checked)) {
    return findFirst(Object.keys(sent), (key) => Object.hasOwn(checked, key)
      ? findChange(sent[key], checked[key], `${path}/${escapeKey(key)}`)
      : makeFault(path, 'additionalProperties', { additionalProperty: clip(key) }, 'must NOT have additional properties'))
  }
  if (sent === checked) return undefined
  const type = typeName(checked)
  return type === typeName(sent)
    ? makeFault(path, 'change', {}, 'must be as the schema would change it')
    : makeFault(path, 'type', { type }, `must be ${type}`)
}

function findFirst<K> (keys: Iterable<K>, find: (key: K) => MessageFault | undefined): MessageFault | undefined {
  for (const key of keys) {
    const fault = find(key)
    if (fault !== undefined) return fault
  }
  return undefined
}

function makeFault (instancePath: string, keyword: string, params: Record<string, unknown>, message: string): MessageFault {
  return { instancePath: clip(instancePath), schemaPath: '', keyword, params, message }
}

function isRecord (value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function typeName (value: unknown): string {
  if (value === null) return 'null'
  return Array.isArray(value) ? 'array' : typeof value
}
