// Frames as fast-check makes them, for the property tests; and how many runs of which seed these take.
import fc from 'fast-check'
import { closePayload } from './wire-frames.ts'
import type { FrameToSend } from './wire-frames.ts'

/** For a long run: `FUZZ_RUNS=100000 FUZZ_SEED=1 node build/test/property/<name>.test.js`. */
export const SEED = Number(process.env.FUZZ_SEED ?? 6455)

export function parameters (numRuns: number): { seed: number, numRuns: number } {
  const runs = Number(process.env.FUZZ_RUNS ?? numRuns)
  countCases(runs)
  return { seed: SEED, numRuns: runs }
}

let cases = 0
// The long run (test/fuzz.ts) asks how many there were.
if (process.env.FUZZ_COUNT === '1') process.on('exit', () => { console.log(`# fuzz cases: ${cases}`) })

/** Takes note of cases that a test is about to run. */
export function countCases (count: number): void {
  cases += count
}

/** Mostly short; sometimes around the lengths where the header changes. */
const size = fc.oneof({ weight: 6, arbitrary: fc.nat(20) }, { weight: 1, arbitrary: fc.constantFrom(124, 125, 126, 127, 200) })
export const bytes: fc.Arbitrary<Buffer> = size.chain(length => fc.uint8Array({ minLength: length, maxLength: length })).map(array => Buffer.from(array))
export const text: fc.Arbitrary<string> = fc.oneof(
  { weight: 4, arbitrary: fc.string({ unit: fc.constantFrom(...'aé€😀\0\ufeff\ufffd\u07ff\ud7ff'), maxLength: 12 }) },
  { weight: 1, arbitrary: fc.constantFrom('a'.repeat(126), '€'.repeat(42), 'é'.repeat(80)) }
)
const controlBytes = bytes.map(payload => payload.subarray(0, 125))

export const controlFrame: fc.Arbitrary<FrameToSend> = fc.tuple(fc.constantFrom(9, 10), controlBytes).map(([opcode, payload]) => ({ opcode, payload }))

export const closeFrame: fc.Arbitrary<FrameToSend> = fc.oneof(
  fc.constant({ opcode: 8, payload: '' }),
  fc.tuple(fc.constantFrom(1000, 1001, 1011, 1014, 3000, 4999), text).map(([code, reason]) => ({ opcode: 8, payload: closePayload(code, reason.slice(0, 12)) }))
)

/** A message whole or in fragments, control frames between them. */
const message: fc.Arbitrary<FrameToSend[]> = fc.tuple(
  fc.oneof(fc.tuple(fc.constant(1), text.map(value => Buffer.from(value))), fc.tuple(fc.constant(2), bytes)),
  fc.array(fc.tuple(fc.nat(20), fc.option(controlFrame)), { maxLength: 4 })
).map(([[opcode, payload], cuts]) => {
  const frames: FrameToSend[] = []
  let at = 0
  for (const [length, control] of cuts) {
    frames.push({ opcode: frames.length === 0 ? opcode : 0, payload: payload.subarray(at, at + length), fin: false })
    if (control !== null) frames.push(control)
    at += length
  }
  frames.push({ opcode: frames.length === 0 ? opcode : 0, payload: payload.subarray(at) })
  return frames
})

/** Frames that break no rule, up to and with a Close frame in some. */
export const legalFrames: fc.Arbitrary<FrameToSend[]> = fc.tuple(
  fc.array(fc.oneof({ weight: 3, arbitrary: message }, { weight: 1, arbitrary: controlFrame.map(frame => [frame]) }), { maxLength: 6 }),
  fc.option(closeFrame, { freq: 2 })
).map(([parts, close]) => [...parts.flat(), ...(close === null ? [] : [close])])

/** A frame of any shape; most break a rule. */
export const anyFrame: fc.Arbitrary<FrameToSend> = fc.record({
  opcode: fc.nat(15),
  payload: fc.oneof(bytes, text),
  fin: fc.boolean(),
  rsv: fc.oneof({ weight: 5, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(7) }),
  isMaskWrong: fc.nat(15).map(n => n === 0),
  form: fc.constantFrom(undefined, undefined, undefined, 16 as const, 64 as const),
  announced: fc.oneof({ weight: 5, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: fc.bigInt(0n, 2n ** 64n - 1n) })
}).map(({ form, announced, isMaskWrong, ...frame }) => ({
  ...frame,
  ...(announced === undefined ? form !== undefined && { lengthForm: form } : { announced }),
  ...(isMaskWrong && { isMaskWrong })
}))

/** Sizes of the pieces that a wire is cut into: mostly tiny. */
export const sizes: fc.Arbitrary<number[]> = fc.oneof(fc.array(fc.nat(8), { maxLength: 60 }), fc.array(fc.nat(200), { maxLength: 8 }), fc.constant(Array.from({ length: 400 }, () => 1)))
