import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import t from 'tap'
import { UpgradeResponse } from '../../lib/plugin/upgrade-response.ts'

/** What is on the wire for a call of writeHead, in lines without the date. */
function lines (writeHead: (response: UpgradeResponse) => unknown): string[] {
  const request = new IncomingMessage(new Socket())
  Object.assign(request, { method: 'GET', httpVersionMajor: 1, httpVersionMinor: 1 })
  let wire = ''
  const socket = new Duplex({ read () {}, write (chunk: Buffer, _encoding, callback) { wire += chunk.toString('latin1'); callback() } })
  const response = new UpgradeResponse(request)
  response.assignSocket(socket as Socket) // nothing of a network is asked of it
  writeHead(response)
  response.end()
  return wire.split('\r\n\r\n')[0]!.split('\r\n').filter((line) => !line.startsWith('Date:'))
}

const AGREEMENT = { upgrade: 'websocket', connection: 'Upgrade', 'sec-websocket-accept': 'a', 'sec-websocket-protocol': 'p', 'sec-websocket-extensions': 'e' }

const rows: ReadonlyArray<[name: string, writeHead: (response: UpgradeResponse) => unknown, want: string[]]> = [
  ['a 101 that was agreed on', (response) => {
    response.agree(AGREEMENT)
    return response.writeHead(101, AGREEMENT)
  }, [
    'HTTP/1.1 101 Switching Protocols', 'upgrade: websocket', 'connection: Upgrade', 'sec-websocket-accept: a', 'sec-websocket-protocol: p', 'sec-websocket-extensions: e'
  ]],
  ['a 101 that nobody has agreed on', (response) => response.writeHead(101, AGREEMENT), ['HTTP/1.1 500 Internal Server Error', 'connection: close', 'Transfer-Encoding: chunked']],
  ['with a reason', (response) => response.writeHead(101, 'Fine', { 'x-a': '1', upgrade: 'websocket' }), ['HTTP/1.1 500 Internal Server Error', 'connection: close', 'x-a: 1', 'Transfer-Encoding: chunked']],
  ['with nothing else', (response) => response.writeHead(101), ['HTTP/1.1 500 Internal Server Error', 'connection: close', 'Transfer-Encoding: chunked']],
  ['with a list of headers', (response) => response.writeHead(101, ['upgrade', 'websocket']), ['HTTP/1.1 500 Internal Server Error', 'connection: close', 'Transfer-Encoding: chunked']],
  ['with a header that was set', (response) => {
    response.setHeader('Upgrade', 'websocket')
    return response.writeHead(101)
  }, ['HTTP/1.1 500 Internal Server Error', 'connection: close', 'Transfer-Encoding: chunked']],
  ['another status that is no answer, agreement or not', (response) => {
    response.agree(AGREEMENT)
    return response.writeHead(103, { link: '<a>' })
  }, ['HTTP/1.1 500 Internal Server Error', 'connection: close', 'link: <a>', 'Transfer-Encoding: chunked']],
  ['a 101 says what was agreed on, whatever hooks have made of it', (response) => {
    response.agree({ upgrade: 'websocket', connection: 'Upgrade', 'sec-websocket-accept': 'a' })
    response.setHeader('Sec-WebSocket-Extensions', 'x')
    response.setHeader('X-Raw', '1')
    return response.writeHead(101, {
      Connection: 'keep-alive', upgrade: 'h2c', 'sec-websocket-accept': 'z', 'Sec-WebSocket-Protocol': 'p', 'content-length': '5', 'transfer-encoding': 'chunked', 'x-a': '1'
    })
  }, ['HTTP/1.1 101 Switching Protocols', 'X-Raw: 1', 'x-a: 1', 'upgrade: websocket', 'connection: Upgrade', 'sec-websocket-accept: a']],
  ['a 101 without headers of its own', (response) => {
    response.agree({ upgrade: 'websocket', connection: 'Upgrade', 'sec-websocket-accept': 'a' })
    return response.writeHead(101)
  }, ['HTTP/1.1 101 Switching Protocols', 'upgrade: websocket', 'connection: Upgrade', 'sec-websocket-accept: a']],
  ['a refusal after an agreement', (response) => {
    response.agree(AGREEMENT)
    return response.writeHead(500, { ...AGREEMENT, 'content-length': '0' })
  }, ['HTTP/1.1 500 Internal Server Error', 'connection: close', 'content-length: 0']],
  ['a refusal closes', (response) => response.writeHead(401, { 'X-A': '1', 'content-length': '0' }), ['HTTP/1.1 401 Unauthorized', 'x-a: 1', 'content-length: 0', 'connection: close']],
  ['whatever the application says', (response) => response.writeHead(401, { Connection: 'keep-alive', 'content-length': '0' }), ['HTTP/1.1 401 Unauthorized', 'connection: close', 'content-length: 0']],
  ['with a reason', (response) => response.writeHead(401, 'Nope', { 'content-length': '0' }), ['HTTP/1.1 401 Nope', 'content-length: 0', 'connection: close']],
  ['a refusal takes the agreement back', (response) => response.writeHead(500, { ...AGREEMENT, 'content-length': '0' }), ['HTTP/1.1 500 Internal Server Error', 'connection: close', 'content-length: 0']],
  ['a 426 names the protocol', (response) => response.writeHead(426, { upgrade: 'websocket', 'sec-websocket-version': '13', 'content-length': '0' }), [
    'HTTP/1.1 426 Upgrade Required', 'upgrade: websocket', 'sec-websocket-version: 13', 'content-length: 0', 'connection: close, Upgrade'
  ]],
  ['without a call', () => {}, ['HTTP/1.1 200 OK', 'connection: close', 'Content-Length: 0']]
]

for (const [name, writeHead, want] of rows) {
  t.test(name, async (t) => { t.same(lines(writeHead).toSorted(), want.toSorted()) })
}

t.test('a list of headers goes to Node as it is', async (t) => {
  t.same(lines((response) => response.writeHead(401, ['x-a', '1', 'content-length', '0'])), ['HTTP/1.1 401 Unauthorized', 'x-a: 1', 'content-length: 0', 'Connection: close'])
})

t.test('a sealed answer takes nothing from others, and is given once', async (t) => {
  const request = new IncomingMessage(new Socket())
  Object.assign(request, { method: 'GET', httpVersionMajor: 1, httpVersionMinor: 1 })
  let wire = ''
  const socket = new Duplex({ read () {}, write (chunk: Buffer, _encoding, callback) { wire += chunk.toString('latin1'); callback() } })
  const response = new UpgradeResponse(request)
  response.assignSocket(socket as Socket) // as above
  response.on('error', (error) => t.fail(error.message))
  const meddle = (): void => {
    response.setHeader('content-encoding', 'gzip')
    response.writeHead(200, { 'content-length': '4' })
    t.equal(response.write('late'), true)
    response.end('late')
  }
  response.setHeader('content-encoding', 'gzip')
  t.equal(response.writableEnded, false)
  response.seal()
  t.equal(response.writableEnded, true)
  meddle()
  t.equal(response.headersSent, false)
  response.finishWith(503, { 'content-length': 2 }, 'no')
  meddle()
  await new Promise((resolve) => setImmediate(resolve))
  t.equal(response.statusCode, 503)
  t.match(wire, /^HTTP\/1\.1 503 Service Unavailable\r\ncontent-length: 2\r\nconnection: close\r\n(?:Date: [^\r]*\r\n)?\r\nno$/)
})
