// What Tab makes of a line.
import t from 'tap'
import { complete } from '../../lib/cli/completion.ts'

const SAY = '{"type":"say","text":""}'
const SING = '{"type":"sing","text":""}'
const LEAVE = '{"type":"leave"}'
const all = [SAY, SING, LEAVE, '{"text":""}']

const rows: ReadonlyArray<{ line: string, want: [string[], string] }> = [
  { line: '', want: [all, ''] },
  { line: '  ', want: [all, ''] },
  { line: '{"ty', want: [[SAY, SING, LEAVE], '{"ty'] },
  { line: ' {"type":"l', want: [[LEAVE], '{"type":"l'] },
  { line: 'l', want: [[LEAVE], 'l'] },
  { line: '"s', want: [[SAY, SING], '"s'] },
  { line: '{ "type" : "si', want: [[SING], '{ "type" : "si'] },
  { line: 'x', want: [[], 'x'] },
  { line: '{"type":"say","text":"h', want: [[], '{"type":"say","text":"h'] }
]
for (const { line, want } of rows) t.test(JSON.stringify(line), async (t) => { t.strictSame(complete(line, all), want) })
