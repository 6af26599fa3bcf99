// Each example through a real client, and as the program that its first lines say it is.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { extname } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import type { Test } from 'tap'
import * as authHook from '../../example/auth-hook.ts'
import * as authJwt from '../../example/auth-jwt.ts'
import { HISTORY_LENGTH, ROOMS, chat as chatContract, room, typing } from '../../example/chat/messages.ts'
import * as chat from '../../example/chat/server.ts'
import * as inject from '../../example/inject.ts'
import * as client from '../../example/client.ts'
import * as binaryRelay from '../../example/binary-relay.ts'
import * as rawEcho from '../../example/raw-echo.ts'
import * as restAndWebSocket from '../../example/rest-and-websocket.ts'
import * as topics from '../../example/topics.ts'
import * as typedEcho from '../../example/typed-echo.ts'
import { connect } from '../../lib/client/node.ts'
import type { ClientSocket } from '../../lib/client/node.ts'
import { Client } from './client.ts'

t.setTimeout(180_000)

interface Server {
  readonly app: FastifyInstance
  readonly origin: string
}

async function serve (t: Test, build: () => Promise<FastifyInstance>): Promise<Server> {
  const app = await build()
  t.teardown(() => app.close())
  t.equal(app.server.listening, false, 'it listens only when it is run')
  return { app, origin: await app.listen({ host: '127.0.0.1', port: 0 }) }
}

// ---- the short ones

t.test('raw-echo', async (t) => {
  const { origin } = await serve(t, rawEcho.build)
  const client = await Client.open(t, origin, '/echo')
  client.socket.send('text')
  client.socket.send(Buffer.from([0, 255]))
  t.equal(await client.take(), 'text')
  t.strictSame(await client.take(), Buffer.from([0, 255]))
})

t.test('binary-relay', async (t) => {
  const { origin } = await serve(t, binaryRelay.build)
  const viewers = [await Client.open(t, origin, '/watch'), await Client.open(t, origin, '/watch')]
  const camera = await Client.open(t, origin, '/camera')
  const pictures = [1, 2, 3].map((n) => Buffer.alloc(n * 150_000, n))
  for (const picture of pictures) camera.socket.send(picture)
  for (const viewer of viewers) {
    for (const picture of pictures) t.ok(picture.equals(await viewer.take() as Buffer), `${picture.length} bytes`)
  }
})

t.test('topics', async (t) => {
  const { app, origin } = await serve(t, topics.build)
  const post = async (text: string): Promise<unknown> => (await app.inject({ method: 'POST', url: '/rooms/lobby/messages', body: { text } })).json()
  const ann = await Client.open(t, origin, '/rooms/lobby?nick=ann')
  const { epoch } = await ann.takeJson() as { epoch: string } // checked below
  const bo = await Client.open(t, origin, '/rooms/lobby?nick=bo')
  t.strictSame(await bo.takeJson(), { type: 'entered', epoch, offset: 0, recovered: false, members: ['ann', 'bo'] })
  ann.sendJson({ type: 'say', text: 'hello' })
  t.strictSame(await ann.takeJson(), { type: 'said', from: 'ann', text: 'hello' })
  t.strictSame(await bo.takeJson(), { type: 'said', from: 'ann', text: 'hello' })
  bo.socket.terminate()
  t.strictSame(await post('one'), { epoch, offset: 2 })
  t.strictSame(await post('two'), { epoch, offset: 3 })
  const back = await Client.open(t, origin, `/rooms/lobby?nick=bo&epoch=${epoch}&offset=1`)
  for (const text of ['one', 'two']) t.strictSame(await back.takeJson(), { type: 'said', from: 'REST', text })
  t.match(await back.takeJson(), { type: 'entered', epoch, offset: 3, recovered: true })
  const late = await Client.open(t, origin, '/rooms/lobby?epoch=another&offset=1')
  t.match(await late.takeJson(), { type: 'entered', offset: 3, recovered: false, members: ['ann', 'bo'] })
  late.sendJson({ type: 'say', text: 'may I?' })
  t.match(await late.closed(), { code: 1011 })
})

t.test('typed-echo', async (t) => {
  const { origin } = await serve(t, typedEcho.build)
  const client = await Client.open(t, origin, '/echo')
  client.sendJson({ type: 'echo', text: 'hello' })
  client.sendJson({ type: 'add', a: 1, b: 2 })
  t.strictSame(await client.takeJson(), { type: 'echo', text: 'hello' })
  t.strictSame(await client.takeJson(), { type: 'sum', sum: 3 })
  client.sendJson({ type: 'add', a: '1', b: 2 })
  t.match(await client.closed(), { code: 1008, reason: 'message/a Expected number' })
})

t.test('auth-hook', async (t) => {
  const { app, origin } = await serve(t, authHook.build)
  const client = await Client.open(t, origin, '/private', { authorization: 'Bearer token-of-ann' })
  t.equal(await client.take(), 'hello ann')
  client.socket.send('me')
  t.equal(await client.take(), 'ann: me')
  await t.rejects(Client.open(t, origin, '/private'), { message: 'Unexpected server response: 401' })
  await t.rejects(Client.open(t, origin, '/private', { authorization: 'Bearer other' }), { message: 'Unexpected server response: 401' })
  const refused = await app.inject('/private')
  t.match(refused, { statusCode: 401, headers: { 'www-authenticate': 'Bearer' } })
})

t.test('auth-jwt', async (t) => {
  const { app, origin } = await serve(t, authJwt.build)
  const { token } = (await app.inject({ method: 'POST', url: '/login?name=ann' })).json<{ token: string }>()
  const authorization = { authorization: `Bearer ${token}` }
  t.strictSame((await app.inject({ url: '/me', headers: authorization })).json(), { name: 'ann' })
  const program = await Client.open(t, origin, '/me', authorization)
  t.equal(await program.take(), 'hello ann')
  program.socket.send('me')
  t.equal(await program.take(), 'ann: me')

  const browser = await app.injectWS('/me', { protocols: ['bearer', token] })
  t.equal(browser.protocol, 'bearer')
  t.strictSame(await once(browser, 'message'), ['hello ann', false])
  browser.terminate()

  t.equal((await app.inject('/me')).statusCode, 401)
  await t.rejects(Client.open(t, origin, '/me'), { message: 'Unexpected server response: 401' })
  await t.rejects(app.injectWS('/me', { protocols: ['bearer', `${token}x`] }), /401/)
})

t.test('auth-jwt: a connection ends with its token', async (t) => {
  const { app, origin } = await serve(t, () => authJwt.build('3s'))
  const { token } = (await app.inject({ method: 'POST', url: '/login?name=ann' })).json<{ token: string }>()
  const client = await Client.open(t, origin, '/me', { authorization: `Bearer ${token}` })
  t.equal(await client.take(), 'hello ann')
  t.strictSame(await client.closed(), { code: 4001, reason: 'token expired' })
  await t.rejects(Client.open(t, origin, '/me', { authorization: `Bearer ${token}` }), { message: 'Unexpected server response: 401' })
})

t.test('rest-and-websocket', async (t) => {
  const { app, origin } = await serve(t, restAndWebSocket.build)
  const client = await Client.open(t, origin, '/counter')
  t.strictSame(await client.takeJson(), { count: 0 })
  await app.inject({ method: 'POST', url: '/counter' })
  t.strictSame(await client.takeJson(), { count: 1 })
  t.strictSame((await app.inject('/counter')).json(), { count: 1 })
  const second = await Client.open(t, origin, '/counter')
  t.strictSame(await second.takeJson(), { count: 1 })
  client.socket.close()
  await client.closed()
  await app.inject({ method: 'POST', url: '/counter' })
  t.strictSame(await second.takeJson(), { count: 2 })
})

t.test('client', async (t) => {
  const { origin } = await serve(t, client.build)
  const lines: string[] = []
  await client.visit(origin, (...words) => { lines.push(words.join(' ')) })
  t.strictSame(lines, ['Ann, welcome to corner', 'order 1', 'SHOP_NOT_FOR_SALE not for sale', 'bread 250', 'closed 1000'])
})

t.test('inject', async (t) => {
  const app = await inject.build()
  t.teardown(() => app.close())
  t.strictSame(await inject.ask(app, { type: 'add', a: 1, b: 2 }), { type: 'sum', sum: 3 })
  t.strictSame(await inject.ask(app, { type: 'echo', text: 'hello' }), { type: 'echo', text: 'hello' })
  await t.rejects(inject.ask(app, { type: 'add', a: 1 }), { message: 'closed with 1008: message/b Expected required property' })
  t.equal(app.server.listening, false)
})

// ---- the chat; the page itself is tested in chat-browser.test.ts

function chatAs (t: Test, baseUrl: string, nick: string, visitor?: string): ClientSocket<typeof chatContract> {
  const socket = connect(chatContract, { baseUrl, query: { nick, ...(visitor !== undefined && { visitor }) } })
  t.teardown(() => socket.close())
  return socket
}

async function until (condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => { setImmediate(resolve) })
}

t.test('chat: who comes and goes, what is said and typed', async (t) => {
  const { app, origin } = await serve(t, chat.build)
  const [ann, ben] = [chatAs(t, origin, 'ann'), chatAs(t, origin, 'ben')]
  const heard: unknown[] = []
  const lobby = await ann.subscribe(room, { room: 'lobby' }, (said) => { heard.push(said) })
  lobby.on('join', ({ data }) => { heard.push(['join', data]) }).on('leave', ({ data }) => { heard.push(['leave', data]) })
  await ann.subscribe(typing, { room: 'lobby' }, (typist) => { heard.push(typist) })
  const there = await ben.subscribe(room, { room: 'lobby' }, () => {}, { data: { nick: 'zoe' } })
  t.strictSame(there.members.map(({ data }) => data), [{ nick: 'ann' }, { nick: 'ben' }], 'the server knows their names, whatever they say')

  await ben.publish(typing, { room: 'lobby' }, { nick: 'ben', isTyping: true })
  const said = await ben.request('say', { room: 'lobby', text: 'hello' })
  t.match(said, { id: /^[\da-f-]{36}$/, nick: 'ben', text: 'hello' })
  t.ok(Math.abs(Date.now() - said.at) < 60_000)
  await ben.subscribe(room, { room: 'garden' }, () => {})
  await ben.request('say', { room: 'garden', text: 'elsewhere' })
  t.strictSame((await app.inject('/rooms/lobby/messages')).json(), [said])
  ben.close()
  await until(() => heard.length === 4)
  t.strictSame(heard, [['join', { nick: 'ben' }], { nick: 'ben', isTyping: true }, said, ['leave', { nick: 'ben' }]])
})

t.test('chat: what is refused is answered, and the connection stays', async (t) => {
  const { app, origin } = await serve(t, chat.build)
  const ann = chatAs(t, origin, 'ann')
  await ann.subscribe(room, { room: 'lobby' }, () => {})
  const say = (text: string, name = 'lobby'): Promise<unknown> => ann.request('say', { room: name as 'lobby', text }) // some are none
  for (const text of [' ', '', 'x'.repeat(501)]) await t.rejects(say(text), { code: 'FST_ERR_VALIDATION', statusCode: 400, message: /\/text Expected string/ })
  await t.rejects(say('hello', 'attic'), { code: 'FST_ERR_VALIDATION', message: /\/room / })
  await t.rejects(say('hello', 'kitchen'), { code: 'NOT_HERE', statusCode: 403, message: 'you are not in the kitchen' })
  const forbidden = { code: 'FST_WS_TOPIC_FORBIDDEN', statusCode: 403 }
  await t.rejects(ann.subscribe(room, { room: 'attic' }), forbidden, 'there is no such room')
  await t.rejects(ann.subscribe('secrets', () => {}), forbidden)
  await t.rejects(ann.publish(room, { room: 'lobby' }, { id: '1', nick: 'ben', text: 'never said', at: 0 }), forbidden, 'nobody speaks for others')
  await t.rejects(ann.publish(typing, { room: 'lobby' }, { nick: 'n'.repeat(25), isTyping: true }), { code: 'FST_ERR_VALIDATION' })
  t.match(await say('x'.repeat(500)), { nick: 'ann' })
  t.equal((await app.inject('/rooms/lobby/messages')).json<unknown[]>().length, 1)
})

t.test('chat: the history is bounded', async (t) => {
  const { app, origin } = await serve(t, chat.build)
  const ann = chatAs(t, origin, 'ann')
  await ann.subscribe(room, { room: 'lobby' }, () => {})
  await Promise.all(Array.from({ length: HISTORY_LENGTH + 5 }, (_, n) => ann.request('say', { room: 'lobby', text: `message ${n}` })))
  const history = (await app.inject('/rooms/lobby/messages')).json<Array<{ text: string }>>()
  t.equal(history.length, HISTORY_LENGTH)
  t.equal(history[0]?.text, 'message 5')
  t.equal(history.at(-1)?.text, `message ${HISTORY_LENGTH + 4}`)
})

t.test('chat: a name is one visitor\'s, in each room', async (t) => {
  const { origin } = await serve(t, chat.build)
  const visitor = 'a secret of the first page'
  const enter = async (nick: string, visitor?: string, name = 'lobby'): Promise<ClientSocket<typeof chatContract>> => {
    const socket = chatAs(t, origin, nick, visitor)
    await socket.subscribe(room, { room: name }, () => {})
    return socket
  }
  const first = await enter('Ann', visitor)
  const taken = { code: 'NAME_TAKEN', statusCode: 409, message: 'Ann is here already: choose another name' }
  await t.rejects(enter('ann'), taken, 'not even in other letters')
  await t.rejects(enter('Ann', 'a secret of the other page'), taken)
  await enter('ann', undefined, 'garden')
  await t.rejects(enter('ann', undefined, 'garden'), { code: 'NAME_TAKEN' })
  const eve = chatAs(t, origin, 'eve')
  for (const turn of ['once', 'again']) {
    const visit = await eve.subscribe(room, { room: 'lobby' }, () => {})
    await visit.unsubscribe()
    t.pass(`in and out ${turn}`)
  }
  await first.request('say', { room: 'lobby', text: 'I am still here' })

  const second = await enter('Ann', visitor)
  t.match(await first.closed, { code: 1008, reason: 'you have come in from another window' })
  await second.request('say', { room: 'lobby', text: 'and here I am' })
  second.close()
  await second.closed
  await enter('ann')
})

t.test('chat: the name is checked before the handshake is accepted', async (t) => {
  const app = await chat.build()
  t.teardown(() => app.close())
  const rows = ['/chat', '/chat?nick=', '/chat?nick=%20ann', '/chat?nick=<b>', `/chat?nick=${'n'.repeat(25)}`, '/chat?nick=ann&visitor=short']
  for (const path of rows) await t.rejects(app.injectWS(path), /400/, path)
  for (const nick of ['Ål', '5', 'a.b_c-d e', 'n'.repeat(24)]) {
    const client = await app.injectWS(`/chat?nick=${encodeURIComponent(nick)}`)
    client.terminate()
  }
  t.match(await app.inject('/rooms/attic/messages'), { statusCode: 400 })
})

t.test('chat: the page and its headers', async (t) => {
  const app = await chat.build()
  t.teardown(() => app.close())
  const rows = [
    { path: '/', type: 'text/html; charset=utf-8' },
    { path: '/chat.css', type: 'text/css; charset=utf-8' },
    { path: '/chat.js', type: 'text/javascript; charset=utf-8' },
    { path: '/example/chat/client.js', type: 'text/javascript; charset=utf-8' },
    { path: '/lib/client/browser.js', type: 'text/javascript; charset=utf-8' },
    { path: '/icon.svg', type: 'image/svg+xml' }
  ]
  for (const { path, type } of rows) {
    const { statusCode, headers } = await app.inject(path)
    t.match({ statusCode, ...headers }, { statusCode: 200, 'content-type': type, 'x-content-type-options': 'nosniff' })
    t.match(headers['content-security-policy'], /^default-src 'none';/)
    t.notMatch(headers['content-security-policy'], /unsafe|\*/)
  }
  const { body } = await app.inject('/')
  t.strictSame([...body.matchAll(/<option>(.*)<\/option>/g)].map(([, name]) => name), ROOMS)
  t.notMatch(body, /<script(?! type="module" src=)|style=| on[a-z]+=/, 'nothing inline')
  t.notMatch((await app.inject('/chat.js')).body, /innerHTML|outerHTML|insertAdjacentHTML|document\.write/)
})

// ---- as programs

/** Beside this module, compiled or not. */
function pathOf (example: string): string {
  return fileURLToPath(new URL(`../../example/${example}${extname(import.meta.url)}`, import.meta.url))
}

interface Program {
  /** The first line on stdout, or '' when there is none. */
  readonly line: string
  readonly errors: () => string
  readonly exitCode: Promise<number | null>
  stop (): void
}

async function run (t: Test, example: string, env: Record<string, string>): Promise<Program> {
  const child = spawn(process.execPath, [pathOf(example)], { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  t.teardown(() => child.kill('SIGKILL'))
  let errors = ''
  child.stderr.setEncoding('utf8').on('data', (text) => { errors += text })
  const exitCode = once(child, 'close').then(([code]) => code)
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]()
  const { value = '' } = await lines.next()
  return { line: value, errors: () => errors, exitCode, stop () { child.kill('SIGTERM') } }
}

const programs = [
  { example: 'raw-echo', line: /^(ws:\/\/127\.0\.0\.1:\d+\/echo)$/ },
  { example: 'binary-relay', line: /^(ws:\/\/127\.0\.0\.1:\d+\/watch)$/ },
  { example: 'topics', line: /^(ws:\/\/127\.0\.0\.1:\d+\/rooms\/lobby\?nick=ann)$/ },
  { example: 'typed-echo', line: /^(ws:\/\/127\.0\.0\.1:\d+\/echo)$/ },
  { example: 'auth-hook', line: /^(ws:\/\/127\.0\.0\.1:\d+\/private) with the header "(.*): (.*)"$/ },
  { example: 'auth-jwt', line: /^(ws:\/\/127\.0\.0\.1:\d+\/me) with the header "(.*): (.*)"$/ },
  { example: 'rest-and-websocket', line: /^(http:\/\/127\.0\.0\.1:\d+\/counter)$/ },
  { example: 'chat/server', line: /^The chat is at (http:\/\/127\.0\.0\.1:\d+)$/, path: '/chat?nick=ann' },
  { example: 'dashboard/server', line: /^The dashboard is at (http:\/\/127\.0\.0\.1:\d+)$/, path: '/live' }
]

for (const { example, line, path = '' } of programs) {
  t.test(`${example} prints where it is`, async (t) => {
    const program = await run(t, example, { PORT: '0' })
    const [, url = '', header, value] = line.exec(program.line) ?? []
    t.match(program.line, line, program.errors())
    const client = await Client.open(t, url, path, header === undefined || value === undefined ? {} : { [header]: value })
    t.pass('a client can connect')
    program.stop()
    const { code } = await client.closed()
    const saysGoodbye = example.endsWith('/server')
    t.equal(code, saysGoodbye ? 1001 : 1006)
    if (saysGoodbye) t.equal(await program.exitCode, 0)
  })
}

t.test('client says what it has heard', async (t) => {
  const program = await run(t, 'client', { PORT: '0' })
  t.equal(program.line, 'Ann, welcome to corner', program.errors())
  t.equal(await program.exitCode, 0)
})

t.test('inject says that all is as expected', async (t) => {
  const program = await run(t, 'inject', {})
  t.equal(program.line, 'all as expected', program.errors())
  t.equal(await program.exitCode, 0)
})

t.test('chat/server says what is wrong with its port', async (t) => {
  const blocker = createServer().listen(0, '127.0.0.1')
  t.teardown(() => blocker.close())
  await once(blocker, 'listening')
  const { port } = blocker.address() as AddressInfo // it listens on TCP
  const rows = [
    { PORT: String(port), error: `Port ${port} is taken. Choose another one, or let PORT=0 npm start find one\n` },
    { PORT: 'http', error: 'PORT must be a number from 0 to 65535, got "http"\n' },
    { PORT: '65536', error: 'PORT must be a number from 0 to 65535, got "65536"\n' }
  ]
  for (const { PORT, error } of rows) {
    const program = await run(t, 'chat/server', { PORT })
    t.equal(await program.exitCode, 1)
    t.equal(program.errors(), error)
    t.equal(program.line, '')
  }
})
