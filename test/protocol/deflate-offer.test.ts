import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import t from 'tap'
import { acceptDeflate, EXTENSION_NAME, offerDeflate, readDeflateAnswer } from '../../lib/protocol/deflate-offer.ts'
import type { DeflateParams, DeflateWish } from '../../lib/protocol/deflate-offer.ts'
import { formatExtensions, parseAgreedExtensions, parseExtensions } from '../../lib/protocol/extensions.ts'
import type { ExtensionOffer, ExtensionParam } from '../../lib/protocol/extensions.ts'
import { buildRequest, judgeResponse } from '../../lib/protocol/handshake-client.ts'
import { HandshakeError } from '../../lib/protocol/handshake-errors.ts'
import { buildResponseHeaders, judgeRequest } from '../../lib/protocol/handshake.ts'
import { countCases } from '../helpers/arbitrary-frames.ts'
import { GOOD_ANSWER, GOOD_REQUEST, judge } from '../helpers/good-handshake.ts'

const PARAMETERS = { seed: Number(process.env.FUZZ_SEED ?? 7692), numRuns: Number(process.env.FUZZ_RUNS ?? 2000) }
const KEY = 'dGhlIHNhbXBsZSBub25jZQ=='
const REFUSAL = { code: 'FST_WS_ANSWER_EXTENSIONS', statusCode: 502 }
/** No wish at all. */
const NONE: DeflateWish = { serverNoContextTakeover: false, clientNoContextTakeover: false, serverMaxWindowBits: 15, clientMaxWindowBits: 15 }

/** What a server with that wish answers to a field value. */
function answer (value: string, wish: Partial<DeflateWish> = {}): { text: string, params: DeflateParams } | undefined {
  const agreement = acceptDeflate(parseExtensions(value), { ...NONE, ...wish })
  return agreement && { text: formatExtensions([agreement.extension]), params: agreement.params }
}

/** What a client with that wish makes of an answer's field value. */
function read (value: string, wish: Partial<DeflateWish> = {}): DeflateParams | undefined {
  const agreed = parseAgreedExtensions(value)
  if (agreed === undefined) throw new Error(`not well-formed: ${value}`)
  return readDeflateAnswer(agreed, { ...NONE, ...wish })
}

/** What a server says to an offer: the field's value and what it then takes to be agreed, over what holds when nothing is said. */
const answers: ReadonlyArray<{ name: string, offer: string, wish?: Partial<DeflateWish>, want: string, params?: Partial<DeflateParams> }> = [
  { name: '§7.1.3 the plainest offer', offer: 'permessage-deflate', want: 'permessage-deflate' },
  { name: '§7.1.1.1 offered', offer: 'permessage-deflate; server_no_context_takeover', want: 'permessage-deflate; server_no_context_takeover', params: { serverNoContextTakeover: true } },
  { name: '§7.1.1.1 wished', offer: 'permessage-deflate', wish: { serverNoContextTakeover: true }, want: 'permessage-deflate; server_no_context_takeover', params: { serverNoContextTakeover: true } },
  { name: '§7.1.1.2 offered', offer: 'permessage-deflate; client_no_context_takeover', want: 'permessage-deflate; client_no_context_takeover', params: { clientNoContextTakeover: true } },
  { name: '§7.1.1.2 wished', offer: 'permessage-deflate', wish: { clientNoContextTakeover: true }, want: 'permessage-deflate; client_no_context_takeover', params: { clientNoContextTakeover: true } },
  { name: '§7.1.2.1 offered', offer: 'permessage-deflate; server_max_window_bits=10', want: 'permessage-deflate; server_max_window_bits=10', params: { serverMaxWindowBits: 10 } },
  { name: '§7.1.2.1 offered without a limit', offer: 'permessage-deflate; server_max_window_bits=15', want: 'permessage-deflate; server_max_window_bits=15' },
  { name: '§7.1.2.1 the smallest', offer: 'permessage-deflate; server_max_window_bits=8', want: 'permessage-deflate; server_max_window_bits=8', params: { serverMaxWindowBits: 8 } },
  { name: '§7.1.2.1 wished', offer: 'permessage-deflate', wish: { serverMaxWindowBits: 11 }, want: 'permessage-deflate; server_max_window_bits=11', params: { serverMaxWindowBits: 11 } },
  { name: '§7.1.2.1 both, and the offer is less', offer: 'permessage-deflate; server_max_window_bits=9', wish: { serverMaxWindowBits: 11 }, want: 'permessage-deflate; server_max_window_bits=9', params: { serverMaxWindowBits: 9 } },
  { name: '§7.1.2.1 both, and the wish is less', offer: 'permessage-deflate; server_max_window_bits=12', wish: { serverMaxWindowBits: 11 }, want: 'permessage-deflate; server_max_window_bits=11', params: { serverMaxWindowBits: 11 } },
  { name: '§7.1.2.2 offered without a value', offer: 'permessage-deflate; client_max_window_bits', want: 'permessage-deflate' },
  { name: '§7.1.2.2 offered without a value, and wished', offer: 'permessage-deflate; client_max_window_bits', wish: { clientMaxWindowBits: 8 }, want: 'permessage-deflate; client_max_window_bits=8', params: { clientMaxWindowBits: 8 } },
  { name: '§7.1.2.2 offered with a value', offer: 'permessage-deflate; client_max_window_bits=10', want: 'permessage-deflate; client_max_window_bits=10', params: { clientMaxWindowBits: 10 } },
  { name: '§7.1.2.2 offered without a limit', offer: 'permessage-deflate; client_max_window_bits=15', want: 'permessage-deflate; client_max_window_bits=15' },
  { name: '§7.1.2.2 both, and the offer is less', offer: 'permessage-deflate; client_max_window_bits=10', wish: { clientMaxWindowBits: 12 }, want: 'permessage-deflate; client_max_window_bits=10', params: { clientMaxWindowBits: 10 } },
  { name: '§7.1.2.2 both, and the wish is less', offer: 'permessage-deflate; client_max_window_bits=12', wish: { clientMaxWindowBits: 10 }, want: 'permessage-deflate; client_max_window_bits=10', params: { clientMaxWindowBits: 10 } },
  {
    name: '§7.1.2.2 a limit that cannot be told, of a window that does not last',
    offer: 'permessage-deflate; client_no_context_takeover', wish: { clientMaxWindowBits: 10 },
    want: 'permessage-deflate; client_no_context_takeover', params: { clientNoContextTakeover: true }
  },
  {
    name: '§7.1.2.2 a limit that cannot be told, of a window that the server does not let last',
    offer: 'permessage-deflate', wish: { clientMaxWindowBits: 10, clientNoContextTakeover: true },
    want: 'permessage-deflate; client_no_context_takeover', params: { clientNoContextTakeover: true }
  },
  {
    name: '§7.1 everything, in the order of the sections',
    offer: 'permessage-deflate; client_max_window_bits=9; server_max_window_bits="10"; client_no_context_takeover; server_no_context_takeover',
    want: 'permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=10; client_max_window_bits=9',
    params: { serverNoContextTakeover: true, clientNoContextTakeover: true, serverMaxWindowBits: 10, clientMaxWindowBits: 9 }
  },
  { name: '§5.1 another extension before it', offer: 'foo; server_max_window_bits=9, permessage-deflate', want: 'permessage-deflate' },
  { name: '§5.1 the first of several', offer: 'permessage-deflate; server_max_window_bits=9, permessage-deflate', want: 'permessage-deflate; server_max_window_bits=9', params: { serverMaxWindowBits: 9 } },
  {
    name: '§7.1.2.2 the first whose limit can be told',
    offer: 'permessage-deflate; server_max_window_bits=9, permessage-deflate; client_max_window_bits', wish: { clientMaxWindowBits: 12 },
    want: 'permessage-deflate; client_max_window_bits=12', params: { clientMaxWindowBits: 12 }
  }
]
for (const { name, offer, wish, want, params } of answers) {
  t.test(`${name}: answered`, async t => {
    t.strictSame(answer(offer, wish), { text: want, params: { ...NONE, ...params } })
  })
}

const declined: ReadonlyArray<{ name: string, offer: string, wish?: Partial<DeflateWish> }> = [
  { name: 'no offers', offer: '' },
  { name: 'another extension', offer: 'foo' },
  { name: 'its name in another case', offer: 'Permessage-Deflate, PERMESSAGE-DEFLATE' },
  { name: 'its name with something behind it', offer: 'permessage-deflate2, x-permessage-deflate, permessage-deflat' },
  { name: 'a name of Object.prototype', offer: '__proto__, constructor' },
  { name: 'a client that keeps its window and knows of no limit', offer: 'permessage-deflate', wish: { clientMaxWindowBits: 14 } },
  { name: 'the same, though the server does not keep its own', offer: 'permessage-deflate; server_no_context_takeover; server_max_window_bits=8', wish: { clientMaxWindowBits: 8, serverNoContextTakeover: true } }
]
for (const { name, offer, wish } of declined) {
  t.test(`§5.1 declined: ${name}`, async t => {
    t.equal(answer(offer, wish), undefined)
  })
}

const FLAGS = ['server_no_context_takeover', 'client_no_context_takeover']
const WINDOWS = ['server_max_window_bits', 'client_max_window_bits']
/** As it would stand behind a parameter's name; what is read of it, if that is anything, is the second. */
const GOOD_BITS: ReadonlyArray<[text: string, value: string]> = [
  ...['8', '9', '10', '11', '12', '13', '14', '15'].flatMap((bits): Array<[string, string]> => [[`=${bits}`, bits], [`="${bits}"`, bits]]),
  ['="1\\0"', '10'], ['="\\9"', '9'], [' = 12', '12']
]
/** What is no number from 8 to 15 as it must be written. */
const BAD_TOKENS = [
  '7', '16', '0', '1', '-8', '+9', '08', '008', '010', '015', '9.0', '9.', '.9', '1e1', '0x9', '0b1000', '0o10', '1_0', '8n', '80', '115', '155', '18', '151',
  'true', 'false', 'none', '*', 'NaN', 'Infinity', '__proto__', 'toString', '9007199254740993', '1'.repeat(400), '88'
]
/** The same, and no token: only between quotes these stay one value, and break the grammar of the field. */
const BAD_TEXTS = ['', ' 9', '9 ', '9\n', '\t9', '8,9', '8;9', '"9"', '\u0669', '\u00b9\u2070', '\uff19']
const BAD_VALUES = [...BAD_TOKENS, ...BAD_TEXTS]
const UNKNOWN = [
  'server_max_window_bit', 'server_max_window_bitss', 'Server_Max_Window_Bits', 'SERVER_NO_CONTEXT_TAKEOVER', 'client-max-window-bits', 'no_context_takeover',
  'x', 'mux', '__proto__', 'constructor', 'toString', 'permessage-deflate'
]

/** Each parameter, or two, with whether an offer may have it so, and an answer. */
interface Case {
  readonly params: readonly ExtensionParam[]
  /** As it is written, in front of it the name of the extension. */
  readonly text: string
  readonly offer: boolean
  readonly answer: boolean
}
const cases: Case[] = []
const add = (name: string, value: string | undefined, text: string, may: { offer: boolean, answer: boolean }): void => {
  cases.push({ params: [value === undefined ? { name } : { name, value }], text: name + text, ...may })
}
const NOWHERE = { offer: false, answer: false }
const EVERYWHERE = { offer: true, answer: true }
for (const name of [...FLAGS, ...WINDOWS]) {
  const isWindow = WINDOWS.includes(name)
  add(name, undefined, '', isWindow ? { offer: name === 'client_max_window_bits', answer: false } : EVERYWHERE)
  for (const [text, value] of GOOD_BITS) add(name, value, text, isWindow ? EVERYWHERE : NOWHERE)
  for (const value of BAD_TOKENS) add(name, value, `=${value}`, NOWHERE)
  for (const value of BAD_VALUES) add(name, value, `="${value.replaceAll('"', '\\"')}"`, NOWHERE)
  for (const [first, second] of isWindow ? [['=9', '=9'], ['=9', '=10'], ['="9"', '=9'], ['', '=9'], ['=9', '']] : [['', '']]) {
    const text = `${name}${first}; ${name}${second}`
    cases.push({ params: parseExtensions(`x; ${text}`)[0]?.params ?? [], text, ...NOWHERE })
  }
}
for (const name of UNKNOWN) {
  for (const [text, value] of [['', undefined], ['=9', '9'], ['=true', 'true'], ['=""', '']] as const) add(name, value, text, NOWHERE)
}

const NEXT = 'permessage-deflate; server_max_window_bits=13; client_no_context_takeover'
const NEXT_ANSWER = 'permessage-deflate; client_no_context_takeover; server_max_window_bits=13'

for (const parameter of new Set(cases.map(({ params }) => params[0]?.name))) {
  const rows = cases.filter(({ params }) => params[0]?.name === parameter)

  t.test(`§7.1 T22 offered: ${parameter}`, async t => {
    const isNext = (answered: string | undefined): boolean => answered === NEXT_ANSWER
    for (const { params, text, offer } of rows) {
      const name = `${offer ? 'accepted' : 'declined'}: ${JSON.stringify(text.slice(0, 60))}`
      t.equal(isNext(answer(`permessage-deflate; ${text}, ${NEXT}`)?.text), !offer, name)
      t.equal(isNext(answer(`permessage-deflate; ${text}, foo,permessage-deflate; ${text},${NEXT}`)?.text), !offer, `${name}, twice`)
      // As parameters too, which the grammar of the field cannot have left out.
      const own: ExtensionOffer = { name: EXTENSION_NAME, params }
      const direct = acceptDeflate([own, ...parseExtensions(NEXT)], NONE)
      t.equal(isNext(direct && formatExtensions([direct.extension])), !offer, `${name}, as parameters`)
      t.equal(acceptDeflate([own], NONE) === undefined, !offer, `${name}, alone`)
      const others = [...FLAGS.map(name => ({ name })), ...WINDOWS.map(name => ({ name, value: '9' }))].filter(({ name }) => name !== parameter)
      t.equal(acceptDeflate([{ name: EXTENSION_NAME, params: [...others, ...params] }], NONE) === undefined, !offer, `${name}, behind all others`)
    }
  })

  t.test(`§7.1 T22 answered: ${parameter}`, async t => {
    for (const { params, text, answer } of rows) {
      const name = `${answer ? 'taken' : 'refused'}: ${JSON.stringify(text.slice(0, 60))}`
      const act = (): unknown => readDeflateAnswer([{ name: EXTENSION_NAME, params }], NONE)
      if (answer) t.doesNotThrow(act, name)
      else t.throws(act, REFUSAL, name)
    }
  })
}

/** What a client makes of an answer; without `params` it refuses. */
const judged: ReadonlyArray<{ name: string, wish?: Partial<DeflateWish>, answer: string, params?: Partial<DeflateParams> }> = [
  { name: '§7.1 nothing wished, nothing answered', answer: 'permessage-deflate', params: {} },
  { name: '§7.1 nothing wished, everything answered',
    answer: 'permessage-deflate; client_max_window_bits=9; server_max_window_bits="10"; client_no_context_takeover; server_no_context_takeover',
    params: { serverNoContextTakeover: true, clientNoContextTakeover: true, serverMaxWindowBits: 10, clientMaxWindowBits: 9 } },
  { name: '§7.1.1.1 wished and answered', wish: { serverNoContextTakeover: true }, answer: 'permessage-deflate; server_no_context_takeover', params: { serverNoContextTakeover: true } },
  { name: '§7.1.1.1 wished and not answered', wish: { serverNoContextTakeover: true }, answer: 'permessage-deflate; client_no_context_takeover' },
  { name: '§7.1.1.2 wished and answered', wish: { clientNoContextTakeover: true }, answer: 'permessage-deflate; client_no_context_takeover', params: { clientNoContextTakeover: true } },
  { name: '§7.1.1.2 wished and not answered: the client keeps to it', wish: { clientNoContextTakeover: true }, answer: 'permessage-deflate', params: { clientNoContextTakeover: true } },
  { name: '§7.1.2.1 as wished', wish: { serverMaxWindowBits: 10 }, answer: 'permessage-deflate; server_max_window_bits=10', params: { serverMaxWindowBits: 10 } },
  { name: '§7.1.2.1 less than wished', wish: { serverMaxWindowBits: 10 }, answer: 'permessage-deflate; server_max_window_bits=8', params: { serverMaxWindowBits: 8 } },
  { name: '§7.1.2.1 more than wished', wish: { serverMaxWindowBits: 10 }, answer: 'permessage-deflate; server_max_window_bits=11' },
  { name: '§7.1.2.1 wished and not answered', wish: { serverMaxWindowBits: 14 }, answer: 'permessage-deflate' },
  { name: '§7.1.2.2 as the client said', wish: { clientMaxWindowBits: 10 }, answer: 'permessage-deflate; client_max_window_bits=10', params: { clientMaxWindowBits: 10 } },
  { name: '§7.1.2.2 less than the client said', wish: { clientMaxWindowBits: 10 }, answer: 'permessage-deflate; client_max_window_bits=8', params: { clientMaxWindowBits: 8 } },
  { name: '§7.1.2.2 more than the client said', wish: { clientMaxWindowBits: 10 }, answer: 'permessage-deflate; client_max_window_bits=11' },
  { name: '§7.1.2.2 said and not answered: the client keeps to it', wish: { clientMaxWindowBits: 10 }, answer: 'permessage-deflate', params: { clientMaxWindowBits: 10 } },
  { name: '§5.1 answered twice', answer: 'permessage-deflate, permessage-deflate' },
  { name: '§5.1 answered twice, with another one between', answer: 'permessage-deflate, foo, permessage-deflate; server_no_context_takeover' },
  { name: '§5.1 another extension beside it', answer: 'foo; server_max_window_bits=99, permessage-deflate; server_max_window_bits=9, bar', params: { serverMaxWindowBits: 9 } }
]
for (const { name, wish, answer, params } of judged) {
  t.test(`${name}: ${params === undefined ? 'refused' : 'taken'}`, async t => {
    if (params === undefined) t.throws(() => read(answer, wish), REFUSAL)
    else t.strictSame(read(answer, wish), { ...NONE, ...params })
  })
}

t.test('§5.1 an answer without it', async t => {
  const wish: DeflateWish = { serverNoContextTakeover: true, clientNoContextTakeover: true, serverMaxWindowBits: 8, clientMaxWindowBits: 8 }
  t.equal(readDeflateAnswer([], wish), undefined)
  t.equal(read('foo, Permessage-Deflate; x', wish), undefined)
})

t.test('§7.1 what a client offers', async t => {
  const rows: ReadonlyArray<[wish: Partial<DeflateWish>, text: string]> = [
    [{}, 'permessage-deflate; client_max_window_bits'],
    [{ clientMaxWindowBits: 14 }, 'permessage-deflate; client_max_window_bits=14'],
    [{ serverMaxWindowBits: 8 }, 'permessage-deflate; server_max_window_bits=8; client_max_window_bits'],
    [{ serverNoContextTakeover: true }, 'permessage-deflate; server_no_context_takeover; client_max_window_bits'],
    [{ clientNoContextTakeover: true }, 'permessage-deflate; client_no_context_takeover; client_max_window_bits'],
    [
      { serverNoContextTakeover: true, clientNoContextTakeover: true, serverMaxWindowBits: 9, clientMaxWindowBits: 10 },
      'permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=9; client_max_window_bits=10'
    ]
  ]
  for (const [wish, text] of rows) t.equal(formatExtensions([offerDeflate({ ...NONE, ...wish })]), text)
})

t.test('§7.1 T22 a thousand bad offers, or parameters, are each looked at a few times', async t => {
  const bad: ExtensionParam[] = [{ name: 'client_max_window_bits', value: '16' }]
  const repeated: ExtensionParam = { name: 'server_no_context_takeover' }
  let looks = 0
  const watched = <T extends object>(target: T): T => new Proxy(target, { get (of, key) { looks++; return Reflect.get(of, key) as unknown } })
  const count = (offers: readonly ExtensionOffer[]): number => {
    looks = 0
    t.match(acceptDeflate([...offers, ...parseExtensions(NEXT)], NONE), { params: { serverMaxWindowBits: 13 } })
    return looks
  }
  const offers = (length: number): ExtensionOffer[] => Array.from({ length }, () => watched({ name: EXTENSION_NAME, params: bad }))
  const params = (length: number): ExtensionOffer[] => [{ name: EXTENSION_NAME, params: Array.from({ length }, () => watched(repeated)) }]
  for (const make of [offers, params]) {
    t.equal(count(make(1000)), 10 * count(make(100)))
    t.ok(count(make(1000)) <= 10_000, `${count(make(1000))} looks`)
  }
})

t.test('the way through a handshake: offer, request, answer, agreement', async t => {
  const wish: DeflateWish = { ...NONE, serverMaxWindowBits: 12, clientNoContextTakeover: true }
  const extensions = [{ name: 'foo', params: [] }, offerDeflate(wish)]
  const lines = buildRequest({ path: '/', host: 'a', key: KEY, extensions }).split('\r\n')
  const field = lines.find(line => line.startsWith('Sec-WebSocket-Extensions: '))?.slice('Sec-WebSocket-Extensions: '.length) ?? ''
  const handshake = judgeRequest({ method: 'GET', httpVersion: '1.1', rawHeaders: [...GOOD_REQUEST, 'Sec-WebSocket-Extensions', field] })

  const agreement = acceptDeflate(handshake.extensions, { ...NONE, serverNoContextTakeover: true, clientMaxWindowBits: 11 })
  if (agreement === undefined) return t.fail('declined')
  const headers = buildResponseHeaders(handshake, { extensions: formatExtensions([agreement.extension]) })
  const want = 'permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=12; client_max_window_bits=11'
  t.equal(headers['sec-websocket-extensions'], want)

  const { extensions: agreed } = judgeResponse({ statusCode: 101, rawHeaders: Object.entries(headers).flat() }, { key: KEY, extensions })
  t.strictSame(readDeflateAnswer(agreed, wish), agreement.params)
  t.strictSame(agreement.params, { serverNoContextTakeover: true, clientNoContextTakeover: true, serverMaxWindowBits: 12, clientMaxWindowBits: 11 })
  t.throws(() => judgeResponse({ statusCode: 101, rawHeaders: [...GOOD_ANSWER, 'Sec-WebSocket-Extensions', want] }, { key: KEY }), REFUSAL, 'to a client that did not offer it')
})

const bits = fc.integer({ min: 8, max: 15 })
const anyWish: fc.Arbitrary<DeflateWish> = fc.record({
  serverNoContextTakeover: fc.boolean(), clientNoContextTakeover: fc.boolean(), serverMaxWindowBits: bits, clientMaxWindowBits: bits
})
const anyName = fc.oneof({ arbitrary: fc.constantFrom(...FLAGS, ...WINDOWS), weight: 8 }, fc.constantFrom(...UNKNOWN), fc.string())
const anyValue = fc.oneof(bits.map(String), fc.constantFrom(...BAD_VALUES), fc.string())
const anyParam: fc.Arbitrary<ExtensionParam> = fc.oneof(
  anyName.map(name => ({ name })),
  fc.tuple(anyName, anyValue).map(([name, value]) => ({ name, value })),
  fc.tuple(anyName, anyValue).map(([name, value]) => ({ name, value, quoted: true as const }))
)
const anyOffer: fc.Arbitrary<ExtensionOffer> = fc.record({
  name: fc.oneof({ arbitrary: fc.constant(EXTENSION_NAME), weight: 4 }, fc.string()), params: fc.array(anyParam, { maxLength: 5 })
})
const anyOffers = fc.array(anyOffer, { maxLength: 6 })
const check = <T>(property: fc.IProperty<T>): void => {
  countCases(PARAMETERS.numRuns)
  fc.assert(property, PARAMETERS)
}

t.test('§7.1 both ends take the same to be agreed, and each gets its wish', async () => {
  check(fc.property(anyWish, anyWish, (client, server) => {
    const agreement = acceptDeflate(parseExtensions(formatExtensions([offerDeflate(client)])), server)
    if (agreement === undefined) return false // this package's own offers leave nothing to be desired
    const { params, extension } = agreement
    const agreed = parseAgreedExtensions(formatExtensions([extension])) ?? []
    return isDeepStrictEqual(readDeflateAnswer(agreed, client), params) && keeps(params, client) && keeps(params, server)
  }))
})

/** Tells whether an end gets what it wished for. */
function keeps (params: DeflateParams, wish: DeflateWish): boolean {
  return params.serverNoContextTakeover >= wish.serverNoContextTakeover && params.clientNoContextTakeover >= wish.clientNoContextTakeover &&
    params.serverMaxWindowBits <= wish.serverMaxWindowBits && params.clientMaxWindowBits <= wish.clientMaxWindowBits
}

/** Slow and plain: all that may be written in an offer. */
const LEGAL = new Set([...FLAGS, 'client_max_window_bits', ...WINDOWS.flatMap(name => Array.from({ length: 8 }, (_, n) => `${name}=${n + 8}`))])

/** Tells whether an offer is to be accepted. */
function isAcceptable ({ name, params }: ExtensionOffer, wish: DeflateWish): boolean {
  const names = params.map(param => param.name)
  const isLegal = params.every(({ name, value }) => LEGAL.has(value === undefined ? name : `${name}=${value}`))
  const mayKeep = wish.clientMaxWindowBits === 15 || wish.clientNoContextTakeover || names.includes('client_no_context_takeover') || names.includes('client_max_window_bits')
  return name === EXTENSION_NAME && isLegal && new Set(names).size === names.length && mayKeep
}

t.test('§7.1 T22 any offers: the first that is acceptable is accepted, and the answer says what is agreed', async () => {
  check(fc.property(anyOffers, anyWish, (offers, wish) => {
    const agreement = acceptDeflate(offers, wish)
    const accepted = offers.find(offer => isAcceptable(offer, wish))
    if (agreement === undefined || accepted === undefined) return agreement === accepted
    const { params, extension } = agreement
    const mayLimitClient = accepted.params.some(({ name }) => name === 'client_max_window_bits')
    return isDeepStrictEqual(acceptDeflate([accepted], wish), agreement) && isDeepStrictEqual(readDeflateAnswer([extension], NONE), params) &&
      (mayLimitClient ? keeps(params, wish) : !extension.params.some(({ name }) => name === 'client_max_window_bits'))
  }))
})

t.test('§7.1 T22 any answer: an agreement, none, or a refusal', async () => {
  check(fc.property(anyOffers, anyWish, (agreed, wish) => {
    const result = judge(() => readDeflateAnswer(agreed, wish))
    if (result instanceof HandshakeError) return result.code === REFUSAL.code
    return result === undefined || keeps(result, wish)
  }))
})
