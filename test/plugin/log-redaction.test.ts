import Fastify from 'fastify'
import type { FastifyInstance, FastifyServerOptions } from 'fastify'
import t from 'tap'
import { LOG_REDACTION } from '../../lib/plugin/log-redaction.ts'

const SECRETS = {
  authorization: 'Bearer secret-1',
  'proxy-authorization': 'Basic secret-2',
  cookie: 'session=secret-3',
  'set-cookie': 'session=secret-4',
  'sec-websocket-protocol': 'bearer, secret-5'
}
const HEADERS = { host: 'example.org', ...SECRETS }
const MESSAGE = { method: 'GET', headers: HEADERS, rawHeaders: Object.entries(HEADERS).flat() }

/** What an application may log, and where its serializers may put the fields. */
const LINES: ReadonlyArray<[name: string, line: object]> = [
  ['fields', HEADERS],
  ['a message', MESSAGE],
  ...['req', 'request', 'res', 'reply', 'response', 'raw'].map((place): [string, object] => [place, { [place]: MESSAGE }]),
  ...['req', 'request', 'reply'].map((place): [string, object] => [`${place}.raw`, { [place]: { raw: MESSAGE } }])
]

function makeLogger (redact: readonly string[]): { log: FastifyInstance['log'], lines: string[] } {
  const lines: string[] = []
  const stream = { write: (line: string) => { lines.push(line) } }
  const asItIs = (value: unknown): unknown => value
  // Given as it is: pino asks for a list that may be written to, and does not. Fastify's own serializers are for objects of its own.
  const logger = { level: 'trace', stream, redact, serializers: { req: asItIs, res: asItIs } } as unknown as FastifyServerOptions['logger']
  const { log } = Fastify({ logger } as FastifyServerOptions)
  return { log, lines }
}

for (const [name, line] of LINES) {
  t.test(`T41 ${name}`, async (t) => {
    const bare = makeLogger([])
    bare.log.info(line)
    for (let n = 1; n <= 5; n++) t.match(bare.lines[0], `secret-${n}`, 'it would be logged')

    const { log, lines } = makeLogger(LOG_REDACTION)
    log.info(line)
    log.child(line).info('bound to a child')
    t.equal(lines.length, 2)
    for (const text of lines) {
      t.notMatch(text, 'secret')
      t.match(text, '[Redacted]')
    }
    // What the log is for is still there. All of a message's raw fields go with the others.
    t.match(lines[0], '"host":"example.org"')
  })
}

t.test('the fields are left as they were', async (t) => {
  const headers = { ...SECRETS }
  makeLogger(LOG_REDACTION).log.info({ req: { headers } })
  t.strictSame(headers, SECRETS)
})

t.test('a list for everybody is nobody\'s to change', async (t) => {
  t.throws(() => { (LOG_REDACTION as string[]).push('x') }, TypeError)
  t.equal(new Set(LOG_REDACTION).size, LOG_REDACTION.length)
})
