import { readFileSync } from 'node:fs'
import t from 'tap'
import { CLIENT_FAULTS } from '../../lib/client/errors.ts'
import { TopicError } from '../../lib/contract.ts'
import { LIMIT_ERRORS } from '../../lib/connection/limit-error.ts'
import { PLUGIN_ERRORS } from '../../lib/plugin/errors.ts'
import { PROTOCOL_ERRORS, USAGE_ERRORS } from '../../lib/protocol/errors.ts'
import { HANDSHAKE_ERRORS } from '../../lib/protocol/handshake-errors.ts'
import { InvalidMessageError, InvalidSendError } from '../../lib/validation/errors.ts'

const page = readFileSync(new URL('../../../docs/errors.md', import.meta.url), 'utf8')

/** The first words under each code's heading. */
const paragraphs = new Map<string, string>()
for (const [, code = '', paragraph = ''] of page.matchAll(/^### (\w+)\n\n(.+)$/gm)) paragraphs.set(code, paragraph)

t.test('docs/errors.md has a paragraph for each code, and none for others', async (t) => {
  const codes = [PROTOCOL_ERRORS, LIMIT_ERRORS, USAGE_ERRORS, HANDSHAKE_ERRORS, PLUGIN_ERRORS].flatMap((table) => Object.keys(table))
  codes.push(new InvalidMessageError(1008, []).code, new InvalidSendError([]).code, new TopicError().code, ...CLIENT_FAULTS.map((fault) => `FST_WS_CLIENT_${fault}`))
  t.same([...paragraphs.keys()].toSorted(), codes.toSorted())
})

for (const [code, { closeCode, rule }] of Object.entries(PROTOCOL_ERRORS)) {
  t.test(`docs/errors.md on ${code}`, async (t) => {
    t.match(paragraphs.get(code), `Close code ${closeCode} (${rule}).`)
  })
}

for (const [code, { closeCode, option }] of Object.entries(LIMIT_ERRORS)) {
  t.test(`docs/errors.md on ${code}`, async (t) => {
    t.match(paragraphs.get(code), `Close code ${closeCode} (\`${option}\`).`)
  })
}

for (const [code, { statusCode }] of Object.entries({ ...HANDSHAKE_ERRORS, ...PLUGIN_ERRORS })) {
  t.test(`docs/errors.md on ${code}`, async (t) => {
    // 500 stands for what happens before there are requests; a refused client tells its server's own status.
    const status = statusCode === 500 ? /^At (registration|start-up)\./ : code === 'FST_WS_REFUSED' ? 'Status its status.' : `Status ${statusCode}.`
    t.match(paragraphs.get(code), status)
  })
}
