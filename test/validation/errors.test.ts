import t from 'tap'
import { clip, DEPTH_FAULT, InvalidMessageError, InvalidSendError, isStackOverflow, wholeFault } from '../../lib/validation/errors.ts'
import type { MessageFault } from '../../lib/validation/errors.ts'

const fault: MessageFault = {
  instancePath: '/text', schemaPath: '#/properties/text/type', keyword: 'type', params: { type: 'string' }, message: 'Expected string'
}

t.test('an incoming message: the shape of a body\'s error, and a close code', async t => {
  const cause = new SyntaxError('x')
  const error = new InvalidMessageError(1008, [fault], { cause })
  t.ok(error instanceof Error)
  t.match(error, {
    name: 'InvalidMessageError', code: 'FST_ERR_VALIDATION', statusCode: 400, validationContext: 'message', closeCode: 1008, cause
  })
  t.equal(error.message, 'message/text Expected string')
  t.same(error.validation, [fault])
})

t.test('an outgoing message: an error of the application', async t => {
  const error = new InvalidSendError([fault])
  t.match(error, { name: 'InvalidSendError', code: 'FST_WS_INVALID_SEND', statusCode: 500, validationContext: 'send' })
  t.equal(error.message, 'send/text Expected string')
  t.same(error.validation, [fault])
  t.notOk('closeCode' in error, 'the peer did nothing wrong')
})

const { message: _, ...silent } = fault
const texts = [
  { name: 'the whole message', faults: [wholeFault('json', 'is not valid JSON')], want: 'message is not valid JSON' },
  { name: 'several faults', faults: [fault, DEPTH_FAULT], want: 'message/text Expected string, message is nested too deeply' },
  { name: 'a fault without a text', faults: [silent], want: 'message/text type' },
  { name: 'no fault at all', faults: [], want: 'message does not fit the schema' }
]

for (const { name, faults, want } of texts) {
  t.test(`text for ${name}`, async t => t.equal(new InvalidMessageError(1008, faults).message, want))
}

t.test('the peer\'s words are cut', async t => {
  const long = new InvalidMessageError(1008, [{ ...fault, instancePath: `/${'k'.repeat(1_000_000)}` }])
  t.equal(long.message.length, 501)
  t.ok(long.message.endsWith('…'))
  t.equal(clip('x'.repeat(500)), 'x'.repeat(500))
})

t.test('a stack that has run out is told from other RangeErrors', async t => {
  const recurse = (): unknown => [recurse()]
  try {
    recurse()
  } catch (error) {
    t.equal(isStackOverflow(error), true)
  }
  t.equal(isStackOverflow(new RangeError('Invalid array length')), false)
  t.equal(isStackOverflow(new Error('Maximum call stack size exceeded')), false)
})
