// The house as it was drawn: which layer may import which, and a test file for every module.
import { readdirSync, readFileSync } from 'node:fs'
import t from 'tap'

interface Rule {
  /** Layers that it may import from, besides itself. */
  readonly layers: readonly string[]
  /** Layers of which it may import types alone; everybody may those of types/. */
  readonly typesOf?: readonly string[]
  /** Packages, and with a colon at the end whole schemes. */
  readonly packages: readonly string[]
  readonly typesOfPackages?: readonly string[]
}

/** `protocol <- connection <- hub <- plugin`, `connection <- client <- cli`; validation serves plugin and client. */
const RULES: Readonly<Record<string, Rule>> = {
  protocol: { layers: [], packages: ['node:buffer', 'node:crypto'] },
  connection: { layers: ['protocol'], packages: ['node:'] },
  hub: { layers: ['connection', 'protocol', 'topic'], packages: ['node:'] },
  validation: { layers: ['protocol'], typesOf: ['connection'], packages: ['node:', '@sinclair/typebox', 'secure-json-parse'] },
  client: { layers: ['connection', 'protocol', 'validation', 'contract', 'topic'], packages: ['node:', '@sinclair/typebox'] },
  // contractFile: whatever --contract names
  cli: { layers: ['client', 'connection', 'protocol'], typesOf: ['contract'], packages: ['node:', 'contractFile'] },
  plugin: { layers: ['hub', 'connection', 'protocol', 'validation', 'topic'], packages: ['node:', 'fastify', 'fastify-plugin', '@fastify/error'] },
  // the entry points: names alone, and what a browser can load too
  index: { layers: ['plugin', 'hub', 'connection', 'protocol', 'contract'], packages: [] },
  contract: { layers: ['topic'], packages: [] },
  topic: { layers: [], typesOf: ['contract'], packages: [] },
  types: { layers: [], packages: [], typesOfPackages: ['node:', 'fastify', '@sinclair/typebox'] }
}

interface Import {
  readonly specifier: string
  readonly isType: boolean
}

function readImports (path: string, source: string): Import[] {
  const code = source.replaceAll(/\/\*[^]*?\*\/|(?<=^|\s)\/\/.*$/gm, '')
  const statements = /^[ \t]*(?:import|export)\s+(type\s+)?(?:(?:[\w$]+\s*,?\s*)?(?:\{[^}]*\}|\*(?:\s+as\s+[\w$]+)?)?\s*from\s+)?['"]([^'"]+)['"]/gm
  const imports: Import[] = []
  for (const [, type, specifier = ''] of code.matchAll(statements)) imports.push({ specifier, isType: type !== undefined })
  // in types/ it is the type of a module, elsewhere the module itself; what cannot be read is refused below
  for (const [, specifier = ''] of code.matchAll(/\bimport\s*\(\s*['"]?([^'")]*)/g)) imports.push({ specifier, isType: path.startsWith('types/') })
  for (const [, specifier = ''] of code.matchAll(/\b(?:require|createRequire)\s*\(\s*['"]?([^'")]*)/g)) imports.push({ specifier: `require ${specifier}`, isType: false })
  return imports
}

/** The layer of a file: its folder in lib/, an entry point's name, or types. */
function layerOf (path: string): string {
  const [top, second = ''] = path.split('/')
  if (top !== 'lib') return top ?? ''
  return second.replace(/\.ts$/, '')
}

function packageOf (specifier: string): string {
  return specifier.split('/').slice(0, specifier.startsWith('@') ? 2 : 1).join('/')
}

/** Tells what is wrong with an import, or nothing. */
function judge (path: string, { specifier, isType }: Import): string | undefined {
  const from = layerOf(path)
  const rule = RULES[from]
  if (rule === undefined) return `${path}: no such layer`
  if (!specifier.startsWith('.')) {
    const isAllowed = (names: readonly string[]): boolean => names.some(name => name.endsWith(':') ? specifier.startsWith(name) : name === specifier || name === packageOf(specifier))
    if (isAllowed(rule.packages) || (isType && isAllowed(rule.typesOfPackages ?? []))) return undefined
    return `${path}: ${from} may not import ${specifier}${isType ? '' : ' at run time'}`
  }
  const target = new URL(specifier, `file:///${path}`).pathname.slice(1)
  const to = layerOf(target)
  if (!target.endsWith('.ts')) return `${path}: ${specifier} has no extension .ts`
  if (to === 'types') return isType ? undefined : `${path}: types/ is imported at run time`
  if (from === 'types') return `${path}: types/ may not import ${target}`
  if (to === from || rule.layers.includes(to) || (isType && rule.typesOf?.includes(to))) return undefined
  return `${path}: ${from} may not import ${target}${isType ? '' : ' at run time'}`
}

/** What a browser may load: the client's half that knows no platform, and what describes topics. */
const FOR_BROWSERS = /^lib\/(client\/|topic\.ts$)/

/** Lists what of the modules that an entry loads at run time a browser cannot, or should not have to. */
function findForeign (entry: string, modules: ReadonlyMap<string, string>): string[] {
  const faults: string[] = []
  const seen = new Set([entry])
  // A set goes on with what is added meanwhile.
  for (const path of seen) {
    const source = modules.get(path) ?? ''
    if (!FOR_BROWSERS.test(path)) faults.push(`${path}: not for a browser`)
    if (/\b(Buffer|process|require|__dirname)\b/.test(source.replaceAll(/\/\*[^]*?\*\/|(?<=^|\s)\/\/.*$/gm, ''))) faults.push(`${path}: names what only Node has`)
    for (const { specifier, isType } of readImports(path, source)) {
      if (isType) continue
      if (specifier.startsWith('.')) seen.add(new URL(specifier, `file:///${path}`).pathname.slice(1))
      else faults.push(`${path}: imports ${specifier}`)
    }
  }
  return faults
}

/** True for a module that leaves nothing to run: there is nothing to test either. */
function isTypesAlone (source: string): boolean {
  return !/^export (?!type\b|interface\b|declare\b)/m.test(source)
}

/** Lists what is wrong with the modules of lib/ and types/, given all paths under test/. */
function findFaults (modules: ReadonlyMap<string, string>, tests: ReadonlySet<string>): string[] {
  const faults: string[] = []
  for (const [path, source] of modules) {
    for (const found of readImports(path, source)) {
      const fault = judge(path, found)
      if (fault !== undefined) faults.push(fault)
    }
    if (!path.startsWith('lib/') || path.endsWith('/index.ts') || isTypesAlone(source)) continue
    const test = path.replace(/^lib/, 'test').replace(/\.ts$/, '.test.ts')
    if (!tests.has(test)) faults.push(`${path}: no ${test}`)
  }
  return faults
}

const rows: ReadonlyArray<{ name: string, path?: string, source: string, want?: string }> = [
  { name: 'protocol keeps to itself', source: "import { a } from './b.ts'\nimport { isUtf8 } from 'node:buffer'\nimport { randomFillSync } from 'node:crypto'\nexport const x = 1" },
  { name: 'protocol imports a layer above', source: "import { Connection } from '../connection/connection.ts'", want: 'protocol may not import lib/connection/connection.ts at run time' },
  { name: 'protocol imports a type of a layer above', source: "import type { Connection } from '../connection/connection.ts'", want: 'protocol may not import lib/connection/connection.ts' },
  { name: 'protocol imports a socket', source: "import { Socket } from 'node:net'", want: 'protocol may not import node:net at run time' },
  { name: 'protocol imports zlib, over several lines', source: "import {\n  createInflateRaw,\n  createDeflateRaw\n} from 'node:zlib'", want: 'protocol may not import node:zlib at run time' },
  { name: 'protocol imports a type of fastify', source: "import type { FastifyInstance } from 'fastify'", want: 'protocol may not import fastify' },
  { name: 'protocol names node\'s buffer without its scheme', source: "import { Buffer } from 'buffer'", want: 'protocol may not import buffer at run time' },
  { name: 'protocol imports a module for its effects', source: "import 'node:net'", want: 'protocol may not import node:net at run time' },
  { name: 'protocol imports late', source: "const net = await import('node:net')", want: 'protocol may not import node:net at run time' },
  { name: 'protocol imports what only runs will tell', source: 'const net = await import(name)', want: 'protocol may not import name at run time' },
  { name: 'protocol requires', source: "const net = require('node:net')", want: 'protocol may not import require node:net at run time' },
  { name: 'protocol exports a name of a layer above', source: "export { Hub } from '../hub/hub.ts'", want: 'protocol may not import lib/hub/hub.ts at run time' },
  { name: 'protocol exports all of a layer above', source: "export * as hub from '../hub/hub.ts'", want: 'protocol may not import lib/hub/hub.ts at run time' },
  { name: 'protocol imports from a test', source: "import { hex } from '../../test/helpers/hex.ts'", want: 'protocol may not import test/helpers/hex.ts at run time' },
  { name: 'an import behind another export is seen', source: "export const x = 1\nimport { Socket } from 'node:net'", want: 'protocol may not import node:net at run time' },
  { name: 'an import in a comment is none', source: "// import { Socket } from 'node:net'\n/*\nimport { Socket } from 'node:net'\n*/\nexport const x = 1" },
  { name: 'a path without its extension', source: "import { a } from './b'", want: './b has no extension .ts' },
  { name: 'types are for everybody', source: "import type { WebSocketHub } from '../../types/index.ts'" },
  { name: 'types are imported as types', source: "import { WebSocketHub } from '../../types/index.ts'", want: 'types/ is imported at run time' },
  { name: 'connection imports protocol and node', path: 'lib/connection/a.ts', source: "import { Protocol } from '../protocol/protocol.ts'\nimport { Socket } from 'node:net'" },
  { name: 'connection imports hub', path: 'lib/connection/a.ts', source: "import type { Hub } from '../hub/hub.ts'", want: 'connection may not import lib/hub/hub.ts' },
  { name: 'connection imports validation', path: 'lib/connection/a.ts', source: "import { compile } from '../validation/compile.ts'", want: 'connection may not import lib/validation/compile.ts at run time' },
  { name: 'hub imports plugin', path: 'lib/hub/a.ts', source: "import { plugin } from '../plugin/plugin.ts'", want: 'hub may not import lib/plugin/plugin.ts at run time' },
  { name: 'hub imports fastify', path: 'lib/hub/a.ts', source: "import type { FastifyInstance } from 'fastify'", want: 'hub may not import fastify' },
  { name: 'validation imports a type of connection', path: 'lib/validation/a.ts', source: "import type { MessageCodec } from '../connection/codec.ts'\nimport { Kind } from '@sinclair/typebox'\nimport { TypeCompiler } from '@sinclair/typebox/compiler'" },
  { name: 'validation imports connection', path: 'lib/validation/a.ts', source: "import { Connection } from '../connection/connection.ts'", want: 'validation may not import lib/connection/connection.ts at run time' },
  { name: 'validation imports plugin', path: 'lib/validation/a.ts', source: "import { plugin } from '../plugin/plugin.ts'", want: 'validation may not import lib/plugin/plugin.ts at run time' },
  { name: 'client imports validation and a contract', path: 'lib/client/a.ts', source: "import { compile } from '../validation/compile.ts'\nimport { defineWebSocket } from '../contract.ts'" },
  { name: 'client imports plugin', path: 'lib/client/a.ts', source: "import { plugin } from '../plugin/plugin.ts'", want: 'client may not import lib/plugin/plugin.ts at run time' },
  { name: 'cli imports client', path: 'lib/cli/a.ts', source: "import { connect } from '../client/client.ts'" },
  { name: 'cli imports what its user names, and the type of a contract', path: 'lib/cli/a.ts', source: "import type { WebSocketContract } from '../contract.ts'\nconst module = await import(contractFile)" },
  { name: 'cli imports plugin', path: 'lib/cli/a.ts', source: "import { plugin } from '../plugin/plugin.ts'", want: 'cli may not import lib/plugin/plugin.ts at run time' },
  { name: 'cli imports fastify', path: 'lib/cli/a.ts', source: "import { fastify } from 'fastify'", want: 'cli may not import fastify at run time' },
  { name: 'client imports cli', path: 'lib/client/a.ts', source: "import { main } from '../cli/main.ts'", want: 'client may not import lib/cli/main.ts at run time' },
  { name: 'plugin imports fastify and all below', path: 'lib/plugin/a.ts', source: "import fp from 'fastify-plugin'\nimport type { FastifyInstance } from 'fastify'\nimport { Hub } from '../hub/hub.ts'" },
  { name: 'plugin imports another package', path: 'lib/plugin/a.ts', source: "import { WebSocketServer } from 'ws'", want: 'plugin may not import ws at run time' },
  { name: 'a contract imports at run time', path: 'lib/contract.ts', source: "import { Protocol } from './protocol/protocol.ts'", want: 'contract may not import lib/protocol/protocol.ts at run time' },
  { name: 'types import fastify\'s', path: 'types/a.ts', source: "import type { FastifyInstance } from 'fastify'\nexport type * from './b.ts'" },
  { name: 'types import fastify itself', path: 'types/a.ts', source: "import { fastify } from 'fastify'", want: 'types may not import fastify at run time' },
  { name: 'types import lib', path: 'types/a.ts', source: "import type { Connection } from '../lib/connection/connection.ts'", want: 'types/ may not import lib/connection/connection.ts' },
  { name: 'a new folder', path: 'lib/utils/a.ts', source: "import { a } from './b.ts'", want: 'no such layer' },
  { name: 'a module without a test', path: 'lib/hub/untested.ts', source: 'export const x = 1', want: 'no test/hub/untested.test.ts' },
  { name: 'an index needs none', path: 'lib/protocol/index.ts', source: "export { x } from './b.ts'" },
  { name: 'types alone need none', path: 'lib/hub/untested.ts', source: "import type { A } from './b.ts'\nexport type B = A\nexport interface C {}" },
  { name: 'a class beside types needs one', path: 'lib/hub/untested.ts', source: 'export type B = 1\nexport class C {}', want: 'no test/hub/untested.test.ts' }
]

t.test('the rules are seen to fail', async t => {
  for (const { name, path = 'lib/protocol/a.ts', source, want } of rows) {
    const tests = path.includes('untested') ? [] : [path.replace(/^lib/, 'test').replace(/\.ts$/, '.test.ts')]
    t.strictSame(findFaults(new Map([[path, source]]), new Set(tests)), want === undefined ? [] : [`${path}: ${want}`], name)
  }
})

t.test('what a browser loads is seen to fail', async t => {
  const entry = 'lib/client/browser.ts'
  const rows: ReadonlyArray<{ name: string, source: string, other?: string, want: string[] }> = [
    { name: 'its own kind', source: "import { a } from './a.ts'\nimport type { Socket } from 'node:net'\n// process", want: [] },
    { name: 'a module of Node behind another', source: "import { a } from './a.ts'", other: "export { Socket } from 'node:net'", want: ['lib/client/a.ts: imports node:net'] },
    { name: 'a package', source: "import { Type } from '@sinclair/typebox'", want: [`${entry}: imports @sinclair/typebox`] },
    { name: 'the engine', source: "import { Connection } from '../connection/connection.ts'", want: ['lib/connection/connection.ts: not for a browser'] },
    { name: 'a global of Node', source: 'const empty = Buffer.alloc(0)', want: [`${entry}: names what only Node has`] }
  ]
  for (const { name, source, other = '', want } of rows) t.strictSame(findForeign(entry, new Map([[entry, source], ['lib/client/a.ts', other]])), want, name)
})

t.test('the house stands as it was drawn', async t => {
  const root = new URL('../../', import.meta.url)
  const list = (folder: string): string[] => readdirSync(new URL(folder, root), { recursive: true, encoding: 'utf8' })
    .filter(name => name.endsWith('.ts')).map(name => `${folder}/${name.replaceAll('\\', '/')}`)
  const modules = new Map([...list('lib'), ...list('types')].map(path => [path, readFileSync(new URL(path, root), 'utf8')] as const))
  t.ok(modules.size > 40, `${modules.size} modules`)
  t.ok([...modules].flatMap(([path, source]) => readImports(path, source)).length > 100, 'and their imports')
  t.strictSame(findFaults(modules, new Set(list('test'))), [])
  t.strictSame(findForeign('lib/client/browser.ts', modules), [])
  t.not(findForeign('lib/client/node.ts', modules).length, 0)
})
