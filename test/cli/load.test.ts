// Load, and whether its figures are true.
import t from 'tap'
import type { Test } from 'tap'
import { Load } from '../../lib/cli/load.ts'
import type { LoadOptions } from '../../lib/cli/load.ts'
import { makeApp } from '../helpers/app.ts'
import type { WebSocketConnection } from '../../lib/index.ts'

type Handler = (connection: WebSocketConnection, message: string | Buffer) => unknown

async function measure (t: Test, handler: Handler, options: Partial<LoadOptions> = {}): Promise<Load> {
  const { app, listen } = await makeApp(t, { plugin: { allowedOrigins: '*', shutdownTimeout: 500 } })
  app.get('/', { websocket: true }, (connection) => { connection.on('message', (message) => handler(connection, message)) })
  const port = await listen()
  const load = new Load({
    target: { url: new URL(`ws://127.0.0.1:${port}/`), protocols: [], headers: undefined, token: undefined },
    settings: {},
    connections: 2,
    inFlight: 2,
    size: 10,
    isBinary: false,
    rate: undefined,
    warmUp: 0,
    duration: 200,
    describe: ({ code }) => `closed ${code}`,
    ...options
  })
  await load.run()
  return load
}

const echo: Handler = (connection, message) => connection.send(message)

t.test('every message has its answer', async (t) => {
  const load = await measure(t, (connection, message) => {
    if (typeof message !== 'string' || message.length !== 10) t.fail(String(message))
    connection.send(message)
  }, { duration: 50 })
  t.equal(load.opened, 2)
  t.ok(load.sent >= 4 && load.sent === load.answered, `${load.sent} and ${load.answered}`)
  t.equal(load.latencies.count, load.answered)
  t.equal(load.unanswered + load.unsent + load.unexpected + load.errors.size, 0)
  t.ok(load.elapsed >= 45 && load.answeredInTime <= load.answered)
})

t.test('bytes, and the limit of a connection', async (t) => {
  let waiting = 0
  let most = 0
  const load = await measure(t, async (connection, message) => {
    most = Math.max(most, ++waiting)
    await new Promise((resolve) => setImmediate(resolve))
    waiting--
    if (!Buffer.isBuffer(message)) t.fail('text')
    connection.send(message)
  }, { isBinary: true, connections: 1, inFlight: 1, duration: 50 })
  t.equal(most, 1)
  t.ok(load.answered > 0)
})

t.test('with a rate as many are sent as are due', async (t) => {
  const load = await measure(t, echo, { rate: 500, duration: 200, inFlight: 100 })
  t.equal(load.sent, 100, 'also those that this process was late with')
  t.equal(load.answered, load.sent)
})

t.test('a server that stalls makes all wait that were due meanwhile', async (t) => {
  const stall = (): Handler => {
    let hasStalled = false
    return async (connection, message) => {
      if (!hasStalled) {
        hasStalled = true
        await new Promise((resolve) => setTimeout(resolve, 200))
      }
      connection.send(message)
    }
  }
  const [closed, open] = await Promise.all([
    measure(t, stall(), { connections: 1, inFlight: 1, duration: 400 }),
    measure(t, stall(), { connections: 1, inFlight: 1, duration: 400, rate: 100 })
  ])
  // One message of many waits, by its own account.
  t.ok(closed.latencies.max > 190e6)
  t.ok(closed.latencies.percentile(75) < 40e6, `${closed.latencies.percentile(75) / 1e6} ms`)
  // At a fixed rate half of them were due while it stalled.
  t.ok(open.latencies.percentile(75) > 40e6, `${open.latencies.percentile(75) / 1e6} ms`)
})

t.test('what is no answer is counted apart', async (t) => {
  const load = await measure(t, (connection, message) => {
    connection.send('other')
    connection.send(message)
    connection.send(message)
  }, { connections: 1, inFlight: 1, duration: 30 })
  t.ok(load.unexpected > 0)
})

t.test('what is sent to warm up is not counted', async (t) => {
  let received = 0
  const slowAtFirst: Handler = async (connection, message) => {
    if (received++ === 0) await new Promise((resolve) => setTimeout(resolve, 80))
    connection.send(message)
  }
  const before = performance.now()
  const closed = await measure(t, slowAtFirst, { connections: 1, inFlight: 1, warmUp: 100, duration: 100 })
  t.ok(closed.sent > 0 && closed.sent < received, `${closed.sent} of ${received}`)
  t.equal(closed.answered, closed.sent)
  t.equal(closed.latencies.count, closed.answered)
  t.ok(closed.latencies.max < 80e6, `${closed.latencies.max / 1e6} ms`)
  t.ok(Math.abs(closed.answeredInTime - closed.answered) <= 1, 'one on its way at both ends')
  t.ok(closed.elapsed >= 95 && performance.now() - before - closed.elapsed >= 95, `${closed.elapsed} ms`)

  received = 0
  const open = await measure(t, slowAtFirst, { connections: 1, rate: 500, warmUp: 100, duration: 200, inFlight: 100 })
  t.equal(received, 150)
  t.ok(Math.abs(open.sent - 100) <= 1, `${open.sent}`)
  t.equal(open.answered, open.sent)
  t.equal(open.unsent, 0)

  const lost = await measure(t, (connection) => connection.close(1011), { rate: 500, warmUp: 5_000, duration: 5_000 })
  t.strictSame([lost.sent, lost.elapsed], [0, 0])
  t.ok(lost.unsent < 100 && lost.unanswered > 0, `${lost.unsent} and ${lost.unanswered}`)
})

t.test('no answers, and connections that are lost', async (t) => {
  const lost = await measure(t, (connection) => connection.close(1011), { duration: 5_000 })
  t.strictSame([...lost.errors], [['closed 1011', 2]])
  t.equal(lost.answered, 0)
  t.equal(lost.unanswered, 4)
  t.ok(lost.elapsed < 4_000, 'it does not go on alone')
  const paced = await measure(t, (connection) => setTimeout(() => connection.close(1011), 100), { duration: 5_000, rate: 1_000 })
  t.ok(paced.elapsed < 4_000)
  t.ok(paced.unanswered + paced.unsent >= 90, `${paced.unanswered} and ${paced.unsent}`)
})

t.test('nobody is there', async (t) => {
  const load = await measure(t, echo, { target: { url: new URL('ws://127.0.0.1:1/'), protocols: [], headers: undefined, token: undefined } })
  t.equal(load.opened, 0)
  t.strictSame([...load.errors], [['closed 1006', 2]])
})

t.test('aborted', async (t) => {
  const ending = new AbortController()
  const load = await measure(t, echo, { duration: 60_000, signal: ending.signal, onProgress: () => ending.abort() })
  t.ok(load.elapsed < 10_000)
  t.ok(load.answered > 0)
  t.equal(load.unanswered, 0, 'what was asked is still answered')
})
