// The codec of a route, from its schemas and from the compilers that the route, the plugin or the instance bring. Owns when
// it is compiled: as early as its compilers are there, so that a bad schema fails the start and not a handshake.
import Fastify from 'fastify'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { MessageCodec } from '../connection/codec.ts'
import { USAGE_ERRORS } from '../protocol/errors.ts'
import { compileMessages, needsInstance } from '../validation/compile.ts'
import type { MessageOptions } from '../validation/compile.ts'
import { createStrictFinder } from '../validation/strict.ts'
import type { CompilingInstance, FindStrict } from '../validation/strict.ts'
import { InvalidOptionError, InvalidSchemaError } from './errors.ts'
import type { RouteSettings } from './options.ts'
import type { DeclaredRoute } from './registration.ts'

type CompileCheck = NonNullable<MessageOptions['validatorCompiler']>
type CompileSerializer = NonNullable<MessageOptions['serializerCompiler']>

/** By context, as each has its own shared schemas: the compilers that take the place of Fastify's default. */
const strictFinders = new WeakMap<FastifyInstance, Promise<FindStrict>>()

export class RouteCodec {
  /** True when TypeBox cannot check the schemas: that takes the instance's compiler, which is there at `ready`. */
  readonly needsInstance: boolean
  readonly #name: string
  readonly #options: MessageOptions
  readonly #instance: FastifyInstance
  /** The instance's checks by schema, so that each is compiled once. */
  readonly #checks = new Map<unknown, ReturnType<CompileCheck>>()
  readonly #wantsSerializer: boolean
  #findStrict: FindStrict | undefined
  #codec: MessageCodec | undefined
  #isDone: boolean
  #hasWarned = false

  /**
   * Compiles the message schemas of a route as far as it can be done at registration.
   *
   * @throws `FST_WS_INVALID_OPTION`, `FST_WS_INVALID_SCHEMA`
   */
  constructor (name: string, declared: DeclaredRoute, options: RouteSettings, instance: FastifyInstance) {
    const schemas = readSchemas(name, declared)
    const { onProtoPoisoning, onConstructorPoisoning } = instance.initialConfig
    const validatorCompiler = findValidatorCompiler(declared, options, instance)
    const serializerCompiler = findSerializerCompiler(declared, options, instance)
    this.#name = name
    this.#instance = instance
    this.#options = { ...schemas, binary: options.binary, validatorCompiler, serializerCompiler, onProtoPoisoning, onConstructorPoisoning }
    this.#isDone = schemas.receive === undefined && schemas.send === undefined
    this.#wantsSerializer = schemas.send !== undefined && serializerCompiler === undefined
    this.needsInstance = !this.#isDone && needsInstance(this.#options)
    if (!this.#isDone && !this.needsInstance) this.#compile({}, !this.#wantsSerializer)
  }

  /**
   * Compiles what takes the instance's compiler, when all schemas have been added to it.
   *
   * Where that is Ajv as Fastify sets it up, one that changes nothing takes its place; `createStrictFinder` tells where not. Then
   * a message is checked as a copy and must come out of the check unchanged, which refuses some good ones of unions.
   *
   * @throws `FST_WS_INVALID_SCHEMA`
   */
  async warmUp (): Promise<void> {
    const compiler = this.#instance.validatorCompiler
    if (this.#isDone || !this.needsInstance || compiler === undefined) return
    // What it returns is what Fastify calls for a body.
    const compile: CompileCheck = schema => compiler({ schema: schema as object, method: 'GET', url: this.#name, httpPart: 'body' }) as ReturnType<CompileCheck>
    this.#findStrict = await findStrictFinder(this.#instance, compile)
    this.#compile({ compileWithInstance: schema => this.#check(schema, compile) }, !this.#wantsSerializer)
  }

  /**
   * Returns the codec, compiled in the end with what Fastify has only with a request; `undefined` on a raw route.
   *
   * @throws `FST_WS_INVALID_SCHEMA`
   */
  codecFor (request: FastifyRequest, reply: FastifyReply): MessageCodec | undefined {
    if (!this.#isDone) {
      // The casts: schemas, and what Fastify itself calls.
      const compile: CompileCheck = schema => request.compileValidationSchema(schema as object, 'body')
      this.#compile({
        compileWithInstance: schema => this.#check(schema, compile),
        serializerFor: schema => reply.compileSerializationSchema(schema as Record<string, unknown>) as ReturnType<CompileSerializer>
      }, true)
    }
    return this.#codec
  }

  #compile (more: MessageOptions, isLast: boolean): void {
    const { codec, warnings } = compileNamed(this.#name, { ...this.#options, findStrict: this.#findStrict, ...more })
    this.#codec = codec
    this.#isDone = isLast
    if (this.#hasWarned) return
    this.#hasWarned = true
    for (const warning of warnings) this.#instance.log.warn(`${this.#name}: ${warning}`)
  }

  #check (schema: unknown, compile: CompileCheck): ReturnType<CompileCheck> {
    const check = this.#checks.get(schema) ?? compile(schema)
    this.#checks.set(schema, check)
    return check
  }
}

function readSchemas (name: string, { schema }: DeclaredRoute): { receive?: unknown, send?: unknown } {
  const messages: unknown = schema?.websocket
  if (messages === undefined) return {}
  if (typeof messages !== 'object' || messages === null || Array.isArray(messages)) {
    throw new InvalidSchemaError(name, `schema.websocket is ${nameKind(messages)}, must be an object with receive or send`)
  }
  for (const [key, schema] of Object.entries(messages)) {
    if (key === 'requests') {
      checkRequests(name, schema)
      continue
    }
    if (key !== 'receive' && key !== 'send') throw new InvalidOptionError(`schema.websocket.${key}`, name, 'there is only receive, send and requests')
    if (!isSchema(schema)) throw new InvalidSchemaError(name, `schema.websocket.${key} is ${nameKind(schema)}, must be a schema: an object, true or false`)
  }
  return messages
}

/** Whether their schemas compile shows later. */
function checkRequests (name: string, requests: unknown): void {
  if (requests === undefined) return
  const place = 'schema.websocket.requests'
  if (typeof requests !== 'object' || requests === null || Array.isArray(requests)) {
    throw new InvalidSchemaError(name, `${place} is ${nameKind(requests)}, must be an object with { request, reply } for each name`)
  }
  for (const [method, schemas] of Object.entries(requests)) {
    if (typeof schemas !== 'object' || schemas === null) throw new InvalidSchemaError(name, `${place}.${method} is ${nameKind(schemas)}, must be an object with request or reply`)
    for (const [part, schema] of Object.entries(schemas)) {
      if (part !== 'request' && part !== 'reply') throw new InvalidOptionError(`${place}.${method}.${part}`, name, 'there is only request and reply')
      if (!isSchema(schema)) throw new InvalidSchemaError(name, `${place}.${method}.${part} is ${nameKind(schema)}, must be a schema: an object, true or false`)
    }
  }
}

/** Tells what may be a schema. Compilers of other makes have functions for schemas; `undefined` is as good as absent. */
function isSchema (value: unknown): boolean {
  return ['object', 'boolean', 'function', 'undefined'].includes(typeof value) && value !== null && !Array.isArray(value)
}

function nameKind (value: unknown): string {
  if (value === null) return 'null'
  return Array.isArray(value) ? 'an array' : `a ${typeof value}`
}

/** The route's `websocket` option, Fastify's option of the route, the plugin's, one that was set on the instance. */
function findValidatorCompiler (declared: DeclaredRoute, options: RouteSettings, instance: FastifyInstance): CompileCheck | undefined {
  // Before `ready` an instance has no compiler but one that was set.
  const compiler = ownOption(declared, 'validatorCompiler') ?? declared.validatorCompiler ?? options.validatorCompiler ?? instance.validatorCompiler
  if (compiler === undefined) return undefined
  // Always a body: the compiler of @fastify/type-provider-typebox converts anything else, and others know no other part.
  return schema => compiler({ schema: schema as object, method: 'GET', url: declared.url, httpPart: 'body' }) as ReturnType<CompileCheck>
}

function findSerializerCompiler (declared: DeclaredRoute, options: RouteSettings, instance: FastifyInstance): CompileSerializer | undefined {
  const compiler = ownOption(declared, 'serializerCompiler') ?? declared.serializerCompiler ?? options.serializerCompiler ?? instance.serializerCompiler
  if (compiler === undefined) return undefined
  return schema => compiler({ schema: schema as object, method: 'GET', url: declared.url })
}

function ownOption<K extends 'validatorCompiler' | 'serializerCompiler'> ({ websocket }: DeclaredRoute, name: K): RouteSettings[K] | undefined {
  // Checked before, with the other options of the route.
  return typeof websocket === 'object' && websocket !== null ? (websocket as RouteSettings)[name] : undefined
}

function findStrictFinder (instance: FastifyInstance, compile: CompileCheck): Promise<FindStrict> {
  const finder = strictFinders.get(instance) ??
    // Its overloads are for kinds of servers; this one never listens.
    createStrictFinder(compile, ajv => Fastify({ ajv }) as unknown as CompilingInstance, instance.getSchemas())
  strictFinders.set(instance, finder)
  return finder
}

function compileNamed (name: string, options: MessageOptions): ReturnType<typeof compileMessages> {
  try {
    return compileMessages(options)
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    // Whose argument it was is said already.
    throw new InvalidSchemaError(name, reason.replace(`${USAGE_ERRORS.FST_WS_INVALID_ARGUMENT}: `, ''), { cause: error })
  }
}
