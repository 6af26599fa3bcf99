// `ftws send`.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import t from 'tap'
import { readRequest } from '../../lib/cli/arguments.ts'
import { sendCommand } from '../../lib/cli/send.ts'
import { until } from '../helpers/app.ts'
import { FakeOutput, pipeStreams } from '../helpers/cli.ts'
import { serveEcho } from '../helpers/echo-app.ts'

function start (argv: string[], stdout: PassThrough): Promise<number> {
  const request = readRequest(['send', ...argv])
  if (request.kind !== 'run') throw new Error(request.kind)
  return sendCommand(request.args, { ...pipeStreams(''), stdout }, new AbortController().signal)
}

async function send (...argv: string[]): Promise<{ code: number, stdout: string }> {
  const stdout = new FakeOutput()
  return { code: await start(argv, stdout), stdout: stdout.text }
}

t.test('all arguments, in order, and no answer is waited for', async (t) => {
  const { url, received } = await serveEcho(t)
  t.strictSame(await send(`${url}/greet`, 'a', '', 'b'), { code: 0, stdout: '' })
  await until(() => received.length === 3)
  t.strictSame(received, ['a', '', 'b'])
})

t.test('so many answers, and no more', async (t) => {
  const { url } = await serveEcho(t)
  t.strictSame(await send('--wait', '2', `${url}/echo`, 'a', 'b', 'c'), { code: 0, stdout: 'a\nb\n' })
  t.strictSame(await send('--wait', '1', `${url}/greet`, 'a'), { code: 0, stdout: 'hello\n' })
})

t.test('too few answers', async (t) => {
  const { url } = await serveEcho(t)
  await t.rejects(send('--wait', '2', '--timeout', '50', `${url}/echo`, 'a'), { name: 'Failure', message: '1 of 2 messages came in 50 ms', exitCode: 1 })
  await t.rejects(send('--wait', '2', `${url}/close/1000`, 'a'), { message: /^0 of 2 messages came before the end: closed by the server: 1000/ })
})

t.test('who reads the answers has enough, or is slow', async (t) => {
  const { url, received } = await serveEcho(t)
  const gone = new FakeOutput()
  gone.once('data', () => gone.destroy(new Error('EPIPE')))
  t.equal(await start(['--wait', '4', `${url}/greet`, 'a'], gone), 0)
  const slow = new PassThrough({ highWaterMark: 1_024 })
  const messages = Array.from({ length: 1_000 }, () => 'x'.repeat(999))
  const code = start(['--wait', '1000', `${url}/echo`, ...messages], slow)
  await until(() => received.length === messages.length)
  for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve))
  t.ok(slow.writableLength < 300_000, `${slow.writableLength} bytes wait, not all`)
  slow.resume()
  t.equal(await code, 0)
})

t.test('it fails', async (t) => {
  const { url } = await serveEcho(t)
  await t.rejects(send(`${url}/refuse`, 'a'), { message: /401 Unauthorized: who are you\?/, exitCode: 1 })
  await t.rejects(send(`${url}/rest`, 'a'), { name: 'Failure' })
  await t.rejects(send('--wait', '1', `${url}/cut`, 'a'), { message: /was lost/, exitCode: 1 })
  await t.rejects(send('-H', 'Sec-WebSocket-Key: a', `${url}/echo`, 'a'), { name: 'Failure', exitCode: 2 })
})

t.test('what does not fit is sent in no part', async (t) => {
  const { url, headers } = await serveEcho(t)
  const contract = join(t.testdir(), 'contract.mjs')
  writeFileSync(contract, `import { Type } from '${import.meta.resolve('@sinclair/typebox')}'
    export default { url: '/', schema: { websocket: { receive: Type.Number(), send: Type.Number({ maximum: 9 }) } } }`)
  await t.rejects(send('--contract', contract, `${url}/echo`, '1', '"a"'), { name: 'UsageFault', message: /^invalid message: message / })
  await t.rejects(send('--strict', `${url}/echo`, '1'), { name: 'UsageFault' })
  t.equal(headers.length, 0)
  t.strictSame(await send('--contract', contract, '--wait', '1', `${url}/echo`, '1'), { code: 0, stdout: '1\n' })
  t.strictSame(await send('--contract', contract, '--wait', '2', `${url}/echo`, '1', '20'), { code: 0, stdout: '1\n20\n' }, 'what comes and does not fit is told')
  t.strictSame(await send('--contract', contract, '--strict', '--wait', '2', `${url}/echo`, '20'), { code: 1, stdout: '20\n' })
})
