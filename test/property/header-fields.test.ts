// Header fields from anywhere: what is read is right, nothing but the named errors comes out, and time is linear in the input.
import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import t from 'tap'
import { formatExtensions, parseAgreedExtensions, parseExtensions } from '../../lib/protocol/extensions.ts'
import type { ExtensionOffer } from '../../lib/protocol/extensions.ts'
import { buildRequest, generateKey, judgeResponse } from '../../lib/protocol/handshake-client.ts'
import { HandshakeError } from '../../lib/protocol/handshake-errors.ts'
import { buildResponseHeaders, isHost, judgeRequest } from '../../lib/protocol/handshake.ts'
import { hasListMember, isFieldValue, splitList, trimWhitespace, unquote } from '../../lib/protocol/header-fields.ts'

const PARAMETERS = { seed: Number(process.env.FUZZ_SEED ?? 6455), numRuns: Number(process.env.FUZZ_RUNS ?? 2000) }
t.comment(`seed ${PARAMETERS.seed}, ${PARAMETERS.numRuns} runs`)

const check = <T>(property: fc.IProperty<T>): void => fc.assert(property, PARAMETERS)

const TOKEN_CHARS = [..."!#$%&'*+-.^_`|~0123456789ABCXYZabcxyz"]
const token = fc.string({ unit: fc.constantFrom(...TOKEN_CHARS), minLength: 1, maxLength: 8 })
/** Mostly what has a meaning in a list, so that broken structure comes up often. */
const wild = fc.string({ unit: fc.constantFrom(...'",\\;= \tab\0\r\n\u00e4\u0100'), maxLength: 24 })
const param = fc.oneof(
  token.map(name => ({ name })),
  fc.tuple(token, token).map(([name, value]) => ({ name, value })),
  fc.tuple(token, token).map(([name, value]) => ({ name, value, quoted: true as const }))
)
const offer: fc.Arbitrary<ExtensionOffer> = fc.tuple(token, fc.array(param, { maxLength: 4 })).map(([name, params]) => ({ name, params }))
const space = fc.string({ unit: fc.constantFrom(' ', '\t'), maxLength: 2 })

/** Slow and plain: a member is a run of closed quoted strings and of characters other than the comma, in that order of preference. */
function splitListPlainly (line: string): string[] {
  const members = line.match(/(?:"(?:\\[^]|[^"\\])*"|[^,])+/g) ?? []
  return members.map(member => member.replaceAll(/^[ \t]+|[ \t]+$/g, '')).filter(member => member !== '')
}

t.test('a list is split as by the plain reference', async () => {
  check(fc.property(wild, line => isDeepStrictEqual(splitList(line), splitListPlainly(line))))
})

t.test('what is quoted is read back', async () => {
  check(fc.property(fc.string(), text => unquote(`"${text.replaceAll(/["\\]/g, '\\$&')}"`) === text))
})

t.test('extensions: what is written is read back', async () => {
  check(fc.property(fc.array(offer), offers => isDeepStrictEqual(parseExtensions(formatExtensions(offers)), offers)))
})

t.test('extensions: white space at the joints changes nothing', async () => {
  check(fc.property(fc.array(offer), fc.array(space, { minLength: 1 }), (offers, spaces) => {
    let joint = 0
    const nextSpace = (): string => spaces[joint++ % spaces.length] ?? ''
    const spaced = formatExtensions(offers).replaceAll(/ ?([;,=]) ?/g, (_, char: string) => `${nextSpace()}${char}${nextSpace()}`)
    return isDeepStrictEqual(parseExtensions(spaced), offers)
  }))
})

t.test('extensions: every escape of a quoted value is the same value', async () => {
  check(fc.property(token, token, fc.array(fc.boolean(), { minLength: 8, maxLength: 8 }), (name, value, escaped) => {
    const written = [...value].map((char, at) => escaped[at] ? `\\${char}` : char).join('')
    return isDeepStrictEqual(parseExtensions(`x; ${name}="${written}"`), [{ name: 'x', params: [{ name, value, quoted: true }] }])
  }))
})

t.test('extensions: a bad offer spoils neither the one before nor the next', async () => {
  check(fc.property(offer, wild, offer, (first, garbage, last) => {
    // Bare quotes may pair up with nothing of ours: the last offer gets none.
    const next = { name: last.name, params: last.params.map(({ name, value }) => value === undefined ? { name } : { name, value }) }
    const read = parseExtensions(`${formatExtensions([first])},${garbage},${formatExtensions([next])}`)
    return isDeepStrictEqual(read[0], first) && isDeepStrictEqual(read.at(-1), next)
  }))
})

t.test('extensions: the offers of a text are those of its members, and agreed ones are all or none', async () => {
  check(fc.property(wild, text => {
    const members = splitList(text)
    const offers = parseExtensions(text)
    const agreed = parseAgreedExtensions(text)
    return isDeepStrictEqual(offers, members.flatMap(member => parseExtensions(member))) &&
      isDeepStrictEqual(agreed, offers.length > 0 && offers.length === members.length ? offers : undefined) &&
      isDeepStrictEqual(parseExtensions(formatExtensions(offers)), offers)
  }))
})

const NAMES = [
  'Host', 'Upgrade', 'Connection', 'Sec-WebSocket-Key', 'Sec-WebSocket-Version', 'Sec-WebSocket-Protocol', 'Sec-WebSocket-Extensions', 'Sec-WebSocket-Accept',
  'Content-Length', 'Transfer-Encoding', '__proto__', 'constructor', ''
]
const LIKELY = [
  'server.example.com', 'websocket', 'Upgrade', 'dGhlIHNhbXBsZSBub25jZQ==', 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=', '13', 'chat, superchat',
  'permessage-deflate; a, b', '0', ''
]
const field = fc.tuple(fc.oneof(fc.constantFrom(...NAMES), fc.string()), fc.oneof(fc.constantFrom(...LIKELY), wild, fc.string()))
const GOOD_REQUEST = [
  'Host', 'server.example.com', 'Upgrade', 'websocket', 'Connection', 'Upgrade', 'Sec-WebSocket-Key', 'dGhlIHNhbXBsZSBub25jZQ==', 'Sec-WebSocket-Version', '13'
]
const GOOD_ANSWER = ['Upgrade', 'websocket', 'Connection', 'Upgrade', 'Sec-WebSocket-Accept', 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=']

/** Runs a judge and tells what came of it; anything but a HandshakeError goes on to fail the property. */
function judge<T> (act: () => T): T | HandshakeError {
  try {
    return act()
  } catch (error) {
    if (error instanceof HandshakeError) return error
    throw error
  }
}

t.test('T34 any request is a handshake that can be answered, or a HandshakeError', async t => {
  let accepted = 0
  check(fc.property(fc.array(field, { maxLength: 6 }), fc.boolean(), fc.nat(20), (fields, good, odd) => {
    const rawHeaders = [...(good ? GOOD_REQUEST : []), ...fields.flat()].slice(odd === 0 ? 1 : 0)
    const result = judge(() => judgeRequest({ method: 'GET', httpVersion: '1.1', rawHeaders }))
    if (result instanceof HandshakeError) return result.statusCode >= 400 && result.statusCode < 500
    accepted++
    const answer = buildResponseHeaders(result, {
      protocol: result.protocols[0],
      extensions: result.extensions.length > 0 ? formatExtensions(result.extensions) : undefined
    })
    return Object.values(answer).every(isFieldValue)
  }))
  t.ok(accepted > PARAMETERS.numRuns / 20, `${accepted} were accepted`)
})

t.test('T34 any answer is an agreement, or a HandshakeError', async t => {
  let accepted = 0
  const offered = { key: 'dGhlIHNhbXBsZSBub25jZQ==', protocols: ['chat'], extensions: [{ name: 'permessage-deflate', params: [] }, { name: 'b', params: [] }] }
  check(fc.property(fc.array(field, { maxLength: 3 }), fields => {
    const result = judge(() => judgeResponse({ statusCode: 101, rawHeaders: [...GOOD_ANSWER, ...fields.flat()] }, offered))
    if (result instanceof HandshakeError) return result.statusCode === 502
    accepted++
    return ['', 'chat'].includes(result.protocol) && result.extensions.every(({ name }) => name === 'permessage-deflate' || name === 'b')
  }))
  t.ok(accepted > PARAMETERS.numRuns / 20, `${accepted} were accepted`)
})

t.test('what a client offers is what the server sees, and what it chooses is what the client gets', async () => {
  const subprotocols = fc.uniqueArray(token, { maxLength: 5 })
  check(fc.property(subprotocols, fc.array(offer, { maxLength: 4 }), fc.nat(5), (protocols, extensions, choice) => {
    const key = generateKey()
    const [, ...lines] = buildRequest({ path: '/', host: 'a', key, protocols, extensions }).split('\r\n').slice(0, -2)
    const seen = judgeRequest({ method: 'GET', httpVersion: '1.1', rawHeaders: lines.flatMap(line => line.split(/: (.*)/, 2)) })
    const protocol = protocols[choice]
    const agreed = extensions.slice(choice)
    const answer = buildResponseHeaders(seen, { protocol, extensions: agreed.length > 0 ? formatExtensions(agreed) : undefined })
    const got = judgeResponse({ statusCode: 101, rawHeaders: Object.entries(answer).flat() }, { key, protocols, extensions })
    return isDeepStrictEqual(seen, { key, protocols, extensions }) && isDeepStrictEqual(got, { protocol: protocol ?? '', extensions: agreed })
  }))
})

// Time. Each shape is read once at 64 KiB and 64 times at 1 KiB: the same work if it is linear, 64 times as much if it is quadratic.
// The fastest of many runs counts, so that a busy machine does not.
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
  { name: 'digits of a port', unit: '1', start: 'a:' }
]
const readers: Array<{ name: string, read: (text: string) => unknown }> = [
  { name: 'splitList', read: splitList },
  { name: 'hasListMember', read: text => hasListMember([text], 'upgrade') },
  { name: 'trimWhitespace', read: text => trimWhitespace(`x${text}x`) },
  { name: 'parseExtensions', read: parseExtensions },
  { name: 'isHost', read: isHost },
  ...['Host', 'Upgrade', 'Connection', 'Sec-WebSocket-Key', 'Sec-WebSocket-Version', 'Sec-WebSocket-Protocol', 'Sec-WebSocket-Extensions'].map(name => ({
    name: `judgeRequest, ${name}`,
    read: (text: string) => judge(() => judgeRequest({
      method: 'GET', httpVersion: '1.1', rawHeaders: replaceField(GOOD_REQUEST, name, text)
    }))
  }))
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
