import t from 'tap'
import { ProtocolError } from '../../lib/protocol/errors.ts'
import type { PROTOCOL_ERRORS } from '../../lib/protocol/errors.ts'
import { Protocol } from '../../lib/protocol/protocol.ts'
import type { Closure } from '../../lib/protocol/protocol.ts'
import type { Role } from '../../lib/protocol/role.ts'
import { hex } from '../helpers/hex.ts'
import { cuts, readChunks, startRecording } from '../helpers/recorder.ts'
import type { Events } from '../helpers/recorder.ts'
import { closePayload, encodeFrame } from '../helpers/wire-frames.ts'
import type { FrameToSend } from '../helpers/wire-frames.ts'

/** A frame of a peer of that role's reader. */
function frameTo (role: Role, frame: FrameToSend): Buffer {
  return encodeFrame(role === 'server' ? frame : { mask: null, ...frame })
}

function wireTo (role: Role, frames: ReadonlyArray<FrameToSend | Buffer>): Buffer {
  return Buffer.concat(frames.map(frame => Buffer.isBuffer(frame) ? frame : frameTo(role, frame)))
}

/** What follows an error: the Close frame that says so, and the error. */
function failure (code: keyof typeof PROTOCOL_ERRORS): Events {
  const { closeCode, message } = new ProtocolError(code)
  return [`>close:${closeCode}:${message}`, `error:${code}`]
}

const text = (payload: string | Uint8Array, fin = true): FrameToSend => ({ opcode: 1, payload, fin })
const binary = (payload: string | Uint8Array, fin = true): FrameToSend => ({ opcode: 2, payload, fin })
const more = (payload: string | Uint8Array, fin = true): FrameToSend => ({ opcode: 0, payload, fin })
const ping = (payload: string): FrameToSend => ({ opcode: 9, payload })
const pong = (payload: string): FrameToSend => ({ opcode: 10, payload })
const close = (code?: number, reason?: string | Uint8Array): FrameToSend => ({ opcode: 8, payload: code === undefined ? '' : closePayload(code, reason) })

const legal: ReadonlyArray<{ name: string, frames: readonly FrameToSend[], want: Events }> = [
  { name: '§5.6 text', frames: [text('Hello')], want: ['text:Hello'] },
  { name: '§5.6 empty text', frames: [text('')], want: ['text:'] },
  { name: '§5.6 binary', frames: [binary(hex('00ff'))], want: ['binary:00ff'] },
  { name: '§5.6 empty binary', frames: [binary('')], want: ['binary:'] },
  { name: '§8.1 text beyond ASCII', frames: [text('é€😀\ufeff\ufffd\0')], want: ['text:é€😀\ufeff\ufffd\0'] },
  { name: '§5.2 16-bit length', frames: [text('a'.repeat(126)), binary(Buffer.alloc(150, 7))], want: [`text:${'a'.repeat(126)}`, `binary:${'07'.repeat(150)}`] },
  { name: '§5.4 fragments', frames: [text('Hel', false), more('l', false), more('o')], want: ['text:Hello'] },
  { name: '§5.4 empty fragments', frames: [text('', false), more('', false), more('')], want: ['text:'] },
  { name: '§5.4 an empty last fragment', frames: [binary('ab', false), more('')], want: ['binary:6162'] },
  { name: '§5.4 a fragment that cuts a character', frames: [text(hex('f09f'), false), more(hex('98'), false), more(hex('80'))], want: ['text:😀'] },
  { name: '§5.4 fragments twice', frames: [text('a', false), more('b'), binary('c', false), more('d')], want: ['text:ab', 'binary:6364'] },
  {
    name: '§5.5 control frames between fragments',
    frames: [text('a', false), ping('1'), more('b', false), pong('2'), ping(''), more('c')],
    want: ['>pong:31', 'ping:31', 'pong:32', '>pong:', 'ping:', 'text:abc']
  },
  { name: '§5.5.2 a ping is answered with its own data', frames: [ping('p'.repeat(125))], want: [`>pong:${'70'.repeat(125)}`, `ping:${'70'.repeat(125)}`] },
  { name: '§5.5.3 an unasked pong', frames: [pong('x')], want: ['pong:78'] },
  { name: '§5.5.1 close without a code', frames: [close()], want: ['>close:', 'close:1005:'] },
  { name: '§5.5.1 close with a code', frames: [close(1000)], want: ['>close:1000:', 'close:1000:'] },
  { name: '§5.5.1 close with a reason', frames: [close(4999, 'because €')], want: ['>close:4999:because €', 'close:4999:because €'] },
  { name: '§5.5.1 close with the longest reason', frames: [close(3000, 'r'.repeat(123))], want: [`>close:3000:${'r'.repeat(123)}`, `close:3000:${'r'.repeat(123)}`] },
  { name: '§5.5.1 close inside a message', frames: [text('a', false), close(1001)], want: ['>close:1001:', 'close:1001:'] },
  { name: '§5.5.1 nothing behind a close is read', frames: [close(1000), text('no'), ping('no'), close(1001), { opcode: 3 }], want: ['>close:1000:', 'close:1000:'] }
]

for (const role of ['server', 'client'] as const) {
  for (const { name, frames, want } of legal) {
    t.test(`${name}, to a ${role}`, async t => {
      const wire = wireTo(role, frames)
      const isOver = want.some(event => event.startsWith('close:'))
      t.strictSame(readChunks(role, [wire]), want, 'whole')
      t.strictSame(readChunks(role, frames.map(frame => frameTo(role, frame))), want, 'a chunk a frame')
      const next = frameTo(role, text('next'))
      t.strictSame(readChunks(role, [Buffer.concat([wire, next])]), isOver ? want : [...want, 'text:next'], 'with the next frame behind it')
      const wrong: Events[] = []
      for (const pieces of cuts(Buffer.concat([wire, next]))) {
        const got = readChunks(role, pieces)
        if (got.join() !== (isOver ? want : [...want, 'text:next']).join()) wrong.push(got)
      }
      t.strictSame(wrong, [], 'cut at every byte')
    })
  }
}

interface Fault {
  readonly name: string
  /** The last one is wrong, at least where it stands. */
  readonly frames: readonly FrameToSend[]
  /** What the others give. */
  readonly before?: Events
  readonly want: keyof typeof PROTOCOL_ERRORS
  /** How many bytes of the last frame's header prove it, or how many of its payload; the whole frame unless one is given. */
  readonly header?: number
  readonly payload?: number
  readonly role?: Role
  readonly maxPayload?: number
}

/** A text whose first bytes are wrong, but whose frame is not over by far. */
const long = (start: string): Buffer => Buffer.concat([hex(start), Buffer.alloc(50, 0x61)])

const faults: readonly Fault[] = [
  // T02
  { name: 'T02 §5.2 length of 2^31 over the limit', frames: [{ opcode: 2, announced: 2n ** 31n }], want: 'FST_WS_TOO_BIG', header: 10 },
  { name: 'T02 §5.2 length of 2^32', frames: [{ opcode: 2, announced: 2n ** 32n }], want: 'FST_WS_TOO_BIG', header: 10 },
  { name: 'T02 §5.2 length of 2^32 + 5, whose low half would fit', frames: [{ opcode: 2, payload: 'abcde', announced: 2n ** 32n + 5n }], want: 'FST_WS_TOO_BIG', header: 10 },
  { name: 'T02 §5.2 length of 2^53 - 1', frames: [{ opcode: 2, announced: 2n ** 53n - 1n }], want: 'FST_WS_TOO_BIG', header: 10 },
  { name: 'T02 §5.2 length of 2^53', frames: [{ opcode: 2, announced: 2n ** 53n }], want: 'FST_WS_TOO_BIG', header: 4 },
  { name: 'T02 §5.2 length of 2^63', frames: [{ opcode: 2, announced: 2n ** 63n }], want: 'FST_WS_LENGTH_TOP_BIT', header: 3 },
  { name: 'T02 §5.2 length of 2^64 - 1', frames: [{ opcode: 2, announced: 2n ** 64n - 1n }], want: 'FST_WS_LENGTH_TOP_BIT', header: 3 },
  { name: 'T02 §5.2 5 bytes announced in 16 bits', frames: [{ opcode: 1, payload: 'Hello', lengthForm: 16 }], want: 'FST_WS_LENGTH_NOT_MINIMAL', header: 4 },
  { name: 'T02 §5.2 125 in 16 bits', frames: [{ opcode: 1, payload: 'a'.repeat(125), lengthForm: 16 }], want: 'FST_WS_LENGTH_NOT_MINIMAL', header: 4 },
  { name: 'T02 §5.2 5 bytes announced in 64 bits', frames: [{ opcode: 1, payload: 'Hello', lengthForm: 64 }], want: 'FST_WS_LENGTH_NOT_MINIMAL', header: 8 },
  { name: 'T02 §5.2 65,535 in 64 bits', frames: [{ opcode: 2, announced: 65_535n, lengthForm: 64 }], want: 'FST_WS_LENGTH_NOT_MINIMAL', header: 8 },
  { name: 'T02 §5.2 the same behind a message', frames: [text('a'), { opcode: 2, announced: 2n ** 64n - 1n }], before: ['text:a'], want: 'FST_WS_LENGTH_TOP_BIT', header: 3 },
  // T01
  { name: 'T01 §7.4.1 a byte over the limit', frames: [binary('a'.repeat(11))], maxPayload: 10, want: 'FST_WS_TOO_BIG', header: 2 },
  { name: 'T01 §7.4.1 a text over the limit that is wrong too', frames: [text(Buffer.alloc(11, 0xff))], maxPayload: 10, want: 'FST_WS_TOO_BIG', header: 2 },
  { name: 'T01 §7.4.1 fragments over the limit', frames: [text('12345', false), more('67890', false), more('x')], maxPayload: 10, want: 'FST_WS_TOO_BIG', header: 2 },
  { name: 'T01 §7.4.1 the limit itself is not over it', frames: [text('1234567890'), text('12345', false), more('67890'), binary('12345678901')], before: ['text:1234567890', 'text:1234567890'], maxPayload: 10, want: 'FST_WS_TOO_BIG', header: 2 },
  { name: 'T01 §7.4.1 a limit of nothing', frames: [binary(''), binary('a')], before: ['binary:'], maxPayload: 0, want: 'FST_WS_TOO_BIG', header: 2 },
  // T03
  {
    name: 'T03 §10.4 empty fragments without end',
    frames: [text('a', false), ...Array.from({ length: 1001 }, () => more('', false))],
    want: 'FST_WS_TOO_MANY_EMPTY_FRAGMENTS'
  },
  // T07
  { name: 'T07 §5.1 no mask from a client', role: 'server', frames: [{ ...text('a'), mask: null }], want: 'FST_WS_MASK_MISSING', header: 2 },
  { name: 'T07 §5.1 no mask in a later frame', role: 'server', frames: [text('a'), { ...ping('a'), mask: null }], before: ['text:a'], want: 'FST_WS_MASK_MISSING', header: 2 },
  { name: 'T07 §5.1 mask from a server', role: 'client', frames: [{ ...text('a'), mask: hex('01020304') }], want: 'FST_WS_MASK_FORBIDDEN', header: 2 },
  { name: 'T07 §5.1 mask of zeros from a server', role: 'client', frames: [{ ...text('a'), mask: hex('00000000') }], want: 'FST_WS_MASK_FORBIDDEN', header: 2 },
  ...[1, 2, 4, 7].flatMap(rsv => [text('a'), ping('a'), close(1000)].map(frame => ({ name: `T07 §5.2 reserved bits ${rsv}, opcode ${frame.opcode}`, frames: [{ ...frame, rsv }], want: 'FST_WS_RESERVED_BITS' as const, header: 1 }))),
  ...[3, 4, 5, 6, 7, 11, 12, 13, 14, 15].map(opcode => ({ name: `T07 §5.2 opcode ${opcode}`, frames: [ping('a'), { opcode, payload: 'a' }], before: ['>pong:61', 'ping:61'], want: 'FST_WS_RESERVED_OPCODE' as const, header: 1 })),
  ...[ping('a'), pong('a'), close(1000)].map(frame => ({ name: `T07 §5.5 fragmented control frame, opcode ${frame.opcode}`, frames: [{ ...frame, fin: false }], want: 'FST_WS_CONTROL_FRAGMENTED' as const, header: 1 })),
  ...[8, 9, 10].map(opcode => ({ name: `T07 §5.5 126 bytes of opcode ${opcode}`, frames: [{ opcode, payload: 'a'.repeat(126) }], want: 'FST_WS_CONTROL_TOO_LONG' as const, header: 2 })),
  { name: 'T07 §5.5 70,000 bytes of ping', frames: [{ opcode: 9, payload: 'a', announced: 70_000n }], want: 'FST_WS_CONTROL_TOO_LONG', header: 2 },
  { name: 'T07 §5.4 a stray continuation', frames: [text('a'), more('b')], before: ['text:a'], want: 'FST_WS_UNEXPECTED_CONTINUATION', header: 1 },
  { name: 'T07 §5.4 a stray continuation behind fragments', frames: [text('a', false), more('b'), more('c', false)], before: ['text:ab'], want: 'FST_WS_UNEXPECTED_CONTINUATION', header: 1 },
  { name: 'T07 §5.4 a new text inside a message', frames: [text('a', false), text('b')], want: 'FST_WS_EXPECTED_CONTINUATION', header: 1 },
  { name: 'T07 §5.4 new fragments inside a message', frames: [binary('', false), text('b', false)], want: 'FST_WS_EXPECTED_CONTINUATION', header: 1 },
  // T08
  { name: 'T08 §8.1 a byte that starts nothing', frames: [text(long('61 80'))], want: 'FST_WS_INVALID_UTF8', payload: 2 },
  { name: 'T08 §8.1 ff', frames: [text(long('ff'))], want: 'FST_WS_INVALID_UTF8', payload: 1 },
  { name: 'T08 §8.1 an overlong form', frames: [text(long('c0 af'))], want: 'FST_WS_INVALID_UTF8', payload: 1 },
  { name: 'T08 §8.1 a surrogate', frames: [text(long('eda080'))], want: 'FST_WS_INVALID_UTF8', payload: 2 },
  { name: 'T08 §8.1 beyond U+10FFFF', frames: [text(long('f4908080'))], want: 'FST_WS_INVALID_UTF8', payload: 2 },
  { name: 'T08 §8.1 a character cut by another', frames: [text(long('61 f09f98 61'))], want: 'FST_WS_INVALID_UTF8', payload: 5 },
  { name: 'T08 §8.1 in the second fragment', frames: [text('é', false), more(long('80'), false)], want: 'FST_WS_INVALID_UTF8', payload: 1 },
  { name: 'T08 §8.1 by the second half of a cut character', frames: [text(hex('ce'), false), ping('a'), more(long('ce'), false)], before: ['>pong:61', 'ping:61'], want: 'FST_WS_INVALID_UTF8', payload: 1 },
  { name: 'T08 §8.1 behind a megabyte of right text', frames: [text('é'.repeat(500), false), more(long('ff'))], want: 'FST_WS_INVALID_UTF8', payload: 1 },
  { name: 'T08 §8.1 a text that ends inside a character', frames: [text(hex('61e282'))], want: 'FST_WS_INVALID_UTF8' },
  { name: 'T08 §8.1 a fragmented one that ends so', frames: [text(hex('e2'), false), more(hex('82'), false), more('')], want: 'FST_WS_INVALID_UTF8' },
  // T09
  { name: 'T09 §5.5.1 one byte', frames: [{ opcode: 8, payload: hex('03') }], want: 'FST_WS_CLOSE_PAYLOAD', header: 2 },
  { name: 'T09 §7.4.1 1005', frames: [text('a'), close(1005)], before: ['text:a'], want: 'FST_WS_CLOSE_CODE' },
  { name: 'T09 §8.1 a reason that is not UTF-8', frames: [close(1000, hex('ff'))], want: 'FST_WS_INVALID_UTF8' },
  { name: 'T09 §8.1 a reason that ends inside a character', frames: [close(1000, hex('61c3'))], want: 'FST_WS_INVALID_UTF8' }
]

for (const { name, frames, before = [], want, header, payload, role: only, maxPayload } of faults) {
  for (const role of only === undefined ? ['server', 'client'] as const : [only]) {
    t.test(`${name}, to a ${role}`, async t => {
      const wire = wireTo(role, frames)
      const all = [...before, ...failure(want)]
      t.strictSame(readChunks(role, [wire], maxPayload), all, 'whole')
      t.strictSame(readChunks(role, [wire, frameTo(role, text('no')), frameTo(role, close(1000))], maxPayload), all, 'and nothing more is read')
      t.strictSame(readChunks(role, [Buffer.concat([wire, frameTo(role, text('no'))])], maxPayload), all, 'in the same chunk neither')
      const wrong: Events[] = []
      for (const pieces of wire.length < 1000 ? cuts(wire) : [Array.from(wire, byte => Buffer.of(byte))]) {
        const got = readChunks(role, pieces, maxPayload)
        if (got.join() !== all.join()) wrong.push(got)
      }
      t.strictSame(wrong, [], 'cut at every byte')

      const last = wireTo(role, frames.slice(-1))
      const headerLength = last.length - Buffer.from(frames.at(-1)?.payload ?? '').length
      const unneeded = header !== undefined ? last.length - header : payload !== undefined ? last.length - headerLength - payload : 0
      const proof = wire.length - unneeded
      const { protocol, events } = startRecording(role, maxPayload)
      for (const byte of wire.subarray(0, proof - 1)) protocol.receiveData(Buffer.of(byte))
      t.strictSame(events, before, 'not a byte too early')
      protocol.receiveData(Buffer.from(wire.subarray(proof - 1, proof)))
      t.strictSame(events, all, 'nor too late')
    })
  }
}

t.test('T09 §7.4 every code from 0 to 5000, and 65535, in a frame', async t => {
  const wrong: number[] = []
  for (const code of [...Array.from({ length: 5001 }, (_, n) => n), 65_535]) {
    const isLegal = (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999)
    const want = isLegal ? [`>close:${code}:`, `close:${code}:`] : failure('FST_WS_CLOSE_CODE')
    for (const role of ['server', 'client'] as const) {
      if (readChunks(role, [frameTo(role, close(code))]).join() !== want.join()) wrong.push(code)
    }
  }
  t.strictSame(wrong, [])
})

/** What happens to a core, in words: from here `close <code>`, `fail <code>`, `blame <code>`, `abort`, `eof`; from the peer `peer <code>` (`peer` for none), `data`, `ping`, `garbage`. */
function act (protocol: Protocol, step: string): void {
  const [word, code] = step.split(' ')
  const number = code === undefined ? undefined : Number(code)
  switch (word) {
    case 'close': return protocol.close(number, number === undefined ? undefined : 'mine')
    case 'fail': return protocol.fail(number ?? 1011, 'failed')
    case 'blame': return protocol.failBy(Object.assign(new Error('blamed'), { code: 'BLAMED', closeCode: number ?? 1008 }))
    case 'abort': return protocol.abort()
    case 'eof': return protocol.receiveEof()
    case 'peer': return protocol.receiveData(frameTo(protocol.role, close(number, number === undefined ? undefined : 'theirs')))
    case 'data': return protocol.receiveData(frameTo(protocol.role, text('data')))
    case 'start': return protocol.receiveData(frameTo(protocol.role, text('da', false)))
    case 'ping': return protocol.receiveData(frameTo(protocol.role, ping('')))
    case 'garbage': return protocol.receiveData(frameTo(protocol.role, { opcode: 3 }))
    default: throw new Error(`no such step: ${step}`)
  }
}

const GARBAGE = failure('FST_WS_RESERVED_OPCODE')
const garbageReason = new ProtocolError('FST_WS_RESERVED_OPCODE').message

/** `closure` as `<code> <reason>, clean or not, initiator`. */
const endings: ReadonlyArray<{ name: string, steps: readonly string[], want: Events, state?: string, closure: string }> = [
  { name: '§7.1.5 nothing has happened', steps: [], want: [], state: 'open', closure: '1006 , not clean, remote' },
  { name: '§7.1.5 the bytes end', steps: ['eof'], want: [], closure: '1006 , not clean, remote' },
  { name: '§7.1.5 the bytes end twice', steps: ['data', 'eof', 'eof'], want: ['text:data'], closure: '1006 , not clean, remote' },
  { name: '§7.1.5 the bytes end inside a message', steps: ['start', 'eof'], want: [], closure: '1006 , not clean, remote' },
  { name: '§7.1.2 closed from here', steps: ['close 1000'], want: ['>close:1000:mine'], state: 'closeSent', closure: '1006 , not clean, local' },
  { name: '§7.1.4 closed from here and answered', steps: ['close 1000', 'peer 1000'], want: ['>close:1000:mine', 'close:1000:theirs'], state: 'closeDone', closure: '1000 theirs, clean, local' },
  { name: '§7.1.4 and then the bytes end', steps: ['close 1000', 'peer 1000', 'eof'], want: ['>close:1000:mine', 'close:1000:theirs'], closure: '1000 theirs, clean, local' },
  { name: '§7.1.5 closed without a code and answered so', steps: ['close', 'peer', 'eof'], want: ['>close:', 'close:1005:'], closure: '1005 , clean, local' },
  { name: '§7.1.5 answered with another code', steps: ['close 4000', 'peer 3000', 'eof'], want: ['>close:4000:mine', 'close:3000:theirs'], closure: '3000 theirs, clean, local' },
  { name: '§7.1.5 closed from here and never answered', steps: ['close 1000', 'eof'], want: ['>close:1000:mine'], closure: '1006 , not clean, local' },
  { name: '§7.1.2 closed twice', steps: ['close 1000', 'close 1001', 'peer 1000', 'close 1002'], want: ['>close:1000:mine', 'close:1000:theirs'], state: 'closeDone', closure: '1000 theirs, clean, local' },
  { name: '§5.5.1 closed by the peer', steps: ['peer 1001'], want: ['>close:1001:theirs', 'close:1001:theirs'], state: 'closeDone', closure: '1001 theirs, clean, remote' },
  { name: '§5.5.1 closed by the peer without a code', steps: ['peer', 'eof'], want: ['>close:', 'close:1005:'], closure: '1005 , clean, remote' },
  { name: '§5.5.1 closed by the peer, then from here', steps: ['peer 1001', 'close 1000', 'eof'], want: ['>close:1001:theirs', 'close:1001:theirs'], closure: '1001 theirs, clean, remote' },
  { name: '§5.5.1 Close after Close', steps: ['peer 1001', 'peer 1002', 'eof'], want: ['>close:1001:theirs', 'close:1001:theirs'], closure: '1001 theirs, clean, remote' },
  { name: '§5.5.1 data after Close', steps: ['peer 1001', 'data', 'ping', 'garbage', 'eof'], want: ['>close:1001:theirs', 'close:1001:theirs'], closure: '1001 theirs, clean, remote' },
  { name: '§5.5.1 closed inside a message', steps: ['start', 'peer 1000', 'eof'], want: ['>close:1000:theirs', 'close:1000:theirs'], closure: '1000 theirs, clean, remote' },
  { name: '§7.1.4 both at once: what the peer sent before it saw our Close is handed on, and its ping answered (§5.5.2)', steps: ['data', 'close 1000', 'data', 'ping', 'peer 1001', 'eof'], want: ['text:data', '>close:1000:mine', 'text:data', '>pong:', 'ping:', 'close:1001:theirs'], closure: '1001 theirs, clean, local' },
  { name: '§7.1.4 both at once, the peer\'s first', steps: ['peer 1001', 'close 1000'], want: ['>close:1001:theirs', 'close:1001:theirs'], state: 'closeDone', closure: '1001 theirs, clean, remote' },
  { name: '§7.1.7 the peer breaks a rule', steps: ['garbage'], want: GARBAGE, state: 'closeDone', closure: `1002 ${garbageReason}, not clean, local` },
  { name: '§7.1.7 and closes behind it', steps: ['garbage', 'peer 1000', 'data', 'garbage', 'eof'], want: GARBAGE, closure: `1002 ${garbageReason}, not clean, local` },
  { name: '§7.1.7 the peer breaks a rule after our Close: no second one goes', steps: ['close 1000', 'garbage', 'eof'], want: ['>close:1000:mine', ...GARBAGE.slice(1)], closure: `1002 ${garbageReason}, not clean, local` },
  { name: '§7.1.7 the peer breaks a rule in its answer', steps: ['close 1000', 'peer 1005', 'eof'], want: ['>close:1000:mine', 'error:FST_WS_CLOSE_CODE'], closure: `1002 ${new ProtocolError('FST_WS_CLOSE_CODE').message}, not clean, local` },
  { name: '§7.1.7 failed from here', steps: ['fail 1011', 'eof'], want: ['>close:1011:failed'], closure: '1011 failed, not clean, local' },
  { name: '§7.1.7 failed from here twice, and closed', steps: ['fail 1011', 'fail 1008', 'close 1000', 'peer 1000'], want: ['>close:1011:failed'], state: 'closeDone', closure: '1011 failed, not clean, local' },
  { name: '§7.1.7 failed after our Close', steps: ['close 1000', 'fail 1008', 'peer 1000', 'eof'], want: ['>close:1000:mine'], closure: '1008 failed, not clean, local' },
  { name: '§7.1.7 failed after both Closes: too late', steps: ['peer 1000', 'fail 1008', 'eof'], want: ['>close:1000:theirs', 'close:1000:theirs'], closure: '1000 theirs, clean, remote' },
  { name: '§7.1.7 failed after the end: too late', steps: ['eof', 'fail 1008', 'close 1000', 'data', 'peer 1000'], want: [], closure: '1006 , not clean, remote' },
  { name: '§7.1.7 failed for a fault of the peer', steps: ['start', 'blame 1008', 'data', 'peer 1000', 'eof'], want: ['>close:1008:blamed', 'error:BLAMED'], closure: '1008 blamed, not clean, local' },
  { name: '§7.1.7 failed for two faults of the peer: the first counts', steps: ['blame 1008', 'blame 1013'], want: ['>close:1008:blamed', 'error:BLAMED'], state: 'closeDone', closure: '1008 blamed, not clean, local' },
  { name: '§7.1.7 failed for a fault of the peer after our Close: no second one goes', steps: ['close 1000', 'blame 1008', 'peer 1000', 'eof'], want: ['>close:1000:mine', 'error:BLAMED'], closure: '1008 blamed, not clean, local' },
  { name: '§7.1.7 failed for a fault of the peer after its Close: too late', steps: ['peer 1000', 'blame 1008', 'eof'], want: ['>close:1000:theirs', 'close:1000:theirs'], closure: '1000 theirs, clean, remote' },
  { name: '§7.1.7 failed for a fault of the peer after the end: too late', steps: ['eof', 'blame 1008'], want: [], closure: '1006 , not clean, remote' },
  { name: 'dropped from here', steps: ['abort'], want: [], closure: '1006 , not clean, local' },
  { name: 'dropped from here, to the end', steps: ['abort', 'eof', 'data', 'close 1000'], want: [], closure: '1006 , not clean, local' },
  { name: 'dropped from here while the peer\'s answer is due', steps: ['close 1000', 'abort', 'eof'], want: ['>close:1000:mine'], closure: '1006 , not clean, local' },
  { name: 'dropped from here after the peer\'s Close', steps: ['peer 1000', 'abort', 'eof'], want: ['>close:1000:theirs', 'close:1000:theirs'], closure: '1000 theirs, clean, remote' },
  { name: 'dropped from here after the end', steps: ['eof', 'abort'], want: [], closure: '1006 , not clean, remote' },
  { name: 'dropped from here after a failure', steps: ['garbage', 'abort', 'eof'], want: GARBAGE, closure: `1002 ${garbageReason}, not clean, local` }
]

const format = ({ code, reason, wasClean, initiator }: Closure): string => `${code} ${reason}, ${wasClean ? 'clean' : 'not clean'}, ${initiator}`

for (const { name, steps, want, state = 'closed', closure } of endings) {
  for (const role of ['server', 'client'] as const) {
    t.test(`T56 ${name}: ${steps.join(', ')}; a ${role}`, async t => {
      const { protocol, events } = startRecording(role)
      for (const step of steps) act(protocol, step)
      t.strictSame(events, want)
      t.equal(protocol.state, state)
      t.equal(format(protocol.closure), closure)
      t.equal(protocol.inMessage, false, 'no half of a message is kept')
      t.equal(protocol.hasUnread, false)
    })
  }
}

t.test('§7.4 close and fail refuse what may not stand in a frame, in every state, and nothing changes', async t => {
  for (const steps of [[], ['close 1000'], ['peer 1000'], ['eof']]) {
    const { protocol, events } = startRecording('server')
    for (const step of steps) act(protocol, step)
    const { state, closure } = protocol
    const before = [...events]
    t.throws(() => protocol.close(1005), { code: 'FST_WS_INVALID_CLOSE_CODE' })
    t.throws(() => protocol.close(1000, 'a'.repeat(124)), { code: 'FST_WS_REASON_TOO_LONG' })
    t.throws(() => protocol.fail(1006, ''), { code: 'FST_WS_INVALID_CLOSE_CODE' })
    t.throws(() => protocol.fail(1011, '€'.repeat(42)), { code: 'FST_WS_REASON_TOO_LONG' })
    t.strictSame([protocol.state, protocol.closure, events], [state, closure, before], `after ${steps.join()}`)
  }
})

for (const role of ['server', 'client'] as const) {
  t.test(`a ${role} that is as new may be exchanged for a new one, and is as new between messages`, async t => {
    const wrong: string[] = []
    for (const { name, frames, want } of legal) {
      const bytes = wireTo(role, frames)
      const between = new Set([0])
      let end = 0
      let isOpen = false
      for (const frame of frames) {
        end += frameTo(role, frame).length
        if (frame.opcode !== undefined && frame.opcode < 8) isOpen = frame.fin === false
        if (!isOpen) between.add(end)
      }
      for (let cut = 0; cut <= bytes.length; cut++) {
        const first = startRecording(role)
        first.protocol.receiveData(Buffer.from(bytes.subarray(0, cut)))
        const isAsNew = first.protocol.isAsNew()
        if (isAsNew !== (between.has(cut) && first.protocol.state === 'open')) wrong.push(`${name}: ${isAsNew} at ${cut}`)
        const second = isAsNew ? startRecording(role) : first
        second.protocol.receiveData(Buffer.from(bytes.subarray(cut)))
        const events = isAsNew ? [...first.events, ...second.events] : first.events
        if (events.join() !== want.join()) wrong.push(`${name}: cut at ${cut}`)
      }
    }
    t.strictSame(wrong, [])
  })
}

const compressed = (payload: string | Uint8Array, fin = true): FrameToSend => ({ opcode: 1, payload, fin, rsv: 0b100 })
/** RFC 7692 §7.2.3.1: 'Hello', in its bytes as they come. */
const packed = hex('f248cdc9c90700')

const deflated: ReadonlyArray<{ name: string, frames: readonly FrameToSend[], want: Events, maxPayload?: number }> = [
  { name: '§6 a compressed text', frames: [compressed(packed)], want: ['compressed:1:f248cdc9c90700'] },
  { name: '§6 compressed bytes', frames: [{ ...compressed(packed), opcode: 2 }], want: ['compressed:2:f248cdc9c90700'] },
  { name: '§6 an empty payload', frames: [compressed('')], want: ['compressed:1:'] },
  { name: '§6 a text that is not compressed', frames: [text('Hello')], want: ['text:Hello'] },
  { name: '§6.1 fragments', frames: [compressed(packed.subarray(0, 3), false), more(packed.subarray(3))], want: ['compressed:1:f248cdc9c90700'] },
  {
    name: '§6.1 fragments with control frames between them, and an empty one',
    frames: [compressed(packed.subarray(0, 1), false), ping('1'), more('', false), more(packed.subarray(1), false), pong('2'), more('')],
    want: ['>pong:31', 'ping:31', 'pong:32', 'compressed:1:f248cdc9c90700']
  },
  { name: '§6 compressed and plain in turns', frames: [compressed(packed), text('a'), compressed('b', false), more('c'), text('d', false), more('e'), compressed('f')], want: ['compressed:1:f248cdc9c90700', 'text:a', 'compressed:1:6263', 'text:de', 'compressed:1:66'] },
  { name: '§8.1 what is compressed is no UTF-8, and not judged as such', frames: [compressed(hex('ff')), compressed(hex('c0'), false), more(hex('ff'))], want: ['compressed:1:ff', 'compressed:1:c0ff'] },
  { name: '§8.1 the text behind it is', frames: [compressed(hex('ff'), false), more(hex('ff')), text(hex('ff'))], want: ['compressed:1:ffff', ...failure('FST_WS_INVALID_UTF8')] },
  { name: '§6.1 RSV1 in a continuation', frames: [compressed('a', false), { ...more('b'), rsv: 0b100 }], want: failure('FST_WS_RESERVED_BITS') },
  { name: '§6.1 RSV1 in a continuation alone', frames: [text('a', false), { ...more('b'), rsv: 0b100 }], want: failure('FST_WS_RESERVED_BITS') },
  ...[ping('a'), pong('a'), close(1000)].map(frame => ({ name: `§6.1 RSV1 in a control frame, opcode ${frame.opcode}`, frames: [{ ...frame, rsv: 0b100 }], want: failure('FST_WS_RESERVED_BITS') })),
  ...[0b010, 0b001, 0b110, 0b111].map(rsv => ({ name: `§6 reserved bits ${rsv}`, frames: [{ ...text('a'), rsv }], want: failure('FST_WS_RESERVED_BITS') })),
  { name: '§6.1 a new message inside a compressed one', frames: [compressed('a', false), compressed('b')], want: failure('FST_WS_EXPECTED_CONTINUATION') },
  // One eighth more, and 64 bytes: what is stored may be longer than what it stands for.
  { name: 'T20 as long as a message that is allowed may be', frames: [compressed(Buffer.alloc(1189))], maxPayload: 1000, want: [`compressed:1:${'00'.repeat(1189)}`] },
  { name: 'T20 longer', frames: [compressed(Buffer.alloc(1190))], maxPayload: 1000, want: failure('FST_WS_TOO_BIG') },
  { name: 'T20 fragments longer', frames: [compressed(Buffer.alloc(1189), false), more('', false), more('a')], maxPayload: 1000, want: failure('FST_WS_TOO_BIG') },
  { name: 'T01 a plain message behind it has the limit of its own', frames: [compressed(Buffer.alloc(1100), false), more(''), binary(Buffer.alloc(1001))], maxPayload: 1000, want: [`compressed:1:${'00'.repeat(1100)}`, ...failure('FST_WS_TOO_BIG')] }
]

for (const role of ['server', 'client'] as const) {
  for (const { name, frames, want, maxPayload } of deflated) {
    t.test(`RFC 7692 ${name}, to a ${role}`, async t => {
      const wire = wireTo(role, frames)
      t.strictSame(readChunks(role, [wire], maxPayload, true), want, 'whole')
      const next = frameTo(role, text('next'))
      const all = want.at(-1)?.startsWith('error') === true ? want : [...want, 'text:next']
      t.strictSame(readChunks(role, [Buffer.concat([wire, next])], maxPayload, true), all, 'with the next frame behind it')
      if (wire.length > 200) return
      const wrong: Events[] = []
      for (const pieces of cuts(Buffer.concat([wire, next]))) {
        const got = readChunks(role, pieces, maxPayload, true)
        if (got.join() !== all.join()) wrong.push(got)
      }
      t.strictSame(wrong, [], 'cut at every byte')
    })
  }
}

t.test('RFC 7692 §7.2.2 what was inflated is handed on by the rules of any message', async t => {
  for (const owned of [true, false]) {
    const { protocol, events } = startRecording('server', 10, undefined, undefined, true)
    for (const [opcode, bytes] of [[1, Buffer.from('é€')], [1, Buffer.alloc(0)], [2, hex('c0ff')], [1, Buffer.alloc(10, 'a')]] as const) protocol.receiveInflated(opcode, bytes, owned)
    t.strictSame(events.splice(0), ['text:é€', 'text:', 'binary:c0ff', 'text:aaaaaaaaaa'])
    protocol.receiveInflated(1, hex('61 ff'), owned)
    t.strictSame(events, failure('FST_WS_INVALID_UTF8'))
  }
  const { protocol, events } = startRecording('server', 10, undefined, undefined, true)
  protocol.receiveInflated(2, Buffer.alloc(11), true)
  t.strictSame(events, failure('FST_WS_TOO_BIG'))
})

t.test('RFC 7692 §7.2.2 what was inflated while the bytes ended is handed on, and a fault in it is nobody\'s', async t => {
  const { protocol, events } = startRecording('server', 10, undefined, undefined, true)
  act(protocol, 'eof')
  protocol.receiveInflated(1, Buffer.from('a'), true)
  protocol.receiveInflated(1, hex('ff'), true)
  protocol.receiveInflated(2, Buffer.alloc(11), true)
  t.strictSame(events, ['text:a'])
  t.equal(protocol.state, 'closed')
})

t.test('a pause in a compressed message stops behind it', async t => {
  for (const role of ['server', 'client'] as const) {
    const wire = wireTo(role, [compressed('a'), text('b'), compressed('c', false), more('d'), text('e')])
    for (const pieces of [[wire], ...cuts(wire)]) {
      const { protocol, events } = startRecording(role, undefined, (event) => { if (event.startsWith('compressed')) protocol.pause() }, undefined, true)
      for (const piece of pieces) protocol.receiveData(Buffer.from(piece))
      if (events.join() !== 'compressed:1:61') t.fail(events.join())
      protocol.resume()
      if (events.join() !== 'compressed:1:61,text:b,compressed:1:6364') t.fail(events.join())
      protocol.resume()
      if (events.at(-1) !== 'text:e') t.fail(events.join())
    }
  }
})

t.test('what is compressed belongs to the sink where it came in pieces, and is lent where it did not', async t => {
  const owners: boolean[] = []
  const protocol = new Protocol({
    onMessage () {}, onPing () {}, onPong () {}, onClose () {}, onError () {}, onReply () {}, onCompressed: (_opcode, _bytes, owned) => { owners.push(owned) }
  }, { role: 'server', maxPayload: 100, deflate: {} })
  protocol.receiveData(wireTo('server', [compressed('a'), compressed('b', false), more('c')]))
  const cut = wireTo('server', [compressed('abc')])
  protocol.receiveData(cut.subarray(0, 7))
  protocol.receiveData(cut.subarray(7))
  t.strictSame(owners, [false, true, true])
})

const session: readonly FrameToSend[] = [text('one'), ping('2'), binary('3', false), pong('4'), more('', false), more('5'), text(''), close(1000)]
const sessionEvents: Events = ['text:one', '>pong:32', 'ping:32', 'pong:34', 'binary:3335', 'text:', '>close:1000:', 'close:1000:']

for (const role of ['server', 'client'] as const) {
  t.test(`pause at every frame of a chunk, and at every cut of it, to a ${role}`, async t => {
    const wire = wireTo(role, session)
    for (const stop of sessionEvents.filter(event => !event.startsWith('>'))) {
      const upTo = sessionEvents.slice(0, sessionEvents.indexOf(stop) + 1)
      const isLast = upTo.length === sessionEvents.length
      const wrong: Events[] = []
      for (const pieces of [[wire], ...cuts(wire)]) {
        const { protocol, events } = startRecording(role, undefined, event => { if (event === stop) protocol.pause() })
        for (const piece of pieces) protocol.receiveData(Buffer.from(piece))
        if (events.join() !== upTo.join() || protocol.hasUnread === isLast) wrong.push([...events])
        protocol.resume()
        if (events.join() !== sessionEvents.join() || protocol.hasUnread) wrong.push([...events])
      }
      t.strictSame(wrong, [], `at ${stop}`)
    }
  })
}

t.test('the bytes end, or it is dropped, while bytes wait: they are let go', async t => {
  for (const step of ['eof', 'fail 1011']) {
    const { protocol, events } = startRecording('server')
    protocol.pause()
    act(protocol, 'data')
    t.equal(protocol.hasUnread, true)
    act(protocol, step)
    const before = [...events]
    protocol.resume()
    t.strictSame([protocol.hasUnread, events], [false, before], step)
  }
})

t.test('an error behind a pause waits for its turn', async t => {
  const { protocol, events } = startRecording('server', undefined, event => { if (event === 'text:data') protocol.pause() })
  protocol.receiveData(wireTo('server', [text('data'), { opcode: 3 }]))
  t.strictSame(events, ['text:data'])
  protocol.resume()
  t.strictSame(events, ['text:data', ...GARBAGE])
})

// What a sink may do from inside a call: `on` an event, once, these steps; then the rest of the chunk is read.
const reentrant: ReadonlyArray<{ name: string, frames: readonly FrameToSend[], on: string, steps: readonly string[], want: Events, closure: string }> = [
  { name: 'close in a message', frames: [text('a'), text('b'), ping(''), close(1000)], on: 'text:a', steps: ['close 1001'], want: ['text:a', '>close:1001:mine', 'text:b', '>pong:', 'ping:', 'close:1000:'], closure: '1000 , clean, local' },
  { name: 'close in a ping, which has been answered', frames: [ping(''), ping('b'), text('b')], on: 'ping:', steps: ['close 1001'], want: ['>pong:', 'ping:', '>close:1001:mine', '>pong:62', 'ping:62', 'text:b'], closure: '1006 , not clean, local' },
  { name: 'close in the reply', frames: [ping(''), text('b')], on: '>pong:', steps: ['close 1001'], want: ['>pong:', '>close:1001:mine', 'ping:', 'text:b'], closure: '1006 , not clean, local' },
  { name: 'close in the answer to a Close', frames: [close(1000)], on: '>close:1000:', steps: ['close 1001'], want: ['>close:1000:', 'close:1000:'], closure: '1000 , clean, remote' },
  { name: 'close in a close', frames: [close(1000), text('b')], on: 'close:1000:', steps: ['close 1001', 'fail 1011'], want: ['>close:1000:', 'close:1000:'], closure: '1000 , clean, remote' },
  { name: 'fail in a message', frames: [text('a'), text('b'), close(1000)], on: 'text:a', steps: ['fail 1008'], want: ['text:a', '>close:1008:failed'], closure: '1008 failed, not clean, local' },
  { name: 'a fault of the peer in a message', frames: [text('a'), text('b'), ping(''), close(1000)], on: 'text:a', steps: ['blame 1008', 'blame 1013'], want: ['text:a', '>close:1008:blamed', 'error:BLAMED'], closure: '1008 blamed, not clean, local' },
  { name: 'a fault of the peer in a ping', frames: [ping(''), text('b')], on: 'ping:', steps: ['blame 1008'], want: ['>pong:', 'ping:', '>close:1008:blamed', 'error:BLAMED'], closure: '1008 blamed, not clean, local' },
  { name: 'fail in the last fragment', frames: [text('a', false), more('b'), text('c')], on: 'text:ab', steps: ['fail 1008'], want: ['text:ab', '>close:1008:failed'], closure: '1008 failed, not clean, local' },
  { name: 'eof in a message', frames: [text('a'), text('b')], on: 'text:a', steps: ['eof'], want: ['text:a'], closure: '1006 , not clean, remote' },
  { name: 'dropped in a message', frames: [text('a'), text('b'), close(1000)], on: 'text:a', steps: ['abort'], want: ['text:a'], closure: '1006 , not clean, local' },
  { name: 'eof in the answer to a Close', frames: [close(1000)], on: '>close:1000:', steps: ['eof'], want: ['>close:1000:', 'close:1000:'], closure: '1000 , clean, remote' },
  { name: 'the peer answers at once', frames: [text('a'), text('b')], on: 'text:a', steps: ['close 1000', 'peer 1001'], want: ['text:a', '>close:1000:mine', 'text:b', 'close:1001:theirs'], closure: '1001 theirs, clean, local' },
  { name: 'data in a message: behind the chunk', frames: [text('a'), text('b')], on: 'text:a', steps: ['data'], want: ['text:a', 'text:b', 'text:data'], closure: '1006 , not clean, remote' },
  { name: 'garbage in a message: behind the chunk', frames: [text('a'), text('b')], on: 'text:a', steps: ['garbage', 'data'], want: ['text:a', 'text:b', ...GARBAGE], closure: `1002 ${garbageReason}, not clean, local` },
  { name: 'anything in an error', frames: [{ opcode: 3 }, text('a')], on: 'error:FST_WS_RESERVED_OPCODE', steps: ['data', 'close 1000', 'fail 1011', 'peer 1000'], want: GARBAGE, closure: `1002 ${garbageReason}, not clean, local` }
]

for (const role of ['server', 'client'] as const) {
  for (const { name, frames, on, steps, want, closure } of reentrant) {
    t.test(`T56 from inside the sink: ${name}; a ${role}`, async t => {
      let done = false
      const { protocol, events } = startRecording(role, undefined, event => {
        if (done || event !== on) return
        done = true
        for (const step of steps) act(protocol, step)
      })
      protocol.receiveData(wireTo(role, frames))
      t.strictSame(events, want)
      t.equal(format(protocol.closure), closure)
    })
  }
}

t.test('what a sink throws comes out, and is not taken for the peer\'s fault', async t => {
  const { protocol, events } = startRecording('server', undefined, event => { if (event.startsWith('text')) throw new Error('from the sink') })
  t.throws(() => act(protocol, 'data'), { message: 'from the sink' })
  t.strictSame([events, protocol.state], [['text:data'], 'open'])
})
