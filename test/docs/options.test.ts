import { readFileSync } from 'node:fs'
import Fastify from 'fastify'
import t from 'tap'
import websocket from '../../lib/index.ts'
import { readPluginOptions } from '../../lib/plugin/options.ts'

const page = readFileSync(new URL('../../../docs/options.md', import.meta.url), 'utf8')
const names = [...page.matchAll(/^\| `(\w+)` \|/gm)].map(([, name]) => name)

t.test('docs/options.md has every option, and no other', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  // The error for an option that does not exist lists those that do.
  const error = await app.register(websocket, { nonsense: 1 } as object).then(() => undefined, (error: Error) => error)
  const [, list = ''] = /only (.*)$/.exec(error?.message ?? '') ?? []
  t.same(names.toSorted(), list.split(', ').toSorted())
})

t.test('docs/options.md has all that is in perMessageDeflate, with its defaults', async (t) => {
  const rows = [...page.matchAll(/^\| `perMessageDeflate\.(\w+)` \| ([\w,]+) \|/gm)].map(([, name, value = '']) => [name, JSON.parse(value.replaceAll(',', ''))])
  t.strictSame(Object.fromEntries(rows), { ...readPluginOptions({ perMessageDeflate: true }).perMessageDeflate })
})
