// What a message is: bytes, JSON, of which type, one for the client itself. Owns no state.
import type { Control } from './subscriptions.ts'

/** @returns `undefined` unless it is a string: what has come may have any, also an object of which no string can be made */
export function typeOf (message: unknown): string | undefined {
  const type = (message as { readonly type?: unknown } | null | undefined)?.type // which no string or number has
  return typeof type === 'string' ? type : undefined
}

/** Tells a message of the server's that is for the client itself. */
export function isControl (message: unknown): message is Control {
  return !!typeOf(message)?.startsWith('ws:')
}

/** @returns `undefined` for what is no bytes; else they are not copied */
export function toBytes (message: unknown): Uint8Array | undefined {
  if (message instanceof ArrayBuffer) return new Uint8Array(message)
  return ArrayBuffer.isView(message) ? new Uint8Array(message.buffer, message.byteOffset, message.byteLength) : undefined
}

/** @returns `undefined`, which JSON cannot express, for what is none */
export function decode (text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
