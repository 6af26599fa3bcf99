// zlib's own handles, and what becomes of messages where Node has none of that kind. `sharedHandles` seeks once in a process: here in
// one in which there is nothing to be found.
import { syncBuiltinESMExports } from 'node:module'
import zlib, { constants } from 'node:zlib'
import t from 'tap'
import { deflateNow } from '../../../lib/connection/deflate/deflate.ts'
import { findHandles, Handle, sharedHandles } from '../../../lib/connection/deflate/handles.ts'
import { inflateNow } from '../../../lib/connection/deflate/inflate.ts'
import { pack, prose, settingsOf, unpack } from '../../helpers/deflate.ts'

/** Runs with another function in the place of one of node:zlib. */
function withZlib<T> (name: 'createInflateRaw' | 'createDeflateRaw', replace: (original: () => object) => object, act: () => T): T {
  const original = zlib[name] as (...args: unknown[]) => object
  const put = (value: unknown): void => {
    Object.defineProperty(zlib, name, { value, configurable: true, enumerable: true })
    syncBuiltinESMExports()
  }
  put((...args: unknown[]) => replace(() => original(...args)))
  try {
    return act()
  } finally {
    put(original)
  }
}

interface Stream {
  _handle: { writeSync: (...args: unknown[]) => void, reset: () => void, onerror?: unknown }
  _writeState: Uint32Array
}

/** What a later Node might do. */
const otherNodes: Array<{ name: string, isInflaters?: boolean, change: (stream: Stream) => unknown }> = [
  { name: 'no handle', change: (stream) => Reflect.deleteProperty(stream, '_handle') },
  { name: 'a handle that is null', change: (stream) => Object.assign(stream, { _handle: null }) },
  { name: 'no writeSync', change: (stream) => Object.assign(stream, { _handle: { reset () {} } }) },
  { name: 'no reset', change: (stream) => Object.assign(stream, { _handle: { writeSync () {} } }) },
  { name: 'no state', change: (stream) => Reflect.deleteProperty(stream, '_writeState') },
  { name: 'a state of another kind', change: (stream) => Object.assign(stream, { _writeState: [0, 0] }) },
  { name: 'a state that is never written', change: (stream) => Object.assign(stream, { _writeState: new Uint32Array(2) }) },
  { name: 'a state with its entries the other way round', change: (stream) => wrap(stream, (write, args) => { write(...args); stream._writeState.reverse() }) },
  { name: 'errors that are told otherwise', isInflaters: true, change: (stream) => Object.defineProperty(stream._handle, 'onerror', { get: () => () => {}, set () {} }) },
  { name: 'a count of what is left that is always none', isInflaters: true, change: (stream) => wrap(stream, (write, args) => { write(...args); stream._writeState[1] = 0 }) },
  { name: 'writeSync that throws', change: (stream) => wrap(stream, () => { throw new Error('not like this') }) },
  { name: 'writeSync that does nothing', change: (stream) => wrap(stream, () => {}) },
  { name: 'a reset that does nothing', change: (stream) => { stream._handle.reset = () => {} } }
]

/** A handle with another `writeSync`. */
function wrap (stream: Stream, writeSync: (write: (...args: unknown[]) => void, args: unknown[]) => void): void {
  const { _handle: handle } = stream
  const write = handle.writeSync.bind(handle)
  handle.writeSync = (...args) => writeSync(write, args)
}

for (const { name, isInflaters = false, change } of otherNodes) {
  t.test(`handles with ${name} are not used`, async t => {
    const changed = (original: () => object): object => {
      const stream = original()
      change(stream as Stream) // Node's own
      return stream
    }
    t.equal(withZlib('createInflateRaw', changed, findHandles), undefined)
    // A deflater has no errors to tell, and leaves nothing.
    if (!isInflaters) t.equal(withZlib('createDeflateRaw', changed, findHandles), undefined)
  })
}

t.test('a stream that cannot be made is no reason to fail', async t => {
  t.equal(withZlib('createInflateRaw', () => { throw new RangeError('no memory') }, findHandles), undefined)
  t.throws(() => new Handle({}), { name: 'TypeError' })
})

t.test('this Node has them', async t => {
  t.not(findHandles(), undefined)
})

t.test('what was written before leaves nothing behind, failed or not', async t => {
  const { inflater } = findHandles() ?? {}
  const output = Buffer.alloc(100)
  const secret = pack('a secret of another connection')
  // RFC 7692 §7.2.3.2: 'Hello' behind 'Hello', by nothing but a look back.
  const lookingBack = Buffer.from('f200110000', 'hex')
  for (const before of [secret, secret.subarray(0, 10), Buffer.from([7]), Buffer.alloc(0)]) {
    inflater?.run(constants.Z_FINISH, before, before.length, output, output.length)
    t.match(inflater?.run(constants.Z_FINISH, lookingBack, lookingBack.length, output, output.length), { error: 'Z_DATA_ERROR' })
    const whole = Buffer.concat([pack('mine'), Buffer.from('0000ffff0300', 'hex')])
    t.strictSame(inflater?.run(constants.Z_FINISH, whole, whole.length, output, output.length), { error: undefined, written: 4, left: 0 })
    t.equal(output.toString('latin1', 0, 4), 'mine')
  }
})

t.test('one compressor for each window, level and memory, and eight at most', async t => {
  const handles = findHandles()
  const first = handles?.deflater(15, 1, 8)
  t.not(first, undefined)
  const others = [handles?.deflater(14, 1, 8), handles?.deflater(15, 2, 8), handles?.deflater(15, 1, 7)]
  t.equal(new Set([first, ...others]).size, 4)
  const more = [2, 3, 4, 5].map(level => handles?.deflater(9, level, 8))
  t.notOk(more.includes(undefined))
  t.equal(handles?.deflater(9, 6, 8), undefined, 'the ninth')
  t.equal(handles?.deflater(15, 1, 8), first, 'the first is still there')
})

t.test('without handles messages are compressed and inflated all the same, and nothing is sought again', async t => {
  t.equal(withZlib('createInflateRaw', () => ({}), sharedHandles), undefined)
  t.equal(sharedHandles(), undefined)
  const text = prose(5000)
  const payload = deflateNow(text, settingsOf(), undefined)
  t.ok(payload !== undefined && payload.length < 2000)
  t.equal((await unpack(payload ?? Buffer.alloc(0))).toString(), text)
  t.equal(inflateNow(pack(text), 5000, undefined, true)?.toString(), text)
  t.throws(() => inflateNow(pack(text), 4999, undefined, true), { code: 'FST_WS_TOO_BIG' })
  t.throws(() => inflateNow(Buffer.from([7]), 4999, undefined, true), { code: 'FST_WS_INVALID_DEFLATE' })
})
