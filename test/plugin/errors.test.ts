import t from 'tap'
import * as errors from '../../lib/plugin/errors.ts'

t.test('each row has its class, with code, status and message', async (t) => {
  const classes = Object.entries(errors).filter(([name]) => name.endsWith('Error')).map(([, value]) => value as unknown as new (...args: string[]) => Error & { code: string, statusCode: number })
  const seen = new Set<string>()
  for (const Class of classes) {
    const error = new Class('one', 'two', 'three')
    const row = errors.PLUGIN_ERRORS[error.code as errors.PluginErrorCode]
    seen.add(error.code)
    t.ok(error instanceof Error)
    t.equal(error.statusCode, row.statusCode)
    const args = ['one', 'two', 'three']
    const message = row.message.replaceAll('%s', () => args.shift() ?? '')
    t.ok(error.message.startsWith(message), error.message)
  }
  t.same([...seen].toSorted(), Object.keys(errors.PLUGIN_ERRORS).toSorted())
})

t.test('a schema\'s error keeps its cause', async (t) => {
  const cause = new Error('cause')
  t.equal(new errors.InvalidSchemaError('GET /x', 'why', { cause }).cause, cause)
})
