import t from 'tap'
import { DeflateMemory } from '../../../lib/connection/deflate/memory.ts'
import { deflateSettings } from '../../../lib/connection/deflate/settings.ts'
import type { DeflateSettings } from '../../../lib/connection/deflate/settings.ts'

function settings (given: { context?: boolean, bits?: number, level?: number } = {}): DeflateSettings {
  const { context = false, bits = 15, level = 1 } = given
  const params = { serverNoContextTakeover: !context, clientNoContextTakeover: !context, serverMaxWindowBits: bits, clientMaxWindowBits: bits }
  return deflateSettings(params, 'server', { threshold: 0, level, memLevel: 8 })
}

t.test('the first connection takes what all share, the next ones only their own', t => {
  const memory = new DeflateMemory()
  t.ok(memory.take(settings(), Infinity))
  const first = memory.used
  t.ok(memory.take(settings(), Infinity))
  const own = memory.used - first
  t.ok(own <= 512 && first > 600_000, `${first}, ${own}`)
  t.ok(memory.take(settings({ bits: 9 }), Infinity))
  t.equal(memory.used - first - own, own + 2 ** 11 + 2 ** 17, 'and another compressor')
  t.end()
})

t.test('where the context is kept, its windows', t => {
  const memory = new DeflateMemory()
  memory.take(settings({ context: true }), Infinity)
  const first = memory.used
  memory.take(settings({ context: true }), Infinity)
  t.equal(memory.used - first, 512 + 8_192 + 32_768)
  memory.take(settings({ context: true, bits: 9 }), Infinity)
  t.equal(memory.used - first, 512 + 8_192 + 32_768 + 512 + 512 + 512)
  t.end()
})

t.test('what is given back is there for the next one; what all share stays', t => {
  const memory = new DeflateMemory()
  const one = settings({ context: true })
  memory.take(one, Infinity)
  const limit = memory.used
  t.notOk(memory.take(one, limit), 'not one byte more')
  t.equal(memory.used, limit, 'and nothing is taken')
  memory.giveBack(one)
  t.ok(memory.take(one, limit))
  memory.giveBack(one)
  t.ok(memory.used > 0 && memory.used < limit)
  t.notOk(new DeflateMemory().take(one, limit - 1))
  t.end()
})

t.test('compressors that are shared are no more than there are', t => {
  const memory = new DeflateMemory()
  for (let level = 1; level <= 9; level++) memory.take(settings({ level }), Infinity)
  const before = memory.used
  memory.take(settings({ level: 9, bits: 9 }), Infinity)
  t.equal(memory.used - before, 512)
  t.end()
})
