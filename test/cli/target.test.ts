// Where to connect to: URLs and header fields as they are typed.
import t from 'tap'
import { Arguments } from '../../lib/cli/arguments.ts'
import { readHeaders, readTarget, readUrl } from '../../lib/cli/target.ts'

t.test('URLs', async (t) => {
  const rows = [
    ['ws://h', 'ws://h/'], ['wss://h:1/a?b#c', 'wss://h:1/a?b'], ['http://h/a', 'ws://h/a'], ['HTTPS://h', 'wss://h/'], ['ws://u:p@h', 'ws://u:p@h/']
  ] as const
  for (const [text, want] of rows) t.equal(readUrl(text).href, want)
  for (const text of ['', 'h', 'localhost:3000', '/a', 'ftp://h', 'ws:h', 'ws://']) {
    t.throws(() => readUrl(text), { name: 'UsageFault', message: /is no URL of a WebSocket/ }, text)
  }
})

t.test('header fields', async (t) => {
  t.strictSame(readHeaders(['A: 1', 'a:2', 'B:  x: y ', 'C:']), { A: ['1', '2'], B: ['x: y'], C: [''] })
  for (const line of ['', 'A', ': 1', 'A B: 1']) t.throws(() => readHeaders([line]), /must be 'Name: value'/, line)
})

t.test('all of it', async (t) => {
  const plain = readTarget(new Arguments({}, ['wss://h/a/']))
  t.equal(plain.place, 'h:443')
  t.equal(readTarget(new Arguments({}, ['ws://ann:secret@h/a?b'])).name, 'ws://h/a?b')
  t.equal(plain.contract.url, '/', 'the slash at the end stays')
  t.strictSame(Object.keys(plain.options).filter((name) => name === 'tls' || name === 'auth'), [])
  const { options, place } = readTarget(new Arguments({ header: ['A: 1'], origin: 'http://o', subprotocol: ['v1', 'v2'], compress: true, insecure: true, auth: 'token', reconnect: true }, ['ws://h:8/a']))
  t.equal(place, 'h:8')
  t.match(options, { headers: { A: ['1'], Origin: 'http://o' }, protocols: ['v1', 'v2'], perMessageDeflate: true, tls: { rejectUnauthorized: false }, reconnect: true })
  t.equal(await options.auth?.(), 'token')
})
