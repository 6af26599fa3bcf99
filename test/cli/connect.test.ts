// `ftws connect` as a process: in a pipe, and in a terminal.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { until } from '../helpers/app.ts'
import { Cli, HAS_SCRIPT } from '../helpers/cli.ts'
import { serveEcho } from '../helpers/echo-app.ts'

t.test('a pipe', async (t) => {
  const { url, headers } = await serveEcho(t)
  const cli = new Cli(t, ['connect', '-H', 'Cookie: a=1', '--auth', 'token', '--origin', 'http://o', '-s', 'v1', '--compress', `${url}/echo`.replace('ws:', 'http:')])
  t.strictSame(await cli.end('hello\n{"a":1}'), { exitCode: 0, stdout: 'hello\n{"a":1}\n', stderr: '' })
  t.match(headers[0], { cookie: 'a=1', authorization: 'Bearer token', origin: 'http://o', 'sec-websocket-protocol': 'v1', 'sec-websocket-extensions': /permessage-deflate/ })
})

t.test('a terminal', { skip: HAS_SCRIPT ? false : 'no script of util-linux' }, async (t) => {
  const { url, received } = await serveEcho(t)
  const contract = join(t.testdir(), 'contract.mjs')
  writeFileSync(contract, `import { Type } from '${import.meta.resolve('@sinclair/typebox')}'
    export default { url: '/', schema: { websocket: { receive: Type.Object({ type: Type.Literal('leave') }) } } }`)
  const history = join(t.testdirName, 'history')
  const cli = new Cli(t, ['connect', '--contract', contract, `${url}/echo`], { terminal: true, env: { FORCE_COLOR: '1', FTWS_HISTORY: history } })
  await cli.until(/connected to/)
  cli.write('le\t')
  await cli.until(/> \{"type":"leave"\}/)
  cli.write('\r')
  await cli.until(/< \{"type":"leave"\}/)
  t.match(cli.stdout, /\x1b\[32m</, 'in colour') // eslint-disable-line no-control-regex
  cli.write('nonsense\r')
  await cli.until(/not sent: invalid message/)
  cli.write('\x03')
  t.match(await cli.end(), { exitCode: 0, stdout: /closed/ })
  t.strictSame(received.splice(0), ['{"type":"leave"}'])

  t.equal(readFileSync(history, 'utf8'), '{"type":"leave"}\nnonsense\n')

  const plain = new Cli(t, ['connect', '--no-history', `${url}/greet`], { terminal: true, env: { NO_COLOR: '1', FTWS_HISTORY: history } })
  await plain.until(/< hello/)
  plain.write('forgotten\r')
  await until(() => received.includes('forgotten'))
  t.notMatch(plain.stdout, /\x1b\[\d*m/, 'NO_COLOR') // eslint-disable-line no-control-regex
  plain.write('\x03')
  t.match(await plain.end(), { exitCode: 0 })
  t.notMatch(readFileSync(history, 'utf8'), /forgotten/)
})
