// What the cases of compression send: kinds of data as the Autobahn test suite has them, made here, the same each time.
import { deflateSync } from 'node:zlib'

export interface Sample {
  readonly name: string
  readonly isText: boolean
  /** More than the largest message, so that messages begin at ever other places. */
  readonly bytes: Buffer
}

const SIZE = 320_000

/** Pseudo-random numbers below `limit`, for ever the same (xorshift). */
function randomNumbers (seed: number): (limit: number) => number {
  let state = seed
  return (limit) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % limit
  }
}

function pick<T> (random: (limit: number) => number, values: readonly T[]): T {
  // the values are never none
  return values[random(values.length)]!
}

/** Puts parts together until they are enough. ASCII only for texts: they are cut anywhere. */
function fill (part: (i: number) => string | Buffer): Buffer {
  const parts: Buffer[] = []
  let length = 0
  for (let i = 0; length < SIZE; i++) {
    const bytes = Buffer.from(part(i))
    parts.push(bytes)
    length += bytes.length
  }
  return Buffer.concat(parts)
}

const GERMAN = ('und der die das in zu den ist nicht mit von sich ein dem für auf des so als wie auch aber wenn nur noch war schon über ' +
  'Geist Welt Kraft Sinn Stunde Himmel Erde Brust Nacht Wort Träume Schmerz Lust Feuer Schatten Gärten Wälder Flüsse Mühlen Straßen ' +
  'leben streben weben geben hören stören möchte dächte brächte ruht glüht blüht sprach brach versprach gewöhnlich fröhlich schließlich').split(' ')

function json (): Buffer {
  const random = randomNumbers(1)
  return fill((i) => `${JSON.stringify({
    id: i, guid: random(2 ** 32).toString(16), isActive: random(2) === 0, balance: `$${random(4000)}.${random(100)}`,
    tags: Array.from({ length: 5 }, () => pick(random, ['lorem', 'ipsum', 'dolor', 'sit', 'amet', 'elit', 'nulla'])),
    friends: Array.from({ length: 3 }, (_, id) => ({ id, name: pick(random, ['Ann', 'Bob', 'Cleo', 'Dan', 'Eve']) }))
  }, null, 2)},\n`)
}

function bitmap (): Buffer {
  const random = randomNumbers(2)
  // the head of a BMP of 512 columns and 8 bits, then rows: a gradient with a little noise
  return fill((row) => row === 0
    ? Buffer.from(`424d36040400000000003604000028000000${'00020000'.repeat(2)}0100080000000000000004000000000000000000000000000000000000000000`, 'hex')
    : Buffer.from(Array.from({ length: 512 }, (_, column) => ((row + column) >> 2) + random(6) & 0xff)))
}

function prose (): Buffer {
  const random = randomNumbers(3)
  return fill(() => `${Array.from({ length: 5 + random(4) }, () => pick(random, GERMAN)).join(' ')}${pick(random, [',', '.', '!', ' -'])}\r\n`)
}

function html (): Buffer {
  const random = randomNumbers(4)
  const word = (): string => pick(random, ['table', 'socket', 'message', 'browser', 'frame', 'server', 'window', 'random'])
  return fill((i) => `<tr class="${i % 2 === 0 ? 'even' : 'odd'}"><td><a href="/${word()}/${random(10_000)}.html">${word()} ${word()}</a></td><td>${random(1e6)}</td></tr>\n`)
}

function pdf (): Buffer {
  const random = randomNumbers(5)
  return fill((i) => {
    const content = deflateSync(Array.from({ length: 200 }, () => `BT ${random(600)} ${random(800)} Td (${random(2 ** 31)}) Tj ET`).join('\n'))
    return Buffer.concat([Buffer.from(`${i} 0 obj\n<< /Length ${content.length} /Filter /FlateDecode >>\nstream\n`), content, Buffer.from('\nendstream\nendobj\n')])
  })
}

/** In the order of categories 12.1 to 12.5. */
export const samples: readonly Sample[] = [
  { name: 'JSON', isText: true, bytes: json() },
  { name: 'a bitmap', isText: false, bytes: bitmap() },
  { name: 'German prose', isText: false, bytes: prose() },
  { name: 'HTML', isText: true, bytes: html() },
  { name: 'a PDF', isText: false, bytes: pdf() }
]
