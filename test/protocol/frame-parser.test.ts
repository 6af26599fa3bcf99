import t from 'tap'
import type { FrameHeader } from '../../lib/protocol/frame-header.ts'
import { FrameParser } from '../../lib/protocol/frame-parser.ts'
import type { FrameReceiver } from '../../lib/protocol/frame-parser.ts'
import { takeBytes } from '../../lib/protocol/payload-buffer.ts'
import type { Role } from '../../lib/protocol/role.ts'
import { FASTEST } from '../../lib/protocol/scanners.ts'
import type { Scanners } from '../../lib/protocol/scanners.ts'
import { hand, READERS } from '../helpers/readers.ts'
import type { Reader } from '../helpers/readers.ts'
import { cuts, split } from '../helpers/recorder.ts'
import { encodeFrame } from '../helpers/wire-frames.ts'

/** Notes frames as `<opcode>:<payload>`, with `+` when they are the last of a message; pieces only where asked for. */
class Receiver implements FrameReceiver {
  readonly reader: Reader
  readonly role: Role
  readonly allowedRsv = 0
  readonly inMessage: boolean
  readonly frames: string[] = []
  readonly calls: string[] = []
  readonly parser: FrameParser
  /** Called from inside the parser's calls, with the call just noted. */
  react: (call: string) => void = () => {}
  #payload = ''

  constructor (reader: Reader, role: Role, inMessage = false) {
    this.reader = reader
    this.role = role
    this.inMessage = inMessage
    this.parser = new FrameParser(this, reader.scanners)
  }

  checkLength (): void {}

  /** Pushes a copy of a chunk, by the way of the reader. */
  read (chunk: Uint8Array): void {
    hand(this.reader, chunk, (copy) => this.parser.push(copy), (length) => this.parser.pushInput(length))
  }

  onSimpleMessage (opcode: number, data: string | Buffer): void {
    this.frames.push(`${opcode}+:${typeof data === 'string' ? data : data.toString('latin1')}`)
    this.#call('frame')
  }

  onFrame (header: FrameHeader, bytes: Buffer, start: number): void {
    this.#note(header, bytes.toString('latin1', start, start + header.payloadLength))
    this.#call('frame')
  }

  onFrameStart (header: FrameHeader): void {
    this.#payload = ''
    this.#call(`start ${header.payloadLength}`)
  }

  onFramePiece (bytes: Buffer, start: number, end: number): void {
    this.#payload += bytes.toString('latin1', start, end)
    this.#call(`piece ${end - start}`)
  }

  onFrameEnd (header: FrameHeader): void {
    this.#note(header, this.#payload)
    this.#call('end')
  }

  #note (header: FrameHeader, payload: string): void {
    this.frames.push(`${header.opcode}${header.fin ? '+' : ''}:${payload}`)
  }

  #call (call: string): void {
    this.calls.push(call)
    this.react(call)
  }
}

const masked = { role: 'server', wire: (opcode: number, payload: string, fin = true) => encodeFrame({ opcode, payload, fin }) } as const
const plain = { role: 'client', wire: (opcode: number, payload: string, fin = true) => encodeFrame({ opcode, payload, fin, mask: null }) } as const

const rows = [
  { name: '§5.7 a text', frames: [[1, 'Hello']] },
  { name: '§5.6 empty payloads', frames: [[1, ''], [2, ''], [9, '']] },
  { name: '§5.5 control frames, the longest too', frames: [[9, 'p'.repeat(125)], [10, ''], [8, '']] },
  { name: '§5.2 16-bit lengths', frames: [[1, 'a'.repeat(126)], [2, 'b'.repeat(200)]] },
  { name: 'many small frames', frames: Array.from({ length: 20 }, (_, n) => [1 + n % 2, 'x'.repeat(n % 7)]) }
] as ReadonlyArray<{ name: string, frames: ReadonlyArray<readonly [number, string]> }> // arrays of pairs, which the compiler widens

// What a callback may do to the parser while it reads; `after` is called behind the push.
const reentrant: ReadonlyArray<{ name: string, act: (parser: FrameParser) => void, after?: (parser: FrameParser) => void, want: string }> = [
  { name: 'pause and resume', act: parser => { parser.pause(); parser.resume() }, want: '1,2,3' },
  { name: 'resume, pause, resume', act: parser => { parser.resume(); parser.pause(); parser.resume() }, want: '1,2,3' },
  { name: 'push of a whole frame: behind the chunk that is read', act: parser => parser.push(masked.wire(1, 'new')), want: '1,2,3,new' },
  { name: 'push of two frames in two chunks', act: parser => { parser.push(masked.wire(1, 'new')); parser.push(masked.wire(1, 'er')) }, want: '1,2,3,new,er' },
  { name: 'push, then pause', act: parser => { parser.push(masked.wire(1, 'new')); parser.pause() }, after: parser => parser.resume(), want: '1,2,3,new' },
  { name: 'pause, then push', act: parser => { parser.pause(); parser.push(masked.wire(1, 'new')) }, after: parser => parser.resume(), want: '1,2,3,new' },
  { name: 'pause, push, resume', act: parser => { parser.pause(); parser.push(masked.wire(1, 'new')); parser.resume() }, want: '1,2,3,new' },
  { name: 'push of half a frame', act: parser => parser.push(masked.wire(1, 'new').subarray(0, 8)), after: parser => parser.push(masked.wire(1, 'new').subarray(8)), want: '1,2,3,new' },
  { name: 'end', act: parser => parser.end(), want: '' },
  { name: 'end, then push and resume', act: parser => { parser.end(); parser.push(masked.wire(1, 'new')); parser.resume() }, want: '' }
]

for (const reader of READERS) {
  t.test(reader.name, async t => {
    for (const { role, wire } of [masked, plain]) {
      for (const { name, frames } of rows) {
        t.test(`${name}, to a ${role}`, async t => {
          const bytes = Buffer.concat(frames.map(([opcode, payload]) => wire(opcode, payload)))
          const want = frames.map(([opcode, payload]) => `${opcode}+:${payload}`)
          const whole = new Receiver(reader, role)
          whole.read(bytes)
          t.strictSame(whole.frames, want)
          t.strictSame(whole.calls, frames.map(() => 'frame'), 'in one chunk a frame is one call')
          let wrong = 0
          for (const pieces of cuts(bytes)) {
            const receiver = new Receiver(reader, role)
            for (const piece of pieces) receiver.read(piece)
            if (receiver.frames.join() !== want.join()) wrong++
          }
          t.equal(wrong, 0, 'cut anywhere')
        })
      }
    }

    t.test('§5.2 a 64-bit length, whole and cut around its header', async t => {
      const payload = Array.from({ length: 70_000 }, (_, n) => String(n % 10)).join('')
      for (const { role, wire } of [masked, plain]) {
        const bytes = Buffer.concat([wire(2, payload), wire(1, 'next')])
        for (const sizes of [[], [1], [2], [5], [9], [10], [12], [13], [14], [15], [40_001], [14, 1, 2, 3, 65_536], [bytes.length - 7], [bytes.length - 1]]) {
          const receiver = new Receiver(reader, role)
          for (const piece of split(bytes, sizes)) receiver.read(piece)
          t.ok(receiver.frames.length === 2 && receiver.frames[0] === `2+:${payload}` && receiver.frames[1] === '1+:next', `${role}: ${sizes.join()}`)
        }
      }
    })

    t.test('§5.4 data comes as it arrives, control frames come whole', async t => {
      const receiver = new Receiver(reader, 'server')
      const bytes = Buffer.concat([masked.wire(2, 'abcdefgh'), masked.wire(9, 'ping')])
      for (const piece of split(bytes, [3, 3, 3, 4, 4, 5])) receiver.read(piece)
      t.strictSame(receiver.calls, ['start 8', 'piece 3', 'piece 4', 'piece 1', 'end', 'frame'])
      t.strictSame(receiver.frames, ['2+:abcdefgh', '9+:ping'])
    })

    t.test('T01 nothing is asked for on behalf of a header alone', async t => {
      const receiver = new Receiver(reader, 'server')
      receiver.read(encodeFrame({ opcode: 2, announced: 2n ** 53n - 1n }))
      t.strictSame(receiver.calls, [`start ${Number.MAX_SAFE_INTEGER}`])
    })

    t.test('T06 what is kept of a chunk is a copy', async t => {
      for (const [opcode, payload] of [[9, 'ping'], [1, 'text']] as const) {
        const bytes = masked.wire(opcode, payload)
        for (let cut = 1; cut < (opcode === 9 ? bytes.length : 6); cut++) {
          const receiver = new Receiver(reader, 'server')
          const chunk = Buffer.concat([masked.wire(1, 'first'), bytes.subarray(0, cut)])
          receiver.read(chunk)
          chunk.fill(0xff)
          receiver.read(bytes.subarray(cut))
          t.equal(receiver.frames[1], `${opcode}+:${payload}`, `cut at ${cut}`)
        }
      }
    })

    t.test('T04 time is linear in one-byte chunks', async t => {
      const bytes = Buffer.concat(Array.from({ length: 100 }, () => encodeFrame({ opcode: 2, payload: Buffer.alloc(1000) })))
      const times = (frames: Buffer, count = 1): number => {
        const start = process.hrtime.bigint()
        for (let n = 0; n < count; n++) {
          const receiver = new Receiver(reader, 'server')
          for (const byte of frames) receiver.read(Buffer.of(byte))
        }
        return Number(process.hrtime.bigint() - start)
      }
      times(bytes)
      let ratio = Infinity
      // the best of a few: a busy machine slows one down, never all of one kind
      for (let run = 0; run < 4; run++) {
        const inParts = times(bytes.subarray(0, bytes.length / 20), 20)
        ratio = Math.min(ratio, times(bytes) / inParts)
      }
      t.ok(ratio < 5, `${ratio.toFixed(2)} times as long`)
    })

    t.test('pause: after any call of any chunk, and what is pushed meanwhile comes behind', async t => {
      const bytes = Buffer.concat([masked.wire(1, 'one'), masked.wire(9, 'two'), masked.wire(2, 'three'), masked.wire(1, '')])
      const want = ['1+:one', '9+:two', '2+:three', '1+:']
      let wrong = 0
      for (const pieces of [[bytes], ...cuts(bytes)]) {
        for (let stop = 1; stop <= 4; stop++) {
          const receiver = new Receiver(reader, 'server')
          const { parser } = receiver
          receiver.react = () => { if (receiver.frames.length === stop) parser.pause() }
          for (const piece of pieces) receiver.read(piece)
          if (receiver.frames.join() !== want.slice(0, stop).join() || parser.hasUnread !== stop < 4) wrong++
          receiver.react = () => {}
          parser.resume()
          if (receiver.frames.join() !== want.join() || parser.hasUnread) wrong++
        }
      }
      t.equal(wrong, 0)
    })

    t.test('pause and resume before anything has come, twice, and inside a payload', async t => {
      const receiver = new Receiver(reader, 'server')
      const { parser } = receiver
      parser.resume()
      parser.pause()
      parser.pause()
      t.equal(parser.hasUnread, false)
      const bytes = masked.wire(2, 'abc')
      receiver.read(bytes.subarray(0, 7))
      t.strictSame([receiver.calls, parser.hasUnread], [[], true])
      parser.resume()
      parser.resume()
      t.strictSame(receiver.calls, ['start 3', 'piece 1'])
      parser.pause()
      receiver.read(bytes.subarray(7, 8))
      receiver.read(bytes.subarray(8))
      t.equal(receiver.calls.length, 2)
      parser.resume()
      t.strictSame(receiver.frames, ['2+:abc'])
    })

    for (const { name, act, after, want } of reentrant) {
      t.test(`from inside a callback: ${name}`, async t => {
        const bytes = Buffer.concat([masked.wire(1, '1'), masked.wire(1, '2'), masked.wire(1, '3')])
        for (let at = 1; at <= 3; at++) {
          const receiver = new Receiver(reader, 'server')
          const { parser } = receiver
          receiver.react = () => {
            if (receiver.frames.length !== at) return
            receiver.react = () => {}
            act(parser)
          }
          receiver.read(bytes)
          after?.(parser)
          const texts = receiver.frames.map(frame => frame.slice(3)).join()
          t.equal(texts, want === '' ? '1,2,3'.slice(0, 2 * at - 1) : want, `at frame ${at}`)
          t.equal(parser.hasUnread, false)
        }
      })
    }

    t.test('a push from every callback, without end of the stack', async t => {
      const receiver = new Receiver(reader, 'server')
      let left = 20_000
      receiver.react = () => { if (left-- > 0) receiver.parser.push(masked.wire(1, 'x')) }
      receiver.parser.push(masked.wire(1, 'x'))
      t.equal(receiver.frames.length, 20_001)
    })

    t.test('what a receiver throws comes out of push, and out of resume', async t => {
      const receiver = new Receiver(reader, 'server')
      receiver.react = () => { throw new Error('from the receiver') }
      t.throws(() => receiver.parser.push(masked.wire(1, 'a')), { message: 'from the receiver' })
      receiver.parser.pause()
      receiver.parser.push(masked.wire(1, 'b'))
      t.throws(() => receiver.parser.resume(), { message: 'from the receiver' })
    })

    t.test('§5.4 the receiver\'s word on fragments counts', async t => {
      const receiver = new Receiver(reader, 'server', true)
      receiver.parser.push(masked.wire(0, 'x', false))
      t.strictSame(receiver.frames, ['0:x'])
      t.throws(() => receiver.parser.push(masked.wire(1, 'x')), { code: 'FST_WS_EXPECTED_CONTINUATION' })
    })

    t.test('pauses at every frame: the work follows the frames, not the rest of the chunk', async t => {
      const bytes = Buffer.concat(Array.from({ length: 400 }, () => masked.wire(2, 'x'.repeat(100))))
      const time = (pausing: boolean): number => {
        const receiver = new Receiver(reader, 'server')
        if (pausing) receiver.react = () => receiver.parser.pause()
        const start = process.hrtime.bigint()
        receiver.read(bytes)
        while (receiver.frames.length < 400) receiver.parser.resume()
        return Number(process.hrtime.bigint() - start)
      }
      let ratio = Infinity
      for (let run = 0; run < 12; run++) ratio = Math.min(ratio, time(true) / time(false))
      t.ok(ratio < 12, `${ratio.toFixed(1)} times as long`)
    })
  })
}

/** Keeps what it is given, for as long as it lives. */
class Keeper implements FrameReceiver {
  readonly role = 'server'
  readonly allowedRsv = 0
  readonly inMessage = false
  readonly kept: Array<string | Buffer> = []
  readonly parser: FrameParser
  stopAfter = Infinity
  #pieces: Buffer[] = []

  constructor (scanners?: Scanners, lends?: boolean) {
    this.parser = new FrameParser(this, scanners, lends)
  }

  checkLength (): void {}

  onSimpleMessage (_opcode: number, data: string | Buffer): void {
    this.#keep(data)
  }

  onFrame (header: FrameHeader, bytes: Buffer, start: number, _ascii: boolean, owned: boolean): void {
    this.#keep(takeBytes(bytes, start, start + header.payloadLength, owned))
  }

  onFrameStart (): void {
    this.#pieces = []
  }

  onFramePiece (bytes: Buffer, start: number, end: number): void {
    this.#pieces.push(Buffer.from(bytes.subarray(start, end)))
  }

  onFrameEnd (): void {
    this.#keep(Buffer.concat(this.#pieces))
  }

  #keep (data: string | Buffer): void {
    this.kept.push(data)
    if (this.kept.length === this.stopAfter) this.parser.pause()
  }
}

const bytesOf = (length: number, seed: number): Buffer => Buffer.from(Uint8Array.from({ length }, (_, n) => n * 7 + (n >> 8) + seed))

/** Chunks as a socket reads them: each is all of its memory. */
function chunksOf (wire: Buffer, size: number): Buffer[] {
  return Array.from({ length: Math.ceil(wire.length / size) }, (_, n) => {
    const part = wire.subarray(n * size, (n + 1) * size)
    const chunk = Buffer.allocUnsafeSlow(part.length)
    part.copy(chunk)
    return chunk
  })
}

const large = [20_000, 16_384, 30_000, 16_000, 65_536, 70_000, 5, 16_500, 40_000, 200_000, 4_096, 300, 64_000, 16_384, 16_384, 16_384, 16_384].map((length, n) => bytesOf(length, n))
const largeWire = Buffer.concat(large.map((payload, n) => encodeFrame({ opcode: 2, payload, mask: Buffer.from([n + 1, 0xa2, n, 0x1f]) })))

t.test('T06 large binary frames are handed out as views of at least a quarter of their chunk, and stay as they are', async t => {
  for (const size of [65_536, 40_000, 16_384, 1_000_000, 4_097]) {
    const keeper = new Keeper()
    const chunks = chunksOf(largeWire, size)
    const memory = chunks.map(({ buffer }) => buffer)
    for (const chunk of chunks) keeper.parser.push(chunk)
    t.ok(keeper.kept.every((data, n) => large[n]!.equals(data as Buffer)) && keeper.kept.length === large.length, `chunks of ${size} bytes`)
    const views = keeper.kept.filter((data) => typeof data !== 'string' && memory.includes(data.buffer)) as Buffer[]
    t.ok(views.every(({ length, buffer }) => length * 4 >= buffer.byteLength), 'no small part keeps a chunk alive')
    if (size === 65_536 || size === 40_000) t.ok(views.length >= 3, `${views.length} views`)
  }
})

t.test('what is lent is in the memory of the scanner, however large', async t => {
  const { wasm } = FASTEST
  const keeper = new Keeper(FASTEST, true)
  keeper.parser.push(encodeFrame({ opcode: 2, payload: bytesOf(30_000, 1) }))
  t.equal((keeper.kept[0] as Buffer).buffer, wasm?.memory.buffer)
})

t.test('large frames: a pause behind each of them, and between small ones, loses and changes nothing', async t => {
  const payloads = [10, 17_000, 17_001, 17_002, 5, 20_000, 30_000, 12, 16_999].map((length, n) => bytesOf(length, n))
  const wire = Buffer.concat(payloads.map((payload, n) => encodeFrame({ opcode: 2, payload, mask: Buffer.from([0x11, n, 0x33, 0xf0]) })))
  for (const size of [65_536, 30_000, wire.length]) {
    for (let stop = 1; stop <= payloads.length; stop++) {
      const keeper = new Keeper()
      keeper.stopAfter = stop
      for (const chunk of chunksOf(wire, size)) keeper.parser.push(chunk)
      const soFar = keeper.kept.length
      keeper.stopAfter = stop + 1
      keeper.parser.resume()
      keeper.parser.resume()
      t.ok(soFar === stop && keeper.kept.length === payloads.length && keeper.kept.every((data, n) => payloads[n]!.equals(data as Buffer)), `${stop} of chunks of ${size}`)
    }
  }
})

t.test('§5.2 large frames that break a rule break it where they are too', async t => {
  const good = encodeFrame({ opcode: 2, payload: bytesOf(20_000, 1) })
  for (const [code, bad] of [
    ['FST_WS_RESERVED_BITS', encodeFrame({ opcode: 2, rsv: 4, payload: bytesOf(20_000, 2) })],
    ['FST_WS_MASK_MISSING', encodeFrame({ opcode: 2, mask: null, payload: bytesOf(20_000, 2) })],
    ['FST_WS_LENGTH_TOP_BIT', Buffer.concat([Buffer.from('82ffffffffffffffffff01020304', 'hex'), Buffer.alloc(20_000)])]
  ] as const) {
    const keeper = new Keeper()
    t.throws(() => keeper.parser.push(chunksOf(Buffer.concat([good, bad]), 65_536)[0]!), { code })
    t.strictSame(keeper.kept, [bytesOf(20_000, 1)], 'behind what came before')
  }
})
