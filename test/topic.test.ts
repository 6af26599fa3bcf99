import t from 'tap'
import { Type } from '@sinclair/typebox'
import { checkTopicName, defineTopic, topicName } from '../lib/contract.ts'
import { checkTopic } from '../lib/topic.ts'
import type { Topic } from '../lib/contract.ts'

const INVALID = { name: 'TopicError', code: 'FST_WS_INVALID_TOPIC' }
const room = defineTopic({ name: 'room/:room' })

t.test('defineTopic freezes a copy and keeps the schema by identity', async (t) => {
  const schema = Type.Object({ text: Type.String() })
  const given = { name: 'room/:room', schema, history: { size: 10, ttl: 1_000 } } as const
  const topic = defineTopic(given)
  t.strictSame(topic, given)
  t.not(topic, given)
  t.equal(topic.schema, schema)
  t.ok(Object.isFrozen(topic) && Object.isFrozen(topic.history))
  t.notOk(Object.isFrozen(given.history))
  t.notOk(Object.isFrozen(schema), 'it is not ours')
})

const wrong: Array<{ name: string, topic: Topic, message: RegExp }> = [
  { name: 'no name', topic: {} as Topic, message: /topic undefined: a name is a string/ },
  { name: 'an empty name', topic: { name: '' }, message: /topic "": an empty segment/ },
  { name: 'an empty segment', topic: { name: 'room//a' }, message: /an empty segment/ },
  { name: 'a slash at the end', topic: { name: 'room/' }, message: /an empty segment/ },
  { name: 'a parameter without a name', topic: { name: 'room/:' }, message: /not :$/ },
  { name: 'a parameter with a strange name', topic: { name: 'room/:a-b' }, message: /not :a-b$/ },
  { name: 'a parameter twice', topic: { name: ':a/x/:a' }, message: /twice/ },
  { name: 'a wildcard', topic: { name: 'room/*' }, message: /topic "room\/\*": a name has no \*: only connection.subscribe takes patterns/ },
  { name: 'a misspelt history', topic: { name: 'a', histroy: { size: 1 } } as Topic, message: /there is no histroy, only name, schema, history$/ },
  { name: 'a misspelt ttl', topic: { name: 'a', history: { size: 1, tll: 1 } as { size: number } }, message: /there is no history.tll, only size, ttl$/ },
  { name: 'no size', topic: { name: 'a', history: {} as { size: number } }, message: /history.size must be an integer from 1 on, got undefined/ },
  { name: 'size 0', topic: { name: 'a', history: { size: 0 } }, message: /got 0/ },
  { name: 'half a message', topic: { name: 'a', history: { size: 1.5 } }, message: /got 1.5/ },
  { name: 'ttl 0', topic: { name: 'a', history: { size: 1, ttl: 0 } }, message: /history.ttl must be over 0 ms, got 0/ },
  { name: 'a history that is none', topic: { name: 'a', history: 10 as unknown as { size: number } }, message: /history must be \{ size, ttl \}, got 10/ },
  { name: 'no history at all', topic: { name: 'a', history: null as unknown as { size: number } }, message: /got null/ }
]

for (const { name, topic, message } of wrong) {
  t.test(`refused: ${name}`, async (t) => {
    t.throws(() => defineTopic(topic), { ...INVALID, message })
    t.throws(() => checkTopic(topic), { ...INVALID, message })
  })
}

t.test('topicName', async (t) => {
  t.equal(topicName(room, { room: 'a' }), 'room/a')
  t.equal(topicName(room, { room: ':room' }), 'room/:room', 'a value is no parameter')
  t.equal(topicName(room, { room: 'Zürich 1%2F' }), 'room/Zürich 1%2F', 'nothing is escaped')
  t.equal(topicName(defineTopic({ name: 'news' })), 'news')
  t.equal(topicName(defineTopic({ name: 'a:b' })), 'a:b', 'a colon within a segment is a character')
  t.equal(topicName(defineTopic({ name: ':team/:channel' }), { team: 'x', channel: 'y' }), 'x/y')
  t.equal(topicName(room, { room: 'é'.repeat(125) }).length, 130, '255 bytes')
})

const params: Array<{ name: string, room: unknown, message: RegExp }> = [
  { name: 'a missing', room: undefined, message: /topic "room\/:room": the parameter room must be text without \/ and \*, got undefined$/ },
  { name: 'a null', room: null, message: /room must be text/ },
  { name: 'a numeric', room: 1, message: /room must be text .*, got 1$/ },
  { name: 'an empty', room: '', message: /must be text/ },
  { name: 'a deeper', room: 'a/b', message: /without \/ and \*, got "a\/b"$/ },
  { name: 'a wildcard as', room: '*', message: /without \/ and \*/ },
  { name: 'a wildcard in a', room: 'a*', message: /without \/ and \*/ },
  { name: 'a line feed in a', room: 'a\nb', message: /a control character/ },
  { name: 'a C1 control character in a', room: 'a\u0085', message: /a control character/ },
  { name: 'half a character in a', room: '\ud83d', message: /half of a surrogate pair/ },
  { name: 'a too long', room: `${'é'.repeat(125)}a`, message: /255 bytes/ },
  { name: 'a far too long', room: 'a'.repeat(300), message: /255 bytes/ }
]

for (const { name, room: value, message } of params) {
  t.test(`topicName refuses ${name} parameter`, async (t) => {
    t.throws(() => topicName(room, { room: value as string }), { ...INVALID, message })
  })
}

t.test('topicName takes no parameter from a prototype', async (t) => {
  const odd = defineTopic({ name: ':constructor' })
  t.throws(() => topicName(odd, {} as { constructor: string }), INVALID)
})

t.test('checkTopicName', async (t) => {
  for (const name of ['a', 'room/a', 'a'.repeat(255), 'ü'.repeat(127), '😀']) t.doesNotThrow(() => checkTopicName(name), name)
  for (const name of ['', '/', 'a/', '/a', 'a'.repeat(256), 'ü'.repeat(128), 'room/*', '*', 'a\0']) t.throws(() => checkTopicName(name), INVALID, name)
  t.throws(() => checkTopicName(null as unknown as string), { ...INVALID, message: /topic null: a name is a string/ })
  for (const name of ['room/*', '*', 'room/a']) t.doesNotThrow(() => checkTopicName(name, true), name)
  for (const name of ['*/a', 'a*', 'room/**', 'a/*/*']) t.throws(() => checkTopicName(name, true), { ...INVALID, message: /\* may only be the last segment of a pattern/ }, name)
})
