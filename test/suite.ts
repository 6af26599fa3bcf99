// Runs the test files, each in a process of its own, a few at a time. `tap run` could start them itself, but gives each process loaders
// for TypeScript, mocks and coverage that nothing here needs: they take longer than most of the tests do, and slow down the rest.
import { spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { PassThrough } from 'node:stream'
import { fileURLToPath } from 'node:url'
import t, { TapFile } from 'tap'

/** At a time. */
const PROCESSES = 2
/** Seconds that a file may take, unless it asks for another time by `t.setTimeout`. */
const TIMEOUT = 180
/** Milliseconds behind which a process is ended, whatever it has asked for. */
const HANG = 600_000
/** These take longest: behind the others one of them would run alone. */
const FIRST = /^(package|types|threats|conformance|example|soak)\//

/** What a test file's process has printed, and how it ended. */
interface Outcome {
  readonly tap: Buffer
  /** Null: ended by `signal`. */
  readonly status: number | null
  readonly signal: NodeJS.Signals | null
}

const place = fileURLToPath(new URL('./', import.meta.url))
const wanted = process.argv.slice(2)
const files = readdirSync(place, { recursive: true, encoding: 'utf8' })
  .map((file) => file.replaceAll('\\', '/'))
  .filter((file) => file.endsWith('.test.js') && (wanted.length === 0 || wanted.some((part) => file.includes(part))))
  .toSorted((a, b) => Number(FIRST.test(b)) - Number(FIRST.test(a)) || (a < b ? -1 : 1))

t.setTimeout(0)
t.ok(files.length > 0, `there are tests in ${place}${wanted.join(' ')}`)
await Promise.all(Array.from({ length: PROCESSES }, async () => {
  for (let file = files.shift(); file !== undefined; file = files.shift()) await test(file)
}))

async function test (file: string): Promise<void> {
  const start = performance.now()
  const { tap, status, signal } = await run(file)
  const tapStream = new PassThrough()
  tapStream.end(tap)
  const results = await t.sub(TapFile, { name: file, tapStream })
  // A process that ends badly behind its last test has failed, and one without any test.
  const isGood = results?.ok === true && results.count > 0 && status === 0
  if (!isGood && results?.ok === true) t.fail(`${file}: ${results.count} tests, ended with ${signal ?? status}`)
  console.error(`${isGood ? '    ' : 'FAIL'} ${((performance.now() - start) / 1000).toFixed(1).padStart(6)} s  ${file}`)
}

async function run (file: string): Promise<Outcome> {
  const child = spawn(process.execPath, ['--enable-source-maps', place + file], {
    env: { ...ownEnvironment(), TAP: '1', TAP_TIMEOUT: String(TIMEOUT) },
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: HANG,
    killSignal: 'SIGKILL'
  })
  const chunks: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => { chunks.push(chunk) })
  return await new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (status, signal) => { resolve({ tap: Buffer.concat(chunks), status, signal }) })
  })
}

/** That of the shell: without what `tap run` has put into it, the loaders and which test of its own this is. */
function ownEnvironment (): NodeJS.ProcessEnv {
  const entries = Object.entries(process.env).filter(([name]) => !name.startsWith('TAP_CHILD_'))
  const { NODE_OPTIONS = '', ...env } = Object.fromEntries(entries)
  const options = NODE_OPTIONS.split(/ (?=--)/).filter((option) => !option.includes('@tapjs')).join(' ')
  return options === '' ? env : { ...env, NODE_OPTIONS: options }
}
