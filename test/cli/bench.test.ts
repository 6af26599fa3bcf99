// `ftws bench`: its options and its answers.
import t from 'tap'
import { readRequest } from '../../lib/cli/arguments.ts'
import { benchCommand } from '../../lib/cli/bench.ts'
import { FakeOutput, pipeStreams } from '../helpers/cli.ts'
import { serveEcho } from '../helpers/echo-app.ts'

async function bench (argv: string[], stderr: FakeOutput = new FakeOutput()): Promise<{ code: number, stdout: string, stderr: string }> {
  const request = readRequest(['bench', ...argv])
  if (request.kind !== 'run') throw new Error(request.kind)
  const streams = { ...pipeStreams(''), stderr }
  const code = await benchCommand(request.args, streams, new AbortController().signal)
  return { code, stdout: streams.stdout.text, stderr: stderr.text }
}

t.test('JSON', async (t) => {
  const { url, headers } = await serveEcho(t)
  const { code, stdout, stderr } = await bench(['-c', '2', '-f', '3', '-d', '0.1', '--warm-up', '0.05', '--size', '20', '--binary', '--output', 'json', '--auth', 'token', '-s', 'v1', '-H', 'A: 1', `${url}/echo`.replace('//', '//ann:secret@')])
  t.equal(code, 0)
  t.equal(stderr, '')
  t.match(JSON.parse(stdout), { url: `${url}/echo`, connections: { wanted: 2, opened: 2 }, inFlight: 3, size: 20, kind: 'binary', rate: null, warmUp: 50, ok: true, errors: {} })
  t.match(headers[0], { authorization: 'Bearer token', 'sec-websocket-protocol': 'v1', a: '1' })
})

t.test('a message of its own: whatever text comes is its answer', async (t) => {
  const { url, received } = await serveEcho(t)
  const own = await bench(['-d', '0.05', '--warm-up', '0', '-m', '{"text":"größer"}', '--output', 'json', `${url}/echo`])
  t.match(JSON.parse(own.stdout), { ok: true, size: 19, kind: 'text' })
  t.equal(received[0], '{"text":"größer"}')
  const { code, stdout } = await bench(['-d', '0.05', '--warm-up', '0', '-m', 'any', '--output', 'json', `${url}/echo/`])
  t.match(JSON.parse(stdout), { ok: true, size: 3, unexpected: 0 })
  t.equal(code, 0)
  t.match(JSON.parse((await bench(['-d', '0.05', '--warm-up', '0', '--output', 'json', `${url}/echo/`])).stdout), { ok: false, answered: 0 }, 'without it, it has to have the same length')
})

t.test('text, with progress on a terminal', async (t) => {
  const { url } = await serveEcho(t)
  const { code, stdout, stderr } = await bench(['-c', '1', '-d', '0.3', '--warm-up', '0.3', '--rate', '100', `${url}/echo`], new FakeOutput(true))
  t.equal(code, 0)
  t.match(stdout, /1 of 1 connections, 64 bytes of text, 100 messages\/s due, 0\.\d s behind 0\.3 s of warm-up/)
  t.match(stderr, /\r\x1b\[Kwarming up\r\x1b\[K0\.\d s: \d+ answers/) // eslint-disable-line no-control-regex
  t.ok(stderr.endsWith('\r\x1b[K'), 'and it is gone at the end')
})

t.test('errors', async (t) => {
  const { url } = await serveEcho(t)
  const { code, stdout } = await bench(['-c', '2', '-d', '0.1', '--output', 'json', `${url}/refuse`])
  t.equal(code, 1)
  t.match(JSON.parse(stdout), { ok: false, latency: null, connections: { opened: 0 } })
  t.match(Object.entries(JSON.parse(stdout).errors), [[/401 Unauthorized: who are you\?/, 2]])
})

t.test('wrong options', async (t) => {
  const rows: Array<[string[], RegExp]> = [
    [['--output', 'xml'], /--output must be one of text, json/],
    [['--text', '--binary'], /one of them/],
    [['--message', 'x', '--size', '3'], /neither --binary nor --size/],
    [['--message', 'x', '--binary'], /neither --binary nor --size/],
    [['--connections', '0'], /--connections must be a number from 1 on/],
    [['--rate', '0'], /--rate/],
    [['--warm-up', '-1'], /--warm-up/],
    [['--size', '1.5'], /--size must be an integer/]
  ]
  for (const [argv, message] of rows) await t.rejects(bench([...argv, 'ws://127.0.0.1:1']), { name: 'UsageFault', message })
})
