// `ftws subscribe`, against the control protocol by hand and by the plugin.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import t from 'tap'
import { Type } from '@sinclair/typebox'
import { readRequest } from '../../lib/cli/arguments.ts'
import { findPlace, readPlace, subscribeCommand } from '../../lib/cli/subscribe.ts'
import type { Streams } from '../../lib/cli/streams.ts'
import { defineTopic } from '../../lib/contract.ts'
import { makeApp, until } from '../helpers/app.ts'
import { FakeOutput, pipeStreams } from '../helpers/cli.ts'
import type { FakeStreams } from '../helpers/cli.ts'
import { ControlServer } from '../helpers/control-server.ts'

interface Subscribed {
  readonly code: Promise<number>
  readonly ending: AbortController
}

function subscribe (...argv: string[]): FakeStreams & Subscribed {
  const streams = pipeStreams('')
  return { ...streams, ...run(streams, argv) }
}

function subscribeTo (stdout: PassThrough, ...argv: string[]): Subscribed {
  return run({ ...pipeStreams(''), stdout }, argv)
}

function run (streams: Streams, argv: string[], patience?: number): Subscribed {
  const request = readRequest(['subscribe', ...argv])
  if (request.kind !== 'run') throw new Error(request.kind)
  const ending = new AbortController()
  return { ending, code: subscribeCommand(request.args, streams, ending.signal, patience) }
}

t.test('messages until there are enough, and the place to go on from', async (t) => {
  const server = await ControlServer.start(t, { history: ['news'] })
  const first = subscribe('--count', '2', server.url, 'news')
  await until(() => server.controls.length === 1)
  for (const message of [{ a: 1 }, 'two', 'three']) server.publish('news', message)
  t.equal(await first.code, 0)
  t.equal(first.stdout.text, '{"a":1}\n"two"\n')
  const [, place = ''] = await first.stderr.until(/to go on from here: --since (\S+:2)\n/)

  const second = subscribe('--since', place, '--count', '1', server.url, 'news')
  t.equal(await second.code, 0)
  t.equal(second.stdout.text, '"three"\n')
  t.match(second.stderr.text, /--since .*:3\n/)
})

t.test('a place that is not there any more', async (t) => {
  const server = await ControlServer.start(t, { history: ['news'] })
  const { code, stderr, ending } = subscribe('--since', 'other:1', server.url, 'news')
  await stderr.until(/what came since then is not to be had any more/)
  ending.abort()
  t.equal(await code, 0, 'Ctrl+C is no failure')
})

t.test('refusals', async (t) => {
  const server = await ControlServer.start(t, { refuse: ({ url }) => url === '/refused' ? 403 : undefined })
  await t.rejects(subscribe(server.url, 'secret').code, { name: 'Failure', message: 'the server refuses: not for you (FORBIDDEN)', exitCode: 1 })
  await t.rejects(subscribe(`${server.url}/refused`, 'news').code, { name: 'Failure', message: /403 Forbidden: no: 403/ })
})

t.test('a route without topics, which takes the request for a message', async (t) => {
  const { app, listen } = await makeApp(t)
  app.get('/', { websocket: true }, (connection) => { connection.on('message', () => {}) })
  const streams = pipeStreams('')
  const { code, ending } = run(streams, [`ws://127.0.0.1:${await listen()}`, 'news'], 20)
  await streams.stderr.until(/^ftws: connected, but the server has not answered the subscription in 20 ms: does this route let clients use topics\?\n$/)
  ending.abort()
  t.equal(await code, 0)
  t.equal(streams.stdout.text, '')
})

t.test('somebody at a terminal is told that it has begun', async (t) => {
  const server = await ControlServer.start(t)
  const stderr = new FakeOutput(true)
  const { code, ending } = run({ ...pipeStreams(''), stderr }, [server.url, 'news'])
  await stderr.until(/^ftws: subscribed to news; Ctrl\+C ends it\n$/)
  ending.abort()
  t.equal(await code, 0)
})

t.test('the server goes', async (t) => {
  const server = await ControlServer.start(t)
  const { code } = subscribe(server.url, 'news')
  await until(() => server.controls.length === 1)
  server.cut()
  await t.rejects(code, { message: /was lost/, exitCode: 1 })
})

t.test('with --reconnect it comes back to where it was', async (t) => {
  const server = await ControlServer.start(t, { history: ['news'] })
  const { code, stdout, stderr } = subscribe('--reconnect', '-n', '2', server.url, 'news')
  await until(() => server.controls.length === 1)
  server.publish('news', 1)
  await stdout.until(/1/)
  server.cut()
  server.publish('news', 2)
  t.equal(await code, 0)
  t.equal(stdout.text, '1\n2\n')
  t.match(stderr.text, /again in/)
})

t.test('a topic of the plugin', async (t) => {
  const news = defineTopic({ name: 'news/:of', schema: Type.Object({ text: Type.String() }), history: { size: 10 } })
  const { app, listen } = await makeApp(t)
  app.get('/', { websocket: { topics: { allow: [news] } } }, () => {})
  const port = await listen()
  const { code, stdout } = subscribe('-n', '1', `ws://127.0.0.1:${port}`, 'news/today')
  const timer = setInterval(() => { void app.websocket.publish(news, { of: 'today' }, { text: 'it rains' }) }, 5)
  t.equal(await code, 0)
  clearInterval(timer)
  t.equal(stdout.text, '{"text":"it rains"}\n')
})

t.test('by a contract', async (t) => {
  const server = await ControlServer.start(t)
  const contract = join(t.testdir(), 'contract.mjs')
  writeFileSync(contract, `import { Type } from '${import.meta.resolve('@sinclair/typebox')}'
    export const news = { name: 'news/:of', schema: Type.Object({ text: Type.String() }) }`)
  for (const strict of [[], ['--strict']]) {
    server.controls.length = 0
    const { code, stdout, stderr } = subscribe('--contract', contract, ...strict, '--count', '2', server.url, 'news/a')
    await until(() => server.controls.length === 1)
    for (const text of [1, 'two']) server.publish('news/a', { text })
    t.equal(await code, strict.length)
    t.match(stderr.text, /^ftws: message 1 that came does not fit the contract: message\/text Expected string/)
    t.match(stdout.text, strict.length === 0 ? /^\{"text":1\}\n\{"text":"two"\}\n$/ : /^\{"text":1\}\n/)
  }
  await t.rejects(subscribe('--contract', contract, server.url, 'new').code, { name: 'UsageFault' })
  await t.rejects(subscribe('--strict', server.url, 'news/a').code, { name: 'UsageFault' })
})

t.test('a reader that is slow holds the server back, and one that has gone ends it', async (t) => {
  const server = await ControlServer.start(t, { plugin: { maxBufferedAmount: 100_000_000 } })
  const stdout = new FakeOutput()
  const slow = new PassThrough({ highWaterMark: 1_024 })
  const [held, gone] = [slow, stdout].map((output) => subscribeTo(output, '--count', '10000', server.url, 'news'))
  await until(() => server.controls.length === 2)
  for (let count = 0; count < 5_000; count++) server.publish('news', 'x'.repeat(997))
  await until(() => stdout.text.length > 4_900_000)
  t.ok(slow.writableLength + slow.readableLength < 1_000_000, `${slow.writableLength} bytes wait, not all`)
  stdout.destroy(new Error('EPIPE'))
  t.equal(await gone?.code, 0)
  let length = 0
  slow.on('data', (chunk: Buffer) => { length += chunk.length })
  await until(() => length === 5_000_000)
  held?.ending.abort()
  t.equal(await held?.code, 0)
})

t.test('places', async (t) => {
  t.strictSame(readPlace('a:b:7'), { epoch: 'a:b', offset: 7 })
  t.equal(readPlace(undefined), undefined)
  for (const text of ['', '7', 'a:', ':7', 'a:b']) t.throws(() => readPlace(text), { name: 'UsageFault' }, text)
  const before = { epoch: 'e', offset: 1 }
  t.strictSame(findPlace('{"type":"ws:message","topic":"a","offset":2}', 'a', before), { epoch: 'e', offset: 2 })
  t.strictSame(findPlace('{"type":"ws:ack","topic":"a","epoch":"f","offset":9}', 'a', before), { epoch: 'f', offset: 9 })
  for (const data of ['{"type":"ws:ack","topic":"a","epoch":"e","offset":9,"recovered":true}', '{"type":"ws:message","topic":"b","offset":2}', '{"type":"ws:message","topic":"a"}', '"ws:', 'x', new ArrayBuffer(1)]) {
    t.equal(findPlace(data, 'a', before), before)
  }
})
