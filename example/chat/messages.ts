// What goes over the wire in the chat. Types, checks and serialisers all come from these schemas.
import { Type } from '@sinclair/typebox'
import type { Static } from '@sinclair/typebox'

/** The rooms there are. A fixed list, so that nobody can fill the memory with new ones; the page has the same. */
export const ROOMS = ['lobby', 'kitchen', 'garden'] as const

export const RoomParams = Type.Object({ room: Type.Union(ROOMS.map(name => Type.Literal(name))) })
/** Checked before the handshake is accepted, as the query of any route. The page's input has the same pattern. */
export const EntryQuery = Type.Object({ nick: Type.String({ pattern: '^[\\p{L}\\p{N}][\\p{L}\\p{M}\\p{N} ._\\-]{0,23}$' }) })

export const Said = Type.Object({
  type: Type.Literal('said'),
  id: Type.String(),
  nick: Type.String(),
  text: Type.String(),
  /** Milliseconds since 1970. */
  at: Type.Integer()
})
export const History = Type.Array(Said)

/** From the page to the server. */
export const ChatIn = Type.Union([
  Type.Object({ type: Type.Literal('chat'), text: Type.String({ minLength: 1, maxLength: 500, pattern: '\\S' }) }),
  Type.Object({ type: Type.Literal('typing'), isTyping: Type.Boolean() })
])

const People = Type.Array(Type.String())

/** From the server to the page. */
export const ChatOut = Type.Union([
  Said,
  // The first message: the name may have got a number, since names in a room differ.
  Type.Object({ type: Type.Literal('welcome'), nick: Type.String(), people: People }),
  Type.Object({ type: Type.Literal('joined'), nick: Type.String(), people: People }),
  Type.Object({ type: Type.Literal('left'), nick: Type.String(), people: People }),
  Type.Object({ type: Type.Literal('typing'), nick: Type.String(), isTyping: Type.Boolean() }),
  Type.Object({ type: Type.Literal('error'), text: Type.String() })
])

export type Said = Static<typeof Said>
export type ChatOut = Static<typeof ChatOut>
