// What the type tests check with. Nothing here runs: the compiler is the test runner.

/** True for the very same type: `any`, optional and readonly properties, and the order of overloads count. */
export type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false

/** Fails to compile unless the value's type is `Expected` and nothing else: `exact<string>()(value)`. */
export declare function exact<Expected> (): <Actual>(value: Actual, ...mismatch: Same<Actual, Expected> extends true ? [] : [{ actual: Actual, expected: Expected }]) => void
