// What the Tab key makes of a line that is being typed: a message of the contract. Knows no terminal.

/** What readline's completer gives: what may stand in place of which end of the line. */
export type Completion = [candidates: string[], completed: string]

/**
 * Completes a line that is the beginning of an example, or of the `type` of one.
 *
 * @param examples - messages as JSON
 */
export function complete (line: string, examples: readonly string[]): Completion {
  const text = line.trimStart()
  const whole = examples.filter((example) => example.startsWith(text))
  if (whole.length > 0) return [whole, text]
  // `sa`, and `{ "type": "sa`, for `{"type":"say","text":""}`.
  const [, word] = /^(?:\{\s*"type"\s*:\s*)?"?([\w:.-]*)$/.exec(text) ?? []
  if (word === undefined) return [[], text]
  return [examples.filter((example) => typeOf(example)?.startsWith(word)), text]
}

function typeOf (example: string): string | undefined {
  const { type } = JSON.parse(example) as { readonly type?: unknown } // an example is an object
  return typeof type === 'string' ? type : undefined
}
