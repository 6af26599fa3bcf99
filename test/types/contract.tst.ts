// Contracts: a route described once, typed at both ends.
import Fastify from 'fastify'
import type { FromSchema, JSONSchema } from 'json-schema-to-ts'
import type { RawMessage, RawPayload, WebSocketConnection } from '../../types/index.ts'
import { defineWebSocket } from '../../lib/contract.ts'
import type { ClientGets, ClientSends, SchemaTypes, WebSocketContract } from '../../lib/contract.ts'
import { exact } from './exact.ts'
import { ChatIn, ChatOut, Params, Query } from './messages.ts'
import type { Incoming, Outgoing } from './messages.ts'

const app = Fastify()

// ---- the server's end

const chat = defineWebSocket({ url: '/chat/:room', schema: { params: Params, querystring: Query, websocket: { receive: ChatIn, send: ChatOut } } })
exact<'/chat/:room'>()(chat.url)
exact<'GET'>()(chat.method)
exact<true>()(chat.websocket)
app.route({
  ...chat,
  handler (connection, request) {
    exact<WebSocketConnection<Incoming, Outgoing>>()(connection)
    exact<{ room: string }>()(request.params)
    exact<{ nick: string }>()(request.query)
    // @ts-expect-error a message of the other direction
    connection.send({ type: 'chat', text: '' })
  }
})
app.route({ ...chat, websocket: { maxPayload: 1 }, handler: (connection) => exact<WebSocketConnection<Incoming, Outgoing>>()(connection) })
app.route({ ...chat, preValidation: async () => {}, handler: (connection) => exact<WebSocketConnection<Incoming, Outgoing>>()(connection) })
app.get(chat.url, { websocket: true, schema: chat.schema }, (connection, request) => {
  exact<WebSocketConnection<Incoming, Outgoing>>()(connection)
  exact<{ room: string }>()(request.params)
})
app.register(async (instance) => { instance.route({ ...chat, handler: (connection) => exact<WebSocketConnection<Incoming, Outgoing>>()(connection) }) })

const frozen = defineWebSocket(Object.freeze({ url: '/frozen', schema: Object.freeze({ websocket: Object.freeze({ receive: ChatIn }) }) }))
app.route({ ...frozen, handler: (connection) => exact<WebSocketConnection<Incoming, RawPayload>>()(connection) })

const binary = defineWebSocket({ url: '/binary', schema: { websocket: { receive: ChatIn, send: ChatOut } }, websocket: { binary: true } })
exact<{ readonly binary: true }>()(binary.websocket)
app.route({ ...binary, handler: (connection) => exact<WebSocketConnection<Incoming | Buffer, Outgoing | ArrayBuffer | ArrayBufferView>>()(connection) })

const raw = defineWebSocket({ url: '/raw' })
app.route({ ...raw, handler: (connection) => exact<WebSocketConnection<RawMessage, RawPayload>>()(connection) })

// @ts-expect-error no url
defineWebSocket({ schema: {} })
// @ts-expect-error the directions are receive and send
defineWebSocket({ url: '/', schema: { websocket: { recieve: ChatIn } } })
// @ts-expect-error options of the server do not belong to both ends
defineWebSocket({ url: '/', websocket: { maxPayload: 1 } })

// ---- the client's end

declare function gets<C extends WebSocketContract> (contract: C): ClientGets<C>
declare function sends<C extends WebSocketContract> (contract: C): ClientSends<C>
exact<Outgoing>()(gets(chat))
exact<Incoming>()(sends(chat))
exact<string | ArrayBuffer>()(gets(frozen))
exact<Incoming>()(sends(frozen))
exact<Outgoing | ArrayBuffer>()(gets(binary))
exact<Incoming | ArrayBuffer | ArrayBufferView>()(sends(binary))
exact<string | ArrayBuffer>()(gets(raw))
exact<RawPayload>()(sends(raw))

// Plain JSON Schema, by a type function of the application's own.
interface JsonSchemaTypes extends SchemaTypes { readonly type: this['schema'] extends JSONSchema ? FromSchema<this['schema']> : unknown }
const json = defineWebSocket({ url: '/json', schema: { websocket: { send: { type: 'object', properties: { text: { type: 'string' } }, required: ['text'], additionalProperties: false } } } })
exact<{ text: string }>()(undefined as unknown as ClientGets<typeof json, JsonSchemaTypes>)
exact<unknown>()(gets(json))
app.route({ ...json, handler: (connection) => exact<WebSocketConnection<RawMessage, unknown>>()(connection) })
