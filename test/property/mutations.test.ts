// T10: random and mutated bytes end in events or in a ProtocolError, once, and never in anything else.
import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import t from 'tap'
import type { Role } from '../../lib/protocol/role.ts'
import { fuzzFrame, seededRandom } from '../conformance/fuzz.ts'
import { legalFrames, parameters, SEED, sizes } from '../helpers/arbitrary-frames.ts'
import { readPlainly } from '../helpers/plain-reader.ts'
import { readChunks, split, startRecording } from '../helpers/recorder.ts'
import { encodeFrame } from '../helpers/wire-frames.ts'

t.comment(`seed ${SEED}`)

const role: fc.Arbitrary<Role> = fc.constantFrom('server', 'client')

/** Whatever has happened: nothing behind the end, one end, a Close frame to go with it. */
function isInOrder (events: readonly string[]): boolean {
  const end = events.findIndex(event => /^(?:close|error):/.test(event))
  if (end < 0) return !events.some(event => event.startsWith('>close'))
  return end === events.length - 1 && events.findIndex(event => event.startsWith('>close')) === end - 1
}

const edit = fc.oneof(
  fc.record({ kind: fc.constant('flip' as const), at: fc.nat(), bit: fc.nat(7) }),
  fc.record({ kind: fc.constant('set' as const), at: fc.nat(), byte: fc.constantFrom(0x00, 0x01, 0x02, 0x7e, 0x7f, 0x80, 0x81, 0x82, 0x88, 0x89, 0xfe, 0xff) }),
  fc.record({ kind: fc.constant('drop' as const), at: fc.nat(), length: fc.nat(9) }),
  fc.record({ kind: fc.constant('repeat' as const), at: fc.nat(), length: fc.nat(40) }),
  fc.record({ kind: fc.constant('insert' as const), at: fc.nat(), array: fc.uint8Array({ maxLength: 14 }) })
)
type Edit = typeof edit extends fc.Arbitrary<infer T> ? T : never

function apply (wire: Buffer, change: Edit): Buffer {
  const at = wire.length === 0 ? 0 : change.at % wire.length
  const [before, behind] = [wire.subarray(0, at), wire.subarray(at)]
  switch (change.kind) {
    case 'flip': return Buffer.concat([before, Buffer.from(behind.map((byte, index) => index === 0 ? byte ^ (1 << change.bit) : byte))])
    case 'set': return Buffer.concat([before, Buffer.from(behind.map((byte, index) => index === 0 ? change.byte : byte))])
    case 'drop': return Buffer.concat([before, behind.subarray(change.length)])
    case 'repeat': return Buffer.concat([before, behind.subarray(0, change.length), behind])
    case 'insert': return Buffer.concat([before, change.array, behind])
  }
}

t.test('T10 random bytes, in both roles, cut anyhow, as by the plain reader', async () => {
  fc.assert(fc.property(role, fc.uint8Array({ maxLength: 60 }), sizes, (to, array, pieces) => {
    const wire = Buffer.from(array)
    const events = readChunks(to, split(wire, pieces))
    return isInOrder(events) && isDeepStrictEqual(events, readPlainly(wire, to))
  }), parameters(2000))
})

t.test('T10 mutated frames, in both roles, cut anyhow, as by the plain reader', async t => {
  const errors = new Set<string>()
  fc.assert(fc.property(role, legalFrames, fc.array(edit, { minLength: 1, maxLength: 3 }), sizes, (to, frames, edits, pieces) => {
    const legal = Buffer.concat(frames.map(frame => encodeFrame(to === 'server' ? frame : { ...frame, mask: null })))
    let wire: Buffer = legal
    for (const change of edits) wire = apply(wire, change)
    const events = readChunks(to, split(wire, pieces), 1000)
    errors.add(events.find(event => event.startsWith('error:')) ?? 'none')
    return isInOrder(events) && isDeepStrictEqual(events, readPlainly(wire, to, 1000))
  }), parameters(2500))
  t.ok(errors.size >= 12, `${errors.size} different errors`)
})

t.test('T10 sessions of random and mutated frames, until the core will have no more', async t => {
  const random = seededRandom(SEED)
  let frames = 0
  const { numRuns: count } = parameters(20_000)
  while (frames < count) {
    const { protocol, events } = startRecording('server', 100_000)
    const sent: Buffer[] = []
    while (protocol.state === 'open' && sent.length < 200) {
      const frame = fuzzFrame(random)
      sent.push(frame)
      protocol.receiveData(Buffer.from(frame))
    }
    frames += sent.length
    if (isInOrder(events) && isDeepStrictEqual(events, readPlainly(Buffer.concat(sent), 'server', 100_000))) continue
    t.fail('not as by the plain reader', { wire: Buffer.concat(sent).toString('hex'), events })
    break
  }
  t.ok(frames >= count, `${frames} frames`)
})
