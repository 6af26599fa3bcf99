import type { FastifyRequest } from 'fastify'
import t from 'tap'
import type { WebSocketAllowedOrigins } from '../../lib/index.ts'
import { explainOrigins, isAllowedOrigins, makeOriginCheck } from '../../lib/plugin/origin.ts'

interface Line { code: string, origin: string, expected: string, msg: string }

interface Ask {
  readonly origin?: string
  readonly protocol?: string
  readonly host?: string
  readonly headers?: Record<string, string>
}

/** What the check looks at in a request. */
function makeRequest ({ origin, protocol = 'https', host = 'example.org', headers = {} }: Ask): { request: FastifyRequest, lines: Line[] } {
  const lines: Line[] = []
  const log = { info: (fields: Omit<Line, 'msg'>, msg: string) => { lines.push({ ...fields, msg }) } }
  const given = { ...headers, ...(origin !== undefined && { origin }) }
  const raw = { headers: given, rawHeaders: Object.entries(given).flat() }
  return { request: { protocol, host, raw, log } as unknown as FastifyRequest, lines }
}

async function isAllowed (allowed: WebSocketAllowedOrigins, ask: Ask): Promise<boolean> {
  const { request, lines } = makeRequest(ask)
  try {
    await makeOriginCheck(allowed)(request)
  } catch (error) {
    if ((error as { code?: string }).code !== 'FST_WS_FOREIGN_ORIGIN') throw error
    if (lines.length !== 1) throw new Error('a refusal is logged once', { cause: error })
    return false
  }
  if (lines.length > 0) throw new Error('what is allowed is not logged')
  return true
}

// ---- same origin

/** The request's own scheme and host, with origins that are the same and others that are not. */
const OWN_ROWS: ReadonlyArray<{ protocol: string, host: string, same: readonly string[], foreign: readonly string[] }> = [
  {
    protocol: 'https',
    host: 'example.org',
    same: ['https://example.org', 'https://example.org:443', 'https://EXAMPLE.org', 'HTTPS://example.org'],
    foreign: [
      'http://example.org', 'https://example.org:80', 'https://example.org:8443', 'wss://example.org', 'https://www.example.org', 'https://org',
      'https://evil-example.org', 'https://example.org.evil', 'https://example.org@evil', 'https://evil@example.org', 'https://user:pw@example.org',
      'https://example.org.', 'https://example.org/', 'https://example.org/path', 'https://example.org?x', 'https://example.org#x',
      'https://example.org:', 'https://example.org:0443', 'https://example.org:443:443', 'https://example.org:65979', 'https://example.org:4 43',
      'null', 'NULL', '', ' ', '*', 'example.org', '//example.org', 'https:example.org', 'https:/example.org', 'https://', 'https:\\\\example.org',
      'https://93.184.215.14', 'https://[::1]', 'file://', 'chrome-extension://example.org', 'blob:https://example.org', 'javascript://example.org',
      'https://example.org, https://example.org', 'https://example.org https://evil.example', 'https://evil.example, https://example.org',
      'https://example.org\t', ' https://example.org', 'https://example.org\0', 'https://ex\u00e4mple.org', 'https://example%2eorg', 'https://example\u3002org',
      'undefined', 'same-origin', 'true', `https://${'a.'.repeat(8_000)}example.org`, `https://example.org${' '.repeat(8_000)}`
    ]
  },
  { protocol: 'http', host: 'localhost:3000', same: ['http://localhost:3000'], foreign: ['http://127.0.0.1:3000', 'http://[::1]:3000', 'http://localhost', 'http://localhost:3001', 'http://localhost:80', 'https://localhost:3000', 'null'] },
  { protocol: 'http', host: '127.0.0.1:3000', same: ['http://127.0.0.1:3000'], foreign: ['http://localhost:3000', 'http://127.0.0.2:3000', 'http://127.1:3000', 'http://2130706433:3000', 'http://[::ffff:127.0.0.1]:3000'] },
  { protocol: 'http', host: '[::1]:3000', same: ['http://[::1]:3000'], foreign: ['http://[::2]:3000', 'http://localhost:3000', 'http://::1:3000', 'http://[::1]'] },
  { protocol: 'http', host: 'example.org:80', same: ['http://example.org', 'http://example.org:80'], foreign: ['https://example.org', 'https://example.org:80'] },
  { protocol: 'https', host: 'Example.ORG:443', same: ['https://example.org'], foreign: ['http://example.org'] },
  { protocol: 'https', host: 'example.org:', same: ['https://example.org'], foreign: ['https://example.org:'] },
  { protocol: 'https', host: 'example.org.', same: ['https://example.org.'], foreign: ['https://example.org'] },
  // What a proxy that knows of WebSocket says of the scheme, with trustProxy.
  { protocol: 'wss', host: 'example.org', same: ['https://example.org'], foreign: ['http://example.org', 'wss://example.org'] },
  { protocol: 'WS', host: 'example.org', same: ['http://example.org'], foreign: ['https://example.org', 'ws://example.org'] },
  // A host that is none has no origin.
  { protocol: 'https', host: '', same: [], foreign: ['https://', '', 'null', 'https://example.org'] },
  { protocol: 'https', host: 'a@example.org', same: [], foreign: ['https://a@example.org', 'https://example.org'] },
  { protocol: 'https', host: 'example.org/x', same: [], foreign: ['https://example.org/x', 'https://example.org'] },
  { protocol: 'https', host: 'a, example.org', same: [], foreign: ['https://a, example.org', 'https://example.org'] }
]

for (const { protocol, host, same, foreign } of OWN_ROWS) {
  t.test(`T36 same-origin at ${protocol}://${host}`, async (t) => {
    for (const allowed of ['same-origin', ['same-origin'], ['https://other.example', 'same-origin', /^https:\/\/third\.example$/]] as const) {
      for (const origin of same) t.equal(await isAllowed(allowed, { origin, protocol, host }), true, JSON.stringify(origin))
      for (const origin of foreign) t.equal(await isAllowed(allowed, { origin, protocol, host }), false, JSON.stringify(origin).slice(0, 80))
      t.equal(await isAllowed(allowed, { protocol, host }), true, 'without Origin')
    }
  })
}

// ---- policies

const NOTHING_FOR = ['', 'null', 'https://example.org', 'https://evil.example', 'x']

/** Policies for a server at https://example.org. */
const POLICIES: ReadonlyArray<{ name: string, allowed: WebSocketAllowedOrigins, passes: readonly string[], foreign: readonly string[] }> = [
  { name: 'true', allowed: true, passes: NOTHING_FOR, foreign: [] },
  { name: '*', allowed: '*', passes: NOTHING_FOR, foreign: [] },
  { name: '* in a list', allowed: ['https://example.org', '*'], passes: NOTHING_FOR, foreign: [] },
  { name: 'an empty list', allowed: [], passes: [], foreign: NOTHING_FOR },
  { name: 'null', allowed: 'null', passes: ['null'], foreign: ['NULL', 'null, null', '', 'https://example.org'] },
  {
    name: 'a list replaces the default',
    allowed: ['https://app.example', 'HTTP://LocalHost:80', 'http://[::1]:5173'],
    passes: ['https://app.example', 'https://app.example:443', 'https://APP.example', 'http://localhost', 'http://localhost:80', 'http://[::1]:5173'],
    foreign: ['https://example.org', 'http://app.example', 'https://app.example:444', 'https://app.example.evil', 'https://evil-app.example', 'https://app.example@evil', 'https://app.example/', 'https://app.example.', 'null', '', 'https://app.example, https://app.example']
  },
  {
    name: 'schemes that are not the web\'s',
    allowed: ['chrome-extension://abcdef', 'capacitor://localhost', 'moz-extension://0B1E-AA', 'file://'],
    passes: ['chrome-extension://abcdef', 'capacitor://localhost', 'moz-extension://0B1E-AA', 'moz-extension://0b1e-aa', 'file://'],
    foreign: ['chrome-extension://abcdeg', 'capacitor://localhost:1', 'http://localhost', 'file:', 'file:///', 'https://abcdef', 'https://example.org']
  },
  {
    name: 'a regular expression',
    allowed: /^https:\/\/[\w-]+\.example\.org$/,
    passes: ['https://a.example.org', 'https://b-c.example.org'],
    foreign: ['https://example.org', 'https://a.example.org.evil', 'https://A.EXAMPLE.ORG', 'https://a.b.example.org', 'null', '']
  },
  // Nothing that is no origin is looked through, however wide the expression.
  {
    name: 'a wide regular expression',
    allowed: [/example\.org$/],
    passes: ['https://example.org', 'https://evil-example.org'],
    foreign: ['https://evil.example, https://example.org', 'https://evil.example/example.org', 'https://evil@example.org', 'example.org', '', `https://${'a'.repeat(600)}.example.org`]
  },
  {
    name: 'an expression for names, however long',
    allowed: /^https:\/\/[a.]+(?::\d+)?$/,
    passes: [`https://${'a'.repeat(253)}`, `https://${'a'.repeat(253)}.`, `https://${'a'.repeat(253)}:8443`],
    foreign: [`https://${'a'.repeat(254)}`, `https://${'a'.repeat(254)}.`, `https://${'a'.repeat(254)}:8443`, `https://${'a'.repeat(252)}..a`]
  },
  { name: 'any origin, but nothing else', allowed: [/^/], passes: ['https://a:65535', 'x://', 'null'], foreign: ['https://a:65536', 'https://', 'https://a/', ''] },
  { name: 'a regular expression for null', allowed: [/^null$/], passes: ['null'], foreign: ['https://null', ''] },
  { name: 'a function', allowed: (origin) => origin.endsWith('.example'), passes: ['https://evil.example', 'x, y.example'], foreign: ['https://example.org', 'null', ''] },
  { name: 'an async function', allowed: async (origin) => origin === 'https://a', passes: ['https://a'], foreign: ['https://b', ''] },
  { name: 'a function of the request', allowed: (origin, request) => origin === `https://app.${request.host}`, passes: ['https://app.example.org'], foreign: ['https://example.org'] }
]

for (const { name, allowed, passes, foreign } of POLICIES) {
  t.test(`T36 ${name}`, async (t) => {
    for (const origin of passes) t.equal(await isAllowed(allowed, { origin }), true, JSON.stringify(origin))
    for (const origin of foreign) t.equal(await isAllowed(allowed, { origin }), false, JSON.stringify(origin).slice(0, 80))
    t.equal(await isAllowed(allowed, {}), true, 'without Origin')
  })
}

t.test('T36 flags that keep a state', async (t) => {
  for (const flags of ['g', 'y', 'gy']) {
    const pattern = new RegExp('https://a\\.example', flags)
    pattern.lastIndex = 3
    const check = makeOriginCheck([pattern])
    for (let n = 0; n < 4; n++) t.doesNotThrow(() => check(makeRequest({ origin: 'https://a.example' }).request), `${flags} ${n}`)
    t.equal(pattern.lastIndex, 3, 'the application\'s own is left alone')
  }
  t.equal(await isAllowed(/a\.example/y, { origin: 'https://a.example' }), false, 'a sticky one matches at the start')
})

t.test('T36 a list is read once', async (t) => {
  const list: Array<string | RegExp> = ['https://a.example']
  const check = makeOriginCheck(list)
  list.push('https://b.example', '*')
  t.throws(() => check(makeRequest({ origin: 'https://b.example' }).request), { code: 'FST_WS_FOREIGN_ORIGIN' })
})

t.test('T36 nothing but true lets in', async (t) => {
  for (const answer of [false, undefined, null, 1, 'true', {}, [], Promise.resolve(1), Promise.resolve(Promise.resolve(undefined)), new Boolean(true)]) { // eslint-disable-line no-new-wrappers
    t.equal(await isAllowed((() => answer) as () => boolean, { origin: 'https://a' }), false, String(answer))
  }
  const thenable = { then (resolve: (value: boolean) => void) { resolve(true) } } // oxlint-disable-line unicorn/no-thenable
  t.equal(await isAllowed((() => thenable) as unknown as () => boolean, { origin: 'https://a' }), true)
  const failure = new Error('database down')
  t.throws(() => makeOriginCheck(() => { throw failure })(makeRequest({ origin: 'https://a' }).request), failure)
  await t.rejects(async () => makeOriginCheck(async () => { throw failure })(makeRequest({ origin: 'https://a' }).request), failure)
})

t.test('T36 a function is not asked without Origin, and once with it', async (t) => {
  const asked: string[] = []
  const check = makeOriginCheck((origin) => { asked.push(origin); return true })
  check(makeRequest({}).request)
  check(makeRequest({ origin: '' }).request)
  check(makeRequest({ origin: 'https://a, https://b' }).request)
  t.same(asked, ['', 'https://a, https://b'])
})

// ---- the log

const YOURS = 'a WebSocket handshake was refused: its Origin is foreign. If it is yours, name it in the option allowedOrigins'
const PROXY = `${YOURS}; if a proxy stands before the server, let it send X-Forwarded-Proto and X-Forwarded-Host, and set Fastify's option trustProxy`

const code = 'FST_WS_FOREIGN_ORIGIN'
const LOG_ROWS: ReadonlyArray<[name: string, allowed: WebSocketAllowedOrigins, ask: Ask, expected: Line]> = [
  ['another site', 'same-origin', { origin: 'https://evil.example' }, { code, origin: 'https://evil.example', expected: 'https://example.org', msg: YOURS }],
  ['only the scheme differs', 'same-origin', { origin: 'https://example.org', protocol: 'http' }, { code, origin: 'https://example.org', expected: 'http://example.org', msg: PROXY }],
  ['a proxy gave another host', 'same-origin', { origin: 'https://example.org', protocol: 'http', host: '10.0.0.1:3000', headers: { 'x-forwarded-host': 'example.org' } }, { code, origin: 'https://example.org', expected: 'http://10.0.0.1:3000', msg: PROXY }],
  ['no host', 'same-origin', { origin: 'https://example.org', host: '' }, { code, origin: 'https://example.org', expected: 'same-origin', msg: YOURS }],
  ['a list', ['same-origin', 'https://a.example', /^b$/], { origin: 'null' }, { code, origin: 'null', expected: 'https://example.org, https://a.example, /^b$/', msg: YOURS }],
  ['a list without same-origin, behind a proxy', ['https://a.example'], { origin: 'null', headers: { 'x-forwarded-host': 'example.org' } }, { code, origin: 'null', expected: 'https://a.example', msg: YOURS }],
  ['a function', () => false, { origin: 'null' }, { code, origin: 'null', expected: 'what the function allowedOrigins returns true for', msg: YOURS }],
  ['a long one', ['https://a.example'], { origin: 'x'.repeat(1_000) }, { code, origin: 'x'.repeat(200), expected: 'https://a.example', msg: YOURS }]
]
for (const [name, allowed, ask, expected] of LOG_ROWS) {
  t.test(`T36 the log: ${name}`, async (t) => {
    const { request, lines } = makeRequest(ask)
    t.throws(() => makeOriginCheck(allowed)(request), { statusCode: 403, code: 'FST_WS_FOREIGN_ORIGIN', message: 'WebSocket connections from this origin are not allowed' })
    t.strictSame(lines, [expected])
  })
}

// ---- registration

const WRONG_ROWS: ReadonlyArray<[value: unknown, explained: string | undefined]> = [
  ['https://example.org/', '"https://example.org/" is no origin: browsers send it as "https://example.org"'],
  ['https://example.org/chat?x', '"https://example.org/chat?x" is no origin: browsers send it as "https://example.org"'],
  ['https://user@Example.org:443/', '"https://user@Example.org:443/" is no origin: browsers send it as "https://example.org"'],
  [['https://a.example', 'https://b\u00fccher.example'], '"https://b\u00fccher.example" is no origin: browsers send it as "https://xn--bcher-kva.example"'],
  ['http://127.1:3000', '"http://127.1:3000" is no origin: browsers send it as "http://127.0.0.1:3000"'],
  ['http://[0:0::1]', '"http://[0:0::1]" is no origin: browsers send it as "http://[::1]"'],
  ['wss://example.org', '"wss://example.org" is no origin: browsers send it as "https://example.org"'],
  ['ws://localhost:3000/chat', '"ws://localhost:3000/chat" is no origin: browsers send it as "http://localhost:3000"'],
  ['chrome-extension://abc/', '"chrome-extension://abc/" is no origin: browsers send it as "chrome-extension://abc"'],
  ['example.org', '"example.org" is no origin: say the scheme, as in "https://example.org"'],
  ['localhost:3000', '"localhost:3000" is no origin: say the scheme, as in "https://localhost:3000"'],
  ['//a.example', '"//a.example" is no origin: say the scheme, as in "https://a.example"'],
  ['', '"" is no origin: say the scheme, as in "https://example.org"'],
  ['Same-Origin ', '"Same-Origin " is no origin: write "same-origin"'],
  [[/x/, 'https://*.example.org'], '"https://*.example.org" is no origin: use a regular expression for more than one, such as /^https:\\/\\/[a-z\\d-]+\\.example\\.org$/'],
  ['*.example.org', '"*.example.org" is no origin: use a regular expression for more than one, such as /^https:\\/\\/[a-z\\d-]+\\.example\\.org$/'],
  ['https://', '"https://" is no origin: write scheme://host or scheme://host:port'],
  ['https://example.org:99999', '"https://example.org:99999" is no origin: write scheme://host or scheme://host:port'],
  ['same_origin', '"same_origin" is no origin: write "same-origin"'],
  [['sameOrigin'], '"sameOrigin" is no origin: write "same-origin"'],
  ['NULL', '"NULL" is no origin: write "null"'],
  ['any', '"any" is no origin: say the scheme, as in "https://any"'],
  [`https://${'a.'.repeat(130)}org`, `"${`https://${'a.'.repeat(130)}`.slice(0, 200)}" is no origin: a host name has 253 characters at most`],
  [5, undefined],
  [['https://a.example', 5, 'b'], undefined]
]
for (const [value, explained] of WRONG_ROWS) {
  t.test(`T36 registration: ${JSON.stringify(value)}`, async (t) => {
    t.equal(isAllowedOrigins(value), false)
    t.equal(explainOrigins(value), explained === undefined ? undefined : `${explained}. Beside origins there are 'same-origin', 'null', '*', regular expressions and a function`)
  })
}
