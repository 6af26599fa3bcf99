// What a row of the conformance tests says, and short words to write one.
//
// The ids are those of the Autobahn test suite (numbers and expected behaviour), so that a failure can be looked up;
// what is sent and why is told in words of our own. Every row has one strict outcome.
import { closePayload, encodeFrame } from '../helpers/wire-frames.ts'
import type { FrameToSend } from '../helpers/wire-frames.ts'

/** A frame that the server must send. */
export interface WantedFrame {
  readonly opcode: number
  /** Inflated, if it comes compressed. */
  readonly payload: Buffer
}

/** Bytes to send, and the frames that must have come before the next stage may be sent. */
export interface Stage {
  /** Whole frames, or pieces of one where the row is about pieces. */
  readonly pieces: readonly Buffer[]
  /** How the row itself cuts them: one write, a write for each piece, or chunks of so many bytes. */
  readonly chop?: 'piece' | number
  readonly want: readonly WantedFrame[]
}

export interface Row {
  readonly id: string
  readonly title: string
  readonly stages: readonly Stage[]
  /**
   * The codes of which the server's Close must have one, in answer to the last stage (1005 stands for none).
   * Without it the client closes with 1000 when everything has come, and the server must answer with 1000.
   */
  readonly closeCodes?: readonly number[]
  /** What would come behind the last stage. The row itself proves that the server closes without it. */
  readonly unsent?: readonly Buffer[]
  /** For a row that breaks a rule: how many bytes of all stages suffice to prove it. The server must close on them. */
  readonly proof?: number
  /** What the client offers, as Sec-WebSocket-Extensions has it. */
  readonly offer?: string
}

export const text = (payload: Uint8Array | string, more: Partial<FrameToSend> = {}): Buffer => encodeFrame({ opcode: 1, payload, ...more })
export const binary = (payload: Uint8Array | string, more: Partial<FrameToSend> = {}): Buffer => encodeFrame({ opcode: 2, payload, ...more })
export const more = (payload: Uint8Array | string, fin = false): Buffer => encodeFrame({ opcode: 0, payload, fin })
export const ping = (payload: Uint8Array | string = '', more: Partial<FrameToSend> = {}): Buffer => encodeFrame({ opcode: 9, payload, ...more })
export const pong = (payload: Uint8Array | string = '', more: Partial<FrameToSend> = {}): Buffer => encodeFrame({ opcode: 10, payload, ...more })
export const close = (code?: number, reason?: Uint8Array | string): Buffer =>
  encodeFrame({ opcode: 8, payload: code === undefined ? '' : closePayload(code, reason) })

export const wantText = (payload: Uint8Array | string): WantedFrame => ({ opcode: 1, payload: Buffer.from(payload) })
export const wantBinary = (payload: Uint8Array | string): WantedFrame => ({ opcode: 2, payload: Buffer.from(payload) })
export const wantPong = (payload: Uint8Array | string = ''): WantedFrame => ({ opcode: 10, payload: Buffer.from(payload) })

/** A row that breaks no rule: the frames, and what must come back. */
export function legal (id: string, title: string, pieces: readonly Buffer[], want: readonly WantedFrame[], chop?: 'piece' | number): Row {
  return { id, title, stages: [{ pieces, want, ...(chop !== undefined && { chop }) }] }
}

export interface Broken {
  /** Legal frames before, and their answers. */
  readonly before?: readonly Buffer[]
  readonly want?: readonly WantedFrame[]
  /** The frame that breaks the rule, and how many of its bytes prove it; all of them unless given. */
  readonly bad: Buffer
  readonly proof?: number
  /** Frames behind it, which must not be answered. */
  readonly behind?: readonly Buffer[]
  readonly code: number
  readonly chop?: 'piece' | number
}

/** A row that breaks a rule: the server answers what came before, and closes. */
export function broken (id: string, title: string, { before = [], want = [], bad, proof = bad.length, behind = [], code, chop }: Broken): Row {
  return {
    id,
    title,
    stages: [{ pieces: [...before, bad, ...behind], want, ...(chop !== undefined && { chop }) }],
    closeCodes: [code],
    proof: Buffer.concat(before).length + proof
  }
}

/** A row that closes by itself. */
export function closing (id: string, title: string, pieces: readonly Buffer[], closeCodes: readonly number[], want: readonly WantedFrame[] = []): Row {
  return { id, title, stages: [{ pieces, want }], closeCodes }
}

/** Cuts bytes into pieces of `size`, the last one shorter. */
export function split (bytes: Buffer, size: number): Buffer[] {
  const pieces: Buffer[] = []
  for (let from = 0; from < bytes.length; from += size) pieces.push(bytes.subarray(from, from + size))
  return pieces
}

/** Frames one message in fragments with those payloads (§5.4). */
export function fragments (opcode: 1 | 2, payloads: ReadonlyArray<Uint8Array | string>): Buffer[] {
  return payloads.map((payload, i) => encodeFrame({ opcode: i === 0 ? opcode : 0, payload, fin: i === payloads.length - 1 }))
}
