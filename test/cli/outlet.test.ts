// Messages at the pace of whoever reads them.
import { PassThrough } from 'node:stream'
import t from 'tap'
import { Outlet } from '../../lib/cli/outlet.ts'
import { FakeOutput } from '../helpers/cli.ts'

interface Heard {
  readonly events: string[]
  readonly outlet: Outlet
}

function open (output: PassThrough): Heard {
  const events: string[] = []
  const outlet = new Outlet(output, {}, { pause: () => events.push('pause'), resume: () => events.push('resume'), onBroken: () => events.push('broken') })
  return { events, outlet }
}

t.test('who reads holds nothing back', async (t) => {
  const output = new FakeOutput()
  const { events, outlet } = open(output)
  outlet.print('a')
  outlet.print(new Uint8Array(3))
  t.equal(output.text, 'a\nAAAA\n')
  t.strictSame(events, [])
})

t.test('who does not read does, until all was taken', async (t) => {
  const output = new PassThrough({ highWaterMark: 4 })
  const { events, outlet } = open(output)
  outlet.print('abcd')
  t.strictSame(events, ['pause'])
  output.resume()
  await new Promise((resolve) => output.once('drain', resolve))
  t.strictSame(events, ['pause', 'resume'])
})

t.test('broken, it is told once, and nothing is printed', async (t) => {
  const output = new FakeOutput()
  const { events, outlet } = open(output)
  t.notOk(outlet.isBroken)
  output.emit('error', new Error('EPIPE'))
  output.emit('error', new Error('EPIPE'))
  outlet.print('a')
  t.ok(outlet.isBroken)
  t.equal(output.text, '')
  t.strictSame(events, ['broken'])
})
