// The module that is in the package is the one that its source makes.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { SCANNER_MODULE } from '../../../lib/protocol/wasm/scanner-module.ts'
import { ROOT } from '../../types/compile.ts'

const HERE = join(ROOT, 'lib/protocol/wasm')

t.test('scanner-module.ts is what scanner.wat assembles to', async t => {
  const { assemble } = await import(join(HERE, 'assemble.mjs')) as { assemble: () => Promise<string> }
  t.equal(readFileSync(join(HERE, 'scanner-module.ts'), 'utf8'), await assemble(), 'run `npm run wasm`')
})

t.test('it is a small module', async t => {
  const bytes = Buffer.from(SCANNER_MODULE, 'base64')
  t.equal(bytes.subarray(0, 4).toString('latin1'), '\0asm')
  t.ok(bytes.length < 1024, `${bytes.length} bytes`)
})
