// How messages are compressed: at a route, and by a client. Imports nothing, so that a client's types bring no server with them.

/** What a connection agrees on for permessage-deflate, and how it compresses (RFC 7692 §7.1). */
export interface DeflateChoices {
  /** Bytes from which on a message is compressed; shorter ones go as they are. Default: 1,024. */
  readonly threshold?: number
  /** zlib's, from 1, the fastest, to 9, the smallest result. Default: 1. */
  readonly level?: number
  /** zlib's, from 1, the least memory, to 9, the fastest. Default: 8. */
  readonly memLevel?: number
  /** The server begins each message with an empty window: worse compression, and no memory between messages. Default: true. */
  readonly serverNoContextTakeover?: boolean
  /** The client is told to do so. Default: true. */
  readonly clientNoContextTakeover?: boolean
  /** The server looks back 2 ** bits bytes at most, 8 to 15; a client may ask for less. Default: 15. */
  readonly serverMaxWindowBits?: number
  /**
   * The client does, in the same way. One that keeps its window and knows of no limit goes uncompressed; one that begins each
   * message with an empty window may look back 32 KiB all the same. Default: 15.
   */
  readonly clientMaxWindowBits?: number
}
