import { SerializerSelector } from '@fastify/fast-json-stringify-compiler'
import { FormatRegistry, Type } from '@sinclair/typebox'
import t from 'tap'
import { UsageError } from '../../lib/protocol/errors.ts'
import { compileMessages, needsInstance } from '../../lib/validation/compile.ts'
import type { MessageOptions } from '../../lib/validation/compile.ts'
import { InvalidMessageError, InvalidSendError } from '../../lib/validation/errors.ts'
import { COMPILED_IS_FASTER } from '../../lib/validation/serializer.ts'
import type { CompileSerializer } from '../../lib/validation/serializer.ts'
import type { CompileSchema, ValidateFunction } from '../../lib/validation/validator.ts'
import { borrowCompiler } from './borrow-compiler.ts'

FormatRegistry.Set('compile-test-broken', () => { throw new TypeError('broken format') })
t.teardown(() => FormatRegistry.Delete('compile-test-broken'))

const Ping = Type.Object({ type: Type.Literal('ping') }, { additionalProperties: false })
const Chat = Type.Object({ type: Type.Literal('chat'), text: Type.String() }, { additionalProperties: false })
const In = Type.Union([Ping, Chat])
const Tree = Type.Recursive((This) => Type.Array(This))
const plain = { type: 'object', required: ['n'], properties: { n: { type: 'number' }, d: { type: 'number', default: 1 } }, additionalProperties: false }
const compileWithInstance = await borrowCompiler({ Text: { $id: 'Text', type: 'string' } })
const strictCompiler = await borrowCompiler({}, { ajv: { customOptions: { coerceTypes: false, removeAdditional: false } } })
const nesting = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth)

const decode = (options: MessageOptions, data: string | Buffer): unknown => compileMessages(options).codec.decode(data)
const encode = (options: MessageOptions, message: unknown): unknown => compileMessages(options).codec.encode(message)

const bytes = Buffer.from([1, 2, 3])

const received: Array<{ name: string, options: MessageOptions, data: string | Buffer, want: unknown }> = [
  { name: 'JSON that fits', options: { receive: In }, data: '{"type":"chat","text":"a"}', want: { type: 'chat', text: 'a' } },
  { name: 'JSON on a route that takes bytes too', options: { receive: In, binary: true }, data: '{"type":"ping"}', want: { type: 'ping' } },
  { name: 'bytes on a route that takes them', options: { receive: In, binary: true }, data: bytes, want: bytes },
  { name: 'text without a schema stays text', options: { send: In }, data: '{"type":"ping"}', want: '{"type":"ping"}' },
  { name: 'bytes without a schema stay bytes', options: { send: In }, data: bytes, want: bytes },
  { name: 'a reference to a shared schema', options: { receive: Type.Ref('Text'), compileWithInstance }, data: '"a"', want: 'a' },
  { name: 'plain JSON Schema, without its default', options: { receive: plain, compileWithInstance }, data: '{"n":1}', want: { n: 1 } },
  { name: 'one\'s own Ajv may coerce', options: { receive: plain, validatorCompiler: compileWithInstance }, data: '{"n":"1","x":1}', want: { n: 1, d: 1 } },
  { name: 'one\'s own value counts', options: { receive: In, validatorCompiler: () => (value) => ({ value: [value] }) }, data: '1', want: [1] },
  { name: 'by a pattern of TypeBox, which has no flag u', options: { receive: Type.String({ pattern: '^\\p{L}$' }) }, data: '"p{L}"', want: 'p{L}' },
  { name: 'by a regular expression of TypeBox, with its flags', options: { receive: Type.RegExp(/^\p{L}$/u) }, data: '"é"', want: 'é' },
  { name: 'by a pattern of Ajv, which has the flag u', options: { receive: { type: 'string', pattern: '^\\p{L}$' }, compileWithInstance }, data: '"é"', want: 'é' },
  { name: 'T58 duplicate keys: the last one is checked and given', options: { receive: In }, data: '{"type":"chat","text":1,"text":"b"}', want: { type: 'chat', text: 'b' } },
  { name: 'T58 a huge string', options: { receive: Type.String() }, data: JSON.stringify('x'.repeat(1 << 20)), want: 'x'.repeat(1 << 20) },
  { name: 'T58 depth within reason', options: { receive: Tree }, data: nesting(500), want: JSON.parse(nesting(500)) },
  { name: 'T58 __proto__ removed if the instance says so', options: { receive: Ping, onProtoPoisoning: 'remove' }, data: '{"__proto__":1,"type":"ping"}', want: { type: 'ping' } },
  { name: 'T58 constructor ignored if the instance says so', options: { receive: Type.Any(), onConstructorPoisoning: 'ignore' }, data: '{"constructor":{"prototype":1}}', want: JSON.parse('{"constructor":{"prototype":1}}') }
]

for (const { name, options, data, want } of received) {
  t.test(`receives ${name}`, async t => {
    const got = decode(options, data)
    t.equal(JSON.stringify(got), JSON.stringify(want))
    if (data === want) t.equal(got, want, 'itself')
  })
}

const own = Object.assign(new Error('own words'), { closeCode: 4000 })

const refused: Array<{ name: string, options: MessageOptions, data: string | Buffer, closeCode: number, message: string }> = [
  { name: 'bytes on a JSON route', options: { receive: In }, data: bytes, closeCode: 1003, message: 'message is binary, expected JSON text' },
  { name: 'what is not JSON', options: { receive: In }, data: 'hello', closeCode: 1007, message: 'message is not valid JSON' },
  { name: 'an empty message', options: { receive: In, binary: true }, data: '', closeCode: 1007, message: 'message is not valid JSON' },
  { name: 'the wrong type', options: { receive: In }, data: '{"type":"chat","text":1}', closeCode: 1008, message: 'message/text Expected string' },
  { name: 'an unknown type', options: { receive: In }, data: '{"type":"shout"}', closeCode: 1008, message: 'message/type Expected one of \'ping\', \'chat\'' },
  { name: 'a property too many, which is not stripped', options: { receive: In }, data: '{"type":"ping","x":1}', closeCode: 1008, message: 'message/x Unexpected property' },
  { name: 'a number for a text, which is not coerced', options: { receive: plain, compileWithInstance }, data: '{"n":"1"}', closeCode: 1008, message: 'message/n must be number' },
  { name: 'by a shared schema', options: { receive: Type.Ref('Text'), compileWithInstance }, data: '1', closeCode: 1008, message: 'message must be string' },
  { name: 'by an error of one\'s own', options: { receive: {}, validatorCompiler: () => () => ({ error: new Error('own words') }) }, data: '1', closeCode: 1008, message: 'own words' },
  { name: 'by an error with its own close code', options: { receive: {}, validatorCompiler: () => () => ({ error: own }) }, data: '1', closeCode: 4000, message: 'own words' },
  { name: 'T58 __proto__', options: { receive: Type.Any() }, data: '{"__proto__":{"a":1}}', closeCode: 1007, message: 'message has a forbidden prototype property' },
  { name: 'T58 __proto__ that is let through, by a closed schema', options: { receive: Ping, onProtoPoisoning: 'ignore' }, data: '{"type":"ping","__proto__":{}}', closeCode: 1008, message: 'message/__proto__ Unexpected property' },
  { name: 'T58 1e400', options: { receive: Type.Number() }, data: '1e400', closeCode: 1008, message: 'message Expected number' },
  { name: 'T58 1e400 by Ajv', options: { receive: plain, compileWithInstance }, data: '{"n":1e400}', closeCode: 1008, message: 'message/n must be number' },
  { name: 'T58 duplicate keys: the last one is checked', options: { receive: In }, data: '{"type":"chat","text":"a","text":1}', closeCode: 1008, message: 'message/text Expected string' },
  { name: 'T58 depth: more than the check has stack for', options: { receive: Tree }, data: nesting(400_000), closeCode: 1008, message: 'message is nested too deeply' },
  { name: 'T58 depth: more than the copy has stack for', options: { receive: { type: 'array' }, compileWithInstance }, data: nesting(400_000), closeCode: 1008, message: 'message is nested too deeply' },
  { name: 'T58 depth: an array where none is due', options: { receive: In }, data: nesting(400_000), closeCode: 1008, message: 'message Expected object' },
  { name: 'T58 a huge key, without repeating it', options: { receive: In }, data: `{"type":"ping","${'k'.repeat(1 << 20)}":1}`, closeCode: 1008, message: `message/${'k'.repeat(492)}…` }
]

for (const { name, options, data, closeCode, message } of refused) {
  t.test(`refuses ${name}`, async t => {
    const { codec } = compileMessages(options)
    for (let i = 0; i < 2; i++) {
      t.throws(() => codec.decode(data), { message, code: 'FST_ERR_VALIDATION', statusCode: 400, validationContext: 'message', validation: Array, closeCode })
    }
  })
}

t.test('T58 a huge key is nowhere in the error', async t => {
  const key = 'k'.repeat(1 << 20)
  const closed = { type: 'object', additionalProperties: false, properties: { a: { type: 'object', additionalProperties: { type: 'number' } } } }
  for (const [options, data] of [
    [{ receive: Ping }, `{"type":"ping","${key}":1}`],
    [{ receive: closed, compileWithInstance }, `{"${key}":1}`],
    [{ receive: closed, compileWithInstance }, `{"a":{"${key}":"1"}}`],
    [{ receive: closed, validatorCompiler: strictCompiler }, `{"${key}":1}`],
    [{ receive: closed, validatorCompiler: strictCompiler }, `{"a":{"${key}":"1"}}`]
  ] as Array<[MessageOptions, string]>) {
    try {
      decode(options, data)
      t.fail('not refused')
    } catch (error) {
      t.ok(error instanceof InvalidMessageError)
      t.ok(JSON.stringify({ ...(error as object) }).length < 5000)
    }
  }
})

t.test('keeps an error of one\'s own: the same object, completed, frozen or not', async t => {
  const error = Object.assign(new Error('a'), { code: 'MINE' })
  const failing: CompileSchema = () => () => ({ error })
  const { codec } = compileMessages({ receive: {}, validatorCompiler: failing })
  try {
    codec.decode('1')
    t.fail('not refused')
  } catch (thrown) {
    t.equal(thrown, error)
    t.match(error, { code: 'MINE', statusCode: 400, validationContext: 'message', closeCode: 1008, validation: [{ instancePath: '', message: 'a' }] })
  }
  const frozen = Object.freeze(new Error('b'))
  try {
    decode({ receive: {}, validatorCompiler: () => () => ({ error: frozen }) }, '1')
    t.fail('not refused')
  } catch (thrown) {
    t.match(thrown, { message: 'message b', closeCode: 1008, cause: frozen })
  }
  const odd = Object.assign(new Error('c'), { closeCode: '4000' })
  t.throws(() => decode({ receive: {}, validatorCompiler: () => () => ({ error: odd }) }, '1'), { message: 'message c', closeCode: 1008, cause: odd })
})

const rejected = async (): Promise<never> => { throw new Error('later') }
const crashes: Array<{ name: string, validate: ValidateFunction, want: object }> = [
  { name: 'throws', validate: () => { throw new TypeError('mine') }, want: { name: 'TypeError', message: 'mine' } },
  { name: 'throws a RangeError that is not of the stack', validate: () => 'a'.repeat(-1), want: { name: 'RangeError', message: /Invalid count/ } },
  { name: 'throws an error with a close code', validate: () => { throw own }, want: { message: 'the validator of a message failed: own words', cause: own } },
  { name: 'throws what is no error', validate: () => { throw 'text' }, want: { message: 'the validator of a message failed: text', cause: 'text' } }, // oxlint-disable-line no-throw-literal
  { name: 'returns a promise', validate: rejected, want: { name: 'TypeError', message: /must answer at once/ } }
]

for (const { name, validate, want } of crashes) {
  t.test(`a validator that ${name} is not the peer's fault`, async t => {
    for (const data of ['1', '{"a":[]}']) {
      try {
        decode({ receive: {}, validatorCompiler: () => validate }, data)
        t.fail('not thrown')
      } catch (error) {
        t.ok(error instanceof Error)
        t.match(error, want)
        t.notOk('closeCode' in (error as object))
        t.notOk(error instanceof InvalidMessageError)
      }
    }
  })
}

t.test('an error of the application\'s own format, either way, is neither the peer\'s fault nor about the message', async t => {
  const schema = Type.String({ format: 'compile-test-broken' })
  t.throws(() => decode({ receive: schema }, '"a"'), { name: 'TypeError', message: 'broken format' })
  t.throws(() => encode({ send: schema }, 'a'), { name: 'TypeError', message: 'broken format' })
})

const view = new DataView(bytes.buffer, bytes.byteOffset, 2)
const chat = { type: 'chat', text: 'a' }

const sent: Array<{ name: string, options: MessageOptions, message: unknown, want: string | Uint8Array }> = [
  { name: 'a message that fits', options: { send: In }, message: chat, want: '{"type":"chat","text":"a"}' },
  { name: 'a text that fits, as JSON', options: { send: Type.String() }, message: 'a', want: '"a"' },
  { name: 'a date where the schema has one', options: { send: Type.Object({ at: Type.Date() }) }, message: { at: new Date(0) }, want: '{"at":"1970-01-01T00:00:00.000Z"}' },
  { name: 'a date where Ajv wants a text', options: { send: { type: 'object', properties: { at: { type: 'string', format: 'date-time' } } }, compileWithInstance }, message: { at: new Date(0) }, want: '{"at":"1970-01-01T00:00:00.000Z"}' },
  { name: 'plain JSON Schema, without its default', options: { send: plain, compileWithInstance }, message: { n: 1 }, want: '{"n":1}' },
  { name: 'what one\'s own Ajv would change, unchanged', options: { send: plain, validatorCompiler: compileWithInstance }, message: { n: '1' }, want: '{"n":"1"}' },
  { name: 'the value that one\'s own compiler returns', options: { send: {}, validatorCompiler: () => (value) => ({ value: [value] }) }, message: 1, want: '[1]' },
  { name: 'anything, if sends are not checked', options: { send: In, checkSend: false }, message: { type: 'shout' }, want: '{"type":"shout"}' },
  { name: 'bytes on a route that takes them', options: { send: In, binary: true }, message: bytes, want: bytes },
  { name: 'a view of them', options: { send: In, binary: true }, message: view, want: new Uint8Array([1, 2]) },
  { name: 'an ArrayBuffer', options: { send: In, binary: true }, message: new Uint8Array([7, 8]).buffer, want: new Uint8Array([7, 8]) },
  { name: 'a SharedArrayBuffer', options: { send: In, binary: true }, message: new SharedArrayBuffer(2), want: new Uint8Array(2) },
  { name: 'a message with a byteLength', options: { send: Type.Object({ byteLength: Type.Number() }) }, message: { byteLength: 1 }, want: '{"byteLength":1}' },
  { name: 'without a schema a text as it is', options: { receive: In }, message: 'a', want: 'a' },
  { name: 'without a schema bytes as they are', options: { receive: In }, message: bytes, want: bytes },
  { name: 'without a schema a view', options: { receive: In }, message: new Uint16Array([257]), want: new Uint8Array([1, 1]) },
  { name: 'without a schema anything else as JSON, where messages come as JSON', options: { receive: In }, message: { a: [1] }, want: '{"a":[1]}' },
  { name: 'raw payloads on a raw route', options: {}, message: 'a', want: 'a' },
  { name: 'by a serialiser of one\'s own', options: { send: In, serializerCompiler: () => () => 'mine' }, message: chat, want: 'mine' },
  { name: 'by a serialiser of one\'s own, checked by Ajv as it was written', options: { send: { type: 'number' }, compileWithInstance, serializerCompiler: () => () => '7' }, message: 'x', want: '7' }
]

for (const { name, options, message, want } of sent) {
  t.test(`sends ${name}`, async t => {
    const got = encode(options, message)
    if (typeof want === 'string') return t.equal(got, want)
    t.ok(got instanceof Uint8Array)
    t.same(Array.from(got as Uint8Array), Array.from(want))
    if (want === message) t.equal(got, want, 'itself, not a copy')
  })
}

const circle: { self?: unknown } = {}
circle.self = circle

const unsent: Array<{ name: string, options: MessageOptions, message: unknown, error: object }> = [
  { name: 'the wrong type', options: { send: In }, message: { type: 'chat', text: 1 }, error: { code: 'FST_WS_INVALID_SEND', message: 'send/text Expected string', statusCode: 500, validationContext: 'send' } },
  { name: 'NaN', options: { send: Type.Number() }, message: NaN, error: { code: 'FST_WS_INVALID_SEND', message: 'send Expected number' } },
  { name: 'undefined', options: { send: In }, message: undefined, error: { code: 'FST_WS_INVALID_SEND', message: 'send Expected object' } },
  { name: 'by Ajv', options: { send: plain, compileWithInstance }, message: { n: '1' }, error: { code: 'FST_WS_INVALID_SEND', message: 'send/n must be number' } },
  { name: 'a property too many, by Ajv', options: { send: plain, compileWithInstance }, message: { n: 1, x: 1 }, error: { code: 'FST_WS_INVALID_SEND', message: 'send must NOT have additional properties' } },
  { name: 'by an error of one\'s own', options: { send: {}, validatorCompiler: () => () => ({ error: own }) }, message: 1, error: { code: 'FST_WS_INVALID_SEND', message: 'send own words', cause: own } },
  { name: 'a circle that the check follows', options: { send: Type.Recursive((This) => Type.Object({ self: This })) }, message: circle, error: { code: 'FST_WS_INVALID_SEND', message: 'send is nested too deeply' } },
  { name: 'a circle that it does not', options: { send: Type.Any() }, message: circle, error: { code: 'FST_WS_UNSUPPORTED_DATA', cause: TypeError } },
  { name: 'a BigInt', options: { send: Type.BigInt() }, message: 1n, error: { code: 'FST_WS_UNSUPPORTED_DATA', cause: TypeError } },
  { name: 'a toJSON that throws', options: { send: Type.Any() }, message: { toJSON () { throw own } }, error: { code: 'FST_WS_UNSUPPORTED_DATA', cause: own } },
  { name: 'what is no JSON', options: { send: Type.Any() }, message: undefined, error: { code: 'FST_WS_UNSUPPORTED_DATA', message: 'data that cannot be sent: undefined has no JSON text' } },
  { name: 'a function', options: { receive: In }, message: () => 1, error: { code: 'FST_WS_UNSUPPORTED_DATA', message: 'data that cannot be sent: function has no JSON text' } },
  { name: 'undefined where there is no schema', options: { receive: In }, message: undefined, error: { code: 'FST_WS_UNSUPPORTED_DATA', message: 'data that cannot be sent: undefined has no JSON text' } },
  { name: 'bytes without the option', options: { send: Type.Any() }, message: bytes, error: { code: 'FST_WS_UNSUPPORTED_DATA', message: /binary: true/ } },
  { name: 'a number on a raw route', options: {}, message: 1, error: { code: 'FST_WS_UNSUPPORTED_DATA', message: /number, expected a string/ } },
  { name: 'null on a raw route', options: {}, message: null, error: { code: 'FST_WS_UNSUPPORTED_DATA', message: /null, expected a string/ } },
  { name: 'what one\'s own serialiser makes no text of', options: { send: In, serializerCompiler: (() => () => 1) as unknown as CompileSerializer }, message: chat, error: { code: 'FST_WS_UNSUPPORTED_DATA' } }
]

for (const { name, options, message, error } of unsent) {
  t.test(`does not send ${name}`, async t => {
    try {
      encode(options, message)
      t.fail('sent')
    } catch (thrown) {
      t.match(thrown, error)
      t.ok(thrown instanceof UsageError || thrown instanceof InvalidSendError)
      t.notOk(thrown instanceof InvalidMessageError)
    }
  })
}

t.test('a sender\'s object stays as it is', async t => {
  const message = { n: 1 }
  for (const name of ['compileWithInstance', 'validatorCompiler']) encode({ send: plain, [name]: compileWithInstance }, message)
  t.same(message, { n: 1 })
})

t.test('compiled serialisers are used where they are faster, for checked messages only', async t => {
  const compileFast = SerializerSelector()({}, {})
  let calls = 0
  const serializerFor: CompileSerializer = (schema) => {
    const write = compileFast({ schema: schema as object, method: 'GET', url: '/', httpStatus: '200' }) // a plain schema
    return (value) => {
      calls++
      return write(value)
    }
  }
  t.equal(encode({ send: In, serializerFor }, chat), JSON.stringify(chat))
  t.equal(calls, COMPILED_IS_FASTER ? 1 : 0)
  t.equal(encode({ send: In, serializerFor, checkSend: false }, chat), JSON.stringify(chat))
  t.equal(encode({ send: In, serializerFor, validatorCompiler: () => () => true }, chat), JSON.stringify(chat))
  t.equal(calls, COMPILED_IS_FASTER ? 1 : 0)
})

t.test('warns of transforms, and of what no message can have', async t => {
  const At = Type.Transform(Type.String()).Decode((text) => new Date(text)).Encode(String)
  const { warnings } = compileMessages({ receive: Type.Object({ at: At, on: Type.Date() }), send: Type.Object({ at: At, on: Type.Date() }) })
  t.same(warnings, [
    'schema.websocket.receive has a Type.Transform at #/properties/at: it is not applied, messages are checked and typed as they are on the wire',
    'schema.websocket.receive has a Date at #/properties/on: no message can fit, for JSON has no such value',
    'schema.websocket.send has a Type.Transform at #/properties/at: it is not applied, messages are checked and typed as they are on the wire'
  ])
  t.same(compileMessages({ receive: Type.Object({ at: At }) }).codec.decode('{"at":"x"}'), { at: 'x' })
  t.same(compileMessages({ receive: In, send: In }).warnings, [])
  t.same(compileMessages({ receive: Type.Date(), validatorCompiler: () => () => true }).warnings, [], 'but one\'s own compiler may know better')
})

t.test('a schema that cannot be compiled is named', async t => {
  const failing: CompileSchema = () => { throw new Error('no') }
  for (const name of ['receive', 'send']) {
    t.throws(() => compileMessages({ [name]: plain }), { code: 'FST_WS_INVALID_ARGUMENT', message: new RegExp(`schema\\.websocket\\.${name} needs`) })
    t.throws(() => compileMessages({ [name]: plain, compileWithInstance: failing }), { code: 'FST_WS_INVALID_ARGUMENT', message: new RegExp(`schema\\.websocket\\.${name} does not compile`) })
    t.throws(() => compileMessages({ [name]: null }), { code: 'FST_WS_INVALID_ARGUMENT', message: new RegExp(`schema\\.websocket\\.${name} needs`) })
  }
  t.throws(() => compileMessages({ send: In, serializerCompiler: () => { throw new Error('no') } }), { code: 'FST_WS_INVALID_ARGUMENT', message: /schema\.websocket\.send does not compile to a serialiser: no/ })
  t.doesNotThrow(() => compileMessages({ send: plain, checkSend: false }))
})

const needs: Array<{ name: string, options: MessageOptions, want: boolean }> = [
  { name: 'TypeBox both ways', options: { receive: In, send: In }, want: false },
  { name: 'nothing', options: {}, want: false },
  { name: 'plain JSON Schema in', options: { receive: plain, send: In }, want: true },
  { name: 'plain JSON Schema out', options: { send: plain }, want: true },
  { name: 'plain JSON Schema out, unchecked', options: { send: plain, checkSend: false }, want: false },
  { name: 'plain JSON Schema with a compiler of one\'s own', options: { receive: plain, validatorCompiler: () => () => true }, want: false }
]

for (const { name, options, want } of needs) {
  t.test(`needs the instance: ${name}`, async t => t.equal(needsInstance(options), want))
}

t.test('one codec serves many connections: it keeps nothing of a message', async t => {
  const { codec } = compileMessages({ receive: plain, compileWithInstance })
  t.throws(() => codec.decode('{"n":"1"}'))
  const first = codec.decode('{"n":1}')
  t.same(codec.decode('{"n":2}'), { n: 2 })
  t.same(first, { n: 1 })
  const validate: ValidateFunction = () => true
  t.equal(compileMessages({ receive: {}, validatorCompiler: () => validate }).codec.decode('"a"'), 'a')
})
