// What clients of a route may say to the server itself: the topics that it lets them use, and the requests of its schema.
import type { FastifyInstance } from 'fastify'
import type { ControlRules, RequestRule } from '../hub/control.ts'
import { compileCheck, compileMessages, needsInstance } from '../validation/compile.ts'
import type { MessageOptions } from '../validation/compile.ts'
import { createJsonReader } from '../validation/json.ts'
import type { Topic } from '../../types/topics.ts'
import type { WebSocketClientTopics } from '../../types/options.ts'
import { InvalidSchemaError } from './errors.ts'
import type { RouteSettings } from './options.ts'
import type { DeclaredRoute } from './registration.ts'

type CompileCheck = NonNullable<MessageOptions['validatorCompiler']>

/**
 * Makes the rules of a route; undefined for one whose clients speak to the application alone. To be called when all schemas have been
 * added to the instance.
 *
 * @throws `FST_WS_INVALID_SCHEMA`
 */
export function controlRules (name: string, declared: DeclaredRoute, options: RouteSettings, instance: FastifyInstance): ControlRules | undefined {
  const requests: Readonly<Record<string, RequestSchemas>> = declared.schema?.websocket?.requests ?? {}
  const { topics } = options
  if (topics === undefined && Object.keys(requests).length === 0) return undefined
  const compiler = new RequestCompiler(name, options, instance)
  const { onProtoPoisoning, onConstructorPoisoning } = instance.initialConfig
  const { allow = [], publish = false, presence = false }: Partial<WebSocketClientTopics> = isList(topics) ? { allow: topics } : topics ?? {}
  return {
    topics: allow,
    mayPublish: publish,
    seeMembers: presence,
    requests: new Map(Object.entries(requests).map(([method, schemas]) => [method, compiler.compile(method, schemas)])),
    parse: createJsonReader({ onProtoPoisoning, onConstructorPoisoning })
  }
}

/** Tells that a request of the route has a schema which takes the instance's compiler. */
export function requestsNeedInstance (declared: DeclaredRoute, { validatorCompiler }: RouteSettings): boolean {
  const requests: Readonly<Record<string, RequestSchemas>> = declared.schema?.websocket?.requests ?? {}
  if (validatorCompiler !== undefined) return false
  return Object.values(requests).some(({ request, reply }) => needsInstance({ receive: request, send: reply }))
}

function isList (topics: RouteSettings['topics']): topics is readonly Topic[] {
  return Array.isArray(topics)
}

/** One of `schema.websocket.requests`. */
interface RequestSchemas {
  readonly request?: unknown
  readonly reply?: unknown
}

class RequestCompiler {
  readonly #name: string
  readonly #options: MessageOptions

  constructor (name: string, { validatorCompiler }: RouteSettings, instance: FastifyInstance) {
    const compiler = validatorCompiler ?? instance.validatorCompiler
    // What it returns is what Fastify calls for a body.
    const compile: CompileCheck = schema => compiler?.({ schema: schema as object, method: 'GET', url: name, httpPart: 'body' }) as ReturnType<CompileCheck>
    this.#name = name
    this.#options = { ...(validatorCompiler !== undefined && { validatorCompiler: compile }), compileWithInstance: compile }
  }

  compile (method: string, { request, reply }: RequestSchemas): RequestRule {
    const place = `schema.websocket.requests.${method}`
    try {
      const check = request === undefined ? (payload: unknown) => payload : compileCheck(request, this.#options, `${place}.request`)
      const encode = reply === undefined ? toJson : compileMessages({ ...this.#options, send: reply }).codec.encode
      return { check, write: (value) => String(encode(value)) }
    } catch (error) {
      throw new InvalidSchemaError(this.#name, `${place}: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
    }
  }
}

function toJson (value: unknown): string {
  return (JSON.stringify(value) as string | undefined) ?? 'null' // undefined for undefined itself
}
