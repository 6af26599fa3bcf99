// Categories 9 and 10: large messages, many fragments, many chunks, many messages in turn (RFC 6455 §5.2, §5.4).
import { binary, fragments, legal, split, text, wantBinary, wantText } from '../row.ts'
import type { Row, WantedFrame } from '../row.ts'

const KIB = 1024
const MIB = 1024 * KIB

interface Kind {
  readonly name: string
  readonly opcode: 1 | 2
  readonly payload: (length: number) => Buffer
  readonly frame: (payload: Buffer) => Buffer
  readonly want: (payload: Buffer) => WantedFrame
}

/** Characters of one, two, three and four bytes: fragments and chunks end inside of them. */
const unit = Buffer.from('ascii äö € 😀')

function makeText (length: number): Buffer {
  const over = length % unit.length
  return Buffer.concat([Buffer.alloc(over, '*'), Buffer.alloc(length - over, unit)])
}

const kinds: readonly Kind[] = [
  { name: 'text', opcode: 1, payload: makeText, frame: text, want: wantText },
  { name: 'binary', opcode: 2, payload: (length) => Buffer.alloc(length, Buffer.from('00fffefdfcfb00ff7f', 'hex')), frame: binary, want: wantBinary }
]

/** A row whose bytes are made when it is asked for: all of them at once would be 200 MiB. */
export interface LazyRow {
  readonly id: string
  readonly make: () => Row
}

const messageSizes = [64 * KIB, 256 * KIB, MIB, 4 * MIB, 8 * MIB, 16 * MIB]
const fragmentSizes = [64, 256, KIB, 4 * KIB, 16 * KIB, 64 * KIB, 256 * KIB, MIB, 4 * MIB]
const chunkSizes = [64, 128, 256, 512, KIB, 2 * KIB]
const turnSizes = [0, 16, 64, 256, KIB, 4 * KIB]
const TURNS = 1000

/** One row for each size, the two kinds in groups of their own. */
function rowsFor (groups: readonly [string, string], sizes: readonly number[], make: (id: string, kind: Kind, size: number) => Row): LazyRow[] {
  return kinds.flatMap((kind, k) => sizes.map((size, i) => {
    const id = `${groups[k]}.${i + 1}`
    return { id, make: () => make(id, kind, size) }
  }))
}

export const limits: readonly LazyRow[] = [
  ...rowsFor(['9.1', '9.2'], messageSizes, (id, kind, size) => {
    const payload = kind.payload(size)
    return legal(id, `${kind.name} of ${size} bytes`, [kind.frame(payload)], [kind.want(payload)])
  }),
  ...rowsFor(['9.3', '9.4'], fragmentSizes, (id, kind, size) => {
    const payload = kind.payload(4 * MIB)
    return legal(id, `${kind.name} of 4 MiB in fragments of ${size} bytes`, fragments(kind.opcode, split(payload, size)), [kind.want(payload)])
  }),
  ...rowsFor(['9.5', '9.6'], chunkSizes, (id, kind, size) => {
    const payload = kind.payload(MIB)
    return legal(id, `${kind.name} of 1 MiB in chunks of ${size} bytes`, [kind.frame(payload)], [kind.want(payload)], size)
  }),
  ...rowsFor(['9.7', '9.8'], turnSizes, (id, kind, size) => {
    const payload = kind.payload(size)
    const stage = { pieces: [kind.frame(payload)], want: [kind.want(payload)] }
    return { id, title: `${TURNS} times ${kind.name} of ${size} bytes, each when the last has come back`, stages: Array.from({ length: TURNS }, () => stage) }
  }),
  {
    id: '10.1.1',
    make: () => {
      const payload = Buffer.alloc(64 * KIB, '*')
      return legal('10.1.1', 'text of 64 KiB in fragments of 1300 bytes', fragments(1, split(payload, 1300)), [wantText(payload)])
    }
  }
]
