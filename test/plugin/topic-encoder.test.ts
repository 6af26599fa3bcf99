import { Type } from '@sinclair/typebox'
import Fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { defineTopic } from '../../lib/contract.ts'
import { TopicEncoder } from '../../lib/plugin/topic-encoder.ts'

const Said = Type.Object({ text: Type.String({ maxLength: 5 }) })
const encoder = new TopicEncoder(Fastify(), {})

/** A schema that counts how often it is compiled: each time its type is read. */
function counting (): { schema: object, reads: () => number } {
  let reads = 0
  const schema = Type.String()
  return { schema: new Proxy(schema, { get (target, key) { if (key === 'type') reads++; return Reflect.get(target, key) } }), reads: () => reads }
}

t.test('a message is checked by the schema of its topic, and written', async (t) => {
  const room = defineTopic({ name: 'room/:room', schema: Said })
  t.equal(encoder.encode(room, { text: 'hi' }), '{"text":"hi"}')
  for (const message of [{ text: 'too long' }, { text: 1 }, {}, null, undefined, 'hi']) t.throws(() => encoder.encode(room, message), { code: 'FST_WS_INVALID_SEND' })
})

t.test('without a schema it is any JSON, text in quotes and all', async (t) => {
  for (const topic of [defineTopic({ name: 'news' }), defineTopic({ name: 'newer', schema: undefined })]) {
    t.equal(encoder.encode(topic, { a: [1] }), '{"a":[1]}')
    t.equal(encoder.encode(topic, 'text'), '"text"')
    t.equal(encoder.encode(topic, null), 'null')
    for (const message of [undefined, () => {}, Symbol('a')]) t.throws(() => encoder.encode(topic, message), { code: 'FST_WS_UNSUPPORTED_DATA' })
  }
})

t.test('a schema is compiled once, for all topics that have it', async (t) => {
  const { schema, reads } = counting()
  const [a, b] = [defineTopic({ name: 'a', schema }), defineTopic({ name: 'b/:b', schema })]
  t.equal(encoder.encode(a, 'text'), '"text"')
  const first = reads()
  t.ok(first > 0)
  t.equal(encoder.encode(b, 'text'), '"text"')
  t.equal(encoder.encode(a, 'more'), '"more"')
  t.equal(reads(), first)
})

t.test('a schema that does not compile is named', async (t) => {
  const topic = defineTopic({ name: 'room/:room', schema: { type: 'object', properties: { a: { $ref: 'nowhere#' } } } })
  t.throws(() => encoder.encode(topic, {}), { code: 'FST_WS_INVALID_SCHEMA', message: /the topic room\/:room/ })
})

t.test('plain JSON Schema is compiled by the instance, with the schemas that it knows', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  app.addSchema({ $id: 'said', type: 'object', properties: { text: { type: 'string', format: 'email' } }, required: ['text'] })
  app.post('/', { schema: { body: { type: 'object' } } }, async () => {})
  await app.ready()
  const topic = defineTopic({ name: 'mail', schema: { type: 'array', items: { $ref: 'said#' } } })
  const encoder = new TopicEncoder(app, {})
  t.equal(encoder.encode(topic, [{ text: 'a@b.de' }]), '[{"text":"a@b.de"}]')
  t.throws(() => encoder.encode(topic, [{ text: 'a' }]), { code: 'FST_WS_INVALID_SEND' })
})

t.test('where no route has a schema the instance has no compiler: it is made for the topic that takes it', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.ready()
  const encoder = new TopicEncoder(app, {})
  t.equal(encoder.encode(defineTopic({ name: 'mail', schema: Said }), { text: 'abc' }), '{"text":"abc"}')
  t.equal(encoder.encode(defineTopic({ name: 'mail' }), 'abc'), '"abc"')
  t.equal(app.validatorCompiler, undefined)
  const topic = defineTopic({ name: 'mail', schema: { type: 'string', minLength: 2 } })
  t.equal(encoder.encode(topic, 'abc'), '"abc"')
  t.throws(() => encoder.encode(topic, 'a'), { code: 'FST_WS_INVALID_SEND' })
})

t.test('where there is none and none can be made, it says so', async (t) => {
  const encoder = new TopicEncoder({} as FastifyInstance, {})
  const topic = defineTopic({ name: 'mail', schema: { type: 'string' } })
  t.throws(() => encoder.encode(topic, 'abc'), { code: 'FST_WS_INVALID_SCHEMA', message: /the topic mail: .*needs the validator compiler of the instance/ })
})

t.test('prepared by the context that uses it, with the schemas that are known there', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  let nested: FastifyInstance | undefined
  app.register(async (instance) => {
    nested = instance as unknown as FastifyInstance // overloads are for kinds of servers
    instance.addSchema({ $id: 'mail', type: 'string', minLength: 2 })
  })
  await app.ready()
  const encoder = new TopicEncoder(app, {})
  const topic = defineTopic({ name: 'mail', schema: { $ref: 'mail#' } })
  encoder.prepare(topic, nested!)
  t.equal(encoder.encode(topic, 'abc'), '"abc"')
  t.throws(() => encoder.encode(topic, 'a'), { code: 'FST_WS_INVALID_SEND' })
  t.throws(() => encoder.prepare(defineTopic({ name: 'b', schema: { $ref: 'mail#' } }), app), { code: 'FST_WS_INVALID_SCHEMA', message: /the topic b/ })
})

t.test('the plugin\'s own validatorCompiler goes before', async (t) => {
  const encoder = new TopicEncoder(Fastify(), { validatorCompiler: () => (value: unknown) => value === 'yes' })
  const topic = defineTopic({ name: 'answer', schema: Type.String() })
  t.equal(encoder.encode(topic, 'yes'), '"yes"')
  t.throws(() => encoder.encode(topic, 'no'), { code: 'FST_WS_INVALID_SEND' })
})
