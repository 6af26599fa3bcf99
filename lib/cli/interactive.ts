// A connection by hand, in a terminal: what is typed is sent line by line, what comes is printed above the line that is being typed.
// Owns the prompt.
import { clearLine, createInterface, cursorTo, moveCursor } from 'node:readline'
import { complete } from './completion.ts'
import type { MessageRules } from './contract-file.ts'
import { describeEnd, ExitCode, exitCodeOf, UsageFault } from './faults.ts'
import { MOST_LINES } from './history.ts'
import type { History } from './history.ts'
import { Incoming } from './incoming.ts'
import { Outlet } from './outlet.ts'
import { escapeControls, paint, Printer } from './printer.ts'
import type { Output, PrinterOptions, Style } from './printer.ts'
import { Session } from './session.ts'
import type { Input } from './streams.ts'
import type { Target } from './target.ts'

export interface InteractiveOptions extends PrinterOptions {
  /** Between pings, in ms. */
  readonly ping: number | undefined
  readonly rules: MessageRules | undefined
  /** What comes and does not fit `rules` is the end. */
  readonly strict: boolean
  /** Of what is typed; absent: it is forgotten. */
  readonly history: History | undefined
  /** Closes it as Ctrl+D does. */
  readonly signal?: AbortSignal
}

export interface Terminal {
  readonly input: Input
  /** Where the prompt is. */
  readonly screen: Output
  /** Where messages go, if not to the screen. */
  readonly messages: Output
}

/** Resolves with the exit code. */
export async function runInteractive (target: Target, { input, screen, messages }: Terminal, options: InteractiveOptions): Promise<ExitCode> {
  const { place, name } = target
  const { history, rules, ping, signal, timestamps = false } = options
  const screenPrinter = new Printer(screen, { ...options, marks: true })
  const rl = createInterface({
    input,
    output: screen,
    terminal: true,
    history: history?.read() ?? [],
    historySize: MOST_LINES,
    removeHistoryDuplicates: true,
    prompt: paint(screen, 'cyan', '> '),
    completer: (line: string) => complete(line, rules?.examples ?? [])
  })
  let hasPrompt = false
  let isClosing = false

  /** Prints above what is being typed. */
  const above = (print: () => void): void => {
    if (hasPrompt) {
      // The line that is typed may be over several rows, with the cursor in one of them.
      moveCursor(screen, 0, -rl.getCursorPos().rows)
      cursorTo(screen, 0)
      screen.write('\x1b[J')
    }
    print()
    if (hasPrompt) rl.prompt(true)
  }
  const tell = (style: Style, text: string): void => above(() => { screen.write(`${paint(screen, style, escapeControls(text))}\n`) })

  const session = new Session(target, {
    onOpen () {
      hasPrompt = true
      tell('dim', `connected to ${name}${session.protocol === '' ? '' : `, subprotocol ${session.protocol}`}; Ctrl+C closes`)
    },
    onMessage (data) {
      above(() => outlet.print(data))
      incoming.look(data)
    },
    onRetry: (retry) => tell('yellow', `${describeEnd(retry, place)}; again in ${Math.round(retry.delay)} ms`)
  })
  const incoming = new Incoming({ judge: rules?.judge, isStrict: options.strict, tell: (text) => tell('yellow', text), onRefused: () => rl.close() })
  const outlet = new Outlet(messages, { ...options, marks: messages === screen }, {
    pause: () => session.pause(), resume: () => session.resume(), onBroken: () => session.abort()
  })
  const pings = ping === undefined ? undefined : setInterval(() => session.ping((latency) => tell('dim', `ping ${latency.toFixed(1)} ms`)), ping)

  rl.on('line', (line) => {
    if (isClosing) return
    history?.add(line)
    // What is told now stands where the prompt will be.
    hasPrompt = false
    if (line.trim() !== '') {
      try {
        rules?.check(line)
        if (timestamps) {
          // In place of what was typed, as far as that was one row.
          if (line.length + 2 < (screen.columns || 80)) {
            moveCursor(screen, 0, -1)
            clearLine(screen, 0)
          }
          screenPrinter.print(line, 'out')
        }
        session.send(line).catch(() => tell('red', 'not sent: there is no connection'))
      } catch (error) {
        if (!(error instanceof UsageFault)) throw error
        tell('red', `not sent: ${error.message}`)
      }
    }
    hasPrompt = true
    rl.prompt()
  })
  // Ctrl+D, and the terminal's end.
  rl.on('close', () => {
    hasPrompt = false
    if (!isClosing) session.close()
    isClosing = true
  })
  signal?.addEventListener('abort', () => rl.close())
  // A second one does not wait for the server.
  rl.on('SIGINT', () => isClosing ? session.abort() : rl.close())

  const end = await session.closed
  clearInterval(pings)
  const wasLocal = isClosing
  isClosing = true
  if (hasPrompt) above(() => { hasPrompt = false })
  else if (wasLocal || rl.line !== '') screen.write('\n')
  rl.close()
  if (outlet.isBroken) return ExitCode.Fine
  const code = incoming.isRefused ? ExitCode.Failed : exitCodeOf(end)
  const isAborted = wasLocal && end.error === undefined
  if (isAborted) screen.write(`${paint(screen, 'dim', 'closed')}\n`)
  else screen.write(`${paint(screen, code === ExitCode.Fine ? 'dim' : 'red', escapeControls(describeEnd(end, place)))}\n`)
  return code
}
