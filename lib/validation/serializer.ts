// Which messages a compiled serialiser may write in place of JSON.stringify. The bytes are the same, or it is not used: it is
// given shapes whose values it cannot but write alike, and a guard looks at each value for what no schema shows (the order of its
// keys, a `toJSON`). For messages that have passed the schema's check only.
import { Kind } from '@sinclair/typebox'
import { TypeSystemPolicy } from '@sinclair/typebox/system'
import { findDiscriminator, listUnion } from './discriminator.ts'
import type { Tag } from './discriminator.ts'

/** Writes a value as JSON; `undefined` where JSON.stringify has nothing to write. */
export type Serialize = (value: unknown) => string | undefined

/** Compiles a JSON Schema to a serialiser as fast-json-stringify does, which Fastify brings. */
export type CompileSerializer = (schema: unknown) => (value: unknown) => string

type Guard = (value: unknown) => boolean
type SchemaObject = Readonly<Record<PropertyKey, unknown>>

/** A plain JSON Schema that says no more than a serialiser must know, and the guard of its values. */
interface Shape {
  readonly schema: Readonly<Record<string, unknown>>
  /** Tells that the serialiser writes this value as JSON.stringify does; `undefined` where it always does. */
  readonly guard: Guard | undefined
}

type ScalarType = 'string' | 'number' | 'boolean' | 'null'

/** Writes a value with JSON.stringify. */
export const stringify: Serialize = (value) => JSON.stringify(value) as string | undefined // undefined for a function, a symbol, undefined

/**
 * Whether compiled serialisers are worth their guard in this process. Measured on small and medium messages: with V8 11 (Node 20)
 * they take 0.75 to 0.95 of JSON.stringify's time, from V8 12 on (Node 22) 1.2 to 3 times as much.
 */
export const COMPILED_IS_FASTER: boolean = readEngineMajor() < 12

function readEngineMajor (): number {
  const versions = typeof process === 'object' ? process.versions : undefined
  return Number.parseInt(versions?.v8 ?? '', 10) // NaN in a browser, and not below anything
}

/**
 * Chooses how the messages of a TypeBox schema are written: by a compiled serialiser where that yields the very bytes of
 * JSON.stringify, a union branch by branch, else by JSON.stringify.
 */
export function createSerializer (schema: unknown, compile: CompileSerializer): Serialize {
  const branches = listUnion(schema)
  const discriminator = findDiscriminator(branches, (branch) => branch)
  if (discriminator === undefined) return serializeOne(schema, compile) ?? stringify

  const { key } = discriminator
  const serializers = new Map<unknown, Serialize>()
  for (const [tag, [index, other]] of discriminator.branches) {
    const serialize = index === undefined || other !== undefined ? undefined : serializeOne(branches[index], compile)
    if (serialize !== undefined) serializers.set(tag, serialize)
  }
  if (serializers.size === 0) return stringify
  return (value) => {
    const serialize = serializers.get((value as Record<string, Tag>)[key]) // the message has been checked, so it is an object
    return serialize === undefined ? JSON.stringify(value) : serialize(value)
  }
}

function serializeOne (schema: unknown, compile: CompileSerializer): Serialize | undefined {
  const shape = readShape(schema)
  if (shape?.guard === undefined) return undefined // nothing is gained on a scalar
  const { guard } = shape
  let write: (value: unknown) => string
  try {
    write = compile(shape.schema)
  } catch {
    // JSON.stringify needs no compiling; whatever the compiler cannot do, it can.
    return undefined
  }
  return (value) => guard(value) ? write(value) : JSON.stringify(value)
}

function isObject (value: unknown): value is SchemaObject {
  return typeof value === 'object' && value !== null
}

function readShape (schema: unknown): Shape | undefined {
  if (!isObject(schema)) return undefined
  const scalar = readScalarType(schema)
  if (scalar !== undefined) return { schema: { type: scalar }, guard: undefined }
  if (schema[Kind] === 'Object') return readObjectShape(schema)
  if (schema[Kind] === 'Array') return readArrayShape(schema)
  if (schema[Kind] === 'Union') return readUnionShape(listUnion(schema))
  // Any and Unknown may hold what JSON.stringify skips; for the rest a serialiser is no faster, or not the same.
  return undefined
}

function readScalarType (schema: SchemaObject): ScalarType | undefined {
  switch (schema[Kind]) {
    case 'String':
    case 'TemplateLiteral':
    case 'RegExp':
      return 'string'
    case 'Number':
      // JSON.stringify writes NaN as null.
      return TypeSystemPolicy.AllowNaN ? undefined : 'number'
    case 'Integer':
      return 'number'
    case 'Boolean':
      return 'boolean'
    case 'Null':
      return 'null'
    case 'Literal': {
      const type = typeof schema.const
      return type === 'string' || type === 'number' || type === 'boolean' ? type : undefined
    }
    default:
      return undefined
  }
}

/** Reads a union of scalars that are written alike (an enumeration), or of one shape with null. */
function readUnionShape (branches: readonly unknown[]): Shape | undefined {
  const others = branches.filter((branch) => !isObject(branch) || readScalarType(branch) !== 'null')
  const shapes = others.map(readShape)
  const [first] = shapes
  if (first === undefined) return undefined
  const areAlike = shapes.every((shape) => shape?.guard === undefined && shape?.schema.type === first.schema.type)
  if (shapes.length > 1 && !(areAlike && first.guard === undefined)) return undefined
  if (others.length === branches.length) return first
  const { guard } = first
  return {
    schema: { ...first.schema, nullable: true },
    guard: guard === undefined ? undefined : (value) => value === null || guard(value)
  }
}

function readArrayShape (schema: SchemaObject): Shape | undefined {
  const items = readShape(schema.items)
  if (items === undefined) return undefined
  const { guard } = items
  return {
    schema: { type: 'array', items: items.schema },
    // The check has seen that this is an array.
    guard: (value) => !hasToJson(value) && (guard === undefined || (value as unknown[]).every(guard))
  }
}

function readObjectShape (schema: SchemaObject): Shape | undefined {
  const properties = schema.properties
  if (!isObject(properties) || Object.hasOwn(properties, '__proto__')) return undefined
  const keys = Object.keys(properties)
  const schemas: Record<string, unknown> = {}
  const guards: Array<Guard | undefined> = []
  for (const key of keys) {
    const shape = readShape(properties[key])
    if (shape === undefined) return undefined
    schemas[key] = shape.schema
    guards.push(shape.guard)
  }
  // The serialiser writes what is required first. So that it keeps the schema's order, only those are declared as required that
  // no optional property stands before.
  const required = Array.isArray(schema.required) ? schema.required : []
  const firstOptional = keys.findIndex((key) => !required.includes(key))
  return {
    schema: { type: 'object', properties: schemas, required: firstOptional === -1 ? keys : keys.slice(0, firstOptional) },
    guard: guardObject(keys, guards)
  }
}

/** Makes the guard of an object: its own keys are some of the schema's, in the schema's order, and no others. */
function guardObject (keys: readonly string[], guards: ReadonlyArray<Guard | undefined>): Guard {
  return (value) => {
    if (hasToJson(value)) return false
    const fields = value as Record<string, unknown> // the check has seen that this is an object
    const ownKeys = Object.keys(fields)
    let position = 0
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i] as string // i is below the length
      const field = fields[key]
      if (ownKeys[position] === key) {
        position++
        const guard = guards[i]
        if (guard !== undefined && field !== undefined && !guard(field)) return false
      } else if (field !== undefined) {
        // Inherited, hidden or in another place: the serialiser would write it here.
        return false
      }
    }
    return position === ownKeys.length
  }
}

function hasToJson (value: unknown): boolean {
  return typeof (value as { toJSON?: unknown }).toJSON === 'function' // on an object or an array
}
