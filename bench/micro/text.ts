// UTF-8 both ways: bytes that are checked and become a string, and a string that becomes a frame.
import { strict as assert } from 'node:assert'
import { isAscii, isUtf8, transcode } from 'node:buffer'
import { writeTextFrame } from '../../lib/protocol/frame-builder.ts'
import { writeFrameHeader } from '../../lib/protocol/frame-header.ts'
import { decodeText } from '../../lib/protocol/utf8.ts'
import type { Subject } from './compare.ts'

interface Way<T> {
  readonly name: string
  readonly word: string
  readonly run: T
  readonly asciiOnly?: boolean
  readonly shortOnly?: boolean
}

type Decode = (bytes: Buffer) => string
type Write = (target: Buffer, text: string) => number

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const encoder = new TextEncoder()
const TEXT = 0x81

function checkAndDecode (bytes: Buffer): string {
  if (!isUtf8(bytes)) throw new Error('not UTF-8')
  return bytes.toString('utf8')
}

function byCharCodes (bytes: Buffer): string {
  let text = ''
  for (let i = 0; i < bytes.length; i++) text += String.fromCharCode(bytes[i]!)
  return text
}

const DECODERS: ReadonlyArray<Way<Decode>> = [
  { name: 'lib/protocol/utf8.ts, told that it is ASCII', word: 'used: unmasking has seen every byte', run: (bytes) => decodeText(bytes, 0, bytes.length, true), asciiOnly: true },
  { name: 'lib/protocol/utf8.ts, not told', word: 'used for the rest: isUtf8 only where a replacement character came out', run: (bytes) => decodeText(bytes, 0, bytes.length, false) },
  { name: 'isAscii, then latin1', word: 'a second look at every byte, by a native call', run: (bytes) => isAscii(bytes) ? bytes.toString('latin1') : bytes.toString('utf8'), asciiOnly: true },
  { name: 'isUtf8, then utf8', word: 'a second look at every byte', run: checkAndDecode },
  { name: 'TextDecoder, fatal', word: 'a second look at every byte, in one call; no better where nearly all is ASCII and known to be', run: (bytes) => decoder.decode(bytes) },
  { name: 'transcode to ucs2', word: 'better than utf8 for long texts that are not ASCII on Node 20; not on 24', run: (bytes) => transcode(bytes, 'utf8', 'ucs2').toString('ucs2') },
  { name: 'String.fromCharCode in a loop', word: 'a string of pieces, which costs whoever reads it', run: byCharCodes, asciiOnly: true, shortOnly: true }
]

function byLengthFirst (target: Buffer, text: string): number {
  const length = Buffer.byteLength(text)
  const start = writeFrameHeader(target, 0, TEXT, length, false)
  return start + target.write(text, start, 'utf8')
}

function byBuffer (target: Buffer, text: string): number {
  const bytes = Buffer.from(text)
  const start = writeFrameHeader(target, 0, TEXT, bytes.length, false)
  return start + bytes.copy(target, start)
}

function byEncodeInto (target: Buffer, text: string): number {
  const length = Buffer.byteLength(text)
  const start = writeFrameHeader(target, 0, TEXT, length, false)
  return start + encoder.encodeInto(text, target.subarray(start)).written
}

/** For ASCII of less than 126 bytes; anything else is for another way, behind the loop that has found out. */
function byLoop (target: Buffer, text: string): number {
  const start = writeFrameHeader(target, 0, TEXT, text.length, false)
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code > 0x7f) return writeTextFrame(target, 0, 'server', text)
    target[start + i] = code
  }
  return start + text.length
}

const WRITERS: ReadonlyArray<Way<Write>> = [
  { name: 'lib/protocol/frame-builder.ts', word: 'used: written behind a guessed header, moved where the guess was wrong', run: (target, text) => writeTextFrame(target, 0, 'server', text) },
  { name: 'Buffer.byteLength first', word: 'reads the string twice', run: byLengthFirst },
  { name: 'Buffer.from, copied', word: 'as ws does; an object and a copy more', run: byBuffer },
  { name: 'TextEncoder.encodeInto', word: 'needs the length first, and a view', run: byEncodeInto },
  { name: 'charCodeAt in a loop', word: 'no native call: for the shortest texts', run: byLoop, shortOnly: true }
]

const ASCII = 'the quick brown fox jumps over the lazy dog. '
const OTHER = 'größer als 10 €, Ελληνικά, 日本語のテキスト. '
const cut = (text: string, length: number): string => text.repeat(Math.ceil(length / text.length)).slice(0, length)

function texts (): Array<{ name: string, text: string, isAscii: boolean }> {
  return [ASCII, OTHER].flatMap((source) => [5, 20, 125, 1_024, 16_384].map((length) => ({
    name: `${source === ASCII ? 'ASCII' : 'other'}, ${length.toLocaleString('en')} characters`,
    text: cut(source, length),
    isAscii: source === ASCII
  })))
}

function suits ({ asciiOnly = false, shortOnly = false }: Way<unknown>, text: string, isAsciiText: boolean): boolean {
  return (isAsciiText || !asciiOnly) && (text.length <= 125 || !shortOnly)
}

const decoding: Subject[] = texts().map(({ name, text, isAscii }) => {
  const bytes = Buffer.from(text)
  return {
    name: `bytes to text: ${name}`,
    variants: DECODERS.filter((way) => suits(way, text, isAscii)).map(({ name, word, run }) => ({
      name,
      word,
      batch (count: number) {
        let length = 0
        for (let i = 0; i < count; i++) length += run(bytes).length
        return length
      },
      check () { assert.equal(run(bytes), text, name) }
    }))
  }
})

const writing: Subject[] = texts().map(({ name, text, isAscii }) => {
  const target = Buffer.alloc(65_536)
  const expected = Buffer.alloc(65_536)
  return {
    name: `text to frame: ${name}`,
    variants: WRITERS.filter((way) => suits(way, text, isAscii)).map(({ name, word, run }) => ({
      name,
      word,
      batch (count: number) {
        let length = 0
        for (let i = 0; i < count; i++) length += run(target, text)
        return length
      },
      check () {
        const end = byBuffer(expected, text)
        assert.equal(run(target, text), end, name)
        assert.deepEqual(target.subarray(0, end), expected.subarray(0, end), name)
      }
    }))
  }
})

export const subjects: readonly Subject[] = [...decoding, ...writing]
