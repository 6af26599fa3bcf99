// What is special about the scanner in WebAssembly; that it reads as the portable one does is in frame-scanner.test.ts.
import t from 'tap'
import { FIELDS, MAX_FRAMES } from '../../lib/protocol/frame-scanner.ts'
import { applyMask } from '../../lib/protocol/mask.ts'
import { takeBytes } from '../../lib/protocol/payload-buffer.ts'
import { INPUT_HEADROOM, INPUT_SIZE, INPUT_START, WasmScanner } from '../../lib/protocol/wasm-scanner.ts'

/** Replaces the global for as long as `act` runs. */
function withGlobal (value: unknown, act: () => void): void {
  const global = globalThis as { WebAssembly?: unknown }
  const before = global.WebAssembly
  global.WebAssembly = value
  try {
    act()
  } finally {
    global.WebAssembly = before
  }
}

t.test('without WebAssembly, or with one that refuses the module, there is none', async t => {
  withGlobal(undefined, () => { t.equal(WasmScanner.create(), undefined) })
  withGlobal({ Module: class { constructor () { throw new Error('no vectors') } } }, () => { t.equal(WasmScanner.create(), undefined) })
  t.ok(WasmScanner.create())
})

t.test('the table, the headroom and the input lie apart, with room for a vector behind', async t => {
  const { memory, table } = WasmScanner.create()!
  t.equal(table.buffer, memory.buffer)
  t.equal(table.length, MAX_FRAMES * FIELDS)
  t.ok(table.byteOffset + table.byteLength <= INPUT_START - INPUT_HEADROOM)
  t.ok(INPUT_START + INPUT_SIZE + 16 <= memory.length)
})

t.test('T06 nothing that is taken of it is a view', async t => {
  const { memory } = WasmScanner.create()!
  memory.fill('a', INPUT_START, INPUT_START + INPUT_SIZE)
  const taken = takeBytes(memory, INPUT_START, INPUT_START + INPUT_SIZE, false)
  memory.fill('b', INPUT_START, INPUT_START + INPUT_SIZE)
  t.equal(taken.toString(), 'a'.repeat(INPUT_SIZE))
})

t.test('bytes from elsewhere are unmasked as by TypeScript, and what is scanned here is left alone', async t => {
  const wasm = WasmScanner.create()!
  const scanned = wasm.memory.subarray(0, INPUT_START + INPUT_SIZE + 16)
  const before = Buffer.from(scanned)
  for (const length of [0, 1, 15, 16, 17, 1000, 16_383, 16_384, 16_385, 32_768, 49_153, 100_001]) {
    for (const odd of [undefined, 0, 16_384, length - 1]) {
      const bytes = Buffer.alloc(length + 10, 'text')
      if (odd !== undefined && odd >= 0 && odd < length) bytes[5 + odd] = 0xe4
      applyMask(bytes, 5, 5 + length, 0x81a2c3e4 | 0)
      const want = Buffer.from(bytes)
      const isAscii = applyMask(want, 5, 5 + length, 0x81a2c3e4 | 0)
      t.equal(wasm.unmaskElsewhere(bytes, 5, 5 + length, 0x81a2c3e4 | 0), isAscii, `${length} bytes, one of them not ASCII: ${odd}`)
      t.ok(bytes.equals(want), 'and nothing around them')
    }
  }
  t.ok(scanned.equals(before))
})
