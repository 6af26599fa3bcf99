// Tokens in a handshake (T41): read by bearerToken, and seen nowhere else, in answers, in logs, in errors or by functions that choose.
import type { FastifyReply, FastifyRequest } from 'fastify'
import t from 'tap'
import type { Test } from 'tap'
import { LOG_REDACTION, bearerToken } from '../../lib/index.ts'
import type { WebSocketPluginOptions } from '../../lib/index.ts'
import { makeApp, until } from '../helpers/app.ts'
import type { TestApp } from '../helpers/app.ts'
import '../helpers/guard.ts'
import { handshake } from '../helpers/raw-client.ts'
import { encodeFrame } from '../helpers/wire-frames.ts'

const OFFERED = 'b2ZmZXJlZC10b2tlbg.in-a.subprotocol'
const HEADER = 'aW4tYS1oZWFkZXI.authorization'
const COOKIE = 'Y29va2ll.session'
const SECRETS = [OFFERED, HEADER, COOKIE]

const OFFER = `Sec-WebSocket-Protocol: chat.v1, bearer, ${OFFERED}, chat.v2`
const OTHERS = [`Authorization: Bearer ${HEADER}`, `Cookie: session=${COOKIE}`]

/** Everything that a handshake can come to; each fails or opens in a way of its own. */
async function makeRoutes (t: Test, server: Record<string, unknown>, plugin: WebSocketPluginOptions = {}): Promise<TestApp & { seen: unknown[] }> {
  const test = await makeApp(t, { server, plugin })
  const { app } = test
  const seen: unknown[] = []
  app.addHook('onRequest', async (request) => {
    if (request.url.startsWith('/hook') && bearerToken(request) !== 'right') throw Object.assign(new Error('no'), { statusCode: 401 })
  })
  app.get('/list', { websocket: { protocols: ['chat.v1', 'bearer'] } }, (connection) => { connection.close(4000, connection.protocol) })
  app.get('/bearer', { websocket: { protocols: ['bearer'] } }, (connection, request) => {
    seen.push(bearerToken(request))
    connection.close()
  })
  app.get('/none', { websocket: true }, (connection) => {
    connection.log.info({ connection }, 'a connection in a line of the application')
    connection.close()
  })
  app.get('/function', { websocket: { protocols (offered) { seen.push(offered); return offered.at(-1) } } }, (connection) => { connection.close() })
  app.get('/async', { websocket: { async protocols (offered) { seen.push(offered); return offered[1] } } }, (connection) => { connection.close() })
  app.get('/chooses-it', { websocket: { protocols: (_offered, request) => tokenOf(request) } }, () => { t.fail('reached') })
  app.get('/stranger', { websocket: { protocols: () => 'chat.v3' } }, () => { t.fail('reached') })
  app.get('/hook', { websocket: true }, () => { t.fail('reached') })
  app.get('/throws', { websocket: true }, () => { throw new Error('handler failed') })
  app.get('/origin', { websocket: { allowedOrigins: [] } }, () => { t.fail('reached') })
  app.get('/invalid', { websocket: { errorHandler (error, connection) { this.log.warn({ err: error }); connection.close(1008, error.message) } }, schema: { websocket: { receive: { type: 'number' } } } }, () => {})
  app.get('/http', async () => 'http')
  await test.listen()
  return { ...test, seen }
}

/** What an application must not do. */
function tokenOf (request: FastifyRequest): string | undefined {
  return request.headers['sec-websocket-protocol']?.split(', ').find((name) => name === OFFERED)
}

const ROWS: ReadonlyArray<{ path: string, fields?: readonly string[], statusCode: number, protocol?: string, seen?: unknown }> = [
  { path: '/list', statusCode: 101, protocol: 'chat.v1' },
  { path: '/bearer', statusCode: 101, protocol: 'bearer', seen: HEADER },
  { path: '/bearer', fields: [OFFER], statusCode: 101, protocol: 'bearer', seen: OFFERED },
  { path: '/none', statusCode: 101 },
  { path: '/function', statusCode: 101, protocol: 'chat.v2', seen: ['chat.v1', 'bearer', 'chat.v2'] },
  { path: '/function', fields: [`Sec-WebSocket-Protocol: Bearer, ${OFFERED}`], statusCode: 101, protocol: 'Bearer', seen: ['Bearer'] },
  { path: '/async', statusCode: 101, protocol: 'bearer', seen: ['chat.v1', 'bearer', 'chat.v2'] },
  { path: '/chooses-it', statusCode: 500 },
  { path: '/stranger', statusCode: 500 },
  { path: '/hook', statusCode: 401 },
  { path: '/throws', statusCode: 101 },
  { path: '/origin', fields: [OFFER, ...OTHERS, 'Origin: https://evil.test'], statusCode: 403 },
  { path: '/invalid', statusCode: 101 },
  { path: '/http', statusCode: 404 },
  { path: '/nowhere', statusCode: 404 },
  // Not a list of different tokens: refused, with nothing of it.
  { path: '/bearer', fields: [`Sec-WebSocket-Protocol: bearer, ${OFFERED}, ${OFFERED}`], statusCode: 400 },
  { path: '/bearer', fields: [`Sec-WebSocket-Protocol: bearer, ${OFFERED} x`], statusCode: 400 },
  { path: '/bearer', fields: [OFFER, ...OTHERS, 'Sec-WebSocket-Version: 12'], statusCode: 400 }
]

/** Goes through the rows; answers and everything behind them are searched for the secrets. */
async function runRows (t: Test, { open, seen, logs }: Awaited<ReturnType<typeof makeRoutes>>): Promise<void> {
  for (const { path, fields = [OFFER, ...OTHERS], statusCode, protocol, seen: expected } of ROWS) {
    seen.length = 0
    const client = await open()
    client.write(handshake(path, fields))
    const [answer] = await client.untilAnswers(1)
    const label = `${path} ${fields.length}`
    t.equal(answer?.statusCode, statusCode, label)
    t.equal(answer?.headers['sec-websocket-protocol'], protocol, label)
    if (path === '/invalid') client.write(encodeFrame({ opcode: 1, payload: '"text"' }))
    if (statusCode === 101) await client.until(() => /\r\n\r\n[^]*\x88/.test(client.text)) // eslint-disable-line no-control-regex
    else await client.untilEnd()
    if (expected !== undefined) t.same(seen, [expected], label)
    for (const secret of SECRETS) t.notOk(client.text.includes(secret), `${label}: ${secret} on the wire`)
    client.destroy()
  }
  // The last lines of a connection come when it is over.
  await until(() => logs.some(({ msg }) => msg.includes('handler failed')))
}

t.test('T41 the default logger, at its most talkative', async (t) => {
  const lines: string[] = []
  const logger = { level: 'trace', stream: { write: (line: string) => { lines.push(line) } } }
  const test = await makeRoutes(t, { logger })
  await runRows(t, { ...test, logs: logLines(lines) })
  await test.app.close()
  t.ok(lines.length > 2 * ROWS.length, 'handshakes and refusals are logged')
  for (const secret of SECRETS) t.notOk(lines.join('').includes(secret), secret)
})

/** Serializers that log all there is. */
const SERIALIZERS = {
  req: ({ method, url, headers, raw }: FastifyRequest) => ({ method, url, headers, raw: { headers: raw.headers, rawHeaders: raw.rawHeaders } }),
  res: (reply: FastifyReply) => ({ statusCode: reply.statusCode, headers: reply.getHeaders?.() })
}

for (const redact of [undefined, LOG_REDACTION, [...LOG_REDACTION, 'req.url']]) {
  t.test(`T41 serializers that log all header fields, ${redact === undefined ? 'without' : 'with'} LOG_REDACTION`, async (t) => {
    const lines: string[] = []
    const logger = { level: 'trace', stream: { write: (line: string) => { lines.push(line) } }, serializers: SERIALIZERS, ...(redact !== undefined && { redact }) }
    const test = await makeRoutes(t, { logger })
    await runRows(t, { ...test, logs: logLines(lines) })
    await test.app.close()
    for (const secret of SECRETS) t.equal(lines.join('').includes(secret), redact === undefined, secret)
    t.ok(lines.join('').includes('"sec-websocket-version":"13"'), 'the others are logged')
  })
}

/** A view of raw lines as `makeApp` would have parsed them, each time it is looked at. */
function logLines (lines: readonly string[]): TestApp['logs'] {
  return { some: (isIt: (line: TestApp['logs'][number]) => boolean) => lines.some((line) => isIt(JSON.parse(line) as TestApp['logs'][number])) } as TestApp['logs']
}

t.test('T41 handleProtocols of the compatible options is not told the token', async (t) => {
  const test = await makeApp(t, { plugin: { options: { handleProtocols: (offered) => [...offered].join('+') === 'chat.v1+bearer+chat.v2' ? 'bearer' : false } } })
  test.app.get('/ws', { websocket: true }, (connection) => { connection.close() })
  await test.listen()
  const client = await test.open()
  client.write(handshake('/ws', [OFFER]))
  t.equal((await client.untilAnswers(1))[0]?.headers['sec-websocket-protocol'], 'bearer')
})

t.test('T41 a browser can send a token and be let in by it', async (t) => {
  const { app } = await makeApp(t, { plugin: { protocols: ['bearer'] } })
  app.addHook('onRequest', async (request) => {
    if (bearerToken(request) !== OFFERED) throw Object.assign(new Error('no'), { statusCode: 401 })
  })
  app.get('/ws', { websocket: true }, (connection) => { connection.close() })
  t.equal((await app.injectWS('/ws', { protocols: ['bearer', OFFERED] })).protocol, 'bearer')
  await app.injectWS('/ws', { headers: { authorization: `Bearer ${OFFERED}` } })
  const refusal = { statusCode: 401 } as unknown as Error
  await t.rejects(app.injectWS('/ws', { protocols: ['bearer', 'wrong'] }), refusal)
  await t.rejects(app.injectWS('/ws', { protocols: [OFFERED] }), refusal)
  await t.rejects(app.injectWS('/ws'), refusal)
})
