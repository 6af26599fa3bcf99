// The client as a page has it: bundled, weighed, and run by a real Chromium.
import { gzipSync } from 'node:zlib'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { build } from 'esbuild'
import type { BuildResult } from 'esbuild'
import t from 'tap'
import type { Page } from 'playwright-core'
import type * as browserEntry from '../../lib/client/browser.ts'
import type { defineTopic } from '../../lib/topic.ts'
import { bearerToken } from '../../lib/index.ts'
import { startBrowser } from '../example/browser.ts'
import { makeApp } from '../helpers/app.ts'
import { ChaosProxy } from '../helpers/chaos-proxy.ts'
import { ControlServer } from '../helpers/control-server.ts'
import { TopicServer } from '../helpers/topic-server.ts'
import { ROOT } from '../types/compile.ts'

t.setTimeout(120_000)

/** Bundles a program that imports the browser's entry, as a user's bundler would. */
async function bundle (program: string): Promise<{ code: string, inputs: string[] }> {
  const result: BuildResult<{ write: false, metafile: true }> = await build({
    stdin: { contents: program.replaceAll('$lib', join(ROOT, 'lib')), resolveDir: ROOT, loader: 'ts' },
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'browser',
    metafile: true,
    write: false
  })
  return { code: result.outputFiles[0]?.text ?? '', inputs: Object.keys(result.metafile.inputs) }
}

const program = await bundle("export * from '$lib/client/browser.ts'\nexport { defineTopic } from '$lib/topic.ts'\nexport { typebox } from '$lib/client/typebox.ts'")

t.test('the bundle is small, and has nothing of a dependency or of Node in it', async (t) => {
  const { code, inputs } = await bundle("export * from '$lib/client/browser.ts'")
  const size = gzipSync(code, { level: 9 }).length
  t.comment(`${code.length} bytes, ${size} with gzip`)
  t.ok(size < 6_000, `${size} bytes with gzip`)
  t.same(inputs.filter((path) => path.includes('node_modules')), [])
  t.same(inputs.filter((path) => /lib\/(connection|plugin|hub|validation|protocol)\//.test(path)), [])
  for (const name of ['Buffer', 'process', 'require', 'node:', 'TopicError']) t.notOk(new RegExp(`\\b${name}\\b`).test(code), name)
  const errors = await bundle("export { ClientError } from '$lib/client/browser.ts'")
  t.ok(errors.code.length < code.length / 10, `what is not used is shaken off: ${errors.code.length} bytes`)
})

const browser = await startBrowser()
t.teardown(() => browser.close())

/** A page that has the client as `lib`, on an origin of its own. */
async function openPage (): Promise<Page> {
  const { app, listen } = await makeApp(t)
  app.get('/', async (_request, reply) => reply.type('text/html').send('<!doctype html><link rel="icon" href="data:,"><script type="module">import * as lib from "/lib.js"; window.lib = lib</script>'))
  app.get('/lib.js', async (_request, reply) => reply.type('text/javascript').send(program.code))
  app.get('/own/:name', { websocket: true }, (connection, request) => { connection.send((request.params as { name: string }).name) })
  app.get('/token', { websocket: { protocols: ['bearer'] } }, (connection, request) => { connection.send(String(bearerToken(request))) })
  await listen()
  const page = await browser.newPage()
  t.teardown(() => page.close())
  await page.goto(`http://127.0.0.1:${(app.server.address() as AddressInfo).port}/`) // it listens on TCP
  await page.waitForFunction('window.lib')
  return page
}

/** What `page` runs, where `lib` is, in place of the names that are imported here. */
type Lib = typeof browserEntry & { defineTopic: typeof defineTopic }
const page = await openPage()

/** Runs in the page. */
function run<Argument, Result> (work: (lib: Lib, argument: Argument) => Promise<Result>, argument: Argument): Promise<Result> {
  return page.evaluate(`(${String(work)})(window.lib, ${JSON.stringify(argument)})`)
}

t.test('the page\'s own origin, and a token', async (t) => {
  t.equal(await run(async ({ connect }) => {
    const socket = connect({ url: '/own/:name' }, { params: { name: 'a b' } })
    for await (const message of socket) {
      socket.close()
      return message
    }
  }, 0), 'a b')
  t.match(await run(async ({ connect }) => {
    const socket = connect({ url: '/token' }, { auth: async () => 'a.token' })
    const message = await new Promise((resolve) => { socket.on('message', resolve) })
    socket.close(4000, 'bye')
    return [message, socket.protocol, await socket.closed]
  }, 0), ['a.token', 'bearer', { code: 4000, reason: 'bye', wasClean: true, initiator: 'local', unsent: 0 }])
})

t.test('options that a browser has not are refused, and a refused handshake tells 1006', async (t) => {
  const server = await ControlServer.start(t, { refuse: () => 401 })
  t.match(await run(async ({ connect }, baseUrl) => {
    const errors: unknown[] = []
    try {
      connect({ url: '/' }, { baseUrl, headers: { a: 'b' } })
    } catch (error) {
      errors.push((error as Error).message)
    }
    const socket = connect({ url: '/' }, { baseUrl, reconnect: { minDelay: 1, maxDelay: 1, maxAttempts: 1 } })
    const { code, wasClean } = await socket.closed
    return [...errors, code, wasClean, await socket.opened.catch((error: { code: string }) => error.code)]
  }, server.url), ['option: headers, tls: Node only', 1006, false, 'FST_WS_CLIENT_CLOSED'])
})

t.test('messages, bytes, requests and topics, through restarts of the server', async (t) => {
  const server = await ControlServer.start(t, { history: ['news'] })
  server.methods['add'] = ({ a, b }: { a: number, b: number }) => a + b
  server.methods['fail'] = () => { throw { code: 'NO', message: 'never', statusCode: 400 } } // eslint-disable-line no-throw-literal
  server.onMessage = (message, connection) => { connection.send(message instanceof Buffer ? message : JSON.stringify(message)) }
  const talking = run(async ({ connect, defineTopic }, baseUrl) => {
    const contract = { url: '/chat', schema: { websocket: { receive: {}, send: {}, requests: { add: {}, fail: {} } } }, websocket: { binary: true } } as const
    const socket = connect(contract, { baseUrl, reconnect: { minDelay: 1, maxDelay: 50 } })
    const seen: unknown[] = []
    socket.send({ type: 'early' })
    socket.on('message', (message) => { seen.push(message instanceof ArrayBuffer ? new Uint8Array(message).join() : message) })
    await socket.opened
    socket.send(new Uint8Array([1, 2]))
    seen.push(await socket.request('add', { a: 1, b: 2 } as never))
    seen.push(await socket.request('fail').catch(({ name, code, message, statusCode }: browserEntry.RequestError) => [name, code, message, statusCode]))
    const news: unknown[] = []
    let recovered = 0
    await socket.subscribe(defineTopic({ name: ':topic' }), { topic: 'news' }, (message) => { news.push(message) })
    socket.on('recovered', () => { recovered++ })
    await socket.publish('ready', 1)
    while (news.length < 12) await new Promise((resolve) => { setTimeout(resolve, 5) })
    socket.close()
    return { seen, news, recovered, ...await socket.closed }
  }, server.url)
  while (!server.controls.some(({ topic }) => topic === 'ready')) await new Promise((resolve) => setImmediate(resolve))
  server.publish('news', 0)
  for (let n = 1; n <= 10; n++) {
    const asked = server.controls.length
    await server.restart()
    server.publish('news', n)
    while (server.controls.length === asked) await new Promise((resolve) => setImmediate(resolve))
  }
  server.publish('news', 11)
  const { seen, news, recovered, ...end } = await talking
  t.strictSame(seen, [{ type: 'early' }, '1,2', 3, ['RequestError', 'NO', 'never', 400]])
  t.strictSame(news, Array.from({ length: 12 }, (_, n) => n))
  t.equal(recovered, 10)
  t.match(end, { code: 1000, wasClean: true })
})

t.test('a network that no longer forwards is found by pings that are messages', async (t) => {
  const server = await ControlServer.start(t)
  const proxy = await ChaosProxy.start(server.port)
  t.teardown(() => proxy.close())
  const found = run(async ({ connect }, baseUrl) => {
    const socket = connect({ url: '/' }, { baseUrl, ping: { application: true, interval: 50, timeout: 500 }, reconnect: { minDelay: 1, maxDelay: 1 } })
    await socket.opened
    const { code, error } = await new Promise<{ code: number, error?: unknown }>((resolve) => { socket.on('reconnecting', resolve) })
    await socket.opened
    socket.close()
    return [code, (error as { code: string }).code, (await socket.closed).wasClean]
  }, `http://127.0.0.1:${proxy.port}`)
  const link = await proxy.link(0)
  while (server.controls.length === 0) await new Promise((resolve) => setImmediate(resolve))
  link.stop()
  t.strictSame(await found, [1006, 'FST_WS_CLIENT_SILENT', true])
})

t.test('an aborted signal, and validation without eval', async (t) => {
  const server = await ControlServer.start(t)
  t.strictSame(await run(async (lib, baseUrl) => {
    const aborter = new AbortController()
    const validate = (lib as Lib & { typebox: () => browserEntry.ClientValidator }).typebox()
    const socket = lib.connect({ url: '/', schema: { websocket: { receive: {} } } }, { baseUrl, signal: aborter.signal, validate: (...args) => { if (args[1] === 'no') throw new Error('checked') } })
    await socket.opened
    let message = ''
    try {
      socket.send('no')
    } catch (error) {
      message = (error as Error).message
    }
    aborter.abort('left')
    return [message, socket.state, (await socket.closed).error, typeof validate]
  }, server.url), ['checked', 'closed', 'left', 'function'])
  while (server.connections.size > 0) await new Promise((resolve) => setImmediate(resolve))
})

t.test('the real control route: topics, presence and requests, through sudden restarts', async (t) => {
  const server = await TopicServer.start(t)
  const talking = run(async ({ connect, defineTopic }, baseUrl) => {
    const contract = { url: '/topics', schema: { websocket: { receive: {}, send: {}, requests: { double: {} } } } } as const
    const kept = defineTopic({ name: 'kept/:room' })
    const clients = [0, 1].map(() => connect(contract, { baseUrl, reconnect: { minDelay: 1, maxDelay: 20 } })) as [ReturnType<typeof connect<typeof contract>>, ReturnType<typeof connect<typeof contract>>]
    const [ann, ben] = clients
    const heard: unknown[] = []
    const coming: unknown[] = []
    let recovered = 0
    const room = await ann.subscribe(kept, { room: 'a' }, (message) => { heard.push(message) }, { data: 'ann' })
    room.on('join', ({ data }) => { coming.push(data) }).on('recovered', () => { recovered++ }).on('lost', () => { heard.push('lost') })
    await ben.subscribe(kept, { room: 'a' }, undefined, { data: 'ben' })
    while (coming.length === 0) await new Promise((resolve) => { setTimeout(resolve, 1) })
    const members = room.members.map(({ data }) => data)
    ben.send({ type: 'note', n: 1 })
    const noted = await new Promise((resolve) => { ben.on('message', resolve) })
    const doubled: unknown[] = [await ann.request('double', 21 as never)]
    const acknowledged: number[] = []
    const failures = new Set<unknown>()
    // Until the test has restarted the server as often as it likes.
    for (let n = 0; !Reflect.has(globalThis, 'isOver'); n++) {
      try {
        await ben.publish(kept, { room: 'a' }, n)
        acknowledged.push(n)
      } catch (error) {
        failures.add((error as browserEntry.ClientError).code)
      }
    }
    doubled.push(await ann.request('double', 4 as never), await ann.request('double', 'four' as never).catch(({ name, code }: browserEntry.RequestError) => [name, code]))
    const last = acknowledged.at(-1)
    while (!heard.includes(last)) await new Promise((resolve) => { setTimeout(resolve, 1) })
    for (const client of clients) client.close()
    return { members, noted, doubled, failures: [...failures], acknowledged, heard, isRecovered: recovered > 0, ends: (await Promise.all(clients.map(({ closed }) => closed))).map(({ code }) => code) }
  }, server.url)
  for (let n = 0; n < 3; n++) {
    await new Promise<void>((resolve) => {
      server.engine.onTaken = () => {
        server.engine.onTaken = () => {}
        server.cut()
        resolve()
      }
    })
    await server.restart()
  }
  await page.evaluate('isOver = true')
  const { acknowledged, heard, ...seen } = await talking
  t.strictSame(seen, {
    members: ['ann', 'ben'],
    noted: { type: 'noted', n: 1 },
    doubled: [42, 8, ['RequestError', 'FST_ERR_VALIDATION']],
    failures: ['FST_WS_CLIENT_LOST'],
    isRecovered: true,
    ends: [1000, 1000]
  })
  t.strictSame(heard.filter((n) => acknowledged.includes(n as number)), acknowledged, 'what was acknowledged, each once and in order')
  t.equal(new Set(heard).size, heard.length)
})

t.test('when the network comes back it is tried at once, and a connection that there is, is looked at', async (t) => {
  const server = await ControlServer.start(t)
  await server.close()
  await page.route('**/up', async (route) => {
    await server.open()
    await route.fulfill()
  })
  await page.route('**/pinged', async (route) => {
    while (server.controls.length === 0) await new Promise((resolve) => setImmediate(resolve))
    await route.fulfill()
  })
  const seen = await run(async ({ connect }, baseUrl) => {
    const page = globalThis as unknown as EventTarget
    const { removeEventListener } = page
    const removed: string[] = []
    page.removeEventListener = (...args: Parameters<typeof removeEventListener>) => { removed.push(args[0]); removeEventListener.apply(page, args) }
    const socket = connect({ url: '/' }, { baseUrl, reconnect: { minDelay: 2 ** 30, maxDelay: 2 ** 30 }, ping: { application: true, interval: 2 ** 30 } })
    const attempts: number[] = []
    socket.on('connecting', ({ attempt }) => { attempts.push(attempt) })
    await new Promise((resolve) => { socket.on('reconnecting', resolve) })
    await fetch('/up')
    page.dispatchEvent(new Event('online'))
    await socket.opened
    page.dispatchEvent(new Event('online'))
    await fetch('/pinged')
    socket.close()
    await socket.closed
    page.dispatchEvent(new Event('online'))
    page.removeEventListener = removeEventListener
    return { attempts, removed, state: socket.state }
  }, server.url)
  t.strictSame(seen, { attempts: [0, 0], removed: ['online'], state: 'closed' })
  t.match(server.controls, [{ type: 'ws:ping' }])
})
