// A connection in a pipe: lines of stdin are messages, messages are lines of stdout, and everything else goes to stderr. Owns when it
// is over.
import type { Readable } from 'node:stream'
import { StringDecoder } from 'node:string_decoder'
import { setTimeout as wait } from 'node:timers/promises'
import type { MessageRules } from './contract-file.ts'
import { describeEnd, describeError, ExitCode, exitCodeOf, Failure, UsageFault } from './faults.ts'
import { Incoming } from './incoming.ts'
import { Outlet } from './outlet.ts'
import { tell as tellTo } from './printer.ts'
import type { PrinterOptions } from './printer.ts'
import { Session } from './session.ts'
import type { Streams } from './streams.ts'
import type { Target } from './target.ts'

/** Bytes that may wait in this process; then no more lines are read. */
const HIGH_WATER_MARK = 65_536

/** In characters, as many as the client takes bytes of a message. */
const LONGEST_LINE = 104_857_600

export interface PipeOptions extends PrinterOptions {
  /** How long to stay behind the end of stdin, in ms. */
  readonly wait: number
  /** Between pings, in ms. */
  readonly ping: number | undefined
  readonly rules: MessageRules | undefined
  /** What comes and does not fit `rules` is the end. */
  readonly strict: boolean
  /** Ends it as the end of stdin does, at once. */
  readonly signal?: AbortSignal
}

/** Resolves with the exit code. */
export async function runPipe (target: Target, { stdin, stdout, stderr }: Streams, options: PipeOptions): Promise<ExitCode> {
  const { place } = target
  const { rules, ping, signal } = options
  const tell = (text: string): void => tellTo(stderr, text)
  let wasInvalid = false
  let isBroken = false
  let isOver = false
  const session = new Session(target, {
    onMessage (data) {
      outlet.print(data)
      incoming.look(data)
    },
    onRetry: (retry) => tell(`${describeEnd(retry, place)}; again in ${Math.round(retry.delay)} ms`),
    onClosed: () => { isOver = true }
  })
  const incoming = new Incoming({ judge: rules?.judge, isStrict: options.strict, tell, onRefused: () => session.close() })
  const outlet = new Outlet(stdout, options, { pause: () => session.pause(), resume: () => session.resume(), onBroken: () => session.abort() })
  const pings = ping === undefined ? undefined : setInterval(() => session.ping((latency) => tell(`ping ${latency.toFixed(1)} ms`)), ping)
  signal?.addEventListener('abort', () => session.close())

  let unsent = 0
  const pump = async (): Promise<void> => {
    let last = Promise.resolve()
    let number = 0
    for await (const line of readLines(stdin)) {
      number++
      try {
        rules?.check(line)
      } catch (error) {
        if (!(error instanceof UsageFault)) throw error
        wasInvalid = true
        tell(`line ${number}: ${error.message}`)
        continue
      }
      unsent++
      if (!session.isOpen) await session.opened
      // One that is not taken stays among the unsent, which are told at the end.
      last = session.send(line).then(() => { unsent-- }, () => {})
      if (session.bufferedAmount > HIGH_WATER_MARK) await last
    }
    await session.opened
    await last
    if (options.wait === Infinity) return
    if (options.wait > 0) await wait(options.wait, undefined, { ref: false })
    session.close()
  }
  pump().catch((error: unknown) => {
    // Else it is the session's own end.
    if (isOver) return
    isBroken = true
    tell(describeError(error, 'stdin'))
    session.abort()
  })

  const end = await session.closed
  clearInterval(pings)
  if (outlet.isBroken) return ExitCode.Fine
  if (isBroken) return ExitCode.Failed
  const code = exitCodeOf(end)
  if (code !== ExitCode.Fine) tell(describeEnd(end, place))
  if (unsent > 0) tell(`${unsent} ${unsent === 1 ? 'message was' : 'messages were'} not sent, or not all of it`)
  if (code !== ExitCode.Fine) return code
  if (incoming.isRefused) return ExitCode.Failed
  if (wasInvalid) return ExitCode.Usage
  return unsent > 0 ? ExitCode.Failed : ExitCode.Fine
}

/**
 * Reads lines as they come, the last one too where nothing ends it. Not readline's: that takes U+2028, which JSON may have, for an end.
 *
 * @throws {Failure} for a line that goes on after `most` characters: memory is finite
 */
export async function * readLines (input: Readable, most: number = LONGEST_LINE): AsyncGenerator<string, void, undefined> {
  let pieces: string[] = []
  let length = 0
  const decoder = new StringDecoder('utf8')
  for await (const chunk of input as AsyncIterable<Buffer>) { // it has no encoding
    const [first = '', ...rest] = decoder.write(chunk).split('\n')
    pieces.push(first)
    length = rest.length > 0 ? rest.at(-1)?.length ?? 0 : length + first.length
    if (length > most) throw new Failure(`a line of stdin is longer than ${most} characters`)
    for (const line of rest) {
      yield pieces.join('').replace(/\r$/, '')
      pieces = [line]
    }
  }
  const last = pieces.join('') + decoder.end()
  if (last !== '') yield last
}
