// One look at a whole schema before it is compiled: what TypeBox's compiler would get wrong without a word, and where things are.
import { FormatRegistry, Kind, TransformKind } from '@sinclair/typebox'

export interface SchemaScan {
  /** What TypeBox's compiler would not check, or not as the schema says; `undefined` where it may compile. */
  readonly obstacle: string | undefined
  /** JSON pointers of the parts made by `Type.Transform`. */
  readonly transforms: readonly string[]
  /** Parts that no JSON text carries, such as `Type.Date`. */
  readonly notJson: readonly string[]
  /** A `Type.Record` whose keys may be any string. */
  readonly hasOpenRecord: boolean
  /** Every object of the schema, with its JSON pointer. */
  readonly pointers: ReadonlyMap<object, string>
  /** Schemas by their `$id`. */
  readonly definitions: ReadonlyMap<string, object>
  /** `$id`s that a `This` inside of a `Type.Recursive` goes back to. */
  readonly selfReferences: ReadonlySet<string>
}

/** Keywords of JSON Schema that assert something; what Ajv knows, OpenAPI's `nullable` with it. */
const ASSERTIONS = [
  'additionalItems', 'additionalProperties', 'allOf', 'anyOf', 'const', 'contains', 'dependencies', 'dependentRequired',
  'dependentSchemas', 'else', 'enum', 'exclusiveMaximum', 'exclusiveMinimum', 'format', 'if', 'items', 'maxContains', 'maxItems',
  'maxLength', 'maxProperties', 'maximum', 'minContains', 'minItems', 'minLength', 'minProperties', 'minimum', 'multipleOf', 'not',
  'nullable', 'oneOf', 'pattern', 'patternProperties', 'properties', 'propertyNames', 'required', 'then', 'unevaluatedItems',
  'unevaluatedProperties', 'uniqueItems'
] as const

const NUMERIC: readonly string[] = ['exclusiveMaximum', 'exclusiveMinimum', 'maximum', 'minimum', 'multipleOf']

/** The assertions that TypeBox's compiler heeds on each kind. It skips any other, and a schema may well have some as options. */
const HEEDED: Readonly<Record<string, readonly string[]>> = {
  Any: [],
  Array: ['contains', 'items', 'maxContains', 'maxItems', 'minContains', 'minItems', 'uniqueItems'],
  Boolean: [],
  Import: [],
  Integer: NUMERIC,
  Intersect: ['allOf', 'unevaluatedProperties'],
  Literal: ['const'],
  Never: ['not'],
  Not: ['not'],
  Null: [],
  Number: NUMERIC,
  Object: ['additionalProperties', 'maxProperties', 'minProperties', 'properties', 'required'],
  Record: ['additionalProperties', 'maxProperties', 'minProperties', 'patternProperties'],
  Ref: [],
  RegExp: ['maxLength', 'minLength'],
  String: ['format', 'maxLength', 'minLength', 'pattern'],
  TemplateLiteral: ['pattern'],
  This: [],
  Tuple: ['additionalItems', 'items', 'maxItems', 'minItems'],
  Union: ['anyOf'],
  Unknown: []
}

const NOT_JSON_KINDS: readonly string[] = [
  'AsyncIterator', 'BigInt', 'Constructor', 'Date', 'Function', 'Iterator', 'Promise', 'Symbol', 'Uint8Array'
]

/** The pattern by which `Type.Record(Type.String(), ...)` says «any key». */
export const ANY_KEY_PATTERN = '^(.*)$'

type SchemaObject = Readonly<Record<PropertyKey, unknown>>

function isObject (value: unknown): value is SchemaObject {
  return typeof value === 'object' && value !== null
}

/** Tells a schema made by TypeBox 0.3x, of any copy of it. */
export function isTypeBox (schema: unknown): schema is SchemaObject {
  return isObject(schema) && Kind in schema
}

/** Looks through a schema of any make and changes nothing. Objects that hang together in a circle are no problem. */
export function scanSchema (schema: unknown): SchemaScan {
  const scan = {
    obstacle: isTypeBox(schema) ? undefined as string | undefined : 'it was not made by TypeBox 0.34',
    transforms: [] as string[],
    notJson: [] as string[],
    hasOpenRecord: false,
    pointers: new Map<object, string>(),
    definitions: new Map<string, object>(),
    selfReferences: new Set<string>()
  }

  function walk (value: unknown, pointer: string): void {
    if (!isObject(value) || scan.pointers.has(value)) return
    scan.pointers.set(value, pointer)
    if (typeof value.$id === 'string' && !scan.definitions.has(value.$id)) scan.definitions.set(value.$id, value)
    if (isTypeBox(value)) look(value, pointer)
    for (const key of Object.keys(value)) walk(value[key], `${pointer}/${escapeKey(key)}`)
  }

  function look (node: SchemaObject, pointer: string): void {
    const kind = node[Kind]
    if (TransformKind in node) scan.transforms.push(pointer)
    if (typeof kind !== 'string') return
    if (NOT_JSON_KINDS.includes(kind)) scan.notJson.push(`${kind} at ${pointer}`)
    if (kind === 'This' && typeof node.$ref === 'string') scan.selfReferences.add(node.$ref)
    if (kind === 'Record' && isObject(node.patternProperties) && ANY_KEY_PATTERN in node.patternProperties) scan.hasOpenRecord = true
    scan.obstacle ??= findObstacle(kind, node, pointer)
  }

  walk(schema, '#')
  return scan
}

function findObstacle (kind: string, node: SchemaObject, pointer: string): string | undefined {
  // TypeBox's compiler takes such a format for one that no string has.
  if (kind === 'String' && typeof node.format === 'string' && !FormatRegistry.Has(node.format)) {
    return `format '${node.format}' at ${pointer} is not in TypeBox's FormatRegistry`
  }
  // It would hold the whole record against this schema, not the property (seen in 0.34.52).
  if (kind === 'Record' && isObject(node.additionalProperties)) {
    return `'additionalProperties' with a schema in the record at ${pointer}`
  }
  const heeded = HEEDED[kind]
  if (heeded === undefined) return undefined
  const missed = ASSERTIONS.find((keyword) => node[keyword] !== undefined && !heeded.includes(keyword))
  return missed === undefined ? undefined : `'${missed}' at ${pointer}, which TypeBox does not check on a ${kind}`
}

/** Escapes a property's name for a JSON pointer (RFC 6901 §3). */
export function escapeKey (key: string): string {
  return key.replaceAll('~', '~0').replaceAll('/', '~1')
}

/** Undoes `escapeKey`. */
export function unescapeKey (key: string): string {
  return key.replaceAll('~1', '/').replaceAll('~0', '~')
}
