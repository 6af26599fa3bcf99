// Runs programs as a user of the package would, the compiler above all. What it says is taken apart here; what it should say is
// the tests' business.
import { execFile } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** The folder of package.json: tests run from build/ and, uncompiled, from test/. */
export const ROOT: string = findRoot(import.meta.dirname)

function findRoot (directory: string): string {
  return existsSync(join(directory, 'package.json')) ? directory : findRoot(dirname(directory))
}

export interface Outcome {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
}

/**
 * Runs a program and waits for its end.
 *
 * tap loads itself into all child processes by NODE_OPTIONS, which it adds to whatever `env` they are given: that is slow, and
 * Node 20 cannot start every compiler with it. So `env` of the system takes it away again.
 */
export function run (file: string, args: readonly string[], cwd: string): Promise<Outcome> {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(npm_|_?TAP|NODE_V8_COVERAGE)/i.test(name)))
  const isWindows = process.platform === 'win32'
  const [program = file, ...rest] = isWindows ? [file, ...args] : ['env', '-u', 'NODE_OPTIONS', file, ...args]
  return new Promise((resolve, reject) => {
    execFile(program, rest, { cwd, env, maxBuffer: 2 ** 26, shell: isWindows }, (error, stdout, stderr) => {
      const exitCode = error === null ? 0 : error.code
      // Anything but a number means that it did not run or was killed.
      if (typeof exitCode === 'number') resolve({ exitCode, stdout, stderr })
      else reject(error)
    })
  })
}

export interface Compilation {
  readonly output: string
  /** Places of the errors, as `file.ts:line`, each once, in order. */
  readonly errors: readonly string[]
}

/**
 * Compiles a project, and writes nothing.
 *
 * @param project - folder with a tsconfig.json
 * @param compiler - folder of a `typescript` package
 */
export async function compile (project: string, compiler: string = join(ROOT, 'node_modules/typescript'), ...flags: string[]): Promise<Compilation> {
  const args = [join(compiler, 'bin/tsc'), '-p', project, '--noEmit', '--pretty', 'false', ...flags]
  const { exitCode, stdout, stderr } = await run(process.execPath, args, project)
  const output = stdout + stderr
  const errors = [...output.matchAll(/^(.+\.[cm]?ts)\((\d+),\d+\): error /gm)].map(([, file, line]) => `${file}:${line}`)
  // Errors without a place, such as a wrong option, must not pass for none.
  if (exitCode !== 0 && errors.length === 0) throw new Error(output)
  return { output, errors: [...new Set(errors)] }
}

/** Writes files and the tsconfig.json of a project that imports this package's sources. */
export function writeProject (folder: string, files: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({
    extends: join(ROOT, 'tsconfig.json'),
    compilerOptions: { rootDir: '/', noEmit: true, allowImportingTsExtensions: true, rewriteRelativeImportExtensions: false },
    // Files and not a pattern: patterns pass over folders such as .tap.
    files: Object.keys(files),
    include: []
  }))
}
