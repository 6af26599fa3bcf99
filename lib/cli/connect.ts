// `ftws connect`: by hand where stdin is a terminal, else in a pipe.
import { readNumber } from './arguments.ts'
import type { Arguments } from './arguments.ts'
import { loadContract, readContract } from './contract-file.ts'
import type { ExitCode } from './faults.ts'
import { findHistory, History } from './history.ts'
import { runInteractive } from './interactive.ts'
import { runPipe } from './pipe.ts'
import type { Streams } from './streams.ts'
import { readTarget } from './target.ts'

/** @param signal - closes it, where the terminal's keys do not */
export async function connectCommand (args: Arguments, streams: Streams, signal: AbortSignal): Promise<ExitCode> {
  const target = readTarget(args)
  const seconds = args.number('ping', undefined, 0.001)
  const wait = args.text('wait')
  const options = {
    json: args.flag('json'),
    timestamps: args.flag('timestamps'),
    ping: seconds === undefined ? undefined : seconds * 1_000,
    wait: wait === 'forever' ? Infinity : readNumber('--wait', wait ?? '0', 0),
    rules: await readContract(args, loadContract),
    strict: args.flag('strict'),
    signal
  }
  const { stdin, stdout, stderr } = streams
  if (stdin.isTTY !== true) return await runPipe(target, streams, options)
  const file = args.flag('no-history') ? undefined : findHistory(process.env)
  const history = file === undefined ? undefined : new History(file)
  // Messages may go to a file while the prompt stays where it is.
  return await runInteractive(target, { input: stdin, screen: stdout.isTTY === true ? stdout : stderr, messages: stdout }, { ...options, history })
}
