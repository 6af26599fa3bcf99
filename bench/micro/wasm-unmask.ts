// The simplest thing that WebAssembly can do here: the XOR, 16 bytes at a time, in its own memory.
import wabt from 'wabt'

const SOURCE = `(module
  (memory (export "memory") 18)
  (func (export "mask") (param $at i32) (param $end i32) (param $key i32)
    (local $keys v128)
    (local.set $keys (i32x4.splat (local.get $key)))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
        (v128.store (local.get $at) (v128.xor (v128.load (local.get $at)) (local.get $keys)))
        (local.set $at (i32.add (local.get $at) (i32.const 16)))
        (br $next)))))`

interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer }
  readonly mask: (at: number, end: number, key: number) => void
}

/** What is used of it: it is not in the types of Node 20. */
const { WebAssembly } = globalThis as unknown as {
  WebAssembly: {
    Module: new (bytes: Uint8Array) => object
    Instance: new (module: object) => { readonly exports: unknown }
  }
}

export interface WasmMask {
  /** Bytes of its memory; 16 more than are asked for may be written over. */
  readonly memory: Buffer
  /** @param key - its first byte is the lowest */
  readonly mask: (at: number, end: number, key: number) => void
}

export async function compileMask (): Promise<WasmMask> {
  const module = (await wabt()).parseWat('mask.wat', SOURCE, { simd: true })
  const { buffer } = module.toBinary({})
  module.destroy()
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(buffer))
  const { memory, mask } = exports as Exports // as the text above says
  return { memory: Buffer.from(memory.buffer), mask }
}
