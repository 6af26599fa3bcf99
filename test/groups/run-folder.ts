// Runs all tests of a folder in one process: to start one for each file takes longer than most of them do.
import { readdirSync } from 'node:fs'
import t from 'tap'

/** @param folder - under test/; those below it are not looked into */
export async function runFolder (folder: string): Promise<void> {
  t.setTimeout(400_000)
  const place = new URL(`../${folder}/`, import.meta.url)
  const left = readdirSync(place).filter((name) => name.endsWith('.test.js')).toSorted()
  // A test that ends the process early must not take the others with it unseen.
  process.once('exit', () => { if (left.length > 0) process.exitCode = 1 })
  for (let name = left[0]; name !== undefined; name = left[0]) {
    await import(new URL(name, place).href)
    left.shift()
  }
}
