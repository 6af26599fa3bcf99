import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t from 'tap'
import { shareStrings } from '../../lib/plugin/shared-strings.ts'

const PLAIN = ['Host', '127.0.0.1', 'Connection', 'Upgrade', 'Upgrade', 'websocket', 'Sec-WebSocket-Version', '13', 'Sec-WebSocket-Key', 'dGhlIHNhbXBsZSBub25jZQ==']
const ODD = ['hOST', 'a', 'X-Own', 'websocket', 'Cookie', 'a=b', 'cookie', 'c=d', 'Upgrade', 'websocket', 'upgrade', 'h2c', '__proto__', 'x']

/** Makes strings that nobody else has, as Node's parser does. */
function fresh (texts: readonly string[]): string[] {
  return texts.map(text => Buffer.from(text).toString('latin1'))
}

function makeRequest (texts: readonly string[], prepare: (request: IncomingMessage) => void = () => {}): IncomingMessage {
  const request = new IncomingMessage(new Socket())
  request.rawHeaders = fresh(texts)
  request.httpVersion = fresh(['1.1'])[0]!
  prepare(request)
  // As Node does when they are first asked for.
  for (let at = 0; at < texts.length; at += 2) request.headers[texts[at]!.toLowerCase()] ??= request.rawHeaders[at + 1]
  return request
}

for (const [name, texts] of [['a plain request', PLAIN], ['an odd one', ODD]] as const) {
  t.test(`${name} says what it said`, async (t) => {
    const { headers } = makeRequest(texts)
    const request = makeRequest(texts, shareStrings)
    t.same(request.rawHeaders, texts)
    t.same(request.headers, headers)
    t.same(Object.keys(request.headers), Object.keys(headers))
    t.equal(request.httpVersion, '1.1')
  })
}

t.test('nothing that is frozen is written to', async (t) => {
  const request = makeRequest(PLAIN)
  Object.freeze(request.rawHeaders)
  t.doesNotThrow(() => shareStrings(request))
  t.same(request.rawHeaders, PLAIN)
})

t.test('a request weighs less', async (t) => {
  setFlagsFromString('--expose-gc')
  const gc = runInNewContext('gc') as () => void
  const weigh = (prepare: (request: IncomingMessage) => void): number => {
    const kept: IncomingMessage[] = []
    gc()
    const before = process.memoryUsage().heapUsed
    for (let n = 0; n < 5_000; n++) {
      kept.push(makeRequest(PLAIN, prepare))
    }
    gc()
    return (process.memoryUsage().heapUsed - before) / kept.length
  }
  const saved = weigh(() => {}) - weigh(shareStrings)
  t.ok(saved > 200, `${Math.round(saved)} bytes`)
})
