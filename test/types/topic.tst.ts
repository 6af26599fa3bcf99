// Topics: parameters from the name, messages from the schema.
import { defineTopic, topicName } from '../../lib/contract.ts'
import type { Topic, TopicMessage, TopicParams } from '../../lib/contract.ts'
import { exact } from './exact.ts'
import { Chat } from './messages.ts'
import type { ChatMessage } from './messages.ts'

const room = defineTopic({ name: 'room/:room', schema: Chat, history: { size: 100, ttl: 60_000 } })
const news = defineTopic({ name: 'news' })
const deep = defineTopic({ name: ':team/x/:channel' })
exact<'room/:room'>()(room.name)
exact<100>()(room.history.size)

exact<{ room: string }>()(undefined as unknown as TopicParams<'room/:room'>)
exact<{ team: string, channel: string }>()(undefined as unknown as TopicParams<typeof deep.name>)
exact<Readonly<Record<string, string>>>()(undefined as unknown as TopicParams<string>)
exact<ChatMessage>()(undefined as unknown as TopicMessage<typeof room>)
exact<unknown>()(undefined as unknown as TopicMessage<typeof news>)

exact<string>()(topicName(room, { room: 'a' }))
topicName(news)
topicName(deep, { team: 'a', channel: 'b' })
declare const any: Topic
topicName(any)
topicName(any, { whatever: 'a' })

// @ts-expect-error the parameter is missing
topicName(room)
// @ts-expect-error another parameter
topicName(room, { rom: 'a' })
// @ts-expect-error not a string
topicName(room, { room: 1 })
// @ts-expect-error one of two
topicName(deep, { team: 'a' })
// @ts-expect-error no size
defineTopic({ name: 'a', history: { ttl: 1 } })
// @ts-expect-error no name
defineTopic({ schema: Chat })
