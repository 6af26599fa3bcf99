// A viewer in the browser, by the typed client: keeps the newest of everything, and counts. What it looks like is for dashboard.js, which
// draws at its own pace: a thousand messages a second are conflated to what one can see.
import { connect } from '../../lib/client/browser.ts' // in your project: from 'fastify-typed-websocket/client'
import type * as messages from './messages.ts'
import type { Gauges, Price } from './messages.ts'

// The types are all that is needed of the schemas, but that the route has some: its messages are JSON.
const dashboard = { url: '/live', schema: { websocket: { send: {} } } } as unknown as typeof messages.dashboard
const prices = { name: 'prices' } as unknown as typeof messages.prices
const gauges = { name: 'gauges' } as unknown as typeof messages.gauges

export interface Viewer {
  /** What there is to be drawn anew. */
  readonly changed: Map<string, Price>
  /** The latest, if any has come. */
  gauges: Gauges | undefined
  /** Updates of prices so far. */
  updates: number
  /** How long the last one was on its way, in ms, if the clocks agree. */
  delay: number
  isConnected: boolean
}

export function watch (): Viewer {
  const viewer: Viewer = { changed: new Map(), gauges: undefined, updates: 0, delay: 0, isConnected: false }
  const socket = connect(dashboard, { ping: 'application', reconnect: { maxDelay: 5_000 } })
  socket.on('open', () => { viewer.isConnected = true })
  socket.on('reconnecting', () => { viewer.isConnected = false })
  socket.on('close', () => { viewer.isConnected = false })
  socket.on('message:snapshot', (snapshot) => {
    for (const price of snapshot.prices) viewer.changed.set(price.symbol, price)
  })
  // Without a history a subscription that was renewed has missed something; the server sends a snapshot to each new connection.
  const onRefused = (error: unknown): void => console.error(error)
  socket.subscribe(prices, (price) => {
    viewer.changed.set(price.symbol, price)
    viewer.updates++
    viewer.delay = Date.now() - price.at
  }).catch(onRefused)
  socket.subscribe(gauges, (latest) => { viewer.gauges = latest }).catch(onRefused)
  return viewer
}
