import t from 'tap'
import { ClientError } from '../../lib/client/errors.ts'
import { isRefusal } from '../../lib/client/node-wire.ts'
import { readOptions, readPingTimes, usesApplicationPings } from '../../lib/client/options.ts'
import type { ConnectSettings } from '../../lib/client/option-types.ts'
import type { Platform } from '../../lib/client/wire.ts'
import { takeEscaped } from '../helpers/guard.ts'

const platform: Platform = { origin: 'https://page.example', check () {}, open: () => { throw new Error('not here') } }
const refused = (statusCode: number): Error => Object.assign(new ClientError('REFUSED', ''), { statusCode })
const contract = { url: '/chat/:room' }

t.test('defaults, also for what is given as undefined', async (t) => {
  const settings = readOptions({ url: '/' }, { reconnect: { minDelay: undefined as unknown as number }, queue: {} }, platform)
  t.match(settings, {
    minDelay: 500,
    maxDelay: 30_000,
    maxAttempts: Infinity,
    resetAfter: 5_000,
    handshakeTimeout: 10_000,
    closeTimeout: 5_000,
    queue: { messages: 1_000, bytes: 1_048_576 },
    ping: undefined
  })
  t.equal(readOptions({ url: '/' }, { reconnect: false }, platform).maxAttempts, 0)
  t.same(readOptions({ url: '/' }, { reconnect: true, ping: 'application' }, platform).ping, { interval: 25_000, timeout: 20_000 })
})

t.test('the page is the base where none is given', async (t) => {
  const { describe } = readOptions(contract, { params: { room: 'a' }, query: { b: 1 }, protocols: 'v1' }, platform)
  t.match(await describe(), { url: new URL('wss://page.example/chat/a?b=1'), protocols: ['v1'], token: undefined, headers: undefined })
  t.throws(() => readOptions({ url: '/' }, {}, { ...platform, origin: undefined }), TypeError)
})

t.test('functions are asked at each attempt, and not before', async (t) => {
  let calls = 0
  const count = <T>(value: T) => async (): Promise<T> => { calls++; return value }
  const { describe } = readOptions(contract, {
    baseUrl: count('http://a'), params: count({ room: 'r' }), query: () => ({}), headers: count({ x: 'y' }), auth: count('token'), protocols: ['a', 'b']
  }, platform)
  t.equal(calls, 0)
  for (let n = 1; n <= 2; n++) {
    const { url, ...rest } = await describe()
    t.equal(url.href, 'ws://a/chat/r')
    t.strictSame(rest, { protocols: ['a', 'b'], headers: { x: 'y' }, token: 'token' })
    t.equal(calls, 4 * n)
  }
  const failing = readOptions(contract, { params: () => { throw new Error('no') } }, platform)
  await t.rejects(failing.describe(), { message: 'no' })
})

t.test('what throws beside what rejects escapes nobody', async (t) => {
  const both = readOptions(contract, { params: async () => { throw new Error('params') }, auth: () => { throw new Error('auth') } }, platform)
  await t.rejects(both.describe())
  t.strictSame(await takeEscaped(), [])
})

t.test('numbers that are none are refused, on every platform', async (t) => {
  for (const value of [Number.NaN, -1, '1' as unknown as number]) {
    const rows: ConnectSettings[] = [
      { handshakeTimeout: value }, { closeTimeout: value }, { ping: { interval: value } }, { ping: { timeout: value } },
      { queue: { messages: value } }, { queue: { bytes: value } },
      ...['minDelay', 'maxDelay', 'maxAttempts', 'resetAfter'].map((name) => ({ reconnect: { [name]: value } }))
    ]
    for (const options of rows) t.throws(() => readOptions({ url: '/' }, options, platform), { code: 'FST_WS_CLIENT_OPTION', message: / is (NaN|-?1)$/ }, JSON.stringify(options))
  }
  t.match(readOptions({ url: '/' }, { reconnect: { minDelay: 0, maxDelay: Infinity } }, platform), { minDelay: 0, maxDelay: Infinity })
})

t.test('pings', async (t) => {
  t.same([undefined, false, true, {}, { interval: 1 }, 'application' as const, { application: true }].map((ping) => usesApplicationPings({ ping: ping as true })), [false, false, false, false, false, true, true])
  t.same(readPingTimes({ ping: { interval: 1 } }), { interval: 1, timeout: 20_000 })
})

const ends = [
  ...[1000, 1003, 1007, 1008, 1009, 1010].map((code) => ({ code, error: undefined, want: true })),
  ...[1001, 1002, 1005, 1006, 1011, 1012, 1013, 1014, 3000, 4000, 4999].map((code) => ({ code, error: undefined, want: false })),
  ...[400, 401, 403, 404, 426, 499].map((status) => ({ code: 1006, error: refused(status), want: true })),
  ...[200, 302, 408, 425, 429, 500, 503].map((status) => ({ code: 1006, error: refused(status), want: false })),
  { code: 1006, error: new ClientError('OPTION', ''), want: true },
  { code: 1006, error: new ClientError('UNREACHABLE', ''), want: false }
]

t.test('what is for good', async (t) => {
  const { isTerminal } = readOptions({ url: '/' }, {}, { ...platform, isRefusal })
  for (const { code, error, want } of ends) t.equal(isTerminal({ code, reason: '', wasClean: true, error }), want, `${code} ${String(error)}`)
  const seen: unknown[] = []
  const own = readOptions({ url: '/' }, { reconnect: { isTerminal: (...args) => { seen.push(args); return args[0] === 1001 ? true : undefined } } }, platform)
  t.equal(own.isTerminal({ code: 1001, reason: 'r', wasClean: true }), true)
  t.equal(own.isTerminal({ code: 1000, reason: '', wasClean: true }), true)
  t.strictSame(seen[0], [1001, 'r', undefined])
})
