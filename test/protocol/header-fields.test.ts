import t from 'tap'
import {
  findQuotedStringEnd, findTokenEnd, hasListMember, isFieldValue, isSameToken, isToken, readFieldLines, readSingle, skipWhitespace,
  splitList, trimWhitespace, unquote
} from '../../lib/protocol/header-fields.ts'

const DELIMITERS = '"(),/:;<=>?@[\\]{}'

t.test('§5.6.2 a token has every visible ASCII character but the delimiters', async t => {
  for (let code = 0; code <= 0x1ff; code++) {
    const char = String.fromCharCode(code)
    const want = code > 0x20 && code < 0x7f && !DELIMITERS.includes(char)
    t.equal(isToken(char), want, `code ${code} alone`)
    t.equal(isToken(`a${char}b`), want, `code ${code} inside`)
  }
  t.equal(isToken(''), false, 'the empty string is none')
})

t.test('§5.6.2 a token ends at the first other character', async t => {
  t.equal(findTokenEnd('abc; d', 0), 3)
  t.equal(findTokenEnd('abc; d', 3), 3, 'none starts here')
  t.equal(findTokenEnd('abc', 1), 3, 'at the end of the text')
  t.equal(findTokenEnd('abc', 3), 3, 'behind it')
})

t.test('§5.5 a field value has neither control characters, tab excepted, nor anything beyond latin1', async t => {
  for (let code = 0; code <= 0x1ff; code++) {
    const want = code === 9 || (code >= 0x20 && code !== 0x7f && code <= 0xff)
    t.equal(isFieldValue(`a${String.fromCharCode(code)}b`), want, `code ${code}`)
  }
  t.equal(isFieldValue(''), true)
})

t.test('§5.6.3 white space is space and tab and nothing else', async t => {
  t.equal(trimWhitespace(' \t a b\t '), 'a b')
  t.equal(trimWhitespace(' \t '), '')
  for (const other of ['\u00a0', '\ufeff', '\v', '\f', '\r', '\n']) t.equal(trimWhitespace(`${other}a${other}`), `${other}a${other}`)
  t.equal(skipWhitespace('a \t b', 1), 4)
  t.equal(skipWhitespace('a', 1), 1)
})

const quotedRows = [
  { name: 'plain', text: '"abc", d', end: 5, content: 'abc' },
  { name: 'empty', text: '""', end: 2, content: '' },
  { name: 'with a comma', text: '"a,b"', end: 5, content: 'a,b' },
  { name: 'with an escaped quote', text: '"a\\"b" c', end: 6, content: 'a"b' },
  { name: 'with an escaped backslash before the end', text: '"a\\\\" b"', end: 5, content: 'a\\' },
  { name: 'with an escape that is not needed', text: '"\\a\\b"', end: 6, content: 'ab' },
  { name: 'not closed', text: '"abc', end: -1, content: '' },
  { name: 'its closing quote escaped', text: '"abc\\"', end: -1, content: '' },
  { name: 'cut behind a backslash', text: '"abc\\', end: -1, content: '' },
  { name: 'a quote alone', text: '"', end: -1, content: '' }
]
for (const { name, text, end, content } of quotedRows) {
  t.test(`§5.6.4 quoted string ${name}`, async t => {
    t.equal(findQuotedStringEnd(text, 0), end)
    t.equal(findQuotedStringEnd(`x=${text}`, 2), end === -1 ? -1 : end + 2, 'further inside')
    if (end !== -1) t.equal(unquote(text.slice(0, end)), content)
  })
}

const listRows: Array<{ name: string, line: string, want: string[] }> = [
  { name: 'one member', line: 'a', want: ['a'] },
  { name: 'white space around members', line: ' a\t,\tb , c ', want: ['a', 'b', 'c'] },
  { name: 'white space inside a member stays', line: 'a b, c', want: ['a b', 'c'] },
  { name: '§5.6.1.2 empty members', line: ',, a, \t,,b,', want: ['a', 'b'] },
  { name: 'nothing', line: '', want: [] },
  { name: 'nothing but commas', line: ' , ,', want: [] },
  { name: 'a comma in a quoted string', line: 'a; x="1,2", b', want: ['a; x="1,2"', 'b'] },
  { name: 'a comma behind an escaped quote', line: 'a; x="\\",", b', want: ['a; x="\\","', 'b'] },
  { name: 'a backslash outside of a quoted string escapes nothing', line: 'a\\", b", c', want: ['a\\", b"', 'c'] },
  { name: 'a quote that nothing closes', line: 'a; x="1, b; y=2, c', want: ['a; x="1', 'b; y=2', 'c'] },
  { name: 'a quote that nothing closes behind one that is closed', line: '"a,b", "c, d', want: ['"a,b"', '"c', 'd'] },
  { name: 'escaped quotes behind a quote that nothing closes', line: '"a, \\"b, \\\\\\"c, d', want: ['"a', '\\"b', '\\\\\\"c', 'd'] }
]
for (const { name, line, want } of listRows) {
  t.test(`§5.6.1 list: ${name}`, async t => {
    t.strictSame(splitList(line), want)
  })
}

t.test('a list has a member in any ASCII case, on any of its lines', async t => {
  t.equal(hasListMember(['keep-alive, UpGrade'], 'upgrade'), true)
  t.equal(hasListMember(['keep-alive', 'Upgrade'], 'upgrade'), true)
  t.equal(hasListMember(['upgraded', 'up grade', 'upgrade/1', '"upgrade"', 'upgrade;q=1'], 'upgrade'), false)
  t.equal(hasListMember(['"a, upgrade, b"'], 'upgrade'), false, 'nor inside quotes')
  t.equal(hasListMember([], 'upgrade'), false)
  t.equal(isSameToken('WEBSOCKET', 'websocket'), true)
  t.equal(isSameToken('websoc\u212aet', 'websocket'), false, 'the Kelvin sign is no K')
})

t.test('the lines of a field are read by its name and stay apart', async t => {
  const raw = ['Host', 'a', 'X-Two', ' 1\t', 'x-two', '2', '__proto__', 'p', 'hOsT', 'b', 'X-One', '']
  t.strictSame(readFieldLines(raw, 'host'), ['a', 'b'])
  t.strictSame(readFieldLines(raw, 'x-two'), ['1', '2'])
  t.strictSame(readFieldLines(raw, '__proto__'), ['p'])
  t.strictSame(readFieldLines(raw, 'x-six'), [], 'of the same length')
  t.strictSame(readFieldLines(['a', 'host'], 'host'), [], 'a value is no name')
  t.strictSame(readFieldLines(['host'], 'host'), [], 'a name without a value')
  t.equal(readSingle(raw, 'x-one'), '')
  t.equal(readSingle(raw, 'host'), undefined, 'twice')
  t.equal(readSingle(raw, 'x-none'), undefined, 'never')
  t.equal(readSingle([], 'constructor'), undefined, 'no field comes from a prototype')
})
