// Runs the core on bytes and writes down, as lines of text, what it calls. Repairs and judges nothing.
import { isDeepStrictEqual } from 'node:util'
import { Protocol } from '../../lib/protocol/protocol.ts'
import type { Role } from '../../lib/protocol/role.ts'
import { hand, READERS } from './readers.ts'
import type { Reader } from './readers.ts'

/**
 * What happened, in order: `text:a`, `binary:<hex>`, `ping:<hex>`, `pong:<hex>`, `close:<code>:<reason>`,
 * `error:<FST_WS_...>`, `compressed:<opcode>:<hex>` as it came; and what was to be sent, `>pong:<hex>`, `>close:<code>:<reason>`, without a code `>close:`.
 */
export type Events = string[]

export interface Recording {
  readonly protocol: Protocol
  readonly events: Events
}

/**
 * @param react - called from inside the core's calls, with the event just noted
 * @param deflates - permessage-deflate was agreed on
 */
export function startRecording (
  role: Role, maxPayload = 2 ** 20, react?: (event: string, protocol: Protocol) => void, reader?: Reader, deflates = false
): Recording {
  const events: Events = []
  const note = (event: string): void => {
    events.push(event)
    react?.(event, protocol)
  }
  const protocol: Protocol = new Protocol({
    onMessage: (opcode, data) => note(typeof data === 'string' ? `${opcode === 1 ? 'text' : opcode}:${data}` : `${opcode === 2 ? 'binary' : opcode}:${data.toString('hex')}`),
    onCompressed: (opcode, bytes) => note(`compressed:${opcode}:${bytes.toString('hex')}`),
    onPing: data => note(`ping:${data.toString('hex')}`),
    onPong: data => note(`pong:${data.toString('hex')}`),
    onClose: (code, reason) => note(`close:${code}:${reason}`),
    onError: error => note(`error:${error.code}`),
    onReply: (opcode, payload) => {
      if (opcode === 10) note(`>pong:${payload.toString('hex')}`)
      else note(payload.length === 0 ? '>close:' : `>close:${payload.readUInt16BE()}:${payload.toString('utf8', 2)}`)
    }
  }, { role, maxPayload, ...(reader !== undefined && { scanners: reader.scanners }), ...(deflates && { deflate: {} }) })
  return { protocol, events }
}

/** Hands one chunk to a core by the way of the reader; the chunk stays as it is. */
export function receive (protocol: Protocol, chunk: Uint8Array, reader: Reader): void {
  hand(reader, chunk, (copy) => protocol.receiveData(copy), (length) => protocol.receiveInput(length))
}

/** Hands chunks to a fresh core by each of the ways there are, and returns what happened, which has to be the same. */
export function readChunks (role: Role, chunks: readonly Uint8Array[], maxPayload?: number, deflates?: boolean): Events {
  let first: Events | undefined
  for (const reader of READERS) {
    const { protocol, events } = startRecording(role, maxPayload, undefined, reader, deflates)
    for (const chunk of chunks) receive(protocol, chunk, reader)
    first ??= events
    if (!isDeepStrictEqual(events, first)) throw new Error(`${reader.name} reads ${events.join()}, not ${first.join()}`)
  }
  return first ?? []
}

/** Cuts bytes into pieces of the given sizes, and what is left into one more. */
export function split (bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const pieces: Buffer[] = []
  let at = 0
  for (const size of sizes) {
    pieces.push(bytes.subarray(at, at + size))
    at += size
  }
  pieces.push(bytes.subarray(at))
  return pieces
}

/** Every way to cut bytes once, and the one of single bytes. */
export function * cuts (bytes: Buffer): Generator<Buffer[]> {
  for (let at = 1; at < bytes.length; at++) yield split(bytes, [at])
  yield Array.from(bytes, byte => Buffer.of(byte))
}
