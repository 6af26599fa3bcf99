// Categories 12 and 13 of the Autobahn test suite against the plugin over TCP.
import t from 'tap'
import { startEchoServer } from './echo-server.ts'
import { makeCases, runCase } from './deflate-cases.ts'
import type { DeflateCase } from './deflate-cases.ts'
import { runPool } from './run-row.ts'

const AT_ONCE = 4

t.setTimeout(300_000)

const server = await startEchoServer()
t.teardown(() => server.close())

/** Two routes: with the defaults, which keep no context, and with one that keeps it both ways and compresses everything. */
const passes = [
  { path: '/deflated', cases: makeCases(), isCompressed: ({ length }: DeflateCase) => length >= 1024, own: ['server_no_context_takeover', 'client_no_context_takeover'], factor: 1 },
  { path: '/takeover', cases: makeCases('; client_max_window_bits'), isCompressed: () => true, own: [], factor: 0.7 }
]

/** The answer's parameters in the order that they are written in: the server's wish, and what the client asked for. */
function wantedAnswer (own: readonly string[], asked: string): string {
  const wanted = asked.split(';').map((part) => part.trim()).filter((part) => part !== '')
  const flags = ['server_no_context_takeover', 'client_no_context_takeover'].filter((name) => own.includes(name) || wanted.includes(name))
  return ['permessage-deflate', ...flags, ...wanted.filter((part) => part.includes('='))].join('; ')
}

t.test('there are 216 cases', async (t) => {
  for (const { cases } of passes) t.equal(new Set(cases.map(({ id }) => id)).size, 216)
})

for (const { path, cases, isCompressed, own, factor } of passes) {
  t.test(path, async (t) => {
    const groups = new Map<string, { messages: number, wrong: unknown[] }>()
    const begun = performance.now()
    await runPool(cases.map((row) => async () => {
      const { faults, answer, messages, compressed } = await runCase(server.port, path, row, factor)
      const id = row.id.slice(0, row.id.lastIndexOf('.'))
      const group = groups.get(id) ?? { messages: 0, wrong: [] }
      groups.set(id, group)
      group.messages += messages
      const wanted = wantedAnswer(own, row.asked)
      if (answer !== wanted) group.wrong.push({ id: row.id, answer, wanted })
      // What gets no smaller goes as it is, which only a PDF has.
      if (!isCompressed(row) ? compressed > 0 : compressed === 0 && id !== '12.5' && row.length > 16) group.wrong.push({ id: row.id, compressed, messages })
      if (faults.length > 0) group.wrong.push({ id: row.id, title: row.title, faults: faults.slice(0, 3) })
    }), AT_ONCE)
    t.equal(groups.size, 12)
    for (const [id, { messages, wrong }] of groups) t.strictSame(wrong.slice(0, 3), [], `${id}, ${messages} messages`)
    t.comment(`${path}: ${Math.round(performance.now() - begun)} ms`)
  })
}
