import t from 'tap'
import { makeAddress } from '../../lib/client/address.ts'

const BASE = 'https://example.org'

const rows: Array<{ name: string, args: Parameters<typeof makeAddress>, want: string }> = [
  { name: 'https becomes wss', args: [BASE, '/chat'], want: 'wss://example.org/chat' },
  { name: 'http becomes ws', args: ['http://example.org:8080', '/chat'], want: 'ws://example.org:8080/chat' },
  { name: 'wss stays', args: [new URL('wss://example.org'), '/chat'], want: 'wss://example.org/chat' },
  { name: 'the base has a path', args: [`${BASE}/api/`, '/chat'], want: 'wss://example.org/api/chat' },
  { name: 'the base has a query and a fragment', args: [`${BASE}/?a=1#b`, '/chat', {}, { c: 2 }], want: 'wss://example.org/chat?a=1&c=2' },
  { name: 'a parameter', args: [BASE, '/chat/:room', { room: 'a' }], want: 'wss://example.org/chat/a' },
  { name: 'a parameter is escaped', args: [BASE, '/chat/:room', { room: 'a/b ?#%ü' }], want: 'wss://example.org/chat/a%2Fb%20%3F%23%25%C3%BC' },
  { name: 'numbers and booleans', args: [BASE, '/:n/:b', { n: 0, b: false }], want: 'wss://example.org/0/false' },
  { name: 'two in a segment', args: [BASE, '/:from-:to', { from: 1, to: 2 }], want: 'wss://example.org/1-2' },
  { name: 'with a pattern', args: [BASE, '/:id(^\\d{1,3}(?:a|b)$)/x', { id: 12 }], want: 'wss://example.org/12/x' },
  { name: 'optional, given', args: [BASE, '/list/:page?', { page: 2 }], want: 'wss://example.org/list/2' },
  { name: 'optional, left out', args: [BASE, '/list/:page?'], want: 'wss://example.org/list' },
  { name: 'a wildcard keeps its slashes', args: [BASE, '/files/*', { '*': 'a/b c' }], want: 'wss://example.org/files/a/b%20c' },
  { name: 'two colons are one', args: [BASE, '/a::b'], want: 'wss://example.org/a:b' },
  { name: 'a value is no pattern of replace', args: [BASE, '/:a', { a: '$&' }], want: 'wss://example.org/%24%26' },
  { name: 'a list in the query', args: [BASE, '/', {}, { tag: ['a', 'b'], none: undefined, n: 0 }], want: 'wss://example.org/?tag=a&tag=b&n=0' },
  { name: 'credentials stay', args: ['wss://ann:secret@example.org', '/'], want: 'wss://ann:secret@example.org/' }
]

for (const { name, args, want } of rows) t.test(name, async (t) => { t.equal(makeAddress(...args).href, want) })

const wrong: Array<{ name: string, args: Parameters<typeof makeAddress>, message: RegExp }> = [
  { name: 'another scheme', args: ['ftp://example.org', '/'], message: /baseUrl ftp:/ },
  { name: 'a missing parameter', args: [BASE, '/:room'], message: /params.room is undefined/ },
  { name: 'an empty parameter', args: [BASE, '/:room', { room: '' }], message: /params.room is ""/ },
  { name: 'null', args: [BASE, '/:room', { room: null }], message: /params.room is null/ },
  { name: 'an object', args: [BASE, '/:room', { room: {} }], message: /params.room is {}/ },
  { name: 'one step', args: [BASE, '/a/:room', { room: '.' }], message: /params.room is "."/ },
  { name: 'a step up', args: [BASE, '/a/:room', { room: '..' }], message: /params.room is ".."/ },
  { name: 'an empty step in a wildcard', args: [BASE, '/a/*', { '*': 'b//c' }], message: /params.\* is/ },
  { name: 'a step up in a wildcard', args: [BASE, '/a/*', { '*': 'b/../../c' }], message: /params.\* is/ }
]

for (const { name, args, message } of wrong) t.test(`${name} is refused`, async (t) => { t.throws(() => makeAddress(...args), { code: 'FST_WS_CLIENT_OPTION', message }) })

t.test('what is no URL', async (t) => { t.throws(() => makeAddress('example.org', '/'), TypeError) })
