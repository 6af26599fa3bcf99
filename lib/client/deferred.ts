// A promise that is settled from elsewhere.

export interface Deferred<T = void> {
  readonly promise: Promise<T>
  readonly resolve: (value: T) => void
  readonly reject: (reason: unknown) => void
}

/** Makes one. If it is rejected and nobody has asked for the promise, nothing happens. */
export function defer<T = void> (): Deferred<T> {
  let settle: Omit<Deferred<T>, 'promise'> | undefined
  const promise = new Promise<T>((resolve, reject) => { settle = { resolve, reject } })
  promise.catch(() => {})
  return { promise, ...settle! } // the function above has run
}
