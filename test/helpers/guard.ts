// Watches the process of a test for what no peer may cause (T59): an uncaught error, a rejection that nobody handles, an
// emitter whose listeners pile up. Importing it is enough: the file that ran then fails at its exit, whatever its asserts said.
import { writeSync } from 'node:fs'

/** What has escaped so far, as lines to compare with none. A test that causes one on purpose takes it out again. */
export const escaped: string[] = []

function describe (reason: unknown): string {
  return reason instanceof Error ? reason.stack ?? reason.message : String(reason)
}

// The monitor sees what another listener, such as tap's own, takes care of; and it is none itself, so that nothing is hidden.
process.on('uncaughtExceptionMonitor', (error, origin) => escaped.push(`${origin}: ${describe(error)}`))
process.on('unhandledRejection', (reason) => escaped.push(`unhandledRejection: ${describe(reason)}`))
process.on('warning', (warning) => {
  if (warning.name === 'MaxListenersExceededWarning') escaped.push(`${warning.name}: ${describe(warning)}`)
})
process.on('exit', () => {
  if (escaped.length === 0) return
  writeSync(2, `escaped to the process:\n${escaped.join('\n')}\n`)
  process.exitCode = 1
})

/** Resolves when rejections and warnings of this tick would have been told. */
export async function settleEscapes (): Promise<void> {
  for (let i = 0; i < 3; i++) await new Promise<void>((resolve) => { setImmediate(resolve) })
}

/** Resolves with the lines that something on purpose has let escape, which count no more. */
export async function takeEscaped (): Promise<string[]> {
  await settleEscapes()
  return escaped.splice(0)
}
