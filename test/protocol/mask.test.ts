import { randomFillSync } from 'node:crypto'
import t from 'tap'
import { applyMask, rotateMaskingKey, takeMaskingKey } from '../../lib/protocol/mask.ts'
import { hex } from '../helpers/hex.ts'

/** Bytes around the masked ones, which must stay as they are. */
const MARGIN = 5
const KEYS = [0x37fa213d, 0x00000080, -1, 0, 0x01020304, 0x80000000 | 0]

function applyPlainly (bytes: Buffer, start: number, end: number, key: number): void {
  const keyBytes = Buffer.alloc(4)
  keyBytes.writeInt32BE(key | 0)
  for (let at = start; at < end; at++) bytes[at] = bytes.readUInt8(at) ^ keyBytes.readUInt8((at - start) % 4)
}

t.test('§5.7 the masked "Hello"', async t => {
  const bytes = hex('7f9f4d5158')
  t.equal(applyMask(bytes, 0, 5, 0x37fa213d), true, 'ASCII')
  t.equal(bytes.toString(), 'Hello')
})

t.test('§5.3 every length from 0 to 300 at every alignment is as by one byte after the other', async t => {
  const wrong: string[] = []
  const memory = Buffer.alloc(8 + 300 + 2 * MARGIN)
  for (let alignment = 0; alignment < 8; alignment++) {
    for (let length = 0; length <= 300; length++) {
      const key = KEYS[length % KEYS.length] ?? 0
      randomFillSync(memory)
      if (length % 2 === 0) for (const [at, byte] of memory.entries()) memory[at] = byte & 0x7f
      // a view, so that byteOffset counts as well as start
      const view = memory.subarray(alignment >> 1, alignment + length + 2 * MARGIN)
      const start = MARGIN + alignment - (alignment >> 1)
      const want = Buffer.from(view)
      applyPlainly(want, start, start + length, key)
      const ascii = applyMask(view, start, start + length, key)
      const wantAscii = want.subarray(start, start + length).every(byte => byte < 0x80)
      if (!view.equals(want) || ascii !== wantAscii) wrong.push(`length ${length}, alignment ${alignment}, key ${key}`)
    }
  }
  t.strictSame(wrong, [])
})

t.test('a single byte beyond ASCII is seen wherever it stands', async t => {
  const wrong: number[] = []
  for (const length of [1, 3, 4, 31, 95, 96, 97, 131]) {
    for (let place = 0; place < length; place++) {
      const bytes = Buffer.alloc(length + 1, 0x41)
      bytes[place] = 0x80
      applyPlainly(bytes, 1, length, 0x01020304)
      if (applyMask(bytes, 1, length, 0x01020304) !== (place === 0)) wrong.push(length * 1000 + place)
    }
  }
  t.strictSame(wrong, [])
})

t.test('§5.3 a key that is turned goes on where the payload was cut', async t => {
  for (const key of KEYS) {
    const whole = Buffer.alloc(23, 0x5a)
    applyPlainly(whole, 0, 23, key)
    for (let cut = 0; cut <= 23; cut++) {
      const pieces = Buffer.alloc(23, 0x5a)
      applyMask(pieces, 0, cut, key)
      applyMask(pieces, cut, 23, rotateMaskingKey(key, cut))
      t.ok(pieces.equals(whole), `key ${key}, cut at ${cut}`)
    }
  }
  t.equal(rotateMaskingKey(0x01020304, 2 ** 40 + 1), 0x02030401, 'behind any number of bytes')
})

t.test('T12 1e5 masking keys: no repeats beyond chance, every bit set as often as not', async t => {
  const COUNT = 100_000
  const keys = new Set<number>()
  const steps = new Set<number>()
  const ones = Array.from({ length: 32 }, () => 0)
  let last = takeMaskingKey()
  for (let n = 0; n < COUNT; n++) {
    const key = takeMaskingKey()
    keys.add(key | 0)
    steps.add((key ^ last) | 0)
    for (let bit = 0; bit < 32; bit++) ones[bit] = (ones[bit] ?? 0) + ((key >>> bit) & 1)
    last = key
  }
  // 1.2 repeats are to be expected among 1e5 of 2^32; over 12 come once in 1e9 runs
  t.ok(COUNT - keys.size <= 12, `${COUNT - keys.size} repeats`)
  t.ok(COUNT - steps.size <= 12, `${COUNT - steps.size} repeats of the step from one key to the next`)
  // six standard deviations
  const allowed = 6 * Math.sqrt(COUNT) / 2
  t.strictSame(ones.filter(count => Math.abs(count - COUNT / 2) > allowed), [])
})
