// Categories 12 and 13 of the Autobahn test suite: compressed messages of five kinds of data, and of one kind with seven lists of
// offers. A client of its own sends them, one after the other's echo, and compares each.
import { openFrames } from '../helpers/frame-client.ts'
import { DeflateCodec, readAnswer } from '../helpers/deflate-codec.ts'
import { plainInflate } from '../helpers/plain-inflate.ts'
import { encodeFrame } from '../helpers/wire-frames.ts'
import { close, split } from './row.ts'
import { samples } from './deflate-samples.ts'
import type { Sample } from './deflate-samples.ts'

/** Bytes of each message, and of the fragments that its compressed payload is cut into; none for whole messages. */
const SIZES: ReadonlyArray<{ readonly length: number, readonly fragment?: number }> = [
  ...[16, 64, 256, 1024, 4096, 8192, 16_384, 32_768, 65_536, 131_072].map((length) => ({ length })),
  ...[8192, 16_384, 32_768, 65_536, 131_072].map((length) => ({ length, fragment: 256 })),
  ...[1024, 4096, 32_768].map((fragment) => ({ length: 131_072, fragment }))
]

/** What the suite's client always says: both mean that the server may ask for it. */
const HINTS = '; client_no_context_takeover; client_max_window_bits'
const FRESH = 'server_no_context_takeover'

/** The offers of 13.1 to 13.7. A window of 9 bits, not 8, as in later versions of the suite. */
const OFFERS: ReadonlyArray<readonly string[]> = [
  [''], [`; ${FRESH}`], ['; server_max_window_bits=9'], ['; server_max_window_bits=15'], [`; ${FRESH}; server_max_window_bits=9`],
  [`; ${FRESH}; server_max_window_bits=15`], [`; ${FRESH}; server_max_window_bits=9`, `; ${FRESH}`, '']
]

export interface DeflateCase {
  readonly id: string
  readonly title: string
  readonly sample: Sample
  readonly length: number
  readonly fragment: number | undefined
  readonly offer: string
  /** Parameters that the answer must have, of the server's side. */
  readonly asked: string
}

/** @param hints - behind each offer */
export function makeCases (hints = HINTS): DeflateCase[] {
  const offerOf = (offers: readonly string[]): string => offers.map((offer) => `permessage-deflate${hints}${offer}`).join(', ')
  const group = (id: string, sample: Sample, offers: readonly string[]): DeflateCase[] => SIZES.map(({ length, fragment }, i) => ({
    id: `${id}.${i + 1}`,
    title: `${sample.name}, ${length} bytes${fragment === undefined ? '' : ` in fragments of ${fragment}`}, ${offerOf(offers)}`,
    sample,
    length,
    fragment,
    offer: offerOf(offers),
    asked: offers[0] ?? ''
  }))
  // the suite sends JSON in all of 13
  const [json] = samples
  return [
    ...samples.flatMap((sample, i) => group(`12.${i + 1}`, sample, [''])),
    ...OFFERS.flatMap((offers, i) => json === undefined ? [] : group(`13.${i + 1}`, json, offers))
  ]
}

/** The suite sends 1,000 of each; of some, all sizes together have as many bytes as time allows. */
function countOf (length: number, factor: number): number {
  return Math.round(factor * Math.max(5, Math.min(40, 131_072 / length)))
}

export interface CaseResult {
  readonly faults: readonly string[]
  readonly answer: string
  readonly messages: number
  /** Echoes that came compressed. */
  readonly compressed: number
}

/** Runs one case. A fault of zlib or of the frames is one of the result's. */
export async function runCase (port: number, path: string, { sample, length, fragment, offer }: DeflateCase, factor = 1): Promise<CaseResult> {
  const client = await openFrames({ port, path, offer, deadline: 60_000 })
  const faults: string[] = []
  const messages = countOf(length, factor)
  const answer = readAnswer(client.extensions)
  if (answer === undefined) return { faults: ['not agreed on'], answer: '', messages, compressed: 0 }
  const codec = new DeflateCodec(answer)
  const window = 2 ** Number(answer.get('server_max_window_bits') ?? 15)
  const keepsContext = !answer.has(FRESH)
  let history = Buffer.alloc(0)
  let compressed = 0
  try {
    for (let i = 0, at = 0; i < messages; i++, at = (at + length) % (sample.bytes.length - length)) {
      const message = sample.bytes.subarray(at, at + length)
      const payload = await codec.deflate(message)
      await client.write(frame(sample.isText ? 1 : 2, payload, fragment))
      await client.untilFrames(i + 1)
      const echo = client.frames[i]
      if (echo === undefined || client.isOver) {
        faults.push(`ended in message ${i + 1}: ${client.fault?.message ?? client.ending ?? client.closeFrame?.payload.toString('hex')}`)
        break
      }
      const bytes = echo.compressed === true ? await codec.inflate(echo.payload) : echo.payload
      if (!bytes.equals(message) || echo.opcode !== (sample.isText ? 1 : 2) || !echo.fin) faults.push(`message ${i + 1} came back otherwise`)
      if (echo.compressed !== true) continue
      compressed++
      // What zlib forgives: it takes whatever is there, a window that is smaller notwithstanding.
      if (window === 32_768 || i > 4 || length > 8192) continue
      const { farthest } = plainInflate(echo.payload, history)
      if (farthest > window) faults.push(`message ${i + 1} looks back ${farthest} bytes`)
      if (keepsContext) history = Buffer.concat([history, message]).subarray(-32_768)
    }
    await client.write(close(1000))
    const ending = await client.untilEnd()
    if (ending !== 'fin' || client.closeFrame?.payload.readUInt16BE() !== 1000) faults.push(`no clean end: ${ending}`)
  } catch (error) {
    faults.push(String(error))
    client.destroy()
  }
  codec.close()
  return { faults, answer: client.extensions, messages, compressed }
}

/** Frames a compressed payload; RSV1 stands in the first frame (RFC 7692 §6.1). */
function frame (opcode: number, payload: Buffer, fragment = payload.length): Buffer {
  const pieces = split(payload, fragment)
  return Buffer.concat(pieces.map((piece, i) => encodeFrame({
    opcode: i === 0 ? opcode : 0, rsv: i === 0 ? 4 : 0, payload: piece, fin: i === pieces.length - 1
  })))
}
