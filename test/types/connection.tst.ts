// A connection's events, methods and properties.
import { on, once } from 'node:events'
import type { Duplex } from 'node:stream'
import type { FastifyBaseLogger, FastifyRequest } from 'fastify'
import type {
  AnyWebSocketConnection,
  MessageHandlers,
  MessageOf,
  MessageType,
  RawMessage,
  RawPayload,
  WebSocketCloseDetails,
  WebSocketConnection,
  WebSocketConnectionData,
  WebSocketMessageError
} from '../../types/index.ts'
import { exact } from './exact.ts'
import type { ChatMessage, Incoming, LeaveMessage, Outgoing } from './messages.ts'

declare const connection: WebSocketConnection<Incoming, Outgoing>
declare const raw: WebSocketConnection
declare const untyped: WebSocketConnection<unknown, unknown>

// ---- events, with every method that takes one

connection
  .on('message', (message, isBinary) => { exact<Incoming>()(message); exact<boolean>()(isBinary) })
  .on('message:chat', (message) => { exact<ChatMessage>()(message) })
  .on('message:leave', async (message) => { exact<LeaveMessage>()(message) })
  .on('close', (code, reason, details) => {
    exact<number>()(code)
    exact<string>()(reason)
    exact<WebSocketCloseDetails>()(details)
    exact<boolean>()(details.wasClean)
    exact<'local' | 'remote'>()(details.initiator)
  })
  .on('error', (error) => { exact<Error>()(error) })
  .on('invalid', (error) => {
    exact<WebSocketMessageError>()(error)
    exact<number>()(error.closeCode)
    exact<string | undefined>()(error.validation?.[0]?.instancePath)
    connection.send({ type: 'said', text: error.message })
  })
  .on('ping', (data) => { exact<Buffer>()(data) })
  .on('pong', (data) => { exact<Buffer>()(data) })
  .on('drain', () => {})
connection.once('message', (message) => exact<Incoming>()(message)).once('message:chat', (message) => exact<ChatMessage>()(message)).once('close', (code) => exact<number>()(code))
connection.off('message', (message) => exact<Incoming>()(message)).off('message:chat', (message) => exact<ChatMessage>()(message)).off('close', (code) => exact<number>()(code))
connection.addListener('message', (message) => exact<Incoming>()(message)).addListener('message:chat', (message) => exact<ChatMessage>()(message)).addListener('drain', () => {})
connection.removeListener('message', (message) => exact<Incoming>()(message)).removeListener('message:chat', (message) => exact<ChatMessage>()(message)).removeListener('pong', (data) => exact<Buffer>()(data))
connection.prependListener('message', (message) => exact<Incoming>()(message)).prependOnceListener('message:chat', (message) => exact<ChatMessage>()(message))
exact<WebSocketConnection<Incoming, Outgoing>>()(connection.on('drain', () => {}))

// A listener that was declared apart.
const onChat = ({ text }: ChatMessage): void => { text.trim() }
connection.on('message:chat', onChat).off('message:chat', onChat)
const onAny = (_message: unknown): void => {}
connection.on('message', onAny).on('message:leave', onAny).on('close', onAny)

// @ts-expect-error no such event
connection.on('messages', () => {})
// @ts-expect-error no such message type
connection.on('message:shout', () => {})
// @ts-expect-error nor a type of the other direction
connection.once('message:said', () => {})
// @ts-expect-error nor in the other methods
connection.off('closed', () => {})
// @ts-expect-error nor in the other methods
connection.addListener('message:', () => {})
// @ts-expect-error nor in the other methods
connection.removeListener('open', () => {})
// @ts-expect-error a listener of another message
connection.on('message:leave', onChat)
// @ts-expect-error a listener of another event
connection.on('ping', (_code: number) => {})
// @ts-expect-error a raw message has no type
raw.on('message:chat', () => {})

// Node's helpers for emitters.
await once(connection, 'pong')
for await (const [message] of on(connection, 'message')) connection.send({ type: 'said', text: String(message) })
exact<number>()(connection.listenerCount('message'))

// ---- handle

exact<WebSocketConnection<Incoming, Outgoing>>()(connection.handle({
  chat (message) { exact<ChatMessage>()(message) },
  leave: async (message) => { exact<LeaveMessage>()(message) }
}))
const handlers: MessageHandlers<Incoming> = { chat: onChat, leave () {} }
connection.handle(handlers)

// @ts-expect-error a handler is missing
connection.handle({ chat () {} })
// @ts-expect-error a handler too many
connection.handle({ chat () {}, leave () {}, shout () {} })
// @ts-expect-error a handler of another message
connection.handle({ chat () {}, leave: onChat })
// @ts-expect-error a raw message has no type
raw.handle({ chat () {} })

// ---- where nothing is known of the messages, any type may come

untyped.on('message:anything', (message) => exact<unknown>()(message))
untyped.handle({ chat: (message) => exact<unknown>()(message), leave () {} })
// @ts-expect-error the other events are known
untyped.on('closed', () => {})

// ---- unions that are less regular

type Odd = { type: 'a' | 'b', both: 1 } | { type: 'b', own: 2 } | { kind: 'c' }
declare const odd: WebSocketConnection<Odd, Odd>
exact<'a' | 'b'>()(undefined as unknown as MessageType<Odd>)
exact<{ type: 'a' | 'b', both: 1 }>()(undefined as unknown as MessageOf<Odd, 'a'>)
odd.on('message:a', (message) => exact<1>()(message.both))
odd.on('message:b', (message) => exact<{ type: 'a' | 'b', both: 1 } | { type: 'b', own: 2 }>()(message))
odd.handle({ a () {}, b () {} })
// @ts-expect-error `kind` is not the discriminator
odd.on('message:c', () => {})
declare const wide: WebSocketConnection<{ type: string }, never>
// @ts-expect-error a type that is no literal names no event
wide.on('message:a', () => {})

// ---- methods

exact<boolean>()(connection.send({ type: 'left', nick: '' }))
exact<Promise<void>>()(connection.sendAndWait({ type: 'left', nick: '' }))
connection.send({ type: 'left', nick: '' }, { compress: false })
connection.sendAndWait({ type: 'left', nick: '' }, { compress: true })
// @ts-expect-error -- no such option
connection.send({ type: 'left', nick: '' }, { compressed: false })
exact<void>()(connection.ping())
connection.ping('text')
connection.pong(Buffer.from('bytes'))
connection.ping(new Uint8Array(1))
connection.close()
connection.close(1000)
connection.close(4000, 'reason')
connection.terminate()
connection.pause()
connection.resume()
exact<Duplex>()(connection.createStream())
exact<Duplex>()(connection.createStream({ highWaterMark: 1 }))
exact<AsyncIterableIterator<Incoming>>()(connection[Symbol.asyncIterator]())
for await (const message of connection) exact<Incoming>()(message)

// @ts-expect-error nothing to send
connection.send()
// @ts-expect-error a reason without a code
connection.close('reason')
// @ts-expect-error a ping has bytes or text
connection.ping(1)

// ---- properties

exact<string>()(connection.id)
exact<0 | 1 | 2 | 3>()(connection.readyState)
exact<0>()(connection.CONNECTING)
exact<1>()(connection.OPEN)
exact<2>()(connection.CLOSING)
exact<3>()(connection.CLOSED)
exact<string>()(connection.protocol)
exact<string>()(connection.extensions)
exact<number>()(connection.bufferedAmount)
exact<number | undefined>()(connection.latency)
exact<AbortSignal>()(connection.signal)
exact<WebSocketConnectionData>()(connection.data)
exact<FastifyBaseLogger>()(connection.log)
exact<FastifyRequest>()(connection.request)
exact<string | undefined>()(connection.remoteAddress)

// @ts-expect-error readonly
connection.id = ''
// @ts-expect-error readonly
connection.data = {}
// @ts-expect-error not among the states
if (connection.readyState === 4) connection.close()

// ---- variance: what is received may be seen as wider, what is sent as narrower

const connections = new Set<WebSocketConnection<unknown, Outgoing>>()
connections.add(connection)
const any: AnyWebSocketConnection[] = [connection, raw, untyped]
any[0]?.send({ checked: 'at run time' })
const receiver: WebSocketConnection<Incoming | { type: 'more' }, { type: 'left', nick: string }> = connection
exact<'chat' | 'leave' | 'more'>()(undefined as unknown as MessageType<typeof receiver extends WebSocketConnection<infer M, infer _S> ? M : never>)

declare function take<Receive, Send> (peer: WebSocketConnection<Receive, Send>): void
take<Incoming, Outgoing>(connection)
// @ts-expect-error it sends less than a raw one
take<unknown, RawPayload>(connection)
// @ts-expect-error it receives more
take<ChatMessage, never>(connection)
// @ts-expect-error objects are not text
take<RawMessage, never>(connection)

// A function for connections of any kind, and one for a kind that a type parameter names.
function farewell (peer: WebSocketConnection<unknown, never>): void { peer.close(1001) }
farewell(connection)
farewell(raw)
function echo<M> (peer: WebSocketConnection<M, M>): void { peer.on('message', (message) => { peer.send(message) }) }
echo<string>(undefined as unknown as WebSocketConnection<string, RawPayload>)

// ---- connection.data, where a route names its type

declare const withData: WebSocketConnection<Incoming, Outgoing, { nick?: string, count: number }>
withData.data.nick = 'n'
exact<number>()(withData.data.count)
// @ts-expect-error no such property
withData.data.nickname = 'n'
// @ts-expect-error nothing is declared for all routes
connection.data.nick = 'n'
const seenWider: WebSocketConnection<Incoming, Outgoing, object> = withData
exact<object>()(seenWider.data)
