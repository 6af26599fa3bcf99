// @fastify/session with a WebSocket route: the session of a login over REST, a new one, and what becomes of it while the
// connection lasts.
import cookie from '@fastify/cookie'
import session from '@fastify/session'
import type { FastifySessionOptions, SessionStore } from '@fastify/session'
import type { FastifyRequest, Session } from 'fastify'
import t from 'tap'
import type { Test } from 'tap'
import { WebSocket } from 'ws'
import { makeApp } from '../helpers/app.ts'
import type { TestApp } from '../helpers/app.ts'
import { openFrames } from '../helpers/frame-client.ts'
import type { FrameClient } from '../helpers/frame-client.ts'
import { encodeFrame } from '../helpers/wire-frames.ts'
import { shake, text } from './shake.ts'

declare module 'fastify' {
  interface Session { nick?: string, visits?: number }
}

/** Keeps what JSON keeps, as a database does; the store that comes with the plugin hands the very objects back. */
class JsonStore implements SessionStore {
  readonly rows = new Map<string, string>()
  /** Takes the place of the next `set`. */
  fault: Error | undefined

  set (id: string, value: Session, callback: (error?: unknown) => void): void {
    const { fault } = this
    this.fault = undefined
    if (fault === undefined) this.rows.set(id, JSON.stringify(value))
    setImmediate(callback, fault)
  }

  get (id: string, callback: (error: unknown, session?: Session | null) => void): void {
    const row = this.rows.get(id)
    setImmediate(callback, null, row === undefined ? null : JSON.parse(row) as Session) // as it was set
  }

  destroy (id: string, callback: (error?: unknown) => void): void {
    this.rows.delete(id)
    setImmediate(callback)
  }
}

interface SessionApp extends TestApp {
  readonly store: JsonStore
  /** Logs in over REST; the session's cookie, as a client sends it back. */
  login (nick: string): Promise<string>
  /** Opens a connection over TCP, destroyed with the test. */
  connect (cookie: string): Promise<FrameClient>
}

/** What the socket of these tests understands. */
const commands: Readonly<Record<string, (request: FastifyRequest) => Promise<void>>> = {
  async look () {},
  async reload (request) { await request.session.reload() },
  async save (request) { await request.session.save() },
  async visit ({ session }) { session.visits = (session.visits ?? 0) + 1 }
}

interface Options {
  readonly session?: Partial<FastifySessionOptions>
  readonly tls?: boolean
  /** An onRequest hook behind the session's. */
  readonly hook?: (request: FastifyRequest) => Promise<void>
}

async function build (t: Test, { session: options, tls = false, hook = async () => {} }: Options = {}): Promise<SessionApp> {
  const made = await makeApp(t, { tls })
  const { app } = made
  const store = new JsonStore()
  await app.register(cookie)
  await app.register(session, { secret: 'a secret of thirty-two characters', cookie: { secure: false }, store, ...options })
  app.addHook('onRequest', hook)
  app.post<{ Querystring: { nick: string } }>('/login', async (request) => {
    request.session.nick = request.query.nick
    return {}
  })
  app.post('/logout', async (request) => {
    await request.session.destroy()
    return {}
  })
  app.route({
    method: 'GET',
    url: '/me',
    handler: async ({ session: { nick, visits } }) => ({ nick, visits }),
    wsHandler: (connection, request) => {
      const tell = (): void => { connection.send(`${request.session.nick} ${request.session.visits}`) }
      connection.on('message', async (message) => {
        await commands[String(message)]?.(request)
        tell()
      })
      tell()
    }
  })
  const port = await made.listen()
  return {
    ...made,
    store,
    async login (nick) {
      const { headers } = await app.inject({ method: 'POST', url: '/login', query: { nick } })
      return String(headers['set-cookie']).split(';')[0] ?? ''
    },
    async connect (cookie) {
      const client = await openFrames({ port, path: '/me', headers: [`Cookie: ${cookie}`] })
      t.teardown(() => client.destroy())
      return client
    }
  }
}

/** Sends commands and takes the answer of the last. */
async function tell (client: FrameClient, ...words: string[]): Promise<string | undefined> {
  const before = client.frames.length
  for (const word of words) await client.write(encodeFrame({ opcode: 1, payload: word }))
  return await text(client, before + words.length - 1)
}

t.test('the session of a login over REST is there on the socket', async (t) => {
  const { app, login, connect } = await build(t)
  const cookie = await login('ann')
  t.equal(await text(await connect(cookie)), 'ann undefined')

  const injected = await app.injectWS('/me', { headers: { cookie } })
  for await (const message of injected) {
    t.equal(message, 'ann undefined')
    injected.terminate()
  }
  t.strictSame((await app.inject({ url: '/me', headers: { cookie } })).json(), { nick: 'ann' })
})

t.test('a new session: its cookie is in the 101, and REST knows it from then on', async (t) => {
  const made = await build(t)
  const { app, store } = made
  const { statusCode, headers } = await shake(made, '/me')
  t.equal(statusCode, 101)
  t.match(headers['set-cookie'], /^sessionId=[^;]+; Path=\/; HttpOnly$/)
  t.equal(store.rows.size, 1, 'it was saved')
  const cookie = headers['set-cookie']?.split(';')[0] ?? ''
  await app.inject({ method: 'POST', url: '/login', query: { nick: 'cleo' }, headers: { cookie } })
  t.equal(store.rows.size, 1, 'it is the same session')
  t.strictSame((await app.inject({ url: '/me', headers: { cookie } })).json(), { nick: 'cleo' })
})

t.test('a session of somebody else\'s making is none', async (t) => {
  const { login, connect, store } = await build(t)
  const cookie = await login('ann')
  const client = await connect(`${cookie.slice(0, -4)}AAAA`)
  t.equal(await text(client), 'undefined undefined')
  t.equal(store.rows.size, 2, 'a new one took its place')
})

t.test('without saveUninitialized no session is begun by a handshake', async (t) => {
  const made = await build(t, { session: { saveUninitialized: false } })
  const { statusCode, headers } = await shake(made, '/me')
  t.strictSame([statusCode, headers['set-cookie'], made.store.rows.size], [101, undefined, 0])
})

t.test('onSend on the 101 saves what hooks have changed, and renews a rolling session', async (t) => {
  const made = await build(t, {
    session: { cookie: { secure: false, maxAge: 3_600_000 } },
    hook: async ({ session }) => { session.visits = (session.visits ?? 0) + 1 }
  })
  const { store, login, connect } = made
  const cookie = await login('ann')
  const { headers } = await shake(made, '/me', [`Cookie: ${cookie}`])
  t.match(headers['set-cookie'], /^sessionId=.*; Expires=/, 'sent again')
  t.equal(JSON.parse([...store.rows.values()][0] ?? '').visits, 2, 'saved before the answer: login, handshake')
  t.equal(await text(await connect(cookie)), 'ann 3')
})

t.test('a session that cannot be saved refuses the upgrade', async (t) => {
  const made = await build(t)
  const { app, store, login } = made
  const cookie = await login('ann')
  store.fault = new Error('the store is down')
  const answer = await shake(made, '/me', [`Cookie: ${cookie}`])
  t.equal(answer.statusCode, 500)
  t.match(answer.body, /the store is down/)
  t.notOk('sec-websocket-accept' in answer.headers)
  t.equal(app.websocket.connections.size, 0)
  t.equal((await shake(made, '/me', [`Cookie: ${cookie}`])).statusCode, 101)
})

t.test('what is changed on the socket is nobody\'s until it is saved', async (t) => {
  const { app, login, connect } = await build(t)
  const cookie = await login('ann')
  const client = await connect(cookie)
  const visits = async (): Promise<unknown> => (await app.inject({ url: '/me', headers: { cookie } })).json<{ visits?: number }>().visits
  t.equal(await tell(client, 'visit'), 'ann 1')
  t.equal(await visits(), undefined)
  t.equal(await tell(client, 'save'), 'ann 1')
  t.equal(await visits(), 1)
})

t.test('a logout meanwhile: the socket has the session until it is reloaded', async (t) => {
  const { app, store, login, connect } = await build(t)
  const cookie = await login('ann')
  const client = await connect(cookie)
  await app.inject({ method: 'POST', url: '/logout', headers: { cookie } })
  t.equal(await tell(client, 'look'), 'ann undefined', 'the copy of the handshake')
  t.equal(await tell(client, 'reload'), 'undefined undefined')
  t.equal(store.rows.size, 0)
  t.strictSame((await app.inject({ url: '/me', headers: { cookie } })).json(), {})
})

t.test('saved without a reload it is there again after the logout', async (t) => {
  const { app, login, connect } = await build(t)
  const cookie = await login('ann')
  const client = await connect(cookie)
  await app.inject({ method: 'POST', url: '/logout', headers: { cookie } })
  await tell(client, 'save')
  t.strictSame((await app.inject({ url: '/me', headers: { cookie } })).json(), { nick: 'ann' }, 'as docs/authentication.md warns')
})

t.test('secure cookies: set in the 101 over TLS, not without', async (t) => {
  for (const tls of [true, false]) {
    const made = await build(t, { session: { cookie: {} }, tls })
    const { statusCode, headers } = await shake(made, '/me')
    t.equal(statusCode, 101)
    if (tls) t.match(headers['set-cookie'], /^sessionId=.*; Secure/)
    else t.notOk('set-cookie' in headers)
  }
})

t.test('the ws client hears of the cookie as of any header', async (t) => {
  const { app } = await build(t)
  const { port } = app.server.address() as { port: number } // it listens on TCP
  const socket = new WebSocket(`ws://127.0.0.1:${port}/me`)
  t.teardown(() => socket.terminate())
  const cookies = await new Promise((resolve, reject) => {
    socket.once('upgrade', ({ headers }) => resolve(headers['set-cookie'])).once('error', reject)
  })
  t.match(cookies, [/^sessionId=/])
})
