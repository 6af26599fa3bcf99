// What the application may hand over to be sent, as bytes.
import { types } from 'node:util'
import { UsageError } from '../protocol/errors.ts'
import { MAX_CONTROL_LENGTH } from '../protocol/frame-header.ts'

const NO_BYTES: Buffer = Buffer.alloc(0)

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

/**
 * Makes the payload of a ping or pong. Bytes are copied, as pings are compared with pongs later; not into Node's pool, of which
 * a few bytes that wait for a pong would keep a slab alive.
 *
 * @throws {UsageError} `FST_WS_CONTROL_DATA_TOO_LONG`, `FST_WS_UNSUPPORTED_DATA`
 */
export function copyControlData (data: unknown): Buffer {
  if (data === undefined) return NO_BYTES
  const bytes = typeof data === 'string' ? Buffer.from(data) : toBytes(data)
  if (bytes === undefined) throw unsupportedData(data)
  if (bytes.length > MAX_CONTROL_LENGTH) throw new UsageError('FST_WS_CONTROL_DATA_TOO_LONG', `got ${bytes.length}`)
  const copy = Buffer.allocUnsafeSlow(bytes.length)
  copy.set(bytes)
  return copy
}
