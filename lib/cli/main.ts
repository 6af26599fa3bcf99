#!/usr/bin/env node
// `ftws`: the command line to an exit code. Owns the process: its signals, its streams, its end.
import { readFileSync } from 'node:fs'
import { readRequest } from './arguments.ts'
import type { Arguments } from './arguments.ts'
import { benchCommand } from './bench.ts'
import { describeAll, describeCommand } from './commands.ts'
import type { CommandName } from './commands.ts'
import { connectCommand } from './connect.ts'
import { describeError, ExitCode, Failure, isUsage } from './faults.ts'
import { listenCommand } from './listen.ts'
import { tell as tellTo } from './printer.ts'
import { sendCommand } from './send.ts'
import type { Streams } from './streams.ts'
import { subscribeCommand } from './subscribe.ts'

const RUN: Readonly<Record<CommandName, (args: Arguments, streams: Streams, signal: AbortSignal) => Promise<ExitCode>>> = {
  connect: connectCommand,
  send: sendCommand,
  subscribe: subscribeCommand,
  listen: listenCommand,
  bench: benchCommand
}

/** What a stream says whose reader has closed it; all but the first are Windows'. */
const READER_GONE = ['EPIPE', 'EOF', 'ECONNRESET', 'ECONNABORTED']

async function main (): Promise<ExitCode> {
  const request = readRequest(process.argv.slice(2))
  if (request.kind === 'help') {
    process.stdout.write(request.command === undefined ? describeAll() : describeCommand(request.command))
    return ExitCode.Fine
  }
  if (request.kind === 'version') {
    const { version } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8'))
    process.stdout.write(`${version}\n`)
    return ExitCode.Fine
  }
  const ending = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      // Who asks twice does not wait for a server.
      if (ending.signal.aborted) process.exit(ExitCode.Failed)
      ending.abort()
    })
  }
  return await RUN[request.command](request.args, process, ending.signal)
}

function report (error: unknown): ExitCode {
  const tell = (text: string): void => tellTo(process.stderr, text, 'red')
  if (isUsage(error)) {
    tell(describeError(error, ''))
    return ExitCode.Usage
  }
  if (error instanceof Failure) {
    tell(error.message)
    return error.exitCode
  }
  // A fault of this program: its stack is of use.
  tell(error instanceof Error ? error.stack ?? error.message : String(error))
  return ExitCode.Failed
}

// Whoever reads this has gone: commands that write for long end by it, and the others are about to.
let fault: NodeJS.ErrnoException | undefined
process.stdout.on('error', (error) => { fault ??= error })
process.stderr.on('error', () => {})
let code = await main().catch(report)
// A pipe takes what is written in its own time.
await Promise.all([process.stdout, process.stderr].map((stream) => new Promise((resolve) => stream.write('', resolve))))
// Anything else has lost what was to be printed.
if (fault !== undefined && !READER_GONE.includes(fault.code ?? '')) code = report(new Failure(`stdout cannot be written to: ${fault.message}`))
process.exit(code)
