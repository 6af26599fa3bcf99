// What was typed, from one time to the next.
import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { findHistory, History, MOST_LINES } from '../../lib/cli/history.ts'

t.test('where it is', async (t) => {
  const home = join(homedir(), '.local', 'state', 'ftws', 'history')
  const rows: Array<[env: Record<string, string>, want: string | undefined]> = [
    [{}, home],
    [{ XDG_STATE_HOME: '' }, home],
    [{ XDG_STATE_HOME: 'relative' }, home],
    [{ XDG_STATE_HOME: '/state' }, join('/state', 'ftws', 'history')],
    [{ XDG_STATE_HOME: '/state', FTWS_HISTORY: 'file' }, 'file'],
    [{ XDG_STATE_HOME: '/state', FTWS_HISTORY: '' }, undefined]
  ]
  for (const [env, want] of rows) t.equal(findHistory(env), want, JSON.stringify(env))
})

t.test('lines come back, the last one first, and are for nobody else', async (t) => {
  const file = join(t.testdir(), 'a', 'b', 'history')
  const first = new History(file)
  t.strictSame(first.read(), [])
  for (const line of ['one', 'two', 'two', '', ' secret', '\t', 'x'.repeat(10_001), 'one', 'é\u2028']) first.add(line)
  if (process.platform !== 'win32') t.equal(statSync(file).mode & 0o777, 0o600)
  const second = new History(file)
  t.strictSame(second.read(), ['é\u2028', 'one', 'two', 'one'])
  second.add('é\u2028')
  t.equal(readFileSync(file, 'utf8'), 'one\ntwo\none\né\u2028\n')
  if (process.platform === 'win32') return
  chmodSync(file, 0o644)
  new History(file).read()
  t.equal(statSync(file).mode & 0o777, 0o600, 'also where it was for others')
})

t.test('a device is left alone', { skip: process.platform === 'win32' }, async (t) => {
  const { mode } = statSync('/dev/null')
  const history = new History('/dev/null')
  t.strictSame(history.read(), [])
  history.add('line')
  t.equal(statSync('/dev/null').mode, mode)
})

t.test('it does not grow for ever', async (t) => {
  const file = join(t.testdir(), 'history')
  const lines = Array.from({ length: 2 * MOST_LINES }, (_, index) => `line ${index}`)
  writeFileSync(file, `${lines.join('\n')}\n`)
  t.equal(new History(file).read().length, MOST_LINES)
  t.equal(readFileSync(file, 'utf8').split('\n').length, 2 * MOST_LINES + 1)
  new History(file).add('one more')
  t.equal(new History(file).read()[0], 'one more')
  t.equal(readFileSync(file, 'utf8'), `${[...lines.slice(1 - MOST_LINES), 'one more'].join('\n')}\n`)
})

t.test('where it cannot be read or written nothing happens', async (t) => {
  const folder = join(t.testdir(), 'folder')
  mkdirSync(folder)
  writeFileSync(join(folder, 'file'), '')
  for (const path of [folder, join(folder, 'file', 'history'), '/proc/no/history']) {
    const history = new History(path)
    t.strictSame(history.read(), [])
    t.doesNotThrow(() => history.add('line'))
  }
})
