// Messages for programs, one a line, and for people, whose terminal a server must not write into.
import t from 'tap'
import { escapeControls, paint, Printer, tell, toLine } from '../../lib/cli/printer.ts'
import type { PrinterOptions } from '../../lib/cli/printer.ts'
import { FakeOutput } from '../helpers/cli.ts'

const bytes = new Uint8Array([0, 1, 255])
const rows: ReadonlyArray<{ name: string, message: string | Uint8Array | ArrayBuffer, isTTY?: boolean, options?: PrinterOptions, want: string }> = [
  { name: 'a line', message: 'hello', want: 'hello' },
  { name: 'a line with controls, as it is', message: 'a\x1b[31m\tb', want: 'a\x1b[31m\tb' },
  { name: 'text of several lines is one', message: 'a\nb\r\nc', want: 'a\\nb\\r\\nc' },
  { name: 'JSON of several lines is the same JSON in one', message: '{\n  "a": "x\\ny"\r\n}', want: '{   "a": "x\\ny" }' },
  { name: 'large numbers stay as they are', message: '12345678901234567890', options: { json: true }, want: '12345678901234567890' },
  { name: '--json prints lines for programs', message: '{"a":1}', options: { json: true }, want: '{"a":1}' },
  { name: 'bytes', message: bytes, want: 'AAH/' },
  { name: 'an ArrayBuffer', message: bytes.buffer, want: 'AAH/' },
  { name: 'a timestamp', message: 'a', options: { timestamps: true, now: () => 0 }, want: '1970-01-01T00:00:00.000Z a' },
  { name: 'a terminal', isTTY: true, message: 'a\nb', want: 'a\nb' },
  { name: 'a terminal and controls', isTTY: true, message: 'a\x1b[2J\x07\x9b\r\u202e\u2028', want: 'a\\u001b[2J\\u0007\\u009b\\u000d\\u202e\\u2028' },
  { name: 'a terminal and emoji', isTTY: true, message: '👩‍👩‍👧', want: '👩‍👩‍👧' },
  { name: 'a terminal and JSON', isTTY: true, message: '{"a":[1]}', options: { json: true }, want: '{\n  "a": [\n    1\n  ]\n}' },
  { name: 'a terminal and no JSON', isTTY: true, message: '{a', options: { json: true }, want: '{a' },
  { name: 'a terminal and bytes', isTTY: true, message: bytes, want: '(3 bytes) 00 01 ff' },
  { name: 'a terminal and one byte', isTTY: true, message: new Uint8Array(1), want: '(1 byte) 00' },
  { name: 'a terminal and many bytes', isTTY: true, message: new Uint8Array(65), want: `(65 bytes) ${'00 '.repeat(64)}...` },
  { name: 'marks', isTTY: true, message: 'a', options: { marks: true }, want: '< a' }
]

for (const { name, message, isTTY, options, want } of rows) {
  t.test(name, async (t) => {
    const output = new FakeOutput(isTTY)
    const printer = new Printer(output, options)
    t.equal(printer.format(message), want)
    printer.print(message)
    t.equal(output.text, `${want}\n`)
  })
}

t.test('the other direction', async (t) => {
  t.equal(new Printer(new FakeOutput(true), { marks: true }).format('a', 'out'), '> a')
  t.equal(escapeControls('\u{e0001}'), '\\ue0001')
  t.equal(toLine('"a'), '"a')
})

t.test('what is told of a server does not write into a terminal either', async (t) => {
  const [terminal, file] = [new FakeOutput(true), new FakeOutput()]
  tell(terminal, 'closed: \x1b[2J')
  tell(file, 'closed: \x1b[2J')
  const coloured = Object.assign(new FakeOutput(true), { getColorDepth: () => 8 })
  tell(coloured, 'a')
  tell(coloured, 'b', 'red')
  t.equal(terminal.text, 'ftws: closed: \\u001b[2J\n')
  t.equal(file.text, 'ftws: closed: \x1b[2J\n')
  t.equal(coloured.text, 'ftws: a\n\x1b[31mftws:\x1b[39m b\n')
})

t.test('colours are for who has them', async (t) => {
  const plain = new FakeOutput(true)
  const colourful = Object.assign(new FakeOutput(true), { getColorDepth: () => 8 })
  t.equal(paint(plain, 'red', 'a'), 'a')
  t.equal(paint(colourful, 'red', 'a'), '\x1b[31ma\x1b[39m')
  t.equal(paint(Object.assign(new FakeOutput(false), { getColorDepth: () => 8 }), 'red', 'a'), 'a')
})
