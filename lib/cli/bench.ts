// `ftws bench`: a load by the options of the command line, its progress and its report.
import type { Arguments } from './arguments.ts'
import { describeEnd, ExitCode, UsageFault } from './faults.ts'
import { Load } from './load.ts'
import { escapeControls } from './printer.ts'
import { formatProgress, formatReport, makeReport } from './report.ts'
import type { Streams } from './streams.ts'
import { readTarget } from './target.ts'

const OUTPUTS = ['text', 'json']

/** Resolves with the exit code: 0 only if nothing went wrong at all. */
export async function benchCommand (args: Arguments, { stdout, stderr }: Streams, signal: AbortSignal): Promise<ExitCode> {
  const target = readTarget(args)
  const { url, place, options } = target
  const output = args.text('output') ?? 'text'
  if (!OUTPUTS.includes(output)) throw new UsageFault(`--output must be one of ${OUTPUTS.join(', ')}, got ${output}`)
  if (args.flag('text') && args.flag('binary')) throw new UsageFault('--text and --binary: one of them')
  const message = args.text('message')
  if (message !== undefined && (args.flag('binary') || args.text('size') !== undefined)) throw new UsageFault('--message is a text of its own size: neither --binary nor --size')
  const rate = args.number('rate', undefined, 0.001)
  const { headers, protocols = [], auth, ...settings } = options
  const hasProgress = stderr.isTTY === true
  const load = new Load({
    target: { url, protocols: [protocols].flat(), headers: typeof headers === 'function' ? await headers() : headers, token: await auth?.() },
    settings,
    connections: args.integer('connections', 10, 1),
    inFlight: args.integer('in-flight', rate === undefined ? 1 : 1_000, 1),
    size: message === undefined ? args.integer('size', 64, 0) : Buffer.byteLength(message),
    isBinary: args.flag('binary'),
    message,
    rate,
    warmUp: args.number('warm-up', 1, 0) * 1_000,
    duration: args.number('duration', 10, 0.001) * 1_000,
    describe: (loss) => describeEnd(loss, place),
    signal,
    ...(hasProgress && { onProgress: (running: Load) => { stderr.write(`\r\x1b[K${formatProgress(running, performance.now() - running.startedAt)}`) } })
  })
  await load.run()
  if (hasProgress) stderr.write('\r\x1b[K')
  const report = makeReport(target.name, load)
  const text = formatReport(report, load.latencies)
  // Errors have in them what the server has said.
  stdout.write(output === 'json' ? `${JSON.stringify(report)}\n` : stdout.isTTY === true ? escapeControls(text) : text)
  return report.ok ? ExitCode.Fine : ExitCode.Failed
}
