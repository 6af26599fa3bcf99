// Counters and gauges to a snapshot for the application. Looks at the open connections when asked, and keeps nothing.
import { deflateMemory } from '../connection/deflate/memory.ts'
import { LATENCY_BOUNDS } from '../connection/meter.ts'
import type { LatencyMeter, Meter } from '../connection/meter.ts'
import { ReadyState } from '../protocol/state.ts'
import type { WebSocketLatencyMetrics, WebSocketMetrics } from '../../types/metrics.ts'

/** What is read of a connection. */
interface Measured {
  readonly readyState: number
  readonly bufferedAmount: number
}

/** @param pendingHandshakes - how many there are now */
export function readMetrics (meter: Meter, connections: Iterable<Measured>, pendingHandshakes: number): WebSocketMetrics {
  let active = 0
  let buffered = 0
  for (const { readyState, bufferedAmount } of connections) {
    // Its close is counted already; only its handlers still deal with what came before.
    if (readyState === ReadyState.CLOSED) continue
    active++
    buffered += bufferedAmount
  }
  const { opened, messagesReceived, messagesSent, bytesReceived, bytesSent, invalid, errors, slow, dropped, droppedBytes, deflating, deflateDeclined } = meter
  return {
    active,
    pending: pendingHandshakes,
    opened,
    refused: toRecord(meter.refused),
    messagesReceived,
    messagesSent,
    bytesReceived,
    bytesSent,
    invalid,
    errors,
    closes: toRecord(meter.closes),
    buffered,
    slow,
    dropped,
    droppedBytes,
    deflating,
    deflateDeclined,
    deflateMemory: deflateMemory.used,
    latency: readLatency(meter.latency)
  }
}

/** Without a prototype: a name like `__proto__` is a name as any other. */
function toRecord (table: ReadonlyMap<string | number, number>): Record<string, number> {
  const record = Object.create(null) as Record<string, number> // An object without a prototype has no type of its own.
  for (const [name, count] of table) record[name] = count
  return record
}

function readLatency ({ count, sum, min, max, buckets }: LatencyMeter): WebSocketLatencyMetrics {
  let below = 0
  const cumulative = LATENCY_BOUNDS.map((le, index) => {
    below += buckets[index] ?? 0
    return { le, count: below }
  })
  return { count, sum, min, max, buckets: cumulative }
}
