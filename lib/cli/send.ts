// `ftws send`: messages out, some back if wanted, and the end.
import { once } from 'node:events'
import type { Arguments } from './arguments.ts'
import { loadContract, readContract } from './contract-file.ts'
import { describeEnd, ExitCode, exitCodeOf, Failure } from './faults.ts'
import { Incoming } from './incoming.ts'
import { Outlet } from './outlet.ts'
import { tell } from './printer.ts'
import { Session } from './session.ts'
import type { Streams } from './streams.ts'
import { readTarget } from './target.ts'

/** @throws {UsageFault} before anything is sent, if one of the messages does not fit */
export async function sendCommand (args: Arguments, { stdout, stderr }: Streams, signal: AbortSignal): Promise<ExitCode> {
  const target = readTarget(args)
  const [, ...messages] = args.positionals
  const wanted = args.integer('wait', 0)
  const timeout = args.number('timeout', 30_000, 1)
  const rules = await readContract(args, loadContract)
  for (const message of messages) rules?.check(message)

  let count = 0
  const answered = new AbortController()
  const session = new Session(target, {
    onMessage (data) {
      if (count >= wanted) return
      outlet.print(data)
      count++
      incoming.look(data)
      if (count === wanted) answered.abort()
    }
  })
  const incoming = new Incoming({
    judge: rules?.judge,
    isStrict: args.flag('strict'),
    tell: (text) => tell(stderr, text),
    onRefused: () => session.close()
  })
  const outlet = new Outlet(stdout, { json: args.flag('json'), timestamps: args.flag('timestamps') }, {
    pause: () => session.pause(), resume: () => session.resume(), onBroken: () => session.abort()
  })
  signal.addEventListener('abort', () => session.close())
  let taken = 0
  let isLate = false
  let timer: NodeJS.Timeout | undefined
  const talk = async (): Promise<void> => {
    await session.opened
    await Promise.all(messages.map(async (message) => {
      await session.send(message)
      taken++
    }))
    if (count < wanted) {
      timer = setTimeout(() => {
        isLate = true
        session.close()
      }, timeout)
      if (!answered.signal.aborted) await once(answered.signal, 'abort')
    }
    session.close()
  }
  // Rejected, it is as the session's own end.
  talk().catch(() => {})
  const end = await session.closed
  clearTimeout(timer)

  if (outlet.isBroken) return ExitCode.Fine
  const code = exitCodeOf(end)
  if (code !== ExitCode.Fine) throw new Failure(describeEnd(end, target.place), code)
  if (incoming.isRefused) return ExitCode.Failed
  if (taken < messages.length) throw new Failure(`${messages.length - taken} of ${messages.length} messages were not sent: ${describeEnd(end, target.place)}`)
  if (count < wanted) throw new Failure(`${count} of ${wanted} messages came${isLate ? ` in ${timeout} ms` : ` before the end: ${describeEnd(end, target.place)}`}`)
  return ExitCode.Fine
}
