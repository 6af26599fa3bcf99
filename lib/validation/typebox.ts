// A TypeBox schema to a checker that changes nothing. A union whose branches a literal property tells apart gets one compiled
// check a branch: that is faster, and the error is that of the branch that was meant.
import { CloneType, Kind } from '@sinclair/typebox'
import type { TSchema } from '@sinclair/typebox'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import type { TypeCheck } from '@sinclair/typebox/compiler'
import { findDiscriminator, listUnion } from './discriminator.ts'
import type { ResolveSchema, Tag } from './discriminator.ts'
import { DEPTH_FAULT, isStackOverflow, wholeFault } from './errors.ts'
import type { MessageFault } from './errors.ts'
import { ANY_KEY_PATTERN, scanSchema } from './schema-scan.ts'
import type { SchemaScan } from './schema-scan.ts'
import { tagFault, toFault } from './typebox-faults.ts'
import type { SchemaMap } from './typebox-faults.ts'

/** Says yes or no to a value, quickly, and why not, slowly. */
export interface TypeBoxChecker {
  /**
   * Tells whether a value fits.
   *
   * @throws {RangeError} for a value nested too deeply for a recursive schema; also whatever a format function of the application throws
   */
  check (value: unknown): boolean
  /** Says why a value does not fit: the first fault found. */
  explain (value: unknown): readonly MessageFault[]
}

type Compiled = TypeCheck<TSchema>

/** A union as one compiled type for each value of the property that tells its branches apart. */
interface TaggedUnion {
  readonly key: string
  readonly branches: ReadonlyMap<Tag, Compiled>
}

/**
 * Compiles a schema that `scanSchema` found no obstacle in.
 *
 * @throws what TypeBox's compiler throws: for a reference that it cannot follow, a kind that it does not know
 */
export function compileTypeBox (schema: TSchema, scan: SchemaScan): TypeBoxChecker {
  // `.` does not match a line break, so any value at all would pass under a key that has one.
  const exact = scan.hasOpenRecord ? openRecords(CloneType(schema)) : schema
  const exactScan = exact === schema ? scan : scanSchema(exact)
  const resolve = createResolver(exactScan)
  const map: SchemaMap = { pointers: exactScan.pointers, resolve }
  const union = compileUnion(exact, exactScan, resolve)
  if (union !== undefined) return { check: createUnionCheck(union), explain: (value) => explainUnion(union, value, map) }
  const compiled = TypeCompiler.Compile(exact)
  return { check: (value) => compiled.Check(value), explain: (value) => explain(compiled, value, map) }
}

/** Follows `$ref`s to the schema's own `$id`s, modules included. */
function createResolver (scan: SchemaScan): ResolveSchema {
  return function resolve (schema) {
    let target = schema
    // A chain of references is at most as long as there are definitions, unless it is a circle.
    for (let step = 0; step <= scan.definitions.size; step++) {
      const reference = typeof target === 'object' && target !== null && '$ref' in target ? target.$ref : undefined
      if (typeof reference !== 'string') return target
      target = scan.definitions.get(reference)
    }
    return undefined
  }
}

function compileUnion (schema: TSchema, scan: SchemaScan, resolve: ResolveSchema): TaggedUnion | undefined {
  const union = resolve(schema)
  // A branch that goes back to the union cannot be compiled without it.
  if (isReferredTo(union, scan)) return undefined
  const branches = listUnion(union) as readonly TSchema[] // the compiler would have met anything else
  const discriminator = findDiscriminator(branches, resolve)
  if (discriminator === undefined) return undefined

  const references = schema[Kind] === 'Import' ? Object.values(schema.$defs as Record<string, TSchema>) : [] // as TypeBox's own compiler has them
  const compiled = new Map<Tag, Compiled>()
  for (const [tag, indexes] of discriminator.branches) {
    const group = indexes.flatMap((index) => branches[index] ?? [])
    compiled.set(tag, TypeCompiler.Compile(joinBranches(group), references))
  }
  return { key: discriminator.key, branches: compiled }
}

function joinBranches (group: readonly TSchema[]): TSchema {
  const [first, second] = group
  if (first !== undefined && second === undefined) return first
  // Written out, for Type.Union would make copies, and faults are placed by the branches themselves.
  return { [Kind]: 'Union', anyOf: group } as unknown as TSchema // `static` and `params` are types only
}

function isReferredTo (union: unknown, scan: SchemaScan): boolean {
  return typeof union === 'object' && union !== null && '$id' in union && scan.selfReferences.has(String(union.$id))
}

function createUnionCheck ({ key, branches }: TaggedUnion): (value: unknown) => boolean {
  const checks = branches as ReadonlyMap<unknown, Compiled> // any value may be asked for
  return (value) => {
    if (typeof value !== 'object' || value === null) return false
    const branch = checks.get((value as Record<string, unknown>)[key]) // an object has properties; this one may be missing
    return branch !== undefined && branch.Check(value)
  }
}

function explainUnion ({ key, branches }: TaggedUnion, value: unknown, map: SchemaMap): readonly MessageFault[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return [{ ...wholeFault('type', 'Expected object'), schemaPath: '#/anyOf', params: { type: 'object' } }]
  }
  const branch = branches.get((value as Record<string, Tag>)[key] as Tag) // any other value is simply not in the map
  return branch === undefined ? [tagFault('', key, branches.keys())] : explain(branch, value, map)
}

function explain (compiled: Compiled, value: unknown, map: SchemaMap): readonly MessageFault[] {
  try {
    const first = compiled.Errors(value).First()
    return first === undefined ? [] : [toFault(first, map)]
  } catch (error) {
    // The search for the reason takes far more stack than the check, which may have come through.
    if (isStackOverflow(error)) return [DEPTH_FAULT]
    throw error
  }
}

/** Lets every record with keys of any string have keys with line breaks too. Changes the schema. */
function openRecords (schema: TSchema): TSchema {
  const seen = new Set<object>()
  function walk (value: unknown): void {
    if (typeof value !== 'object' || value === null || seen.has(value)) return
    seen.add(value)
    for (const nested of Object.values(value)) walk(nested)
    if (!(Kind in value) || value[Kind] !== 'Record' || !('patternProperties' in value)) return
    const patterns = value.patternProperties as Record<string, unknown> // what a Record has: one pattern
    if (ANY_KEY_PATTERN in patterns) value.patternProperties = { '^([^]*)$': patterns[ANY_KEY_PATTERN] }
  }
  walk(schema)
  return schema
}
