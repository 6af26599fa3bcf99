// Messages to payloads. What comes out is read by zlib's own streams.
import { syncBuiltinESMExports } from 'node:module'
import zlib from 'node:zlib'
import fc from 'fast-check'
import t from 'tap'
import { DEFLATE_NOW, deflateLater, deflateNow } from '../../../lib/connection/deflate/deflate.ts'
import { deflateSettings } from '../../../lib/connection/deflate/settings.ts'
import { MAX_JOBS, runJob } from '../../../lib/connection/deflate/jobs.ts'
import { parameters } from '../../helpers/arbitrary-frames.ts'
import { turns } from '../../helpers/connection-pair.ts'
import { noise, pack, prose, settingsOf, unpackAll, WITH_CONTEXT } from '../../helpers/deflate.ts'

/** The message behind earlier ones, which stand for what the peer has kept of them. */
async function read (payload: Buffer, history: Buffer | undefined, windowBits: number): Promise<Buffer> {
  const dictionary = history === undefined ? {} : { dictionary: history }
  // zlib sees a look back that is too far only beyond the chunk that it writes to.
  const [message = Buffer.alloc(0)] = await unpackAll([payload], { windowBits, chunkSize: Math.max(64, 2 ** windowBits / 16), ...dictionary })
  return message
}

const anyMessage = fc.oneof(
  fc.string({ unit: fc.constantFrom(...'aé€😀\0\ud800'), maxLength: 300 }),
  fc.tuple(fc.nat(9000), fc.nat(50)).map(([length, seed]) => prose(length, seed)),
  fc.tuple(fc.nat(3000), fc.nat(9)).map(([length, seed]) => noise(length, seed)),
  fc.nat(DEFLATE_NOW).map(length => Buffer.alloc(length, 'ab')),
  fc.constant('é'.repeat(DEFLATE_NOW / 2))
)
const anySettings = fc.record({
  bits: fc.integer({ min: 8, max: 15 }), level: fc.integer({ min: 1, max: 9 }), memLevel: fc.integer({ min: 1, max: 9 }), keepsHandles: fc.boolean()
})
const anyHistory = fc.option(fc.integer({ min: 1, max: 8192 }).map(length => Buffer.from(prose(length))), { nil: undefined })

t.test('whatever is compressed, now or later, is read as what it was; or is not, as it would be no smaller', async t => {
  let smaller = 0
  await fc.assert(fc.asyncProperty(anyMessage, anySettings, anyHistory, async (message, { bits, ...tuning }, history) => {
    const settings = settingsOf({ serverMaxWindowBits: bits }, tuning)
    const bytes = Buffer.from(message)
    const behind = history?.subarray(-(2 ** bits))
    for (const payload of [deflateNow(message, settings, behind), await deflateLater(message, settings, behind)]) {
      if (payload === undefined) continue
      smaller++
      if (payload.length >= bytes.length || !(await read(payload, behind, bits)).equals(bytes)) return false
    }
    return true
  }), parameters(100))
  t.ok(smaller > 100, `${smaller} were smaller`)
})

for (const bits of [8, 9, 10, 11, 12, 13, 14, 15]) {
  t.test(`§7.1.2.1 with ${bits} bits nothing looks back further than ${2 ** bits} bytes`, async t => {
    // Repeats at all distances, in text that would be compressed by them alone.
    const parts = Array.from({ length: 60 }, (_, n) => noise(20 + n % 7, n % 5 + 1))
    const filler = Array.from({ length: 30 }, (_, n) => noise(n * n * 4, 100 + n))
    const message = Buffer.concat(parts.flatMap((part, n) => [part, filler[n % 30] ?? part])).subarray(0, Math.min(DEFLATE_NOW, 2 ** bits * 8))
    const history = noise(2 ** bits, 1)
    for (const level of [1, 9]) {
      for (const keepsHandles of [true, false]) {
        const settings = settingsOf({ serverMaxWindowBits: bits }, { level, keepsHandles })
        for (const behind of [undefined, history]) {
          for (const payload of [deflateNow(message, settings, behind), await deflateLater(message, settings, behind)]) {
            if (payload === undefined) continue
            t.ok((await read(payload, behind, bits)).equals(message), `level ${level}`)
          }
        }
      }
    }
    const text = Buffer.from(prose(5000))
    t.ok((await read(deflateNow(text, settingsOf({ serverMaxWindowBits: bits }), undefined) ?? text, undefined, bits)).equals(text))
  })
}

t.test('the measure sees a look back that is too far', async t => {
  const message = Buffer.concat([noise(300, 1), noise(200, 2), noise(300, 1)])
  await t.rejects(read(pack(message, { windowBits: 10 }), undefined, 8), { code: 'Z_DATA_ERROR' })
})

for (const keepsHandles of [true, false]) {
  t.test(`it is smaller or it is not there${keepsHandles ? '' : ', by what Node documents'}`, async t => {
    const settings = settingsOf({}, { keepsHandles })
    for (const message of ['', 'a', 'ab', noise(1000), noise(DEFLATE_NOW)]) {
      t.equal(deflateNow(message, settings, undefined), undefined)
      t.equal(await deflateLater(message, settings, undefined), undefined)
    }
    // At the edge: noise with some room behind it, which takes the more of it the longer it is.
    for (let spaces = 0; spaces < 20; spaces++) {
      const message = Buffer.concat([noise(200), Buffer.alloc(spaces, ' ')])
      const { length } = pack(message, { level: 1 })
      const payload = deflateNow(message, settings, undefined)
      t.equal(payload?.length, length < message.length ? length : undefined, `${spaces} spaces: ${length} bytes for ${message.length}`)
    }
  })
}

t.test('the longest message for this thread, by its bytes', async t => {
  for (const message of ['é'.repeat(DEFLATE_NOW / 2), '€'.repeat(DEFLATE_NOW / 3), 'a'.repeat(DEFLATE_NOW), Buffer.alloc(DEFLATE_NOW)]) {
    const payload = deflateNow(message, settingsOf(), undefined)
    t.ok(payload !== undefined && (await read(payload, undefined, 15)).equals(Buffer.from(message)))
  }
})

for (const keepsHandles of [true, false]) {
  t.test(`a message for many connections is compressed once${keepsHandles ? '' : ', by what Node documents'}`, async t => {
    const settings = settingsOf({}, { keepsHandles })
    const text = prose(500)
    const first = deflateNow(text, settings, undefined)
    t.not(first, undefined)
    t.equal(deflateNow(text, settings, undefined), first)
    t.equal(deflateNow(prose(1000).slice(0, 500), settings, undefined), first, 'by what it says')
    t.equal(deflateNow(Buffer.from(text), settings, undefined), first, 'as bytes too')
    const bytes = Buffer.from(prose(600))
    const other = deflateNow(bytes, settings, undefined)
    t.not(other, first)
    t.equal(deflateNow(Buffer.from(bytes), settings, undefined), other)
    bytes[599] = 0
    const changed = deflateNow(bytes, settings, undefined)
    t.not(changed, other, 'bytes that have changed are others')
    t.equal((await read(changed ?? bytes, undefined, 15)).at(-1), 0)
    t.not(deflateNow(bytes.subarray(0, 599), settings, undefined), changed, 'and so is a part of them')
    const again = deflateNow(text, settings, undefined)
    t.not(deflateNow(text, settingsOf({}, { keepsHandles }), undefined), again, 'other settings')
  })
}

t.test('one that is no smaller is tried once', async t => {
  const settings = settingsOf({}, { keepsHandles: false })
  const message = noise(1000)
  let runs = 0
  await withZlib('deflateRawSync', (original) => (...args) => {
    runs++
    return original(...args)
  }, async () => {
    for (let n = 0; n < 10; n++) t.equal(deflateNow(message, settings, undefined), undefined)
  })
  t.equal(runs, 1)
})

t.test('what looks back to the messages of a connection is for no other one', async t => {
  const settings = settingsOf(WITH_CONTEXT)
  const text = prose(500)
  const alone = deflateNow(text, settings, undefined)
  const mine = deflateNow(text, settings, Buffer.from(text))
  t.ok(mine !== undefined && mine.length < (alone?.length ?? 0))
  const after = deflateNow(text, settings, undefined)
  t.equal((await read(after ?? mine ?? Buffer.alloc(0), undefined, 15)).toString(), text, 'without history from the beginning')
  t.not(await deflateLater(text, settings, Buffer.from(text)), await deflateLater(text, settings, undefined))
})

t.test('who sends the same meanwhile shares the work on another thread', async t => {
  const settings = settingsOf()
  const text = prose(100_000)
  const bytes = Buffer.from(text)
  const running = [deflateLater(text, settings, undefined), deflateLater(bytes, settings, undefined)] as const
  t.equal(deflateLater(prose(100_001).slice(0, 100_000), settings, undefined), running[0])
  t.equal(deflateLater(bytes, settings, undefined), running[1])
  t.not(deflateLater(Buffer.from(text), settings, undefined), running[1])
  t.not(deflateLater(text, settingsOf(), undefined), running[0])
  t.not(deflateLater(text, settings, Buffer.from('abc')), running[0])
  const [one] = await Promise.all(running)
  await turns(1)
  const again = deflateLater(text, settings, undefined)
  t.not(again, running[0], 'when it is done it begins anew')
  t.equal((await read(one ?? bytes, undefined, 15)).toString(), text)
  t.strictSame(await again, one)
})

t.test('bytes that may have changed since are not taken for the same', async t => {
  const settings = settingsOf()
  const bytes = Buffer.alloc(100_000, 'a')
  const ends: Array<() => void> = []
  const others = Array.from({ length: MAX_JOBS }, () => runJob(() => new Promise<void>((resolve) => { ends.push(resolve) })))
  const first = deflateLater(bytes, settings, undefined)
  const text = prose(100_000)
  const firstText = deflateLater(text, settings, undefined)
  await turns(1)
  // As when a connection has gone, or has sent it as it was, while others were compressed: its sender may use the bytes again.
  bytes.fill('b')
  t.not(deflateLater(bytes, settings, undefined), first)
  t.equal(deflateLater(text, settings, undefined), firstText, 'a text is what it was')
  for (const end of ends) end()
  await Promise.all([first, firstText, ...others])
})

/** Runs with another function in the place of one of node:zlib. */
async function withZlib (name: 'deflateRawSync' | 'deflateRaw', replace: (original: (...args: unknown[]) => unknown) => (...args: unknown[]) => unknown, act: () => Promise<void>): Promise<void> {
  const original = zlib[name] as (...args: unknown[]) => unknown
  Object.assign(zlib, { [name]: replace(original) })
  syncBuiltinESMExports()
  try {
    await act()
  } finally {
    Object.assign(zlib, { [name]: original })
    syncBuiltinESMExports()
  }
}

t.test('where zlib cannot, for want of memory, the message goes as it is, and the next one is compressed', async t => {
  const settings = settingsOf({}, { keepsHandles: false })
  const text = prose(700)
  const before = deflateNow(text, settings, undefined)
  await withZlib('deflateRawSync', () => () => { throw Object.assign(new Error('no memory'), { code: 'Z_MEM_ERROR' }) }, async () => {
    t.equal(deflateNow(prose(900), settings, undefined), undefined)
    t.equal(deflateNow(noise(900), settings, Buffer.from('abc')), undefined)
  })
  t.equal(deflateNow(noise(900).subarray(0, 700), settings, undefined), undefined, 'what failed is not taken for what came before it')
  t.strictSame(deflateNow(text, settings, undefined), before)
  t.strictSame((await read(deflateNow(Buffer.from(prose(900)), settings, undefined) ?? Buffer.alloc(0), undefined, 15)).toString(), prose(900))
})

t.test('a message for connections with different settings, in turns, is compressed once for each of them', async (t) => {
  const tuning = { threshold: 0, level: 1, memLevel: 8 }
  const params = { serverNoContextTakeover: true, clientNoContextTakeover: true, clientMaxWindowBits: 15 }
  const kinds = [15, 12, 11].map((serverMaxWindowBits) => deflateSettings({ ...params, serverMaxWindowBits }, 'server', tuning))
  const context = deflateSettings({ ...params, serverMaxWindowBits: 15, serverNoContextTakeover: false }, 'server', tuning)
  const text = 'the same to all of them, '.repeat(40)
  const once = kinds.map((settings) => Buffer.from(deflateNow(text, settings, undefined) ?? ''))
  const first = kinds.map((settings) => deflateNow(text, settings, undefined))
  deflateNow(text, context, Buffer.from('what was said before'))
  for (const [i, settings] of kinds.entries()) {
    const again = deflateNow(text, settings, undefined)
    t.equal(again, first[i], 'the very same bytes')
    t.ok(once[i]?.equals(again ?? Buffer.alloc(0)), 'as they were')
  }
  deflateNow('another', kinds[0] ?? context, undefined)
  t.not(deflateNow(text, kinds[1] ?? context, undefined), first[1], 'the last one only is remembered')
})
