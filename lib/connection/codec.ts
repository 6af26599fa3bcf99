// What a route does with the payloads of its messages, as the connection sees it. Only a shape: validation makes them.

/** Turns payloads into the messages that handlers get, and messages into payloads. One for a route, shared by its connections. */
export interface MessageCodec {
  /**
   * Reads one message of the peer: a string from a text message, a Buffer from a binary one.
   *
   * @throws when the message is invalid: the error has a `closeCode`. One without is a fault of the application's validator
   */
  decode (data: string | Buffer): unknown

  /**
   * Turns a message into what is sent: a string goes as text, bytes as binary. Bytes are not copied.
   *
   * @throws when the message may not be sent; the error is the caller's of `send`
   */
  encode (message: unknown): string | Uint8Array
}
