// Counters and gauges of a server's WebSocket connections. Owns what `fastify.websocket.metrics()` returns.

/** Round trips of the heartbeat's pings since the start. Times in milliseconds. */
export interface WebSocketLatencyMetrics {
  readonly count: number
  readonly sum: number
  /** The shortest and the longest; 0 while there is none. */
  readonly min: number
  readonly max: number
  /** How many took at most `le` ms, in rising order, those of the buckets before included. `count` is what a bucket without an end would have. */
  readonly buckets: ReadonlyArray<{ readonly le: number, readonly count: number }>
}

/**
 * A snapshot of one server's numbers: all instances and routes of it together. Plain data, made anew by each call.
 *
 * Counters begin at 0 with the server and only go up; gauges are `active`, `pending`, `buffered`, `deflating` and `deflateMemory`. At any moment
 * `opened` is `active` and all `closes` together. Sizes are bytes of frames, headers included, without the handshake.
 */
export interface WebSocketMetrics {
  /** Connections whose socket is there. `connections` still has one whose handlers are not done with its last messages. */
  readonly active: number
  /** Handshakes under way: from the request to its 101 or refusal. */
  readonly pending: number
  /** Connections that were opened. */
  readonly opened: number
  /** Handshakes that were refused, by error code (`FST_WS_FOREIGN_ORIGIN`) or, without one, HTTP status; `gone` where the client left first, `hijacked` where a hook took the socket. Beyond 100 different reasons: `other`. */
  readonly refused: Readonly<Record<string, number>>
  /** Whole messages that came, invalid ones included. */
  readonly messagesReceived: number
  /** Messages that were queued for their peers. */
  readonly messagesSent: number
  readonly bytesReceived: number
  /** Bytes that were handed to sockets. */
  readonly bytesSent: number
  /** Messages that did not fit their schema. */
  readonly invalid: number
  /** Faults of connections, the peers' and the application's: all that went to an error handler. */
  readonly errors: number
  /** Connections that ended, by close code; 1005 and 1006 stand for none. Beyond 100 different codes further ones from 3000 on are `other`. */
  readonly closes: Readonly<Record<string, number>>
  /** Bytes that wait for slow peers in this process now. */
  readonly buffered: number
  /** Times that a peer became too slow: once from the first message beyond `maxBufferedAmount` until all that waited has left, or the close. */
  readonly slow: number
  /** Messages that were not sent, as their peer was too slow; and their payloads' bytes. */
  readonly dropped: number
  readonly droppedBytes: number
  /** Connections with permessage-deflate that are open now. */
  readonly deflating: number
  /** Connections that were opened without it as `perMessageDeflate.maxMemory` had no room for them. */
  readonly deflateDeclined: number
  /** Bytes that compression takes, or may come to take, in the whole process: what `maxMemory` is compared with. */
  readonly deflateMemory: number
  readonly latency: WebSocketLatencyMetrics
}
