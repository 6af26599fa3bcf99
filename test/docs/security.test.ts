// docs/security.md: each attack has its row, each row its tests, and both speak of the same options.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import t from 'tap'

const root = new URL('../../../', import.meta.url)
const page = readFileSync(new URL('docs/security.md', root), 'utf8')
const options = readFileSync(new URL('docs/options.md', root), 'utf8')

const upTo = (first: number, last: number): string[] => Array.from({ length: last - first + 1 }, (_, i) => `T${String(first + i).padStart(2, '0')}`)
const IDS = [...upTo(1, 12), ...upTo(20, 25), ...upTo(30, 41), ...upTo(50, 60)]

interface Row {
  readonly id: string
  readonly cells: readonly string[]
  readonly files: readonly string[]
}

const rows: Row[] = [...page.matchAll(/^\| (T\d+) \|(.*)\|$/gm)].map(([, id = '', rest = '']) => {
  const cells = rest.split('|').map((cell) => cell.trim())
  return { id, cells, files: [...(cells[2] ?? '').matchAll(/`([^`]+)`/g)].map(([, file = '']) => file) }
})

/** Ids at the start of a subtest's name, `T56 T59 whatever`, wherever in a test file the name is written. */
function namedIn (source: string): Set<string> {
  return new Set([...source.matchAll(/['"`]((?:T\d{2} )+)/g)].flatMap(([, ids = '']) => ids.trim().split(' ')))
}

t.test('every attack has one row, and no other has', async (t) => {
  t.same(rows.map(({ id }) => id), IDS)
})

for (const { id, cells, files } of rows) {
  t.test(`${id} is tested where its row says`, async (t) => {
    t.equal(cells.length, 3, 'attack, rule, tests')
    t.ok(cells.every((cell) => cell.length > 10), 'none of them empty')
    t.ok(files.length > 0)
    for (const file of files) {
      const path = new URL(file, root)
      if (!existsSync(path)) t.fail(`${file} does not exist`)
      else t.ok(namedIn(readFileSync(path, 'utf8')).has(id), `${file} has a subtest ${id}`)
    }
  })
}

const testFiles = readdirSync(new URL('test/', root), { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.test.ts')).map((file) => `test/${file}`)

t.test('every file of attacks is in a row of each of its ids, and has the guard', async (t) => {
  for (const file of testFiles.filter((file) => file.startsWith('test/threats/'))) {
    const source = readFileSync(new URL(file, root), 'utf8')
    t.match(source, /from '\.\.\/helpers\/guard\.ts'|import '\.\.\/helpers\/guard\.ts'/, `${file} imports the guard`)
    // a file on something else may take up an attack for that
    const listed = rows.filter(({ files }) => files.includes(file))
    t.ok(listed.length > 0 || namedIn(source).size === 0 || file.endsWith('observability.test.ts'), `${file} is in a row`)
  }
})

t.test('no test names an attack that has no row', async (t) => {
  for (const file of testFiles) {
    const strangers = [...namedIn(readFileSync(new URL(file, root), 'utf8'))].filter((id) => !IDS.includes(id))
    t.same(strangers, [], file)
  }
})

t.test('options in the page exist, and every limit among them is in the page', async (t) => {
  const names = new Set([...options.matchAll(/^\| `(\w+)` \|/gm)].map(([, name = '']) => name))
  for (const [, name = ''] of page.matchAll(/\[`(\w+)`\]\(options\.md/g)) t.ok(names.has(name), `${name} is an option`)
  const noLimits = ['highWaterMark', 'fastPaths', 'binary', 'protocols', 'validatorCompiler', 'serializerCompiler', 'preClose', 'options']
  for (const name of names) t.ok(noLimits.includes(name) || page.includes(`\`${name}\``), `${name} is spoken of`)
})
