// The command line as its users have it: the compiled main.js in a process of its own, in a pipe or in a terminal; and streams for its
// modules, terminals or not.
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { closeSync, existsSync, openSync } from 'node:fs'
import { PassThrough } from 'node:stream'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { stripVTControlCharacters } from 'node:util'
import type { Test } from 'tap'

export const MAIN = fileURLToPath(new URL('../../lib/cli/main.js', import.meta.url))

/** util-linux's, which runs a program in a pseudo terminal. */
export const HAS_SCRIPT = process.platform === 'linux' && existsSync('/usr/bin/script')

export interface CliOutcome {
  readonly exitCode: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface CliOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly terminal?: boolean
  /** A file, in place of a pipe that is kept. */
  readonly stdout?: string
}

export class Cli {
  readonly child: ChildProcess
  stdout = ''
  stderr = ''
  readonly #ended: Promise<CliOutcome>

  /** Starts it; it is gone when the test ends. */
  constructor (t: Test, args: readonly string[], { env = {}, terminal = false, stdout }: CliOptions = {}) {
    const inherited = Object.entries(process.env).filter(([name]) => !['NODE_OPTIONS', 'FORCE_COLOR', 'NO_COLOR'].includes(name))
    const command = [process.execPath, MAIN, ...args]
    const [file = '', ...rest] = terminal ? ['/usr/bin/script', '-qec', command.map((part) => `'${part}'`).join(' '), '/dev/null'] : command
    const output = stdout === undefined ? 'pipe' : openSync(stdout, 'w')
    const child = spawn(file, rest, { env: { ...Object.fromEntries(inherited), TERM: 'xterm', FTWS_HISTORY: '', ...env }, stdio: ['pipe', output, 'pipe'] })
    if (typeof output === 'number') closeSync(output)
    this.child = child
    t.teardown(() => { child.kill('SIGKILL') })
    child.stdout?.setEncoding('utf8').on('data', (text: string) => { this.stdout += text })
    child.stderr?.setEncoding('utf8').on('data', (text: string) => { this.stderr += text })
    child.stdin?.on('error', () => {})
    this.#ended = new Promise((resolve) => child.on('close', (exitCode) => resolve({ exitCode, stdout: this.stdout, stderr: this.stderr })))
  }

  write (text: string): void {
    this.child.stdin?.write(text)
  }

  /** Ends stdin, and waits for the end. */
  async end (text: string = ''): Promise<CliOutcome> {
    this.child.stdin?.end(text)
    return await this.#ended
  }

  /** Resolves when what was printed, without colours, has this in it. */
  async until (pattern: RegExp, stream: 'stdout' | 'stderr' = 'stdout'): Promise<RegExpExecArray> {
    return await seen(() => stripVTControlCharacters(this[stream]), pattern, this.child[stream] as Readable) // it is a pipe
  }
}

// Streams of tests have the colours that they say.
delete process.env['FORCE_COLOR']

/** A stream that keeps what is written. */
export class FakeOutput extends PassThrough {
  text = ''
  readonly isTTY: boolean
  columns = 80

  constructor (isTTY: boolean = false) {
    super()
    this.isTTY = isTTY
    this.setEncoding('utf8').on('data', (text: string) => { this.text += text })
  }

  /** No colours. */
  getColorDepth (): number {
    return 1
  }

  /** As of the command. */
  async until (pattern: RegExp): Promise<RegExpExecArray> {
    return await seen(() => stripVTControlCharacters(this.text), pattern, this)
  }
}

export interface FakeStreams {
  readonly stdin: PassThrough
  readonly stdout: FakeOutput
  readonly stderr: FakeOutput
}

/** Streams of a pipe, with this on stdin. */
export function pipeStreams (input?: string): FakeStreams {
  const stdin = new PassThrough()
  if (input !== undefined) stdin.end(input)
  return { stdin, stdout: new FakeOutput(), stderr: new FakeOutput() }
}

/** Asleep meanwhile: the process under test needs the processor. */
async function seen (read: () => string, pattern: RegExp, stream: Readable): Promise<RegExpExecArray> {
  for (;;) {
    const found = pattern.exec(read())
    if (found !== null) return found
    await new Promise((resolve) => stream.once('data', resolve))
  }
}
