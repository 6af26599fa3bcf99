// A live dashboard: 1,000 price changes a second to everybody who looks, one of whom does not read; and what that costs the others.
// Run: npm run start:dashboard, and open a few pages. VIEWERS=100 for more viewers without a page.
import { fileURLToPath } from 'node:url'
import Fastify from 'fastify'
import type { FastifyInstance, FastifyServerOptions } from 'fastify'
import websocket from '../../lib/index.ts' // in your project: from 'fastify-typed-websocket'
import type { WebSocketConnection, WebSocketMetrics } from '../../lib/index.ts'
import { page } from '../page.ts'
import { Feed } from './feed.ts'
import { dashboard, gauges, prices } from './messages.ts'
import type { Gauges } from './messages.ts'

export const UPDATES_PER_SECOND = 1_000

/** Bytes that may wait for one viewer: half a second of prices. */
export const MAX_BUFFERED = 64 * 1024

/** Milliseconds. */
const GAUGES_EVERY = 250

export async function build (options: FastifyServerOptions = {}): Promise<FastifyInstance> {
  const app = Fastify(options)
  // Added before the plugin, whose own hook waits until all viewers have gone.
  app.addHook('preClose', async () => {
    feed.stop()
    clearInterval(timer)
    // They would not read a goodbye.
    for (const viewer of stalled) viewer.terminate()
  })
  await app.register(websocket)
  await app.register(page, { folder: 'dashboard', modules: ['client'] })

  // `publish` waits for no viewer: what they have not read yet is theirs to catch up with.
  const onError = (error: unknown): void => app.log.error(error)
  const feed = new Feed(UPDATES_PER_SECOND, (price) => { app.websocket.publish(prices, price).catch(onError) })

  app.route({
    ...dashboard,
    websocket: {
      topics: [prices, gauges],
      // Prices are soon out of date. To whom does not read nothing is sent, until it has read what waits ...
      highWaterMark: MAX_BUFFERED / 4,
      maxBufferedAmount: MAX_BUFFERED,
      slowConsumer: 'drop'
    },
    handler (connection) {
      let hasMissedSome = true
      const catchUp = (): void => {
        if (hasMissedSome) connection.send({ type: 'snapshot', prices: feed.latest })
        hasMissedSome = false
      }
      catchUp()
      connection.on('slow', () => { hasMissedSome = true })
      // ... and then the newest of each, in place of all that it has missed.
      connection.on('drain', catchUp)
    }
  })

  /** Viewers that have stopped reading. */
  const stalled: WebSocketConnection[] = []
  app.post('/stalled', async (_request, reply) => {
    stalled.push(await addViewer(app, false))
    return reply.code(204).send()
  })
  app.delete('/stalled', async (_request, reply) => {
    stalled.pop()?.terminate()
    return reply.code(204).send()
  })

  let timer: NodeJS.Timeout | undefined
  app.addHook('onReady', async () => {
    feed.start()
    let before = app.websocket.metrics()
    timer = setInterval(() => {
      const now = app.websocket.metrics()
      app.websocket.publish(gauges, readGauges(before, now)).catch(onError)
      before = now
    }, GAUGES_EVERY)
  })
  return app
}

function readGauges (before: WebSocketMetrics, now: WebSocketMetrics): Gauges {
  const perSecond = (count: number): number => Math.round(count * 1000 / GAUGES_EVERY)
  const { active: viewers, buffered, slow, dropped } = now
  return {
    viewers,
    messages: perSecond(now.messagesSent - before.messagesSent),
    bytes: perSecond(now.bytesSent - before.bytesSent),
    buffered,
    slow,
    dropped
  }
}

/**
 * Adds a viewer within this process. There is no network in between, where a viewer that does not read would go unnoticed for as long as
 * the kernel takes what is sent: 4 MB here and there.
 */
async function addViewer (app: FastifyInstance, isReading: boolean): Promise<WebSocketConnection> {
  const viewer = await app.injectWS(dashboard.url)
  for (const [id, { name }] of [prices, gauges].entries()) viewer.send(JSON.stringify({ type: 'ws:subscribe', id, topic: name }))
  if (isReading) viewer.on('message', () => {})
  else viewer.pause()
  return viewer
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const app = await build({ logger: { level: process.env['LOG_LEVEL'] ?? 'warn' } })
  const url = await app.listen({ host: '127.0.0.1', port: Number(process.env['PORT'] ?? 3000) })
  for (let n = 0; n < Number(process.env['VIEWERS'] ?? 20); n++) await addViewer(app, true)
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => { void app.close() })
  console.log(`The dashboard is at ${url}`)
}
