// TypeBox's account of a mismatch, in the terms of JSON Schema and as exact as the schema allows.
import { Kind } from '@sinclair/typebox'
import type { TSchema } from '@sinclair/typebox'
import { ValueErrorType } from '@sinclair/typebox/errors'
import type { ValueError } from '@sinclair/typebox/errors'
import { findDiscriminator, formatTags, listUnion } from './discriminator.ts'
import type { ResolveSchema, Tag } from './discriminator.ts'
import { clip } from './errors.ts'
import type { MessageFault } from './errors.ts'
import { escapeKey, unescapeKey } from './schema-scan.ts'

/** What is needed of a schema to name its parts. */
export interface SchemaMap {
  /** Every object of the schema, with its JSON pointer. */
  readonly pointers: ReadonlyMap<object, string>
  readonly resolve: ResolveSchema
}

type Params = Readonly<Record<string, unknown>>
type ReadParams = (error: ValueError) => Params

const limit = (keyword: string): ReadParams => ({ schema }) => ({ limit: schema[keyword] })
const bound = (keyword: string, comparison: string): ReadParams => ({ schema }) => ({ comparison, limit: schema[keyword] })
const own = (keyword: string): ReadParams => ({ schema }) => ({ [keyword]: schema[keyword] })
const last = (name: string): ReadParams => ({ path }) => ({ [name]: clip(unescapeKey(path.slice(path.lastIndexOf('/') + 1))) })
const none: ReadParams = () => ({})

/** Keyword and parameters as Ajv has them. What is not here is the wrong type altogether. */
const KEYWORDS: ReadonlyMap<ValueErrorType, readonly [keyword: string, params: ReadParams]> = new Map([
  [ValueErrorType.ArrayContains, ['contains', none]],
  [ValueErrorType.ArrayMaxContains, ['maxContains', limit('maxContains')]],
  [ValueErrorType.ArrayMaxItems, ['maxItems', limit('maxItems')]],
  [ValueErrorType.ArrayMinContains, ['minContains', limit('minContains')]],
  [ValueErrorType.ArrayMinItems, ['minItems', limit('minItems')]],
  [ValueErrorType.ArrayUniqueItems, ['uniqueItems', none]],
  [ValueErrorType.IntegerExclusiveMaximum, ['exclusiveMaximum', bound('exclusiveMaximum', '<')]],
  [ValueErrorType.IntegerExclusiveMinimum, ['exclusiveMinimum', bound('exclusiveMinimum', '>')]],
  [ValueErrorType.IntegerMaximum, ['maximum', bound('maximum', '<=')]],
  [ValueErrorType.IntegerMinimum, ['minimum', bound('minimum', '>=')]],
  [ValueErrorType.IntegerMultipleOf, ['multipleOf', own('multipleOf')]],
  [ValueErrorType.Intersect, ['allOf', none]],
  [ValueErrorType.IntersectUnevaluatedProperties, ['unevaluatedProperties', last('unevaluatedProperty')]],
  [ValueErrorType.Kind, ['kind', ({ schema }) => ({ kind: schema[Kind] })]],
  [ValueErrorType.Literal, ['const', ({ schema }) => ({ allowedValue: schema.const })]],
  [ValueErrorType.Never, ['not', none]],
  [ValueErrorType.Not, ['not', none]],
  [ValueErrorType.NumberExclusiveMaximum, ['exclusiveMaximum', bound('exclusiveMaximum', '<')]],
  [ValueErrorType.NumberExclusiveMinimum, ['exclusiveMinimum', bound('exclusiveMinimum', '>')]],
  [ValueErrorType.NumberMaximum, ['maximum', bound('maximum', '<=')]],
  [ValueErrorType.NumberMinimum, ['minimum', bound('minimum', '>=')]],
  [ValueErrorType.NumberMultipleOf, ['multipleOf', own('multipleOf')]],
  [ValueErrorType.ObjectAdditionalProperties, ['additionalProperties', last('additionalProperty')]],
  [ValueErrorType.ObjectMaxProperties, ['maxProperties', limit('maxProperties')]],
  [ValueErrorType.ObjectMinProperties, ['minProperties', limit('minProperties')]],
  [ValueErrorType.ObjectRequiredProperty, ['required', last('missingProperty')]],
  [ValueErrorType.RegExp, ['pattern', ({ schema }) => ({ pattern: schema.source })]],
  [ValueErrorType.StringFormat, ['format', own('format')]],
  [ValueErrorType.StringFormatUnknown, ['format', own('format')]],
  [ValueErrorType.StringMaxLength, ['maxLength', limit('maxLength')]],
  [ValueErrorType.StringMinLength, ['minLength', limit('minLength')]],
  [ValueErrorType.StringPattern, ['pattern', own('pattern')]],
  [ValueErrorType.TupleLength, ['items', limit('maxItems')]],
  [ValueErrorType.Union, ['anyOf', none]]
])

/** Turns an error of TypeBox into a fault; one of a union is traced into the branch that the value was meant for. */
export function toFault (error: ValueError, map: SchemaMap): MessageFault {
  if (error.type === ValueErrorType.Union) return explainUnion(error, map)
  const row = KEYWORDS.get(error.type)
  const keyword = row === undefined ? 'type' : row[0]
  const params = row === undefined ? { type: error.schema.type } : row[1](error)
  return makeFault(error, error.path, keyword, params, error.message, map)
}

function makeFault (error: ValueError, path: string, keyword: string, params: Params, message: string, map: SchemaMap): MessageFault {
  return {
    instancePath: clip(path),
    schemaPath: pointTo(error.schema, keyword, map),
    keyword,
    params,
    message
  }
}

/** The pointer to a keyword. For a missing property TypeBox has the property's schema, and the keyword is at the object's. */
function pointTo (schema: TSchema, keyword: string, map: SchemaMap): string {
  const pointer = map.pointers.get(schema)
  if (pointer === undefined) return ''
  const holder = keyword === 'required' ? pointer.replace(/\/properties\/[^/]*$/, '') : pointer
  return `${holder}/${keyword}`
}

function explainUnion (error: ValueError, map: SchemaMap): MessageFault {
  const branches = listUnion(error.schema)
  const constants = readConstants(branches, map)
  if (constants !== undefined) {
    return makeFault(error, error.path, 'enum', { allowedValues: constants }, `Expected one of ${formatTags(constants)}`, map)
  }
  let indexes = Array.from(branches.keys())
  // A property may leave several branches, and another one may tell those apart.
  while (isRecord(error.value)) {
    const left = indexes
    const discriminator = findDiscriminator(left.map((index) => branches[index]), map.resolve)
    if (discriminator === undefined) break
    const positions = discriminator.branches.get(error.value[discriminator.key] as Tag) // any other value is simply not in the map
    if (positions === undefined) {
      const fault = tagFault(error.path, discriminator.key, discriminator.branches.keys())
      return { ...fault, schemaPath: pointTo(error.schema, 'anyOf', map) }
    }
    if (positions.length === left.length) break
    // Positions are those of the list that was asked about.
    indexes = positions.flatMap((position) => left[position] ?? [])
  }
  if (indexes.length > 1) indexes = indexes.filter((index) => hasTypeOf(branches[index], error.value, map))
  const [meant] = indexes
  const inner = indexes.length === 1 && meant !== undefined ? error.errors[meant]?.First() : undefined
  return inner === undefined ? makeFault(error, error.path, 'anyOf', {}, error.message, map) : toFault(inner, map)
}

/** Makes the fault of a message whose discriminator has a value that no branch has. */
export function tagFault (path: string, key: string, tags: Iterable<Tag>): MessageFault {
  const allowedValues = Array.from(tags)
  return {
    instancePath: `${clip(path)}/${escapeKey(key)}`,
    schemaPath: '#/anyOf',
    keyword: 'discriminator',
    params: { tag: key, allowedValues },
    message: `Expected one of ${formatTags(allowedValues)}`
  }
}

function isRecord (value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Tells that a branch is of the value's JSON type, so that the value may have been meant for it. */
function hasTypeOf (branch: unknown, value: unknown, map: SchemaMap): boolean {
  const schema = map.resolve(branch)
  const type = isRecord(schema) ? schema.type : undefined
  if (value === null) return type === 'null'
  if (Array.isArray(value)) return type === 'array'
  return type === typeof value || (type === 'integer' && typeof value === 'number')
}

function readConstants (branches: readonly unknown[], map: SchemaMap): Tag[] | undefined {
  const constants: Tag[] = []
  for (const branch of branches) {
    const schema = map.resolve(branch)
    const value = isRecord(schema) ? schema.const : undefined
    if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean') return undefined
    constants.push(value)
  }
  return constants
}
