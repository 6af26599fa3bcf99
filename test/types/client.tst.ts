// The client: what a contract makes of its options, messages, requests and topics.
import { Type } from '@sinclair/typebox'
import type { FromSchema, JSONSchema } from 'json-schema-to-ts'
import * as browser from '../../lib/client/browser.ts'
import * as node from '../../lib/client/node.ts'
import type { ClientClose, ClientError, ClientSocket, ConnectOptions, Published, Subscription } from '../../lib/client/node.ts'
import { typebox } from '../../lib/client/typebox.ts'
import { defineTopic, defineWebSocket } from '../../lib/contract.ts'
import type { ClientRequests, SchemaTypes } from '../../lib/contract.ts'
import { exact } from './exact.ts'
import { Chat, ChatIn, ChatOut, Params, Query } from './messages.ts'
import type { ChatMessage, Outgoing } from './messages.ts'

exact<typeof node.connect>()(browser.connect)
const { connect } = node
const baseUrl = 'https://example.org'

const chat = defineWebSocket({
  url: '/chat/:room',
  schema: {
    params: Params,
    querystring: Query,
    websocket: {
      receive: ChatIn,
      send: ChatOut,
      requests: { add: { request: Type.Object({ a: Type.Number() }), reply: Type.Number() }, now: { reply: Type.String() }, poke: {} }
    }
  }
})
const raw = defineWebSocket({ url: '/raw' })
const room = defineTopic({ name: 'room/:room', schema: Chat })
const news = defineTopic({ name: 'news' })

// ---- options

const socket = connect(chat, { baseUrl, params: { room: 'a' }, query: { nick: 'n' } })
exact<ClientSocket<typeof chat>>()(socket)
connect(chat, { baseUrl: async () => new URL(baseUrl), params: async () => ({ room: 'a' }), query: () => ({ nick: 'n' }), auth: async () => '', headers: () => ({ a: ['b'] }) })
connect(chat, { params: { room: 'a' }, query: { nick: 'n' }, reconnect: { isTerminal: (code, reason, error) => code > 1000 && reason === '' && error === undefined } })
connect(raw, { baseUrl, ping: 'application', tls: { ca: '', ciphers: '' }, validate: typebox(), signal: new AbortController().signal, reconnect: false, queue: { messages: 1 } })
connect(raw)
connect(raw, { query: { a: 1, b: ['c'] } })
connect({ url: '/users/:id/posts/:post' }, { params: { id: 1, post: 'a' } })
connect({ url: '/users/:id?' }, { params: { id: 1 } })
connect(defineWebSocket({ url: '/', schema: { querystring: Type.Object({ page: Type.Optional(Type.Number()) }) } }))
exact<{ room: string } | (() => { room: string } | Promise<{ room: string }>)>()(undefined as unknown as ConnectOptions<typeof chat>['params'])

// @ts-expect-error params and query are required
connect(chat, { baseUrl })
// @ts-expect-error query is required
connect(chat, { params: { room: 'a' } })
// @ts-expect-error no options at all
connect(chat)
// @ts-expect-error another parameter
connect(chat, { params: { rom: 'a' }, query: { nick: 'n' } })
// @ts-expect-error another type
connect(chat, { params: { room: 'a' }, query: { nick: 1 } })
// @ts-expect-error a parameter of the path is missing
connect({ url: '/users/:id/posts/:post' }, { params: { id: 1 } })
// @ts-expect-error no such option
connect(raw, { reconect: false })
// @ts-expect-error no such way to ping
connect(raw, { ping: 'protocol' })

// ---- messages

socket.on('message', (message, isBinary) => {
  exact<Outgoing>()(message)
  exact<boolean>()(isBinary)
})
socket.on('message:said', (message) => exact<{ type: 'said', text: string }>()(message))
socket.once('message:left', (message) => exact<string>()(message.nick)).off('message', () => {})
socket.handle({ said (message) { exact<string>()(message.text) }, left () {} })
for await (const message of socket) exact<Outgoing>()(message)
exact<boolean>()(socket.send({ type: 'chat', text: '' }))
exact<Promise<void>>()(socket.opened)
exact<Promise<ClientClose>>()(socket.closed)
exact<'connecting' | 'open' | 'waiting' | 'closing' | 'closed'>()(socket.state)
socket.on('open', ({ reconnected }) => exact<boolean>()(reconnected))
socket.on('connecting', ({ attempt }) => exact<number>()(attempt))
// @ts-expect-error the delay is over
socket.on('connecting', ({ delay }) => delay)
socket.on('close', (code, reason, details) => { exact<number>()(code); exact<string>()(reason); exact<ClientClose>()(details) })
socket.on('reconnecting', ({ attempt, delay }) => exact<number>()(attempt + delay))
socket.on('error', (error) => exact<Error>()(error)).on('lost', (topic) => exact<string>()(topic))

// @ts-expect-error a message of the other direction
socket.send({ type: 'said', text: '' })
// @ts-expect-error no such type of message
socket.on('message:chat', () => {})
// @ts-expect-error no such event
socket.on('opened', () => {})
// @ts-expect-error a handler is missing
socket.handle({ said () {} })
// @ts-expect-error bytes are for contracts with binary: true
socket.send(new Uint8Array())

const rawSocket = connect(raw)
rawSocket.on('message', (message) => exact<string | ArrayBuffer>()(message))
rawSocket.send('')
rawSocket.send(new Uint8Array())
// @ts-expect-error neither text nor bytes
rawSocket.send({})
// @ts-expect-error messages without a type have no handlers
rawSocket.handle({})

// ---- requests

declare const requests: ClientRequests<typeof chat>
exact<{ request: { a: number }, reply: number }>()(requests.add)
exact<{ request: undefined, reply: string }>()(requests.now)
exact<{ request: undefined, reply: unknown }>()(requests.poke)
exact<Promise<number>>()(socket.request('add', { a: 1 }))
exact<Promise<number>>()(socket.request('add', { a: 1 }, { timeout: 1, signal: new AbortController().signal }))
exact<Promise<string>>()(socket.request('now'))
exact<Promise<unknown>>()(socket.request('poke', undefined, { timeout: 1 }))
// @ts-expect-error the payload is missing
socket.request('add')
// @ts-expect-error another payload
socket.request('add', { a: '1' })
// @ts-expect-error no such request
socket.request('subtract', { a: 1 })
// @ts-expect-error the contract has none
rawSocket.request('add')

// ---- topics

exact<Promise<Subscription<ChatMessage>>>()(socket.subscribe(room, { room: 'a' }))
exact<Promise<Subscription<unknown>>>()(socket.subscribe('room/a', (message) => exact<unknown>()(message), { data: 1 }))
const subscription = await socket.subscribe(room, { room: 'a' }, (message) => exact<ChatMessage>()(message), { data: { nick: 'n' }, since: { epoch: 'e', offset: 1 } })
subscription.on('message', ({ text }) => exact<string>()(text)).on('join', ({ id }) => exact<string>()(id)).once('recovered', (topic) => exact<string>()(topic))
for await (const message of subscription) exact<ChatMessage>()(message)
exact<Promise<void>>()(subscription.unsubscribe())
socket.subscribe(news)
socket.subscribe(news, () => {}, { data: 1, timeout: Infinity, signal: new AbortController().signal })
// @ts-expect-error a time is a number
socket.subscribe(news, () => {}, { timeout: '1 s' })
socket.subscribe(news, {}, () => {})
exact<Promise<Published>>()(socket.publish(room, { room: 'a' }, { type: 'chat', text: '' }))
socket.publish(news, 1, { timeout: 1 })
socket.publish('news', 1)
// @ts-expect-error the parameter is missing
socket.subscribe(room)
// @ts-expect-error another parameter
socket.subscribe(room, { rom: 'a' })
// @ts-expect-error another message
socket.publish(room, { room: 'a' }, { type: 'left' })
// @ts-expect-error no such event
subscription.on('close', () => {})

// ---- errors and other schemas

exact<`FST_WS_CLIENT_${string}`>()(undefined as unknown as ClientError['code'] extends `FST_WS_CLIENT_${string}` ? `FST_WS_CLIENT_${string}` : never)

interface JsonSchemaTypes extends SchemaTypes { readonly type: this['schema'] extends JSONSchema ? FromSchema<this['schema']> : unknown }
const json = defineWebSocket({ url: '/json', schema: { websocket: { receive: { type: 'object', properties: { text: { type: 'string' } }, required: ['text'], additionalProperties: false } } } })
const jsonSocket: ClientSocket<typeof json, JsonSchemaTypes> = connect(json)
jsonSocket.send({ text: '' })
// @ts-expect-error not in the schema
jsonSocket.send({ txt: '' })
