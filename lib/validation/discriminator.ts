// Which property of a union's branches tells them apart. Reads TypeBox schemas and plain JSON Schema alike; compiles nothing.

/** A literal value that stands in a message and names its branch. */
export type Tag = string | number | boolean

export interface Discriminator {
  /** The property; every branch requires it, with a literal or one of several. */
  readonly key: string
  /** For each value of the property the indexes of the branches that allow it; a message with any other value fits none. */
  readonly branches: ReadonlyMap<Tag, readonly number[]>
}

/** Finds what a reference stands for; a schema that is none is its own answer, `undefined` when it is not known. */
export type ResolveSchema = (schema: unknown) => unknown

type SchemaObject = Readonly<Record<string, unknown>>

function isObject (value: unknown): value is SchemaObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

// A schema that refers to itself in a circle says nothing; real ones nest a few levels.
const MAX_DEPTH = 8

/**
 * Finds the property that tells a union's branches apart: `type` if it can, else the first that can.
 *
 * One that gives every value a branch of its own goes before one that leaves several to some value.
 */
export function findDiscriminator (branches: readonly unknown[], resolve: ResolveSchema): Discriminator | undefined {
  if (branches.length < 2) return undefined
  const found: Discriminator[] = []
  for (const key of listCandidates(branches[0], resolve, MAX_DEPTH)) {
    const discriminator = groupByTag(branches, key, resolve)
    if (discriminator !== undefined) found.push(discriminator)
  }
  found.sort((a, b) => Number(b.key === 'type') - Number(a.key === 'type'))
  return found.find(isSharp) ?? found[0]
}

function isSharp (discriminator: Discriminator): boolean {
  for (const indexes of discriminator.branches.values()) {
    if (indexes.length > 1) return false
  }
  return true
}

function groupByTag (branches: readonly unknown[], key: string, resolve: ResolveSchema): Discriminator | undefined {
  const groups = new Map<Tag, number[]>()
  for (const [index, branch] of branches.entries()) {
    const tags = readTags(branch, key, resolve, MAX_DEPTH)
    if (tags === undefined) return undefined
    for (const tag of new Set(tags)) {
      const group = groups.get(tag)
      if (group === undefined) groups.set(tag, [index])
      else group.push(index)
    }
  }
  // If no value rules a branch out, there is nothing to gain.
  const isUseful = [...groups.values()].some((indexes) => indexes.length < branches.length)
  return isUseful ? { key, branches: groups } : undefined
}

/** Lists the required properties of a branch, `type` or not. */
function listCandidates (branch: unknown, resolve: ResolveSchema, depth: number): string[] {
  const schema = depth > 0 ? resolve(branch) : undefined
  if (!isObject(schema)) return []
  const names = Array.isArray(schema.required) ? schema.required.filter((name) => typeof name === 'string') : []
  for (const nested of listOf(schema.allOf)) names.push(...listCandidates(nested, resolve, depth - 1))
  for (const nested of listUnion(schema).slice(0, 1)) names.push(...listCandidates(nested, resolve, depth - 1))
  return names
}

/**
 * Reads which values of a property a branch allows; `undefined` where it allows none, or more than literals.
 *
 * A value that is not in the list never fits the branch; one that is in it may.
 */
function readTags (branch: unknown, key: string, resolve: ResolveSchema, depth: number): Tag[] | undefined {
  const schema = depth > 0 ? resolve(branch) : undefined
  if (!isObject(schema)) return undefined
  if (isObject(schema.properties) && listOf(schema.required).includes(key)) {
    const tags = readLiterals(schema.properties[key], resolve, depth - 1)
    if (tags !== undefined) return tags
  }
  for (const nested of listOf(schema.allOf)) {
    const tags = readTags(nested, key, resolve, depth - 1)
    if (tags !== undefined) return tags
  }
  return joinTags(listUnion(schema), (nested) => readTags(nested, key, resolve, depth - 1))
}

function readLiterals (property: unknown, resolve: ResolveSchema, depth: number): Tag[] | undefined {
  const schema = depth > 0 ? resolve(property) : undefined
  if (!isObject(schema)) return undefined
  if (isTag(schema.const)) return [schema.const]
  const values = listOf(schema.enum)
  if (values.length > 0) return values.every(isTag) ? [...values] : undefined
  return joinTags(listUnion(schema), (nested) => readLiterals(nested, resolve, depth - 1))
}

function joinTags (branches: readonly unknown[], read: (branch: unknown) => Tag[] | undefined): Tag[] | undefined {
  if (branches.length === 0) return undefined
  const tags: Tag[] = []
  for (const branch of branches) {
    const more = read(branch)
    if (more === undefined) return undefined
    tags.push(...more)
  }
  return tags
}

/** Lists the branches of a union, TypeBox's (`anyOf`) or JSON Schema's (`oneOf` too). */
export function listUnion (schema: unknown): readonly unknown[] {
  if (!isObject(schema)) return []
  return Array.isArray(schema.anyOf) ? schema.anyOf : listOf(schema.oneOf)
}

function listOf (value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

function isTag (value: unknown): value is Tag {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
}

/** Writes the allowed values as a message names them: `'chat', 'leave'`. */
export function formatTags (tags: Iterable<Tag>): string {
  return Array.from(tags, (tag) => typeof tag === 'string' ? `'${tag}'` : String(tag)).join(', ')
}
