// `fastify-typed-websocket/client/typebox`: messages are checked by their TypeBox schemas at the client too. Owns what TypeBox is asked;
// by interpretation, since a page whose policy forbids `eval` cannot compile schemas.
import type { TSchema } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { DEPTH_FAULT, isStackOverflow, wholeFault } from '../validation/errors.ts'
import type { MessageFault } from '../validation/errors.ts'
import { toFault } from '../validation/typebox-faults.ts'
import { ClientError } from './errors.ts'
import type { ClientValidator } from './option-types.ts'

/** Nothing is known of a schema but itself. */
const MAP = { pointers: new Map(), resolve: (schema: unknown): unknown => schema }

/** Makes the option `validate` of `connect` for contracts of TypeBox 0.34. Schemas with references to others are not for it. */
export function typebox (): ClientValidator {
  return (schema, value, name) => {
    const fault = findFault(schema as TSchema, value) // what the contract was typed by
    if (fault !== undefined) throw Object.assign(new ClientError(name, `message${fault.instancePath} ${fault.message}`), { validation: [fault] })
  }
}

function findFault (schema: TSchema, value: unknown): MessageFault | undefined {
  try {
    if (Value.Check(schema, value)) return undefined
    const first = Value.Errors(schema, value).First()
    return first === undefined ? wholeFault('type', 'does not fit the schema') : toFault(first, MAP)
  } catch (error) {
    if (isStackOverflow(error)) return DEPTH_FAULT
    throw error
  }
}
