// Payloads to messages, each by every way there is: at once with kept handles, at once with what Node documents, and on another thread.
import { constants } from 'node:buffer'
import fc from 'fast-check'
import t from 'tap'
import { INFLATE_NOW_MESSAGE, INFLATE_NOW_PAYLOAD, inflateLater, inflateNow, MAX_LAST_BLOCKS } from '../../../lib/connection/deflate/inflate.ts'
import { parameters } from '../../helpers/arbitrary-frames.ts'
import { noise, pack, packAll, prose, stored } from '../../helpers/deflate.ts'
import { hex } from '../../helpers/hex.ts'

const LIMIT = 1_048_576
const EMPTY_BLOCK = hex('00')

/** What becomes of a payload: `message:<hex>`, `later` where this thread leaves it alone, or the error's code. */
async function inflate (payload: Buffer, most = LIMIT, history?: Buffer): Promise<{ kept: string, documented: string, later: string }> {
  const before = Buffer.from(payload)
  const now = (keepsHandles: boolean): string => {
    try {
      const message = inflateNow(payload, most, history, keepsHandles)
      return message === undefined ? 'later' : `message:${message.toString('hex')}`
    } catch (error) {
      return codeOf(error)
    }
  }
  const later = await inflateLater(payload, most, history).then((message) => `message:${message.toString('hex')}`, codeOf)
  const kept = now(true)
  const documented = now(false)
  if (!payload.equals(before)) throw new Error('the payload was written to')
  return { kept, documented, later }
}

function codeOf (error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error)
}

/** The answer of all three ways, which has to be the same; those of this thread may leave it to the other. */
async function answerTo (payload: Buffer, most?: number, history?: Buffer): Promise<string> {
  const { kept, documented, later } = await inflate(payload, most, history)
  const others = [kept, documented].filter(answer => answer !== 'later' && answer !== later)
  return others.length === 0 ? later : `${kept} with kept handles, ${documented} without, ${later} on another thread`
}

const message = (text: string | Buffer): string => `message:${Buffer.from(text).toString('hex')}`

const rows = [
  { name: '§7.2.3.1 one block', payload: 'f248cdc9c90700', want: 'Hello' },
  { name: '§7.2.3.2 shared window, the second message', payload: 'f200110000', history: 'Hello', want: 'Hello' },
  { name: '§7.2.3.3 a block that is stored', payload: '000500faff48656c6c6f00', want: 'Hello' },
  { name: '§7.2.3.4 a block that says it is the last one', payload: 'f348cdc9c9070000', want: 'Hello' },
  { name: '§7.2.3.5 two blocks', payload: 'f248050000 00ffffcac9c90700', want: 'Hello' },
  { name: '§7.2.3.6 an empty message', payload: '00', want: '' },
  { name: '§7.2.3.4 several last blocks', payload: 'f348cdc9c90700 f348cdc9c90700 0300 00', want: 'HelloHello' },
  { name: '§7.2.3.4 a last block, and another that looks back to it', payload: 'f348cdc9c90700 f200110000', want: 'HelloHello' },
  { name: '§7.2.3.4 a last block that looks back to an earlier message, and another that does', payload: 'f3001100 f200110000', history: 'Hello', want: 'HelloHello' },
  { name: '§7.2.3.4 a last block that is stored, behind one that is not', payload: 'f248cdc9c90700 0000ffff 01 0300fcff 616263 00', want: 'Helloabc' }
]

for (const { name, payload, history, want } of rows) {
  t.test(`RFC 7692 ${name}`, async t => {
    const behind = history === undefined ? undefined : Buffer.from(history)
    t.equal(await answerTo(hex(payload), LIMIT, behind), message(want))
    t.equal(await answerTo(hex(payload), Math.max(1, want.length), behind), message(want), 'as much as is allowed')
    if (want !== '') t.equal(await answerTo(hex(payload), want.length - 1, behind), 'FST_WS_TOO_BIG', 'one byte more')
  })
}

/** Behind each there is a header of the next block, which may come or not. */
const tail = hex('0000ffff')
const faults = [
  { name: 'nothing at all', payload: Buffer.alloc(0) },
  { name: 'a block of a kind that there is not', payload: hex('07') },
  { name: 'random bytes', payload: noise(100, 3) },
  { name: 'text', payload: Buffer.from('Hello, this is not compressed') },
  { name: 'a byte too many', payload: hex('f248cdc9c90700 00') },
  { name: 'text behind it', payload: Buffer.concat([pack('Hello'), Buffer.from('trailing')]) },
  { name: 'a tail that is not taken away', payload: Buffer.concat([pack('Hello'), tail]) },
  { name: 'a last block, and nothing behind it', payload: hex('f348cdc9c90700') },
  { name: 'a last block, and text behind it', payload: Buffer.concat([hex('f348cdc9c90700'), Buffer.from('trailing')]) },
  { name: 'a message before it that is not there', payload: hex('f200110000') },
  { name: 'a message before it that is not there, behind a last block', payload: hex('0300 f200110000') },
  { name: 'a stored block whose length is a lie', payload: hex('000500faf048656c6c6f00') },
  { name: 'zlib\'s format, with a header', payload: hex('789cf248cdc9c907000000ffff') },
  // Behind the payload come the four bytes of the tail, and two more here.
  ...[1, 2, 3, 4, 5, 6, 7].flatMap(missing => [false, true].map(isLast => (
    { name: `a stored block without its last ${missing} bytes${isLast ? ', the last one' : ''}`, payload: stored(Buffer.from('abcdefgh'), isLast, 8 + missing) }
  ))),
  { name: 'a stored block that was cut behind a last one', payload: Buffer.concat([hex('f348cdc9c90700'), EMPTY_BLOCK, tail, stored(Buffer.from('abc'), false, 7)]) }
]

for (const { name, payload } of faults) {
  t.test(`T23 ${name}`, async t => {
    t.equal(await answerTo(payload), 'FST_WS_INVALID_DEFLATE')
    t.equal(await answerTo(payload, LIMIT, Buffer.from('abc')), 'FST_WS_INVALID_DEFLATE', 'with a short message before it')
  })
}

t.test('T23 the error says whose fault it is, and keeps what zlib said', async t => {
  await t.rejects(inflateLater(hex('07'), LIMIT, undefined), { name: 'ProtocolError', closeCode: 1007, cause: { code: 'Z_DATA_ERROR' } })
  t.throws(() => inflateNow(hex('07'), LIMIT, undefined, true), { name: 'ProtocolError', closeCode: 1007 })
  await t.rejects(inflateLater(pack('ab'), 1, undefined), { name: 'ProtocolError', closeCode: 1009 })
})

t.test('T23 whatever is compressed, cut at every byte: no part of it is a message', async t => {
  const history = Buffer.from(prose(2000))
  const [, lookingBack = EMPTY_BLOCK] = await packAll([history, prose(600, 50)])
  const whole = [
    ...[1, 6, 9].map(level => pack(prose(700), { level })),
    pack(prose(300), { strategy: 4 }),
    pack(noise(300), { level: 0 }),
    pack(noise(200), { level: 9 }),
    pack('Hello'),
    // With its own tail in the message, where a cut may look like an end.
    pack(Buffer.concat([noise(20), tail, noise(20), tail]), { level: 0 }),
    hex('f348cdc9c9070000')
  ]
  const wrong: string[] = []
  for (const [payload, dictionary] of [...whole.map(payload => [payload, undefined] as const), [lookingBack, history] as const]) {
    for (let cut = 0; cut < payload.length; cut++) {
      // The header of a stored block alone is an empty message.
      if (payload.subarray(0, cut).equals(EMPTY_BLOCK)) continue
      const answer = await answerTo(payload.subarray(0, cut), LIMIT, dictionary)
      if (answer !== 'FST_WS_INVALID_DEFLATE') wrong.push(`${payload.toString('hex').slice(0, 20)}... cut at ${cut}: ${answer.slice(0, 100)}`)
    }
  }
  t.strictSame(wrong, [])
})

t.test('a message may end with what looks like the tail', async t => {
  for (const end of [tail, hex('0000ffff0300'), hex('ffff'), Buffer.concat([tail, tail])]) {
    for (const start of [Buffer.alloc(0), Buffer.from('abc'), noise(500)]) {
      const bytes = Buffer.concat([start, end])
      for (const level of [0, 1, 6]) t.equal(await answerTo(pack(bytes, { level })), message(bytes))
      t.equal(await answerTo(Buffer.concat([stored(bytes, true), EMPTY_BLOCK])), message(bytes), 'in a last block')
      t.equal(await answerTo(pack(bytes), LIMIT, noise(100, 5)), message(bytes), 'with earlier messages')
    }
  }
})

t.test('§7.2.3.4 behind a last block there may be a look back to earlier messages', async t => {
  const [first, second] = [noise(400, 1), noise(300, 2)]
  const [, , payload = EMPTY_BLOCK] = await packAll([first, second, first])
  t.ok(payload.length < 50, 'it is nothing but that')
  t.equal(await answerTo(Buffer.concat([stored(second, true), payload]), LIMIT, first), message(Buffer.concat([second, first])))
})

t.test('§7.2.3.4 as many last blocks as are allowed, and one more', async t => {
  const last = hex('f348cdc9c90700')
  // The end is one as well.
  const blocks = (count: number): Buffer => Buffer.concat([...Array.from({ length: count }, () => last), EMPTY_BLOCK])
  const most = blocks(MAX_LAST_BLOCKS - 1)
  t.equal(await answerTo(most), message('Hello'.repeat(MAX_LAST_BLOCKS - 1)))
  t.equal(await answerTo(blocks(MAX_LAST_BLOCKS)), 'FST_WS_INVALID_DEFLATE')
  t.equal(await answerTo(most, 5 * (MAX_LAST_BLOCKS - 1)), message('Hello'.repeat(MAX_LAST_BLOCKS - 1)), 'as large as is allowed')
  t.equal(await answerTo(most, 5 * (MAX_LAST_BLOCKS - 1) - 1), 'FST_WS_TOO_BIG')
  t.equal(await answerTo(most, 10), 'FST_WS_TOO_BIG', 'the limit is that of all of them')
})

for (const { name, size } of [{ name: 'a small message', size: 1000 }, { name: 'one that is just for this thread', size: INFLATE_NOW_MESSAGE }, { name: 'one that is just for another', size: INFLATE_NOW_MESSAGE + 1 }]) {
  t.test(`T20 the limit is exact: ${name}`, async t => {
    const bytes = Buffer.from(prose(size))
    const payload = pack(bytes)
    const { kept, documented, later } = await inflate(payload)
    const want = size > INFLATE_NOW_MESSAGE ? 'later' : message(bytes)
    t.ok(kept === want && documented === want && later === message(bytes))
    t.ok(await answerTo(payload, size) === message(bytes))
    t.strictSame(await inflate(payload, size - 1), size - 1 >= INFLATE_NOW_MESSAGE + 1
      ? { kept: 'later', documented: 'later', later: 'FST_WS_TOO_BIG' }
      : { kept: 'FST_WS_TOO_BIG', documented: 'FST_WS_TOO_BIG', later: 'FST_WS_TOO_BIG' })
  })
}

t.test('a payload is for this thread up to a size', async t => {
  const bytes = noise(INFLATE_NOW_PAYLOAD - 6)
  const payload = Buffer.concat([stored(bytes), EMPTY_BLOCK])
  t.equal(payload.length, INFLATE_NOW_PAYLOAD)
  const { kept, documented } = await inflate(payload)
  t.ok(kept === message(bytes) && documented === kept)
  const larger = Buffer.concat([stored(bytes), hex('0000000000ffff').subarray(2), EMPTY_BLOCK])
  const answers = await inflate(larger)
  t.ok(answers.kept === 'later' && answers.documented === 'later' && answers.later === kept)
})

t.test('limits at their ends: none at all, and more than a Buffer can hold', async t => {
  t.equal(await answerTo(EMPTY_BLOCK, 0), message(''))
  t.equal(await answerTo(pack('a'), 0), 'FST_WS_TOO_BIG')
  for (const most of [constants.MAX_LENGTH, constants.MAX_LENGTH + 1, Number.MAX_SAFE_INTEGER]) t.equal(await answerTo(pack('Hello'), most), message('Hello'))
})

t.test('what is returned is good until the next call, or the caller\'s', async t => {
  const first = inflateNow(pack('first'), LIMIT, undefined, true)
  t.equal(first?.toString(), 'first')
  const [one, two] = await Promise.all([inflateLater(pack('first'), LIMIT, undefined), inflateLater(pack('other'), LIMIT, undefined)])
  inflateNow(pack('third'), LIMIT, undefined, true)
  t.strictSame([one.toString(), two.toString()], ['first', 'other'])
})

const anyMessage = fc.oneof(
  fc.uint8Array({ maxLength: 300 }).map(array => Buffer.from(array)),
  fc.tuple(fc.nat(5000), fc.nat(50)).map(([length, seed]) => Buffer.from(prose(length, seed))),
  fc.tuple(fc.nat(3000), fc.nat(9)).map(([length, seed]) => noise(length, seed)),
  fc.nat(20_000).map(length => Buffer.alloc(length)),
  fc.nat(30).map(length => Buffer.concat([noise(length), tail]))
)
const options = fc.record({ level: fc.integer({ min: 0, max: 9 }), windowBits: fc.integer({ min: 9, max: 15 }), memLevel: fc.integer({ min: 1, max: 9 }), strategy: fc.nat(4) })

t.test('whatever zlib has compressed, with or without earlier messages, is inflated to what it was', async () => {
  await fc.assert(fc.asyncProperty(fc.array(anyMessage, { minLength: 1, maxLength: 4 }), options, async (messages, options) => {
    let history: Buffer | undefined
    for (const [n, payload] of (await packAll(messages, options)).entries()) {
      const bytes = messages[n] ?? EMPTY_BLOCK
      if (await answerTo(payload, LIMIT, history) !== message(bytes)) return false
      if (await answerTo(pack(bytes, options)) !== message(bytes)) return false
      history = Buffer.concat([history ?? EMPTY_BLOCK.subarray(1), bytes]).subarray(-(2 ** options.windowBits))
      if (history.length === 0) history = undefined
    }
    return true
  }), parameters(60))
})

t.test('T23 random bytes, and payloads with a wrong byte: a message or an error of the peer, the same by every way', async () => {
  const wrong = fc.tuple(anyMessage, options, fc.nat(), fc.integer({ min: 1, max: 255 })).map(([bytes, options, at, change]) => {
    const payload = Buffer.from(pack(bytes, options))
    const index = at % payload.length
    payload[index] = (payload[index] ?? 0) ^ change
    return payload
  })
  const random = fc.uint8Array({ maxLength: 60 }).map(array => Buffer.from(array))
  await fc.assert(fc.asyncProperty(fc.oneof(wrong, random), fc.constantFrom(undefined, noise(1000)), async (payload, history) => {
    return /^(message:[\da-f]*|FST_WS_INVALID_DEFLATE|FST_WS_TOO_BIG)$/.test(await answerTo(payload, 30_000, history))
  }), parameters(400))
})

/** Empty blocks that are whole bytes together. */
const emptyBlocks = [
  { name: 'stored', unit: '000000ffff' },
  // Ten bits each, four of them.
  { name: 'with the fixed code', unit: '0208208000' }
]

for (const { name, unit } of emptyBlocks) {
  t.test(`T21 time is linear: 1 MiB of empty blocks, ${name}`, async t => {
    const bytes = hex(unit)
    const blocksOf = (size: number): Buffer => Buffer.concat([Buffer.alloc(Math.floor(size / bytes.length) * bytes.length, bytes), EMPTY_BLOCK])
    const measure = async (size: number): Promise<number> => {
      const payload = blocksOf(size)
      const times = LIMIT / size
      let best = Infinity
      for (let run = 0; run < 8; run++) {
        const start = performance.now()
        for (let n = 0; n < times; n++) await inflateLater(payload, LIMIT, undefined)
        best = Math.min(best, performance.now() - start)
      }
      return best
    }
    const [small, middle, large] = [await measure(LIMIT / 16), await measure(LIMIT / 4), await measure(LIMIT)]
    t.comment(`${small.toFixed(1)}, ${middle.toFixed(1)}, ${large.toFixed(1)} ms for 1 MiB in 16 pieces, in 4, in one`)
    // 4 and 16 times as much, if it were quadratic.
    t.ok(middle < small * 3, `${(middle / small).toFixed(2)} times as long`)
    t.ok(large < small * 3, `${(large / small).toFixed(2)} times as long`)
    t.equal((await inflateLater(blocksOf(LIMIT), LIMIT, undefined)).length, 0)
  })
}
