// T34: every header field that is read is read in time linear in its length, from 1 KiB to 64 KiB, whatever is in it.
//
// Each shape is read once at 64 KiB and 64 times at 1 KiB: the same work if it is linear, 64 times as much if it is quadratic.
// The fastest of many runs counts, so that a busy machine does not.
import type { FastifyRequest } from 'fastify'
import t from 'tap'
import { bearerToken, withoutToken } from '../../lib/plugin/bearer.ts'
import { makeOriginCheck } from '../../lib/plugin/origin.ts'
import { addressOf } from '../../lib/plugin/quota.ts'
import { acceptDeflate } from '../../lib/protocol/deflate-offer.ts'
import { parseExtensions } from '../../lib/protocol/extensions.ts'
import { judgeResponse } from '../../lib/protocol/handshake-client.ts'
import { isHost, judgeRequest } from '../../lib/protocol/handshake.ts'
import { hasListMember, splitList, trimWhitespace } from '../../lib/protocol/header-fields.ts'
import { GOOD_ANSWER, GOOD_REQUEST, judge } from '../helpers/good-handshake.ts'

const SMALL = 1024
const TIMES = 64
const ALLOWED = 8
const RUNS = 12

const makeText = (unit: string, size: number, start = ''): string => start + unit.repeat(Math.ceil(size / unit.length)).slice(0, size)

const texts = [
  { name: 'commas', unit: ',' },
  { name: 'white space', unit: ' ' },
  { name: 'white space before a character', unit: ' ', start: 'x;' },
  { name: 'one long token', unit: 'a' },
  { name: 'members', unit: 'a,' },
  { name: 'offers', unit: 'a; b=c, ' },
  { name: 'offers of permessage-deflate', unit: 'permessage-deflate; client_max_window_bits=16, ' },
  { name: 'parameters of permessage-deflate', unit: '; server_no_context_takeover', start: 'permessage-deflate' },
  { name: 'parameters', unit: '; a=b', start: 'x' },
  { name: 'parameters without a value', unit: ';a', start: 'x' },
  { name: 'equals signs', unit: '=', start: 'x;a' },
  { name: 'quotes', unit: '"' },
  { name: 'quotes that nothing closes', unit: '\\",', start: '"' },
  { name: 'quotes that nothing closes, each in an offer', unit: ', x; y=\\"', start: 'x; y="' },
  { name: 'escapes in a quoted value', unit: '\\a', start: 'x; y="' },
  { name: 'quoted values', unit: '; a="b"', start: 'x' },
  { name: 'escaped backslashes', unit: '\\', start: '"' },
  { name: 'semicolons', unit: ';', start: 'x' },
  { name: 'host characters', unit: 'a.' },
  { name: 'ports', unit: ':1', start: 'a' },
  { name: 'brackets', unit: '[:' },
  { name: 'digits of a port', unit: '1', start: 'a:' },
  { name: 'characters of an origin', unit: 'a.', start: 'https://' },
  { name: 'white space behind a scheme', unit: ' ', start: 'Bearer' },
  { name: 'padding of a token', unit: '=', start: 'Bearer a' },
  { name: 'groups of an address', unit: 'a:' }
]

/** What the plugin's own readers of fields look at in a request. */
function requestWith (headers: Readonly<Record<string, string>>): FastifyRequest {
  const raw = { headers, rawHeaders: Object.entries(headers).flat() }
  // a request has much more, which they have no business with
  return { headers, raw, protocol: 'https', host: 'example.org', log: { info () {} } } as unknown as FastifyRequest
}

/** Runs a check and returns its error, whichever it is: they have tests of their own. */
function attempt (act: () => unknown): unknown {
  try {
    return act()
  } catch (error) {
    return error
  }
}

const WISH = { serverNoContextTakeover: false, clientNoContextTakeover: false, serverMaxWindowBits: 15, clientMaxWindowBits: 15 }
const originChecks = [makeOriginCheck('same-origin'), makeOriginCheck(['https://a.example', /^https:\/\/([a-z\d-]+\.)*example\.org$/, 'null'])]

const readers: Array<{ name: string, read: (text: string) => unknown }> = [
  { name: 'splitList', read: splitList },
  { name: 'hasListMember', read: text => hasListMember([text], 'upgrade') },
  { name: 'trimWhitespace', read: text => trimWhitespace(`x${text}x`) },
  { name: 'parseExtensions', read: parseExtensions },
  { name: 'acceptDeflate', read: text => acceptDeflate(parseExtensions(text), WISH) },
  { name: 'isHost', read: isHost },
  ...['Host', 'Upgrade', 'Connection', 'Sec-WebSocket-Key', 'Sec-WebSocket-Version', 'Sec-WebSocket-Protocol', 'Sec-WebSocket-Extensions'].map(name => ({
    name: `judgeRequest, ${name}`,
    read: (text: string) => judge(() => judgeRequest({
      method: 'GET', httpVersion: '1.1', rawHeaders: replaceField(GOOD_REQUEST, name, text)
    }))
  })),
  ...['Upgrade', 'Connection', 'Sec-WebSocket-Accept', 'Sec-WebSocket-Protocol', 'Sec-WebSocket-Extensions'].map(name => ({
    name: `judgeResponse, ${name}`,
    read: (text: string) => judge(() => judgeResponse({ statusCode: 101, rawHeaders: replaceField(GOOD_ANSWER, name, text) }, {
      key: 'dGhlIHNhbXBsZSBub25jZQ==', protocols: ['chat'], extensions: [{ name: 'a', params: [] }]
    }))
  })),
  { name: 'an origin', read: text => originChecks.map(check => attempt(() => check(requestWith({ origin: text })))) },
  { name: 'bearerToken, Authorization', read: text => bearerToken(requestWith({ authorization: text })) },
  { name: 'bearerToken, Sec-WebSocket-Protocol', read: text => bearerToken(requestWith({ 'sec-websocket-protocol': text })) },
  { name: 'bearerToken, a token', read: text => bearerToken(requestWith({ 'sec-websocket-protocol': `bearer, ${text}` })) },
  { name: 'withoutToken', read: text => withoutToken(splitList(text)) },
  { name: 'addressOf', read: addressOf }
]

function replaceField (rawHeaders: readonly string[], name: string, value: string): string[] {
  const at = rawHeaders.indexOf(name)
  return at === -1 ? [...rawHeaders, name, value] : rawHeaders.toSpliced(at + 1, 1, value)
}

/** How much longer `large` takes than `small`, at the best of each. */
function compareTimes (small: () => unknown, large: () => unknown): number {
  let bestSmall = Infinity
  let bestLarge = Infinity
  for (let run = 0; run < RUNS; run++) {
    bestSmall = Math.min(bestSmall, measure(small))
    bestLarge = Math.min(bestLarge, measure(large))
    if (run > 2 && bestLarge < bestSmall * ALLOWED) break
  }
  return bestLarge / bestSmall
}

function measure (act: () => unknown): number {
  const start = performance.now()
  act()
  return performance.now() - start
}

/** Reads one text TIMES times, and one that is TIMES as long once. */
function compareSizes (read: (text: string) => unknown, unit: string, start?: string): number {
  // Joined texts are trees until someone looks inside: let that not be the first reader.
  const flat = (text: string): string => Buffer.from(text, 'latin1').toString('latin1')
  const short = flat(makeText(unit, SMALL, start))
  const long = flat(makeText(unit, SMALL * TIMES, start))
  return compareTimes(() => { for (let n = 0; n < TIMES; n++) read(short) }, () => read(long))
}

for (const { name, read } of readers) {
  t.test(`T34 time is linear: ${name}`, async t => {
    for (const { name: shape, unit, start } of texts) {
      const ratio = compareSizes(read, unit, start)
      t.ok(ratio < ALLOWED, `${shape}: ${ratio.toFixed(2)} times as long`)
    }
  })
}

t.test('T34 time is linear: different subprotocols, and repeated fields', async t => {
  const makeNames = (count: number): string => Array.from({ length: count }, (_, n) => `p${n}`).join(',')
  const makeFields = (count: number): string[] => Array.from({ length: count }, () => ['Sec-WebSocket-Protocol', 'a']).flat()
  const read = (fields: readonly string[]): unknown => judge(() => judgeRequest({ method: 'GET', httpVersion: '1.1', rawHeaders: [...GOOD_REQUEST, ...fields] }, 0))
  const times = (act: () => unknown) => () => { for (let n = 0; n < TIMES; n++) act() }
  const [fewNames, manyNames] = [['Sec-WebSocket-Protocol', makeNames(200)], ['Sec-WebSocket-Protocol', makeNames(200 * TIMES)]] as const
  const [fewFields, manyFields] = [makeFields(200), makeFields(200 * TIMES)]
  for (const [few, many] of [[fewNames, manyNames], [fewFields, manyFields]] as const) {
    const ratio = compareTimes(times(() => read(few)), () => read(many))
    t.ok(ratio < ALLOWED, `${ratio.toFixed(2)} times as long`)
  }
})

t.test('the measurement sees what is quadratic', async t => {
  const quadratic = (text: string): number => {
    let found = 0
    for (let at = 0; at < text.length; at += 16) found += text.indexOf('!', at)
    return found
  }
  t.ok(compareSizes(quadratic, 'a') > ALLOWED)
})
