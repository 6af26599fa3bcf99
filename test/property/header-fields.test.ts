// Header fields from anywhere: what is read is right, and nothing but the named errors comes out. That it takes linear time is
// in header-time.test.ts.
import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import t from 'tap'
import { formatExtensions, parseAgreedExtensions, parseExtensions } from '../../lib/protocol/extensions.ts'
import type { ExtensionOffer } from '../../lib/protocol/extensions.ts'
import { buildRequest, generateKey, judgeResponse } from '../../lib/protocol/handshake-client.ts'
import { HandshakeError } from '../../lib/protocol/handshake-errors.ts'
import { buildResponseHeaders, judgeRequest } from '../../lib/protocol/handshake.ts'
import { isFieldValue, splitList, unquote } from '../../lib/protocol/header-fields.ts'
import { countCases } from '../helpers/arbitrary-frames.ts'
import { GOOD_ANSWER, GOOD_REQUEST, judge } from '../helpers/good-handshake.ts'

const PARAMETERS = { seed: Number(process.env.FUZZ_SEED ?? 6455), numRuns: Number(process.env.FUZZ_RUNS ?? 2000) }
t.comment(`seed ${PARAMETERS.seed}, ${PARAMETERS.numRuns} runs`)

const check = <T>(property: fc.IProperty<T>): void => {
  countCases(PARAMETERS.numRuns)
  fc.assert(property, PARAMETERS)
}

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
