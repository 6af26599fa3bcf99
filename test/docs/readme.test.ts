// Runs the examples of README.md and docs/*.md as they stand, against this build.
import { once } from 'node:events'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { ROOT, run } from '../types/compile.ts'

const folder = `${ROOT}/build/docs-examples/`

interface Example {
  /** Page and number, for the test's name. */
  readonly name: string
  readonly code: string
}

function readExamples (page: string): Example[] {
  const text = readFileSync(`${ROOT}/${page}`, 'utf8')
  return [...text.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(([, code = ''], index) => ({ name: `${page.replaceAll(/\W/g, '-')}-${index + 1}`, code }))
}

const pages = ['README.md', ...readdirSync(`${ROOT}/docs`).filter((name) => name.endsWith('.md')).map((name) => `docs/${name}`)]
const examples = pages.flatMap(readExamples)

/** As a user has it, but for the package's name, the port, and the app, which the test needs. */
function adapt (code: string): string {
  const local = code
    .replaceAll("'fastify-typed-websocket'", "'../../lib/index.ts'")
    .replaceAll("'fastify-typed-websocket/client'", "'../../lib/client/node.ts'")
    .replaceAll("'fastify-typed-websocket/contract'", "'../../lib/contract.ts'")
    .replaceAll('port: 3000', "port: 0, host: '127.0.0.1'")
    .replaceAll('logger: true', 'logger: false')
  return `${local}\nexport { app }\n`
}

rmSync(folder, { recursive: true, force: true })
mkdirSync(folder, { recursive: true })
for (const { name, code } of examples) writeFileSync(`${folder}${name}.ts`, adapt(code))
writeFileSync(`${folder}tsconfig.json`, JSON.stringify({
  extends: '../../tsconfig.json',
  compilerOptions: { rootDir: '../..', outDir: './out', typeRoots: ['../../node_modules/@types'] },
  include: ['./*.ts']
}))
const compiled = await run(process.execPath, [`${ROOT}/node_modules/typescript/bin/tsc`, '-p', folder], ROOT)
t.equal(compiled.exitCode, 0, compiled.stdout)

/** What a client sees of an example that serves. */
const conversations: Readonly<Record<string, { path: string, send: string, expect: string | RegExp }>> = {
  'README-md-1': { path: '/echo', send: '{"type":"said","text":"hi"}', expect: '{"type":"said","text":"HI"}' },
  'README-md-2': { path: '/chat/a?nick=bo', send: '{"type":"chat","text":"hi"}', expect: '{"type":"said","nick":"bo","text":"hi"}' },
  'README-md-3': { path: '/sum', send: '4', expect: '4' },
  'docs-compression-md-1': { path: '/prices', send: 'ignored', expect: /^\[\{"id":0,"price":100\}/ },
  'docs-control-md-1': { path: '/sums', send: '{"type":"ws:request","id":1,"method":"add","payload":{"a":1,"b":2}}', expect: '{"type":"ws:reply","id":1,"payload":3}' },
  'docs-control-md-2': { path: '/rooms', send: '{"type":"ws:subscribe","id":1,"topic":"room/staff"}', expect: /"id":1,"error":\{"code":"FST_WS_TOPIC_FORBIDDEN"/ },
  'docs-connection-md-1': { path: '/late', send: 'early', expect: 'early' },
  'docs-connection-md-2': { path: '/relay', send: 'hi', expect: 'hi' },
  'docs-connection-md-3': { path: '/prices', send: 'ignored', expect: /^\{"price":0\.\d+\}$/ },
  'docs-messages-md-1': { path: '/strict', send: '{"type":"add","value":"1"}', expect: '{"type":"error","text":"message/value Expected number"}' },
  'docs-contract-md-1': { path: '/chat/lobby', send: '{"type":"say","text":"hi"}', expect: '{"type":"said","room":"lobby","text":"hi"}' },
  'docs-observability-md-1': { path: '/echo', send: 'hi', expect: 'hi' },
  'docs-observability-md-2': { path: '/rooms/a', send: 'hi', expect: 'hi' },
  'docs-security-md-1': { path: '/echo', send: 'hi', expect: 'hi' },
  'docs-server-md-1': { path: '/rooms/a', send: '{"type":"say","text":"hi"}', expect: '{"type":"said","text":"hi"}' },
  'docs-server-md-2': { path: '/total', send: '{"add":2}', expect: '{"total":2}' },
  'docs-topics-md-1': { path: '/rooms/a?nick=bo', send: '{"type":"say","text":"hi"}', expect: '{"type":"said","from":"bo","text":"hi"}' },
  'docs-server-md-5': { path: '/echo', send: 'hi', expect: 'hi' }
}

/** Examples that are over when they have run: they check themselves. */
const complete = ['README-md-4', 'docs-client-md-1', 'docs-authentication-md-1', 'docs-authentication-md-2', 'docs-authentication-md-3', 'docs-server-md-3', 'docs-server-md-4', 'docs-topics-md-2']

t.same(examples.map(({ name }) => name).toSorted(), [...Object.keys(conversations), ...complete].toSorted(), 'every example is run')

for (const { name } of examples) {
  t.test(name, async (t) => {
    const { app } = await import(pathToFileURL(`${folder}out/build/docs-examples/${name}.js`).href) as { app: FastifyInstance }
    t.teardown(() => app.close())
    const conversation = conversations[name]
    if (conversation === undefined) return
    const client = await app.injectWS(conversation.path, { headers: { authorization: 'Bearer token' } })
    const answer = once(client, 'message')
    client.send(conversation.send)
    const { expect } = conversation
    const [text] = await answer
    if (typeof expect === 'string') t.equal(text, expect)
    else t.match(text, expect)
  })
}
