import type { FastifyRequest } from 'fastify'
import t from 'tap'
import { bearerToken, withoutToken } from '../../lib/plugin/bearer.ts'

const AUTHORIZATION = 'Authorization'
const OFFER = 'Sec-WebSocket-Protocol'

/** A request as Node has it: of Authorization the first line only, of the other all, joined. */
function makeRequest (fields: ReadonlyArray<readonly [name: string, value: string]>): Pick<FastifyRequest, 'headers' | 'raw'> {
  const values = (name: string): string[] => fields.filter(([given]) => given.toLowerCase() === name.toLowerCase()).map(([, value]) => value)
  const [authorization] = values(AUTHORIZATION)
  const offers = values(OFFER)
  const headers = { ...(authorization !== undefined && { authorization }), ...(offers.length > 0 && { 'sec-websocket-protocol': offers.join(', ') }) }
  return { headers, raw: { rawHeaders: fields.flat() } as unknown as FastifyRequest['raw'] }
}

const JWT = 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln-natu_re~'

const ROWS: ReadonlyArray<[fields: ReadonlyArray<readonly [name: string, value: string]>, token: string | undefined]> = [
  [[], undefined],
  // Authorization
  [[[AUTHORIZATION, `Bearer ${JWT}`]], JWT],
  [[['aUTHORIZATION', 'bEARER   abc=']], 'abc='],
  [[[AUTHORIZATION, 'Bearer a+b/c==']], 'a+b/c=='],
  [[[AUTHORIZATION, 'Bearer']], undefined],
  [[[AUTHORIZATION, 'Bearer ']], undefined],
  [[[AUTHORIZATION, 'Bearer a b']], undefined],
  [[[AUTHORIZATION, 'Bearer a, Bearer b']], undefined],
  [[[AUTHORIZATION, 'Bearer Bearer a']], undefined],
  [[[AUTHORIZATION, 'Bearer a=b']], undefined],
  [[[AUTHORIZATION, 'Bearer "abc"']], undefined],
  [[[AUTHORIZATION, 'Bearer \u00e4']], undefined],
  [[[AUTHORIZATION, 'Bearerabc']], undefined],
  [[[AUTHORIZATION, 'BearerToken abc']], undefined],
  [[[AUTHORIZATION, JWT]], undefined],
  [[[AUTHORIZATION, 'Basic YTpi']], undefined],
  [[[AUTHORIZATION, '']], undefined],
  [[[AUTHORIZATION, `Bearer ${'='.repeat(8_000)}x`]], undefined],
  [[[AUTHORIZATION, 'Bearer a'], ['authorization', 'Bearer a']], undefined],
  [[[AUTHORIZATION, 'Bearer a'], ['authorization', 'Basic YTpi']], undefined],
  // subprotocols
  [[[OFFER, `bearer, ${JWT}`]], JWT],
  [[[OFFER, `chat.v1, bearer, ${JWT}, chat.v2`]], JWT],
  [[[OFFER, `Bearer,${JWT}`]], JWT],
  [[[OFFER, 'bearer'], [OFFER, JWT]], JWT],
  [[[OFFER, 'bearer']], undefined],
  [[[OFFER, 'chat, bearer']], undefined],
  [[[OFFER, JWT]], undefined],
  [[[OFFER, `xbearer, ${JWT}`]], undefined],
  [[[OFFER, 'bearer, a, bearer, b']], undefined],
  [[[OFFER, 'bearer, a, Bearer, b']], undefined],
  [[[OFFER, 'bearer, Bearer, a']], undefined],
  [[[OFFER, 'bearer, a!b']], undefined],
  [[[OFFER, 'bearer, a b']], undefined],
  [[[OFFER, 'bearer, a, x y']], undefined],
  [[[OFFER, 'bearer, a, b, b']], undefined],
  [[[OFFER, 'bearer, "a"']], undefined],
  [[[OFFER, '']], undefined],
  [[[OFFER, 'bearer, , a']], 'a'],
  // both
  [[[AUTHORIZATION, 'Bearer a'], [OFFER, 'bearer, b']], 'a'],
  [[[AUTHORIZATION, 'Bearer a'], [OFFER, 'bearer, a']], 'a'],
  [[[AUTHORIZATION, 'Bearer ?'], [OFFER, 'bearer, b']], undefined],
  [[[AUTHORIZATION, 'Bearer'], [OFFER, 'bearer, b']], undefined],
  [[[AUTHORIZATION, 'Basic YTpi'], [OFFER, 'bearer, b']], 'b']
]

for (const [fields, token] of ROWS) {
  t.test(`T41 ${fields.map(([name, value]) => `${name}: ${value.slice(0, 60)}`).join(' | ')}`, async (t) => {
    t.equal(bearerToken(makeRequest(fields)), token)
  })
}

const OFFERS: ReadonlyArray<[offered: readonly string[], left: readonly string[]]> = [
  [[], []],
  [['a', 'b'], ['a', 'b']],
  [['bearer', 'secret'], ['bearer']],
  [['a', 'bearer', 'secret', 'b'], ['a', 'bearer', 'b']],
  [['a', 'Bearer', 'secret'], ['a', 'Bearer']],
  [['a', 'bearer'], ['a', 'bearer']],
  [['bearer', 'Bearer', 'secret'], ['bearer', 'Bearer']],
  [['bearer', 's1', 'BEARER', 's2', 's3'], ['bearer', 'BEARER', 's3']]
]
for (const [offered, left] of OFFERS) {
  t.test(`T41 ${offered.join(', ')} without the token`, async (t) => {
    t.strictSame(withoutToken(Object.freeze([...offered])), left)
  })
}
