// What goes over the wire in the dashboard: the route's contract and its topics.
import { Type } from '@sinclair/typebox'
import type { Static } from '@sinclair/typebox'
import { defineTopic, defineWebSocket } from '../../lib/contract.ts' // in your project: from 'fastify-typed-websocket/contract'

export const Price = Type.Object({
  symbol: Type.String(),
  cents: Type.Integer(),
  /** Milliseconds since 1970. */
  at: Type.Integer()
})

/** Every change of every price, one message each. */
export const prices = defineTopic({ name: 'prices', schema: Price })

/** How the server is, conflated: only what is true now is worth sending, four times a second, however much has happened in between. */
export const gauges = defineTopic({
  name: 'gauges',
  schema: Type.Object({
    viewers: Type.Integer(),
    /** A second, by all viewers together. */
    messages: Type.Integer(),
    bytes: Type.Integer(),
    /** Bytes that wait in the server for viewers that do not read. */
    buffered: Type.Integer(),
    /** Times that a viewer was too slow, and messages that it was not sent. */
    slow: Type.Integer(),
    dropped: Type.Integer()
  })
})

export const dashboard = defineWebSocket({
  url: '/live',
  schema: {
    websocket: {
      // The newest price of everything: the first message, and whenever a viewer has missed some.
      send: Type.Object({ type: Type.Literal('snapshot'), prices: Type.Array(Price) })
    }
  }
})

export type Price = Static<typeof Price>
export type Gauges = Static<typeof gauges.schema>
