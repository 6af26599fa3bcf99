// The codec of a route, from its schemas and from the compilers that the route, the plugin or the instance bring. Owns when
// it is compiled: as early as its compilers are there, so that a bad schema fails the start and not a handshake.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { MessageCodec } from '../connection/codec.ts'
import { compileMessages, needsInstance } from '../validation/compile.ts'
import type { MessageOptions } from '../validation/compile.ts'
import { InvalidOptionError, InvalidSchemaError } from './errors.ts'
import type { RouteSettings } from './options.ts'
import type { DeclaredRoute } from './registration.ts'

type CompileCheck = NonNullable<MessageOptions['validatorCompiler']>
type CompileSerializer = NonNullable<MessageOptions['serializerCompiler']>

export class RouteCodec {
  /** True when TypeBox cannot check the schemas: that takes the instance's compiler, which is there at `ready`. */
  readonly needsInstance: boolean
  readonly #name: string
  readonly #options: MessageOptions
  readonly #instance: FastifyInstance
  /** The instance's checks by schema, so that each is compiled once. */
  readonly #checks = new Map<unknown, ReturnType<CompileCheck>>()
  readonly #wantsSerializer: boolean
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
   * @throws `FST_WS_INVALID_SCHEMA`
   */
  warmUp (): void {
    const compiler = this.#instance.validatorCompiler
    if (this.#isDone || !this.needsInstance || compiler === undefined) return
    // What it returns is what Fastify calls for a body.
    const compile: CompileCheck = schema => compiler({ schema: schema as object, method: 'GET', url: this.#name, httpPart: 'body' }) as ReturnType<CompileCheck>
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
    const { codec, warnings } = compileNamed(this.#name, { ...this.#options, ...more })
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
  if (typeof messages !== 'object' || messages === null) throw new InvalidOptionError('schema.websocket', name, 'must be an object with receive or send')
  for (const key of Object.keys(messages)) {
    if (key !== 'receive' && key !== 'send') throw new InvalidOptionError(`schema.websocket.${key}`, name, 'there is only receive and send')
  }
  return messages
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

function compileNamed (name: string, options: MessageOptions): ReturnType<typeof compileMessages> {
  try {
    return compileMessages(options)
  } catch (error) {
    throw new InvalidSchemaError(name, error instanceof Error ? error.message : String(error), { cause: error })
  }
}
