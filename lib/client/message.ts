// What a message is: bytes, JSON, one for the client itself. Owns no state.
import type { Control } from './subscriptions.ts'

/** Tells a message of the server's that is for the client itself. */
export function isControl (message: unknown): message is Control {
  return String((message as Control | null | undefined)?.type).startsWith('ws:') // which no string or number has
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
