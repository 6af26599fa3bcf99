// The long run: properties and the live server with fresh seeds, for as long as one likes.
//
//   npm run fuzz -- [seconds] [seed]
//
// Each round has a seed of its own, which follows from the first. Prints the seed, the cases run, and of a failure its
// input: a counterexample belongs into test/corpus (see CONTRIBUTING.md). Exits with 1 when anything failed.
import { spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { startEchoServer } from './conformance/echo-server.ts'
import { seededRandom } from './conformance/fuzz.ts'
import { fuzzServer } from './conformance/live-fuzz.ts'
import { escaped, takeEscaped } from './helpers/guard.ts'

/** Runs of each property in a round. Those on sockets take a thousand times as long as those on bytes. */
const RUNS = 20_000
const SOCKET_RUNS = 1_500
const FRAMES = 20_000
const ON_SOCKETS = new Set(['connection-state.test.js'])
/** Not by chance: the same inputs whatever the seed. */
const FIXED = new Set(['corpus.test.js', 'header-time.test.js'])

const folder = new URL('./property/', import.meta.url)
const seconds = Number(process.argv[2] ?? 60)
const firstSeed = Number(process.argv[3] ?? randomInt(2 ** 31))
if (!(seconds > 0) || !Number.isSafeInteger(firstSeed)) {
  console.error('usage: npm run fuzz -- [seconds] [seed]')
  process.exit(2)
}

interface Outcome {
  readonly cases: number
  /** What failed, with its input; undefined when nothing did. */
  readonly failure?: string | undefined
}

/** Runs one file of properties in a process of its own; it counts its cases itself. */
async function runProperties (file: string, seed: number): Promise<Outcome> {
  const runs = ON_SOCKETS.has(file) ? SOCKET_RUNS : RUNS
  const env = { ...process.env, TAP_TYPE_STRIP_ONLY: '1', FUZZ_SEED: String(seed), FUZZ_RUNS: String(runs), FUZZ_COUNT: '1', TAP_TIMEOUT: '600' }
  const child = spawn(process.execPath, [fileURLToPath(new URL(file, folder))], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => { output += text })
  const exitCode = await new Promise<number | null>((resolve) => { child.once('close', resolve) })
  const cases = Number(/^# fuzz cases: (\d+)$/m.exec(output)?.[1] ?? 0)
  if (exitCode === 0) return { cases }
  const lines = output.split('\n').filter((line) => /not ok|Counterexample|wire|message:|escaped/.test(line))
  return { cases, failure: `${lines.slice(0, 20).join('\n')}\nagain: FUZZ_SEED=${seed} FUZZ_RUNS=${runs} node build/test/property/${file}` }
}

async function runLive (seed: number): Promise<Outcome> {
  const server = await startEchoServer()
  const { frames, wrong } = await fuzzServer({ port: server.port, seed, frames: FRAMES })
  await server.census.untilIdle()
  const unended = server.census.opened - server.census.closed
  await server.close()
  const problems = [...wrong.slice(0, 5).map((one) => JSON.stringify(one)), ...await takeEscaped()]
  if (unended !== 0) problems.push(`${unended} connections did not tell their end once`)
  return { cases: frames, failure: problems.length === 0 ? undefined : `${problems.join('\n')}\nagain: FUZZ_SEED=${seed} FUZZ_FRAMES=${FRAMES} node build/test/conformance/threats.test.js` }
}

const jobs: ReadonlyArray<{ name: string, run: (seed: number) => Promise<Outcome> }> = [
  ...readdirSync(folder).filter((file) => file.endsWith('.test.js') && !FIXED.has(file)).sort()
    .map((file) => ({ name: `property/${file.replace('.test.js', '')}`, run: (seed: number) => runProperties(file, seed) })),
  { name: 'live server', run: runLive }
]

console.log(`seed ${firstSeed}, ${seconds} s`)
const end = Date.now() + seconds * 1000
const nextSeed = seededRandom(firstSeed)
const counts = new Map<string, number>()
const failures: string[] = []
let rounds = 0
while (Date.now() < end && failures.length === 0) {
  // so that the first seed alone runs the first round again
  const seed = rounds++ === 0 ? firstSeed : nextSeed(2 ** 31)
  for (const { name, run } of jobs) {
    if (Date.now() >= end) break
    const { cases, failure } = await run(seed)
    counts.set(name, (counts.get(name) ?? 0) + cases)
    if (failure !== undefined) failures.push(`${name}, seed ${seed}:\n${failure}`)
  }
}

for (const [name, cases] of counts) console.log(`${name}: ${cases} cases`)
console.log(`${[...counts.values()].reduce((sum, cases) => sum + cases, 0)} cases in ${rounds} rounds, ${failures.length} failures`)
for (const failure of failures) console.error(failure)
process.exit(failures.length + escaped.length === 0 ? 0 : 1)
