// Arguments for T11: everything that send, ping, pong and close take or must refuse, and the bytes that each is.

/** An argument that is taken, with the bytes that it stands for, worked out without Buffer. */
export interface Accepted {
  readonly name: string
  readonly value: string | ArrayBuffer | ArrayBufferView
  readonly bytes: Uint8Array
  readonly isText: boolean
}

/** Arguments that are no message: numbers above all, which once meant so many bytes of foreign memory. */
export const refused: ReadonlyArray<readonly [name: string, value: unknown]> = [
  ['0', 0], ['8', 8], ['1000', 1000], ['-1', -1], ['NaN', Number.NaN], ['a bigint', 5n], ['null', null],
  ['true', true], ['false', false], ['a symbol', Symbol('s')], ['an object', {}], ['an object with a length', { length: 100 }],
  ['an object like a Buffer', { type: 'Buffer', data: [1, 2, 3] }], ['an array', [1, 2, 3]], ['a Date', new Date(0)],
  ['a function', () => 'a'], ['a Map', new Map()], ['an object with toString', { toString: () => 'a' }]
]

/** The lengths at which a frame's header changes its form (RFC 6455 §5.2), and beside them. */
const lengths = [0, 1, 2, 3, 7, 8, 9, 124, 125, 126, 127, 65_534, 65_535, 65_536, 65_537]

const texts = [
  ...lengths.map((length) => ({ name: `${length} ASCII characters`, text: 'a'.repeat(length) })),
  // two bytes each: the length in bytes is of another form than that in characters
  ...[62, 63, 64, 125, 126, 32_767, 32_768, 65_535].map((length) => ({ name: `${length} characters of two bytes`, text: 'é'.repeat(length) })),
  ...[41, 42, 43, 21_845, 21_846].map((length) => ({ name: `${length} characters of three bytes`, text: '€'.repeat(length) })),
  ...[1, 31, 32, 16_384].map((length) => ({ name: `${length} characters of four bytes`, text: '😀'.repeat(length) })),
  { name: 'NUL and controls', text: '\0\x01\x1f\x7f' },
  { name: 'a byte order mark', text: '\ufeffa' },
  { name: 'half a pair at the end', text: 'a\ud83d' },
  { name: 'half a pair in the middle', text: 'a\ude00b' },
  { name: 'halves in the wrong order', text: '\ude00\ud83d' }
]

/** A view over every other kind of memory, whose neighbours must never be sent. */
function views (): Array<{ name: string, value: ArrayBuffer | ArrayBufferView }> {
  const memory = new ArrayBuffer(80)
  new Uint8Array(memory).forEach((_, i, bytes) => { bytes[i] = 0xa0 + i })
  const shared = new SharedArrayBuffer(16)
  new Uint8Array(shared).fill(7)
  const kinds = [Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array, Float32Array, Float64Array, BigInt64Array, BigUint64Array]
  return [
    { name: 'an ArrayBuffer', value: memory },
    { name: 'an empty ArrayBuffer', value: new ArrayBuffer(0) },
    { name: 'a DataView', value: new DataView(memory) },
    { name: 'a DataView inside of its memory', value: new DataView(memory, 3, 5) },
    { name: 'an empty DataView', value: new DataView(memory, 80) },
    { name: 'a Buffer', value: Buffer.from(memory) },
    { name: 'a Buffer inside of its memory', value: Buffer.from(memory, 9, 11) },
    { name: 'a Buffer of the pool', value: Buffer.from('from the pool') },
    { name: 'a slice of a Buffer of the pool', value: Buffer.from('from the pool').subarray(5, 8) },
    { name: 'a view of shared memory', value: new Uint8Array(shared, 4, 8) },
    ...kinds.flatMap((Kind) => [
      { name: `a ${Kind.name}`, value: new Kind(memory) },
      { name: `a ${Kind.name} inside of its memory`, value: new Kind(memory, 8, 3) },
      { name: `an empty ${Kind.name}`, value: new Kind(memory, 16, 0) }
    ]),
    ...lengths.map((length) => ({ name: `a Buffer of ${length} bytes`, value: Buffer.alloc(length, 'binary ') })),
    ...lengths.map((length) => ({ name: `a Uint8Array of ${length} bytes at an odd place`, value: new Uint8Array(length + 8).fill(9).subarray(3, length + 3) }))
  ]
}

/** Copies a value's bytes one by one, through a DataView. */
function copyBytes (value: ArrayBuffer | ArrayBufferView): Uint8Array {
  const view = ArrayBuffer.isView(value) ? new DataView(value.buffer, value.byteOffset, value.byteLength) : new DataView(value)
  return Uint8Array.from({ length: view.byteLength }, (_, i) => view.getUint8(i))
}

/** Every accepted argument. */
export function acceptedArguments (): Accepted[] {
  const encoder = new TextEncoder()
  return [
    ...texts.map(({ name, text }) => ({ name, value: text, bytes: encoder.encode(text), isText: true })),
    ...views().map(({ name, value }) => ({ name, value, bytes: copyBytes(value), isText: false }))
  ]
}

/** Arguments of close that are taken, and the code and reason that must be on the wire. */
export const acceptedCloses: ReadonlyArray<{ args: readonly unknown[], code?: number, reason?: string }> = [
  { args: [] },
  { args: [undefined] },
  { args: [undefined, ''] },
  { args: [undefined, 'why'], code: 1000, reason: 'why' },
  ...[1000, 1001, 1003, 1007, 1011, 1014, 3000, 3999, 4000, 4999].map((code) => ({ args: [code], code })),
  { args: [1000, undefined], code: 1000 },
  ...['', 'why', 'a'.repeat(123), '€'.repeat(41), 'é', '😀'.repeat(30), 'a\ud83d', '\ude00'.repeat(41)]
    .map((reason) => ({ args: [4000, reason], code: 4000, reason }))
]

/** Arguments of close that are refused, and the error's code. */
export const refusedCloses: ReadonlyArray<{ args: readonly unknown[], error: string }> = [
  // 66536 and -64536 are 1000 in 16 bits
  ...[0, 1, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65_535, 66_536, -1000, -64_536, 1000.5, Number.NaN, Infinity, '1000', null, true, 1000n]
    .map((code) => ({ args: [code], error: 'FST_WS_INVALID_CLOSE_CODE' })),
  ...['a'.repeat(124), '€'.repeat(42), '\ude00'.repeat(42), 'é'.repeat(62), 'a'.repeat(100_000)]
    .map((reason) => ({ args: [1000, reason], error: 'FST_WS_REASON_TOO_LONG' })),
  ...[5, 100, true, {}, ['a'], Buffer.from('why'), 5n].map((reason) => ({ args: [1000, reason], error: 'FST_WS_INVALID_ARGUMENT' }))
]
