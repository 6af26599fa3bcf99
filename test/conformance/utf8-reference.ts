// Which byte makes a text impossible, read off Unicode's table of well-formed sequences and not off lib/.

/** Rows of Unicode table 3-7: the ranges of the lead byte and of each byte behind it. */
const WELL_FORMED: ReadonlyArray<ReadonlyArray<readonly [number, number]>> = [
  [[0x00, 0x7f]],
  [[0xc2, 0xdf], [0x80, 0xbf]],
  [[0xe0, 0xe0], [0xa0, 0xbf], [0x80, 0xbf]],
  [[0xe1, 0xec], [0x80, 0xbf], [0x80, 0xbf]],
  [[0xed, 0xed], [0x80, 0x9f], [0x80, 0xbf]],
  [[0xee, 0xef], [0x80, 0xbf], [0x80, 0xbf]],
  [[0xf0, 0xf0], [0x90, 0xbf], [0x80, 0xbf], [0x80, 0xbf]],
  [[0xf1, 0xf3], [0x80, 0xbf], [0x80, 0xbf], [0x80, 0xbf]],
  [[0xf4, 0xf4], [0x80, 0x8f], [0x80, 0xbf], [0x80, 0xbf]]
]

/**
 * Finds the first byte after which no text can begin so.
 *
 * @returns its index; the length where the text merely ends inside a character; `undefined` for a right text
 */
export function findImpossibleByte (bytes: Uint8Array): number | undefined {
  let at = 0
  while (at < bytes.length) {
    const lead = bytes[at] ?? 0
    const row = WELL_FORMED.find(([range]) => range !== undefined && lead >= range[0] && lead <= range[1])
    if (row === undefined) return at
    for (const [least, most] of row) {
      const byte = bytes[at]
      if (byte === undefined || byte < least || byte > most) return at
      at++
    }
  }
  return undefined
}
