// Help: every option in it, and in docs/cli.md, with examples.
import { readFileSync } from 'node:fs'
import t from 'tap'
import { COMMANDS, describeAll, describeCommand } from '../../lib/cli/commands.ts'
import type { CommandName } from '../../lib/cli/commands.ts'
import { readRequest } from '../../lib/cli/arguments.ts'

const page = readFileSync(new URL('../../../docs/cli.md', import.meta.url), 'utf8')

t.test('all commands', async (t) => {
  const help = describeAll()
  for (const [name, { summary }] of Object.entries(COMMANDS)) t.match(help, new RegExp(`^  ${name} +${summary}$`, 'm'))
  t.match(help, /Exit codes:\n {2}0 .*\n {2}1 .*\n {2}2 /)
})

for (const [name, { options, examples }] of Object.entries(COMMANDS)) {
  t.test(name, async (t) => {
    const help = describeCommand(name as CommandName)
    t.ok(help.split('\n').every((line) => line.length <= 130), 'fits a wide terminal')
    const section = page.slice(page.indexOf(`## ftws ${name}`)).split('\n## ')[0] ?? ''
    t.not(page.indexOf(`## ftws ${name}`), -1, 'docs/cli.md has it')
    for (const [option, { short }] of Object.entries(options)) {
      t.match(help, new RegExp(`^  ${short === undefined ? '    ' : `-${short}, `}--${option}\\b`, 'm'))
      if (option !== 'help') t.ok(section.includes(`--${option}`) || page.split('\n## ')[1]?.includes(`--${option}`), `docs/cli.md has --${option}`)
    }
    t.ok(examples.length > 0)
    for (const example of examples) {
      t.ok(help.includes(example), example)
      // Only the words that a shell would leave as they are, from `ftws` to a pipe.
      const words = [...example.replace(/^.*?ftws /, '').replace(/ \| .*/, '').matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '')
      t.match(readRequest(words), { kind: 'run', command: name }, 'and it is right')
    }
  })
}
