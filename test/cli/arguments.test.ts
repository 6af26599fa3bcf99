// Command lines: what they ask for, and what is wrong with them.
import t from 'tap'
import { readNumber, readRequest } from '../../lib/cli/arguments.ts'
import { UsageFault } from '../../lib/cli/faults.ts'

t.test('what is asked for', async (t) => {
  t.strictSame(readRequest(['--help']), { kind: 'help', command: undefined })
  t.strictSame(readRequest(['-h']), { kind: 'help', command: undefined })
  t.strictSame(readRequest(['help']), { kind: 'help', command: undefined })
  t.strictSame(readRequest(['help', 'bench']), { kind: 'help', command: 'bench' })
  t.strictSame(readRequest(['bench', '--help']), { kind: 'help', command: 'bench' })
  t.strictSame(readRequest(['-v']), { kind: 'version' })
  t.strictSame(readRequest(['--version']), { kind: 'version' })
})

t.test('a command with its options', async (t) => {
  const request = readRequest(['send', '-H', 'A: 1', '--header=B: 2', '--wait', '2', 'ws://a', '--', '-5', 'x'])
  if (request.kind !== 'run') return t.fail(request.kind)
  const { args } = request
  t.strictSame(args.positionals, ['ws://a', '-5', 'x'])
  t.strictSame(args.list('header'), ['A: 1', 'B: 2'])
  t.strictSame(args.list('subprotocol'), [])
  t.equal(args.integer('wait', 0), 2)
  t.equal(args.number('timeout', 7), 7)
  t.equal(args.text('contract'), undefined)
  t.equal(args.flag('json'), false)
})

const rows: ReadonlyArray<{ argv: string[], want: RegExp }> = [
  { argv: [], want: /a command is missing/ },
  { argv: ['conect'], want: /no such command: conect/ },
  { argv: ['toString'], want: /no such command/ },
  { argv: ['help', 'conect'], want: /no such command/ },
  { argv: ['--nope'], want: /'--nope'; `ftws --help`/ },
  { argv: ['connect'], want: /an argument is missing: ftws connect/ },
  { argv: ['connect', 'ws://a', 'b'], want: /one argument too many, "b"/ },
  { argv: ['connect', 'ws://a', '--nope'], want: /'--nope'; `ftws connect --help` has all options$/ },
  { argv: ['connect', 'ws://a', '--header'], want: /--header/ },
  { argv: ['connect', 'ws://a', '--json=1'], want: /--json/ },
  { argv: ['send', 'ws://a'], want: /an argument is missing/ },
  { argv: ['send', 'ws://a', '-5'], want: /^Unknown option '-5'; `ftws send --help` has all options; a message that begins with - stands behind --$/ }
]

for (const { argv, want } of rows) {
  t.test(`wrong: ${argv.join(' ')}`, async (t) => {
    t.throws(() => readRequest(argv), { name: 'UsageFault', message: want })
  })
}

t.test('numbers', async (t) => {
  t.equal(readNumber('x', '0.5', 0), 0.5)
  for (const text of ['', ' ', 'a', '-1', 'Infinity', '1s']) t.throws(() => readNumber('x', text, 0), UsageFault, JSON.stringify(text))
  const request = readRequest(['bench', 'ws://a', '-c', '1.5'])
  if (request.kind === 'run') t.throws(() => request.args.integer('connections', 1, 1), /must be an integer, got 1.5/)
})
