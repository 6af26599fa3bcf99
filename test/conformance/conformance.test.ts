// The cases of the Autobahn test suite, categories 1 to 7, 9 and 10, against the plugin over TCP: each has one strict outcome.
import t from 'tap'
import { startEchoServer } from './echo-server.ts'
import { sequenceGroups } from './rows/6-utf8-sequences.ts'
import { closeHandling } from './rows/7-closing.ts'
import { fragmentation } from './rows/5-fragmentation.ts'
import { framing } from './rows/1-framing.ts'
import { limits } from './rows/9-limits.ts'
import { opcodes } from './rows/4-opcodes.ts'
import { pings } from './rows/2-pings.ts'
import { reservedBits } from './rows/3-reserved-bits.ts'
import { utf8 } from './rows/6-utf8.ts'
import { runPool, runRow, waysOf } from './run-row.ts'
import { findImpossibleByte } from './utf8-reference.ts'

/** How many cases each category has, by its id or that of its groups. */
const CASES = new Map([
  ['1.1', 8], ['1.2', 8], ['2', 11], ['3', 7], ['4.1', 5], ['4.2', 5], ['5', 20],
  ['6.1', 3], ['6.2', 4], ['6.3', 2], ['6.4', 4], ['6.5', 5], ['6.6', 11], ['6.7', 4], ['6.8', 2], ['6.9', 4], ['6.10', 3],
  ['6.11', 5], ['6.12', 8], ['6.13', 5], ['6.14', 10], ['6.15', 1], ['6.16', 3], ['6.17', 5], ['6.18', 5], ['6.19', 5],
  ['6.20', 7], ['6.21', 8], ['6.22', 34], ['6.23', 7],
  ['7.1', 6], ['7.3', 6], ['7.5', 1], ['7.7', 13], ['7.9', 9], ['7.13', 2],
  ['9.1', 6], ['9.2', 6], ['9.3', 9], ['9.4', 9], ['9.5', 6], ['9.6', 6], ['9.7', 6], ['9.8', 6], ['10.1', 1]
])

const AT_ONCE = 16
/** Large messages stand in memory on both sides. */
const LARGE_AT_ONCE = 3
/** A server that hangs is not waited for a thousand times. */
const MOST_DEADLINES = 20

const rows = [framing, pings, reservedBits, opcodes, fragmentation, utf8, closeHandling].flat().map((row) => ({ id: row.id, make: () => row }))

t.setTimeout(600_000)

t.test('every case has its row', async (t) => {
  const ids = [...rows, ...limits].map((row) => row.id)
  const wanted = [...CASES].flatMap(([group, count]) => Array.from({ length: count }, (_, i) => `${group}.${i + 1}`))
  t.strictSame(ids.toSorted(), wanted.toSorted())
})

t.test('right and wrong sequences are as many as they should be', async (t) => {
  for (const { id, valid, sequences } of sequenceGroups) {
    t.equal(sequences.filter((hex) => findImpossibleByte(Buffer.from(hex, 'hex')) === undefined).length, valid, id)
  }
})

const server = await startEchoServer()
t.teardown(() => server.close())

/** What a row's title is, which ways it was run in, and in which of them something else came than was wanted. */
interface Result {
  title: string
  ways: number
  readonly failures: Array<{ way: string, got: readonly string[], want: readonly string[] }>
}

const results = new Map<string, Result>()
let deadlines = 0

/** Runs rows in every way against a route, the given number of connections at once. */
async function runAll (path: string, lazyRows: typeof rows, width: number): Promise<void> {
  await runPool(lazyRows.map(({ id, make }) => async () => {
    const row = make()
    const result: Result = results.get(id) ?? { title: row.title, ways: 0, failures: [] }
    results.set(id, result)
    for (const way of waysOf(row)) {
      if (deadlines > MOST_DEADLINES) return
      const { got, want } = await runRow(server.port, path, row, way)
      if (got.includes('deadline')) deadlines++
      result.ways++
      if (got.join('\n') !== want.join('\n')) result.failures.push({ way: `${path} ${way.name}`, got, want })
    }
  }), width)
}

await runAll('/echo', rows, AT_ONCE)
// Answers that take their time come before the end all the same.
await runAll('/pulled', rows, AT_ONCE)
await runAll('/echo', [...limits], LARGE_AT_ONCE)

for (const [id, { title, ways, failures }] of results) {
  t.test(`${id} ${title}`, async (t) => {
    t.ok(ways > 0, 'was run')
    t.strictSame(failures.slice(0, 3), [], `${ways} ways`)
  })
}
