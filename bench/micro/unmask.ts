// Masking (RFC 6455 §5.3), the work that every byte from a client makes.
import { strict as assert } from 'node:assert'
import { createRequire } from 'node:module'
import { applyMask } from '../../lib/protocol/mask.ts'
import { INPUT_SIZE, INPUT_START, WasmScanner } from '../../lib/protocol/wasm-scanner.ts'
import type { Subject, Variant } from './compare.ts'

type Unmask = (bytes: Buffer, key: Buffer) => void

const KEY = Buffer.from('37fa213d', 'hex')
const KEY_BE = KEY.readInt32BE()
const KEY_LE = KEY.readInt32LE()
const { unmask: unmaskNatively }: { unmask: Unmask } = createRequire(import.meta.url)('bufferutil')
const scanner = createScanner()

function createScanner (): WasmScanner {
  const created = WasmScanner.create()
  if (created === undefined) throw new Error('this Node has no WebAssembly with vectors')
  return created
}

function byBytes (bytes: Buffer, key: Buffer): void {
  for (let i = 0; i < bytes.length; i++) bytes[i]! ^= key[i & 3]!
}

function byFour (bytes: Buffer, key: Buffer): void {
  const [key0 = 0, key1 = 0, key2 = 0, key3 = 0] = key
  const last = bytes.length - 3
  let i = 0
  for (; i < last; i += 4) {
    bytes[i]! ^= key0
    bytes[i + 1]! ^= key1
    bytes[i + 2]! ^= key2
    bytes[i + 3]! ^= key3
  }
  for (; i < bytes.length; i++) bytes[i]! ^= key[i & 3]!
}

function byWords (bytes: Buffer, key: Buffer): void {
  const words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2)
  const word = KEY_LE
  for (let i = 0; i < words.length; i++) words[i]! ^= word
  for (let i = words.length * 4; i < bytes.length; i++) bytes[i]! ^= key[i & 3]!
}

function byBigWords (bytes: Buffer, key: Buffer): void {
  const words = new BigUint64Array(bytes.buffer, bytes.byteOffset, bytes.length >> 3)
  const word = (BigInt(KEY_LE >>> 0) << 32n) | BigInt(KEY_LE >>> 0)
  for (let i = 0; i < words.length; i++) words[i]! ^= word
  for (let i = words.length * 8; i < bytes.length; i++) bytes[i]! ^= key[i & 3]!
}

/** By the scanner, a stretch at a time. */
function inWasm (bytes: Buffer): void {
  const { memory } = scanner
  for (let at = 0; at < bytes.length; at += INPUT_SIZE) {
    const length = bytes.copy(memory, INPUT_START, at, at + INPUT_SIZE)
    scanner.unmask(memory, INPUT_START, INPUT_START + length, KEY_BE)
    memory.copy(bytes, at, INPUT_START, INPUT_START + length)
  }
}

const WAYS: ReadonlyArray<{ readonly name: string, readonly word: string, readonly unmask: Unmask }> = [
  { name: 'lib/protocol/mask.ts', word: 'used: by four below 96 bytes, by 32-bit words above, and it tells whether all is ASCII', unmask: (bytes) => { applyMask(bytes, 0, bytes.length, KEY_BE) } },
  { name: 'byte by byte', word: 'as in the RFC; slow at every size', unmask: byBytes },
  { name: 'four bytes a turn', word: 'best for small ones', unmask: byFour },
  { name: 'Int32Array', word: 'the view costs as much as 100 bytes; must be aligned', unmask: byWords },
  { name: 'BigUint64Array', word: 'each word is an object on the way', unmask: byBigWords },
  { name: 'bufferutil', word: 'native: the call costs as much as some hundred bytes, and it is an add-on', unmask: unmaskNatively },
  { name: 'WebAssembly, copied in and out', word: 'best for large ones; better where the bytes are in its memory already', unmask: inWasm }
]

function variant ({ name, word, unmask }: (typeof WAYS)[number], size: number): Variant {
  const bytes = Buffer.alloc(size, 'some text')
  return {
    name,
    word,
    batch (count) {
      for (let i = 0; i < count; i++) unmask(bytes, KEY)
    },
    check () {
      const masked = Buffer.from(bytes)
      for (let i = 0; i < size; i++) masked[i]! ^= KEY[i & 3]!
      unmask(masked, KEY)
      assert.deepEqual(masked, bytes, name)
    }
  }
}

export const subjects: readonly Subject[] = [20, 125, 1_024, 16_384, 1_048_576].map((size) => {
  const variants = WAYS.map((way) => variant(way, size))
  // Where the read buffer is WebAssembly's memory there is nothing to copy; the largest is several reads.
  const alone: Variant = {
    name: 'WebAssembly, in its memory',
    word: 'what a scanner pays for the XOR',
    batch (count) {
      for (let i = 0; i < count; i++) {
        for (let at = 0; at < size; at += INPUT_SIZE) scanner.unmask(scanner.memory, INPUT_START, INPUT_START + Math.min(INPUT_SIZE, size - at), KEY_BE)
      }
    }
  }
  return { name: `unmask ${size.toLocaleString('en')} B`, variants: [...variants, alone] }
})
