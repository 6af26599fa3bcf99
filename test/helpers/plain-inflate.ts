// DEFLATE read bit by bit (RFC 1951), for what zlib does not tell: how far a payload looks back, and whether it is whole.

export interface PlainInflated {
  readonly bytes: Buffer
  /** The largest distance, in bytes; 0 when nothing is looked back to. */
  readonly farthest: number
  /** Kinds of the blocks, the tail's among them: 0 stored, 1 fixed, 2 dynamic. */
  readonly blocks: readonly number[]
}

/** Codes in order of their length, then of their symbol: all that canonical Huffman codes need. */
interface Codes {
  /** How many there are of each length. */
  readonly counts: readonly number[]
  readonly symbols: readonly number[]
}

const LENGTH_BASES = [3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258]
const LENGTH_BITS = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0]
const DISTANCE_BITS = Array.from({ length: 30 }, (_, i) => Math.max(0, (i >> 1) - 1))
const DISTANCE_BASES = DISTANCE_BITS.map((bits, i) => i < 2 ? i + 1 : (2 + (i & 1)) * 2 ** bits + 1)
const CODE_ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15]

function makeCodes (lengths: readonly number[]): Codes {
  const counts = Array.from({ length: 16 }, (_, length) => length === 0 ? 0 : lengths.filter((other) => other === length).length)
  const symbols = lengths.map((length, symbol) => ({ length, symbol })).filter(({ length }) => length > 0)
    .sort((a, b) => a.length - b.length || a.symbol - b.symbol).map(({ symbol }) => symbol)
  return { counts, symbols }
}

const FIXED = {
  literals: makeCodes(Array.from({ length: 288 }, (_, i) => i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8)),
  distances: makeCodes(Array.from({ length: 30 }, () => 5))
}

class BitReader {
  readonly #bytes: Uint8Array
  #at = 0

  constructor (bytes: Uint8Array) {
    this.#bytes = bytes
  }

  /** Bits that are left. */
  get left (): number {
    return this.#bytes.length * 8 - this.#at
  }

  /** Bits that have been read. */
  get at (): number {
    return this.#at
  }

  bits (count: number): number {
    let value = 0
    for (let i = 0; i < count; i++, this.#at++) {
      const byte = this.#bytes[this.#at >> 3]
      if (byte === undefined) throw new Error('the payload is cut')
      value |= ((byte >> (this.#at & 7)) & 1) << i
    }
    return value
  }

  symbol ({ counts, symbols }: Codes): number {
    let code = 0
    let first = 0
    let index = 0
    for (let length = 1; length < 16; length++) {
      code |= this.bits(1)
      const count = counts[length] ?? 0
      if (code - first < count) return symbols[index + code - first] ?? NaN
      index += count
      first = (first + count) << 1
      code <<= 1
    }
    throw new Error('no such code')
  }

  toByte (): void {
    this.#at = (this.#at + 7) & ~7
  }
}

/**
 * Inflates the payload of a message, its tail put back. Throws for what is wrong, and for one that has no empty stored block at its end,
 * which every sender makes (RFC 7692 §7.2.1).
 *
 * @param history - bytes of the messages before
 */
export function plainInflate (payload: Uint8Array, history: Uint8Array = Buffer.alloc(0)): PlainInflated {
  const reader = new BitReader(Buffer.concat([payload, Buffer.from('0000ffff', 'hex')]))
  const out: number[] = [...history]
  const blocks: number[] = []
  let farthest = 0
  let endsEmpty = false
  while (reader.left >= 8) {
    const start = reader.at
    const isLast = reader.bits(1) === 1
    const kind = reader.bits(2)
    blocks.push(kind)
    if (kind === 3) throw new Error('no such kind of block')
    endsEmpty = false
    if (kind === 0) {
      reader.toByte()
      const length = reader.bits(16)
      endsEmpty = length === 0 && start < payload.length * 8
      if ((reader.bits(16) ^ 0xffff) !== length) throw new Error('the length of a stored block is wrong')
      for (let i = 0; i < length; i++) out.push(reader.bits(8))
      continue
    }
    const { literals, distances } = kind === 1 ? FIXED : readCodes(reader)
    for (let symbol = reader.symbol(literals); symbol !== 256; symbol = reader.symbol(literals)) {
      if (symbol < 256) {
        out.push(symbol)
        continue
      }
      const length = (LENGTH_BASES[symbol - 257] ?? NaN) + reader.bits(LENGTH_BITS[symbol - 257] ?? 0)
      const code = reader.symbol(distances)
      const distance = (DISTANCE_BASES[code] ?? NaN) + reader.bits(DISTANCE_BITS[code] ?? 0)
      if (!(distance <= out.length)) throw new Error(`looks back ${distance} bytes of ${out.length}`)
      farthest = Math.max(farthest, distance)
      for (let i = 0; i < length; i++) out.push(out[out.length - distance] ?? NaN)
    }
    // what comes behind a last block is another stream
    if (isLast) reader.toByte()
  }
  if (!endsEmpty) throw new Error('the payload is cut')
  return { bytes: Buffer.from(out.slice(history.length)), farthest, blocks }
}

function readCodes (reader: BitReader): { literals: Codes, distances: Codes } {
  const literalCount = reader.bits(5) + 257
  const distanceCount = reader.bits(5) + 1
  const codeCount = reader.bits(4) + 4
  const codeLengths = Array.from({ length: 19 }, () => 0)
  for (const place of CODE_ORDER.slice(0, codeCount)) codeLengths[place] = reader.bits(3)
  const codes = makeCodes(codeLengths)
  const lengths: number[] = []
  while (lengths.length < literalCount + distanceCount) {
    const symbol = reader.symbol(codes)
    if (symbol < 16) lengths.push(symbol)
    else {
      const repeated = symbol === 16 ? lengths.at(-1) ?? NaN : 0
      const times = symbol === 16 ? 3 + reader.bits(2) : symbol === 17 ? 3 + reader.bits(3) : 11 + reader.bits(7)
      for (let i = 0; i < times; i++) lengths.push(repeated)
    }
  }
  return { literals: makeCodes(lengths.slice(0, literalCount)), distances: makeCodes(lengths.slice(literalCount)) }
}
