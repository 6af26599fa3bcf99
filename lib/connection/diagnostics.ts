// The channels of node:diagnostics_channel that connections are told about on. Owns their names; who publishes looks at
// `hasSubscribers` first, so that nothing is made for nobody.
import { channel } from 'node:diagnostics_channel'
import type { WebSocketDiagnostics } from '../../types/diagnostics.ts'

/** What a publisher needs of a channel. */
export interface Publisher<Message> {
  readonly name: string | symbol
  /** One read of a property, and false until somebody subscribes. */
  readonly hasSubscribers: boolean
  publish (message: Message): void
}

type Name = 'open' | 'close' | 'message' | 'invalid' | 'error' | 'slow' | 'limit'

/** The message as subscribers get it, with looser types: the core knows its connections and errors without those of the application. */
type Published<Message> = { [K in keyof Message]: K extends 'connection' ? object : K extends 'error' ? Error : Message[K] }

type Channels = { readonly [N in Name]: Publisher<Published<WebSocketDiagnostics[`fastify-typed-websocket:${N}`]>> }

export const channels: Channels = {
  open: channel('fastify-typed-websocket:open'),
  close: channel('fastify-typed-websocket:close'),
  message: channel('fastify-typed-websocket:message'),
  invalid: channel('fastify-typed-websocket:invalid'),
  error: channel('fastify-typed-websocket:error'),
  slow: channel('fastify-typed-websocket:slow'),
  limit: channel('fastify-typed-websocket:limit')
}
