// Messages of topics to JSON: checked by the schema of their topic, which is compiled once.
import type { FastifyInstance } from 'fastify'
import type { MessageCodec } from '../connection/codec.ts'
import { UsageError } from '../protocol/errors.ts'
import { compileMessages } from '../validation/compile.ts'
import type { MessageOptions } from '../validation/compile.ts'
import type { Topic } from '../../types/topics.ts'
import { InvalidSchemaError } from './errors.ts'
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
    const { name, schema } = topic
    // Without one anything fits.
    if (typeof schema !== 'object' || schema === null) return toJson(message)
    let codec = this.#codecs.get(schema)
    if (codec === undefined) {
      codec = this.#compile(name, schema)
      this.#codecs.set(schema, codec)
    }
    // Bytes do not come out of the codec of a route without `binary`.
    return codec.encode(message) as string
  }

  #compile (name: string, schema: object): MessageCodec {
    const compiler = this.#validatorCompiler ?? this.#instance.validatorCompiler
    // What it returns is what Fastify calls for a body.
    const compile: CompileCheck = (given) => {
      if (compiler === undefined) throw new TypeError('it is none of TypeBox, and the instance has no validator compiler: set one, or give the plugin the option validatorCompiler')
      return compiler({ schema: given as object, method: 'GET', url: name, httpPart: 'body' }) as ReturnType<CompileCheck>
    }
    try {
      return compileMessages({ send: schema, ...(this.#validatorCompiler !== undefined && { validatorCompiler: compile }), compileWithInstance: compile }).codec
    } catch (error) {
      throw new InvalidSchemaError(`the topic ${name}`, error instanceof Error ? error.message : String(error), { cause: error })
    }
  }
}

function toJson (message: unknown): string {
  const text = JSON.stringify(message) as string | undefined // undefined for a function, a symbol and undefined itself
  if (text === undefined) throw new UsageError('FST_WS_UNSUPPORTED_DATA', `${typeof message} has no place in JSON`)
  return text
}
