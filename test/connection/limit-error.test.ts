import t from 'tap'
import { LIMIT_ERRORS, LimitError } from '../../lib/connection/limit-error.ts'
import { CloseCode, isWireCloseCode } from '../../lib/protocol/close-code.ts'

for (const [code, { closeCode, message }] of Object.entries(LIMIT_ERRORS)) {
  t.test(code, async t => {
    const error = new LimitError(code as keyof typeof LIMIT_ERRORS) // a key of the table
    t.match(error, { name: 'LimitError', code, closeCode, message })
    t.ok(Buffer.byteLength(message) <= 123, 'the reason of a Close frame can say it all')
    t.ok(isWireCloseCode(closeCode) || closeCode === CloseCode.Abnormal, 'can be sent, or says that nothing is')
  })
}
