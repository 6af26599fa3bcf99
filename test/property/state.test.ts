// T56: whatever happens in whatever order, the core says what a plain model of the closing handshake says (RFC 6455 §7.1).
import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import t from 'tap'
import { ProtocolError } from '../../lib/protocol/errors.ts'
import type { Closure } from '../../lib/protocol/protocol.ts'
import type { Role } from '../../lib/protocol/role.ts'
import { readyStateOf } from '../../lib/protocol/state.ts'
import { parameters, SEED } from '../helpers/arbitrary-frames.ts'
import { split, startRecording } from '../helpers/recorder.ts'
import { closePayload, encodeFrame } from '../helpers/wire-frames.ts'
import type { FrameToSend } from '../helpers/wire-frames.ts'

t.comment(`seed ${SEED}`)

const code = fc.constantFrom(1000, 1001, 3000, 4999)
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constantFrom('text' as const, 'ping' as const, 'pong' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('garbage' as const, 'eof' as const, 'abort' as const, 'close' as const, 'peer' as const) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom('peer' as const, 'close' as const, 'fail' as const), code }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom('pause' as const, 'resume' as const) }) }
)
type Step = { readonly kind: string, readonly code?: number }

const failure = new ProtocolError('FST_WS_RESERVED_OPCODE')

/** One end of a connection as a list of rules; frames are names here. */
class Model {
  readonly events: string[] = []
  closure: Closure = { code: 1006, reason: '', wasClean: false, initiator: 'remote' }
  readyState = 1
  #hasSentClose = false
  /** No frame is read any more. */
  #isOver = false
  #isLocal = false
  #isPaused = false
  #waiting: Step[] = []

  take (step: Step): void {
    switch (step.kind) {
      case 'close': return this.#close(step.code)
      case 'fail': return this.#fail(step.code ?? 1011, 'failed')
      case 'abort': this.#blame('local'); return this.#end()
      case 'eof': return this.#end()
      case 'pause': this.#isPaused = true; return
      case 'resume': this.#isPaused = false; return this.#read()
      default: this.#waiting.push(step); this.#read()
    }
  }

  #read (): void {
    while (!this.#isOver && !this.#isPaused && this.#waiting.length > 0) {
      const frame = this.#waiting.shift()
      if (frame !== undefined) this.#readFrame(frame)
    }
  }

  #readFrame (frame: Step): void {
    if (frame.kind === 'ping') this.events.push('>pong:')
    if (frame.kind === 'garbage') {
      this.#fail(failure.closeCode, failure.message)
      this.events.push(`error:${failure.code}`)
    } else if (frame.kind === 'peer') {
      const status = `${frame.code ?? 1005}:${frame.code === undefined ? '' : 'theirs'}`
      this.#sendClose(frame.code === undefined ? '' : status)
      this.events.push(`close:${status}`)
      this.#blame('remote')
      this.closure = { ...this.closure, code: frame.code ?? 1005, reason: frame.code === undefined ? '' : 'theirs', wasClean: true }
      this.#isOver = true
    } else {
      this.events.push(`${frame.kind}:`)
    }
  }

  #close (closeCode: number | undefined): void {
    if (this.#isOver || this.#hasSentClose) return
    this.#blame('local')
    this.#sendClose(closeCode === undefined ? '' : `${closeCode}:mine`)
  }

  #fail (closeCode: number, reason: string): void {
    if (this.#isOver) return
    this.#sendClose(`${closeCode}:${reason}`)
    this.#blame('local')
    this.closure = { ...this.closure, code: closeCode, reason }
    this.#isOver = true
  }

  #end (): void {
    this.#isOver = true
    this.#isLocal = true
    this.readyState = 3
  }

  #sendClose (status: string): void {
    if (!this.#hasSentClose) this.events.push(`>close:${status}`)
    this.#hasSentClose = true
    this.readyState = 2
  }

  /** The first one it was stays it; an end that nobody asked for is the peer's. */
  #blame (initiator: 'local' | 'remote'): void {
    if (this.#isLocal || this.#isOver) return
    this.#isLocal = true
    this.closure = { ...this.closure, initiator }
  }
}

function frameOf (to: Role, { kind, code: closeCode }: Step): Buffer {
  const frames: Readonly<Record<string, FrameToSend>> = {
    text: { opcode: 1 }, ping: { opcode: 9 }, pong: { opcode: 10 }, garbage: { opcode: 3 }, peer: { opcode: 8, payload: closeCode === undefined ? '' : closePayload(closeCode, 'theirs') }
  }
  const frame = frames[kind]
  if (frame === undefined) throw new Error(`no frame for ${kind}`)
  return encodeFrame(to === 'server' ? frame : { ...frame, mask: null })
}

t.test('T56 any order of frames, closes, failures, ends and pauses', async t => {
  const endings = new Set<string>()
  fc.assert(fc.property(fc.constantFrom<Role>('server', 'client'), fc.array(fc.tuple(step, fc.nat(12)), { maxLength: 14 }), (to, steps) => {
    const model = new Model()
    const { protocol, events } = startRecording(to)
    let readyState = 1
    for (const [taken, cut] of steps) {
      const { kind, code: closeCode } = taken as Step // the arbitraries' union has one shape
      model.take(taken)
      switch (kind) {
        case 'close': protocol.close(closeCode, closeCode === undefined ? undefined : 'mine'); break
        case 'fail': protocol.fail(closeCode ?? 1011, 'failed'); break
        case 'abort': protocol.abort(); break
        case 'eof': protocol.receiveEof(); break
        case 'pause': protocol.pause(); break
        case 'resume': protocol.resume(); break
        default: for (const piece of split(frameOf(to, taken), [cut])) protocol.receiveData(Buffer.from(piece))
      }
      if (!isDeepStrictEqual(events, model.events) || !isDeepStrictEqual(protocol.closure, model.closure)) return false
      const before = readyState
      readyState = readyStateOf(protocol.state)
      if (readyState !== model.readyState || readyState < before) return false
    }
    endings.add(`${protocol.state} ${Object.values(protocol.closure).join()}`)
    return true
  }), parameters(3000))
  t.ok(endings.size > 25, `${endings.size} different endings`)
})
