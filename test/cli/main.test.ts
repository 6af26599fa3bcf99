// `ftws` as a process: what it prints where, and how it ends.
import { existsSync, readFileSync } from 'node:fs'
import t from 'tap'
import { Cli } from '../helpers/cli.ts'
import { serveEcho } from '../helpers/echo-app.ts'

const { version, bin } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8'))

t.test('the file that the package names is a program', async (t) => {
  t.equal(bin.ftws, './dist/lib/cli/main.js')
  t.match(readFileSync(new URL('../../lib/cli/main.js', import.meta.url), 'utf8'), /^#!\/usr\/bin\/env node\n/)
})

t.test('version, help and the command line', async (t) => {
  const coloured = new Cli(t, ['nope'], { env: { FORCE_COLOR: '1' } }).end()
  const [shown, help, none, wrong] = await Promise.all([['--version'], ['connect', '--help'], [], ['connect', 'localhost']].map((args) => new Cli(t, args).end()))
  t.strictSame(shown, { exitCode: 0, stdout: `${version}\n`, stderr: '' })
  t.match(help, { exitCode: 0, stdout: /^Usage: ftws connect/, stderr: '' })
  t.match(none, { exitCode: 2, stdout: '', stderr: /^ftws: a command is missing/ })
  t.match(wrong, { exitCode: 2, stdout: '', stderr: /^ftws: "localhost" is no URL of a WebSocket/ })
  const { stderr } = await coloured
  t.ok(stderr.startsWith('\x1b[31mftws:\x1b[39m '), `colours where they are asked for: ${JSON.stringify(stderr)}`)
})

t.test('what may fail', async (t) => {
  const { url } = await serveEcho(t)
  const secure = await serveEcho(t, { tls: true })
  const rows: Array<[args: string[], exitCode: number, stderr: RegExp]> = [
    [['send', 'ws://127.0.0.1:1', 'x'], 1, /^ftws: connection refused: nothing listens on 127\.0\.0\.1:1 \(ECONNREFUSED\)\n$/],
    [['connect', `${url}/refuse`], 1, /^ftws: 127\.0\.0\.1:\d+ refused the handshake: 401 Unauthorized: who are you\?\n$/],
    [['send', `${secure.url}/echo`, 'x'], 1, /the certificate of 127\.0\.0\.1:\d+ is not trusted: .*--insecure/],
    [['send', `${url}/echo`.replace('ws:', 'wss:'), 'x'], 1, /speaks no TLS/],
    [['connect', '-H', 'A\x01: 1', `${url}/echo`], 2, /^ftws: /],
    [['send', '--insecure', `${secure.url}/echo`, 'x'], 0, /^$/]
  ]
  await Promise.all(rows.map(async ([args, exitCode, stderr]) => {
    t.match(await new Cli(t, args).end(), { exitCode, stdout: '', stderr }, args.join(' '))
  }))
})

t.test('Ctrl+C', async (t) => {
  const cli = new Cli(t, ['listen', '0'])
  await cli.until(/listening on/, 'stderr')
  cli.child.kill('SIGINT')
  t.match(await cli.end(), { exitCode: 0 })
})

t.test('a reader that has had enough', async (t) => {
  const { url } = await serveEcho(t)
  const cli = new Cli(t, ['connect', '--wait', 'forever', `${url}/echo`])
  cli.write('first\n')
  await cli.until(/first/)
  cli.child.stdout?.destroy()
  cli.write('second\n')
  t.match(await cli.end(), { exitCode: 0, stderr: '' })
})

t.test('a stdout that takes nothing', { skip: existsSync('/dev/full') ? false : 'no /dev/full' }, async (t) => {
  const { url } = await serveEcho(t)
  await Promise.all([['--help'], ['connect', `${url}/greet`]].map(async (args) => {
    t.match(await new Cli(t, args, { stdout: '/dev/full' }).end(), { exitCode: 1, stderr: /^ftws: stdout cannot be written to: ENOSPC/ }, args.join(' '))
  }))
})
