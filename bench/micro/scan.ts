// A whole chunk from a client to messages: headers, masks, UTF-8, no socket.
import { strict as assert } from 'node:assert'
import { createRequire } from 'node:module'
import type { Writable } from 'node:stream'
import { Protocol } from '../../lib/protocol/protocol.ts'
import type { ProtocolOptions, ProtocolSink } from '../../lib/protocol/protocol.ts'
import { PORTABLE } from '../../lib/protocol/scanners.ts'
import { encodeFrame } from '../../test/helpers/wire-frames.ts'
import type { Subject, Variant } from './compare.ts'

/** Takes a chunk and returns how many characters and bytes its messages had. */
type Scan = (chunk: Buffer) => number

// By `require`, since its declarations leave it out.
const { Receiver }: { Receiver: new (options: object) => Writable } = createRequire(import.meta.url)('ws')
const MAX_PAYLOAD = 1_048_576

function throughProtocol (options: Partial<ProtocolOptions> = {}): Scan {
  let length = 0
  const sink: ProtocolSink = {
    onMessage (_opcode, data) { length += data.length },
    onPing () {},
    onPong () {},
    onClose () {},
    onError (error) { throw error },
    onReply () {}
  }
  const protocol = new Protocol(sink, { role: 'server', maxPayload: MAX_PAYLOAD, ...options })
  return (chunk) => {
    length = 0
    protocol.receiveData(chunk)
    return length
  }
}

function throughWs (): Scan {
  let length = 0
  const receiver = new Receiver({ isServer: true, maxPayload: MAX_PAYLOAD, allowSynchronousEvents: true })
  // A string, as this package gives it.
  receiver.on('message', (data: Buffer, isBinary: boolean) => { length += isBinary ? data.length : data.toString().length })
  return (chunk) => {
    length = 0
    receiver.write(chunk)
    return length
  }
}

/** The least that can be done: lengths from headers, masks off, nothing checked and every message a view. */
function unchecked (chunk: Buffer): number {
  let length = 0
  for (let at = 0; at < chunk.length;) {
    const isText = (chunk[at]! & 0xf) === 1
    let size = chunk[at + 1]! & 0x7f
    at += 2
    if (size === 126) {
      size = chunk.readUInt16BE(at)
      at += 2
    }
    const key = chunk.readUInt32BE(at)
    at += 4
    for (let i = 0; i < size; i++) chunk[at + i]! ^= key >>> (24 - 8 * (i & 3)) & 0xff
    length += isText ? chunk.toString('latin1', at, at + size).length : chunk.subarray(at, at + size).length
    at += size
  }
  return length
}

const WAYS: ReadonlyArray<{ readonly name: string, readonly word: string, readonly make: () => Scan }> = [
  { name: 'lib/protocol, with vectors', word: 'used: the chunk is copied into the memory of the scanner in WebAssembly', make: throughProtocol },
  { name: 'lib/protocol, portable', word: 'used for short chunks, and where there is no WebAssembly', make: () => throughProtocol({ scanners: PORTABLE }) },
  { name: 'Receiver of ws, with bufferutil', word: 'a state machine that takes a header apart in three steps', make: throughWs },
  { name: 'nothing checked, byte by byte', word: 'what headers and masks alone take, without a rule of the RFC', make: () => unchecked }
]

const ROWS = [
  { name: '100 texts of 20 B', payload: 'twenty bytes of text', count: 100 },
  { name: '100 binary messages of 20 B', payload: Buffer.alloc(20, 1), count: 100 },
  { name: '100 texts of 125 B', payload: 'x'.repeat(125), count: 100 },
  { name: '60 texts of 1 KiB', payload: 'x'.repeat(1_024), count: 60 },
  { name: '60 binary messages of 1 KiB', payload: Buffer.alloc(1_024, 1), count: 60 }
]

export const subjects: readonly Subject[] = ROWS.map(({ name, payload, count }) => {
  const frames = Buffer.concat(Array.from({ length: count }, () => encodeFrame({ opcode: typeof payload === 'string' ? 1 : 2, payload })))
  // Not from the pool of small Buffers, as a read is not.
  const chunk = Buffer.alloc(frames.length)
  const variants = WAYS.map(({ name, word, make }): Variant => {
    const scan = make()
    return {
      name,
      word,
      batch (times) {
        // Unmasked in place, so written anew: a cost that all have.
        for (let i = 0; i < times; i++) {
          chunk.set(frames)
          scan(chunk)
        }
      },
      check () {
        chunk.set(frames)
        assert.equal(scan(chunk), count * payload.length, name)
      }
    }
  })
  return { name: `scan ${name}`, variants }
})
