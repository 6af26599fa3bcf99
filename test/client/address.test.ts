import t from 'tap'
import { makeAddress } from '../../lib/client/address.ts'
import type { AddressParts } from '../../lib/client/address.ts'

const BASE = 'https://example.org'

const rows: Array<{ name: string, parts: AddressParts, want: string }> = [
  { name: 'https becomes wss', parts: { base: BASE, path: '/chat' }, want: 'wss://example.org/chat' },
  { name: 'http becomes ws', parts: { base: 'http://example.org:8080', path: '/chat' }, want: 'ws://example.org:8080/chat' },
  { name: 'wss stays', parts: { base: new URL('wss://example.org'), path: '/chat' }, want: 'wss://example.org/chat' },
  { name: 'the base has a path', parts: { base: `${BASE}/api/`, path: '/chat' }, want: 'wss://example.org/api/chat' },
  { name: 'the base has a query and a fragment', parts: { base: `${BASE}/?a=1#b`, path: '/chat', query: { c: 2 } }, want: 'wss://example.org/chat?a=1&c=2' },
  { name: 'a parameter', parts: { base: BASE, path: '/chat/:room', params: { room: 'a' } }, want: 'wss://example.org/chat/a' },
  { name: 'a parameter is escaped', parts: { base: BASE, path: '/chat/:room', params: { room: 'a/b ?#%ü' } }, want: 'wss://example.org/chat/a%2Fb%20%3F%23%25%C3%BC' },
  { name: 'numbers and booleans', parts: { base: BASE, path: '/:n/:b', params: { n: 0, b: false } }, want: 'wss://example.org/0/false' },
  { name: 'two in a segment', parts: { base: BASE, path: '/:from-:to', params: { from: 1, to: 2 } }, want: 'wss://example.org/1-2' },
  { name: 'with a pattern', parts: { base: BASE, path: '/:id(^\\d{1,3}(?:a|b)$)/x', params: { id: 12 } }, want: 'wss://example.org/12/x' },
  { name: 'optional, given', parts: { base: BASE, path: '/list/:page?', params: { page: 2 } }, want: 'wss://example.org/list/2' },
  { name: 'optional, left out', parts: { base: BASE, path: '/list/:page?' }, want: 'wss://example.org/list' },
  { name: 'a wildcard keeps its slashes', parts: { base: BASE, path: '/files/*', params: { '*': 'a/b c' } }, want: 'wss://example.org/files/a/b%20c' },
  { name: 'two colons are one', parts: { base: BASE, path: '/a::b' }, want: 'wss://example.org/a:b' },
  { name: 'a value is no pattern of replace', parts: { base: BASE, path: '/:a', params: { a: '$&' } }, want: 'wss://example.org/%24%26' },
  { name: 'a list in the query', parts: { base: BASE, path: '/', query: { tag: ['a', 'b'], none: undefined, n: 0 } }, want: 'wss://example.org/?tag=a&tag=b&n=0' },
  { name: 'credentials stay', parts: { base: 'wss://ann:secret@example.org', path: '/' }, want: 'wss://ann:secret@example.org/' }
]

for (const { name, parts, want } of rows) t.test(name, async (t) => { t.equal(makeAddress(parts).href, want) })

const wrong: Array<{ name: string, parts: AddressParts, message: RegExp }> = [
  { name: 'another scheme', parts: { base: 'ftp://example.org', path: '/' }, message: /baseUrl ftp:/ },
  { name: 'a missing parameter', parts: { base: BASE, path: '/:room' }, message: /params.room is undefined/ },
  { name: 'an empty parameter', parts: { base: BASE, path: '/:room', params: { room: '' } }, message: /params.room is ""/ },
  { name: 'null', parts: { base: BASE, path: '/:room', params: { room: null } }, message: /params.room is null/ },
  { name: 'an object', parts: { base: BASE, path: '/:room', params: { room: {} } }, message: /params.room is {}/ },
  { name: 'one step', parts: { base: BASE, path: '/a/:room', params: { room: '.' } }, message: /params.room is "."/ },
  { name: 'a step up', parts: { base: BASE, path: '/a/:room', params: { room: '..' } }, message: /params.room is ".."/ },
  { name: 'a step up in a wildcard', parts: { base: BASE, path: '/a/*', params: { '*': 'b/../../c' } }, message: /params.\* is/ }
]

for (const { name, parts, message } of wrong) t.test(`${name} is refused`, async (t) => { t.throws(() => makeAddress(parts), { code: 'FST_WS_CLIENT_OPTION', message }) })

t.test('what is no URL', async (t) => { t.throws(() => makeAddress({ base: 'example.org', path: '/' }), TypeError) })
