// The runner must not pass what has failed: a file of each kind, run by it.
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'

const place = fileURLToPath(new URL('./', import.meta.url))
const tests = [
  { name: 'good', code: "import t from 'tap'; t.ok(true); t.ok(true)", passes: true },
  { name: 'failed', code: "import t from 'tap'; t.ok(false)", passes: false },
  { name: 'exits with a code behind its last test', code: "import t from 'tap'; t.ok(true); setTimeout(() => process.exit(3), 50)", passes: false },
  { name: 'is killed', code: "import t from 'tap'; t.ok(true); t.end(); setTimeout(() => process.kill(process.pid, 'SIGKILL'), 50)", passes: false },
  { name: 'cannot be loaded', code: "import './nothing.js'", passes: false },
  { name: 'never settles', code: "import t from 'tap'; t.test('it', async () => { await new Promise(() => {}) })", passes: false },
  { name: 'has no tests', code: '', passes: false },
  { name: 'is over too soon', code: "import t from 'tap'; t.plan(2); t.ok(true)", passes: false }
]

t.test('what passes and what does not', async (t) => {
  const folder = mkdtempSync(`${place}suite-`)
  t.teardown(() => rmSync(folder, { recursive: true }))
  for (const [index, { code }] of tests.entries()) writeFileSync(`${folder}/${index}.test.js`, code)

  await Promise.all(tests.map(async ({ name, passes }, index) => {
    const { code, output } = await run(`${basename(folder)}/${index}.`)
    t.equal(code === 0, passes, name)
    if (passes) t.match(output, '# { total: 3, pass: 3 }', 'its assertions are counted, and that there is a file')
  }))
  const none = await run('no-such-test')
  t.not(none.code, 0, 'no test is found')
})

async function run (part: string): Promise<{ code: unknown, output: string }> {
  return await new Promise((resolve) => {
    execFile(process.execPath, [`${place}suite.js`, part], (error, stdout) => { resolve({ code: error?.code ?? 0, output: stdout }) })
  })
}
