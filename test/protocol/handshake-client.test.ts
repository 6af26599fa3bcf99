import { once } from 'node:events'
import { createServer } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import t from 'tap'
import { buildRequest, generateKey, judgeResponse } from '../../lib/protocol/handshake-client.ts'
import type { HandshakeRequest } from '../../lib/protocol/handshake-client.ts'
import { HANDSHAKE_ERRORS } from '../../lib/protocol/handshake-errors.ts'
import { buildResponseHeaders, judgeRequest } from '../../lib/protocol/handshake.ts'

const KEY = 'dGhlIHNhbXBsZSBub25jZQ=='
const ACCEPT = 's3pPLMBiTxaQ9kYGzzhZRbK+xOo='
const smallest = { path: '/chat', host: 'server.example.com', key: KEY }

t.test('§4.1 a key is 16 random bytes', async t => {
  const keys = new Set(Array.from({ length: 1000 }, generateKey))
  t.equal(keys.size, 1000)
  for (const key of keys) if (Buffer.from(key, 'base64').length !== 16 || key.length !== 24) t.fail(key)
})

t.test('§4.1 the smallest request', async t => {
  t.equal(buildRequest(smallest), [
    'GET /chat HTTP/1.1', 'Host: server.example.com', 'Upgrade: websocket', 'Connection: Upgrade', `Sec-WebSocket-Key: ${KEY}`,
    'Sec-WebSocket-Version: 13', '', ''
  ].join('\r\n'))
})

t.test('§4.1 a request with everything', async t => {
  const request = buildRequest({
    path: '/a%20b?c=%23&d="e"',
    host: '[::1]:8080',
    key: KEY,
    origin: 'https://example.com',
    protocols: ['v2.chat', 'v1.chat'],
    extensions: [{ name: 'foo', params: [{ name: 'a' }, { name: 'b', value: '1' }] }, { name: 'bar', params: [] }],
    headers: { Authorization: 'Basic YTpi', 'x-two': ['1', '2'], 'x-none': [], 'x-latin': 'caf\u00e9', __proto__x: '' }
  })
  t.equal(request, [
    'GET /a%20b?c=%23&d="e" HTTP/1.1', 'Host: [::1]:8080', 'Upgrade: websocket', 'Connection: Upgrade', `Sec-WebSocket-Key: ${KEY}`,
    'Sec-WebSocket-Version: 13', 'Origin: https://example.com', 'Sec-WebSocket-Protocol: v2.chat, v1.chat',
    'Sec-WebSocket-Extensions: foo; a; b=1, bar', 'Authorization: Basic YTpi', 'x-two: 1', 'x-two: 2', 'x-latin: caf\u00e9', '__proto__x: ', '', ''
  ].join('\r\n'))
})

t.test('§4.1 empty lists of offers leave the fields out, and an origin may come as a header', async t => {
  t.equal(buildRequest({ ...smallest, protocols: [], extensions: [], headers: {} }), buildRequest(smallest))
  t.match(buildRequest({ ...smallest, headers: { ORIGIN: 'null' } }), '\r\nORIGIN: null\r\n\r\n')
})

const BREAKOUTS = ['a\r\nx: y', 'a\rb', 'a\nb', 'a\0b', 'a\x7fb', '\u0100']
const ours = [
  'host', 'Host', 'HOST', 'upgrade', 'Connection', 'CONNECTION', 'sec-websocket-key', 'Sec-WebSocket-Version', 'SEC-WEBSOCKET-PROTOCOL',
  'sec-websocket-Extensions', 'Sec-WebSocket-Accept', 'sec-websocket-new', 'content-length', 'Transfer-Encoding', 'Expect', 'TE', 'trailer', 'keep-alive',
  'HTTP2-Settings'
]
const wrong: Array<{ name: string, change: Partial<Record<keyof HandshakeRequest, unknown>> }> = [
  ...['', 'chat', '*', '//\u00e4', '/a b', '/a\tb', '/a#b', '/\u0100', 'http://a/', ...BREAKOUTS.map(text => `/${text}`)].map(path => (
    { name: `path ${JSON.stringify(path)}`, change: { path } })),
  ...['', 'a b', 'a/b', 'user@a', ':80', ...BREAKOUTS].map(host => ({ name: `host ${JSON.stringify(host)}`, change: { host } })),
  ...['', 'AAAA', `${KEY}\r\n`, undefined].map(key => ({ name: `key ${JSON.stringify(key)}`, change: { key } })),
  ...['', 'a b', '\u00e4', ...BREAKOUTS].map(origin => ({ name: `origin ${JSON.stringify(origin)}`, change: { origin } })),
  ...['', 'a b', 'a,b', '\u00e4', 'a"', 1, ...BREAKOUTS].map(name => ({ name: `T35 subprotocol ${JSON.stringify(name)}`, change: { protocols: ['ok', name] } })),
  { name: 'a subprotocol twice', change: { protocols: ['a', 'b', 'a'] } },
  ...['', 'a b', 'a;b', ...BREAKOUTS].map(name => ({ name: `extension ${JSON.stringify(name)}`, change: { extensions: [{ name, params: [] }] } })),
  ...BREAKOUTS.map(value => ({ name: `header ${JSON.stringify(value)}`, change: { headers: { 'x-a': value } } })),
  ...BREAKOUTS.map(value => ({ name: `header in a list ${JSON.stringify(value)}`, change: { headers: { 'x-a': ['ok', value] } } })),
  ...['', 'a b', 'a:', ' host', 'host ', ...BREAKOUTS].map(name => ({ name: `header name ${JSON.stringify(name)}`, change: { headers: { [name]: 'x' } } })),
  { name: 'a header that is no string', change: { headers: { 'x-a': 1 } } },
  ...ours.map(name => ({ name: `header ${name} of the handshake's own`, change: { headers: { [name]: 'x' } } })),
  { name: 'a header twice in different cases', change: { headers: { 'x-a': '1', 'X-A': '2' } } },
  { name: 'an origin twice', change: { origin: 'http://a', headers: { Origin: 'http://b' } } }
]
for (const { name, change } of wrong) {
  t.test(`§4.1 refuses to send ${name}`, async t => {
    // The rows hold what plain JavaScript could pass.
    t.throws(() => buildRequest({ ...smallest, ...change } as HandshakeRequest), { name: 'UsageError', code: 'FST_WS_INVALID_ARGUMENT' })
  })
}

const offer = { key: KEY, protocols: ['chat', 'superchat'], extensions: [{ name: 'foo', params: [{ name: 'a' }] }, { name: 'bar', params: [] }] }
const GOOD: Readonly<Record<string, string>> = { Upgrade: 'websocket', Connection: 'Upgrade', 'Sec-WebSocket-Accept': ACCEPT }

/** The good answer with lines added, or in place of those of the same name; a line without a value drops it. */
function makeAnswer (set: Readonly<Record<string, string | undefined>>, add: readonly string[] = []): string[] {
  return [...Object.entries({ ...GOOD, ...set }).flatMap(([name, value]) => value === undefined ? [] : [name, value]), ...add]
}

const none = { protocol: '', extensions: [] }
const answers = [
  { name: 'the smallest answer', set: {}, want: none },
  { name: 'names and values in any case', set: { Upgrade: 'WebSocket', Connection: undefined, CONNECTION: 'keep-alive, UPGRADE' }, want: none },
  { name: 'white space around the accept key', set: { 'Sec-WebSocket-Accept': ` ${ACCEPT}\t` }, want: none },
  { name: 'a subprotocol', set: { 'Sec-WebSocket-Protocol': ' superchat ' }, want: { protocol: 'superchat', extensions: [] } },
  {
    name: 'extensions in the server\'s order',
    set: { 'sec-websocket-extensions': 'bar; x="1", foo' },
    want: { protocol: '', extensions: [{ name: 'bar', params: [{ name: 'x', value: '1', quoted: true }] }, { name: 'foo', params: [] }] }
  },
  { name: 'fields that nobody knows', set: { 'Set-Cookie': 'a=b', Date: 'x' }, want: none }
]
for (const { name, set, want } of answers) {
  t.test(`§4.1 accepts ${name}`, async t => {
    t.strictSame(judgeResponse({ statusCode: 101, rawHeaders: makeAnswer(set) }, offer), want)
  })
}

const ACCEPT_FIELD = 'Sec-WebSocket-Accept'
const PROTOCOL_FIELD = 'Sec-WebSocket-Protocol'
const EXTENSIONS_FIELD = 'Sec-WebSocket-Extensions'
const badAnswers: Array<{ code: string, set?: Record<string, string | undefined>, add?: string[] }> = [
  { code: 'FST_WS_ANSWER_UPGRADE', set: { Upgrade: undefined } },
  ...['', 'h2c', 'websocket, h2c', 'websocket/13', 'websocket ,'].map(Upgrade => ({ code: 'FST_WS_ANSWER_UPGRADE', set: { Upgrade } })),
  { code: 'FST_WS_ANSWER_UPGRADE', add: ['upgrade', 'websocket'] },
  { code: 'FST_WS_ANSWER_CONNECTION', set: { Connection: undefined } },
  ...['', 'close', 'upgraded'].map(Connection => ({ code: 'FST_WS_ANSWER_CONNECTION', set: { Connection } })),
  { code: 'FST_WS_ANSWER_ACCEPT', set: { [ACCEPT_FIELD]: undefined } },
  ...['', KEY, ACCEPT.toLowerCase(), `${ACCEPT}=`, ACCEPT.slice(0, -1), `"${ACCEPT}"`, `${ACCEPT}, ${ACCEPT}`].map(value => (
    { code: 'FST_WS_ANSWER_ACCEPT', set: { [ACCEPT_FIELD]: value } })),
  { code: 'FST_WS_ANSWER_ACCEPT', add: ['sec-websocket-accept', ACCEPT] },
  ...['', 'other', 'Chat', 'chat, superchat', '"chat"'].map(value => ({ code: 'FST_WS_ANSWER_SUBPROTOCOL', set: { [PROTOCOL_FIELD]: value } })),
  { code: 'FST_WS_ANSWER_SUBPROTOCOL', set: { [PROTOCOL_FIELD]: 'chat' }, add: ['sec-websocket-protocol', 'chat'] },
  ...['', ',', 'baz', 'foo, baz', 'FOO', 'foo;', 'foo; a="', 'foo bar', 'foo; a="a b"'].map(value => ({ code: 'FST_WS_ANSWER_EXTENSIONS', set: { [EXTENSIONS_FIELD]: value } })),
  { code: 'FST_WS_ANSWER_EXTENSIONS', set: { [EXTENSIONS_FIELD]: 'foo' }, add: ['sec-websocket-extensions', 'bar'] }
]
for (const { code, set = {}, add = [] } of badAnswers) {
  t.test(`§4.1 refuses an answer with ${JSON.stringify(set)} ${add.join(': ')}`, async t => {
    t.throws(() => judgeResponse({ statusCode: 101, rawHeaders: makeAnswer(set, add) }, offer), { name: 'HandshakeError', code, statusCode: 502 })
  })
}

t.test('§4.1 an answer that agrees to what nobody offered', async t => {
  for (const empty of [{ key: KEY }, { key: KEY, protocols: [], extensions: [] }]) {
    t.strictSame(judgeResponse({ statusCode: 101, rawHeaders: makeAnswer({}) }, empty), none)
    t.throws(() => judgeResponse({ statusCode: 101, rawHeaders: makeAnswer({ [PROTOCOL_FIELD]: 'chat' }) }, empty), { code: 'FST_WS_ANSWER_SUBPROTOCOL' })
    t.throws(() => judgeResponse({ statusCode: 101, rawHeaders: makeAnswer({ [EXTENSIONS_FIELD]: 'foo' }) }, empty), { code: 'FST_WS_ANSWER_EXTENSIONS' })
  }
})

t.test('§4.1 any other status is a refusal, and the error has it', async t => {
  for (const statusCode of [100, 102, 200, 301, 401, 426, 503]) {
    t.throws(() => judgeResponse({ statusCode, rawHeaders: makeAnswer({}) }, offer), { code: 'FST_WS_REFUSED', statusCode })
  }
})

t.test('every way to refuse an answer has a row', async t => {
  const client = Object.entries(HANDSHAKE_ERRORS).filter(([, { statusCode }]) => statusCode === 502).map(([code]) => code)
  t.strictSame([...new Set([...badAnswers.map(({ code }) => code), 'FST_WS_REFUSED'])].sort(), client.sort())
})

t.test('what is built is judged well by the other half, through a real socket', async t => {
  const server = createServer()
  server.on('upgrade', (request: IncomingMessage, socket: Socket) => {
    const handshake = judgeRequest({ method: request.method ?? '', httpVersion: request.httpVersion, rawHeaders: request.rawHeaders })
    t.strictSame(handshake, offer, 'the offer arrived')
    t.equal(request.headers['x-latin'], 'caf\u00e9')
    const headers = Object.entries(buildResponseHeaders(handshake, { protocol: 'superchat', extensions: 'bar' }))
    socket.end(`HTTP/1.1 101 Switching Protocols\r\n${headers.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  // The address of a TCP server is never a string.
  const { port } = server.address() as AddressInfo

  const socket = connect(port, '127.0.0.1')
  socket.write(buildRequest({ path: '/?a=1', host: `127.0.0.1:${port}`, ...offer, headers: { 'x-latin': 'caf\u00e9' } }), 'latin1')
  const [head = ''] = Buffer.concat(await socket.toArray()).toString('latin1').split('\r\n\r\n')
  const [status = '', ...lines] = head.split('\r\n')
  const response = { statusCode: Number(status.split(' ')[1]), rawHeaders: lines.flatMap(line => line.split(': ')) }
  t.strictSame(judgeResponse(response, offer), { protocol: 'superchat', extensions: [{ name: 'bar', params: [] }] })
})
