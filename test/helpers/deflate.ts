// The other end of permessage-deflate (RFC 7692 §7.2), by node:zlib's documented streams alone, which keep their window by
// themselves. Shares nothing with lib/.
import { constants, createDeflateRaw, createInflateRaw, deflateRawSync } from 'node:zlib'
import type { ZlibOptions } from 'node:zlib'
import { deflateSettings } from '../../lib/connection/deflate/settings.ts'
import type { DeflateSettings, DeflateTuning } from '../../lib/connection/deflate/settings.ts'
import type { DeflateParams } from '../../lib/protocol/deflate-offer.ts'
import type { Role } from '../../lib/protocol/role.ts'

const TAIL = Buffer.from([0x00, 0x00, 0xff, 0xff])

const PARAMS: DeflateParams = { serverNoContextTakeover: true, clientNoContextTakeover: true, serverMaxWindowBits: 15, clientMaxWindowBits: 15 }
const TUNING: DeflateTuning = { threshold: 0, level: 1, memLevel: 8 }

/** Settings of a server that a test need not spell out: no context is kept, and everything is compressed. */
export function settingsOf (params: Partial<DeflateParams> = {}, tuning: Partial<DeflateTuning> = {}, role: Role = 'server'): DeflateSettings {
  return deflateSettings({ ...PARAMS, ...params }, role, { ...TUNING, ...tuning })
}

/** Both ends keep their context. */
export const WITH_CONTEXT: Partial<DeflateParams> = { serverNoContextTakeover: false, clientNoContextTakeover: false }

/** The payload of one message, from an empty window. */
export function pack (message: Uint8Array | string, options: ZlibOptions = {}): Buffer {
  const deflated = deflateRawSync(message, { ...options, finishFlush: constants.Z_SYNC_FLUSH })
  if (!deflated.subarray(-4).equals(TAIL)) throw new Error('zlib has not flushed')
  return deflated.subarray(0, -4)
}

/** The payloads of messages behind each other, each looking back to those before. */
export async function packAll (messages: ReadonlyArray<Uint8Array | string>, options: ZlibOptions = {}): Promise<Buffer[]> {
  const deflater = createDeflateRaw(options)
  const chunks: Buffer[] = []
  deflater.on('data', (chunk: Buffer) => chunks.push(chunk))
  const payloads: Buffer[] = []
  for (const message of messages) {
    deflater.write(message)
    await new Promise<void>((resolve) => { deflater.flush(constants.Z_SYNC_FLUSH, resolve) })
    payloads.push(Buffer.concat(chunks.splice(0)).subarray(0, -4))
  }
  deflater.close()
  return payloads
}

/** The messages of payloads, one window for all of them. With a small `chunkSize` no byte beyond the window is looked at. */
export async function unpackAll (payloads: readonly Buffer[], options: ZlibOptions = {}): Promise<Buffer[]> {
  const inflater = createInflateRaw({ chunkSize: 64, ...options })
  const chunks: Buffer[] = []
  const failed = new Promise<never>((_resolve, reject) => { inflater.on('error', reject) })
  inflater.on('data', (chunk: Buffer) => chunks.push(chunk))
  const messages: Buffer[] = []
  for (const payload of payloads) {
    inflater.write(Buffer.concat([payload, TAIL]))
    await Promise.race([failed, new Promise<void>((resolve) => { inflater.flush(constants.Z_SYNC_FLUSH, resolve) })])
    messages.push(Buffer.concat(chunks.splice(0)))
  }
  inflater.close()
  return messages
}

/** The message of a payload from an empty window. */
export async function unpack (payload: Buffer, options: ZlibOptions = {}): Promise<Buffer> {
  const [message] = await unpackAll([payload], options)
  // One in, one out.
  return message!
}

/** Bytes that compress badly, the same for the same seed. */
export function noise (length: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(length)
  let state = seed
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    bytes[i] = state >>> 24
  }
  return bytes
}

/** Text that compresses well, with nothing in it twice in the same place. */
export function prose (length: number, seed = 1): string {
  let text = ''
  for (let n = seed; text.length < length; n += 7) text += `{"id":${n},"name":"item ${n * 31 % 1009}","tags":["a","b"]},`
  return text.slice(0, length)
}

/** A stored block: as it stands, and its length may be a lie. */
export function stored (bytes: Buffer, isLast = false, length = bytes.length): Buffer {
  const header = Buffer.from([isLast ? 1 : 0, 0, 0, 0, 0])
  header.writeUInt16LE(length, 1)
  header.writeUInt16LE(length ^ 0xffff, 3)
  return Buffer.concat([header, bytes])
}
