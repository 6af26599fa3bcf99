// The type that a schema carries itself. Owns no names of Fastify or Node, so that contracts can be typed in a browser.

/** A schema with a static type of its own, as every @sinclair/typebox 0.3x schema has; told by its shape, so that any copy of TypeBox will do. */
export interface SchemaWithStatic {
  readonly params: unknown[]
  readonly static: unknown
}

type IsAny<T> = 0 extends 1 & T ? true : false

/** The static type of a schema that carries one, else `unknown`. For a `Type.Transform` it is the encoded side: what is on the wire and what is checked. */
export type CarriedStatic<S> =
  IsAny<S> extends true ? unknown
    : S extends SchemaWithStatic ? (S & { params: [] })['static'] : unknown

/** Any view of bytes, copied by nobody: leave them unchanged until the connection has drained. */
export type RawBytes = ArrayBuffer | ArrayBufferView

/** What may be sent on a route that has no `send` schema: a string goes as text, bytes as binary. */
export type RawPayload = string | RawBytes
