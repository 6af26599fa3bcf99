// Contracts in files: which export it is, and what they say of messages.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { Arguments } from '../../lib/cli/arguments.ts'
import { listExamples, loadContract, loadTopic, readContract } from '../../lib/cli/contract-file.ts'
import { Type } from '@sinclair/typebox'

const folder = mkdtempSync(join(tmpdir(), 'contract-'))
t.teardown(() => rmSync(folder, { recursive: true, force: true }))
const typebox = import.meta.resolve('@sinclair/typebox')

function write (name: string, source: string): string {
  const path = join(folder, name)
  writeFileSync(path, source)
  return path
}

const receive = "Type.Union([Type.Object({ type: Type.Literal('say'), text: Type.String() }), Type.Object({ type: Type.Literal('leave') })])"
const contract = `{ url: '/chat', schema: { websocket: { receive: ${receive} } } }`
const HEAD = `import { Type } from '${typebox}'\n`

t.test('the default export, or the only contract', async (t) => {
  for (const [name, source] of Object.entries({
    'default.mjs': `${HEAD}export const other = { url: '/' }\nexport default ${contract}`,
    'only.mjs': `${HEAD}export const chat = ${contract}\nexport const nothing = null, text = 'url'`
  })) {
    const { check, examples } = await loadContract(write(name, source))
    check('{"type":"say","text":"hi"}')
    t.throws(() => check('{"type":"say"}'), { name: 'UsageFault', message: /^invalid message: message\/text / })
    t.throws(() => check('hi'), { name: 'UsageFault', message: /^invalid message: not JSON: / })
    t.strictSame(examples, ['{"type":"say","text":""}', '{"type":"leave"}'])
  }
})

const rows: ReadonlyArray<{ name: string, source: string, want: RegExp }> = [
  { name: 'none.mjs', source: 'export const a = 1', want: /exports no contract/ },
  { name: 'several.mjs', source: "export const a = { url: '/' }, b = { url: '/' }", want: /several contracts, a, b: make one of them the default/ },
  { name: 'raw.mjs', source: "export const a = { url: '/' }", want: /a has no schema\.websocket\.receive or send/ },
  { name: 'other.mjs', source: "export const a = { url: '/', schema: { websocket: { receive: { type: 'object' } } } }", want: /not made by @sinclair\/typebox/ },
  { name: 'throws.mjs', source: "throw new Error('oops')", want: /throws\.mjs: oops/ },
  { name: 'imports.mjs', source: "import 'no-such-package'", want: /no-such-package/ }
]
for (const { name, source, want } of rows) {
  t.test(name, async (t) => { await t.rejects(loadContract(write(name, source)), { name: 'UsageFault', message: want }) })
}

t.test('what is sent and what comes have schemas of their own', async (t) => {
  const both = await loadContract(write('both.mjs', `${HEAD}export default { url: '/', schema: { websocket: { receive: Type.Number(), send: Type.Object({ text: Type.String() }) } } }`))
  const rows: Array<[message: string | ArrayBuffer, want: RegExp | undefined]> = [
    ['{"text":"hi"}', undefined],
    ['{"type":"ws:ack","id":1}', undefined],
    ['{"text":1}', /^message\/text Expected string/],
    ['1', /^message Expected object/],
    ['null', /^message Expected object/],
    ['hi', /^not JSON: /],
    [new ArrayBuffer(1), /^bytes, and not JSON$/]
  ]
  for (const [message, want = /^fits$/] of rows) t.match(both.judge(message) ?? 'fits', want, String(message))
  both.check('1')
  both.check('{"type":"ws:subscribe","id":1,"topic":"a"}')
  t.throws(() => both.check('{"text":"hi"}'), { name: 'UsageFault' })

  const send = await loadContract(write('send.mjs', `${HEAD}export default { url: '/', websocket: { binary: true }, schema: { websocket: { send: Type.Number() } } }`))
  t.equal(send.judge(new ArrayBuffer(1)), undefined, 'a route with bytes beside the JSON')
  t.match(send.judge('"a"'), /Expected number/)
  send.check('{}')
  t.strictSame(send.examples, [])
  const receive = await loadContract(write('receive.mjs', `${HEAD}export default { url: '/', schema: { websocket: { receive: Type.Number() } } }`))
  t.equal(receive.judge('"a"'), undefined)
  t.equal(receive.judge(new ArrayBuffer(1)), undefined)
})

t.test('topics, by the name that was made or one with parameters', async (t) => {
  const path = write('topics.mjs', `${HEAD}
    export const room = { name: 'room/:room', schema: Type.Object({ text: Type.String() }) }
    export const theLobby = { name: 'room/lobby', schema: Type.Object({ text: Type.Number() }) }
    export const raw = { name: 'raw' }
    export const other = { name: 'other', schema: { type: 'object' } }
    export default { url: '/', name: 'room/a' }`)
  const judge = await loadTopic(path, 'room/a')
  t.equal(judge('{"text":"hi"}'), undefined)
  t.match(judge('{"text":1}'), /^message\/text Expected string/)
  t.match(judge('{"type":"ws:ack"}'), /message\/text/, 'a topic has no messages of the server')
  t.match((await loadTopic(path, 'room/lobby'))('{"text":"hi"}'), /Expected number/)
  for (const [topic, message] of [
    ['room', /no topic for room, only other, raw, room\/:room, room\/lobby/],
    ['room/a/b', /no topic for/],
    ['raw', /raw has no schema/],
    ['other', /the schema of other is not made by @sinclair\/typebox/]
  ] as const) await t.rejects(loadTopic(path, topic), { name: 'UsageFault', message })
  await t.rejects(loadTopic(write('topicless.mjs', "export default { url: '/' }"), 'a'), { name: 'UsageFault', message: /exports no topic/ })
})

t.test('the options', async (t) => {
  const load = async (path: string): Promise<string> => path
  t.equal(await readContract(new Arguments({ contract: 'a', strict: true }, []), load), 'a')
  t.equal(await readContract(new Arguments({}, []), load), undefined)
  await t.rejects(readContract(new Arguments({ strict: true }, []), load), { name: 'UsageFault', message: '--strict needs --contract' })
})

t.test('no file', async (t) => {
  await t.rejects(loadContract(join(folder, 'missing.mjs')), { name: 'UsageFault', message: /cannot be read \(ENOENT\)/ })
})

t.test('TypeScript, where Node reads it or not', async (t) => {
  const path = write('contract.ts', `${HEAD}export const chat = ${contract} as const\nexport type Chat = typeof chat`)
  if ('typescript' in process.features && process.features.typescript !== false) (await loadContract(path)).check('{"type":"leave"}')
  else await t.rejects(loadContract(path), { name: 'UsageFault', message: /reads no TypeScript: take 22\.18 or later/ })
})

t.test('examples have what must be there', async (t) => {
  const schema = Type.Object({
    type: Type.Literal('all'),
    count: Type.Integer(),
    flag: Type.Boolean({ default: true }),
    list: Type.Array(Type.String()),
    inner: Type.Object({ text: Type.Union([Type.String(), Type.Null()]), more: Type.Optional(Type.String()) }),
    any: Type.Any()
  })
  t.strictSame(listExamples(schema), ['{"type":"all","count":0,"flag":true,"list":[],"inner":{"text":""},"any":null}'])
  t.strictSame(listExamples(Type.String()), [])
})
