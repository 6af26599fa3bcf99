// Unions of messages, told apart by their `type`. Owns no names of Fastify or Node, so that clients can be typed in a browser.

/** The literal values of the discriminator `type` in a union of messages; `string` where nothing is known of the messages. */
export type MessageType<M> =
  M extends { type: infer T extends string } ? string extends T ? never : T
    : [keyof M] extends [never] ? string : never

/** The members of a union of messages whose `type` may be `T`. */
export type MessageOf<M, T extends string> =
  M extends { type: infer U } ? T extends U ? M : never
    : [keyof M] extends [never] ? M : never

/** One handler for each literal `type` of a union of messages; `never` where the messages have none. */
export type MessageHandlers<M> =
  [MessageType<M>] extends [never] ? never
    : { [Member in M as MessageType<Member>]: (message: Member) => unknown }
