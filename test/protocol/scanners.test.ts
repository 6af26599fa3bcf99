import t from 'tap'
import { PortableScanner } from '../../lib/protocol/frame-scanner.ts'
import { FrameParser } from '../../lib/protocol/frame-parser.ts'
import { FASTEST, PORTABLE, Scanners } from '../../lib/protocol/scanners.ts'
import { startRecording } from '../helpers/recorder.ts'
import { encodeFrame } from '../helpers/wire-frames.ts'

const { wasm } = FASTEST

t.test('each depth has a scanner of its own', async t => {
  const scanners = new Scanners(undefined)
  const bytes = Buffer.alloc(10)
  t.equal(scanners.isBusy, false)
  const outer = scanners.claim(bytes)
  const inner = scanners.claim(bytes)
  t.equal(scanners.isBusy, true)
  t.ok(outer instanceof PortableScanner && inner instanceof PortableScanner)
  t.not(outer, inner)
  scanners.release()
  t.equal(scanners.claim(bytes), inner, 'and the next one at that depth has it again')
  scanners.release()
  scanners.release()
  t.equal(scanners.isBusy, false)
})

t.test('which one a chunk gets', async t => {
  t.ok(wasm, 'this Node has WebAssembly with vectors')
  if (wasm === undefined) return
  const scanners = new Scanners(wasm, 100)
  const claim = (bytes: Buffer): unknown => {
    const scanner = scanners.claim(bytes)
    scanners.release()
    return scanner
  }
  t.equal(claim(wasm.memory), wasm)
  t.not(claim(Buffer.alloc(100)), wasm, 'bytes elsewhere it cannot see')
  t.strictSame([99, 100].map((length) => scanners.copies(length)), [false, true], 'a short chunk is not worth the copy')
  scanners.claim(Buffer.alloc(1))
  t.equal(scanners.copies(100), false, 'its memory is in use')
  scanners.release()
  const chunk = Buffer.allocUnsafeSlow(65_536)
  t.strictSame([16_383, 16_384].map((length) => scanners.isLarge(chunk, length)), [false, true], 'a quarter of the memory')
  const small = Buffer.allocUnsafeSlow(5_000)
  t.strictSame([4_095, 4_096].map((length) => scanners.isLarge(small, length)), [false, true], 'and no few bytes')
  t.equal(scanners.isLarge(chunk.subarray(0, 5_000), 5_000), false, 'of all of the memory')
  t.equal(PORTABLE.copies(1e6), false)
  t.equal(PORTABLE.wasm, undefined)
})

t.test('a parser that is called while another one reads leaves its bytes alone', async t => {
  const wire = (name: string): Buffer => Buffer.concat(Array.from({ length: 30 }, (_, n) => encodeFrame({ opcode: 1, payload: `${name} ${n} ${'.'.repeat(20)}` })))
  const inner = startRecording('server')
  const outer = startRecording('server', undefined, () => { if (inner.events.length < 90) inner.protocol.receiveData(wire('inner')) })
  outer.protocol.receiveData(wire('outer'))
  t.strictSame(outer.events, Array.from({ length: 30 }, (_, n) => `text:outer ${n} ${'.'.repeat(20)}`))
  t.strictSame(inner.events, Array.from({ length: 90 }, (_, n) => `text:inner ${n % 30} ${'.'.repeat(20)}`))
})

t.test('what a receiver throws leaves the scanners as they were', async t => {
  const scanners = new Scanners(wasm, 0)
  const parser = new FrameParser({
    role: 'server',
    allowedRsv: 0,
    inMessage: false,
    checkLength () {},
    onSimpleMessage () { throw new Error('from the receiver') },
    onFrame () {},
    onFrameStart () {},
    onFramePiece () {},
    onFrameEnd () {}
  }, scanners)
  t.throws(() => parser.push(encodeFrame({ opcode: 1, payload: 'x' })), { message: 'from the receiver' })
  t.equal(scanners.isBusy, false)
})
