// Contracts in files: which export it is, and what they say of messages.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { listExamples, loadContract } from '../../lib/cli/contract-file.ts'
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
  { name: 'raw.mjs', source: "export const a = { url: '/' }", want: /a has no schema\.websocket\.receive/ },
  { name: 'other.mjs', source: "export const a = { url: '/', schema: { websocket: { receive: { type: 'object' } } } }", want: /not made by @sinclair\/typebox/ },
  { name: 'throws.mjs', source: "throw new Error('oops')", want: /throws\.mjs: oops/ },
  { name: 'imports.mjs', source: "import 'no-such-package'", want: /no-such-package/ }
]
for (const { name, source, want } of rows) {
  t.test(name, async (t) => { await t.rejects(loadContract(write(name, source)), { name: 'UsageFault', message: want }) })
}

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
