// Random and mutated frames for T10, the same ones for the same seed.
import { closePayload, encodeFrame } from '../helpers/wire-frames.ts'

/** Returns a generator of integers from 0 to `below - 1` (mulberry32). */
export function seededRandom (seed: number): (below: number) => number {
  let state = seed >>> 0
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return Math.floor(((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32 * below)
  }
}

type Random = ReturnType<typeof seededRandom>

const jsonTexts = [
  '{"type":"note","text":"a"}', '{"type":"count","n":1}', '{"type":"count","n":-1}', '{"type":"note","text":"far more than twenty characters"}',
  '{"type":"other"}', '{"type":"note"', '[]', 'null', '1e400', '{"__proto__":{"type":"note"}}', '{"constructor":{"prototype":1}}', '"\\ud800"', ''
]

function randomBytes (random: Random, most: number): Buffer {
  return Buffer.from(Array.from({ length: random(most + 1) }, () => random(256)))
}

function pick<T> (random: Random, list: readonly [T, ...T[]]): T {
  return list[random(list.length)] ?? list[0]
}

/** A frame that breaks no rule by itself, though perhaps where it stands. */
function legalFrame (random: Random): Buffer {
  const mask = Buffer.from([random(256), random(256), random(256), random(256)])
  const kind = random(10)
  if (kind < 3) return encodeFrame({ opcode: 1, payload: jsonTexts[random(jsonTexts.length)] ?? '', mask })
  if (kind === 3) return encodeFrame({ opcode: 2, payload: randomBytes(random, 300), mask })
  if (kind === 4) return encodeFrame({ opcode: 9, payload: randomBytes(random, 125), mask })
  if (kind === 5) return encodeFrame({ opcode: 10, payload: randomBytes(random, 125), mask })
  // parts of messages twice as often as the end of the connection
  if (kind < 8) return encodeFrame({ opcode: pick(random, [0, 0, 1, 2]), fin: random(2) === 0, payload: 'part', mask })
  if (kind === 8) return encodeFrame({ opcode: 1, payload: '€'.repeat(random(60)), mask })
  return random(3) > 0 ? encodeFrame({ opcode: 0, fin: true, mask }) : encodeFrame({ opcode: 8, payload: closePayload(random(5001), randomBytes(random, 8)), mask })
}

/** A header of any shape, with a payload that may be shorter or longer than it says. */
function anyFrame (random: Random): Buffer {
  const announced = pick(random, [0n, 1n, 125n, 126n, 200n, 65_535n, 65_536n, 2n ** 31n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n])
  const fits = ([[7, 126n], [16, 65_536n], [64, 2n ** 64n]] as const).filter(([, limit]) => announced < limit)
  const [lengthForm] = fits[random(fits.length)] ?? [64 as const]
  return encodeFrame({
    opcode: random(16),
    fin: random(4) > 0,
    rsv: random(4) > 0 ? 0 : random(8),
    payload: randomBytes(random, 200),
    announced,
    lengthForm,
    mask: random(8) > 0 ? randomMask(random) : null
  })
}

function randomMask (random: Random): Buffer {
  return Buffer.from([random(256), random(256), random(256), random(256)])
}

/** Flips bits, drops bytes, repeats bytes or cuts the end off. */
function mutate (random: Random, bytes: Buffer): Buffer {
  const at = random(bytes.length)
  switch (random(4)) {
    case 0: {
      const flipped = Buffer.from(bytes)
      for (let n = random(3); n >= 0; n--) {
        const place = random(4) > 0 ? random(Math.min(14, bytes.length)) : random(bytes.length)
        flipped.writeUInt8(flipped.readUInt8(place) ^ (1 << random(8)), place)
      }
      return flipped
    }
    case 1: return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + random(4))])
    case 2: return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at, at + 1 + random(8)), bytes.subarray(at)])
    default: return bytes.subarray(0, at)
  }
}

/** One frame or what is left of it: half of them legal, so that connections live long enough for the others. */
export function fuzzFrame (random: Random): Buffer {
  const kind = random(12)
  if (kind < 7) return legalFrame(random)
  if (kind < 9) return mutate(random, legalFrame(random))
  if (kind === 9) return anyFrame(random)
  if (kind === 10) return mutate(random, anyFrame(random))
  return randomBytes(random, 64)
}
