// Arguments to a command with its options (node:util parseArgs). Owns what is a wrong command line; knows no command by name.
import { parseArgs } from 'node:util'
import { COMMANDS, GLOBAL } from './commands.ts'
import type { CommandName, OptionRows } from './commands.ts'
import { UsageFault } from './faults.ts'

type Value = string | boolean | ReadonlyArray<string | boolean> | undefined

/** A command line that was read: either help, the version, or a command. */
export type Request =
  | { readonly kind: 'help', readonly command: CommandName | undefined }
  | { readonly kind: 'version' }
  | { readonly kind: 'run', readonly command: CommandName, readonly args: Arguments }

/** What one command was given. */
export class Arguments {
  readonly positionals: readonly string[]
  readonly #values: Readonly<Record<string, Value>>

  constructor (values: Readonly<Record<string, Value>>, positionals: readonly string[]) {
    this.#values = values
    this.positionals = positionals
  }

  flag (name: string): boolean {
    return this.#values[name] === true
  }

  text (name: string): string | undefined {
    const value = this.#values[name]
    return typeof value === 'string' ? value : undefined
  }

  list (name: string): string[] {
    const value = this.#values[name]
    return Array.isArray(value) ? value.map(String) : []
  }

  /** Reads a number from `least` on. @throws {UsageFault} */
  number<T> (name: string, fallback: T, least: number = 0): number | T {
    const text = this.text(name)
    return text === undefined ? fallback : readNumber(`--${name}`, text, least)
  }

  /** As `number`, and an integer. @throws {UsageFault} */
  integer<T> (name: string, fallback: T, least: number = 0): number | T {
    const value = this.number(name, fallback, least)
    if (this.text(name) !== undefined && !Number.isSafeInteger(value)) throw new UsageFault(`--${name} must be an integer, got ${this.text(name)}`)
    return value
  }
}

/** @throws {UsageFault} */
export function readNumber (what: string, text: string, least: number): number {
  const value = Number(text)
  if (text.trim() === '' || !Number.isFinite(value) || value < least) throw new UsageFault(`${what} must be a number from ${least} on, got ${JSON.stringify(text)}`)
  return value
}

/** Reads what stands behind `ftws`. @throws {UsageFault} */
export function readRequest (argv: readonly string[]): Request {
  const [first, ...rest] = argv
  if (first === undefined) throw new UsageFault('a command is missing; `ftws --help` lists them')
  if (first.startsWith('-')) {
    const { values } = parse([first], GLOBAL)
    return values['version'] === true ? { kind: 'version' } : { kind: 'help', command: undefined }
  }
  if (first === 'help') {
    const [command] = rest
    return { kind: 'help', command: command === undefined ? undefined : checkName(command) }
  }
  const command = checkName(first)
  const { options, least, most, usage } = COMMANDS[command]
  const { values, positionals } = parse(rest, options, command)
  if (values['help'] === true) return { kind: 'help', command }
  if (positionals.length < least) throw new UsageFault(`an argument is missing: ${usage}`)
  if (positionals.length > most) throw new UsageFault(`one argument too many, ${JSON.stringify(positionals[most])}: ${usage}`)
  return { kind: 'run', command, args: new Arguments(values, positionals) }
}

function checkName (name: string): CommandName {
  if (!Object.hasOwn(COMMANDS, name)) throw new UsageFault(`no such command: ${name}; \`ftws --help\` lists them`)
  return name as CommandName // as was just seen
}

function parse (args: readonly string[], rows: OptionRows, command?: CommandName): { values: Readonly<Record<string, Value>>, positionals: string[] } {
  const options = Object.fromEntries(Object.entries(rows).map(([name, { type, short, multiple = false }]) => [name, { type, multiple, ...(short !== undefined && { short }) }]))
  try {
    return parseArgs({ args: [...args], options, allowPositionals: command !== undefined, strict: true })
  } catch (error) {
    const { message } = error as Error // parseArgs throws TypeErrors
    // Behind the first sentence Node explains `--`, at length, for any command.
    const [fault = message, isArgument] = message.split('. To specify')
    const takesAny = command !== undefined && COMMANDS[command].most === Infinity && isArgument !== undefined
    const hint = takesAny ? '; a message that begins with - stands behind --' : ''
    throw new UsageFault(`${fault}; \`ftws ${command === undefined ? '' : `${command} `}--help\` has all options${hint}`)
  }
}
