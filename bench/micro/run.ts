// `npm run bench:micro`: the small things that the engine does for each message, the way that is used beside those that were
// rejected. --only <text>: subjects whose name has it. A run without options writes bench/micro.md.
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { machineOf } from '../machine.ts'
import { markdown, short } from '../print.ts'
import { compare } from './compare.ts'
import type { Timing } from './compare.ts'
import { subjects as header } from './header.ts'
import { subjects as scan } from './scan.ts'
import { subjects as text } from './text.ts'
import { subjects as unmask } from './unmask.ts'

const ROUNDS = 7
/** Of one way in one round. */
const MS = 15

const { values } = parseArgs({ options: { only: { type: 'string' } } })
const head = `${machineOf()}, ${ROUNDS} rounds in turns`
console.log(head)

function print (timings: readonly Timing[]): string {
  const base = timings[0]?.median ?? NaN
  return markdown(['', 'ns', 'least-most', 'to the first', ''], timings.map(({ variant, median, least, most }) =>
    [variant.name, short(median), `${short(least)}-${short(most)}`, (median / base).toFixed(2), variant.word]))
}

const sections: string[] = []
for (const subject of [...unmask, ...scan, ...text, ...header]) {
  if (!subject.name.includes(values.only ?? '')) continue
  const section = `## ${subject.name}\n\n${print(compare(subject, ROUNDS, MS))}\n`
  console.log(`\n${section}`)
  sections.push(section)
}
if (values.only === undefined) {
  writeFileSync(new URL('../../../bench/micro.md', import.meta.url), `# Small things\n\n${head}; nanoseconds of processor time each, smaller is better. Made by \`npm run bench:micro\`.\n\n${sections.join('\n')}`)
}
