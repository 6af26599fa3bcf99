// A pipe: lines in, lines out, and nothing else on stdout.
import { PassThrough } from 'node:stream'
import t from 'tap'
import { Arguments } from '../../lib/cli/arguments.ts'
import { UsageFault } from '../../lib/cli/faults.ts'
import { readLines, runPipe } from '../../lib/cli/pipe.ts'
import type { PipeOptions } from '../../lib/cli/pipe.ts'
import { readTarget } from '../../lib/cli/target.ts'
import { until } from '../helpers/app.ts'
import { pipeStreams } from '../helpers/cli.ts'
import { serveEcho } from '../helpers/echo-app.ts'

const PLAIN: PipeOptions = { wait: 0, ping: undefined, rules: undefined, strict: false }

function toTarget (url: string, values: Record<string, boolean> = {}): ReturnType<typeof readTarget> {
  return readTarget(new Arguments(values, [url]))
}

t.test('lines, however they are cut', async (t) => {
  const rows: Array<[input: string, want: string[]]> = [
    ['', []], ['a', ['a']], ['a\n', ['a']], ['a\r\nb', ['a', 'b']], ['\n\na\n', ['', '', 'a']], ['é\u2028x\u2029\rz\n', ['é\u2028x\u2029\rz']]
  ]
  for (const [input, want] of rows) {
    const bytes = Buffer.from(input)
    for (let size = 1; size <= Math.max(1, bytes.length); size++) {
      const stream = new PassThrough()
      for (let at = 0; at < bytes.length; at += size) stream.write(bytes.subarray(at, at + size))
      stream.end()
      t.strictSame(await collect(readLines(stream)), want, `${bytes.toString('hex')} by ${size}`)
    }
  }
})

t.test('a line without an end', async (t) => {
  for (const input of [['12345', '678901'], ['1\n2', '3456789012']]) {
    await t.rejects(collect(readLines(PassThrough.from(input.map((text) => Buffer.from(text))), 10)), { name: 'Failure', message: 'a line of stdin is longer than 10 characters' })
  }
  t.strictSame(await collect(readLines(PassThrough.from([Buffer.from('1234567\n1234567'), Buffer.from('890\n1')]), 10)), ['1234567', '1234567890', '1'])
})

t.test('a refusal is told once', async (t) => {
  const { url } = await serveEcho(t)
  const streams = pipeStreams('line\n')
  t.equal(await runPipe(toTarget(`${url}/refuse`), streams, PLAIN), 1)
  await new Promise((resolve) => setImmediate(resolve))
  t.match(streams.stderr.text, /^ftws: .* 401 Unauthorized: who are you\?\nftws: 1 message was not sent, or not all of it\n$/)
})

t.test('stdin that fails ends it, connected or not', async (t) => {
  const { url } = await serveEcho(t)
  for (const isConnected of [false, true]) {
    const streams = pipeStreams()
    const code = runPipe(toTarget(`${url}/greet`), streams, PLAIN)
    if (isConnected) await streams.stdout.until(/hello/)
    streams.stdin.destroy(new Error('EIO'))
    t.equal(await code, 1)
    t.equal(streams.stderr.text, 'ftws: EIO\n')
  }
})

async function collect (lines: AsyncIterable<string>): Promise<string[]> {
  const all: string[] = []
  for await (const line of lines) all.push(line)
  return all
}

t.test('many lines come back, in order, with the end of stdin right behind them', async (t) => {
  const { url } = await serveEcho(t)
  const lines = Array.from({ length: 2_000 }, (_, index) => `${index} ${'x'.repeat(200)}`)
  const streams = pipeStreams(`${lines.join('\n')}\n`)
  t.equal(await runPipe(toTarget(`${url}/echo`), streams, PLAIN), 0)
  t.strictSame(streams.stdout.text.trimEnd().split('\n'), lines)
  t.equal(streams.stderr.text, '')
})

t.test('it stays as long as it was told, also for what is no answer', async (t) => {
  const { url } = await serveEcho(t)
  const streams = pipeStreams('')
  t.equal(await runPipe(toTarget(`${url}/greet`), streams, { ...PLAIN, wait: 100 }), 0)
  t.equal(streams.stdout.text, 'hello\nYnl0ZXM=\n{"type":"ws:ack","id":1}\n')
})

t.test('forever is until a signal', async (t) => {
  const { url } = await serveEcho(t)
  const ending = new AbortController()
  const streams = pipeStreams('')
  const code = runPipe(toTarget(`${url}/greet`), streams, { ...PLAIN, wait: Infinity, signal: ending.signal, ping: 5 })
  await streams.stderr.until(/ftws: ping \d+\.\d ms/)
  ending.abort()
  t.equal(await code, 0)
})

t.test('the server\'s end is the end, and its code the exit code', async (t) => {
  const { url } = await serveEcho(t)
  for (const [close, want, told] of [[1000, 0, ''], [1001, 0, ''], [1011, 1, 'ftws: closed by the server: 1011 as asked\n'], [4000, 1, 'ftws: closed by the server: 4000 as asked\n']] as const) {
    const streams = pipeStreams()
    streams.stdin.write('close\n')
    t.equal(await runPipe(toTarget(`${url}/close/${close}`), streams, PLAIN), want, `${close}`)
    t.equal(streams.stderr.text, told)
  }
})

t.test('what does not fit is told and passed over', async (t) => {
  const { url, received } = await serveEcho(t)
  const streams = pipeStreams('good\nbad\ngood\n')
  const rules = { judge: () => undefined, examples: [], check (text: string) { if (text === 'bad') throw new UsageFault('invalid message: it is bad') } }
  t.equal(await runPipe(toTarget(`${url}/echo`), streams, { ...PLAIN, rules }), 2)
  t.strictSame(received, ['good', 'good'])
  t.equal(streams.stderr.text, 'ftws: line 2: invalid message: it is bad\n')
})

t.test('what comes and does not fit is printed and told, and strictly it is the end', async (t) => {
  const { url } = await serveEcho(t)
  const rules = { examples: [], check () {}, judge: (message: unknown) => message === 'bad' ? 'it is bad' : undefined }
  for (const strict of [false, true]) {
    const streams = pipeStreams()
    const code = runPipe(toTarget(`${url}/echo`), streams, { ...PLAIN, rules, strict })
    streams.stdin.write('good\nbad\n')
    await streams.stderr.until(/^ftws: message 2 that came does not fit the contract: it is bad\n$/)
    if (!strict) streams.stdin.end()
    t.equal(await code, strict ? 1 : 0)
    t.equal(streams.stdout.text, 'good\nbad\n')
  }
})

t.test('nobody reads any more', async (t) => {
  const { url } = await serveEcho(t)
  const streams = pipeStreams()
  const code = runPipe(toTarget(`${url}/greet`), streams, PLAIN)
  await streams.stdout.until(/hello/)
  streams.stdout.destroy(new Error('EPIPE'))
  t.equal(await code, 0)
})

t.test('a reader that is slow holds the server back', async (t) => {
  const { url, app, received } = await serveEcho(t)
  const { stdin, stderr } = pipeStreams()
  const stdout = new PassThrough({ highWaterMark: 1_024 })
  const code = runPipe(toTarget(`${url}/echo`), { stdin, stdout, stderr }, PLAIN)
  const line = `${'x'.repeat(999)}\n`
  stdin.write(line.repeat(200))
  await until(() => stdout.writableNeedDrain && received.length >= 100)
  t.ok(stdout.writableLength < 100_000, `${stdout.writableLength} bytes wait, not all`)
  let length = 0
  stdout.on('data', (chunk: Buffer) => { length += chunk.length })
  stdin.end()
  t.equal(await code, 0)
  await until(() => length >= 200_000)
  t.equal(length, 200_000)
  await app.close()
})

t.test('one that is slower than the server waits at the end loses nothing', async (t) => {
  const { url } = await serveEcho(t)
  const { stdin, stderr } = pipeStreams()
  const stdout = new PassThrough({ highWaterMark: 1_024 })
  const code = runPipe(toTarget(`${url}/echo`), { stdin, stdout, stderr }, PLAIN)
  stdin.write(`${'x'.repeat(999)}\n`.repeat(200))
  await until(() => stdout.writableNeedDrain)
  stdin.end()
  t.equal(await code, 0, 'nobody has read a byte')
  stdout.end()
  t.equal((await stdout.toArray()).join('').length, 200_000)
})

t.test('with --reconnect what is read meanwhile waits', async (t) => {
  const { url, received } = await serveEcho(t)
  const streams = pipeStreams()
  const code = runPipe(toTarget(`${url}/cut`, { reconnect: true }), streams, PLAIN)
  streams.stdin.write('cut\n')
  await streams.stderr.until(/was lost \(1006\); again in \d+ ms/)
  streams.stdin.end()
  t.equal(await code, 0)
  t.strictSame(received, [])
})
