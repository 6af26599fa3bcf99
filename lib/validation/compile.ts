// The message schemas of a route to its codec. Done once a route; a message then costs its parse and little more.
import type { MessageCodec } from '../connection/codec.ts'
import { CloseCode } from '../protocol/close-code.ts'
import { UsageError } from '../protocol/errors.ts'
import { compileChecker, isBeyondTypeBox, nameFailure } from './checker.ts'
import type { Checker, CheckerOptions } from './checker.ts'
import { DEPTH_FAULT, InvalidMessageError, InvalidSendError, isStackOverflow, wholeFault } from './errors.ts'
import { createJsonReader } from './json.ts'
import type { JsonOptions } from './json.ts'
import { scanSchema } from './schema-scan.ts'
import type { SchemaScan } from './schema-scan.ts'
import { COMPILED_IS_FASTER, createSerializer, stringify } from './serializer.ts'
import type { CompileSerializer, Serialize } from './serializer.ts'
import type { TypeBoxChecker } from './typebox.ts'
import type { Validator, Verdict } from './validator.ts'

export interface MessageOptions extends CheckerOptions, JsonOptions {
  /** Schema of the messages that come in; without it they stay raw. */
  receive?: unknown
  /** Schema of the messages that go out; without it raw payloads go as they are. */
  send?: unknown
  /** Binary messages pass untouched beside the JSON ones. Default: false. */
  binary?: boolean | undefined
  /** Outgoing messages are checked. Default: true. */
  checkSend?: boolean | undefined
  /** The application's own compiler of serialisers: what it makes of the `send` schema writes every message. */
  serializerCompiler?: CompileSerializer | undefined
  /** Fastify's default, fast-json-stringify: used where it writes the bytes that JSON.stringify would, in less time. */
  serializerFor?: CompileSerializer | undefined
}

export interface CompiledMessages {
  readonly codec: MessageCodec
  /** What the developer should hear of the schemas, for the log at registration. */
  readonly warnings: readonly string[]
}

const RECEIVE = 'schema.websocket.receive'
const SEND = 'schema.websocket.send'

/** Tells that the schemas cannot be compiled without `compileWithInstance`. */
export function needsInstance (options: MessageOptions): boolean {
  if (options.validatorCompiler !== undefined) return false
  if (options.receive !== undefined && isBeyondTypeBox(options.receive)) return true
  return options.send !== undefined && options.checkSend !== false && isBeyondTypeBox(options.send)
}

/**
 * Compiles the message schemas of a route.
 *
 * `decode` throws `InvalidMessageError`, or the error that the application's own validator made, for a message that does not fit:
 * both have a numeric `closeCode`. It throws an error without `closeCode` for a validator that failed itself, by whatever it threw
 * or by a promise. `encode` throws `InvalidSendError` for a message that does not fit and `UsageError` for one that cannot be sent at all.
 *
 * @throws {UsageError} `FST_WS_INVALID_ARGUMENT` for a schema that cannot be compiled; names it
 */
export function compileMessages (options: MessageOptions): CompiledMessages {
  const { receive, send } = options
  const warnings: string[] = []
  const codec: MessageCodec = {
    decode: receive === undefined ? passThrough : compileDecoder(receive, options, warnings),
    encode: send === undefined ? createRawEncoder(receive !== undefined) : compileEncoder(send, options, warnings)
  }
  return { codec, warnings }
}

/**
 * Compiles the check of values that have been read already. What it makes returns a value that fits, as it is, and throws as `decode` does
 * for any other.
 *
 * @param name - of the schema, for errors
 * @throws {UsageError} `FST_WS_INVALID_ARGUMENT` for a schema that cannot be compiled
 */
export function compileCheck (schema: unknown, options: CheckerOptions, name: string): (value: unknown) => unknown {
  const checker = compileChecker(schema, options, name, scanSchema(schema))
  return checker.kind === 'typebox' ? createReceiver(checker) : createJudgedReceiver(checker)
}

function passThrough (data: string | Buffer): unknown {
  return data
}

function listTransforms (name: string, scan: SchemaScan): string[] {
  return scan.transforms.map((pointer) =>
    `${name} has a Type.Transform at ${pointer}: it is not applied, messages are checked and typed as they are on the wire`)
}

function compileDecoder (schema: unknown, options: MessageOptions, warnings: string[]): MessageCodec['decode'] {
  const scan = scanSchema(schema)
  const checker = compileChecker(schema, options, RECEIVE, scan)
  warnings.push(...listTransforms(RECEIVE, scan))
  if (checker.kind === 'typebox') {
    for (const part of scan.notJson) warnings.push(`${RECEIVE} has a ${part}: no message can fit, for JSON has no such value`)
  }

  const readJson = createJsonReader(options)
  const receive = checker.kind === 'typebox' ? createReceiver(checker) : createJudgedReceiver(checker)
  const binary = options.binary === true
  return function decode (data) {
    if (typeof data === 'string') return receive(readJson(data))
    if (binary) return data
    throw new InvalidMessageError(CloseCode.UnsupportedData, [wholeFault('binary', 'is binary, expected JSON text')])
  }
}

/** Makes the check of an incoming message, which hands it on as it is. */
function createReceiver ({ check, explain }: TypeBoxChecker): (message: unknown) => unknown {
  return function receive (message) {
    let faults
    try {
      if (check(message)) return message
      faults = explain(message)
    } catch (error) {
      throw toFailure(error)
    }
    throw new InvalidMessageError(CloseCode.PolicyViolation, faults)
  }
}

function createJudgedReceiver ({ judge }: Validator): (message: unknown) => unknown {
  return function receive (message) {
    let verdict
    try {
      verdict = judge(message)
    } catch (error) {
      throw toFailure(error)
    }
    if (verdict.fits) return verdict.value
    throw asInvalidMessage(verdict)
  }
}

/**
 * Tells whose fault it is that a check has thrown. It runs out of stack on a message nested deeply enough: the peer's. Anything
 * else is the application's, of a format function say, and must not pass for a fault of the peer's, whatever it brings.
 */
function toFailure (error: unknown): Error {
  if (isStackOverflow(error)) return new InvalidMessageError(CloseCode.PolicyViolation, [DEPTH_FAULT], { cause: error })
  if (error instanceof Error && !('closeCode' in error)) return error
  const reason = error instanceof Error ? error.message : String(error)
  return new Error(`the validator of a message failed: ${reason}`, { cause: error })
}

/** Keeps the error that a validator made itself, completed as Fastify completes it for a body. */
function asInvalidMessage ({ faults, error }: Verdict): Error {
  if (error === undefined) return new InvalidMessageError(CloseCode.PolicyViolation, faults)
  const defaults = {
    code: 'FST_ERR_VALIDATION',
    statusCode: 400,
    validation: [wholeFault('invalid', error.message)],
    validationContext: 'message',
    closeCode: CloseCode.PolicyViolation
  }
  for (const [key, value] of Object.entries(defaults)) {
    if (Reflect.get(error, key) === undefined) Reflect.set(error, key, value)
  }
  if ('closeCode' in error && typeof error.closeCode === 'number') return error
  // It is frozen, or has a close code of its own that is none.
  return new InvalidMessageError(CloseCode.PolicyViolation, defaults.validation, { cause: error })
}

function compileEncoder (schema: unknown, options: MessageOptions, warnings: string[]): MessageCodec['encode'] {
  const scan = scanSchema(schema)
  const checker = options.checkSend === false ? undefined : compileChecker(schema, options, SEND, scan)
  warnings.push(...listTransforms(SEND, scan))
  const write = createWriter(checker, chooseSerializer(schema, checker, options))
  const binary = options.binary === true
  return function encode (message) {
    if (!isBytes(message)) return write(message)
    if (binary) return toBytes(message)
    throw new UsageError('FST_WS_UNSUPPORTED_DATA', 'bytes on a route with a send schema; the option binary: true lets them through')
  }
}

function chooseSerializer (schema: unknown, checker: Checker | undefined, options: MessageOptions): Serialize {
  const { serializerCompiler, serializerFor } = options
  if (serializerCompiler !== undefined) {
    return nameFailure(`${SEND} does not compile to a serialiser`, () => serializerCompiler(schema))
  }
  if (serializerFor === undefined || !COMPILED_IS_FASTER) return stringify
  // What has not passed TypeBox's check may be of any shape.
  if (checker?.kind !== 'typebox') return stringify
  return createSerializer(schema, serializerFor)
}

/** Makes the function that checks an outgoing message and turns it into its text. */
function createWriter (checker: Checker | undefined, serialize: Serialize): (message: unknown) => string {
  if (checker === undefined) return (message) => writeText(serialize, message)
  if (checker.kind === 'typebox') {
    const { check, explain } = checker
    return function write (message) {
      if (!runCheck(check, message)) throw new InvalidSendError(explain(message))
      return writeText(serialize, message)
    }
  }
  const { judge, wantsJson } = checker
  if (!wantsJson) return (message) => writeText(serialize, requireFit(runCheck(judge, message)))
  return function write (message) {
    // Checked as the peer will read it, and in a copy, for the sender's object must stay as it is.
    const text = writeText(serialize, message)
    requireFit(runCheck(judge, JSON.parse(text)))
    return text
  }
}

function runCheck<T> (check: (message: unknown) => T, message: unknown): T {
  try {
    return check(message)
  } catch (error) {
    throw isStackOverflow(error) ? new InvalidSendError([DEPTH_FAULT], { cause: error }) : error
  }
}

function requireFit ({ fits, value, faults, error }: Verdict): unknown {
  if (fits) return value
  throw error === undefined ? new InvalidSendError(faults) : new InvalidSendError([wholeFault('invalid', error.message)], { cause: error })
}

function writeText (serialize: Serialize, message: unknown): string {
  let text
  try {
    text = serialize(message)
  } catch (error) {
    // A circle, a BigInt, a `toJSON` that throws, or nesting deeper than the stack.
    throw new UsageError('FST_WS_UNSUPPORTED_DATA', error instanceof Error ? error.message : String(error), { cause: error })
  }
  if (typeof text === 'string') return text
  throw new UsageError('FST_WS_UNSUPPORTED_DATA', `${typeof message} has no JSON text`)
}

/** Makes the encoder of a route without a `send` schema: strings and bytes go as they are, anything else as JSON if messages come as JSON. */
function createRawEncoder (isJsonRoute: boolean): MessageCodec['encode'] {
  return function encode (message) {
    if (typeof message === 'string') return message
    if (isBytes(message)) return toBytes(message)
    if (isJsonRoute) return writeText(stringify, message)
    const type = message === null ? 'null' : typeof message
    throw new UsageError('FST_WS_UNSUPPORTED_DATA', `${type}, expected a string, an ArrayBuffer or a view of one`)
  }
}

const BUFFER_TAGS = ['[object ArrayBuffer]', '[object SharedArrayBuffer]']

function isBytes (message: unknown): message is ArrayBufferLike | ArrayBufferView {
  // The length first, for few messages have one. Then the tag, for a test runner may have an ArrayBuffer of its own.
  if (typeof message !== 'object' || message === null || !('byteLength' in message)) return false
  return ArrayBuffer.isView(message) || BUFFER_TAGS.includes(Object.prototype.toString.call(message))
}

function toBytes (data: ArrayBufferLike | ArrayBufferView): Uint8Array {
  if (data instanceof Uint8Array) return data
  return ArrayBuffer.isView(data) ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength) : new Uint8Array(data)
}
