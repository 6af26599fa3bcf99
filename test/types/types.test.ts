// The type tests, *.tst.ts, are checked when the project is compiled. Here: that they can fail, and what the types cost.
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { compile, ROOT, writeProject } from './compile.ts'
import { exampleRoutes } from './example-routes.ts'
import type { ExampleOptions } from './example-routes.ts'

// Compiling takes longer than a test usually may.
t.setTimeout(180_000)

const HERE = join(ROOT, 'test/types')
const DIRECTIVE = /^\s*\/\/ @ts-expect-error/

/** A type test with its imports of this package made absolute. */
function readTypeTest (name: string): string {
  return readFileSync(join(HERE, name), 'utf8').replaceAll("'../../", `'${ROOT}/`)
}

t.test('every line under @ts-expect-error is an error, and no other line is', async (t) => {
  const files: Record<string, string> = {}
  const expected: string[] = []
  for (const name of readdirSync(HERE).filter(name => !name.endsWith('.test.ts'))) {
    const lines = readTypeTest(name).split('\n')
    for (const [index, line] of lines.entries()) {
      if (!DIRECTIVE.test(line)) continue
      lines[index] = '//'
      expected.push(`${name}:${index + 2}`)
    }
    files[name] = lines.join('\n')
  }
  const folder = t.testdir()
  writeProject(folder, files)

  const { errors } = await compile(folder)
  t.ok(expected.length > 60, `${expected.length} expectations`)
  t.same(errors.filter(place => !place.startsWith('..')).sort(), expected.sort())
})

t.test('of a wrong call with a topic the compiler says what is wrong', async (t) => {
  const rows = [
    { call: 'connection.subscribe(room, {})', says: /Property 'room' is missing/ },
    { call: "connection.publish(room, { room: 'a' }, { txt: 'hi' })", says: /'txt' does not exist in type '\{ text: string; \}'/ },
    { call: "app.websocket.publish(room, { room: 1 }, { text: 'hi' })", says: /'number' is not assignable to type 'string'/ },
    { call: "app.websocket.members(room, { rom: 'a' })", says: /'rom' does not exist/ }
  ]
  const head = `import { Type } from '@sinclair/typebox'
import type { FastifyInstance } from 'fastify'
import { defineTopic, type WebSocketConnection } from '${ROOT}/lib/index.ts'
const room = defineTopic({ name: 'room/:room', schema: Type.Object({ text: Type.String() }) })
export const calls = (connection: WebSocketConnection, app: FastifyInstance): unknown[] => [\n`
  const folder = t.testdir()
  writeProject(folder, { 'calls.ts': `${head}${rows.map(({ call }) => `  ${call}`).join(',\n')}\n]\n` })
  const { output } = await compile(folder)
  const told = output.split(/^(?=calls\.ts\()/m)
  t.equal(told.length, rows.length, output)
  for (const [index, { call, says }] of rows.entries()) t.match(told[index], says, call)
})

t.test('what the compiler has to do', async (t) => {
  // Instantiations are counted, not timed: the same figure on every machine.
  const cost = async (options: ExampleOptions): Promise<number> => {
    const folder = t.testdir()
    writeProject(folder, { 'routes.ts': exampleRoutes(options) })
    const { errors, output } = await compile(folder, undefined, '--extendedDiagnostics', '--singleThreaded')
    if (errors.length > 0) throw new Error(output)
    return Number(/^Instantiations:\s+(\d+)$/m.exec(output)?.[1])
  }

  await t.test('100 WebSocket routes cost no more than 100 REST routes with the same schemas, plus a tenth', async (t) => {
    const rest = await cost({ kind: 'rest', count: 100, types: undefined })
    for (const kind of ['message', 'handle', 'message:type'] as const) {
      const socket = await cost({ kind, count: 100, types: ROOT })
      t.ok(socket <= rest * 1.1, `${kind}: ${socket} instantiations, REST ${rest}`)
    }
  })

  await t.test('a REST route costs the same with and without this package', async (t) => {
    for (const kind of ['rest', 'plain'] as const) {
      const tenMore = async (types: string | undefined): Promise<number> =>
        await cost({ kind, count: 20, types }) - await cost({ kind, count: 10, types })
      const without = await tenMore(undefined)
      const withTypes = await tenMore(ROOT)
      t.ok(withTypes <= without * 1.02, `ten more of ${kind}: ${withTypes} instantiations, without this package ${without}`)
    }
  })
})
