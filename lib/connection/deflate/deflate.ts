// A message to the payload of a compressed one (RFC 7692 §7.2.1). Owns where zlib works, on this thread or on another one, and what of
// its work serves several connections; order and history are its caller's.
import { constants, deflateRaw, deflateRawSync } from 'node:zlib'
import { sharedHandles } from './handles.ts'
import { runJob } from './jobs.ts'
import type { DeflateSettings } from './settings.ts'

/** The largest message, in bytes, that this thread compresses by itself: some 0.4 ms at level 1, 1 ms at level 6. */
export const DEFLATE_NOW = 65_536

/** What zlib ends with when it is told to flush, and what the peer puts back. */
const TAIL_LENGTH = 4

/** zlib never looks back to the last 262 bytes of a window. */
const UNSEEN = 262

/** A message, and what it was compressed to. */
interface Compressed {
  readonly text: string | undefined
  readonly length: number
  /** With which settings first; that payload may be in `output`. */
  readonly settings: DeflateSettings
  payload: Buffer | undefined
  /** With which others. */
  others: Map<DeflateSettings, Buffer | undefined> | undefined
}

/** The message that was compressed last, in `input` and in `last`: broadcasts say the same to many. Made at the first call. */
let input: Buffer | undefined
let output: Buffer | undefined
let last: Compressed | undefined

/**
 * Compresses a message of at most `DEFLATE_NOW` bytes on this thread. The same message for a connection with the same settings costs
 * nothing the second time.
 *
 * @param history - that of the messages before, for a connection that keeps its context
 * @returns the payload, good until the next call; undefined when it would be no smaller, or zlib cannot
 */
export function deflateNow (message: string | Buffer, settings: DeflateSettings, history: Buffer | undefined): Buffer | undefined {
  const known = last !== undefined && isLast(message, last) ? last : undefined
  if (known !== undefined && history === undefined) {
    if (known.settings === settings) return known.payload
    if (known.others?.has(settings) === true) return known.others.get(settings)
    // It is about to be written over.
    known.payload = outOfOutput(known.payload)
  }
  input ??= Buffer.allocUnsafeSlow(DEFLATE_NOW)
  last = known
  const length = known?.length ?? (typeof message === 'string' ? input.write(message) : message.copy(input))
  let payload: Buffer | undefined
  try {
    payload = compress(input, length, settings, history)
  } catch {
    // For want of memory: it can go as it is.
    return undefined
  }
  // A payload that looks back to other messages is good for one connection only.
  if (history !== undefined) return payload
  if (known === undefined) {
    last = { text: typeof message === 'string' ? message : undefined, length, settings, payload, others: undefined }
    return payload
  }
  const kept = outOfOutput(payload)
  known.others ??= new Map()
  known.others.set(settings, kept)
  return kept
}

function outOfOutput (payload: Buffer | undefined): Buffer | undefined {
  return payload !== undefined && payload.buffer === output?.buffer ? Buffer.from(payload) : payload
}

/** Bytes are compared: whoever has sent them may have changed them. */
function isLast (message: string | Buffer, { text, length }: Compressed): boolean {
  if (typeof message === 'string') return text === message
  return message.length === length && input !== undefined && message.equals(input.subarray(0, length))
}

function compress (bytes: Buffer, length: number, settings: DeflateSettings, history: Buffer | undefined): Buffer | undefined {
  const { level, memLevel, keepsHandles = true } = settings
  const deflater = history === undefined && keepsHandles ? sharedHandles()?.deflater(bitsOf(settings), level, memLevel) : undefined
  if (deflater === undefined) return shorter(deflateRawSync(bytes.subarray(0, length), optionsFor(length, settings, history)), length)
  output ??= Buffer.allocUnsafeSlow(DEFLATE_NOW + TAIL_LENGTH)
  const { error, written } = deflater.run(constants.Z_SYNC_FLUSH, bytes, length, output, length + TAIL_LENGTH)
  if (error !== undefined) throw new Error(`zlib failed: ${error}`)
  // What fills all the room there was is not all there.
  return written < length + TAIL_LENGTH ? output.subarray(0, written - TAIL_LENGTH) : undefined
}

/** Messages that another thread works on now, for all who send the same; bytes only until the caller returns. */
const running: Array<{ readonly message: string | Buffer, readonly settings: DeflateSettings, readonly payload: Promise<Buffer | undefined> }> = []

/**
 * Compresses a message on another thread. Who asks for the same text meanwhile, or at once for the same bytes, shares the work.
 *
 * @param message - left as it is until the promise has settled; likewise `history`
 * @returns as `deflateNow`; the payload is for everybody, to be left as it is
 */
export function deflateLater (message: string | Buffer, settings: DeflateSettings, history: Buffer | undefined): Promise<Buffer | undefined> {
  if (history !== undefined) return compressElsewhere(message, settings, history)
  const same = running.find((other) => other.settings === settings && other.message === message)
  if (same !== undefined) return same.payload
  const payload = compressElsewhere(message, settings, undefined)
  const entry = { message, settings, payload }
  running.push(entry)
  const forget = (): void => { running.splice(running.indexOf(entry), 1) }
  // Bytes are the same as long as nobody else has had a turn: where the message has gone as it is meanwhile, its sender may change them.
  if (typeof message === 'string') payload.then(forget, forget)
  else queueMicrotask(forget)
  return payload
}

async function compressElsewhere (message: string | Buffer, settings: DeflateSettings, history: Buffer | undefined): Promise<Buffer | undefined> {
  const bytes = typeof message === 'string' ? Buffer.from(message) : message
  return await runJob(() => new Promise((resolve, reject) => {
    deflateRaw(bytes, optionsFor(bytes.length, settings, history), (error, payload) => {
      if (error === null) resolve(shorter(payload, bytes.length))
      else reject(error)
    })
  }))
}

/** Options of zlib, no larger than the message needs: most of the time that a small one takes is to fill tables with zeros. */
function optionsFor (length: number, settings: DeflateSettings, dictionary: Buffer | undefined): object {
  const { level, memLevel } = settings
  const needed = Math.ceil(Math.log2(length + UNSEEN + (dictionary?.length ?? 0)))
  return {
    level,
    memLevel: Math.min(memLevel, Math.max(4, needed - 6)),
    windowBits: Math.min(bitsOf(settings), Math.max(9, needed)),
    finishFlush: constants.Z_SYNC_FLUSH,
    ...(dictionary !== undefined && { dictionary })
  }
}

/** zlib's smallest window for this is 512 bytes, of which it looks back no more than 250: that keeps to 256 as well. */
function bitsOf ({ sendBits }: DeflateSettings): number {
  return Math.max(9, sendBits)
}

function shorter (deflated: Buffer, length: number): Buffer | undefined {
  return deflated.length - TAIL_LENGTH < length ? deflated.subarray(0, -TAIL_LENGTH) : undefined
}
