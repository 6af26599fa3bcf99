// permessage-deflate as the tests' own clients have it (RFC 7692 §7.2): one long-lived stream of node:zlib each way, as zlib itself
// means context takeover. Shares nothing with lib/, which does it another way.
import { constants, createDeflateRaw, createInflateRaw, deflateRawSync } from 'node:zlib'
import type { DeflateRaw, InflateRaw } from 'node:zlib'

const TAIL = Buffer.from('0000ffff', 'hex')

/** What an answer says, by its parameters' names; a flag has an empty value. */
export type DeflateAnswer = ReadonlyMap<string, string>

/** Reads a Sec-WebSocket-Extensions that names permessage-deflate alone. Undefined for an empty one. */
export function readAnswer (field: string): DeflateAnswer | undefined {
  if (field === '') return undefined
  const [name, ...params] = field.split(';').map((part) => part.trim())
  if (name !== 'permessage-deflate') throw new Error(`not permessage-deflate: ${field}`)
  return new Map(params.map((param) => {
    const [key = '', value = ''] = param.split('=')
    return [key, value] as const
  }))
}

/** Compresses one message by itself. */
export function deflated (message: Uint8Array | string, options: { level?: number, strategy?: number } = {}): Buffer {
  return deflateRawSync(message, { ...options, finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -TAIL.length)
}

/** Both directions of a client. Calls of one direction must not overlap. */
export class DeflateCodec {
  readonly #answer: DeflateAnswer
  readonly #deflater: DeflateRaw
  readonly #inflater: InflateRaw

  constructor (answer: DeflateAnswer, level = 1) {
    this.#answer = answer
    const bits = (name: string): number => Number(answer.get(name) ?? 15)
    // zlib has no window of 8 bits for raw data; 9 look back 250 bytes at most
    this.#deflater = createDeflateRaw({ level, windowBits: Math.max(9, bits('client_max_window_bits')) })
    this.#inflater = createInflateRaw({ windowBits: bits('server_max_window_bits') })
  }

  /** Compresses a message; the payload of its frames. */
  async deflate (message: Uint8Array): Promise<Buffer> {
    if (this.#answer.has('client_no_context_takeover')) this.#deflater.reset()
    const payload = await runThrough(this.#deflater, message, constants.Z_SYNC_FLUSH)
    return payload.subarray(0, -TAIL.length)
  }

  /** Inflates a payload; rejects with what zlib finds wrong. */
  async inflate (payload: Uint8Array): Promise<Buffer> {
    if (this.#answer.has('server_no_context_takeover')) this.#inflater.reset()
    return await runThrough(this.#inflater, Buffer.concat([payload, TAIL]), constants.Z_SYNC_FLUSH)
  }

  close (): void {
    this.#deflater.close()
    this.#inflater.close()
  }
}

async function runThrough (stream: DeflateRaw | InflateRaw, bytes: Uint8Array, flush: number): Promise<Buffer> {
  const parts: Buffer[] = []
  const take = (part: Buffer): void => { parts.push(part) }
  return await new Promise<Buffer>((resolve, reject) => {
    stream.on('data', take).once('error', reject)
    stream.write(bytes)
    stream.flush(flush, () => {
      stream.off('data', take).off('error', reject)
      resolve(Buffer.concat(parts))
    })
  })
}
