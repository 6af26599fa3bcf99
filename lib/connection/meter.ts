// What all connections of a server have done so far. Owns the counters and nothing else: others count, `hub/metrics.ts` reads.

/** Upper bounds, in ms, of the buckets that heartbeat round trips are counted in. What takes longer is in `count` only. */
export const LATENCY_BOUNDS: readonly number[] = [1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 20_000]

/**
 * Names that each of the two tables keeps apart. A peer may choose among 2,000 close codes, and an application's hooks refuse
 * with codes of their own; each of them is a time series in whatever collects the counters, so later ones are counted as one.
 */
export const MAX_NAMES = 100

/** Round trips of heartbeat pings, in ms. */
export class LatencyMeter {
  count = 0
  sum = 0
  /** 0 as long as there is none. */
  min = 0
  max = 0
  /** Round trips in each bucket by itself, in the order of `LATENCY_BOUNDS`. */
  readonly buckets: number[] = LATENCY_BOUNDS.map(() => 0)

  note (ms: number): void {
    this.min = this.count === 0 ? ms : Math.min(this.min, ms)
    this.max = Math.max(this.max, ms)
    this.count++
    this.sum += ms
    const index = LATENCY_BOUNDS.findIndex((bound) => ms <= bound)
    if (index !== -1) this.buckets[index] = (this.buckets[index] ?? 0) + 1
  }
}

/** Plain counters that only go up, but for `deflating`; the hot ones are fields, written in place. Sizes are bytes of frames, headers included. */
export class Meter {
  /** Connections that came to be: a 101 was sent. */
  opened = 0
  /** Whole messages as they were read, before they are checked. */
  messagesReceived = 0
  /** Messages that were queued for the peer. */
  messagesSent = 0
  /** Behind the handshake. */
  bytesReceived = 0
  /** Handed to sockets, behind the handshake. */
  bytesSent = 0
  /** Messages that did not fit their schema. */
  invalid = 0
  /** Faults of connections, whoever's: all that goes to an error handler. */
  errors = 0
  /** Messages that were not sent, as their peer had `maxBufferedAmount` bytes waiting; and their bytes. */
  dropped = 0
  droppedBytes = 0
  /** Times that a peer became too slow: from the first message that had no room until all that waited has left, or the close, it counts once. */
  slow = 0
  /** Connections with permessage-deflate: as many as there are now. */
  deflating = 0
  /** Connections that would have it, had `maxMemory` left anything for them. */
  deflateDeclined = 0
  /** Handshakes that ended without a 101, by error code or HTTP status. */
  readonly refused: Map<string, number> = new Map()
  /** Ended connections by their close code. */
  readonly closes: Map<number | 'other', number> = new Map()
  readonly latency: LatencyMeter = new LatencyMeter()

  /** @param reason - an error code or a status: never text that the peer has chosen */
  noteRefused (reason: string): void {
    increment(this.refused, hasNoPlace(this.refused, reason) ? 'other' : reason)
  }

  noteClose (code: number): void {
    // The protocol's own codes are few, and worth telling apart however many the applications have.
    increment(this.closes, code >= 3000 && hasNoPlace(this.closes, code) ? 'other' : code)
  }

  noteLatency (ms: number): void {
    this.latency.note(ms)
  }
}

/** True for a name for which there is no place of its own any more. */
function hasNoPlace<K> (table: ReadonlyMap<K, number>, name: K): boolean {
  return table.size >= MAX_NAMES && !table.has(name)
}

function increment<K> (table: Map<K, number>, name: K): void {
  table.set(name, (table.get(name) ?? 0) + 1)
}
