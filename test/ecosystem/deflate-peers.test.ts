// Compression with real peers: the `ws` package at both ends, a Node's own WebSocket, and Chromium.
import { once } from 'node:events'
import { connect } from 'node:net'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import type { Test } from 'tap'
import { WebSocket, WebSocketServer } from 'ws'
import type { PerMessageDeflateOptions } from 'ws'
import { Connection } from '../../lib/connection/connection.ts'
import { deflateSettings } from '../../lib/connection/deflate/settings.ts'
import { offerDeflate, readDeflateAnswer } from '../../lib/protocol/deflate-offer.ts'
import { formatExtensions } from '../../lib/protocol/extensions.ts'
import { buildRequest, generateKey, judgeResponse } from '../../lib/protocol/handshake-client.ts'
import type { WebSocketPerMessageDeflate } from '../../lib/index.ts'
import { startBrowser } from '../example/browser.ts'
import { makeApp } from '../helpers/app.ts'
import type { TestApp } from '../helpers/app.ts'
import { settingsWith } from '../helpers/connection-pair.ts'
import '../helpers/guard.ts'
import { bringNodes, runWell } from '../package/tools.ts'
import { ROOT } from '../types/compile.ts'

const KiB = 1024
const MiB = 1024 * KiB
const TAKEOVER = { threshold: 0, serverNoContextTakeover: false, clientNoContextTakeover: false }

t.setTimeout(180_000)

/** Text and bytes of many sizes, most of which compress; what comes last looks back to what came before. */
function makeMessages (largest: number): Array<string | Buffer> {
  const sizes = [0, 1, 10, 125, 126, 1000, 1023, 1024, 4000, 65_535, 65_536, 65_537, 262_144, 262_145, 700_000, 4 * MiB].filter((size) => size <= largest)
  const texts = sizes.map((size) => 'Grüße, 😀 and so on; '.repeat(size / 20 + 1).slice(0, size / 2))
  const binary = sizes.map((size, i) => Buffer.alloc(size).map((_, at) => i % 3 === 0 ? at * 2654435761 >>> 13 : at % 251)).map((bytes) => Buffer.from(bytes))
  return [...texts, ...binary, ...texts.slice(0, 8), ...binary.slice(0, 8)]
}

const messages = makeMessages(4 * MiB)
const fewer = makeMessages(70_000)

async function serveEcho (t: Test, perMessageDeflate: boolean | WebSocketPerMessageDeflate): Promise<TestApp & { url: string }> {
  const site = await makeApp(t, { server: { logger: false }, plugin: { maxPayload: 8 * MiB, maxBufferedAmount: 64 * MiB, allowedOrigins: '*' } })
  site.app.get('/', async (_request, reply) => reply.type('text/html').send('<!doctype html><link rel="icon" href="data:,">'))
  site.app.get('/echo', { websocket: { perMessageDeflate } }, (connection) => { connection.on('message', (message) => { connection.send(message) }) })
  return { ...site, url: `ws://127.0.0.1:${await site.listen()}/echo` }
}

/** Sends all at once, and tells at which places something else came back. */
async function echoAll (socket: WebSocket, sent: ReadonlyArray<string | Buffer>): Promise<number[]> {
  const wrong: number[] = []
  let at = 0
  const done = new Promise<void>((resolve, reject) => {
    socket.on('message', (data: Buffer, isBinary: boolean) => {
      const want = sent[at]
      if (isBinary === (typeof want === 'string') || want === undefined || !data.equals(Buffer.from(want as string))) wrong.push(at)
      if (++at === sent.length) resolve()
    })
    socket.on('close', (code) => reject(new Error(`closed with ${code} after ${at} of ${sent.length}`)))
    socket.on('error', reject)
  })
  for (const message of sent) socket.send(message)
  await done
  socket.removeAllListeners('close')
  socket.close()
  await once(socket, 'close')
  return wrong
}

const bitsOf = (bits: number): object => ({ serverMaxWindowBits: bits, clientMaxWindowBits: bits })

/** Both ends answer or ask for what they keep to; a server's limit on the client is for one that says that it knows of it. */
const clients: ReadonlyArray<{ name: string, client: PerMessageDeflateOptions | true, route: boolean | WebSocketPerMessageDeflate, sent?: typeof messages, answer: RegExp }> = [
  { name: 'by default, both', client: true, route: true, answer: /; server_no_context_takeover; client_no_context_takeover$/ },
  { name: 'with context takeover', client: true, route: TAKEOVER, answer: /^permessage-deflate$/ },
  { name: 'everything compressed', client: { threshold: 0 }, route: { ...TAKEOVER, level: 6, memLevel: 9 }, answer: /^permessage-deflate$/ },
  { name: 'without, as the client asks', client: { serverNoContextTakeover: true, clientNoContextTakeover: true }, route: TAKEOVER, answer: /server_no_context_takeover; client_no_context_takeover/ },
  ...[8, 9, 10, 11, 12, 13, 14, 15].flatMap((bits) => [
    { name: `a server's window of ${bits} bits, as the client asks`, client: { serverMaxWindowBits: bits, threshold: 0 }, route: TAKEOVER, sent: fewer, answer: new RegExp(`server_max_window_bits=${bits}`) },
    { name: `windows of ${bits} bits, as the server asks`, client: { threshold: 0 }, route: { ...TAKEOVER, ...bitsOf(bits) }, sent: fewer, answer: bits === 15 ? /^permessage-deflate$/ : new RegExp(`server_max_window_bits=${bits}; client_max_window_bits=${bits}`) }
  ]),
  ...[9, 12, 15].map((bits) => ({
    name: `both windows of ${bits} bits and no context, as the client asks`, client: { ...bitsOf(bits), serverNoContextTakeover: true, clientNoContextTakeover: true, threshold: 0 }, route: true, sent: fewer, answer: new RegExp(`server_max_window_bits=${bits}; client_max_window_bits=${bits}`)
  }))
]

for (const { name, client, route, sent = messages, answer } of clients) {
  t.test(`ws as the client: ${name}`, async (t) => {
    const { app, url } = await serveEcho(t, route)
    const socket = new WebSocket(url, { perMessageDeflate: client, maxPayload: 8 * MiB })
    t.teardown(() => socket.terminate())
    let extensions = ''
    socket.on('upgrade', ({ headers }) => { extensions = String(headers['sec-websocket-extensions'] ?? '') })
    await once(socket, 'open')
    t.match(extensions, answer)
    t.same(await echoAll(socket, sent), [])
    const { bytesSent, bytesReceived, errors } = app.websocket.metrics()
    const length = sent.reduce((sum, message) => sum + Buffer.byteLength(message), 0)
    t.ok(bytesSent < length * 0.8 && bytesReceived < length * 0.8, `${bytesReceived} and ${bytesSent} bytes for ${length}`)
    t.equal(errors, 0)
  })
}

t.test('ws as the client: fifty at once, of two kinds', async (t) => {
  const { url } = await serveEcho(t, TAKEOVER)
  const results = await Promise.all(Array.from({ length: 50 }, async (_, i) => {
    const socket = new WebSocket(url, { perMessageDeflate: i % 2 === 0 ? { threshold: 0 } : { serverNoContextTakeover: true } })
    await once(socket, 'open')
    return await echoAll(socket, [...fewer.slice(i % 7), `${i}`.repeat(2000)])
  }))
  t.same(results.flat(), [])
})

/** Connects as a client of this package's own, over TCP. */
async function connectAs (t: Test, port: number, wish: Parameters<typeof offerDeflate>[0]): Promise<Connection> {
  const key = generateKey()
  const extensions = [offerDeflate(wish)]
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  t.teardown(() => socket.destroy())
  socket.write(buildRequest({ path: '/', host: `127.0.0.1:${port}`, key, extensions }), 'latin1')
  let received = Buffer.alloc(0)
  while (!received.includes('\r\n\r\n')) received = Buffer.concat([received, (await once(socket, 'data'))[0] as Buffer])
  socket.pause()
  const end = received.indexOf('\r\n\r\n')
  const [status = '', ...lines] = received.toString('latin1', 0, end).split('\r\n')
  const rawHeaders = lines.flatMap((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()])
  const agreed = judgeResponse({ statusCode: Number(status.split(' ')[1]), rawHeaders }, { key, extensions })
  const params = readDeflateAnswer(agreed.extensions, wish)
  if (params === undefined) throw new Error('not agreed on')
  const connection = new Connection(socket, settingsWith({
    role: 'client',
    maxPayload: 8 * MiB,
    extensions: formatExtensions(agreed.extensions),
    deflate: deflateSettings(params, 'client', { threshold: 0, level: 1, memLevel: 8 }),
    onError (error) { t.error(error) }
  }))
  connection.start(received.subarray(end + 4))
  return connection
}

const WISH = { serverNoContextTakeover: false, clientNoContextTakeover: false, serverMaxWindowBits: 15, clientMaxWindowBits: 15 }

for (const { name, wish, limits } of [
  { name: 'all defaults', wish: WISH, limits: {} },
  { name: 'no context either way', wish: { ...WISH, serverNoContextTakeover: true, clientNoContextTakeover: true }, limits: {} },
  { name: 'no context, as the server asks', wish: WISH, limits: { serverNoContextTakeover: true, clientNoContextTakeover: true } },
  ...[9, 12].flatMap((bits) => [
    { name: `windows of ${bits} bits`, wish: { ...WISH, ...bitsOf(bits) }, limits: {} },
    { name: `windows of ${bits} bits, as the server asks`, wish: WISH, limits: bitsOf(bits) }
  ]),
  { name: 'a client\'s window of 8 bits', wish: { ...WISH, clientMaxWindowBits: 8 }, limits: {} }
] as const) {
  t.test(`ws as the server: ${name}`, async (t) => {
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: { threshold: 0, ...limits }, maxPayload: 8 * MiB })
    t.teardown(() => { server.close() })
    server.on('connection', (socket) => { socket.on('message', (data, isBinary) => { socket.send(data, { binary: isBinary }) }) })
    await once(server, 'listening')
    const connection = await connectAs(t, (server.address() as AddressInfo).port, wish)
    t.match(connection.extensions, /^permessage-deflate/)
    let at = 0
    const wrong: number[] = []
    const done = new Promise<void>((resolve) => {
      connection.on('message', (data: string | Buffer) => {
        const want = messages[at]
        if (typeof data !== typeof want || !Buffer.from(data as string).equals(Buffer.from(want as string))) wrong.push(at)
        if (++at === messages.length) resolve()
      })
    })
    for (const message of messages) connection.send(message)
    await done
    t.same(wrong, [])
    connection.close(1000)
    const [code] = await new Promise<unknown[]>((resolve) => { connection.on('close', (...args: unknown[]) => resolve(args)) })
    t.equal(code, 1000)
  })
}

const script = `
const socket = new WebSocket(process.argv[1])
socket.binaryType = 'arraybuffer'
const sent = Array.from({ length: 40 }, (_, i) => i % 2 === 0 ? 'text ' .repeat(i * i * 40) : new Uint8Array(i * i * 300).map((_, at) => at % 200))
let at = 0, wrong = 0
socket.onopen = () => { for (const message of sent) socket.send(message) }
socket.onerror = ({ message }) => { console.log('error ' + message); process.exit() }
socket.onmessage = ({ data }) => {
  const want = sent[at++]
  if (typeof data === 'string' ? data !== want : Buffer.compare(new Uint8Array(data), want) !== 0) wrong++
  if (at === sent.length) socket.close(1000)
}
socket.onclose = ({ code }) => console.log(JSON.stringify({ extensions: socket.extensions, at, wrong, code }))
`

t.test('a Node\'s own WebSocket', async (t) => {
  const nodes = await bringNodes([24])
  if (nodes.size === 0) t.comment(`npm has no Node for ${process.platform}-${process.arch}: not run`)
  for (const [name, node] of nodes) {
    for (const route of [true, TAKEOVER]) {
      const { app, url } = await serveEcho(t, route)
      const { stdout } = await runWell(node, ['-e', script, url], ROOT)
      const { extensions, ...rest } = JSON.parse(stdout) as { extensions: string }
      t.match(extensions, /^permessage-deflate/, name)
      t.strictSame(rest, { at: 40, wrong: 0, code: 1000 }, name)
      const { bytesSent } = app.websocket.metrics()
      t.ok(bytesSent < 1_000_000, `${bytesSent} bytes sent, compressed`)
    }
  }
})

t.test('Chromium', async (t) => {
  const browser = await startBrowser()
  t.teardown(() => browser.close())
  for (const [route, wanted] of [[true, /server_no_context_takeover; client_no_context_takeover/], [TAKEOVER, /^permessage-deflate$/], [{ ...TAKEOVER, ...bitsOf(9) }, /server_max_window_bits=9; client_max_window_bits=9/]] as const) {
    const { app, url } = await serveEcho(t, route)
    const page = await browser.newPage()
    await page.goto(url.replace('ws', 'http').replace('/echo', '/'))
    const result = await page.evaluate(`new Promise((resolve, reject) => {
      ${script.replace('process.argv[1]', JSON.stringify(url)).replace('Buffer.compare(new Uint8Array(data), want) !== 0', 'String(new Uint8Array(data)) !== String(want)')
        .replace(/console\.log\('error.*/, 'reject(new Error(message)) }').replace('console.log(JSON.stringify(', 'resolve((')}
    })`)
    const { extensions, ...rest } = result as { extensions: string }
    t.match(extensions, wanted)
    t.strictSame(rest, { at: 40, wrong: 0, code: 1000 })
    const { bytesSent, bytesReceived } = app.websocket.metrics()
    // zlib's level 1 finds little in a window of 9 bits
    t.ok(bytesSent < (wanted.source.includes('9') ? 2_500_000 : 1_000_000) && bytesReceived < 1_000_000, `${bytesReceived} bytes received, ${bytesSent} sent: both compressed`)
    await page.close()
  }
})
