// What users get: the tarball, installed into an empty project, run by every Node and compiled by every TypeScript that is promised.
import { cpSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from 'esbuild'
import t from 'tap'
import { compile, ROOT } from '../types/compile.ts'
import { bringCompilers, bringNodes, npm, runWell } from './tools.ts'

const HERE = join(ROOT, 'test/package')
const NODES = [20, 22, 24, 26]
/** The oldest, the last ones of their kind, and the one that this package is made with; those between were run when they came out. */
const COMPILERS = ['5.4', '5.9', '6.0', '7.0']

// With an empty cache some 250 MB come from the registry.
t.setTimeout(600_000)

const { version, devDependencies, exports } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
const project = realpathSync(mkdtempSync(join(tmpdir(), 'package-test-')))
t.teardown(() => rmSync(project, { recursive: true, force: true }))

const [nodes, compilers, files] = await Promise.all([bringNodes(NODES), bringCompilers(COMPILERS), install()])

/** Packs, installs and fills the project. Returns the paths in the tarball. */
async function install (): Promise<string[]> {
  const { stdout } = await npm(ROOT, 'pack', '--json', '--pack-destination', project)
  // The build of `prepack` may speak before the JSON does.
  const [packed] = JSON.parse(stdout.slice(stdout.search(/^\[/m)))
  writeFileSync(join(project, 'package.json'), JSON.stringify({ private: true, type: 'module' }))
  const wanted = ['fastify', '@sinclair/typebox'].map(name => `${name}@${devDependencies[name]}`)
  await npm(project, 'install', join(project, packed.filename), ...wanted, '@types/node@20')
  for (const name of ['smoke.mjs', 'import.mjs', 'require.cjs']) cpSync(join(HERE, name), join(project, name))
  return packed.files.map((file: { path: string }) => file.path)
}

t.test('the tarball has what it needs and nothing else', async (t) => {
  for (const entry of Object.values<string | { types: string, default: string }>(exports)) {
    for (const path of typeof entry === 'string' ? [entry] : Object.values(entry)) t.ok(files.includes(path.slice(2)), path)
  }
  for (const path of ['README.md', 'LICENSE', 'CHANGELOG.md', 'package.json']) t.ok(files.includes(path), path)
  t.same(files.filter(path => !/^(dist|docs)\/|^[A-Z]+\.md$|^LICENSE$|^package\.json$/.test(path)), [], 'nothing from outside of dist and docs')
  t.same(files.filter(path => path.startsWith('dist/') && !/\.(js|d\.ts)$/.test(path)), [], 'no sources in dist')
  const installed = join(project, 'node_modules/fastify-typed-websocket')
  const loose = files.filter(path => path.endsWith('.js') && /(from|import) ?\(?['"]\.[^'"]*\.ts['"]/.test(readFileSync(join(installed, path), 'utf8')))
  t.same(loose, [], 'no import of a source')
})

t.test('import and require, with connections', async (t) => {
  const runners = nodes.size > 0 ? nodes : new Map([[`node ${process.version}`, process.execPath]])
  if (nodes.size === 0) t.comment(`npm has no Node for ${process.platform}-${process.arch}: not run on ${NODES.join(', ')}, only on ${process.version}`)

  const answers = ['TEXT', 'bytes', '{"type":"said","text":"hi!"}', 1008]
  for (const [name, node] of runners) {
    const hasWebSocket = JSON.parse((await runWell(node, ['-p', 'typeof WebSocket === "function"'], project)).stdout)
    const seen = { injected: answers, ...(hasWebSocket ? { native: answers } : {}), rest: 'rest', upgradeRequired: 426 }
    const names = ['function', 'function', 'function', true]
    const rows = [
      { script: 'import.mjs', want: { names, direct: seen, promise: seen } },
      { script: 'require.cjs', want: { names, version, direct: seen, namespace: seen } }
    ]
    for (const { script, want } of rows) {
      const { stdout, stderr } = await runWell(node, [script], project)
      t.strictSame(JSON.parse(stdout), want, `${name} ${script}${hasWebSocket ? ', with its own WebSocket' : ''}`)
      t.equal(stderr, '', 'without a warning')
    }
  }
  if (nodes.size > 0) {
    const versions = await Promise.all([...nodes.values()].map(async node => (await runWell(node, ['--version'], project)).stdout.trim()))
    t.same(versions.map(version => Number(/^v(\d+)/.exec(version)?.[1])), NODES, versions.join(', '))
  }
})

// What reads the bytes depends on what a Node has: each of these has the fast ways, and they answer as the portable one.
const probe = `
import { FASTEST } from '${join(ROOT, 'build/lib/protocol/scanners.js')}'
import { shareReads } from '${join(ROOT, 'build/lib/connection/shared-reads.js')}'
import { connect, createServer } from 'node:net'
const server = createServer((socket) => {
  console.log(JSON.stringify({ vectors: FASTEST.wasm !== undefined, sharedReads: shareReads(socket, Buffer.alloc(10), () => {}) }))
  socket.destroy()
  server.close()
}).listen(0, '127.0.0.1', () => connect(server.address().port, '127.0.0.1'))
`

/** What reads the bytes, and the client from end to end. */
const TESTS = ['protocol/frame-scanner', 'protocol/utf8', 'connection/shared-reads', 'connection/lent-payloads', 'connection/deflate/handles', 'client/restarts']
/** All cuts of all messages take long: by the newest alone, beside the Node that runs the suite. */
const LONG_TEST = 'property/cuts'

for (const [name, node] of nodes.size > 0 ? nodes : [[process.version, process.execPath] as const]) {
  t.test(`${name}: the fast ways are there`, async t => {
    const { stdout } = await runWell(node, ['--input-type=module', '-e', probe], ROOT)
    t.strictSame(JSON.parse(stdout), { vectors: true, sharedReads: true })
  })
  for (const test of name === [...nodes.keys()].at(-1) ? [...TESTS, LONG_TEST] : TESTS) {
    t.test(`${name}: test/${test}.test.ts`, async t => {
      const { stdout } = await runWell(node, [join(ROOT, `build/test/${test}.test.js`)], ROOT)
      t.match(stdout, /^1\.\.[1-9]\d*$/m, 'it has run')
    })
  }
}

t.test('the client: Node and a bundle for browsers take each its half', async (t) => {
  const program = "import { connect } from 'fastify-typed-websocket/client'; console.log(typeof connect, import.meta.resolve('fastify-typed-websocket/client').split('/').pop())"
  writeFileSync(join(project, 'client.mjs'), program)
  const runners = nodes.size > 0 ? [...nodes.values()] : [process.execPath]
  for (const node of runners) t.equal((await runWell(node, ['client.mjs'], project)).stdout, 'function node.js\n')
  const { metafile } = await build({ stdin: { contents: program, resolveDir: project }, bundle: true, format: 'esm', platform: 'browser', metafile: true, write: false })
  t.same(Object.keys(metafile.inputs).filter((path) => !/dist\/lib\/(client\/|topic\.js$)|^<stdin>$/.test(path)), [])
  t.ok(Object.keys(metafile.inputs).some((path) => path.endsWith('client/browser.js')))
})

t.test('the command line', async (t) => {
  const { stdout } = await runWell('npx', ['--no-install', 'ftws', '--version'], project)
  t.equal(stdout, `${version}\n`)
  for (const [name, node] of nodes) {
    const { stdout } = await runWell(node, [join(project, 'node_modules/.bin/ftws'), 'bench', '--help'], project)
    t.match(stdout, /^Usage: ftws bench/, name)
  }
})

t.test('types', async (t) => {
  const STRICT = { target: 'es2022', lib: ['es2023'], types: ['node'], strict: true, exactOptionalPropertyTypes: true }
  // The declaration files of all packages are checked too: skipLibCheck is off.
  const modules = {
    nodenext: { ...STRICT, module: 'nodenext', moduleResolution: 'nodenext' },
    bundler: { ...STRICT, module: 'esnext', moduleResolution: 'bundler' }
  }
  const listing = readFileSync(join(HERE, 'listing.ts'), 'utf8')
    .replaceAll("'../../lib/index.ts'", "'fastify-typed-websocket'")
    .replaceAll("'../../lib/contract.ts'", "'fastify-typed-websocket/contract'")
    .replaceAll("'../../lib/client/node.ts'", "'fastify-typed-websocket/client'")
    .replaceAll("'../../lib/client/typebox.ts'", "'fastify-typed-websocket/client/typebox'")
  const expectations = listing.match(/@ts-expect-error/g)?.length ?? 0
  // Declares `connection.data` for the whole program, as users do.
  const data = `
    import type { WebSocketConnection } from 'fastify-typed-websocket'
    declare module 'fastify-typed-websocket' { interface WebSocketConnectionData { nick?: string } }
    export function nickOf (connection: WebSocketConnection): string | undefined { return connection.data.nick }
  `
  const write = (name: string, sources: Record<string, string>, compilerOptions: object): string => {
    const folder = join(project, 'types', name)
    mkdirSync(folder, { recursive: true })
    for (const [file, text] of Object.entries(sources)) writeFileSync(join(folder, file), text)
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: Object.keys(sources) }))
    return folder
  }
  const projects = Object.entries(modules).map(([name, options]) => write(name, { 'listing.ts': listing, 'data.ts': data }, options))

  for (const [name, compiler] of compilers) {
    // Both settings at the oldest and the newest; between them the one that Node has.
    const last = COMPILERS.length - 1
    const wanted = name.endsWith(COMPILERS[0] ?? '') || name.endsWith(COMPILERS[last] ?? '') ? projects : projects.slice(0, 1)
    for (const folder of wanted) {
      const { errors, output } = await compile(folder, compiler)
      t.same(errors, [], `${name} ${folder.slice(project.length)}${errors.length > 0 ? `\n${output}` : ''}`)
    }
  }

  await t.test('the listing can fail', async (t) => {
    const folder = write('loose', { 'listing.ts': listing.replaceAll('@ts-expect-error', '') }, modules.nodenext)
    const { errors } = await compile(folder, compilers.get('typescript-7.0'))
    t.equal(errors.length, expectations)
  })

  await t.test('a contract and a client need neither Fastify nor Node', async (t) => {
    const contract = `
      import { connect } from 'fastify-typed-websocket/client'
      import { typebox } from 'fastify-typed-websocket/client/typebox'
      import { defineTopic, defineWebSocket, type ClientSends } from 'fastify-typed-websocket/contract'
      import { Type } from '@sinclair/typebox'
      const chat = defineWebSocket({ url: '/', schema: { websocket: { receive: Type.Object({ a: Type.Number() }) } } })
      export const message: ClientSends<typeof chat> = { a: 1 }
      export const socket = connect(chat, { validate: typebox(), webSocket: WebSocket })
      socket.send(message)
      await socket.subscribe(defineTopic({ name: 'room/:room' }), { room: 'a' })
    `
    const folder = write('browser', { 'contract.ts': contract }, { ...modules.bundler, lib: ['es2023', 'dom'], types: [] })
    const { errors, output } = await compile(folder, compilers.get('typescript-7.0'), '--listFiles')
    t.same(errors, [])
    t.same(output.split('\n').filter(line => /node_modules\/(@types\/node|fastify)\//.test(line)), [])
  })
})
