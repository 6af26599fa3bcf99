// The compressed messages of one connection: their order, and what this thread does of them in one read.
import t from 'tap'
import { INFLATE_NOW_MESSAGE } from '../../../lib/connection/deflate/inflate.ts'
import { Inflater } from '../../../lib/connection/deflate/inflater.ts'
import type { InflaterOwner } from '../../../lib/connection/deflate/inflater.ts'
import { untilTrue } from '../../helpers/connection-pair.ts'
import { noise, pack, packAll, prose, settingsOf, WITH_CONTEXT } from '../../helpers/deflate.ts'

const LIMIT = 1_048_576

/** Notes what an inflater tells: `busy`, `free`, `<opcode>:<length>` with `+` for bytes that belong to the receiver, an error's code. */
class Owner implements InflaterOwner {
  readonly events: string[] = []
  readonly messages: Buffer[] = []

  onInflating (): void { this.events.push('busy') }
  onInflatingEnd (): void { this.events.push('free') }

  onInflated (opcode: number, bytes: Buffer, owned: boolean): void {
    this.events.push(`${opcode}:${bytes.length}${owned ? '+' : ''}`)
    this.messages.push(Buffer.from(bytes))
  }

  onInflateError (error: unknown): void {
    this.events.push(error instanceof Error && 'code' in error ? String(error.code) : String(error))
  }

  async untilFree (): Promise<void> {
    await untilTrue(() => this.events.at(-1) === 'free')
  }
}

for (const keepsHandles of [true, false]) {
  for (const params of [{}, WITH_CONTEXT]) {
    const how = `${params === WITH_CONTEXT ? 'with' : 'without'} context${keepsHandles ? '' : ', by what Node documents'}`
    t.test(`messages small and large, in order, ${how}`, async t => {
      const owner = new Owner()
      const inflater = new Inflater(owner, settingsOf(params, { keepsHandles }), LIMIT)
      const messages = [prose(100), prose(400_000, 3), prose(200, 3), noise(70_000), prose(100), '', prose(INFLATE_NOW_MESSAGE), prose(INFLATE_NOW_MESSAGE + 1)]
      const payloads = params === WITH_CONTEXT ? await packAll(messages) : messages.map(message => pack(message))
      for (const [n, payload] of payloads.entries()) {
        inflater.startRead()
        // What is lent is written over as soon as it has been taken.
        const lent = Buffer.from(payload)
        inflater.take(n % 2 + 1, lent, false)
        lent.fill(0xee)
        if (owner.events.at(-1) === 'busy') await owner.untilFree()
      }
      t.strictSame(owner.events, ['1:100', 'busy', '2:400000+', 'free', '1:200', 'busy', '2:70000+', 'free', '1:100', '2:0', `1:${INFLATE_NOW_MESSAGE}`, 'busy', `2:${INFLATE_NOW_MESSAGE + 1}+`, 'free'])
      t.ok(owner.messages.every((message, n) => message.equals(Buffer.from(messages[n] ?? ''))))
      t.equal(inflater.isAsNew, params !== WITH_CONTEXT)
    })
  }
}

t.test('a payload that is its own is not copied, one that is lent is', async t => {
  const owner = new Owner()
  const inflater = new Inflater(owner, settingsOf(), LIMIT)
  inflater.take(2, pack(noise(70_000)), true)
  t.equal(inflater.isAsNew, false, 'while it is busy')
  await owner.untilFree()
  t.equal(inflater.isAsNew, true)
  t.ok(owner.messages[0]?.equals(noise(70_000)))
})

t.test('a payload that is lent may be written over at once, also where it is looked at twice', async t => {
  const owner = new Owner()
  const bytes = Buffer.concat([noise(70_000), Buffer.from('0000ffff', 'hex')])
  const lent = Buffer.from(pack(bytes))
  new Inflater(owner, settingsOf(), LIMIT).take(2, lent, false)
  lent.fill(7)
  await owner.untilFree()
  t.ok(owner.messages[0]?.equals(bytes))
})

t.test('one read is no more than 1 MiB of messages, or as many small ones; then another thread has its turn', async t => {
  for (const { size, count } of [{ size: 250_000, count: 5 }, { size: 0, count: 1024 }, { size: 1024, count: 512 }]) {
    const owner = new Owner()
    const inflater = new Inflater(owner, settingsOf(), LIMIT)
    const payload = pack(Buffer.alloc(size))
    inflater.startRead()
    let taken = 0
    while (owner.events.at(-1) !== 'busy') {
      inflater.take(2, payload, false)
      taken++
    }
    t.equal(taken, count + 1, `${size} bytes each`)
    await owner.untilFree()
    inflater.startRead()
    inflater.take(2, payload, false)
    t.equal(owner.events.at(-1), `2:${size}`, 'the next read begins anew')
    t.equal(owner.messages.length, taken + 1)
  }
})

for (const { name, payload, want } of [
  { name: 'T23 garbage', payload: Buffer.from([7]), want: 'FST_WS_INVALID_DEFLATE' },
  { name: 'T20 too much', payload: pack(Buffer.alloc(1001)), want: 'FST_WS_TOO_BIG' }
]) {
  t.test(`${name}, now and later: the error and no message`, async t => {
    const owner = new Owner()
    const inflater = new Inflater(owner, settingsOf(), 1000)
    inflater.take(1, payload, false)
    t.strictSame(owner.events, [want])
    // A payload for another thread: 64 KiB of empty blocks before the same.
    inflater.take(1, Buffer.concat([Buffer.alloc(70_000, Buffer.from('000000ffff', 'hex')), payload]), true)
    await owner.untilFree()
    t.strictSame(owner.events, [want, 'busy', want, 'free'])
  })
}

t.test('§7.1.1.2 no more is kept of earlier messages than the peer may look back to', async t => {
  const messages = [noise(600, 1), noise(600, 2), noise(600, 1), noise(600, 2)]
  for (const [bits, want] of [[9, 'FST_WS_INVALID_DEFLATE'], [11, '2:600']] as const) {
    const owner = new Owner()
    const inflater = new Inflater(owner, settingsOf({ ...WITH_CONTEXT, clientMaxWindowBits: bits }), LIMIT)
    for (const payload of (await packAll(messages, { windowBits: 11, level: 9 })).slice(0, 3)) inflater.take(2, payload, false)
    t.equal(owner.events.at(-1), want, `${bits} bits`)
  }
})
