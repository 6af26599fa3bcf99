// How a topic is described. Owns no names of Fastify or Node, so that clients can be typed in a browser.

/** What is kept of a topic's messages for subscribers that come back. */
export interface TopicHistory {
  /** Messages, the latest ones. */
  readonly size: number
  /** How long each is kept, in ms. Default: as long as there is room. */
  readonly ttl?: number
}

/** What both ends have to know of a topic. */
export interface Topic<Name extends string = string, Schema = unknown> {
  /** Segments with `/` between them; one that begins with `:` is a parameter: `room/:room`. */
  readonly name: Name
  /** Schema of the messages; without one they are any JSON. */
  readonly schema?: Schema
  readonly history?: TopicHistory
}

/** Names of the parameters in a topic's name. */
type ParamName<Name extends string> =
  Name extends `${infer Segment}/${infer Rest}` ? ParamName<Segment> | ParamName<Rest>
    : Name extends `:${infer Param}` ? Param : never

/** The parameters of a topic's name: `{ room: string }` for `room/:room`. Any, where the name is not known to the compiler. */
export type TopicParams<Name extends string> =
  string extends Name ? Readonly<Record<string, string>> : { [Param in ParamName<Name>]: string }

/** The parameters as an argument, which may be left out where there are none. */
export type TopicArguments<Name extends string> =
  string extends Name ? [params?: TopicParams<Name>]
    : [ParamName<Name>] extends [never] ? [params?: Record<never, never>] : [params: TopicParams<Name>]
