// What goes over the wire in the chat: the route's contract and its topics. Types, checks and serialisers all come from these schemas.
import { Type } from '@sinclair/typebox'
import type { Static } from '@sinclair/typebox'
import { defineTopic, defineWebSocket } from '../../lib/contract.ts' // in your project: from 'fastify-typed-websocket/contract'

/** The rooms there are. A fixed list, so that nobody can fill the memory with new ones; the page has the same. */
export const ROOMS = ['lobby', 'kitchen', 'garden'] as const

/** How many messages a room remembers. */
export const HISTORY_LENGTH = 100

const RoomName = Type.Union(ROOMS.map(name => Type.Literal(name)))

export const Said = Type.Object({
  id: Type.String(),
  nick: Type.String(),
  text: Type.String(),
  /** Milliseconds since 1970. */
  at: Type.Integer()
})

/** What is said in a room. A page that was away for a moment gets what it has missed, as long as it is among the last ones. */
export const room = defineTopic({ name: 'room/:room', schema: Said, history: { size: HISTORY_LENGTH } })

/** Who types. Pages tell each other, and nobody remembers. */
export const typing = defineTopic({
  name: 'typing/:room',
  schema: Type.Object({ nick: Type.String({ minLength: 1, maxLength: 24 }), isTyping: Type.Boolean() })
})

export const chat = defineWebSocket({
  url: '/chat',
  schema: {
    // Checked before the handshake is accepted, as the query of any route. The page's input has the same pattern.
    querystring: Type.Object({
      nick: Type.String({ pattern: '^[\\p{L}\\p{N}][\\p{L}\\p{M}\\p{N} ._\\-]{0,23}$' }),
      /** A random secret, by which a page that comes back has its name. */
      visitor: Type.Optional(Type.String({ minLength: 16, maxLength: 64 }))
    }),
    websocket: {
      requests: {
        say: {
          request: Type.Object({ room: RoomName, text: Type.String({ minLength: 1, maxLength: 500, pattern: '\\S' }) }),
          reply: Said
        }
      }
    }
  }
})

/** What was said before, over REST. */
export const historyRoute = {
  params: Type.Object({ room: RoomName }),
  response: { 200: Type.Array(Said) }
}

export type RoomName = Static<typeof RoomName>
export type Said = Static<typeof Said>
