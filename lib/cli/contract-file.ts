// What --contract names: its file loaded, messages checked and listed. Owns what of a file is a contract, or a topic.
import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { ClientValidator } from '../client/option-types.ts'
import type { Topic, WebSocketContract } from '../contract.ts'
import type { Arguments } from './arguments.ts'
import { UsageFault } from './faults.ts'
import type { Judge } from './incoming.ts'

/** What a contract says of messages. Those whose `type` begins with `ws:` are the server's own, and fit any. */
export interface MessageRules {
  /** Looks at one that is to be sent. @throws {UsageFault} for what is no JSON, or does not fit */
  check (text: string): void
  /** Looks at one that came. */
  readonly judge: Judge
  /** An example of each type of message that may be sent, as JSON: for completion. */
  readonly examples: readonly string[]
}

/** What a schema may have, as far as examples need it. */
interface AnySchema {
  readonly anyOf?: readonly AnySchema[]
  readonly type?: string
  readonly const?: unknown
  readonly required?: readonly string[]
  readonly properties?: Readonly<Record<string, AnySchema>>
  readonly default?: unknown
}

const EMPTY: Readonly<Record<string, unknown>> = { string: '', number: 0, integer: 0, boolean: false, array: [], null: null }

/** Loads what --contract names. @throws {UsageFault} also for --strict without it */
export async function readContract<T> (args: Arguments, load: (path: string) => Promise<T>): Promise<T | undefined> {
  const path = args.text('contract')
  if (path !== undefined) return await load(path)
  if (args.flag('strict')) throw new UsageFault('--strict needs --contract')
  return undefined
}

/** @throws {UsageFault} */
export async function loadContract (path: string): Promise<MessageRules> {
  const { contract, name } = findContract(await load(path), path)
  const { receive, send } = contract.schema?.websocket ?? {}
  if (receive === undefined && send === undefined) throw new UsageFault(`${path}: ${name} has no schema.websocket.receive or send to check messages by`)
  const checkSent = await makeCheck(receive, `${path}: ${name}.schema.websocket.receive`)
  const checkCame = await makeCheck(send, `${path}: ${name}.schema.websocket.send`)
  const takesBinary = (contract.websocket as { readonly binary?: boolean } | undefined)?.binary === true // `true` has no such property
  return {
    examples: receive === undefined ? [] : listExamples(receive as object), // as makeCheck has seen
    check (text) {
      const fault = judgeText(text, checkSent)
      if (fault !== undefined) throw new UsageFault(`invalid message: ${fault}`)
    },
    judge (message) {
      if (typeof message === 'string') return judgeText(message, checkCame)
      return takesBinary || send === undefined ? undefined : 'bytes, and not JSON'
    }
  }
}

/** Finds what a file says of the messages of a topic. @throws {UsageFault} also if that is nothing */
export async function loadTopic (path: string, topic: string): Promise<Judge> {
  const topics = Object.values(await load(path)).filter(isTopic)
  const names = topics.map(({ name }) => name)
  if (topics.length === 0) throw new UsageFault(`--contract: ${path} exports no topic: an object with a \`name\`, as defineTopic makes it`)
  const found = topics.find(({ name }) => name === topic) ?? topics.find(({ name }) => isNamedBy(topic, name))
  if (found === undefined) throw new UsageFault(`--contract: ${path} has no topic for ${topic}, only ${names.join(', ')}`)
  if (found.schema === undefined) throw new UsageFault(`${path}: ${found.name} has no schema to check messages by`)
  const check = await makeCheck(found.schema, `${path}: the schema of ${found.name}`)
  return (message) => check(JSON.parse(String(message))) // as subscribe prints it
}

/** Says what is wrong with a value, if anything is. */
type Check = (value: unknown) => string | undefined

/** @param what - names the schema, where it is not one that can be used */
async function makeCheck (schema: unknown, what: string): Promise<Check> {
  if (schema === undefined) return () => undefined
  if (typeof schema !== 'object' || schema === null || !(Symbol.for('TypeBox.Kind') in schema)) {
    throw new UsageFault(`${what} is not made by @sinclair/typebox 0.34`)
  }
  const validate = await loadTypeBox()
  return (value) => {
    try {
      validate(schema, value, 'INVALID_MESSAGE')
      return undefined
    } catch (error) {
      return (error as Error).message.replace(/^invalid message: /, '') // the validator's
    }
  }
}

function judgeText (text: string, check: Check): string | undefined {
  let message: unknown
  try {
    message = JSON.parse(text)
  } catch (error) {
    return `not JSON: ${(error as Error).message}` // JSON.parse throws SyntaxErrors
  }
  const type = (message as { readonly type?: unknown } | null)?.type // which no string or number has
  return typeof type === 'string' && type.startsWith('ws:') ? undefined : check(message)
}

/** Lists an example of each message, with what it must have. */
export function listExamples (schema: object): string[] {
  const { anyOf } = schema as AnySchema
  return (anyOf ?? [schema as AnySchema]).filter(({ type }) => type === 'object').map((branch) => JSON.stringify(makeExample(branch)))
}

function makeExample (schema: AnySchema): unknown {
  if ('const' in schema) return schema.const
  if ('default' in schema) return schema.default
  if (schema.anyOf?.[0] !== undefined) return makeExample(schema.anyOf[0])
  const { type = '', required = [], properties = {} } = schema
  if (type !== 'object') return EMPTY[type] ?? null
  return Object.fromEntries(required.map((key) => [key, makeExample(properties[key] ?? {})]))
}

async function load (path: string): Promise<Readonly<Record<string, unknown>>> {
  const file = resolve(path)
  await readFile(file).catch((error: NodeJS.ErrnoException) => {
    throw new UsageFault(`--contract: ${path} cannot be read (${error.code})`)
  })
  const contractFile = pathToFileURL(file).href
  try {
    return await import(contractFile)
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException // of the module, or the loader
    if (code === 'ERR_UNKNOWN_FILE_EXTENSION' && /\.[cm]?ts$/.test(path)) {
      throw new UsageFault(`--contract: Node ${process.versions.node} reads no TypeScript: take 22.18 or later, or compile ${path} first`)
    }
    throw new UsageFault(`--contract: ${path}: ${message}`)
  }
}

function findContract (module: Readonly<Record<string, unknown>>, path: string): { contract: WebSocketContract, name: string } {
  if (isContract(module['default'])) return { contract: module['default'], name: 'default' }
  const found = Object.entries(module).flatMap(([name, value]) => isContract(value) ? [{ contract: value, name }] : [])
  const [first] = found
  if (first === undefined) throw new UsageFault(`--contract: ${path} exports no contract: an object with a \`url\`, as defineWebSocket makes it`)
  if (found.length > 1) throw new UsageFault(`--contract: ${path} exports several contracts, ${found.map(({ name }) => name).join(', ')}: make one of them the default export`)
  return first
}

function isTopic (value: unknown): value is Topic {
  return typeof value === 'object' && value !== null && 'name' in value && typeof value.name === 'string' && !isContract(value)
}

/** Tells whether a topic's name may have been made of this one, which has parameters. */
function isNamedBy (topic: string, name: string): boolean {
  const segments = topic.split('/')
  const parts = name.split('/')
  return segments.length === parts.length && parts.every((part, index) => part.startsWith(':') || part === segments[index])
}

function isContract (value: unknown): value is WebSocketContract {
  return typeof value === 'object' && value !== null && 'url' in value && typeof value.url === 'string'
}

/** TypeBox is only there for those who use contracts. */
async function loadTypeBox (): Promise<ClientValidator> {
  try {
    const { typebox } = await import('../client/typebox.ts')
    return typebox()
  } catch {
    throw new UsageFault('--contract needs @sinclair/typebox 0.34: npm install @sinclair/typebox')
  }
}
