// How the bytes are cut, and where the reading is paused, never changes what is read; and that is what a plain reader reads.
import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import t from 'tap'
import type { Role } from '../../lib/protocol/role.ts'
import { anyFrame, legalFrames, parameters, SEED, sizes } from '../helpers/arbitrary-frames.ts'
import { readPlainly } from '../helpers/plain-reader.ts'
import { READERS } from '../helpers/readers.ts'
import { readChunks, receive, split, startRecording } from '../helpers/recorder.ts'
import { encodeFrame } from '../helpers/wire-frames.ts'
import type { FrameToSend } from '../helpers/wire-frames.ts'

t.comment(`seed ${SEED}`)

const role: fc.Arbitrary<Role> = fc.constantFrom('server', 'client')
const maxPayload = fc.constantFrom(0, 5, 40, 200, 2 ** 20)
const ANY_MASK = Buffer.from('f00dface', 'hex')

function encodeAll (to: Role, frames: ReadonlyArray<FrameToSend & { isMaskWrong?: boolean }>): Buffer {
  return Buffer.concat(frames.map(frame => encodeFrame({ ...frame, mask: (to === 'server') === (frame.isMaskWrong === true) ? null : ANY_MASK })))
}

const frames = fc.oneof(
  legalFrames,
  fc.tuple(legalFrames, anyFrame, legalFrames).map(([before, frame, after]) => [...before.filter(({ opcode }) => opcode !== 8), frame, ...after])
)

t.test('any frames, cut anyhow, are read as by the plain reader', async t => {
  const seen = new Map<string, number>()
  fc.assert(fc.property(role, frames, sizes, maxPayload, (to, list, pieces, limit) => {
    const wire = encodeAll(to, list)
    const want = readPlainly(wire, to, limit)
    for (const event of want) seen.set(event.replace(/^(error:\w+|>?\w+).*/s, '$1'), (seen.get(event) ?? 0) + 1)
    return isDeepStrictEqual(readChunks(to, [wire], limit), want) && isDeepStrictEqual(readChunks(to, split(wire, pieces), limit), want)
  }), parameters(2500))
  for (const kind of ['text', 'binary', 'ping', 'pong', 'close', '>pong', '>close']) t.ok(seen.has(kind), `${kind} came up`)
  const errors = [...seen.keys()].filter(kind => kind.startsWith('error:'))
  t.ok(errors.length >= 12, `${errors.length} of the errors came up`)
})

t.test('any bytes, as far as they have come, are read as by the plain reader', async () => {
  fc.assert(fc.property(role, frames, fc.nat(300), sizes, (to, list, length, pieces) => {
    const wire = encodeAll(to, list).subarray(0, length)
    return isDeepStrictEqual(readChunks(to, split(wire, pieces)), readPlainly(wire, to))
  }), parameters(1000))
})

for (const reader of READERS) {
  t.test(`pauses, between chunks and inside them, delay and change nothing: ${reader.name}`, async () => {
    fc.assert(fc.property(role, frames, sizes, fc.array(fc.constantFrom('go on', 'pause', 'pause and resume'), { minLength: 1, maxLength: 20 }), (to, list, pieces, whims) => {
      const wire = encodeAll(to, list)
      let turn = 0
      const { protocol, events } = startRecording(to, undefined, (_event, core) => {
        const whim = whims[turn++ % whims.length]
        if (whim !== 'go on') core.pause()
        if (whim === 'pause and resume') core.resume()
      }, reader)
      for (const piece of split(wire, pieces)) {
        receive(protocol, piece, reader)
        if (turn % 3 === 0) protocol.resume()
      }
      const want = readPlainly(wire, to)
      const soFar = isDeepStrictEqual(events, want.slice(0, events.length))
      // each resume reads one event at least
      for (let n = 0; n <= want.length && protocol.hasUnread; n++) protocol.resume()
      protocol.resume()
      return soFar && isDeepStrictEqual(events, want)
    }), parameters(1500))
  })
}
