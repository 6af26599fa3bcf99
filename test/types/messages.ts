// The messages that the type tests exchange.
import { Type } from '@sinclair/typebox'
import type { TLiteral, TObject, TString, TUnion } from '@sinclair/typebox'

export const Chat = Type.Object({ type: Type.Literal('chat'), text: Type.String() })
export const Leave = Type.Object({ type: Type.Literal('leave'), reason: Type.Optional(Type.String()) })
export const ChatIn = Type.Union([Chat, Leave])
export const ChatOut: TUnion<[
  TObject<{ type: TLiteral<'said'>, text: TString }>,
  TObject<{ type: TLiteral<'left'>, nick: TString }>
]> = Type.Union([
  Type.Object({ type: Type.Literal('said'), text: Type.String() }),
  Type.Object({ type: Type.Literal('left'), nick: Type.String() })
])

export type ChatMessage = { type: 'chat', text: string }
export type LeaveMessage = { reason?: string, type: 'leave' }
export type Incoming = ChatMessage | LeaveMessage
export type Outgoing = { type: 'said', text: string } | { type: 'left', nick: string }

export const Params = Type.Object({ room: Type.String() })
export const Query = Type.Object({ nick: Type.String() })
export const Headers = Type.Object({ 'x-token': Type.String() })
