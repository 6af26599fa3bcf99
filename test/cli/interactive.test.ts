// By hand, in a terminal that is none: what is typed, what is shown.
import t from 'tap'
import type { Test } from 'tap'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { Arguments } from '../../lib/cli/arguments.ts'
import { UsageFault } from '../../lib/cli/faults.ts'
import { History } from '../../lib/cli/history.ts'
import { runInteractive } from '../../lib/cli/interactive.ts'
import type { InteractiveOptions } from '../../lib/cli/interactive.ts'
import { readTarget } from '../../lib/cli/target.ts'
import { FakeOutput } from '../helpers/cli.ts'
import { serveEcho } from '../helpers/echo-app.ts'

interface Hand {
  readonly input: PassThrough
  readonly screen: FakeOutput
  readonly code: Promise<number>
}

function sit (url: string, options: Partial<InteractiveOptions> = {}, messages?: FakeOutput, values: Record<string, boolean | string[]> = {}): Hand {
  const input = new PassThrough()
  const screen = new FakeOutput(true)
  const code = runInteractive(readTarget(new Arguments(values, [url])), { input, screen, messages: messages ?? screen }, { ping: undefined, rules: undefined, strict: false, history: undefined, ...options })
  return { input, screen, code }
}

async function leave (t: Test, { input, screen, code }: Hand): Promise<void> {
  input.write('\x03')
  t.equal(await code, 0)
  t.match(screen.text, /closed\n$/)
}

t.test('lines are sent, answers shown above the prompt, and the history has them', async (t) => {
  const { url, received } = await serveEcho(t)
  const hand = sit(`${url}/echo`, {}, undefined, { subprotocol: ['v2'] })
  await hand.screen.until(/connected to .*, subprotocol v2; Ctrl\+C closes/)
  hand.input.write('hello\r')
  await hand.screen.until(/< hello\n/)
  hand.input.write('\r\x1b[A!\r')
  await hand.screen.until(/< hello!\n/)
  hand.input.write('half')
  await hand.screen.until(/> half/)
  await leave(t, hand)
  t.strictSame(received, ['hello', 'hello!'], 'and no empty one')
})

t.test('the history of another time', async (t) => {
  const { url, received } = await serveEcho(t)
  const file = join(t.testdir(), 'history')
  for (const [typed, want] of [['one\rtwo\r', 'two'], ['\x1b[A\x1b[A!\r', 'one!']] as const) {
    const hand = sit(`${url}/echo`, { history: new History(file) })
    await hand.screen.until(/connected/)
    hand.input.write(typed)
    await hand.screen.until(new RegExp(`< ${want}\n`))
    await leave(t, hand)
  }
  t.strictSame(received, ['one', 'two', 'one!'])
})

t.test('JSON, times and pings', async (t) => {
  const { url } = await serveEcho(t)
  const hand = sit(`${url}/echo`, { json: true, timestamps: true, now: () => 0, ping: 5 })
  await hand.screen.until(/connected/)
  hand.input.write('{"a":1}\r')
  await hand.screen.until(/1970-01-01T00:00:00.000Z > \{\n {2}"a": 1\n\}/)
  await hand.screen.until(/1970-01-01T00:00:00.000Z < \{\n {2}"a": 1\n\}/)
  await hand.screen.until(/ping \d+\.\d ms/)
  await leave(t, hand)
})

t.test('a contract completes, and refuses', async (t) => {
  const { url, received } = await serveEcho(t)
  const rules = { judge: () => undefined, examples: ['{"type":"leave"}'], check (text: string) { if (!text.startsWith('{')) throw new UsageFault('invalid message: not JSON') } }
  const hand = sit(`${url}/echo`, { rules })
  await hand.screen.until(/connected/)
  hand.input.write('le\t')
  await hand.screen.until(/> \{"type":"leave"\}/)
  hand.input.write('\r')
  await hand.screen.until(/< \{"type":"leave"\}/)
  hand.input.write('le\r')
  await hand.screen.until(/not sent: invalid message: not JSON/)
  await leave(t, hand)
  t.strictSame(received, ['{"type":"leave"}'])
})

t.test('what comes and does not fit is told, and strictly it is the end', async (t) => {
  const { url } = await serveEcho(t)
  const rules = { examples: [], check () {}, judge: (message: unknown) => message === 'hello' ? 'it is hello' : undefined }
  const hand = sit(`${url}/greet`, { rules })
  await hand.screen.until(/< hello\n.*message 1 that came does not fit the contract: it is hello\n/)
  await leave(t, hand)
  const strict = sit(`${url}/greet`, { rules, strict: true })
  t.equal(await strict.code, 1)
  t.match(strict.screen.text, /it is hello/)
})

t.test('messages go elsewhere, without marks', async (t) => {
  const { url } = await serveEcho(t)
  const messages = new FakeOutput()
  const hand = sit(`${url}/greet`, {}, messages)
  await messages.until(/ws:ack/)
  await leave(t, hand)
  t.equal(messages.text, 'hello\nYnl0ZXM=\n{"type":"ws:ack","id":1}\n')
  t.notMatch(hand.screen.text, /hello/)
})

t.test('nobody reads the messages, and a signal', async (t) => {
  const { url } = await serveEcho(t)
  const messages = new FakeOutput()
  const hand = sit(`${url}/greet`, {}, messages)
  await messages.until(/hello/)
  messages.destroy(new Error('EPIPE'))
  t.equal(await hand.code, 0)
  t.ok(hand.screen.text.endsWith('\x1b[J'), 'the prompt is gone')

  const ending = new AbortController()
  const ended = sit(`${url}/greet`, { signal: ending.signal })
  await ended.screen.until(/hello/)
  ending.abort()
  t.equal(await ended.code, 0)
  t.match(ended.screen.text, /closed\n$/)
})

t.test('the server\'s end, and a refusal', async (t) => {
  const { url } = await serveEcho(t)
  const hand = sit(`${url}/close/4001`)
  await hand.screen.until(/connected/)
  hand.input.write('close\r')
  t.equal(await hand.code, 1)
  t.match(hand.screen.text, /closed by the server: 4001 as asked\n$/)
  const refused = sit(`${url}/refuse`)
  t.equal(await refused.code, 1)
  t.match(refused.screen.text, /^127\.0\.0\.1:\d+ refused the handshake: 401 Unauthorized: who are you\?\n$/)
})

t.test('without a connection nothing is sent, and it comes back', async (t) => {
  const { url } = await serveEcho(t)
  const hand = sit(`${url}/cut`, {}, undefined, { reconnect: true })
  hand.input.write('early\r')
  await hand.screen.until(/not sent: there is no connection/)
  await hand.screen.until(/connected/)
  hand.input.write('cut\r')
  await hand.screen.until(/was lost \(1006\); again in/)
  await hand.screen.until(/connected[^]*connected/)
  hand.input.write('\x03')
  t.equal(await hand.code, 0)
})
