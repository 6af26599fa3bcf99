// What the application may hand over to be sent, as bytes.
import { types } from 'node:util'
import { UsageError } from '../protocol/errors.ts'

/** Views `data` as a Buffer over the same memory, or undefined when it is not binary data. */
export function toBytes (data: unknown): Buffer | undefined {
  if (Buffer.isBuffer(data)) return data
  if (ArrayBuffer.isView(data)) return Buffer.from(data.buffer, data.byteOffset, data.byteLength)
  if (types.isArrayBuffer(data)) return Buffer.from(data)
  return undefined
}

/** Names what `data` is, for an error. */
export function describeData (data: unknown): string {
  if (data === null) return 'null'
  if (typeof data !== 'object') return typeof data
  return data.constructor?.name ?? 'object'
}

/** Makes the error for data that is neither text nor bytes. */
export function unsupportedData (data: unknown): UsageError {
  return new UsageError('FST_WS_UNSUPPORTED_DATA', `got ${describeData(data)}, a message is a string, an ArrayBuffer or a view of one`)
}
