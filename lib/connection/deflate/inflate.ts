// The payload of a compressed message to its bytes (RFC 7692 §7.2.2). Owns where zlib works, on this thread or on another one, and what
// is wrong with a payload; order and history are its caller's.
import { constants as bufferConstants } from 'node:buffer'
import { constants, inflateRaw, inflateRawSync } from 'node:zlib'
import { ProtocolError } from '../../protocol/errors.ts'
import { sharedHandles } from './handles.ts'
import { History } from './history.ts'
import { runJob } from './jobs.ts'

/**
 * What this thread inflates by itself: so many bytes of payload, to so many bytes of message. That takes 0.1 to 0.5 ms, some ms for a payload of nothing but empty blocks; what is more
 * would keep everybody else waiting.
 */
export const INFLATE_NOW_PAYLOAD = 65_536
export const INFLATE_NOW_MESSAGE = 262_144

/**
 * Behind the payload: what the sender took away (§7.2.1), and an empty last block. Only behind a payload that is whole does zlib come to
 * the end of both.
 */
const END: Buffer = Buffer.from([0x00, 0x00, 0xff, 0xff, 0x03, 0x00])
const TAIL: Buffer = END.subarray(0, 4)

/** Blocks of a message that say they are the last one (§7.2.3.4): each costs a decompressor. */
export const MAX_LAST_BLOCKS = 64

/** How far back any deflate can look. */
const LARGEST_WINDOW = 32_768

interface Inflated {
  readonly buffer: Buffer
  /** Counts the bytes of input that were read. */
  readonly engine: { readonly bytesWritten: number }
}

/** As Node has it: with `info` it hands out the stream beside the bytes, of which its types know nothing. */
type InflateSync = (input: Buffer, options: object) => Inflated
type Inflate = (input: Buffer, options: object, callback: (error: Error | null, result: Inflated) => void) => void

/** Written over by each call of `inflateNow`; made at the first one. */
let input: Buffer | undefined
let output: Buffer | undefined

/**
 * Inflates a payload on this thread.
 *
 * @param most - bytes of the largest message that is allowed
 * @param history - that of the peer's messages before, if it keeps its context
 * @returns the message, good until the next call; undefined when it is one for `inflateLater`
 * @throws {ProtocolError} `FST_WS_INVALID_DEFLATE`, `FST_WS_TOO_BIG`
 */
export function inflateNow (payload: Buffer, most: number, history: Buffer | undefined, keepsHandles: boolean): Buffer | undefined {
  if (payload.length > INFLATE_NOW_PAYLOAD) return undefined
  input ??= Buffer.allocUnsafeSlow(INFLATE_NOW_PAYLOAD + END.length)
  const length = payload.copy(input) + END.copy(input, payload.length)
  const room = Math.min(most, INFLATE_NOW_MESSAGE)
  const inflater = history === undefined && keepsHandles ? sharedHandles()?.inflater : undefined
  if (inflater === undefined) return inflateDocumented(payload, input.subarray(0, length), room, most, history)

  output ??= Buffer.allocUnsafeSlow(INFLATE_NOW_MESSAGE + 1)
  const { error, written, left } = inflater.run(constants.Z_FINISH, input, length, output, room + 1)
  if (error !== undefined) throw invalid(error)
  if (written > room) return tooMuch(room, most)
  // A block has said that it is the last one.
  if (left > 0) return undefined
  return checkNow(output.subarray(0, written), payload, history)
}

/** By what Node documents: a stream for each message. */
function inflateDocumented (payload: Buffer, bytes: Buffer, room: number, most: number, history: Buffer | undefined): Buffer | undefined {
  const { Z_FINISH } = constants
  const chunkSize = Math.min(Math.max(1024, bytes.length * 4), 65_536)
  const options = { info: true, finishFlush: Z_FINISH, maxOutputLength: Math.max(1, room), chunkSize, ...(history !== undefined && { dictionary: history }) }
  let result: Inflated
  try {
    result = (inflateRawSync as unknown as InflateSync)(bytes, options)
  } catch (error) {
    if (codeOf(error) === 'ERR_BUFFER_TOO_LARGE') return tooMuch(room, most)
    throw invalid(codeOf(error), error)
  }
  if (result.buffer.length > room) return tooMuch(room, most)
  return result.engine.bytesWritten < bytes.length ? undefined : checkNow(result.buffer, payload, history)
}

/**
 * Inflates a payload on another thread.
 *
 * @param payload - left as it is until the promise has settled; likewise `history`
 * @returns the message, which belongs to the caller. Rejects as `inflateNow` throws
 */
export async function inflateLater (payload: Buffer, most: number, history: Buffer | undefined): Promise<Buffer> {
  const bytes = Buffer.concat([payload, END])
  const parts: Buffer[] = []
  let dictionary = history
  let window: History | undefined
  let length = 0
  let at = 0
  while (at < bytes.length) {
    // The limit on a message does not bound them: they may all be empty.
    if (parts.length === MAX_LAST_BLOCKS) throw new ProtocolError('FST_WS_INVALID_DEFLATE')
    const start = at
    const { buffer, engine } = await inflatePart(bytes.subarray(start), constants.Z_FINISH, most - length, dictionary)
    at += engine.bytesWritten
    length += buffer.length
    if (length > most) throw new ProtocolError('FST_WS_TOO_BIG')
    parts.push(buffer)
    if (at < bytes.length) {
      // The tail stands behind such a block, never in it.
      if (at > payload.length) throw new ProtocolError('FST_WS_INVALID_DEFLATE')
      // What follows looks back to the message so far, and to what came before it.
      window ??= historyOf(history)
      window.add(buffer)
      dictionary = window.bytes
      continue
    }
    if (!endsLikeEnd(buffer)) continue
    const without = await inflatePart(payload.subarray(start), constants.Z_SYNC_FLUSH, most, dictionary)
    if (without.buffer.length !== buffer.length) throw new ProtocolError('FST_WS_INVALID_DEFLATE')
  }
  return parts.length === 1 ? parts[0]! : Buffer.concat(parts, length)
}

function historyOf (bytes: Buffer | undefined): History {
  const history = new History(LARGEST_WINDOW)
  if (bytes !== undefined) history.add(bytes)
  return history
}

/** Inflates up to the next block that says it is the last one. */
async function inflatePart (bytes: Buffer, finishFlush: number, room: number, dictionary: Buffer | undefined): Promise<Inflated> {
  // Node wants one byte of room at least, and no more than a Buffer can hold.
  const maxOutputLength = Math.min(Math.max(1, room), bufferConstants.MAX_LENGTH)
  const options = { info: true, finishFlush, maxOutputLength, chunkSize: 65_536, ...(dictionary !== undefined && { dictionary }) }
  return await runJob(() => new Promise((resolve, reject) => {
    (inflateRaw as unknown as Inflate)(bytes, options, (error, result) => {
      if (error === null) resolve(result)
      else reject(codeOf(error) === 'ERR_BUFFER_TOO_LARGE' ? new ProtocolError('FST_WS_TOO_BIG') : invalid(codeOf(error), error))
    })
  }))
}

/**
 * Tells whether what was put behind the payload may have been taken for bytes of a stored block that was cut: the tail, or all of it
 * where the block says that it is the last one. Then it is at the end of the message, which is shorter when the payload is inflated
 * without it.
 */
function endsLikeEnd (message: Buffer): boolean {
  return endsWith(message, TAIL) || endsWith(message, END)
}

function endsWith (message: Buffer, end: Buffer): boolean {
  const start = message.length - end.length
  return start >= 0 && message[message.length - 1] === end[end.length - 1] && message.compare(end, 0, end.length, start) === 0
}

/** @throws {ProtocolError} `FST_WS_INVALID_DEFLATE` for a stored block that was cut */
function checkNow (message: Buffer, payload: Buffer, history: Buffer | undefined): Buffer {
  if (!endsLikeEnd(message)) return message
  const options = { finishFlush: constants.Z_SYNC_FLUSH, ...(history !== undefined && { dictionary: history }) }
  if (inflateRawSync(payload, options).length !== message.length) throw new ProtocolError('FST_WS_INVALID_DEFLATE')
  return message
}

/** @throws {ProtocolError} `FST_WS_TOO_BIG`, unless another thread may inflate more than this one */
function tooMuch (room: number, most: number): undefined {
  if (room === most) throw new ProtocolError('FST_WS_TOO_BIG')
}

/** What zlib has found wrong is the peer's fault; anything else is not. */
function invalid (code: unknown, error?: unknown): unknown {
  if (code === 'Z_DATA_ERROR' || code === 'Z_BUF_ERROR') return new ProtocolError('FST_WS_INVALID_DEFLATE', error === undefined ? {} : { cause: error })
  return error ?? new Error(`zlib failed: ${String(code)}`)
}

function codeOf (error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}
