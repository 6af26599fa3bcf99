import t from 'tap'
import { cutReason, decodeClose, encodeClose } from '../../lib/protocol/close-frame.ts'
import { hex } from '../helpers/hex.ts'

const decoded = [
  { name: '§7.1.5 no payload', bytes: '', want: { code: 1005, reason: '' } },
  { name: '§5.5.1 a code alone', bytes: '03e8', want: { code: 1000, reason: '' } },
  { name: '§5.5.1 a code and a reason', bytes: '0fa0 e282ac', want: { code: 4000, reason: '€' } },
  { name: '§5.5 the longest reason', bytes: `03e8 ${'61'.repeat(123)}`, want: { code: 1000, reason: 'a'.repeat(123) } },
  { name: 'a byte order mark is kept', bytes: '03e8 efbbbf', want: { code: 1000, reason: '\ufeff' } }
]

for (const { name, bytes, want } of decoded) {
  t.test(name, async t => {
    t.strictSame(decodeClose(hex(bytes), 0, hex(bytes).length), want)
    t.strictSame(decodeClose(hex(`ff${bytes}ff`), 1, hex(bytes).length + 1), want, 'wherever it stands')
    t.same(encodeClose(want.code === 1005 ? undefined : want.code, want.reason), hex(bytes), 'and back')
  })
}

const refused = [
  { name: 'T09 §5.5.1 one byte', bytes: '03', want: { code: 'FST_WS_CLOSE_PAYLOAD', closeCode: 1002 } },
  { name: 'T09 §7.4.1 1005', bytes: '03ed', want: { code: 'FST_WS_CLOSE_CODE', closeCode: 1002 } },
  { name: 'T09 §8.1 a reason that is not UTF-8', bytes: '03e8 ff', want: { code: 'FST_WS_INVALID_UTF8', closeCode: 1007 } },
  { name: 'T09 §8.1 a reason that ends inside a character', bytes: '03e8 61e282', want: { code: 'FST_WS_INVALID_UTF8', closeCode: 1007 } },
  { name: 'T09 a wrong code comes before a wrong reason', bytes: '03ee ff', want: { code: 'FST_WS_CLOSE_CODE' } }
]

for (const { name, bytes, want } of refused) {
  t.test(name, async t => {
    t.throws(() => decodeClose(hex(bytes), 0, hex(bytes).length), { name: 'ProtocolError', ...want })
    t.throws(() => decodeClose(hex(`00${bytes}61`), 1, hex(bytes).length + 1), want, 'wherever it stands')
  })
}

function tellsError (act: () => unknown): string {
  try {
    act()
    return 'none'
  } catch (error) {
    return String((error as { code?: unknown }).code) // whatever was thrown: without a code it fails the comparison
  }
}

t.test('T09 §7.4 every code from 0 to 5000, and 65535: legal ones both ways, others neither', async t => {
  const wrong: number[] = []
  for (const code of [...Array.from({ length: 5001 }, (_, n) => n), 65_535]) {
    const isLegal = (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999)
    const bytes = Buffer.of(code >> 8, code & 0xff)
    const read = tellsError(() => decodeClose(bytes, 0, 2))
    const written = tellsError(() => encodeClose(code))
    if (read !== (isLegal ? 'none' : 'FST_WS_CLOSE_CODE') || written !== (isLegal ? 'none' : 'FST_WS_INVALID_CLOSE_CODE')) wrong.push(code)
    if (isLegal && (decodeClose(bytes, 0, 2).code !== code || !encodeClose(code).equals(bytes))) wrong.push(code)
  }
  t.strictSame(wrong, [])
})

// What JavaScript may hand over against the types.
const arguments_: ReadonlyArray<{ name: string, code?: unknown, reason?: unknown, want: string }> = [
  { name: 'T11 nothing', want: '' },
  { name: 'T11 an empty reason is none', reason: '', want: '' },
  { name: 'T11 a reason alone goes with 1000', reason: 'x', want: '03e878' },
  { name: 'T11 a code with an empty reason', code: 1001, reason: '', want: '03e9' },
  { name: 'T11 123 bytes of reason', code: 1000, reason: '€'.repeat(41), want: `03e8${'e282ac'.repeat(41)}` },
  { name: 'T11 124 bytes in 42 characters', code: 1000, reason: `${'€'.repeat(41)}a`, want: 'FST_WS_REASON_TOO_LONG' },
  { name: 'T11 a huge reason', code: 1000, reason: 'a'.repeat(1_000_000), want: 'FST_WS_REASON_TOO_LONG' },
  { name: 'T11 half a surrogate pair goes as the replacement character', code: 1000, reason: '\ud800', want: '03e8efbfbd' },
  ...[null, '1000', 1000n, true, {}, Number.NaN, Infinity, 1000.5, -1000, 66_536, 5000].map(code => (
    { name: `T11 the code ${typeof code} ${String(code)}`, code, want: 'FST_WS_INVALID_CLOSE_CODE' }
  )),
  ...[null, 5, {}, Buffer.from('a'), []].map(reason => ({ name: `T11 a ${typeof reason} as reason`, code: 1000, reason, want: 'FST_WS_INVALID_ARGUMENT' }))
]

for (const { name, code, reason, want } of arguments_) {
  t.test(name, async t => {
    const encode = (): Buffer => encodeClose(code as number | undefined, reason as string | undefined) // the rows break the types on purpose
    if (want.startsWith('FST_')) t.throws(encode, { name: 'UsageError', code: want })
    else t.equal(encode().toString('hex'), want)
  })
}

const texts = [
  { name: 'what fits stays', text: 'a'.repeat(123), want: 'a'.repeat(123) },
  { name: 'ASCII is cut at 123', text: 'a'.repeat(200), want: 'a'.repeat(123) },
  { name: 'two bytes: before the one that would be cut', text: 'é'.repeat(62), want: 'é'.repeat(61) },
  { name: 'three bytes, an end of a character at 123', text: '€'.repeat(42), want: '€'.repeat(41) },
  { name: 'three bytes, cut after one', text: `aa${'€'.repeat(42)}`, want: `aa${'€'.repeat(40)}` },
  { name: 'three bytes, cut after two', text: `a${'€'.repeat(42)}`, want: `a${'€'.repeat(40)}` },
  { name: 'four bytes', text: '😀'.repeat(31), want: '😀'.repeat(30) },
  { name: 'half a surrogate pair is replaced', text: 'a\ud800', want: 'a\ufffd' },
  { name: 'the empty text', text: '', want: '' }
]

for (const { name, text, want } of texts) {
  t.test(`§5.5 a reason is cut: ${name}`, async t => {
    t.equal(cutReason(text), want)
    t.doesNotThrow(() => encodeClose(1000, cutReason(text)))
  })
}
