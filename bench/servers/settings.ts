// What a server of the benchmarks is told when it is started: its one argument, as JSON.
import type { WebSocketPluginOptions, WebSocketRouteOptions } from '../../lib/index.ts'

/**
 * What the server does with a message: sends it back as it came, or made a string before, or behind an `await`; parsed, checked and
 * serialised again; or sends `payload` to all connections, `atOnce` times: by `publish` to all subscribers of a topic, where there is such.
 */
export type Scenario = 'echo' | 'string' | 'await' | 'typed' | 'broadcast' | 'publish'

export interface ServerSettings {
  readonly scenario: Scenario
  /** Objects that live on the heap meanwhile. */
  readonly liveObjects?: number
  /** Of a broadcast. */
  readonly payload?: string
  readonly atOnce?: number
  /** Messages of any length are compressed, at this level of zlib or at the server's own, and without context unless it is asked for. */
  readonly deflate?: { readonly level?: number, readonly context?: boolean }
  /** Options of this package, and of its route. */
  readonly plugin?: WebSocketPluginOptions
  readonly route?: WebSocketRouteOptions
}

/** Kept for as long as the process lives. */
const live: object[] = []

/** Reads the argument, and fills the heap as it says. */
export function readSettings (): ServerSettings {
  const settings = JSON.parse(process.argv[2] ?? '{"scenario":"echo"}') as ServerSettings // what bench/server-process.ts sends
  for (let i = 0; i < (settings.liveObjects ?? 0); i++) live.push({ id: i, name: `object ${i}`, at: { x: i, y: -i }, tags: [i] })
  globalThis.gc?.()
  return settings
}
