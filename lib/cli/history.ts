// What was typed in a terminal, kept from one time to the next. Owns the file; that it cannot be read or written is nobody's fault and
// ends nothing.
import { appendFileSync, chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, isAbsolute, join } from 'node:path'

/** Lines that are kept; the file has up to twice as many until it is read again. */
export const MOST_LINES = 1_000

/** A longer one is no line to be typed again. */
const MOST_CHARACTERS = 10_000

/** Messages may have passwords in them: for the user alone. */
const MODE = 0o600

/** Finds where to keep it, as the XDG Base Directory Specification has it. @returns undefined if not at all */
export function findHistory (env: Readonly<Record<string, string | undefined>>): string | undefined {
  const { FTWS_HISTORY: file, XDG_STATE_HOME: state = '' } = env
  if (file !== undefined) return file === '' ? undefined : file
  return join(isAbsolute(state) ? state : join(homedir(), '.local', 'state'), 'ftws', 'history')
}

export class History {
  readonly #file: string
  #last: string | undefined

  constructor (file: string) {
    this.#file = file
  }

  /** Reads the latest lines, the last one first. */
  read (): string[] {
    try {
      if (!this.#isFile()) return []
      chmodSync(this.#file, MODE)
      const lines = readFileSync(this.#file, 'utf8').split('\n').filter((line) => line !== '')
      const kept = lines.slice(-MOST_LINES)
      if (lines.length > MOST_LINES * 2) writeFileSync(this.#file, `${kept.join('\n')}\n`, { mode: MODE })
      this.#last = kept.at(-1)
      return kept.toReversed()
    } catch {
      return []
    }
  }

  /** Keeps a line, at once: others may write as well, and this may be killed. Not one that begins with a space, as shells have it. */
  add (line: string): void {
    if (line === this.#last || /^\s|^$/.test(line) || line.length > MOST_CHARACTERS) return
    this.#last = line
    try {
      if (!this.#isFile()) return
      makeFolder(dirname(this.#file))
      appendFileSync(this.#file, `${line}\n`, { mode: MODE })
    } catch {
      // As if it had been switched off.
    }
  }

  /** Or may become one: a device, /dev/null say, is left alone. */
  #isFile (): boolean {
    return statSync(this.#file, { throwIfNoEntry: false })?.isFile() ?? true
  }
}

/** Not by mkdir's own recursion, which never ends where there can be no folder, as in /proc. */
function makeFolder (path: string): void {
  if (existsSync(path)) return
  makeFolder(dirname(path))
  mkdirSync(path, { mode: 0o700 })
}
