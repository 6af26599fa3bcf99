// The dashboard with many viewers, two of whom do not read: what it costs them, and that it costs nobody else anything.
import { once } from 'node:events'
import { get } from 'node:http'
import type { Socket } from 'node:net'
import { isDeepStrictEqual } from 'node:util'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import type { Test } from 'tap'
import { WebSocket } from 'ws'
import { dashboard } from '../../example/dashboard/messages.ts'
import { MAX_BUFFERED, UPDATES_PER_SECOND, build } from '../../example/dashboard/server.ts'
import { connect } from '../../lib/client/node.ts'
import { startBrowser } from './browser.ts'

t.setTimeout(60_000)

const VIEWERS = 20
/** Milliseconds. */
const DURATION = 2_000

async function serve (t: Test): Promise<{ app: FastifyInstance, origin: string }> {
  const app = await build()
  t.teardown(() => app.close())
  return { app, origin: await app.listen({ host: '127.0.0.1', port: 0 }) }
}

async function until (condition: () => boolean, each = (): void => {}): Promise<void> {
  while (!condition()) {
    each()
    await new Promise((resolve) => { setTimeout(resolve, 5) })
  }
}

/** A viewer of the `ws` package, and all prices that it has got, as they came. */
class Viewer {
  readonly got: string[] = []
  /** The longest between two of them, in ms. */
  longestGap = 0
  #last = performance.now()

  static async open (t: Test, origin: string): Promise<Viewer> {
    const viewer = new Viewer()
    const socket = new WebSocket(`${origin.replace('http', 'ws')}/live`)
    t.teardown(() => socket.terminate())
    const subscribed = new Promise<void>((resolve) => {
      socket.on('message', (data) => {
        const text = String(data)
        if (text.includes('ws:ack')) resolve()
        if (text.includes('ws:message')) viewer.#receive(text)
      })
    })
    await once(socket, 'open')
    socket.send('{"type":"ws:subscribe","id":1,"topic":"prices"}')
    await subscribed
    return viewer
  }

  #receive (price: string): void {
    const now = performance.now()
    if (this.got.length > 0) this.longestGap = Math.max(this.longestGap, now - this.#last)
    this.#last = now
    this.got.push(price)
  }
}

/** A socket that has subscribed, and reads nothing; the server cannot get rid of another byte. */
async function stall (t: Test, app: FastifyInstance, origin: string): Promise<Socket> {
  const before = new Set(app.websocket.connections)
  const request = get(`${origin}/live`, {
    headers: { connection: 'upgrade', upgrade: 'websocket', 'sec-websocket-version': '13', 'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==' }
  })
  const [, socket] = await once(request, 'upgrade') as [unknown, Socket] // as Node documents it
  socket.pause()
  t.teardown(() => socket.destroy())
  const message = Buffer.from('{"type":"ws:subscribe","id":1,"topic":"prices"}')
  // RFC 6455 §5.2: a text frame whose masking key is nought.
  socket.write(Buffer.concat([Buffer.from([0x81, 0x80 | message.length, 0, 0, 0, 0]), message]))
  const connection = [...app.websocket.connections].find(one => !before.has(one))
  if (connection === undefined) throw new Error('no connection')
  await until(() => connection.topics.length === 1)
  // The kernel takes megabytes first.
  const prices = Array.from({ length: 500 }, () => ({ symbol: 'none', cents: 0, at: 0 }))
  while (connection.bufferedAmount === 0) {
    connection.send({ type: 'snapshot', prices })
    await new Promise((resolve) => setImmediate(resolve))
  }
  return socket
}

t.test('a viewer that does not read keeps nobody waiting', async (t) => {
  const { app, origin } = await serve(t)
  const stalled = await stall(t, app, origin)
  await app.inject({ method: 'POST', url: '/stalled' })
  const viewers = await Promise.all(Array.from({ length: VIEWERS }, async () => await Viewer.open(t, origin)))
  const [first] = viewers
  if (first === undefined) return

  const counts = viewers.map(({ got }) => got.length)
  const from = performance.now()
  let mostBuffered = 0
  await until(() => performance.now() - from >= DURATION, () => { mostBuffered = Math.max(mostBuffered, app.websocket.metrics().buffered) })
  const seconds = (performance.now() - from) / 1000
  const rates = viewers.map(({ got }, index) => (got.length - (counts[index] ?? 0)) / seconds)
  t.comment(`${Math.round(Math.min(...rates))} to ${Math.round(Math.max(...rates))} updates a second, ${mostBuffered} bytes waited, ` +
    `no gap longer than ${Math.round(Math.max(...viewers.map(viewer => viewer.longestGap)))} ms`)
  // A machine that has other things to do may hold up the feed, but then all alike.
  t.ok(Math.min(...rates) > UPDATES_PER_SECOND * 0.7, `${Math.min(...rates)} a second`)
  t.ok(Math.max(...rates) < UPDATES_PER_SECOND * 1.3, `${Math.max(...rates)} a second`)

  const { buffered, slow, dropped, closes } = app.websocket.metrics()
  t.ok(dropped > UPDATES_PER_SECOND, `${dropped} were not sent`)
  t.equal(slow, 2, 'two viewers were too slow, once each')
  t.ok(buffered > MAX_BUFFERED, `${buffered} bytes wait for both`)
  // What waited before it was too much, and one message more, for each.
  t.ok(mostBuffered < 2 * MAX_BUFFERED + 64 * 1024, `at most ${mostBuffered} bytes have waited`)
  t.same(closes, {}, 'and nobody was closed')

  const last = first.got.at(-1) ?? ''
  const seen = first.got.slice(-UPDATES_PER_SECOND)
  for (const { got } of viewers) {
    await until(() => got.includes(last))
    const end = got.lastIndexOf(last) + 1
    t.ok(isDeepStrictEqual(got.slice(end - seen.length, end), seen), 'all got the same')
  }

  stalled.resume()
  await until(() => app.websocket.metrics().buffered <= MAX_BUFFERED + 8 * 1024)
  t.pass('who reads again is caught up with')
  // It would not answer the server's goodbye.
  stalled.destroy()
})

t.test('who has missed some gets the newest of each in their place', async (t) => {
  const { app } = await serve(t)
  const viewer = await app.injectWS(dashboard.url)
  const types: string[] = []
  viewer.on('message', (message) => { types.push(JSON.parse(String(message)).type) })
  viewer.send('{"type":"ws:subscribe","id":1,"topic":"prices"}')
  await until(() => types.includes('ws:message'))
  t.strictSame(types.splice(0).slice(0, 2), ['snapshot', 'ws:ack'])
  viewer.pause()
  await until(() => app.websocket.metrics().dropped > 0)
  viewer.resume()
  await until(() => types.includes('snapshot'))
  const at = types.indexOf('snapshot')
  await until(() => types.length > at + 5)
  t.equal(types.filter(type => type === 'snapshot').length, 1, 'once, and prices go on')
})

t.test('a client of this package', async (t) => {
  const { origin } = await serve(t)
  const socket = connect(dashboard, { baseUrl: origin })
  t.teardown(() => socket.close())
  for await (const { type, prices } of socket) {
    t.equal(type, 'snapshot')
    t.equal(prices.length, 36)
    break
  }
})

t.test('the page', async (t) => {
  const browser = await startBrowser()
  t.teardown(() => browser.close())
  const { origin } = await serve(t)
  const page = await browser.newPage()
  page.setDefaultTimeout(10_000)
  const complaints: string[] = []
  page.on('pageerror', error => complaints.push(String(error)))
  page.on('console', message => complaints.push(message.text()))
  await page.goto(origin)
  await page.getByRole('status').filter({ hasText: /^Connected$/ }).waitFor()
  await page.locator('#updates').filter({ hasText: /^([789]\d\d|1[012]\d\d)$/ }).waitFor()
  await page.locator('#viewers').filter({ hasText: /^1$/ }).waitFor()
  await page.getByRole('button', { name: 'Add a viewer' }).click()
  await page.locator('#viewers').filter({ hasText: /^2$/ }).waitFor()
  await page.locator('#dropped').filter({ hasText: /^[1-9]/ }).waitFor()
  t.equal(await page.locator('#slow').innerText(), '1')
  t.equal(await page.getByRole('listitem').count(), 36)
  await page.getByRole('button', { name: 'Remove' }).click()
  await page.locator('#viewers').filter({ hasText: /^1$/ }).waitFor()
  await page.locator('#buffered').filter({ hasText: /^0$/ }).waitFor()
  const folder = process.env['FTW_SCREENSHOTS']
  if (folder !== undefined && folder !== '') await page.screenshot({ path: `${folder}/dashboard.png` })
  t.strictSame(complaints, [])
})
