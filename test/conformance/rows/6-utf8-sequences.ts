// The byte sequences of 6.5 to 6.23, in order: the borders of UTF-8 as Markus Kuhn's well-known stress test draws them.
// Which of them are right, and where the others go wrong, utf8-reference.ts tells; conformance.test.ts counts both.

export interface SequenceGroup {
  readonly id: string
  readonly title: string
  /** How many of the sequences are right. */
  readonly valid: number
  /** Each sequence is one text message. */
  readonly sequences: readonly string[]
}

const greek = 'cebae1bdb9cf83cebcceb5'
/** Sequences whose last byte is missing: of two to six bytes, first the overlong ones, then the longest. */
const cutShort = ['c0', 'e080', 'f08080', 'f8808080', 'fc80808080', 'df', 'efbf', 'f7bfbf', 'fbbfbfbf', 'fdbfbfbfbf']

function range (from: number, to: number, behind = ''): string {
  return Array.from({ length: to - from + 1 }, (_, i) => (from + i).toString(16) + behind).join('')
}

/** U+nFFFE and U+nFFFF of every plane above the first. */
const planeEnds = Array.from({ length: 16 }, (_, i) => [0xfffe, 0xffff].map((low) =>
  Buffer.from(String.fromCodePoint((i + 1) * 0x1_0000 + low)).toString('hex'))).flat()

export const sequenceGroups: readonly SequenceGroup[] = [
  {
    id: '6.5',
    title: 'a character of one, two, three, four bytes; Greek',
    valid: 5,
    sequences: ['24', 'c2a2', 'e282ac', 'f0a4ada2'].map((hex) => `68656c6c6f${hex}776f726c64`).concat(greek)
  },
  { id: '6.6', title: 'every prefix of a text', valid: 5, sequences: Array.from({ length: greek.length / 2 }, (_, i) => greek.slice(0, 2 * i + 2)) },
  { id: '6.7', title: 'first character of each length', valid: 4, sequences: ['00', 'c280', 'e0a080', 'f0908080'] },
  { id: '6.8', title: 'first of five and of six bytes', valid: 0, sequences: ['f888808080', 'fc8480808080'] },
  { id: '6.9', title: 'last character of each length', valid: 4, sequences: ['7f', 'dfbf', 'efbfbf', 'f48fbfbf'] },
  { id: '6.10', title: 'last of four, five and six bytes', valid: 0, sequences: ['f7bfbfbf', 'fbbfbfbfbf', 'fdbfbfbfbfbf'] },
  { id: '6.11', title: 'beside the surrogates and U+10FFFF', valid: 4, sequences: ['ed9fbf', 'ee8080', 'efbfbd', 'f48fbfbf', 'f4908080'] },
  {
    id: '6.12',
    title: 'continuation bytes alone',
    valid: 0,
    sequences: ['80', 'bf', '80bf', '80bf80', '80bf80bf', '80bf80bf80', '80bf80bf80bf', range(0x80, 0xbe)]
  },
  {
    id: '6.13',
    title: 'lead bytes alone, a space behind each',
    valid: 0,
    sequences: [range(0xc0, 0xde, '20'), range(0xe0, 0xee, '20'), range(0xf0, 0xf6, '20'), range(0xf8, 0xfa, '20'), 'fc20']
  },
  { id: '6.14', title: 'the last byte missing', valid: 0, sequences: cutShort },
  { id: '6.15', title: 'all of those in a row', valid: 0, sequences: [cutShort.join('')] },
  { id: '6.16', title: 'bytes that never occur', valid: 0, sequences: ['fe', 'ff', 'fefeffff'] },
  { id: '6.17', title: 'a slash, overlong', valid: 0, sequences: ['c0af', 'e080af', 'f08080af', 'f8808080af', 'fc80808080af'] },
  { id: '6.18', title: 'the last overlong of each length', valid: 0, sequences: ['c1bf', 'e09fbf', 'f08fbfbf', 'f887bfbfbf', 'fc83bfbfbfbf'] },
  { id: '6.19', title: 'NUL, overlong', valid: 0, sequences: ['c080', 'e08080', 'f0808080', 'f880808080', 'fc8080808080'] },
  { id: '6.20', title: 'a surrogate', valid: 0, sequences: ['eda080', 'edadbf', 'edae80', 'edafbf', 'edb080', 'edbe80', 'edbfbf'] },
  {
    id: '6.21',
    title: 'a pair of surrogates',
    valid: 0,
    sequences: ['eda080', 'edadbf', 'edae80', 'edafbf'].flatMap((high) => ['edb080', 'edbfbf'].map((low) => high + low))
  },
  { id: '6.22', title: 'a code point that is no character', valid: 34, sequences: ['efbfbe', 'efbfbf', ...planeEnds] },
  { id: '6.23', title: 'a special: annotations, replacement', valid: 7, sequences: ['efbfb9', 'efbfba', 'efbfbb', 'efbfbc', 'efbfbd', 'efbfbe', 'efbfbf'] }
]
