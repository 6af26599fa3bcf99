// Topics on connections and on the server: parameters from the name, the message from the schema, by name anything.
import { Type } from '@sinclair/typebox'
import type { FastifyInstance } from 'fastify'
import { defineTopic } from '../../lib/index.ts'
import type {
  AnyWebSocketConnection, Topic, TopicEngine, TopicGrant, TopicMember, TopicMemberEvent, TopicPosition, TopicSubscription, WebSocketConnection, WebSocketPluginOptions, WebSocketRouteOptions
} from '../../lib/index.ts'
import { exact } from './exact.ts'

const Said = Type.Object({ text: Type.String() })
const room = defineTopic({ name: 'room/:room', schema: Said, history: { size: 10 } })
const deep = defineTopic({ name: ':team/x/:channel' })
const news = defineTopic({ name: 'news', schema: Said })
const bare = defineTopic({ name: 'bare' })
declare const app: FastifyInstance
declare const connection: WebSocketConnection<unknown, string>
declare const any: AnyWebSocketConnection
declare const wide: Topic
declare const position: TopicPosition

exact<TopicSubscription>()(await connection.subscribe(room, { room: 'a' }))
await connection.subscribe(room, { room: 'a' }, { since: position, data: { name: 'Ann' } })
await connection.subscribe(room, { room: 'a' }, { since: undefined })
await connection.subscribe(deep, { team: 'a', channel: 'b' })
await connection.subscribe(news)
await connection.subscribe(news, { data: 1 })
await connection.subscribe('room/*')
await connection.subscribe('room/a', { since: position })
await any.subscribe(room, { room: 'a' })
exact<boolean>()(await connection.unsubscribe(room, { room: 'a' }))
await connection.unsubscribe(news)
await connection.unsubscribe('room/*')
exact<string[]>()(connection.topics)

exact<TopicPosition | undefined>()(await connection.publish(room, { room: 'a' }, { text: 'hi' }))
await connection.publish(room, { room: 'a' }, { text: 'hi' }, { exclude: any })
await connection.publish(news, { text: 'hi' }, { exclude: [any, connection], filter: ({ id }) => id === 'a' })
await connection.publish(bare, { any: ['thing'] })
await connection.publish('room/a', { any: ['thing'] }, { exclude: new Set([any]) })
exact<TopicPosition | undefined>()(await app.websocket.publish(room, { room: 'a' }, { text: 'hi' }))
await app.websocket.publish(deep, { team: 'a', channel: 'b' }, 1)
await app.websocket.publish(news, { text: 'hi' })
await app.websocket.publish('news', Buffer.from('hi'))
await app.websocket.publish(wide, 'a message of a topic that the compiler does not know')
await app.websocket.publish(wide, 'the same', { exclude: any })
await app.websocket.publish(wide, { room: 'a' }, 'with parameters', { exclude: any })
await connection.publish(wide, { room: 'a' }, { text: 'hi' })
await connection.subscribe(wide, { room: 'a' }, { since: position })
await connection.subscribe(wide, { since: position })
await connection.subscribe(wide)
await connection.unsubscribe(wide, { room: 'a' })
await app.websocket.members(wide, { room: 'a' })

exact<readonly TopicMember[]>()(await app.websocket.members(room, { room: 'a' }))
await app.websocket.members(news)
await app.websocket.members('room/a')
exact<'up' | 'down'>()(app.websocket.topicState)
app.websocket.on('join', (event) => exact<TopicMemberEvent>()(event)).off('leave', ({ topic, member }) => { exact<string>()(topic); exact<string>()(member.id); exact<unknown>()(member.data) })

declare const topicEngine: TopicEngine
const plugin: WebSocketPluginOptions = { topicEngine, maxTopicsPerConnection: 1, authorize: async () => true }
const route: WebSocketRouteOptions = {
  authorize (connection, topic, params, action, data) {
    exact<unknown>()(data)
    exact<string>()(topic)
    exact<string | undefined>()(params['room'])
    exact<'subscribe' | 'publish'>()(action)
    return connection.request.headers.authorization !== undefined
  }
}
const grant: TopicGrant = { data: { name: 'Ann' } }
const granting: WebSocketRouteOptions = { authorize: ({ remoteAddress }, _topic, _params, action) => action === 'subscribe' && { data: remoteAddress } }
const late: WebSocketRouteOptions = { authorize: async (_connection, topic) => topic === 'news' ? grant : false }
export { plugin, route, granting, late }

// @ts-expect-error the parameters are missing
await connection.subscribe(room)
// @ts-expect-error another parameter
await connection.subscribe(room, { rom: 'a' })
// @ts-expect-error not a string
await connection.subscribe(room, { room: 1 })
// @ts-expect-error one of two
await connection.subscribe(deep, { team: 'a' })
// @ts-expect-error options in place of the parameters
await connection.subscribe(room, { since: position })
// @ts-expect-error no offset
await connection.subscribe(news, { since: { epoch: 'a' } })
// @ts-expect-error no such option
await connection.subscribe('news', { sinc: position })
// @ts-expect-error the parameters are missing
await connection.unsubscribe(room)
// @ts-expect-error the message is missing
await connection.publish(room, { room: 'a' })
// @ts-expect-error the parameters are missing
await connection.publish(room, { text: 'hi' })
// @ts-expect-error not the schema's
await connection.publish(room, { room: 'a' }, { text: 1 })
// @ts-expect-error not the schema's
await app.websocket.publish(news, { said: 'hi' })
// @ts-expect-error the message is missing
await app.websocket.publish(news)
// @ts-expect-error an id is no connection
await app.websocket.publish('news', 'hi', { exclude: 'an id' })
// @ts-expect-error it is answered at once
await app.websocket.publish('news', 'hi', { filter: async () => true })
// @ts-expect-error the parameters are missing
await app.websocket.members(room)
// @ts-expect-error no such event
app.websocket.on('joined', () => {})
// @ts-expect-error it is told by the engine
app.websocket.topicState = 'up'
// @ts-expect-error of the plugin only
export const engineOfRoute: WebSocketRouteOptions = { topicEngine }
// @ts-expect-error neither yes nor no, nor data
export const vague: WebSocketRouteOptions = { authorize: () => ({ member: 'Ann' }) }
// @ts-expect-error half an engine
export const half: WebSocketPluginOptions = { topicEngine: { start () {}, publish () {} } }
