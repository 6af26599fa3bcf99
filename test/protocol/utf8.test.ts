import { isUtf8 } from 'node:buffer'
import t from 'tap'
import { decodeText, Utf8Validator } from '../../lib/protocol/utf8.ts'
import { findImpossibleByte } from '../conformance/utf8-reference.ts'
import { hex } from '../helpers/hex.ts'
import { canBecomeText } from '../helpers/plain-reader.ts'

const INVALID = { name: 'ProtocolError', code: 'FST_WS_INVALID_UTF8', closeCode: 1007 }

/** `fails` is the index of the first impossible byte, and the length where the text is merely cut off. */
const rows = [
  { name: 'the empty text', bytes: '' },
  { name: 'ASCII, NUL and DEL included', bytes: '00 41 7f' },
  { name: 'the first and last character of two bytes', bytes: 'c280 dfbf' },
  { name: 'the first and last of three', bytes: 'e0a080 efbfbf' },
  { name: 'the first and last of four', bytes: 'f0908080 f48fbfbf' },
  { name: 'around the surrogates', bytes: 'ed9fbf ee8080' },
  { name: 'a byte order mark is kept', bytes: 'efbbbf 41' },
  { name: 'the replacement character itself', bytes: 'efbfbd' },
  { name: 'a continuation byte alone', bytes: '41 80', fails: 1 },
  { name: 'RFC 3629 §3 overlong in two bytes', bytes: 'c0af', fails: 0 },
  { name: 'overlong in two bytes, c1', bytes: 'c1bf', fails: 0 },
  { name: 'overlong in three bytes', bytes: 'e09fbf', fails: 1 },
  { name: 'overlong in four bytes', bytes: 'f08fbfbf', fails: 1 },
  { name: 'a high surrogate', bytes: 'eda080', fails: 1 },
  { name: 'a low surrogate', bytes: 'edbfbf', fails: 1 },
  { name: 'beyond U+10FFFF', bytes: 'f4908080', fails: 1 },
  { name: 'f5 to ff', bytes: 'f5', fails: 0 },
  { name: 'ff', bytes: '4141 ff', fails: 2 },
  { name: 'a character of three bytes broken off by another', bytes: 'e282 41', fails: 2 },
  { name: 'a character of four bytes broken off by its like', bytes: 'f09f98 f0', fails: 3 },
  { name: 'cut in two bytes', bytes: '41 c3', fails: 2 },
  { name: 'cut in three bytes', bytes: 'e282', fails: 2 },
  { name: 'cut in four bytes', bytes: 'f09f98', fails: 3 },
  { name: 'RFC 6455 §8.1 a replacement character beside a wrong byte', bytes: 'efbfbd ff', fails: 3 }
]

/** Pushes pieces and tells which byte, counted over all, was refused when pushed one by one; the length when the end was. */
function judgeByBytes (bytes: Buffer): number | undefined {
  const validator = new Utf8Validator()
  for (const at of bytes.keys()) {
    if (fails(() => validator.push(bytes, at, at + 1))) return at
  }
  return fails(() => validator.end()) ? bytes.length : undefined
}

function judgeByPieces (pieces: readonly Buffer[]): boolean {
  const validator = new Utf8Validator()
  return !fails(() => {
    for (const piece of pieces) validator.push(piece, 0, piece.length)
    validator.end()
  })
}

function fails (act: () => void): boolean {
  try {
    act()
    return false
  } catch (error) {
    if ((error as Error & { code?: string }).code === INVALID.code) return true // whatever was thrown, the next line hands it on
    throw error
  }
}

for (const { name, bytes: digits, fails: want } of rows) {
  t.test(`§8.1 ${name}`, async t => {
    const bytes = hex(digits)
    const isRight = want === undefined
    t.equal(findImpossibleByte(bytes) !== undefined, !isRight, 'the row itself')
    // in front of it, text that makes the validator judge in bulk
    for (const before of ['', 'a'.repeat(40), '€'.repeat(20), 'é'.repeat(11) + 'a']) {
      const lead = Buffer.from(before)
      const whole = Buffer.concat([lead, bytes])
      t.equal(judgeByBytes(whole), isRight ? undefined : lead.length + want, 'byte for byte')
      for (let cut = 0; cut <= whole.length; cut++) {
        t.equal(judgeByPieces([whole.subarray(0, cut), whole.subarray(cut)]), isRight, `cut at ${cut}`)
        t.equal(judgeByPieces([whole.subarray(0, cut), whole.subarray(cut), Buffer.from('.'.repeat(40))]), isRight && isUtf8(bytes), 'more behind it')
      }
      if (isRight) t.equal(decodeText(whole, 0, whole.length, false), before + new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes))
      else t.throws(() => decodeText(whole, 0, whole.length, false), INVALID)
    }
  })
}

t.test('decodeText takes its part of the bytes alone', async t => {
  t.equal(decodeText(Buffer.from('ÿ€x'), 2, 5, false), '€')
  t.equal(decodeText(hex('ff 4142 ff'), 1, 3, true), 'AB')
  t.equal(decodeText(hex('ff efbfbd ff'), 1, 4, false), '\ufffd')
})

t.test('a validator can be used again', async t => {
  const validator = new Utf8Validator()
  validator.push(hex('f4'), 0, 1)
  t.equal(validator.complete, false)
  t.throws(() => validator.end(), INVALID)
  validator.reset()
  t.equal(validator.complete, true)
  validator.end()
  validator.push(hex('c3bf'), 0, 2)
  t.equal(validator.complete, true, 'and not by the range of the character before')
})

t.test('§8.1 every sequence of one, two or three bytes fails where no text can begin so any more', async t => {
  const wrong: string[] = []
  let count = 0
  // by trial; what begins right is tried with every next byte
  const walk = (prefix: readonly number[]): void => {
    for (let byte = 0; byte <= 0xff; byte++) {
      // one of the middle of each range says enough about its neighbours in the second and third place
      if (prefix.length === 2 && byte % 8 > 1 && byte % 8 < 7) continue
      const bytes = Buffer.from([...prefix, byte])
      const canGoOn = canBecomeText(bytes)
      const got = judgeByBytes(bytes)
      const want = isUtf8(bytes) ? undefined : canGoOn ? bytes.length : prefix.length
      if (got !== want) wrong.push(`${bytes.toString('hex')}: ${got}, not ${want}`)
      count++
      if (want === bytes.length && prefix.length < 2) walk(bytes.toJSON().data)
    }
  }
  walk([])
  t.strictSame(wrong, [])
  t.ok(count > 100_000, `${count} sequences`)
})
