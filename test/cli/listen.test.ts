// `ftws listen`, with the `ws` package and this package's own client.
import { once } from 'node:events'
import t from 'tap'
import type { Test } from 'tap'
import { WebSocket } from 'ws'
import { readRequest } from '../../lib/cli/arguments.ts'
import { listenCommand } from '../../lib/cli/listen.ts'
import { until } from '../helpers/app.ts'
import { pipeStreams } from '../helpers/cli.ts'
import type { FakeStreams } from '../helpers/cli.ts'

interface Listening extends FakeStreams {
  readonly url: string
  readonly code: Promise<number>
  readonly ending: AbortController
}

function start (...argv: string[]): Omit<Listening, 'url'> {
  const request = readRequest(['listen', ...argv])
  if (request.kind !== 'run') throw new Error(request.kind)
  const streams = pipeStreams('')
  const ending = new AbortController()
  return { ...streams, ending, code: listenCommand(request.args, streams, ending.signal) }
}

async function listen (t: Test, ...argv: string[]): Promise<Listening> {
  const listening = start(...argv, '0')
  t.teardown(async () => {
    listening.ending.abort()
    await listening.code
  })
  const [, url = ''] = await listening.stderr.until(/listening on (ws:\S+);/)
  return { ...listening, url }
}

async function open (url: string, protocols: string[] = [], perMessageDeflate = false): Promise<WebSocket> {
  const socket = new WebSocket(url, protocols, { perMessageDeflate: perMessageDeflate ? { threshold: 0 } : false })
  await once(socket, 'open')
  return socket
}

t.test('echo of text and bytes, and the end', async (t) => {
  const { url, stdout, stderr, ending, code } = await listen(t)
  const socket = await open(`${url}/a?b`)
  socket.send('hello')
  t.equal(String((await once(socket, 'message'))[0]), 'hello')
  socket.send(Buffer.from('bytes'))
  t.strictSame(await once(socket, 'message'), [Buffer.from('bytes'), true])
  ending.abort()
  t.equal((await once(socket, 'close'))[0], 1001)
  t.equal(await code, 0)
  t.equal(stdout.text, 'hello\nYnl0ZXM=\n')
  t.match(stderr.text, /#1 connected: \/a\?b\n.*#1 closed: 1001/)
})

t.test('log alone', async (t) => {
  const { url, stdout } = await listen(t, '--log')
  const socket = await open(url)
  socket.on('message', () => t.fail('an echo'))
  socket.send('hello')
  await stdout.until(/hello/)
  socket.close()
  await once(socket, 'close')
})

t.test('a subprotocol, compression, quiet', async (t) => {
  const { url, stdout } = await listen(t, '-q', '-s', 'v2', '--compress')
  const socket = await open(url, ['v1', 'v2'], true)
  t.equal(socket.protocol, 'v2')
  t.match(socket.extensions, /permessage-deflate/)
  const text = 'compress me '.repeat(500)
  socket.send(text)
  t.equal(String((await once(socket, 'message'))[0]), text)
  t.equal(stdout.text, '')
  socket.terminate()
})

t.test('nobody reads what is printed', async (t) => {
  const { url, stdout, code } = await listen(t)
  const socket = await open(url)
  socket.send('hello')
  await stdout.until(/hello/)
  stdout.destroy(new Error('EPIPE'))
  t.equal((await once(socket, 'close'))[0], 1001)
  t.equal(await code, 0)
})

t.test('a reader that is slow holds the clients back', async (t) => {
  const { url, stdout } = await listen(t, '--log')
  stdout.pause()
  const socket = await open(url)
  for (let count = 0; count < 20_000; count++) socket.send('x'.repeat(999))
  await until(() => stdout.writableNeedDrain)
  for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve))
  t.ok(stdout.writableLength < 1_000_000, `${stdout.writableLength} bytes wait, not all`)
  t.ok(socket.bufferedAmount > 0)
  stdout.resume()
  await until(() => stdout.text.length === 20_000_000)
  t.equal(socket.bufferedAmount, 0)
})

t.test('what is no handshake', async (t) => {
  const { url, stderr } = await listen(t)
  t.equal((await fetch(url.replace('ws:', 'http:'))).status, 426)
  const socket = new WebSocket(url, { protocolVersion: 8 })
  const [, response] = await once(socket, 'unexpected-response') as [unknown, { statusCode: number, headers: Record<string, string> }]
  t.match(response, { statusCode: 426, headers: { 'sec-websocket-version': '13' } })
  socket.on('error', () => {})
  socket.terminate()
  await stderr.until(/#1 /)
})

t.test('ports', async (t) => {
  for (const port of ['x', '-1', '65536', '1.5']) await t.rejects(start('--', port).code, { name: 'UsageFault' }, port)
  const { url } = await listen(t)
  await t.rejects(start(new URL(url).port).code, { name: 'Failure', message: /something listens on 127\.0\.0\.1:\d+ already/ })
})
