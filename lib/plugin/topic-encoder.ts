// Messages of topics to JSON: checked by the schema of their topic, which is compiled once.
import type { FastifyInstance } from 'fastify'
import type { MessageCodec } from '../connection/codec.ts'
import { compileMessages, needsInstance } from '../validation/compile.ts'
import type { MessageOptions } from '../validation/compile.ts'
import type { Topic } from '../../types/topics.ts'
import { InvalidSchemaError } from './errors.ts'
import { compilerOf } from './instance-compiler.ts'
import type { PluginSettings } from './options.ts'

type CompileCheck = NonNullable<MessageOptions['validatorCompiler']>

export class TopicEncoder {
  readonly #instance: FastifyInstance
  readonly #validatorCompiler: PluginSettings['validatorCompiler']
  /** By schema: many topics may have the same. */
  readonly #codecs = new WeakMap<object, MessageCodec>()

  constructor (instance: FastifyInstance, { validatorCompiler }: Pick<PluginSettings, 'validatorCompiler'>) {
    this.#instance = instance
    this.#validatorCompiler = validatorCompiler
  }

  /**
   * Serialises a message.
   *
   * @throws `FST_WS_INVALID_SEND` when it does not fit, `FST_WS_INVALID_SCHEMA` for a schema that does not compile,
   *   `FST_WS_UNSUPPORTED_DATA` for what JSON has no place for
   */
  encode (topic: Topic, message: unknown): string {
    // Bytes do not come out of the codec of a route without `binary`.
    return this.#codecFor(topic, this.#instance).encode(message) as string
  }

  /**
   * Compiles what a topic is checked by, before anybody publishes; to be called when all schemas have been added.
   *
   * @param instance - of whoever uses the topic: its schemas may be known in that context alone
   * @throws `FST_WS_INVALID_SCHEMA`
   */
  prepare (topic: Topic, instance: FastifyInstance): void {
    this.#codecFor(topic, instance)
  }

  #codecFor ({ name, schema }: Topic, instance: FastifyInstance): MessageCodec {
    if (typeof schema !== 'object' || schema === null) return ANYTHING
    let codec = this.#codecs.get(schema)
    if (codec === undefined) {
      codec = this.#compile(name, schema, instance)
      this.#codecs.set(schema, codec)
    }
    return codec
  }

  #compile (name: string, schema: object, instance: FastifyInstance): MessageCodec {
    try {
      return compileMessages({ send: schema, ...this.#compilerFor(name, schema, instance) }).codec
    } catch (error) {
      throw new InvalidSchemaError(`the topic ${name}`, error instanceof Error ? error.message : String(error), { cause: error })
    }
  }

  #compilerFor (name: string, schema: object, instance: FastifyInstance): Pick<MessageOptions, 'validatorCompiler' | 'compileWithInstance'> {
    // That of the instance may have to be made: only for what takes it.
    const compiler = this.#validatorCompiler ?? (needsInstance({ send: schema }) ? compilerOf(instance) : undefined)
    if (compiler === undefined) return {}
    // What it returns is what Fastify calls for a body.
    const compile: CompileCheck = schema => compiler({ schema: schema as object, method: 'GET', url: name, httpPart: 'body' }) as ReturnType<CompileCheck>
    return this.#validatorCompiler === undefined ? { compileWithInstance: compile } : { validatorCompiler: compile }
  }
}

/** Of topics without a schema: JSON, of which nothing is checked. */
const ANYTHING: MessageCodec = compileMessages({ send: {}, checkSend: false }).codec
