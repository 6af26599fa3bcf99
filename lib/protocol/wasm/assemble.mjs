// Assembles scanner.wat into scanner-module.ts: `npm run wasm`. A test compares the two.
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import createWabt from 'wabt'

const SOURCE = fileURLToPath(new URL('scanner.wat', import.meta.url))
const TARGET = fileURLToPath(new URL('scanner-module.ts', import.meta.url))

/** Returns the text of scanner-module.ts that belongs to scanner.wat. */
export async function assemble (source = SOURCE) {
  const wabt = await createWabt()
  const module = wabt.parseWat(source, readFileSync(source, 'utf8'), { simd: true })
  module.validate()
  const { buffer } = module.toBinary({})
  const base64 = Buffer.from(buffer).toString('base64')
  return `// Made of scanner.wat by \`npm run wasm\`; not to be edited.

/** The module in base64, ${buffer.length} bytes. */
export const SCANNER_MODULE: string =
${base64.match(/.{1,112}/g).map((line) => `  '${line}'`).join(' +\n')}
`
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(TARGET, await assemble())
