// Compressed messages, right and wrong, against the plugin over TCP, by the quick ways and without them.
import t from 'tap'
import '../helpers/guard.ts'
import { deflateRows, exampleRows, limitRows, similarRows, takeoverRows, unagreedRows } from './deflate-rows.ts'
import { startEchoServer } from './echo-server.ts'
import type { Row } from './row.ts'
import { runPool, runRow, waysOf } from './run-row.ts'
import type { Way } from './run-row.ts'

const AT_ONCE = 16
/** A server that hangs is not waited for a thousand times. */
const MOST_FAILURES = 20
const MOST_DEADLINES = 2

t.setTimeout(600_000)

const notCut = ({ name }: Way): boolean => !name.startsWith('cut at ')
const everyThirdCut = (way: Way): boolean => notCut(way) || Number(way.name.slice('cut at '.length)) % 3 === 0
const inPieces = ({ name }: Way): boolean => name === 'no further than needed' || name === 'byte by byte'
const atOnce = ({ name }: Way): boolean => name === 'with the next frame behind'

/** Every way on one route; on the others those that differ there. */
const plan: ReadonlyArray<{ path: string, rows: readonly Row[], wanted?: (way: Way) => boolean }> = [
  { path: '/deflated', rows: exampleRows },
  { path: '/deflated', rows: deflateRows, wanted: everyThirdCut },
  { path: '/deflated', rows: similarRows, wanted: inPieces },
  { path: '/deflated', rows: unagreedRows },
  { path: '/takeover', rows: [...exampleRows, ...deflateRows], wanted: notCut },
  { path: '/takeover', rows: similarRows, wanted: atOnce },
  { path: '/takeover', rows: takeoverRows },
  { path: '/small', rows: limitRows, wanted: notCut }
]

for (const fastPaths of [true, false]) {
  t.test(fastPaths ? 'T23 by the quick ways' : 'T23 by what Node documents', async (t) => {
    const server = await startEchoServer({ fastPaths })
    t.teardown(() => server.close())
    for (const { path, rows, wanted = () => true } of plan) {
      const begun = performance.now()
      const failures: unknown[] = []
      let runs = 0
      let deadlines = 0
      await runPool(rows.map((row) => async () => {
        for (const way of waysOf(row).filter((way) => wanted(way) && (fastPaths || (notCut(way) && way.name !== 'byte by byte')))) {
          if (failures.length > MOST_FAILURES || deadlines > MOST_DEADLINES) return
          const { got, want } = await runRow(server.port, path, row, way)
          runs++
          if (got.includes('deadline')) deadlines++
          if (got.join('\n') !== want.join('\n')) failures.push({ row: `${row.id} ${row.title}`, way: way.name, got, want })
        }
      }), AT_ONCE)
      t.strictSame(failures.slice(0, 5), [], `${path}: ${rows.length} rows, ${runs} connections in ${Math.round(performance.now() - begun)} ms`)
    }
    await server.census.untilIdle()
    t.equal(server.census.closed, server.census.opened, 'every connection told its end once')
    const { deflating, errors } = server.app.websocket.metrics()
    t.equal(deflating, 0, `and gave its memory back; ${errors} errors`)
  })
}
