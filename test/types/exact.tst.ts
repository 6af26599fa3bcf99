// The helper itself: what is nearly the same is not.
import { exact } from './exact.ts'
import type { Same } from './exact.ts'

declare function value<T> (): T

exact<string>()('' as string)
exact<{ a: 1, b?: string }>()(value<{ a: 1, b?: string }>())
exact<unknown>()(value<unknown>())
exact<1 | 2>()(value<2 | 1>())

// @ts-expect-error narrower
exact<string>()('literal' as const)
// @ts-expect-error wider
exact<'literal'>()(value<string>())
// @ts-expect-error anything goes for `any`, but not here
exact<string>()(JSON.parse(''))
// @ts-expect-error a property too many
exact<{ a: 1 }>()(value<{ a: 1, b: 2 }>())
// @ts-expect-error optional or undefined
exact<{ a?: 1 }>()(value<{ a: 1 | undefined }>())
// @ts-expect-error readonly
exact<{ a: 1 }>()(value<{ readonly a: 1 }>())
// @ts-expect-error never is not string
exact<string>()(value<never>())
// @ts-expect-error nor is unknown
exact<string>()(value<unknown>())

export const yes: Same<string, string> = true
// @ts-expect-error not the same
export const no: Same<string, number> = true
