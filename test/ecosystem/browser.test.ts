// What only a browser does, by a real Chromium: an Origin that no script can change, cookies that come by themselves, a wish for
// an answer to offered subprotocols, and the Content-Security-Policy that @fastify/helmet sets.
import type { AddressInfo } from 'node:net'
import cookie from '@fastify/cookie'
import helmet from '@fastify/helmet'
import type { FastifyInstance } from 'fastify'
import type { Page } from 'playwright-core'
import t from 'tap'
import type { Test } from 'tap'
import { bearerToken } from '../../lib/index.ts'
import type { WebSocketPluginOptions } from '../../lib/index.ts'
import { startBrowser } from '../example/browser.ts'
import { makeApp } from '../helpers/app.ts'

t.setTimeout(120_000)

const browser = await startBrowser()
t.teardown(() => browser.close())

interface Site {
  readonly app: FastifyInstance
  /** With a final slash, as a page's URL has it. */
  readonly url: string
}

/** A site with an empty page and a socket that tells who connects, by cookie and token. */
async function serve (t: Test, plugin: WebSocketPluginOptions = {}, csp = false): Promise<Site> {
  const { app, listen } = await makeApp(t, { plugin })
  await app.register(cookie)
  if (csp) await app.register(helmet)
  app.get('/', async (_request, reply) => reply.type('text/html').setCookie('visitor', 'ann').send('<!doctype html><link rel="icon" href="data:,">'))
  app.get('/socket', { websocket: true }, (connection, request) => { connection.send(`${request.cookies['visitor']} ${bearerToken(request)}`) })
  await listen()
  const { port } = app.server.address() as AddressInfo // it listens on TCP
  return { app, url: `http://127.0.0.1:${port}/` }
}

async function visit (t: Test, url: string): Promise<Page> {
  const page = await browser.newPage()
  t.teardown(() => page.close())
  await page.goto(url)
  return page
}

/** Connects by a script of the page; what it gets, or 'error' and what the browser's console says of it. */
async function connect (page: Page, site: Site, protocols: string[] = []): Promise<string> {
  const complaints: string[] = []
  page.on('console', (message) => { complaints.push(message.text()) })
  const result = await page.evaluate(([url, protocols]) => new Promise<string>((resolve) => {
    // `page` runs this, where WebSocket is.
    const socket = new (globalThis as unknown as { WebSocket: new (url: string, protocols: readonly string[]) => EventTarget }).WebSocket(url, protocols)
    socket.addEventListener('message', (event) => { resolve((event as Event & { data: string }).data) }) // a text message's
    socket.addEventListener('error', () => { resolve('error') })
  }), [`${site.url.replace('http', 'ws')}socket`, protocols] as const)
  if (result !== 'error') return result
  while (complaints.length === 0) await page.waitForEvent('console')
  return `error: ${complaints.join()}`
}

t.test('a page of another origin brings the visitor\'s cookies, and is refused', async (t) => {
  const site = await serve(t)
  const open = await serve(t, { allowedOrigins: '*' })
  const page = await visit(t, site.url)
  t.equal(await connect(page, site), 'ann undefined')
  // Another port is another origin, and not another site: the cookie comes along, SameSite or not.
  t.equal(await connect(page, open), 'ann undefined', 'as it would be without allowedOrigins')
  const attacker = await visit(t, open.url)
  t.match(await connect(attacker, site), /403/)
})

t.test('the subprotocol bearer carries a token, when it is agreed on', async (t) => {
  const answers = await serve(t, { protocols: ['bearer'] })
  t.equal(await connect(await visit(t, answers.url), answers, ['bearer', 'a.token']), 'ann a.token')
  const silent = await serve(t)
  t.match(await connect(await visit(t, silent.url), silent, ['bearer', 'a.token']), /Sec-WebSocket-Protocol/)
})

t.test('helmet\'s policy lets a page connect to its own origin, and to no other', async (t) => {
  const site = await serve(t, {}, true)
  const other = await serve(t, { allowedOrigins: '*' })
  const page = await visit(t, site.url)
  t.equal(await connect(page, site), 'ann undefined')
  t.match(await connect(page, other), /Content Security Policy/)
})
