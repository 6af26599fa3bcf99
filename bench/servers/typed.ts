// The typed message of some 200 bytes: its schema, and what an application does by hand that has no typed routes.
import { createRequire } from 'node:module'
import { Type } from '@sinclair/typebox'
import type { Static } from '@sinclair/typebox'
import { TypeCompiler } from '@sinclair/typebox/compiler'

export const Message = Type.Object({
  type: Type.Literal('said'),
  id: Type.Integer({ minimum: 0 }),
  room: Type.String({ maxLength: 50 }),
  user: Type.Object({ name: Type.String({ maxLength: 50 }), isModerator: Type.Boolean() }),
  at: Type.Number(),
  text: Type.String({ maxLength: 500 })
})

export const EXAMPLE: Static<typeof Message> = {
  type: 'said',
  id: 123_456,
  room: 'general',
  user: { name: 'Grace Hopper', isModerator: true },
  at: 1_700_000_000_000.5,
  text: 'It is easier to ask forgiveness than it is to get permission, most of the time.'
}

const checker = TypeCompiler.Compile(Message)
// Fastify's own way to serialise, and cheaper than JSON.stringify. By `require`, since what it exports is no ES module.
const compileSerializer: (schema: object) => (value: unknown) => string = createRequire(import.meta.url)('fast-json-stringify')
const serialize = compileSerializer(Message)

/** Parses a message, checks it and makes the answer to it. */
export function answerTyped (text: string): string {
  const value: unknown = JSON.parse(text)
  if (!checker.Check(value)) throw new Error('the message does not fit')
  return serialize(value)
}
