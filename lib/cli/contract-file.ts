// The contract that --contract names: its file loaded, its messages checked and listed. Owns what of a file is a contract.
import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { ClientValidator } from '../client/types.ts'
import type { WebSocketContract } from '../contract.ts'
import { UsageFault } from './faults.ts'

/** What a client may send by a contract. */
export interface Outgoing {
  /** @throws {UsageFault} for a message that is no JSON, or does not fit */
  check (text: string): void
  /** An example of each type of message, as JSON: for completion. */
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

/** @throws {UsageFault} */
export async function loadContract (path: string): Promise<Outgoing> {
  const { contract, name } = findContract(await load(path), path)
  const schema = contract.schema?.websocket?.receive
  if (schema === undefined) throw new UsageFault(`${path}: ${name} has no schema.websocket.receive to check messages by`)
  if (typeof schema !== 'object' || schema === null || !(Symbol.for('TypeBox.Kind') in schema)) {
    throw new UsageFault(`${path}: ${name}.schema.websocket.receive is not made by @sinclair/typebox 0.34`)
  }
  const validate = await loadTypeBox()
  return {
    examples: listExamples(schema),
    check (text) {
      let message: unknown
      try {
        message = JSON.parse(text)
      } catch (error) {
        throw new UsageFault(`invalid message: not JSON: ${(error as Error).message}`) // JSON.parse throws SyntaxErrors
      }
      try {
        validate(schema, message, 'INVALID_SEND')
      } catch (error) {
        throw new UsageFault(`invalid message: ${(error as Error).message.replace(/^invalid send: /, '')}`) // the validator's
      }
    }
  }
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
